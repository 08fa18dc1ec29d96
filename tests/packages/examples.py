"""Runs each example of the manual pages on a booted host: commands for root (#), commands
of a client of that host ($), policies, a fleet's settings, and PAM lines. A scenario of booted.t.
"""
import glob
import os
import re

from host.client import ssh_command
from host.files import REPOSITORY, read, write
from host.tap import tap
from host.terminal import Terminal
from host.waiting import Stuck
from recovery import root_has_a_key

CONFIG = "/run/ssh_config"
DRAFT = "default {\n    # Lunch is short.\n    tmuot = 5m\n}\n"
# 1: the command works, and has found something.
MAY_FIND = re.compile(r"tmoutctl (audit|check|status|sshd-config --check|sessions|show)\b")
SETTING = re.compile(r"^(default|group|user)\b")
FLEET = "/etc/security/tmout-fleet"
FLEET_SETTING = re.compile(r"^endpoints\b")
PAM_LINE = re.compile(r"^-?(auth|account|password|session)\s")


def blocks(page):
    """The literal blocks of a page, as text."""
    for block in re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", read(page), re.M | re.S):
        yield block.replace(r"\e", "\\").replace(r"\&", "")


def prepare(host):
    """What the examples are about."""
    root_has_a_key(host)
    for name, groups in ("mallory", ["contractors"]), ("kim", ["ops"]):
        host.user(name, "right", groups)
    host.write("/root/tmout.conf.new", DRAFT)
    command = ssh_command("anna", options=["ControlMaster=no"])
    settings = [command[i + 1] for i, word in enumerate(command) if word == "-o" and "BatchMode" not in command[i + 1]]
    write(CONFIG, "User anna\n" + "".join(setting.replace("=", " ", 1) + "\n" for setting in settings))


def at_root(host, page, block):
    """Commands for root, each followed by what it prints, where the page shows that."""
    parts = re.findall(r"^# (.*)\n((?:[^#\n].*\n)*)", block, re.M)
    folder = "/"
    for command, shown in parts:
        if moved := re.fullmatch(r"cd (\S+)", command):
            folder = moved.group(1)
        done = host.run("bash", "-c", f"cd {folder} && {command}")
        allowed = (0, 1) if MAY_FIND.match(command) else (0,)
        passed = done.returncode in allowed and (not shown or done.stdout + done.stderr == shown)
        tap.ok(passed, f"{page}: {command}", done.returncode, done.stdout[-1500:], done.stderr[-1500:])


def at_client(page, block):
    """Commands of a client, where HOST is the host; ssh -t needs a terminal, and somebody
    who types the password."""
    lines = [line[2:] for line in block.splitlines()]
    script = f"ssh() {{ command ssh -F {CONFIG} \"$@\"; }}\n" + "\n".join(lines).replace("HOST", "127.0.0.1")
    with Terminal(["bash", "-c", script + "\necho status=$?"]) as person:
        if "sudo" in block:
            if "read" not in block:
                person.wait("assword.*: ?")
            person.type("right")
        if "bash" in block:
            person.wait_prompt()
            person.type("exit")
        try:
            status = person.wait(r"status=(\d+)").group(1)
        except Stuck as why:
            status = str(why)
    tap.equal(status, "0", f"{page}: {'; '.join(lines)}") or tap.note(person.screen)


def pam_lines(host, page, block):
    host.write("/etc/pam.d/example", block + "account required pam_permit.so\n")
    done = host.run("tmoutctl", "audit", "--check", "pam-stack", "--json")
    bad = [line for line in block.splitlines() if not PAM_LINE.match(line)]
    tap.ok(not bad and "/etc/pam.d/example" not in done.stdout, f"{page}: {block.splitlines()[0]} ...",
           done.stdout, *bad)
    host.must("rm", "/etc/pam.d/example")


def policy(host, page, block):
    host.write("/root/example.conf", block)
    done = host.run("tmoutctl", "check", "/root/example.conf")
    tap.equal(done.returncode, 0, f"{page}: {block.splitlines()[0]} ...") or tap.note(done.stderr)


def fleet(host, page, block):
    """The settings of a fleet, with the files that they name. Where the build has no TLS, that has
    to be all that is wrong with an example of it."""
    for name in ["password", *re.findall(r"(?m)^(?:ca|cert|key) += (\S+)", block)]:
        host.write(f"{FLEET}/{name}", "right\n", 0o600)
    host.write(f"{FLEET}.conf", block, 0o600)
    done = host.run("tmoutctl", "check")
    errors = re.findall(r"(?m)^/etc.*:\d+: .*", done.stderr)
    lacking = bool(errors) and all("this build has no TLS" in error for error in errors)
    needed = re.search(r"(?m)^tls += true", block)
    tap.equal(done.returncode, 1 if lacking and needed else 0,
              f"{page}: {block.splitlines()[0]} ...") or tap.note(done.stderr)
    host.must("rm", "-r", f"{FLEET}.conf", FLEET)


def run_all(host):
    prepare(host)
    for path in sorted(glob.glob(REPOSITORY + "/man/*.[1-9]*")):
        page = os.path.basename(path)
        if page.endswith(".c"):
            continue
        for block in blocks(path):
            if block.startswith("# "):
                at_root(host, page, block)
            elif block.startswith("$ "):
                at_client(page, block)
            elif SETTING.match(block):
                policy(host, page, block)
            elif FLEET_SETTING.match(block):
                fleet(host, page, block)
            elif PAM_LINE.match(block):
                pam_lines(host, page, block)
            else:
                tap.ok(False, f"{page}: an example of no known kind", block)
    host.must("rm", "-rf", "/etc/ssh/sshd_config.d/00-tmout.conf", "/etc/security/tmout.conf.d/50-site.conf",
              "/etc/systemd/system/mail.service.d")
    if host.exists("/root/tmout.sh"):
        host.must("mv", "/root/tmout.sh", "/etc/profile.d/tmout.sh")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "reload", "ssh")
