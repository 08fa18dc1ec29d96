"""The remedies of tmout-recovery(7), followed on a booted host in the state that calls for
them. Scenarios of booted.t.
"""
import contextlib
import re
import subprocess

from host.attempts import lets_in
from host.client import ssh, ssh_command, terminal
from host.commands import run
from host.files import read
from host.tap import tap
from host.waiting import Stuck

KEY = "/run/client_key"
STACKS = ["common-auth", "common-password", "common-session", "common-session-noninteractive"]
ORDINARY = "default { tmout = 15m }\n"
LOCKS_ROOT = ORDINARY + 'user "root" { max_attempts = 2   lock_time = forever }\n'
# Shorter than it takes to type a password. carl stays logged in all the time.
TOO_SHORT = """
default { disconnect = 1s   max_session = 20s   warn = none }
user "carl" { disconnect = none   max_session = none }
"""


def sudo_over_ssh(name, command, password="right"):
    """`ssh HOST sudo -S COMMAND`, with the password on standard input and no terminal."""
    return run(*ssh_command(name, f"sudo -S -p '' {command}"), stdin=None, input=f"{password}\n")


def root_has_a_key(host):
    host.must("mkdir", "-p", "-m", "700", "/root/.ssh")
    host.write("/root/.ssh/authorized_keys", read(KEY + ".pub"), 0o600)
    host.must("chpasswd", input="root:secret\n", stdin=None)


def su_works(host, *passwords):
    """Whether the last of these passwords lets anna in as root."""
    for password in passwords:
        done = host.run("setpriv", "--reuid=anna", "--regid=anna", "--init-groups", "su", "-c", "id -u",
                        input=f"{password}\n", stdin=None, stderr=subprocess.STDOUT)
    return done.stdout.endswith("0\n") and done.returncode == 0


def root_is_locked(host, edit):
    edit(LOCKS_ROOT)
    for remedy, unlock in (
            ("root's key", lambda: ssh("root", "tmoutctl unlock root")),
            ("another administrator's sudo", lambda: sudo_over_ssh("anna", "tmoutctl unlock root"))):
        tap.ok(not su_works(host, "wrong", "wrong", "secret"), "root's right password is rejected")
        tap.equal(unlock().returncode, 0, f"root is locked for ever: {remedy} unlocks it")
        tap.ok(su_works(host, "secret"), "and the password works")
    linked = host.must("ldd", host.must("sh", "-c", "command -v sulogin").strip())
    tap.ok("libpam" not in linked, "sulogin does not use PAM", linked)
    edit(ORDINARY)


def limits_are_too_short(host, edit):
    edit(TOO_SHORT)
    with terminal("anna", "sudo -k; sudo systemctl stop tmoutd") as anna:
        with contextlib.suppress(Stuck):
            anna.wait("assword")
        tap.ok(anna.ended_within(60), "a limit that is too short cuts `ssh -t` while sudo asks for the password")
    for remedy, stop in (
            ("root's key", lambda: ssh("root", "systemctl stop tmoutd")),
            ("sudo -S", lambda: sudo_over_ssh("anna", "systemctl stop tmoutd"))):
        host.must("systemctl", "start", "tmoutd")
        done = stop()
        state = host.run("systemctl", "is-active", "tmoutd").stdout.strip()
        tap.equal((done.returncode, state), (0, "inactive"), f"{remedy} stops tmoutd in time") or tap.note(done.stderr)
    host.write("/etc/security/tmout.conf", ORDINARY)
    host.must("tmoutctl", "apply")
    host.must("systemctl", "start", "tmoutd")


def shells_end_too_soon(host, edit):
    edit("default { tmout = 1s   enforce = true }\n")
    with terminal("bob", "env -u TMOUT bash --norc") as bob:
        bob.wait_prompt()
        tap.equal(bob.ask("$TMOUT"), "", "tmout = 1s: bash --norc has no limit")


def stacks(host):
    return {name: host.read("/etc/pam.d/" + name) for name in STACKS}


def has_module(host):
    return ["pam_tmout.so" in text for text in stacks(host).values()]


def pam_lines(host, packages):
    before = stacks(host)
    host.must("pam-auth-update", "--package", "--disable", "tmout")
    tap.equal(has_module(host), [False] * len(STACKS), "disabled: the lines are gone")
    tap.ok(lets_in("bob", "right"), "passwords work")
    host.must("pam-auth-update", "--package")
    done = host.install(*packages, options=["--reinstall"])
    tap.equal((done.returncode, has_module(host)), (0, [False] * len(STACKS)),
              "nothing brings them back: not pam-auth-update, and not the package") or tap.note(done.stdout)
    host.must("pam-auth-update", "--package", "--enable", "tmout")
    tap.equal(stacks(host), before, "enabled: they are as before")


def wrong_argument(host, _edit):
    before = host.read("/etc/pam.d/common-auth")
    host.write("/etc/pam.d/common-auth", re.sub(r"(pam_tmout\.so)", r"\1 bogus", before))
    tap.ok(not lets_in("anna", "right"), "a wrong argument on the auth line: passwords fail")
    found = sudo_over_ssh("anna", "tmoutctl audit --check pam-arguments")
    tap.ok(found.returncode == 1 and "bogus" in found.stdout, "after a login with a key, sudo finds it", found)
    host.write("/etc/pam.d/common-auth", before)
    tap.ok(lets_in("anna", "right"), "fixed")


def sudo_without_policy():
    """After a login with a key."""
    found = sudo_over_ssh("anna", "tmoutctl check")
    tap.ok(found.returncode == 1 and "luck_time" in found.stderr, "sudo takes the user's password, and finds the error",
           found)
    tap.ok(sudo_over_ssh("anna", "true", "wrong").returncode != 0, "but no wrong one")


def everything(host, edit, packages):
    root_has_a_key(host)
    for row in root_is_locked, limits_are_too_short, shells_end_too_soon, wrong_argument:
        row(host, edit)
    pam_lines(host, packages)
