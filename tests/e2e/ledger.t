#!/usr/bin/python3
"""The state of login attempts in trouble: no room, damage, reboots, many sources."""

import contextlib
import os
import random
import re
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import uid
from host.attempts import Pam, lets_in, setup_passwords, state, su
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

# A boot that is told by its boot id alone has lasted since the machine's own.
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
SPOILT = [f"damage{n}" for n in range(len(DAMAGES))] + [f"flip{n}" for n in range(FLIPS)] + [
    f"wrong{name}" for name in WRONGS]

PEOPLE = {name: "right" for name in """
    kim other full fresh readonly missing boots late forever short two own shared mover
    replaced""".split() + SPOILT}
GROUPS = {"two": ["sources"], "own": ["sources"], "shared": ["sources"], "kim": ["reboots"]}
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def ledger(name):
    return f"{LEDGERS}/{uid(name)}"


def errors_about(name, mark):
    return [line for line in errors(mark) if re.search(rf" user={name}\b", line)]


def error_names_it(name, mark, what):
    """One line for one attempt, with the file and the way out."""
    found = errors_about(name, mark)
    tap.ok(len(found) == 1 and f"attempt ledger {ledger(name)} " in found[0]
           and f'run "tmoutctl unlock {name}" to repair' in found[0], f"{what}: the log says so once",
           *found)


def key_works(name, what):
    tap.equal(ssh(name, "echo in").stdout, "in\n", f"{what}: a key lets in")


# --- damage ------------------------------------------------------------------

def make_ledger(name):
    """A ledger with one failure in it."""
    lets_in(name, "wrong")
    tap.equal(state(name), (1, False), f"{name}: one failure")


def spoilt(name, what, spoil):
    """A ledger that is not what root left there locks, until root unlocks."""
    make_ledger(name)
    spoil(ledger(name))
    mark = syslog.now()
    tap.ok(not lets_in(name, "right"), f"{what}: the correct password is rejected")
    error_names_it(name, mark, what)
    key_works(name, what)
    now = attempts(name)
    tap.equal([(count["from"], count["failures"], count["locked"]) for count in now["counts"]],
              [("local", 3, True), ("network", 3, True)], f"{what}: as if at the limit")
    mark = syslog.now()
    tap.ok(su("other", name, "right").returncode != 0, f"{what}: here, too")
    tap.equal(errors_about(name, mark), [], f"{what}: not reported again")
    tap.ok(os.path.lexists(ledger(name) + ".damaged"), f"{what}: what it was is kept")
    unlock(name)
    tap.ok(lets_in(name, "right"), f"{what}: unlocked, in")
    tap.equal(su("other", name, "right").returncode, 0, f"{what}: in here")
    tap.ok(not lets_in(name, "wrong"), f"{what}: wrong")
    tap.equal(state(name), (1, False), f"{what}: counts as ever")


def overwrite(path, content):
    with open(path, "wb") as file:
        file.write(content)


def damaged(number):
    what, content = list(DAMAGES.items())[number]

    def spoil(path):
        overwrite(path, content(read_bytes(path)) if callable(content) else content)

    def scenario():
        spoilt(f"damage{number}", what, spoil)

    scenario.__doc__ = f"a damaged ledger: {what}"
    return scenario


def flipped(number):
    def spoil(path):
        whole = bytearray(read_bytes(path))
        # Of each record one bank is not in use, and may hold anything.
        used = [n for n in range(len(whole)) if whole[n]]
        whole[random.choice(used)] ^= 0x41
        overwrite(path, whole)
        if run("tmoutctl", "attempts", f"flip{number}", "--json").returncode == 0 and \
                not attempts(f"flip{number}")["damaged"]:
            spoil(path)

    def scenario():
        spoilt(f"flip{number}", f"one byte changed ({number})", spoil)

    scenario.__doc__ = "a damaged ledger: a byte"
    return scenario


def wrong(kind):
    name = f"wrong{kind}"

    def spoil(path):
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
        spoilt(name, kind, spoil)
        tap.ok(read_bytes("/etc/passwd") == before and not os.path.lexists("/run/planted"),
               f"{kind}: nothing was written elsewhere")
        status = os.lstat(ledger(name))
        tap.ok(stat.S_ISREG(status.st_mode) and status.st_mode & 0o777 == 0o600
               and status.st_uid == 0, f"{kind}: the new one is a file of root's")

    scenario.__doc__ = f"something else in a ledger's place: {kind}"
    return scenario


def unlocked_before_anybody_looked():
    """unlock repairs a damaged ledger that no login has met yet"""
    make_ledger("replaced")
    overwrite(ledger("replaced"), b"noise")
    unlock("replaced")
    mark = syslog.now()
    tap.ok(lets_in("replaced", "right"), "unlocked: in")
    tap.equal(errors_about("replaced", mark), [], "and no error")


def damage_ends_in_time():
    """the lock after damage ends like any other"""
    make_ledger("short")
    overwrite(ledger("short"), b"noise")
    tap.ok(not lets_in("short", "right"), "rejected")
    wait_until(lambda: state("short") == (0, False), "the lock does not end")
    tap.ok(lets_in("short", "right"), "later: in")


# --- no room -----------------------------------------------------------------

def no_room():
    """a full disk: users with a ledger are counted in it, others are rejected"""
    with mounted("-t", "tmpfs", "-o", "size=64k,mode=755", "throwaway", LEDGERS):
        make_ledger("full")
        with contextlib.suppress(OSError), open(LEDGERS + "/filler", "wb", 0) as file:
            while file.write(b"x" * 4096):
                pass
        mark = syslog.now()
        tap.ok(not lets_in("fresh", "right"), "no ledger yet: rejected")
        error_names_it("fresh", mark, "no ledger yet")
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
        tap.ok(lets_in("fresh", "right"), "room again: in")
        tap.ok(lets_in("full", "right"), "room again, and unlocked: in")


def nothing_may_be_written():
    """a directory that is read-only: no password, but keys"""
    make_ledger("readonly")
    with mounted("--bind", LEDGERS, LEDGERS):
        must("mount", "-o", "remount,bind,ro", LEDGERS)
        for name in "readonly", "kim":
            mark = syslog.now()
            tap.ok(not lets_in(name, "right"), f"{name}: rejected")
            error_names_it(name, mark, name)
            key_works(name, name)
        rejected = run("tmoutctl", "unlock", "readonly")
        tap.ok(rejected.returncode == 2 and ledger("readonly") in rejected.stderr,
               "unlock says that it cannot", rejected)
    tap.equal(state("readonly"), (1, False), "writable again: nothing lost")
    unlock("readonly")
    tap.ok(lets_in("readonly", "right"), "in")


def no_directory():
    """a directory that is gone is made again; what else stands there is not used"""
    remove(LEDGERS)
    tap.ok(lets_in("missing", "right"), "gone: in")
    tap.ok(not lets_in("missing", "wrong"), "wrong")
    tap.equal(state("missing"), (1, False), "counted")
    status = os.stat(LEDGERS)
    tap.equal((status.st_uid, status.st_mode & 0o777), (0, 0o755), "root's directory")
    aside = LEDGERS + ".aside"
    os.mkdir("/run/theirs", 0o755)
    os.chown("/run/theirs", uid("kim"), -1)
    for what, put in {"a link to somebody's": lambda: os.symlink("/run/theirs", LEDGERS),
                      "a link to nowhere": lambda: os.symlink("/run/nowhere", LEDGERS),
                      "a file": lambda: write(LEDGERS, ""),
                      "somebody's directory": lambda: (os.mkdir(LEDGERS, 0o755),
                                                       os.chown(LEDGERS, uid("kim"), -1)),
                      "everybody's directory": lambda: (os.mkdir(LEDGERS),
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
    tap.equal(state("missing"), (1, False), "a link of root's to a directory of root's: counted")
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
        tap.equal(attempts("forever")["unlock_in"], None, "forever is for ever")
        tap.ok(0 < attempts("boots")["unlock_in"] <= left, "the lock is no longer than it was",
               attempts("boots"), left)
        tap.equal(state("kim"), (1, False), "a failure still counts")
        lets_in("kim", "wrong")
        tap.equal(state("kim"), (2, False), "and so does one of this boot")
        unlock("forever")
        tap.ok(lets_in("forever", "right"), "unlocked: in")
        if UPTIME > 60:
            tap.ok(lets_in("late", "right"), "a boot that has lasted longer than the lock: in")
        else:
            tap.skip("a boot that has lasted longer than the lock", "this one has not")
    unlock("kim")


# --- sources -----------------------------------------------------------------

def sources_apart():
    """count_by = source: an address that is locked locks no other"""
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
    tap.equal(su("other", "two", "right").returncode, 0, "su is apart from both")
    unlock("two")
    tap.ok(lets_in("two", "right", options=here), "unlocked: both")


def own_network_only():
    """an IPv6 network counts as one, an address that is mapped as what it is"""
    stack("sources", AUTH_LINE, "auth required pam_unix.so nodelay")

    def attempt(source, password):
        return Pam.once("sources", "own", password, source=source) == 0

    attempt("2001:db8:1:2::1", "wrong")
    attempt("2001:db8:1:2:ffff::9", "wrong")
    tap.ok(not attempt("2001:db8:1:2::3", "right"), "three of one network: locked")
    tap.ok(attempt("2001:db8:1:3::1", "right"), "the network beside it is not")
    attempt("192.0.2.1", "wrong")
    attempt("::ffff:192.0.2.1", "wrong")
    tap.ok(not attempt("192.0.2.1", "right"), "mapped or not: locked")
    # A name is of the other side's choice.
    for n in range(2):
        Pam.once("sources", "own", "wrong", host=f"host{n}.example")
    tap.ok(Pam.once("sources", "own", "right", host="new.example") != 0, "names share one count")


def too_many_sources():
    """of many sources the first have counts of their own, and the rest share one"""
    stack("sources", AUTH_LINE, "auth required pam_unix.so nodelay")

    def address(n):
        return f"10.1.{n // 250}.{n % 250 + 1}"

    def attempt(n, password):
        return Pam.once("sources", "shared", password, source=address(n)) == 0

    # One by one: libpam loads its modules for one handle at a time.
    inside = [attempt(n, "wrong") for n in range(128)]
    tap.equal(any(inside), False, "128 sources, one failure each")
    tap.equal(len(attempts("shared")["counts"]), 128, "a count for each")
    size = os.stat(ledger("shared")).st_size
    tap.ok(attempt(0, "right"), "the first: in")
    attempt(0, "wrong")
    mark = syslog.now()
    for n in range(200, 260):
        attempt(n, "wrong")
    tap.equal(len(syslog.settled(mark, r"pam_unix\(sources:auth\): auth.* user=shared$")), 2,
              "60 more have two guesses together")
    tap.ok(not attempt(900, "right"), "which locks the rest")
    tap.ok(attempt(1, "right"), "but no source with a count of its own")
    tap.equal(os.stat(ledger("shared")).st_size, size, "the ledger has not grown")
    tap.ok(size < 1 << 19, "and is small", size)
    unlock("shared")
    tap.ok(attempt(900, "right"), "unlocked: in")


def nothing_else():
    """what is left behind"""
    tap.ok(sshd.alive(), "sshd is alive")
    tap.equal([name for name in os.listdir(LEDGERS)
               if not re.fullmatch(r"\d+(\.damaged)?", name)], [], "no half-made ledger is left")
    tap.equal(sorted(os.listdir(STATE)), ["apply.lock", "attempts", "policy.v1"],
              "nor anything beside them")


random.seed(5)
LONGEST_SEC = 365 * 86400
setup_passwords(POLICY % (min(2 * UPTIME + 3600, LONGEST_SEC), min(UPTIME + 3600, LONGEST_SEC)),
                "PasswordAuthentication yes\n", ["sshd", "su"], PEOPLE, GROUPS)
lets_in("other", "wrong")
tap.at_once([damaged(n) for n in range(len(DAMAGES))] + [flipped(n) for n in range(FLIPS)]
            + [wrong(kind) for kind in WRONGS]
            + [unlocked_before_anybody_looked, damage_ends_in_time, sources_apart,
               own_network_only, too_many_sources, moved_aside_by_root], 24)
tap.run(no_room, nothing_may_be_written, no_directory, after_a_reboot, nothing_else)
