"""The remedies of tmout-recovery(7), followed on a booted host in the state that calls for
them. Scenarios of booted.t.
"""
import contextlib
import re
import subprocess

from host.attempts import lets_in
from host.client import ssh, ssh_command, terminal
from host.commands import must, run
from host.files import read
from host.tap import tap
from host.waiting import Stuck

KEY = "/run/client_key"
STACKS = ["common-auth", "common-password", "common-session", "common-session-noninteractive"]
ORDINARY = "default { tmout = 15m }\n"
LIMITED = "default { max_attempts = 2   lock_time = forever }\n"
ATTEMPTS = "/var/lib/tmout/attempts"
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


def user_is_locked(host, edit):
    edit(LIMITED)
    tap.ok(not lets_in("bob", "wrong", "wrong") and not lets_in("bob", "right"), "bob is locked")
    shown = sudo_over_ssh("anna", "tmoutctl attempts bob")
    tap.ok("locked" in shown.stdout, "an administrator sees it", shown)
    tap.equal(sudo_over_ssh("anna", "tmoutctl unlock bob").returncode, 0, "and unlocks bob")
    tap.ok(lets_in("bob", "right"), "who gets in")


def user_is_locked_again(host, edit):
    edit("default { max_attempts = 2   lock_time = 15m   count_by = source }\n")
    stranger = {"options": ["BindAddress=127.0.0.2"]}
    tap.ok(not lets_in("bob", "wrong", "wrong", **stranger) and not lets_in("bob", "right", **stranger),
           "count_by = source: a stranger locks their own address")
    tap.ok(lets_in("bob", "right"), "bob gets in from another one")
    host.must("tmoutctl", "unlock", "bob")


def ledger_is_damaged(host, edit):
    edit(LIMITED)
    tap.ok(lets_in("bob", "wrong", "right"), "bob has a ledger")
    ledger = f"{ATTEMPTS}/{host.must('id', '-u', 'bob').strip()}"
    host.must("dd", "if=/dev/urandom", f"of={ledger}", "bs=512", "count=4", "conv=notrunc")
    mark = host.journal.mark()
    tap.ok(not lets_in("bob", "right"), "damaged: the right password is rejected")
    tap.ok(host.journal.wait(rf"{ledger}.*tmoutctl unlock", mark), "the log names the file, and the remedy")
    tap.equal(sudo_over_ssh("anna", "tmoutctl unlock bob").returncode, 0, "unlock starts a new ledger")
    tap.ok(lets_in("bob", "right"), "and bob gets in")


@contextlib.contextmanager
def mounted(host, *options):
    host.must("mount", *options, ATTEMPTS)
    try:
        yield
    finally:
        host.must("umount", ATTEMPTS)


def state_cannot_be_written(host, edit):
    edit(LIMITED)
    for what, options in (("read-only", ["--bind", "-o", "ro", ATTEMPTS]),
                          ("full", ["-t", "tmpfs", "-o", "mode=700,nr_inodes=1", "tmpfs"])):
        with mounted(host, *options):
            mark = host.journal.mark()
            tap.ok(not lets_in("bob", "right"), f"{what}: the right password is rejected")
            tap.ok(host.journal.wait(rf"pam_tmout.*{ATTEMPTS}.*user=bob", mark), "the log says where")
            tap.ok(sudo_over_ssh("anna", "true").returncode != 0, "sudo's password is rejected, too")
            shown = ssh("root", "tmoutctl attempts")
            tap.ok("rejecting passwords" in shown.stdout + shown.stderr, "root's key gets in, and attempts says so", shown)
        tap.ok(lets_in("bob", "right"), "repaired: it is accepted")


def session_line_is_required(host, edit):
    edit(ORDINARY)
    before = host.read("/etc/pam.d/common-session")
    host.write("/etc/pam.d/common-session",
               re.sub(r"(?m)^(session\s+)optional(\s+pam_tmout\.so)", r"\1required\2 bogus", before))
    tap.ok(ssh("anna", "true").returncode != 0, "a required session line with a fault closes the login")
    found = host.run("tmoutctl", "audit", "--check", "pam-session-control")
    tap.ok("/etc/pam.d/common-session:" in found.stdout, "the audit names the line", found)
    host.write("/etc/pam.d/common-session",
               re.sub(r"(?m)^(session\s+)required(\s+pam_tmout\.so)", r"\1optional\2", host.read("/etc/pam.d/common-session")))
    tap.equal(ssh("anna", "true").returncode, 0, "optional again: the login works, whatever else is wrong")
    host.write("/etc/pam.d/common-session", before)


def script_has_an_error(host, edit):
    edit(ORDINARY)
    script = "/etc/profile.d/tmout.sh"
    before = host.read(script)
    host.write(script, "fi\n" + before)
    with terminal("anna") as anna:
        anna.wait(r"tmout\.sh: line \d+: ")
        anna.wait_prompt()
        host.must("mv", script, "/root/")
        with terminal("bob") as bob:
            bob.wait_prompt()
            tap.equal(bob.ask("$TMOUT"), "", "an error in tmout.sh is shown; without the file there is no limit")
    host.must("mv", "/root/tmout.sh", script)
    host.write(script, before)


def nobody_gets_in(host, _edit):
    """From a rescue system, in chroot."""
    before = stacks(host)
    host.write("/etc/pam.d/common-auth", "auth requisite pam_tmout.so bogus\n" + before["common-auth"])
    tap.ok(not lets_in("bob", "right"), "nobody gets in with a password")
    text = host.read("/etc/pam.d/common-auth")
    host.write("/etc/pam.d/common-auth", "".join(line for line in text.splitlines(True) if "pam_tmout" not in line))
    tap.ok(lets_in("bob", "right"), "with the lines deleted, everybody does")
    host.write("/etc/pam.d/common-auth", before["common-auth"])
    must("chroot", host.path("/"), "pam-auth-update", "--package", "--disable", "tmout")
    tap.equal(has_module(host), [False] * len(STACKS), "chroot: the lines are gone")
    host.must("pam-auth-update", "--package", "--enable", "tmout")


def everything(host, edit, packages):
    root_has_a_key(host)
    for row in (user_is_locked, user_is_locked_again, root_is_locked, ledger_is_damaged, state_cannot_be_written,
                limits_are_too_short, shells_end_too_soon, wrong_argument, session_line_is_required,
                script_has_an_error, nobody_gets_in):
        row(host, edit)
    pam_lines(host, packages)
