#!/usr/bin/python3
"""The state of login attempts under adverse conditions: no space, damage, reboots, many sources."""

import contextlib
import os
import random
import re
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import uid
from host.attempts import Pam, as_user, lets_in, setup_passwords, state, su
from host.client import ssh
from host.commands import mounted, must, run
from host.files import read, read_bytes, remove, write
from host.pam_stacks import AUTH_LINE, stack
from host.product import LEDGERS, STATE, attempts, errors, unlock
from host.sshd import sshd
from host.syslog import syslog
from host.tap import tap
from host.waiting import wait_until

POLICY = """
default           { max_attempts = 3 }
group "sources"   { count_by = source   max_attempts = 2 }
user "forever"    { lock_time = forever }
user "short"      { lock_time = 3s }
user "boots"      { lock_time = %ds }
user "late"       { lock_time = 1m }
group "reboots"   { attempt_window = %ds }
"""

# A simulated reboot changes only the boot id: the uptime stays the machine's.
UPTIME = int(float(read("/proc/uptime").split(".")[0]))

DAMAGES = {
    "empty": b"",
    "one byte": lambda whole: whole[:1],
    "half": lambda whole: whole[:len(whole) // 2],
    "a byte short": lambda whole: whole[:-1],
    "zeros": lambda whole: bytes(len(whole)),
    "noise": lambda whole: random.randbytes(len(whole)),
    "another user's": lambda _whole: read_bytes(ledger("other")),
}
WRONGS = ["owner", "mode", "symlink", "dangling", "directory", "fifo"]
FLIPS = 4
TAMPERED = [f"damage{n}" for n in range(len(DAMAGES))] + [f"flip{n}" for n in range(FLIPS)] + [
    f"wrong{name}" for name in WRONGS]

PEOPLE = {name: "right" for name in """
    kim other full fresh readonly missing boots late forever short two own shared mover
    replaced""".split() + TAMPERED}
GROUPS = {"two": ["sources"], "own": ["sources"], "shared": ["sources"], "kim": ["reboots"]}
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def ledger(name):
    return f"{LEDGERS}/{uid(name)}"


def errors_about(name, mark):
    return [line for line in errors(mark) if re.search(rf" user={name}\b", line)]


def error_names_it(name, mark, what, remedy=None):
    """One line for one attempt, with the file and the remedy."""
    found = errors_about(name, mark)
    tap.ok(len(found) == 1 and f"attempt ledger {ledger(name)} " in found[0]
           and (remedy or f'run "tmoutctl unlock {name}" to repair') in found[0],
           f"{what}: the log says so once",
           *found)


def key_works(name, what):
    tap.equal(ssh(name, "echo in").stdout, "in\n", f"{what}: a key works")


# --- damage ------------------------------------------------------------------

def make_ledger(name):
    """A ledger with one failure in it."""
    lets_in(name, "wrong")
    tap.equal(state(name), (1, False), f"{name}: one failure")


def expect_rejection(name, what, tamper):
    """A ledger that was tampered with locks its user, until root unlocks it."""
    make_ledger(name)
    tamper(ledger(name))
    mark = syslog.now()
    tap.ok(not lets_in(name, "right"), f"{what}: the correct password is rejected")
    error_names_it(name, mark, what)
    key_works(name, what)
    now = attempts(name)
    tap.equal([(count["from"], count["failures"], count["locked"]) for count in now["counts"]],
              [("local", 3, True), ("network", 3, True)], f"{what}: counted as if at the limit")
    mark = syslog.now()
    tap.ok(su("other", name, "right").returncode != 0, f"{what}: locally, too")
    tap.equal(errors_about(name, mark), [], f"{what}: not reported again")
    tap.ok(os.path.lexists(ledger(name) + ".damaged"), f"{what}: the old file is kept")
    unlock(name)
    tap.ok(lets_in(name, "right"), f"{what}: unlocked, in")
    tap.equal(su("other", name, "right").returncode, 0, f"{what}: in locally")
    tap.ok(not lets_in(name, "wrong"), f"{what}: wrong")
    tap.equal(state(name), (1, False), f"{what}: counts as before")


def overwrite(path, content):
    with open(path, "wb") as file:
        file.write(content)


def damaged(number):
    what, content = list(DAMAGES.items())[number]

    def tamper(path):
        overwrite(path, content(read_bytes(path)) if callable(content) else content)

    def scenario():
        expect_rejection(f"damage{number}", what, tamper)

    scenario.__doc__ = f"a damaged ledger: {what}"
    return scenario


def flipped(number):
    def tamper(path):
        whole = bytearray(read_bytes(path))
        # One bank of each record is not in use, and may contain anything.
        used = [n for n in range(len(whole)) if whole[n]]
        whole[random.choice(used)] ^= 0x41
        overwrite(path, whole)
        if run("tmoutctl", "attempts", f"flip{number}", "--json").returncode == 0 and \
                not attempts(f"flip{number}")["damaged"]:
            tamper(path)

    def scenario():
        expect_rejection(f"flip{number}", f"one byte changed ({number})", tamper)

    scenario.__doc__ = "a damaged ledger: a byte"
    return scenario


def wrong(kind):
    name = f"wrong{kind}"

    def tamper(path):
        if kind == "owner":
            os.chown(path, uid(name), -1)
        elif kind == "mode":
            os.chmod(path, 0o622)
        else:
            remove(path)
            {"symlink": lambda: os.symlink("/etc/passwd", path),
             "dangling": lambda: os.symlink("/run/planted", path),
             "directory": lambda: os.mkdir(path), "fifo": lambda: os.mkfifo(path)}[kind]()

    def scenario():
        before = read_bytes("/etc/passwd")
        expect_rejection(name, kind, tamper)
        tap.ok(read_bytes("/etc/passwd") == before and not os.path.lexists("/run/planted"),
               f"{kind}: nothing was written elsewhere")
        status = os.lstat(ledger(name))
        tap.ok(stat.S_ISREG(status.st_mode) and status.st_mode & 0o777 == 0o600
               and status.st_uid == 0, f"{kind}: the new one is a file owned by root")

    scenario.__doc__ = f"something else in a ledger's place: {kind}"
    return scenario


def unlocked_before_any_login():
    """unlock repairs a damaged ledger before any login has found it"""
    make_ledger("replaced")
    overwrite(ledger("replaced"), b"noise")
    unlock("replaced")
    mark = syslog.now()
    tap.ok(lets_in("replaced", "right"), "unlocked: in")
    tap.equal(errors_about("replaced", mark), [], "and no error")


def damage_lock_expires():
    """the lock after damage expires like any other"""
    make_ledger("short")
    overwrite(ledger("short"), b"noise")
    tap.ok(not lets_in("short", "right"), "rejected")
    wait_until(lambda: state("short") == (0, False), "the lock does not expire")
    tap.ok(lets_in("short", "right"), "later: in")


# --- no space -----------------------------------------------------------------

def no_space():
    """a full disk: users with a ledger are counted, others are rejected"""
    with mounted("-t", "tmpfs", "-o", "size=64k,mode=755", "throwaway", LEDGERS):
        make_ledger("full")
        with contextlib.suppress(OSError), open(LEDGERS + "/filler", "wb", 0) as file:
            while file.write(b"x" * 4096):
                pass
        mark = syslog.now()
        tap.ok(not lets_in("fresh", "right"), "no ledger yet: rejected")
        error_names_it("fresh", mark, "no ledger yet", "free up space on the file system of")
        says_rejecting("fresh", "No space left on device", "free up space on the file system of")
        key_works("fresh", "no ledger yet")
        mark = syslog.now()
        tap.ok(not lets_in("full", "wrong"), "a ledger: wrong")
        tap.equal(state("full"), (2, False), "a ledger: counted")
        tap.ok(lets_in("full", "right"), "a ledger: right")
        tap.equal(state("full"), (0, False), "a ledger: cleared")
        for _ in range(3):
            lets_in("full", "wrong")
        tap.equal(state("full"), (3, True), "a ledger: locked")
        tap.ok(not lets_in("full", "right"), "a ledger: rejected")
        tap.equal(errors_about("full", mark), [], "a ledger: no error")
        unlock("full")
        tap.ok(lets_in("full", "right"), "a ledger: unlocked")
        overwrite(ledger("full"), b"")
        tap.ok(not lets_in("full", "right"), "a damaged ledger: rejected")
        tap.ok(not lets_in("full", "right"), "a damaged ledger: still rejected")
        key_works("full", "a damaged ledger")
        remove(LEDGERS + "/filler")
        unlock("fresh")
        unlock("full")
        tap.ok(lets_in("fresh", "right"), "space again: in")
        tap.ok(lets_in("full", "right"), "space again, and unlocked: in")


def read_only_directory():
    """a read-only directory: keys work, passwords do not"""
    make_ledger("readonly")
    with mounted("--bind", LEDGERS, LEDGERS):
        must("mount", "-o", "remount,bind,ro", LEDGERS)
        for name in "readonly", "kim":
            mark = syslog.now()
            tap.ok(not lets_in(name, "right"), f"{name}: rejected")
            error_names_it(name, mark, name, "is read-only: mount it for writing")
            says_rejecting(name, "Read-only file system", "is read-only: mount it for writing")
            key_works(name, name)
        rejected = run("tmoutctl", "unlock", "readonly")
        tap.ok(rejected.returncode == 2 and ledger("readonly") in rejected.stderr,
               "unlock says that it cannot", rejected)
    tap.equal(state("readonly"), (1, False), "writable again: nothing lost")
    unlock("readonly")
    tap.ok(lets_in("readonly", "right"), "in")


def says_rejecting(name, cause, remedy):
    """show and attempts say what a login would run into."""
    for verb in "show", "attempts":
        shown = run("tmoutctl", verb, name)
        tap.ok("rejecting passwords: " in shown.stdout and cause in shown.stdout
               and remedy in shown.stdout, f"{name}: {verb} says so", shown)


def immutable_files():
    """chattr +i: passwords are rejected, and the log and tmoutctl name the flag"""
    with mounted("-t", "tmpfs", "-o", "size=1m,mode=755", "throwaway", LEDGERS):
        make_ledger("readonly")
        if run("chattr", "+i", ledger("readonly")).returncode != 0:
            tap.skip("chattr +i", "tmpfs of this kernel has no flags")
            return
        mark = syslog.now()
        tap.ok(not lets_in("readonly", "right"), "a ledger: rejected")
        error_names_it("readonly", mark, "a ledger", f'run "chattr -R -ia {STATE}"')
        says_rejecting("readonly", f"{ledger('readonly')} is immutable", "chattr -R -ia")
        must("chattr", "-i", ledger("readonly"))
        must("chattr", "+i", LEDGERS)
        tap.ok(not lets_in("kim", "right"), "no ledger yet: rejected")
        says_rejecting("kim", f"{LEDGERS} is immutable", "chattr -R -ia")
        must("chattr", "-R", "-ia", STATE)
        tap.equal(state("readonly"), (1, False), "the remedy: nothing lost")
        tap.ok(lets_in("readonly", "right"), "the remedy: in")
        tap.ok(lets_in("kim", "right"), "the remedy: in")


def no_directory():
    """a missing directory is created again; anything else in its place is not used"""
    remove(LEDGERS)
    tap.ok(lets_in("missing", "right"), "gone: in")
    tap.ok(not lets_in("missing", "wrong"), "wrong")
    tap.equal(state("missing"), (1, False), "counted")
    status = os.stat(LEDGERS)
    tap.equal((status.st_uid, status.st_mode & 0o777), (0, 0o755), "root's directory")
    aside = LEDGERS + ".aside"
    os.mkdir("/run/theirs", 0o755)
    os.chown("/run/theirs", uid("kim"), -1)
    for what, put in {"a link to a user's directory": lambda: os.symlink("/run/theirs", LEDGERS),
                      "a dangling link": lambda: os.symlink("/run/nowhere", LEDGERS),
                      "a file": lambda: write(LEDGERS, ""),
                      "a user's directory": lambda: (os.mkdir(LEDGERS, 0o755),
                                                       os.chown(LEDGERS, uid("kim"), -1)),
                      "a world-writable directory": lambda: (os.mkdir(LEDGERS),
                                                        os.chmod(LEDGERS, 0o777))}.items():
        os.rename(LEDGERS, aside)
        put()
        mark = syslog.now()
        tap.ok(not lets_in("missing", "right"), f"{what}: rejected")
        error_names_it("missing", mark, what)
        key_works("missing", what)
        remove(LEDGERS)
        os.rename(aside, LEDGERS)
    tap.equal(os.listdir("/run/theirs"), [], "nothing was written elsewhere")
    os.rename(LEDGERS, aside)
    os.symlink(aside, LEDGERS)
    tap.equal(state("missing"), (1, False), "root's link to root's directory: counted")
    tap.ok(lets_in("missing", "right"), "and in")
    remove(LEDGERS)
    os.rename(aside, LEDGERS)


def moved_aside_by_root():
    """root removes or restores ledgers while people log in"""
    make_ledger("mover")
    copy = read_bytes(ledger("mover"))
    remove(ledger("mover"))
    tap.equal(state("mover"), (0, False), "removed: nothing counted")
    lets_in("mover", "wrong")
    lets_in("mover", "wrong")
    overwrite(ledger("mover"), copy)
    tap.equal(state("mover"), (1, False), "restored: what was counted then")
    tap.ok(lets_in("mover", "right"), "in")


# --- reboots -----------------------------------------------------------------

def after_a_reboot():
    """failures and locks survive a reboot"""
    people = "boots", "forever", "late"
    for name in people:
        for _ in range(3):
            lets_in(name, "wrong")
        tap.equal(state(name), (3, True), f"{name}: locked")
    make_ledger("kim")
    left = attempts("boots")["unlock_in"]
    write("/run/boot_id", "01234567-89ab-cdef-0123-456789abcdef\n")
    with mounted("--bind", "/run/boot_id", BOOT_ID):
        for name in people[:2]:
            tap.equal(state(name), (3, True), f"{name}: still locked")
            tap.ok(not lets_in(name, "right"), f"{name}: the correct password is rejected")
        tap.equal(attempts("forever")["unlock_in"], None, "forever has no end")
        tap.ok(0 < attempts("boots")["unlock_in"] <= left, "the lock is no longer than it was",
               attempts("boots"), left)
        tap.equal(state("kim"), (1, False), "a failure still counts")
        lets_in("kim", "wrong")
        tap.equal(state("kim"), (2, False), "and so does one since the reboot")
        unlock("forever")
        tap.ok(lets_in("forever", "right"), "unlocked: in")
        if UPTIME > 60:
            tap.ok(lets_in("late", "right"), "a boot that has lasted longer than the lock: in")
        else:
            tap.skip("a boot that has lasted longer than the lock", "this one has not")
    unlock("kim")


# --- sources -----------------------------------------------------------------

def sources_apart():
    """count_by = source: a locked address locks no other"""
    here, there = ["BindAddress=127.0.0.2"], ["BindAddress=127.0.0.3"]

    def counted(address):
        return {count["from"]: (count["failures"], count["locked"])
                for count in attempts("two")["counts"]}.get(address, (0, False))

    for _ in range(2):
        tap.ok(not lets_in("two", "wrong", options=here), "wrong, from the first")
    tap.equal((counted("127.0.0.2"), counted("127.0.0.3")), ((2, True), (0, False)), "it is locked")
    tap.ok(not lets_in("two", "right", options=here), "right, from the first: rejected")
    tap.ok(not lets_in("two", "wrong", options=there), "wrong, from the second")
    tap.ok(lets_in("two", "right", options=there), "right, from the second: in")
    tap.equal((counted("127.0.0.2"), counted("127.0.0.3")), ((2, True), (0, False)),
              "which clears its own failures only")
    tap.equal(su("other", "two", "right").returncode, 0, "su is counted separately")
    unlock("two")
    tap.ok(lets_in("two", "right", options=here), "unlocked: both")


def own_network_only():
    """an IPv6 network counts as one address, a mapped address as IPv4"""
    def attempt(source, password):
        return Pam.once("sources", "own", password, source=source) == 0

    attempt("2001:db8:1:2::1", "wrong")
    attempt("2001:db8:1:2:ffff::9", "wrong")
    tap.ok(not attempt("2001:db8:1:2::3", "right"), "three of one network: locked")
    tap.ok(attempt("2001:db8:1:3::1", "right"), "the next network is not")
    attempt("192.0.2.1", "wrong")
    attempt("::ffff:192.0.2.1", "wrong")
    tap.ok(not attempt("192.0.2.1", "right"), "mapped or not: locked")
    # The client chooses its name.
    for n in range(2):
        Pam.once("sources", "own", "wrong", host=f"host{n}.example")
    tap.ok(Pam.once("sources", "own", "right", host="new.example") != 0, "names share one count")


def too_many_sources():
    """of many sources the first have a count each, and the rest share one"""
    def address(n):
        return f"10.1.{n // 250}.{n % 250 + 1}"

    def attempt(n, password):
        return Pam.once("sources", "shared", password, source=address(n)) == 0

    # One at a time: libpam loads its modules for one handle at a time.
    inside = [attempt(n, "wrong") for n in range(48)]
    tap.equal(any(inside), False, "48 sources, one failure each")
    tap.equal(len(attempts("shared")["counts"]), 48, "a count for each")
    size = os.stat(ledger("shared")).st_size
    tap.ok(attempt(0, "right"), "the first: in")
    attempt(0, "wrong")
    mark = syslog.now()
    for n in range(200, 260):
        attempt(n, "wrong")
    tap.equal(len(syslog.settled(mark, r"pam_unix\(sources:auth\): auth.* user=shared$")), 3,
              "60 more: one takes the first's place, the others have two guesses together")
    tap.ok(not attempt(900, "right"), "which locks the rest")
    tap.ok(attempt(1, "right"), "but no source with a count of its own")
    tap.equal(os.stat(ledger("shared")).st_size, size, "the ledger has not grown")
    tap.ok(size < 1 << 19, "and is small", size)
    unlock("shared")
    tap.ok(attempt(900, "right"), "unlocked: in")


def su_that_may_not_change_ids():
    """a su that could not become its user again rejects the attempt, and is not killed"""
    def attempt(password, *options):
        return run("setpriv", *options, *as_user("other", "su", "two", "-c", "true")[1:], stdin=None,
                   input=password + "\n")

    unlock("two")
    mark = syslog.mark()
    done = attempt("right", "--bounding-set=-setuid")
    tap.equal(done.returncode, 1, "it ends by itself")
    tap.ok(syslog.settled(mark, "without CAP_SETUID.* missing capability"), "the log says why")
    tap.equal(attempt("right").returncode, 0, "with the capability, it lets them in")


def nothing_else():
    """what is left behind"""
    tap.ok(sshd.alive(), "sshd is alive")
    tap.equal([name for name in os.listdir(LEDGERS)
               if not re.fullmatch(r"\d+(\.damaged)?", name)], [], "no partial ledger is left")
    tap.equal(sorted(os.listdir(STATE)), ["apply.lock", "attempts", "policy.v1"],
              "nor anything else")


random.seed(5)
LONGEST_SEC = 365 * 86400
setup_passwords(POLICY % (min(2 * UPTIME + 3600, LONGEST_SEC), min(UPTIME + 3600, LONGEST_SEC)),
                "PasswordAuthentication yes\n", ["sshd", "su"], PEOPLE, GROUPS)
# Once: a stack that is written anew while others use it is empty for a moment.
stack("sources", AUTH_LINE, "auth required pam_unix.so nodelay")
lets_in("other", "wrong")
tap.in_parallel([damaged(n) for n in range(len(DAMAGES))] + [flipped(n) for n in range(FLIPS)]
            + [wrong(kind) for kind in WRONGS]
            + [unlocked_before_any_login, damage_lock_expires, sources_apart,
               own_network_only, too_many_sources, moved_aside_by_root], 24)
tap.run(no_space, read_only_directory, immutable_files, no_directory, after_a_reboot,
        su_that_may_not_change_ids, nothing_else)
