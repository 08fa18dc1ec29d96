#!/usr/bin/python3
"""Login attempts in normal life: who is locked, where, and for how long."""

import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import passwords, uid
from host.attempts import (
    Pam, as_user, lets_in, password_ssh, setup_passwords, state, su, sudo)
from host.client import ssh
from host.commands import must
from host.files import read, remove, write
from host.pam_stacks import AUTH_LINE, stack
from host.product import DROP_INS, LEDGERS, attempts, errors, unlock
from host.sshd import Sshd, sshd
from host.syslog import syslog
from host.tap import tap
from host.terminal import Terminal, on_console
from host.waiting import wait_until

POLICY = """
default             { max_attempts = 2 }
user "ann"          { max_attempts = 3 }
user "window"       { attempt_window = 2s }
user "forever"      { max_attempts = 1   lock_time = forever }
user "many"         { max_attempts = 4 }
user "free"         { max_attempts = none }
group "loose"       { max_attempts = 9   lock_time = 1m }
group "strict"      { max_attempts = 1   lock_time = 20m }
group "unlimited"   { max_attempts = none }
user "ours"         { max_attempts = 2 }
user "theirs"       { max_attempts = 9 }
"""

SSHD = """
PasswordAuthentication yes
KbdInteractiveAuthentication yes
PermitRootLogin yes
MaxAuthTries 10
DenyUsers denied
Match User haskey
PermitEmptyPasswords yes
"""

PEOPLE = {name: "right" for name in """
    ann clears window time forever many asked free one edited key keyafter nopasswd sudoer
    su console quiet secret told stranger local denied empty haskey ours theirs debian rhel
    sufficient twice later""".split()}
GROUPS = {"one": ["loose", "strict", "unlimited"]}
METHODS = ["password", "keyboard-interactive"]
START = syslog.mark()


def lines(name, pattern, mark=START):
    """What the module and tmoutctl have logged about a user."""
    return [line for line in syslog.settled(mark, pattern)
            if re.search(rf"(pam_tmout\(|tmoutctl).* user={name} ", line)]


def wrong_then_right():
    """after three wrong passwords the correct one is rejected, until root unlocks"""
    tap.equal(state("ann"), (0, False), "nothing counted yet")
    for count in 1, 2, 3:
        tap.ok(not lets_in("ann", "wrong"), f"wrong password {count}: rejected")
        tap.equal(state("ann"), (count, count == 3), f"wrong password {count}: counted")
    left = attempts("ann")["unlock_in"]
    tap.ok(540 < left <= 600, "locked for ten minutes", left)
    for method in METHODS:
        tap.ok(not lets_in("ann", "right", method=method), f"the correct one is rejected: {method}")
    tap.equal(state("ann"), (3, True), "rejections don't count")
    tap.ok(attempts("ann")["unlock_in"] <= left, "and don't prolong the lock")
    tap.equal(ssh("ann", "echo in").stdout, "in\n", "her key works")
    tap.equal(state("ann"), (3, True), "and does not lift the lock")
    unlock("ann")
    tap.equal(state("ann"), (0, False), "unlocked: nothing counted")
    tap.ok(lets_in("ann", "right"), "and the correct password works")

    who = "user=ann address=127.0.0.1 service=sshd"
    for pattern, expected in {
            r"failed login ": [f"{who} failures={n} max_attempts=3" for n in (1, 2, 3)],
            r"locked after ": [f"{who} failures=3 max_attempts=3 lock_time=10m"],
            r"rejected: ": [f"{who} failures=3 max_attempts=3 unlock_in="] * 2,
            r"unlocked ": ["user=ann address=local service=tmoutctl failures=3 max_attempts=3"],
    }.items():
        found = lines("ann", pattern)
        tap.ok(len(found) == len(expected) and all(map(str.__contains__, found, expected)),
               f"the log has a line for each {pattern}", *found)
    tap.equal(len(lines("ann", "")), 7, "and no others")


def success_clears():
    """a success clears the failures before it"""
    for turn in 1, 2, 3:
        tap.ok(not lets_in("clears", "wrong"), f"turn {turn}: wrong")
        tap.equal(state("clears"), (1, False), f"turn {turn}: counted")
        tap.ok(lets_in("clears", "right", method=METHODS[turn % 2]), f"turn {turn}: right")
        tap.equal(state("clears"), (0, False), f"turn {turn}: cleared")


def edit(name, settings):
    """Gives a user a rule in a drop-in, or takes it away."""
    path = f"{DROP_INS}/{name}.conf"
    if settings is None:
        remove(path)
        return
    write(path + ".new", f'user "{name}" {{ {settings} }}\n')
    os.rename(path + ".new", path)


def window_expires():
    """a failure that is older than the window no longer counts"""
    for turn in 1, 2:
        tap.ok(not lets_in("window", "wrong"), f"wrong password {turn}")
        wait_until(lambda: state("window") == (0, False), "the failure does not expire")
    tap.ok(lets_in("window", "right"), "two failures further apart than the window: no lock")


def lock_expires():
    """a lock expires, together with the failures that caused it"""
    edit("time", "max_attempts = 1   lock_time = 1h")
    tap.ok(not lets_in("time", "wrong"), "wrong")
    tap.equal(state("time"), (1, True), "locked")
    tap.ok(not lets_in("time", "right"), "correct password: rejected")
    edit("time", "max_attempts = 1   lock_time = 3s")
    must("tmoutctl", "apply")
    wait_until(lambda: state("time") == (0, False), "the lock does not expire")
    tap.ok(lets_in("time", "right"), "the lock has expired: correct password")
    tap.equal(len(lines("time", "lock expired")), 1, "the log says so")
    edit("time", "max_attempts = 1   lock_time = 1h")
    tap.ok(not lets_in("time", "wrong"), "wrong again")
    tap.equal(state("time"), (1, True), "locks again")
    edit("time", None)


def permanent_lock():
    """lock_time = forever"""
    tap.ok(not lets_in("forever", "wrong"), "wrong")
    now = attempts("forever")
    tap.equal((now["failures"], now["locked"], now["unlock_in"]), (1, True, None),
              "locked, with no expiry")
    tap.ok(not lets_in("forever", "right"), "correct password: rejected")
    unlock("forever")
    tap.ok(lets_in("forever", "right"), "unlocked: right")


def several_on_one_connection():
    """several passwords on one connection are as many attempts"""
    for method in METHODS:
        tap.ok(lets_in("many", "one", "two", "right", method=method), f"{method}: correct at last")
        tap.equal(state("many"), (0, False), f"{method}: cleared")
        mark = syslog.now()
        tap.ok(not lets_in("many", "one", "two", method=method), f"{method}: two wrong")
        tap.equal(state("many"), (2, False), f"{method}: counted")
        tap.ok(not lets_in("many", "three", "four", "right", method=method),
               f"{method}: locked in the middle of a connection, the correct one is rejected")
        tap.equal(state("many"), (4, True), f"{method}: locked")
        tap.equal(len(lines("many", "failed login", mark)), 4, f"{method}: four were checked")
        tap.equal(len(lines("many", "rejected", mark)), 1, f"{method}: one was rejected")
        unlock("many")


def nobody_is_asked_twice():
    """the module asks only where there is a limit, and the password module does not ask again"""
    stack("asks", AUTH_LINE, "auth required pam_unix.so nodelay")
    stack("asks-not", AUTH_LINE, "auth required pam_permit.so")
    for name, service, asked in (("asked", "asks", 1), ("asked", "asks-not", 1),
                                 ("free", "asks", 1), ("free", "asks-not", 0)):
        pam = Pam(service, name)
        tap.equal(pam.authenticate("right"), 0, f"{name}, {service}: success")
        pam.end()
        tap.equal(pam.asked, asked, f"{name}, {service}: number of prompts")
    for _ in range(4):
        lets_in("free", "wrong")
    tap.ok(lets_in("free", "right"), "without a limit, four wrong passwords lock nobody")
    tap.ok(not os.path.exists(f"{LEDGERS}/{uid('free')}"), "and leave no file")


def another_module_asks():
    """with `noprompt` another module asks, and an abandoned prompt counts"""
    stack("noprompt", AUTH_LINE + " noprompt origin=local", "auth required pam_unix.so nodelay")
    pam = Pam("noprompt", "later")
    tap.equal((pam.authenticate("right"), pam.asked, state("later")), (0, 1, (0, False)), "right")
    pam.end()
    tap.ok(Pam.once("noprompt", "later", None) != 0, "no answer")
    tap.equal(state("later"), (1, False), "which counts")
    tap.ok(Pam.once("noprompt", "later", "wrong") != 0, "wrong")
    pam = Pam("noprompt", "later")
    tap.equal((pam.authenticate("right"), pam.asked), (Pam.AUTH_ERR, 0), "locked: nobody is asked")
    tap.ok(any("Account locked after 2" in text for text in pam.messages), "but the user is told",
           pam.messages)
    pam.end()


def strictest_group():
    """of several groups the strictest limit applies"""
    tap.ok(not lets_in("one", "wrong"), "wrong")
    now = attempts("one")
    tap.ok(now["locked"] and 1140 < now["unlock_in"] <= 1200,
           "locked after one, for the longest time", now)
    tap.ok(not lets_in("one", "right"), "correct password: rejected")


def policy_edited():
    """an edit of the policy applies from the next attempt on"""
    edit("edited", "max_attempts = 5")
    for _ in range(2):
        lets_in("edited", "wrong")
    tap.equal(state("edited"), (2, False), "two of five")
    edit("edited", "max_attempts = 2")
    tap.ok(not lets_in("edited", "right"), "two of two: rejected")
    tap.equal(state("edited"), (2, True), "and locked")
    edit("edited", "max_attempts = none")
    tap.ok(lets_in("edited", "right"), "no limit any more: in")
    edit("edited", "max_attempts = 2   lock_time = forever")
    tap.ok(not lets_in("edited", "right"), "the limit is back, and so is the lock")
    edit("edited", "max_attempts = 2   lock_time = 1s")
    tap.ok(lets_in("edited", "right"), "a shorter lock has expired by now")
    lets_in("edited", "wrong")
    edit("edited", "max_attempts = 1")
    tap.ok(not lets_in("edited", "right"), "one of one: rejected")
    unlock("edited")
    tap.ok(lets_in("edited", "right"), "unlocked")
    edit("edited", None)


def keys():
    """a login with a key neither counts nor clears failures"""
    lets_in("key", "wrong")
    tap.equal(ssh("key", "echo in").stdout, "in\n", "a key works")
    tap.equal(state("key"), (1, False), "and clears nothing")
    result = password_ssh("keyafter", "wrong", method="password,publickey", command="echo in")
    tap.equal(result.stdout, "in\n", "a wrong password, and a key on the same connection")
    tap.equal(state("keyafter"), (1, False), "clears nothing")
    result = password_ssh("keyafter", "wrong", method="keyboard-interactive,publickey",
                          command="echo in")
    tap.equal(result.stdout, "in\n", "and once more, which locks")
    tap.equal(state("keyafter"), (2, True), "stays locked")
    tap.ok(not lets_in("keyafter", "right"), "for passwords")


def sudo_without_password():
    """sudo without a password clears nothing"""
    su("quiet", "nopasswd", "wrong")
    tap.equal(state("nopasswd"), (1, False), "a wrong password")
    tap.equal(sudo("nopasswd").returncode, 0, "sudo")
    tap.equal(state("nopasswd"), (1, False), "still counts")


def sudo_with_password():
    """sudo counts, apart from the network, and asks again on the same handle"""
    tap.equal(sudo("sudoer", "wrong", "right").returncode, 0, "wrong, then right: in")
    tap.equal(state("sudoer"), (0, False), "cleared")
    # sudo asks modules not to print messages.
    tap.ok(sudo("sudoer", "wrong", "wrong", "right").returncode != 0,
           "locked between two prompts: the correct one is rejected")
    tap.equal(state("sudoer"), (2, True), "locked")
    tap.ok(lets_in("sudoer", "right"), "but not over the network")
    tap.equal(state("sudoer"), (2, True), "which clears nothing here")
    tap.ok(sudo("sudoer", "right").returncode != 0, "still locked")
    unlock("sudoer")
    tap.equal(sudo("sudoer", "right").returncode, 0, "unlocked: in")


def su_on_a_terminal():
    """su on a terminal, where the user is shown the reason"""
    def attempt(password):
        with Terminal(as_user("quiet", "su", "su", "-c", "echo in''side")) as session:
            session.wait("Password: ")
            session.type(password)
            return session.wait_end(), session.screen

    for count in 1, 2:
        status, screen = attempt("wrong")
        tap.ok(status != 0 and "Locked" not in screen, f"wrong password {count}", screen)
    status, screen = attempt("right")
    tap.ok(status != 0 and "inside" not in screen, "locked: the correct one is rejected", screen)
    tap.matches(screen, r"Account locked after 2 failed logins\. Try again in (10m|9m\d+s)\.",
                "with the reason")
    unlock("su")
    status, screen = attempt("right")
    tap.ok(status == 0 and "inside" in screen, "unlocked: in", screen)
    tap.equal(len(lines("su", "address=local service=su ")), 4, "all logged as local")


def login_on_a_terminal():
    """login(1) on a console, and on a terminal that may be anybody's"""
    def attempt(name, *given, host=None, console=True):
        """The last password decides."""
        command = ["login", *(["-h", host] if host else [])]
        with Terminal(on_console("ttyS5", *command) if console else command) as session:
            for text in given:
                session.wait(r"login: \Z")
                session.type(name)
                session.wait(r"Password: \Z")
                session.type(text)
                session.wait(r"Login incorrect[^$]*\Z|Last login|[$] \Z|Locked")
            return bool(re.search(r"[$] \Z", session.screen) or
                        (session.wait(r"login: \Z|[$] \Z").group(0) == "$ ")), session.screen

    inside, screen = attempt("console", "wrong", "wrong")
    tap.ok(not inside and "Locked" not in screen, "two wrong passwords", screen)
    tap.equal(state("console"), (2, True), "counted")
    inside, screen = attempt("console", "right")
    tap.ok(not inside and "Account locked after 2 failed logins" in screen,
           "rejected, with the reason", screen)
    tap.ok(lets_in("console", "right"), "ssh works")
    unlock("console")
    tap.ok(attempt("console", "right")[0], "unlocked: in")
    for host, console in ("192.0.2.7", True), (None, False):
        unlock("console")
        attempt("console", "wrong", host=host, console=console)
        tap.equal([count["from"] for count in attempts("console")["counts"] if count["failures"]],
                  ["network"], f"login, {host or 'on a pseudo-terminal'}: from the network")


def what_clients_are_told():
    """over the network nobody is told that an account is locked, unless the line has `tell`"""
    told = {"options": ["LogLevel=INFO"]}  # with the messages of the server
    for method in METHODS:
        wrong = password_ssh("secret", "wrong", method=method, **told).stdout
        lets_in("secret", "wrong")
        locked = password_ssh("secret", "right", method=method, **told).stdout
        tap.equal(locked, wrong, f"{method}: no trace of a lock")
        everything = password_ssh("secret", "right", method=method, options=["LogLevel=DEBUG3"])
        tap.ok(not re.search("(?i)locked|failed login|try again in", everything.stdout),
               f"{method}: nor anywhere else in what is sent", everything.stdout)
        unlock("secret")
    telling = variant("sshd-tell", 2201, AUTH_LINE + " tell", "@include common-auth")
    for _ in range(2):
        lets_in("told", "wrong", port=2201)
    # For the method "password" there is no message that sshd could send.
    shown = password_ssh("told", "right", method="keyboard-interactive", port=2201, **told)
    tap.matches(shown.stdout, r"Account locked after 2 failed logins\. Try again in ", "tell")
    telling.stop()


def strangers():
    """locking a user over the network does not lock them out"""
    for _ in range(3):
        lets_in("stranger", "guess")
    tap.ok(not lets_in("stranger", "right"), "locked over the network")
    tap.equal(ssh("stranger", "echo in").stdout, "in\n", "the key still works")
    tap.equal(su("quiet", "stranger", "right").returncode, 0, "su accepts the password")
    tap.equal(sudo("stranger", "right").returncode, 0, "sudo accepts the password")
    with Terminal(on_console("ttyS6", "login")) as session:
        session.wait("login: ")
        session.type("stranger")
        session.wait("Password: ")
        session.type("right")
        session.wait_prompt()
        tap.equal(session.ask("$USER"), "stranger", "login accepts the password")
    tap.ok(not lets_in("stranger", "right"), "none of which lifts the lock")
    tap.equal(state("stranger"), (2, True), "which strangers caused")
    for _ in range(3):
        su("quiet", "local", "guess")
    tap.ok(su("quiet", "local", "right").returncode != 0, "a local lock")
    tap.ok(lets_in("local", "right"), "does not apply over the network")


def root():
    """only a rule that names root locks root"""
    path = f"{DROP_INS}/root.conf"
    passwords({"root": "right"})
    stack("console-root", AUTH_LINE, "auth required pam_unix.so nodelay")
    for _ in range(4):
        Pam.once("console-root", "root", "wrong")
        lets_in("root", "wrong")
    tap.equal(Pam.once("console-root", "root", "right"), 0, "no rule for root: in at the console")
    tap.ok(lets_in("root", "right"), "and over the network")
    tap.ok(not os.path.exists(f"{LEDGERS}/0"), "nothing was counted")
    write(path + ".new", 'user "root" { max_attempts = 2 }\n')
    os.rename(path + ".new", path)
    for _ in range(2):
        Pam.once("console-root", "root", "wrong")
        lets_in("root", "wrong")
    tap.equal(Pam.once("console-root", "root", "right"), Pam.AUTH_ERR, "a rule for root: locked")
    tap.ok(not lets_in("root", "right"), "over the network, too")
    unlock("root")
    tap.ok(lets_in("root", "right"), "unlocked")
    remove(path)


def who_leaves_a_ledger():
    """unknown users leave no file, and what is not a guess is not charged"""
    stack("unknown", AUTH_LINE, "auth required pam_unix.so nodelay")
    before = set(os.listdir(LEDGERS))
    results = {Pam.once("unknown", f"nobody{n}", "guess", source="192.0.2.1") for n in range(1000)}
    tap.equal(results, {Pam.USER_UNKNOWN}, "a thousand unknown users")
    for method in METHODS:
        tap.ok(not lets_in("nosuchuser", "guess", "guess", method=method), f"over ssh: {method}")
    known = {str(uid(name)) for name in PEOPLE} | {"0"}
    tap.ok(set(os.listdir(LEDGERS)) - before <= known, "leave no file",
           set(os.listdir(LEDGERS)) - known)

    for method in METHODS:
        tap.ok(not lets_in("denied", "guess", "right", "guess", method=method),
               f"sshd lets them in with no password: {method}")
    tap.equal(state("denied"), (0, False), "so none of them counts")
    for _ in range(3):
        tap.equal(ssh("haskey", "echo in").stdout, "in\n", "empty passwords permitted: a key")
    tap.equal(state("haskey"), (0, False), "the empty password before it does not count")
    tap.ok(not lets_in("haskey", "wrong"), "but a wrong one")
    tap.equal(state("haskey"), (1, False), "does")
    lets_in("empty", "", method="keyboard-interactive")
    su("quiet", "empty", "")
    tap.equal([(count["from"], count["failures"]) for count in attempts("empty")["counts"]],
              [("local", 1), ("network", 1)], "elsewhere an empty password counts, too")


# --- together with other modules ---------------------------------------------

def variant(service, port, *auth, account=()):
    """An sshd with a PAM stack of its own."""
    stack(service, *auth, *account, "@include common-account", "session required pam_permit.so")
    server = Sshd(service, port)
    server.start("PasswordAuthentication yes\nKbdInteractiveAuthentication yes\nMaxAuthTries 10\n")
    return server


def tally(name):
    """How many failures pam_faillock counts."""
    return len(re.findall(r"(?m)^\d{4}-.* V$", must("faillock", "--user", name)))


def ours_locks(name, port, counted=lambda: True):
    """Locks a user and unlocks them again, on the stack at this port."""
    for method in METHODS:
        for _ in range(2):
            tap.ok(not lets_in(name, "wrong", method=method, port=port), f"{name}, {method}: wrong")
        tap.equal(state(name), (2, True), f"{name}, {method}: locked")
        tap.ok(not lets_in(name, "right", method=method, port=port),
               f"{name}, {method}: the correct password is rejected")
        tap.ok(counted(), f"{name}, {method}: the other module counted two")
        unlock(name)
        tap.ok(lets_in(name, "right", method=method, port=port), f"{name}, {method}: unlocked, in")


def together_with_faillock():
    """between the lines of pam_faillock, in the order that scanners require"""
    write("/etc/security/faillock.conf", "deny = 5\nunlock_time = 0\n")
    server = variant("sshd-faillock", 2202, "auth required pam_faillock.so preauth", AUTH_LINE,
                     "auth [success=1 default=bad] pam_unix.so nodelay",
                     "auth [default=die] pam_faillock.so authfail",
                     "auth sufficient pam_faillock.so authsucc",
                     "auth required pam_deny.so",
                     account=["account required pam_faillock.so"])
    ours_locks("ours", 2202, lambda: tally("ours") == 2)
    tap.equal(tally("ours"), 0, "a success clears both")
    for _ in range(5):
        lets_in("theirs", "wrong", port=2202)
    tap.equal((tally("theirs"), state("theirs")), (5, (5, False)), "pam_faillock is stricter")
    tap.ok(not lets_in("theirs", "right", port=2202), "and rejects the correct one")
    must("faillock", "--user", "theirs", "--reset")
    tap.ok(lets_in("theirs", "right", port=2202), "reset: in")
    tap.equal(state("theirs"), (0, False), "which clears ours")
    server.stop()


def made_by_pam_auth_update():
    """Debian's pam-auth-update puts our line between those of pam_faillock"""
    if not shutil.which("pam-auth-update"):
        tap.skip("pam-auth-update", "not installed")
        return
    server = variant("sshd-debian", 2203, "@include common-auth-made",
                     account=["account required pam_faillock.so"])
    ours_locks("debian", 2203, lambda: tally("debian") == 2)
    server.stop()


def like_red_hat():
    """a password-auth as on Red Hat's systems, with our line added"""
    stack("password-auth", "auth required pam_env.so", "auth required pam_faildelay.so delay=2000",
          "auth required pam_faillock.so preauth silent deny=9", AUTH_LINE,
          "auth sufficient pam_unix.so nullok nodelay",
          "auth [default=die] pam_faillock.so authfail deny=9", "auth required pam_deny.so")
    server = variant("sshd-rhel", 2204, "auth substack password-auth",
                     account=["account required pam_faillock.so"])
    ours_locks("rhel", 2204, lambda: tally("rhel") == 2)
    server.stop()


def sufficient_without_deny():
    """a careless stack, `sufficient` with nothing after it, accepts no wrong password"""
    server = variant("sshd-sufficient", 2205, AUTH_LINE, "auth sufficient pam_unix.so nodelay")
    ours_locks("sufficient", 2205)
    server.stop()


def two_lines_of_ours():
    """our line in the service's file and in an included one: one attempt, not two"""
    server = variant("sshd-twice", 2206, AUTH_LINE, AUTH_LINE, "auth required pam_unix.so nodelay")
    tap.ok(not lets_in("twice", "wrong", port=2206), "wrong")
    tap.equal(state("twice"), (1, False), "counts once")
    tap.ok(lets_in("twice", "right", port=2206), "right")
    ours_locks("twice", 2206)
    server.stop()


def with_pam_auth_update():
    """Writes what pam-auth-update makes of pam_faillock's profiles and one of ours to a file
    of another name."""
    profiles = {"zz-notify": (1024, "Auth:\n\trequisite pam_faillock.so preauth"),
                "zz-ours": (512, "Auth:\n\trequisite pam_tmout.so"),
                "zz-faillock": (0, "Auth:\n\t[default=die] pam_faillock.so authfail")}
    for name, (priority, text) in profiles.items():
        write(f"/usr/share/pam-configs/{name}",
              f"Name: {name}\nDefault: yes\nPriority: {priority}\nAuth-Type: Primary\n{text}\n")
    kept = {name: read(f"/etc/pam.d/{name}") for name in os.listdir("/etc/pam.d")
            if name.startswith("common-")}
    must("pam-auth-update", "--force", "--package", "--enable", *profiles,
         env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    write("/etc/pam.d/common-auth-made", read("/etc/pam.d/common-auth"))
    for name, text in kept.items():
        write(f"/etc/pam.d/{name}", text)


def no_errors():
    """in normal operation nothing is logged as an error"""
    # libpam's own message when the client has left at a prompt.
    tap.equal([line for line in errors(START) if not line.endswith(": conversation failed")], [],
              "no error from the module")
    tap.ok(sshd.alive(), "sshd is alive")
    tap.equal([name for name in os.listdir(LEDGERS) if not name.isdigit()], [],
              "no ledger was set aside")


setup_passwords(POLICY, SSHD, ["sshd", "su", "sudo", "login"], PEOPLE, GROUPS)
# The service name that util-linux's login uses with -h.
write("/etc/pam.d/remote", read("/etc/pam.d/login"))
if shutil.which("pam-auth-update"):
    with_pam_auth_update()
write("/etc/sudoers.d/test", "ALL ALL = (ALL) ALL\nnopasswd ALL = (ALL) NOPASSWD: ALL\n"
      "Defaults lecture = never\n", 0o440)
os.makedirs("/run/faillock", exist_ok=True)
tap.in_parallel([
    wrong_then_right, login_on_a_terminal, several_on_one_connection, together_with_faillock,
    made_by_pam_auth_update, like_red_hat, what_clients_are_told, strangers, policy_edited,
    sufficient_without_deny, two_lines_of_ours, keys, sudo_with_password, sudo_without_password,
    su_on_a_terminal, root, who_leaves_a_ledger, success_clears, window_expires, lock_expires,
    permanent_lock, nobody_is_asked_twice, another_module_asks,
    strictest_group], 16)
tap.run(no_errors)
