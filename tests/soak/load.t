#!/usr/bin/python3
"""Mixed load on a host with the real sshd, su and passwd: many users, many addresses,
right and wrong passwords, clients and processes that are killed, unlocks, and locks
that expire. The test keeps its own tally, and the ledgers and the log agree with it to
the last attempt.

It lasts ten minutes, or as many seconds as the environment variable LOAD_SECONDS says;
LOAD_SEED repeats what was chosen by chance. Each password names its attempt, and a
program between our line and pam_unix writes down which of them are checked.
"""
import collections
import contextlib
import glob
import itertools
import os
import random
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts import PasswordClient, as_user, counts, setup_passwords
from host.commands import must, run
from host.files import read, remove, write
from host.pam_stacks import wire_auth
from host.product import LEDGERS, attempts, errors, unlock
from host.sshd import sshd
from host.syslog import syslog
from host.tap import tap
from host.waiting import wait_until

SECONDS = int(os.environ.get("LOAD_SECONDS", "600"))
SEED = int(os.environ.get("LOAD_SEED", str(random.randrange(10**6))))

USERS = {"al": "user", "bo": "user", "cy": "user", "di": "source", "ed": "source", "fay": "source",
         "short": "user", "brief": "source"}
LIMITS = {"al": 2, "bo": 3, "cy": 5, "di": 2, "ed": 3, "fay": 6, "short": 3, "brief": 2}
EXPIRING = {"short", "brief"}
POLICY = "default { max_attempts = 3  attempt_window = 1d  lock_time = 1d }\n" + "".join(
    f'user "{name}" {{ max_attempts = {LIMITS[name]}  count_by = {by}'
    f'{"  lock_time = 3s" if name in EXPIRING else ""} }}\n' for name, by in USERS.items())
HERE = {4: "192.0.2.1", 6: "2001:db8::1"}
# Two addresses of each IPv6 /64: they share a count.
ADDRESSES = [f"198.51.100.{n}" for n in range(1, 6)] + [
    f"2001:db8:{n}::{m}" for n in range(1, 4) for m in (7, 8)]

CHECKED = "/run/checked"
GATES = "/run/gates"
# A password "dies-..." kills the process that checks it, and of "leaves-..." the check
# takes until the test has killed the client.
CHECK = f"""#!/bin/sh
text=$(tr -d '\\0')
echo "$PAM_USER $PAM_SERVICE $text" >>{CHECKED}
case $text in dies-*) kill -9 "$PPID" ;; esac
while [ -e "{GATES}/$text" ]; do sleep 0.02; done
"""
CHECK_LINE = "auth [default=ignore] pam_exec.so quiet expose_authtok seteuid /root/check"
PASSWORD_LINE = "password requisite pam_tmout.so"
RIGHT = "right"

number = itertools.count(1)


class Try:
    """One attempt: its user, address (None: su), password, and what came of it."""

    def __init__(self, name, address, kind):
        self.name, self.address, self.kind = name, address, kind
        self.password = RIGHT if kind == "right" else f"{kind}-{next(number)}"
        self.inside = False
        self.rejected = False  # passwd says so

    def make(self):
        if self.kind == "passwd":
            shown = run(*as_user(self.name, "passwd"), stdin=None, input=f"{self.password}\n")
            self.rejected = "Account locked" in shown.stdout + shown.stderr
        elif self.address is None:
            self._su()
        else:
            self._ssh()

    def _su(self):
        done = run(*as_user("mal", "su", self.name, "-c", "true"), stdin=None,
                   input=f"{self.password}\n")
        self.inside = done.returncode == 0

    def _ssh(self):
        leaves = self.kind == "leaves"
        gate = f"{GATES}/{self.password}"
        if leaves:
            write(gate, "")
        options = [f"BindAddress={self.address}",
                   f"HostName={HERE[6 if ':' in self.address else 4]}"]
        client = PasswordClient(self.name, self.password, options=options)
        if leaves:
            wait_until(lambda: self.password in read(CHECKED) or client.process.poll() is not None,
                       "the password is neither checked nor rejected")
            with contextlib.suppress(ProcessLookupError):  # it has been rejected
                client.go_away()
            remove(gate)
            remove(client.directory)
        else:
            self.inside = client.result().returncode == 0


class Tally:
    """What has happened to one user, as this test knows it."""

    def __init__(self, name):
        self.name, self.max, self.by_source = name, LIMITS[name], USERS[name] == "source"
        self.random = random.Random(f"{SEED} {name}")
        self.failures = collections.Counter()  # by what attempts are counted by
        self.tries, self.wrong, self.faults = [], [], []
        self.batches = collections.Counter()

    def key(self, address):
        """What the attempts from an address are counted by, as `attempts` shows it."""
        if address is None:
            return "local"
        if not self.by_source:
            return "network"
        return re.sub("::.*", "::/64", address) if ":" in address else address

    def expect(self, true, what):
        if not true:
            self.faults.append(f"{self.name}: {what}")

    def at_once(self, tries):
        """Makes these attempts at the same time."""
        self.tries += tries
        with ThreadPoolExecutor(len(tries)) as pool:
            list(pool.map(Try.make, tries))
        wait_until(lambda: not self.at_work(tries), "a check does not end")

    def at_work(self, tries):
        """Does a process still check the password of a client that has left?"""
        if not any(one.kind == "leaves" for one in tries):
            return False
        shown = attempts(self.name)["counts"]
        return any(count["in_flight"] for count in shown)

    def compare(self, doing):
        """The ledger, as tmoutctl shows it, with the tally."""
        shown = counts(self.name)
        expected = {key: count for key, count in self.failures.items() if count}
        self.expect(shown == expected, f"{doing}: the ledger has {shown}, the tally {expected}")
        locked = {count["from"] for count in attempts(self.name)["counts"] if count["locked"]}
        full = {key for key, count in expected.items() if count >= self.max}
        self.expect(locked == full, f"{doing}: locked {locked}, the tally {full}")

    def checked(self, tries):
        given = set(read(CHECKED).split())
        return [one for one in tries
                if one.password in given or (one.kind == "passwd" and not one.rejected)]

    # --- batches ----------------------------------------------------------------

    def wrong_kind(self, address, kills):
        return self.random.choice(["wrong", "wrong"] + (["dies"] if kills else []) +
                                  (["leaves"] if address else ["passwd"]))

    def storm(self, address, exact=True, kills=True):
        """Wrong passwords in parallel: as many are checked as the limit allows. The
        last one finds who was killed."""
        same = [one for one in ADDRESSES if self.key(one) == self.key(address)] or [None]
        tries = [Try(self.name, where, self.wrong_kind(where, kills)) for where in
                 self.random.choices(same, k=self.random.randint(1, self.max + 2))]
        before = self.failures[self.key(address)]
        self.at_once(tries)
        last = Try(self.name, address, "wrong")
        self.at_once([last])
        tries.append(last)
        checked = self.checked(tries)
        if exact:
            self.expect(len(checked) == min(len(tries), self.max - before),
                        f"of {len(tries)} wrong passwords after {before} failures, "
                        f"{len(checked)} were checked")
            self.failures[self.key(address)] += len(checked)

    def mixed(self, address):
        """Right passwords among fewer wrong ones than lock: all get in that should."""
        left = self.max - self.failures[self.key(address)]
        if left <= 0:
            self.rejected(address)
            return
        wrong = [Try(self.name, address, "wrong") for _ in range(self.random.randint(0, left - 1))]
        right = [Try(self.name, address, "right") for _ in range(self.random.randint(1, 3))]
        self.at_once(self.random.sample(wrong + right, len(wrong + right)))
        self.expect(all(one.inside for one in right), f"{address}: a right password was rejected")
        self.expect(len(self.checked(wrong)) == len(wrong), f"{address}: a wrong one not checked")
        self.enter(address)

    def enter(self, address):
        last = Try(self.name, address, "right")
        self.at_once([last])
        self.expect(last.inside, f"{address}: a right password was rejected in the end")
        self.failures[self.key(address)] = 0

    def rejected(self, address):
        """While locked, right passwords are rejected, and elsewhere they are not."""
        last = Try(self.name, address, "right")
        self.at_once([last])
        self.expect(not last.inside, f"{address}: the lock does not hold")

    def unlocked(self, _address):
        unlock(self.name)
        self.failures.clear()

    def unlocked_in_a_storm(self, address):
        """Nobody is killed here: what unlock forgets of them is no line in the log."""
        with ThreadPoolExecutor(1) as pool:
            storm = pool.submit(self.storm, address, False, False)
            unlock(self.name)
            storm.result()
        self.unlocked(address)

    def expiry(self, address):
        """Here locks expire while wrong passwords arrive, so the number that is
        checked depends on the time; then a right one gets in."""
        self.storm(address, exact=False)
        self.storm(address, exact=False)
        wait_until(lambda: not any(count["locked"] for count in attempts(self.name)["counts"]),
                   "the lock does not expire")
        self.enter(address)
        self.unlocked(address)

    def go_on(self, end):
        """Batches until the end of the test."""
        kinds = [self.expiry] if self.name in EXPIRING else [
            self.storm, self.storm, self.mixed, self.mixed, self.unlocked, self.unlocked_in_a_storm]
        while time.monotonic() < end and not self.faults:
            batch = self.random.choice(kinds)
            batch(None if self.random.random() < 0.2 else self.random.choice(ADDRESSES))
            self.batches[batch.__name__] += 1
            self.compare(batch.__name__)


def log(name, pattern):
    return syslog.settled(0, rf"pam_tmout\(\S+\): {pattern}.* user={name} ")


def ledgers_in_use():
    """The processes that still have a ledger open, and may still log."""
    found = []
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link).startswith(LEDGERS):
                found.append(link)
    return found


def add_up(tally):
    """The whole run of a user: the log, what was checked, and what the clients saw."""
    tap.equal(tally.faults, [], f"{tally.name}: after each of "
                                f"{sum(tally.batches.values())} batches, the ledger agrees")
    lines = [line.split() for line in read(CHECKED).splitlines()]
    checked = collections.Counter(text for name, _, text in lines if name == tally.name)
    guesses = [one for one in tally.tries if one.kind != "passwd" and one.password != RIGHT
               and one.password in checked]
    changes = [one for one in tally.tries if one.kind == "passwd" and not one.rejected]
    tap.ok(all(checked[one.password] == 1 for one in guesses), f"{tally.name}: each at most once")
    dead = [one for one in guesses if one.kind == "dies"]
    tap.equal(len(log(tally.name, "failed password change")), len(changes),
              f"{tally.name}: a line for each wrong one given to passwd")
    failed = log(tally.name, "failed login")
    tap.equal(len(failed), len(guesses) - len(dead),
              f"{tally.name}: a line for each wrong password that was checked")
    for address in {one.address for one in guesses}:
        here = [one for one in guesses if one.address == address and one.kind != "dies"]
        tap.equal(len([line for line in failed if f" address={address or 'local'} " in line]),
                  len(here), f"{tally.name}, {address or 'local'}: likewise")
    tap.equal(len(log(tally.name, "login attempt abandoned")), len(dead),
              f"{tally.name}: a line for each process that was killed")
    inside = sum(one.inside for one in tally.tries)
    tap.equal(checked[RIGHT], inside, f"{tally.name}: right passwords that got in")
    others = len(tally.tries) - len(guesses) - inside - len(changes)
    tap.equal(len(log(tally.name, "rejected: ")), others,
              f"{tally.name}: a line for each of the others")
    tap.note(f"{tally.name}: {len(guesses)} wrong ({len(dead)} killed), {inside} in, "
             f"{others} rejected, {len(changes)} by passwd; "
             f"{dict(tally.batches)}")


def mixed_load():
    """all users at once"""
    tap.note(f"LOAD_SECONDS={SECONDS} LOAD_SEED={SEED}")
    tallies = [Tally(name) for name in USERS]
    end = time.monotonic() + SECONDS
    with ThreadPoolExecutor(len(tallies)) as pool:
        list(pool.map(lambda tally: tally.go_on(end), tallies))
    wait_until(lambda: not ledgers_in_use(), "a process does not end")
    for tally in tallies:
        tap.ok(tally.batches, f"{tally.name}: had its turn")
        add_up(tally)
    tap.equal(errors(0), [], "no errors in the log")
    tap.ok(sshd.alive(), "sshd is alive")
    tap.equal([name for name in os.listdir(LEDGERS) if not name.isdigit()], [],
              "no ledger was set aside, and no temporary file is left")


def enter_host():
    """Starts this script again in a throw-away host."""
    if os.path.exists("/run/throwaway"):
        return
    throwaway = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../host/throwaway")
    os.execv(throwaway, [throwaway, *sys.argv])


def add_addresses():
    must("ip", "link", "set", "lo", "up")
    for address in [*HERE.values(), *ADDRESSES]:
        must("ip", "address", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo",
             *(["nodad"] if ":" in address else []))


enter_host()
add_addresses()
setup_passwords(POLICY, "PasswordAuthentication yes\nListenAddress ::\nListenAddress 192.0.2.1\n",
                ["sshd", "su"], {name: RIGHT for name in [*USERS, "mal"]})
os.mkdir(GATES)
write(CHECKED, "")
write("/root/check", CHECK, 0o755)
for service in "sshd", "su":
    wire_auth(service, CHECK_LINE)
wire_auth("common-password", PASSWORD_LINE, r"password\b.*pam_unix\.so")
tap.run(mixed_load)
