#!/usr/bin/python3
"""The packages on a hardened kernel, in a virtual machine: lockdown=confidentiality,
kernel.yama.ptrace_scope 0 to 3, hidepid=2, noexec on /var and /tmp, fapolicyd; and what
AIDE and debsums say after use. What happens there is in hardened.sh.
"""
import collections
import glob
import os
import re
import shutil
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../packages")]

from built import packages
from host import virtual_machine
from host.commands import must
from host.debian_root import make_root, own_suite
from host.files import REPOSITORY, read, write
from host.tap import tap

PACKAGES = """aide bsdutils busybox debsums fapolicyd iproute2 libconfuse2 libjansson4 libpam-runtime
    libsystemd0 login openssh-client openssh-server passwd patch procps sshpass util-linux""".split()
DIRECTORY = REPOSITORY + "/build/soak/hardened"
CONTROL = """Package: control
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.invalid>
Description: a package with a script
"""
# What everybody gets, whatever the hardening.
USED = """login: refused, 1 of 3
login: refused, 2 of 3
login: refused, 3 of 3
login: refused, 3 of 3
unlocked: admitted
an edit is found at login: 420 default
edit: 0, 9m
shells --install: 0
""".splitlines()
ENDED = [f"terminal of an idle user, {n}: ended" for n in (1, 2)]
HARDENINGS = ("noexec on /var and /tmp", "hidepid=2", "ptrace_scope 0", "ptrace_scope 1",
              "ptrace_scope 2", "fapolicyd", "ptrace_scope 3")


def exclusions():
    """What the README tells AIDE to leave out."""
    return "".join(f"{line}\n" for line in re.findall(r"(?m)^!/\S+$", read(REPOSITORY + "/README.md")))


def trust():
    """What the README does for fapolicyd to trust the kit."""
    return "".join(f"{line}\n" for line in re.findall(r"(?m)^sudo (fapolicyd-cli .*)$",
                                                      read(REPOSITORY + "/README.md")))


def prepare(root):
    """The machine's files."""
    make_root(own_suite(), root, PACKAGES)
    for path in packages()[0]:
        os.makedirs(f"{root}/debs", exist_ok=True)
        shutil.copy(path, f"{root}/debs/{os.path.basename(path).split('_')[0]}.deb")
    control = f"{DIRECTORY}/control"
    write(f"{control}/DEBIAN/control", CONTROL)
    write(f"{control}/DEBIAN/postinst", "#!/bin/sh\nexit 0\n", 0o755)
    must("dpkg-deb", "--build", "--root-owner-group", control, f"{root}/debs/control.deb")
    write(f"{root}/aide-exclusions", exclusions())
    write(f"{root}/trust-by-fapolicyd", trust())
    shutil.copy(REPOSITORY + "/tests/soak/hardened.sh", f"{root}/job")


def sections(text):
    """What the job printed, by the headings in it."""
    parts = re.split(r"(?m)^== (.*)\n", text.replace(virtual_machine.JOB_DONE + "\n", ""))
    return collections.defaultdict(list, zip(parts[1::2], map(str.splitlines, parts[2::2])))


def judge_use(found):
    """Every hardening leaves everything as it was, but for what tmoutd(8) says."""
    plain = found["as it is"]
    tap.equal(plain[:len(USED)], USED, "nothing hardened")
    tap.equal(plain[-3:], [*ENDED, "quiet connection: ended, 1"], "idle logins end")
    tap.ok(any(line.startswith("patch: 0") for line in plain), "the audit's patch applies", plain)
    for name in HARDENINGS:
        expected = list(plain)
        if name == "ptrace_scope 3":
            expected[-1] = "quiet connection: open"
        tap.equal(found[name], expected, name)


def report(output):
    found = sections(output)
    tap.ok(virtual_machine.JOB_DONE in output, "all of it was done", output[-3000:])
    tap.ok(any("[confidentiality]" in line for line in found["kernel"]) and
           "no /dev/mem" in found["kernel"], "the kernel is locked down", found["kernel"])
    tap.ok(found["control"][:1] not in ([], ["0"]) and found["control"][-1] == "status 0",
           "noexec on /var keeps dpkg from running any package's script", found["control"])
    tap.equal(found["install"], ["status 0", *(f"/etc/pam.d/common-{name}" for name in (
        "auth", "password", "session", "session-noninteractive"))], "installed with noexec on /tmp")
    judge_use(found)
    ours = [path for path in found["changed"] if re.search("tmout", path)]
    tap.equal(ours, ["/etc/security/tmout.conf"],
              "AIDE, with README's exclusions: of ours, only what was edited has changed")
    tap.note(found["changed"])
    tap.equal(found["upgrade"], ["status 0"], "installed over itself")
    tap.equal(found["debsums"], ["/etc/security/tmout.conf"], "debsums: the edited policy only")
    tap.equal(found["tmoutd"] + found["tmoutd, ptrace_scope 3"], [], "nothing is denied, by the log")
    tap.equal(found["fapolicyd, the kit not trusted"],
              ["another program: 126", "audit: FAIL  su and sudo cannot open it", "tmoutctl: 126",
               "a wrong password for su: "],
              "fapolicyd keeps users from what it does not trust, and su from counting")
    tap.equal(found["fapolicyd, the kit trusted"],
              ["audit: PASS ", "tmoutctl: 0", "a wrong password for su: 1 of 3"],
              "as README has it trusted, it works")
    tap.equal(found["denied by fapolicyd"], [], "and nothing more is denied")


def scenario():
    """installation, use and an upgrade"""
    root, image = f"{DIRECTORY}/root", f"{DIRECTORY}/image"
    prepare(root)
    kernel = virtual_machine.download_kernel(f"{DIRECTORY}/kernel")
    shutil.copy(glob.glob(f"{DIRECTORY}/kernel/boot/config-*")[0], f"{root}/kernel-config")
    virtual_machine.pack(root, image)
    report(virtual_machine.boot(kernel, image, DIRECTORY, "lockdown=confidentiality"))


virtual_machine.play("hardened kernels", scenario, DIRECTORY, ("root", "image", "kernel", "control"),
                     (*virtual_machine.PROGRAMS, "dpkg-buildpackage"))
