#!/usr/bin/python3
"""A host whose vendor keeps its files outside /etc, as SUSE does: sshd_config, shells' files and
PAM services in /usr/etc and /usr/lib/pam.d; and bash's file where Gentoo and Alpine have it."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.commands import must, run
from host.files import read, remove, write
from host.setup import setup
from host.tap import tap

MARK = "# tmoutctl shells"
FILES = {"bash.bashrc": "bash", "zsh/zshenv": "zsh", "ksh.kshrc": "ksh93", "mkshrc": "mksh",
         "csh.cshrc": "tcsh"}
POLICY = "default { tmout = 15m\n max_attempts = 3 }\n"


def move(name):
    """The vendor's instead of the site's, without lines of ours."""
    path = f"/etc/{name}"
    text = read(path) if os.path.exists(path) else "# empty\n"
    remove(path)
    write(f"/usr/etc/{name}", "".join(line for line in text.splitlines(keepends=True)
                                      if MARK not in line) + "\n")


def vendors():
    """Every byte of the vendor's files."""
    return must("sh", "-c", "find /usr/etc /usr/lib/pam.d -type f -exec sha256sum {} + | sort")


def findings(check, *statuses):
    report = json.loads(run("tmoutctl", "audit", "--json").stdout)
    return [(finding["file"], finding["message"]) for finding in report["findings"]
            if finding["id"] == check and finding["status"] in statuses]


def limits():
    """The shells that get no limit, or have none at their prompt. bash's and ksh93's login
    shells are left out: Debian's do not read /usr/etc/profile."""
    return [message for check in ("shells-hooks", "shells-limit")
            for _, message in findings(check, "FAIL", "WARN") if "login shell" not in message]


def shells_of_the_vendor():
    """`tmoutctl shells --install` changes /etc only, and the vendor's files are still read"""
    os.makedirs("/usr/etc/zsh", exist_ok=True)
    for name in (*FILES, "profile"):
        move(name)
    write("/usr/etc/bash.bashrc", read("/usr/etc/bash.bashrc") + "VENDORS=read\n")
    write("/usr/etc/csh.cshrc", read("/usr/etc/csh.cshrc") + "set vendors = read\n")
    before = vendors()
    tap.ok(limits(), "before, shells have no limit")
    first = must("tmoutctl", "shells", "--install")
    tap.equal(first, "".join(f"/etc/{name}: added\n" for name in FILES), "the first time: added")
    tap.equal(must("tmoutctl", "shells", "--install"), first.replace("added", "unchanged"),
              "the second time: unchanged")
    tap.equal(vendors(), before, "the vendor's files are what they were")
    tap.equal(limits(), [], "every shell has the limit at its prompt")
    tap.equal(run("bash", "-ic", "echo $VENDORS").stdout, "read\n", "bash still reads the vendor's")
    tap.equal(run("tcsh", "-c", "echo $vendors").stdout, "read\n", "so does tcsh")
    must("tmoutctl", "shells", "--remove")
    tap.equal([name for name in FILES if os.path.exists(f"/etc/{name}")], [], "removed without a trace")
    # What the vendor sets is reported with its file.
    write("/usr/etc/bash.bashrc", read("/usr/etc/bash.bashrc") + "TMOUT=7200\n")
    must("tmoutctl", "shells", "--install")
    tap.ok("/usr/etc/bash.bashrc" in run("tmoutctl", "shells").stdout, "the vendor's TMOUT is named")


def loop_of_the_vendor():
    """a file of the vendor's that reads /etc/profile.d needs no line of ours"""
    must("tmoutctl", "shells", "--remove")
    write("/usr/etc/bash.bashrc", "for i in /etc/profile.d/*.sh; do . $i; done\n")
    must("tmoutctl", "shells", "--install")
    tap.ok(not os.path.exists("/etc/bash.bashrc"), "nothing is added")
    write("/usr/etc/bash.bashrc", "for i in /usr/etc/profile.d/*.sh; do . $i; done\n")
    must("tmoutctl", "shells", "--install")
    tap.ok(MARK in read("/etc/bash.bashrc"), "a loop over /usr/etc/profile.d alone is not enough")


def bash_of_gentoo():
    """/etc/bash/bashrc"""
    must("tmoutctl", "shells", "--remove")
    write("/etc/bash/bashrc", "# theirs\n")
    tap.ok("/etc/bash/bashrc: added\n" in must("tmoutctl", "shells", "--install"), "added")
    tap.ok(MARK in read("/etc/bash/bashrc"), "our line is in it")
    must("tmoutctl", "shells", "--remove")
    tap.equal(read("/etc/bash/bashrc"), "# theirs\n", "removed")


def sshd_of_the_vendor():
    """sshd_config in /usr/etc/ssh"""
    os.makedirs("/usr/etc/ssh", exist_ok=True)
    write("/usr/etc/ssh/sshd_config", read("/etc/ssh/sshd_config") + "ClientAliveInterval 0\n")
    remove("/etc/ssh/sshd_config")
    before = vendors()
    tap.equal(findings("sshd-config", "FAIL"), [], "sshd takes its configuration from there")
    places = [file for file, _ in findings("sshd-client-alive", "WARN", "FAIL")]
    tap.equal(places, ["/usr/etc/ssh/sshd_config"], "findings name it")
    tap.equal(run("tmoutctl", "sshd-config", "--check").returncode, 0, "sshd-config --check")
    patch = run("tmoutctl", "audit", "--patch").stdout
    tap.ok("+++ b/usr/" not in patch, "no patch changes the vendor's files", patch)
    write("/usr/etc/ssh/sshd_config", read("/usr/etc/ssh/sshd_config") + "NoSuchKeyword yes\n")
    tap.equal([file for file, _ in findings("sshd-keyword", "FAIL")], ["/usr/etc/ssh/sshd_config"],
              "an error in it is found")
    write("/etc/ssh/sshd_config", "")
    tap.equal(findings("sshd-keyword", "FAIL"), [], "not where /etc has one")
    remove("/etc/ssh/sshd_config")
    tap.ok(before, "there were files")


def services_of_the_vendor():
    """PAM services in /usr/lib/pam.d and /usr/etc/pam.d"""
    for directory in ("/usr/lib/pam.d", "/usr/etc/pam.d"):
        os.makedirs(directory, exist_ok=True)
        write(f"{directory}/vendors", "auth [success=1 default=ignore] pam_localuser.so\n"
              "auth requisite pam_tmout.so\nauth required pam_unix.so\n")
        found = [message for file, message in findings("pam-jump", "FAIL")
                 if file == f"{directory}/vendors"]
        tap.ok(len(found) == 1 and "passwords of local and system users" in found[0], directory, found)
        write("/etc/pam.d/vendors", "auth requisite pam_tmout.so\nauth required pam_unix.so\n")
        tap.equal(findings("pam-jump", "FAIL"), [], "a file in /etc/pam.d replaces it")
        remove("/etc/pam.d/vendors")
        remove(f"{directory}/vendors")


setup(POLICY, "", ["sshd"])
tap.run(shells_of_the_vendor, loop_of_the_vendor, bash_of_gentoo, sshd_of_the_vendor,
        services_of_the_vendor)
