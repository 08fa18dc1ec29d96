#!/usr/bin/python3
"""The fleet's script in a real store: it counts as lib/attempts does on one host.

The same random histories go through a ledger (tests/fleet/ledger_driver.c) and through
lib/fleet/attempts.lua; if an answer differs, the history is made as short as possible and
printed. HISTORIES is their number, SEED the first one's.
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts_script import (ADMITTED, BUSY, CLOCK_LINE, FAILED, GIVEN_UP, KEY, LATE, LEASE_MS,
                                  LOCKED, LONGEST_LEASE_MS, MINUTE, ON_TEST_CLOCK, SCRIPT, SECOND,
                                  START_MS, SUCCEEDED, UNKNOWN, WITHDRAWN, Script)
from host.files import REPOSITORY
from host.histories import Differ, try_histories
from host.store import Connection, Refused, Server
from host.tap import tap

DRIVER = REPOSITORY + "/build/tests/fleet/ledger_driver"
HISTORIES, SEED = int(os.environ.get("HISTORIES", "24")), int(os.environ.get("SEED", "1"))


class Ledger:
    """The driver of lib/attempts."""

    def __init__(self):
        self.process = subprocess.Popen([DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def call(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the driver ended")
        return line.strip()

    def numbers(self, *words):
        return [int(word) for word in self.call(*words).split()]

    def look(self, ms):
        found = {}
        for part in filter(None, self.call("look", ms).split(";")):
            name, *counts = part.split("|")
            found[name] = tuple(map(int, counts))
        return found


PASSER_BY = 4095  # no other attempt of a history has this number


class Replay:
    """One history, through both."""

    def __init__(self, ledger, script, limits, directory):
        self.ledger, self.script = ledger, script
        self.now, self.attempts, self.seen = START_MS, {}, set()
        self.has_grown = not limits[-1]
        script.store.call("FLUSHDB")
        script.limits = limits
        ledger.call("limits", *limits)
        ledger.call("new", directory)

    def run(self, history):
        for number, (what, *arguments) in enumerate(history):
            self.script.at(self.now)
            getattr(self, what)(*arguments)
            self.same(f"after step {number}, {what}", self.script.look(), self.ledger.look(self.now))

    def same(self, where, script, ledger):
        if script != ledger:
            raise Differ(f"{where}: script {script}, ledger {ledger}")

    def expire(self):
        """Who has not renewed has died."""
        for number, (_, expiry, _, _) in list(self.attempts.items()):
            if expiry <= self.now:
                self.ledger.call("die", number)
                del self.attempts[number]

    def advance(self, ms):
        self.now += ms
        self.script.at(self.now)
        self.expire()

    def grow(self):
        """The ledger gets records for sources, and does not see any more whether those in flight
        die (count_carry()): so none of them does before an attempt may last no longer."""
        self.has_grown = True
        # Nor those who have died since anybody came by.
        self.admit(PASSER_BY, "network")
        self.settle(PASSER_BY, WITHDRAWN)
        for number, (address, _, (identity, since), _) in self.attempts.items():
            self.attempts[number] = (address, 0, (identity, since), LONGEST_LEASE_MS)
            self.renew(number)

    def admit(self, number, address):
        if number in self.attempts:
            return
        if not self.has_grown and address != "network":
            self.grow()
        identity = f"{number:032x}{len(self.seen):x}"
        script = self.script.admit(identity, address)
        self.same("admission", script[:4], self.ledger.numbers("admit", number, address, self.now))
        self.seen.add(script[0])
        if script[0] != ADMITTED:
            return
        self.attempts[number] = (address, self.now + LEASE_MS, (identity, self.now), LEASE_MS)
        again = self.script.admit(identity, address)
        self.same("the same admission", again[:4], script[:4])

    def settle(self, number, outcome):
        if number not in self.attempts:
            return
        address, _, (identity, since), _ = self.attempts.pop(number)
        script = self.script.settle(identity, outcome, address, since, self.now)
        self.same("settlement", script[:4],
                  self.ledger.numbers("settle", number, outcome, self.now))
        # Told again, it changes nothing: run() looks.
        self.script.settle(identity, outcome, address, since, self.now)

    def renew(self, number):
        if number not in self.attempts:
            return
        address, _, (identity, since), lease = self.attempts[number]
        self.same("renewal", self.script.renew(identity, address, lease)[0], ADMITTED)
        # Never for longer than an attempt may take.
        expiry = min(self.now + lease, since + LONGEST_LEASE_MS)
        self.attempts[number] = (address, expiry, (identity, since), lease)

    def forget(self):
        # The ledger also reports failures that have expired since anybody looked.
        self.script.forget()
        self.ledger.call("forget", self.now)
        for number, (_, _, (_, since), _) in list(self.attempts.items()):
            if self.now - since >= 10 * SECOND:
                self.ledger.call("die", number)
                del self.attempts[number]


def addresses(rng, kind):
    """Where attempts come from in a history of this kind."""
    if kind == "network":
        return ["network"]
    if kind == "few":
        return ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1", "network"]
    if kind == "ipv4":
        return [f"198.51.{n // 200}.{n % 200}" for n in range(rng.choice((47, 49, 70, 120)))]
    if kind == "/56":
        return [f"2001:db8:0:{n:x}::1" for n in range(12)]
    if kind == "/48":
        return [f"2001:db8:0:{n << 8:x}::1" for n in range(22)]
    if kind == "/32":
        return [f"2001:db8:{n:x}::1" for n in range(42)]
    if kind == "ipv6":
        return [f"2001:db8:{rng.randrange(3):x}:{rng.randrange(3) << 8 | rng.randrange(9):x}::1"
                for _ in range(120)]
    return [f"2001:db8:{rng.randrange(60):x}:{rng.randrange(2):x}::1" for _ in range(60)] + \
        [f"2001:{rng.randrange(40) + 0xdb8:x}::1" for _ in range(40)] + \
        [f"203.0.113.{n}" for n in range(60)]


def write_history(seed, ledger):
    """Returns limits and steps."""
    rng = random.Random(seed)
    by_source = int(rng.random() < 0.7)
    limits = (rng.choice((1, 2, 3, 5, 64)), rng.choice((20 * SECOND, 15 * MINUTE)),
              rng.choice((10 * SECOND, 10 * MINUTE, -1)), by_source)
    kind = rng.choice(("few", "ipv4", "/56", "/48", "/32", "ipv6", "all", "all") if by_source
                      else ("network", "few"))
    places, tags = [], set()
    for address in addresses(rng, kind):
        # The ledger tells addresses that share a record apart by 16 bits.
        tag = ledger.call("tag", address)
        if tag not in tags:
            places.append(address)
            tags.add(tag)
    # Some are in flight, often, when a ledger grows for the first address.
    number = by_source * rng.choice((0, 0, 1, 3))
    steps = [("admit", n, "network") for n in range(1, number + 1)]
    admissions = rng.choice((0.45, 0.7))
    usual = rng.choice((FAILED, FAILED, SUCCEEDED))
    for _ in range(rng.choice((80, 150, 400) if by_source else (30, 80))):
        rolled = rng.random()
        if rolled < admissions:
            number += 1
            steps.append(("admit", number, rng.choice(places)))
            if rng.random() < 0.6:
                outcome = rng.choice((usual, usual, FAILED, SUCCEEDED, WITHDRAWN))
                steps.append(("settle", number, outcome))
        elif rolled < admissions + 0.12:
            steps.append(("settle", rng.randint(max(0, number - 6), number), rng.choice(range(3))))
        elif rolled < admissions + 0.17:
            steps.append(("renew", rng.randint(max(0, number - 6), number)))
        elif rolled < 0.99:
            steps.append(("advance", rng.choice((0, 1, 1, 400, 400, 1000, 4000, 7999, 9000,
                                                 20000, *((130000, 660000) if rolled > 0.95 else ())))))
        else:
            steps.append(("forget",))
    return limits, steps


def counts_as_a_ledger_does():
    """the same histories through a ledger and through the script"""
    ledger, script = Ledger(), Script(STORE)

    def play(limits, steps):
        directory = tempfile.mkdtemp(prefix="tmout-test-", dir="/tmp")
        os.chmod(directory, 0o755)
        replay = Replay(ledger, script, limits, directory)
        try:
            replay.run(steps)
        finally:
            ledger.call("new", "/nonexistent")
            shutil.rmtree(directory)
        return replay.seen

    try_histories(range(SEED, SEED + HISTORIES), lambda seed: write_history(seed, ledger), play,
                  "the same answers")


def has_one_clock():
    """the store's own clock is the only one"""
    tap.equal(SCRIPT.count(CLOCK_LINE), 1, "the clock is read in one place")
    script = Script(STORE, SCRIPT)
    STORE.call("FLUSHDB")
    before = STORE.call("TIME")
    answer = script.admit("a1")
    after = STORE.call("TIME")
    tap.ok(int(before[0]) * 1000 <= answer[4] <= int(after[0]) * 1000 + 999,
           "an answer contains the store's time", before, answer, after)
    tap.equal(script.admit("a2", deadline=answer[4] - 1)[0], LATE,
              "nobody waits for an attempt whose deadline has passed")
    tap.equal(script.look(), {"network": (0, 1, 0)}, "it takes no slot")
    tap.ok(0 < STORE.call("PTTL", KEY) <= 24 * 60 * MINUTE, "what is stored expires")


STORE = None


def fresh(limits=(3, 15 * MINUTE, 10 * MINUTE, 0)):
    """An empty store, and a script on the test's clock."""
    STORE.call("FLUSHALL")
    script = Script(STORE, limits=limits)
    script.at(START_MS)
    return script


def fail(script, attempt, **where):
    script.admit(attempt, **where)
    return script.settle(attempt, FAILED, **where)


def applies_the_strictest_limits():
    """hosts whose policies differ"""
    script = fresh()
    script.limits = (2, 15 * MINUTE, 20 * MINUTE, 0)
    fail(script, "a1")
    script.limits = (5, MINUTE, MINUTE, 0)
    tap.equal(script.admit("a2")[0], ADMITTED, "a host that allows five attempts gets the second")
    tap.equal(script.admit("a3")[0], BUSY, "... and not a third one, as the first was of two")
    script.settle("a2", FAILED)
    tap.equal(script.admit("a3")[:4], [LOCKED, 2, 0, 20 * MINUTE], "the longer lock applies")
    script.at(START_MS + 21 * MINUTE)
    for n in range(5):
        tap.equal(fail(script, f"b{n}")[1], n + 1, f"when they are gone, failure {n + 1} of five")
    tap.equal(script.admit("c")[:4], [LOCKED, 5, 0, MINUTE], "... locks for a minute")


def told(script, attempt, outcome, ended, **more):
    """Settled some time after it ended."""
    return script.settle(attempt, outcome, since=ended, at=ended, **more)


def tells_again_what_a_host_knows():
    """after the store has lost what it knew"""
    script = fresh()
    for _ in range(3):
        told(script, "a1", FAILED, START_MS - 3000)
        told(script, "a2", FAILED, START_MS - 2000)
        script.merge("b1", START_MS - 1000)
        tap.equal(script.look(), {"network": (2, 1, 0)}, "each is there once, however often told")
    tap.equal(script.admit("b2")[0], BUSY, "they take their slots")
    tap.equal(script.settle("b1", FAILED)[:2], [ADMITTED, 3], "a lease that was merged is settled")
    tap.equal(script.admit("b2")[0], LOCKED, "... and locks")
    script = fresh()
    script.merge("a1", START_MS)
    script.at(START_MS + LEASE_MS - 1)
    script.merge("a1", START_MS)
    script.at(START_MS + 2 * LEASE_MS - 2)
    tap.equal(script.look(), {"network": (0, 1, 0)}, "telling of a lease renews it")
    script = fresh()
    told(script, "a1", FAILED, START_MS - 3000)
    told(script, "a2", FAILED, START_MS - 2000)
    told(script, "a9", SUCCEEDED, START_MS - 2500)
    tap.equal(script.look(), {"network": (1, 0, 0)}, "what a success has made good stays good")
    told(script, "a3", FAILED, START_MS - 2600)
    tap.equal(script.look(), {"network": (1, 0, 0)}, "... whoever tells of it later")
    script = fresh()
    script.admit("a1")
    script.at(START_MS + 1000)
    fail(script, "a2")
    tap.equal(told(script, "a1", SUCCEEDED, START_MS + 500)[:2], [ADMITTED, 1],
              "what has failed after a success stays, though its lease is still there")
    script = fresh()
    script.admit("a1")
    script.at(START_MS + 1000)
    script.admit("a2")
    script.settle("a2", SUCCEEDED)
    told(script, "a1", FAILED, START_MS + 500)
    tap.equal(script.look(), {}, "... and what has failed before it is made good, with a lease, too")
    script = fresh()
    script.forget()
    told(script, "a1", FAILED, START_MS - 3000)
    tap.equal(script.look(), {}, "what an administrator has cleared stays cleared")
    script.at(START_MS + 1000)
    script.settle("a2", FAILED, since=START_MS - 9000, at=START_MS + 500)
    tap.equal(script.look(), {"network": (1, 0, 0)}, "what has failed since then counts")
    script.settle("a3", FAILED, since=START_MS - 10000, at=START_MS + 500)
    tap.equal(script.look(), {"network": (1, 0, 0)}, "... unless it had stalled when it was cleared")
    script = fresh()
    script.settle("a1", FAILED, at=START_MS + 60 * MINUTE)
    tap.equal(script.look(), {"network": (1, 0, 0)}, "a time in the future is now")
    script.at(START_MS + 15 * MINUTE)
    tap.equal(script.look(), {}, "... and goes as all others go")


def counts_what_it_has_forgotten():
    """settling what the store has lost"""
    script = fresh()
    script.admit("a1")
    STORE.call("DEL", KEY)
    tap.equal(script.settle("a1", FAILED, since=START_MS)[:2], [UNKNOWN, 1],
              "a failure counts although its lease is lost")
    tap.equal(script.settle("a1", FAILED, since=START_MS)[:2], [GIVEN_UP, 1], "... once")
    fail(script, "a2")
    script.at(START_MS + 1000)
    tap.equal(script.settle("a3", SUCCEEDED, since=START_MS, at=START_MS + 500)[:2], [UNKNOWN, 0],
              "a success makes good what has failed before it")
    fail(script, "a4")
    tap.equal(script.settle("a3", SUCCEEDED, since=START_MS, at=START_MS + 500)[1], 1,
              "... told again, nothing that has failed since")
    tap.equal(script.settle("a2", FAILED, at=START_MS)[1], 1,
              "a failure from before the success is made good, too")
    tap.equal(script.settle("a5", WITHDRAWN)[1], 1, "a withdrawal changes nothing")


def tells_again_of_a_lock():
    """a lock that lasts longer than what led to it, and a store that has lost it"""
    window, lock, hour = 15 * MINUTE, 120 * MINUTE, 60 * MINUTE
    began = START_MS - hour
    script = fresh((3, window, lock, 0))
    for n in range(2):
        fail(script, f"a{n}")
    script.at(START_MS + SECOND)
    tap.equal([fail(script, "a2")[at] for at in (3, 6)], [lock, START_MS + SECOND],
              "an answer says since when")
    script = fresh((3, window, lock, 0))
    tap.equal(told(script, "a1", FAILED, began - 1, locked=began)[:4], [UNKNOWN, 1, 0, lock - hour],
              "one failure is told, and that it had locked: it goes on")
    told(script, "a1", FAILED, began - 1, locked=began)
    told(script, "a2", FAILED, began, locked=began)
    tap.equal(script.look(), {"network": (2, 0, lock - hour)}, "... and no longer for being told again")
    tap.equal(told(script, "a3", SUCCEEDED, START_MS)[3], lock - hour, "a success does not end it")
    script.at(began + lock)
    tap.equal(script.admit("b1")[:2], [ADMITTED, 0], "it ends when it would have ended")
    script.settle("b1", FAILED)
    tap.equal(told(script, "a1", FAILED, began, locked=began)[:4], [UNKNOWN, 1, 0, 0],
              "who tells of it after that changes nothing")
    script = fresh((3, window, lock, 0))
    told(script, "a1", FAILED, START_MS - SECOND, locked=START_MS - lock)
    tap.equal(script.look(), {}, "what has failed during a lock that is over has gone with it")
    script = fresh((3, window, -1, 0))
    tap.equal(told(script, "a1", FAILED, began, locked=began)[3], -1, "a lock without an end")
    script.forget()
    tap.ok(STORE.call("PTTL", KEY) > 9 * 365 * 24 * hour, "... nor has the mark of an administrator")
    script.at(START_MS + 100 * 24 * hour)
    tap.equal(told(script, "a1", FAILED, began, locked=began)[:4], [UNKNOWN, 0, 0, 0],
              "what an administrator has unlocked stays so, for as long as a host may tell of it")
    script = fresh((3, window, lock, 0))
    script.admit("b1")
    script.settle("b1", WITHDRAWN)
    script.forget()
    script.at(START_MS + SECOND)
    told(script, "a1", FAILED, START_MS + 1, locked=START_MS - 1)
    tap.equal(script.look(), {"network": (1, 0, 0)}, "what has failed since then counts, and locks nobody")
    script = fresh((3, window, lock, 0))
    script.admit("a1")
    tap.equal(script.settle("a1", FAILED, at=START_MS, locked=began)[:4], [ADMITTED, 1, 0, lock - hour],
              "a replica that knows the attempt only learns of the lock, too")
    script = fresh((3, window, lock, 0))
    told(script, "a1", FAILED, began, locked=began)
    script.merge("a2", START_MS)
    script.at(START_MS + LEASE_MS)
    script.look()
    told(script, "a2", WITHDRAWN, START_MS)
    tap.equal(script.look(), {"network": (1, 0, lock - hour - LEASE_MS)},
              "taking back a lease that has ended does not end a lock that others have told of")


def forgets_a_lock_when_another_one_began():
    """a host tells of a lock that is over, and meanwhile others have locked the user again"""
    window, short, long = 15 * MINUTE, 10 * MINUTE, 120 * MINUTE
    for begin, limits in ((START_MS - long, (3, window, long, 0)), (START_MS - SECOND, (3, window, short, 0))):
        script = fresh((3, window, short, 0))
        if begin > START_MS - long:
            script.forget()
            script.at(START_MS + SECOND)
        for n in range(3):
            fail(script, f"b{n}")
        script.limits = limits
        answer = told(script, "a1", FAILED, begin, locked=begin)
        tap.equal((answer[0], answer[6]), (UNKNOWN, 0), "it hears that this lock is none of its own")
        tap.equal(script.look()["network"][0], 3, "... and its failure is not among what has led to it")


def makes_good_in_any_order():
    """a success is told after what has failed before and after it"""
    script = fresh()
    for attempt, ended in ("a1", -5000), ("a2", -4000), ("a3", -2000):
        told(script, attempt, FAILED, START_MS + ended)
    tap.equal(script.look(), {"network": (3, 0, 10 * MINUTE - 2000)}, "the store takes that for a lock")
    told(script, "b1", SUCCEEDED, START_MS - 3000)
    tap.equal(script.look(), {"network": (1, 0, 0)}, "... until it knows of the success between them")
    script = fresh()
    for attempt, ended in ("a1", -5000), ("a2", -4000), ("a3", -2000):
        told(script, attempt, FAILED, START_MS + ended, locked=START_MS - 2000)
    told(script, "b1", SUCCEEDED, START_MS - 3000)
    tap.equal(script.look()["network"][2], 10 * MINUTE - 2000, "a lock that was answered before goes on")


def tells_again_that_a_user_was_unlocked():
    """hosts tell of failures, and one that they were forgotten, in any order"""
    def tell_failures(script):
        told(script, "a1", FAILED, START_MS - 3000)
        told(script, "a2", FAILED, START_MS - 2000, locked=START_MS - 2000)
        told(script, "b1", FAILED, START_MS - 500)

    for calls in (tell_failures, lambda script: script.forget(START_MS - 1000)), \
                 (lambda script: script.forget(START_MS - 1000), tell_failures):
        script = fresh((2, 15 * MINUTE, 60 * MINUTE, 0))
        for _ in range(2):
            for call in calls:
                call(script)
            tap.equal(script.look(), {"network": (1, 0, 0)}, "only what has failed since then counts")
    script = fresh()
    script.admit("a1")
    fail(script, "a2")
    script.at(START_MS + 1000)
    script.forget(START_MS + 500)
    tap.equal(script.look(), {"network": (0, 1, 0)}, "an attempt that had just begun goes on")
    script = fresh((2, 15 * MINUTE, 60 * MINUTE, 0))
    script.at(START_MS + 1000)
    for n in range(2):
        fail(script, f"a{n}")
    script.at(START_MS + 2000)
    script.forget(START_MS + 500)
    tap.equal(script.look(), {"network": (2, 0, 60 * MINUTE - 1000)}, "a lock that began later goes on")
    script = fresh((2, 15 * MINUTE, 60 * MINUTE, 0))
    told(script, "a1", FAILED, START_MS - 100, locked=START_MS - 50)
    script.forget(START_MS - 1000)
    tap.equal(script.look(), {"network": (1, 0, 60 * MINUTE - 50)}, "... so does one that was told")


def forgets_only_what_was_before():
    """an unlocking that is told after what has happened since then"""
    script = fresh()
    told(script, "b1", SUCCEEDED, START_MS - 1000)
    script.forget(START_MS - 3000)
    told(script, "a1", FAILED, START_MS - 2000)
    tap.equal(script.look(), {}, "what a success has made good stays good")
    script = fresh((3, 15 * MINUTE, 60 * MINUTE, 0))
    told(script, "a1", FAILED, START_MS - 3000, locked=START_MS - 2000)
    script.forget(START_MS - 2500)
    tap.equal(script.admit("b1")[:4], [LOCKED, 0, 0, 60 * MINUTE - 2000], "a lock goes on, without what led to it")
    script = fresh((2, 15 * MINUTE, 60 * MINUTE, 0))
    for attempt, ended in ("a1", -3000), ("a2", -1000):
        told(script, attempt, FAILED, START_MS + ended)
    script.forget(START_MS - 2000)
    tap.equal(script.look(), {"network": (1, 0, 0)}, "what it needs to be one is forgotten: it ends")


def looks_at_what_has_just_ended():
    """a lease that has ended without anybody looking, longer ago than attempt_window"""
    def late():
        script = fresh((3, 20 * SECOND, -1, 0))
        script.admit("a1")
        script.at(START_MS + 60 * SECOND)
        return script

    script = late()
    tap.equal(told(script, "a1", FAILED, START_MS + 59 * SECOND)[:2], [UNKNOWN, 1], "that it failed counts")
    script = late()
    script.merge("a1", START_MS)
    tap.equal(script.look(), {"network": (0, 1, 0)}, "who tells that it goes on gets the lease back")
    script = fresh()
    script.admit("a1")
    script.at(START_MS + 10 * SECOND)
    script.forget()
    tap.equal(script.merge("a1", START_MS)[0], GIVEN_UP,
              "... unless an administrator did not want to wait for it")
    tap.equal(script.look(), {}, "... it has no slot")


def goes_on_when_the_clock_goes_back():
    """a failover to a server whose clock is an hour behind"""
    behind = START_MS - 60 * MINUTE
    for name, begin in (("a lock", lambda script: [fail(script, f"a{n}") for n in range(3)]),
                        ("a lock after damage", lambda script: STORE.call("HSET", KEY, "n", "garbage"))):
        script = fresh()
        begin(script)
        tap.equal(script.admit("b")[0], LOCKED, f"{name}, before")
        for minutes in 0, 4, 8:
            script.at(behind + minutes * MINUTE)
            got = script.admit("b")
            tap.equal((got[0], got[3]), (LOCKED, (10 - minutes) * MINUTE),
                      f"... {minutes} minutes after: it has begun then, and goes on")
        script.at(behind + 10 * MINUTE)
        tap.equal(script.admit("b")[0], ADMITTED, "... and ends")
    script = fresh()
    for n in range(3):
        script.admit(f"a{n}")
    script.at(behind)
    tap.equal(script.admit("b")[0], BUSY, "three leases, which nobody renews")
    script.at(behind + LONGEST_LEASE_MS)
    tap.equal(script.admit("b")[:2], [LOCKED, 3], "... end, too")


def keeps_marks_until_they_are_read():
    """64 users are unlocked on all hosts, and more"""
    script = fresh()

    def mark(number):
        return script.call("mark", "n", START_MS, "ab", 1, f"{number:04x}")[1]

    def users():
        return {int(user, 16) for user, *_ in script.call("marks", "n")[1:]}

    tap.equal([mark(number) for number in range(65)], [1] * 64 + [0], "there is no room for one more")
    tap.equal(users(), set(range(64)), "all that have been told are there")
    tap.equal(mark(63), 1, "one of them again replaces its own")
    script.at(START_MS + 2 * MINUTE)
    mark(63)
    tap.equal((mark(64), len(users()), 64 in users(), 63 in users()), (1, 64, True, True),
              "two minutes later the oldest one gives way")
    script.at(START_MS + 24 * 60 * MINUTE + 2 * MINUTE)
    tap.equal(users(), set(), "and they go after a day")


def lapse(script, *attempts, **where):
    """Nobody renews their leases."""
    for attempt in attempts:
        script.admit(attempt, **where)
    script.at(START_MS + LEASE_MS)


def corrects_a_lapsed_lease():
    """a host that was cut off tells how an attempt ended whose lease has become a failure"""
    late = START_MS + 1000
    script = fresh()
    lapse(script, "a1")
    tap.equal(script.look(), {"network": (1, 0, 0)}, "the lease has become a failure")
    told(script, "a1", FAILED, late)
    tap.equal(script.look(), {"network": (1, 0, 0)}, "a failure is counted once")
    for outcome in WITHDRAWN, SUCCEEDED:
        told(script, "a1", outcome, late)
        tap.equal(script.look(), {"network": (1, 0, 0)}, "... and is not taken back any more")
    for outcome in WITHDRAWN, SUCCEEDED:
        script = fresh((3, 15 * MINUTE, -1, 0))
        fail(script, "a0")
        lapse(script, "a1", "a2")
        tap.equal(script.admit("a3")[0], LOCKED, "two such failures lock")
        told(script, "a1", outcome, late)
        tap.equal(script.look(), {"network": (2, 0, 0)} if outcome == WITHDRAWN else {},
                  "what has not failed has locked nobody")
        told(script, "a1", outcome, late)
        told(script, "a2", WITHDRAWN, late)
        tap.equal(script.look(), {"network": (1, 0, 0)} if outcome == WITHDRAWN else {},
                  "... nor does it count")
    script = fresh((2, 15 * MINUTE, -1, 0))
    lapse(script, "a1", "a2")
    told(script, "a1", FAILED, late)
    told(script, "a2", FAILED, late)
    script.at(START_MS + 60 * MINUTE)
    told(script, "a1", FAILED, late)
    tap.equal(script.look(), {"network": (2, 0, -1)}, "what has failed locks for as long as it does")
    script = fresh()
    lapse(script, "a1")
    script.merge("a1", START_MS)
    tap.equal(script.look(), {"network": (0, 1, 0)}, "who tells that it goes on gets the lease back")
    tap.equal(script.settle("a1", WITHDRAWN)[:3], [ADMITTED, 0, 0], "... and settles it")


def tell_in_disorder(rng, script):
    """Attempts whose leases may lapse, and what is told of them, in any order. Returns how many
    have failed."""
    now, failed, telling = START_MS, 0, []
    for number in range(rng.randrange(1, 30)):
        attempt, where = f"{number:x}", f"192.0.2.{rng.randrange(4)}"
        outcome = rng.choice((FAILED, WITHDRAWN))
        if rng.random() < 0.8:
            script.admit(attempt, where)
        now += rng.choice((0, 1, 3000))
        script.at(now)
        # The daemon withdraws what it has asked for in vain; the host may admit it alone.
        said = rng.choice(((), (WITHDRAWN,))) + (outcome,) * rng.randrange(1, 3)
        telling += [(attempt, where, one, now) for one in said]
        failed += outcome == FAILED
    for attempt, where, outcome, ended in rng.sample(telling, len(telling)):
        now += rng.choice((0, 1, 3000))
        script.at(now)
        told(script, attempt, outcome, ended, address=where)
    return failed


def counts_each_attempt_once():
    """outcomes that are told late, twice, or beside a withdrawal"""
    script = fresh()
    for seed in range(SEED, SEED + HISTORIES):
        rng = random.Random(seed)
        STORE.call("DEL", KEY)
        script.at(START_MS)
        script.limits = (64, 60 * MINUTE, -1, rng.randrange(2))
        failed = tell_in_disorder(rng, script)
        counted = sum(failures for failures, _, _ in script.look().values())
        if counted != failed:
            tap.equal(counted, failed, f"history {seed}: each failure counts once")
            return
    tap.ok(True, f"{HISTORIES} histories: each failure counts once")


def locks_on_damage():
    """whatever a hostile host has written, the user is locked and can be unlocked"""
    script = fresh()
    script.admit("a1")
    record = STORE.call("HGET", KEY, "n").encode("latin-1")
    told(script, "b1", FAILED, START_MS)
    script.limits = (3, 900000, 600000, 1)
    script.admit("a2", "192.0.2.1")
    meta = STORE.call("HGET", KEY, "m").encode("latin-1")
    script.limits = (3, 900000, 600000, 0)
    values = [b"", b"\x00", b"\xc1", b"garbage", b"\xdf\xff\xff\xff\xff", b"\x91" * 1000,
              b"x" * 100000, record[:-1], record.replace(b"\xa1v\x01", b"\xa1v\x02"),
              record.replace(b"\xa2at", b"\xa2ta"), record.replace(b"\xa2a1", b"\xa2\xff\xc0", 1)[:-3]]
    damage = [("HSET", KEY, "n", value) for value in values]
    damage += [("HSET", KEY, "m", value) for value in
               [b"", b"garbage", record, meta[:-2], meta.replace(b"4c0000201", b"5c0000201")]]
    damage += [("SET", KEY, "text"), ("LPUSH", KEY, "a"), ("SADD", KEY, "a"), ("ZADD", KEY, 1, "a"),
               ("XADD", KEY, "*", "a", "b")]
    for words in damage:
        STORE.call("DEL", KEY)
        script.at(START_MS)
        STORE.call(*words)
        what = b" ".join(word if isinstance(word, bytes) else str(word).encode()
                         for word in words[:1] + words[2:])[:40]
        got = script.admit("a9")
        tap.equal((got[0], got[3]), (LOCKED, 10 * MINUTE), f"{what!r} locks")
        tap.equal(script.admit("a9")[0], LOCKED, "... and stays locked")
        script.at(START_MS + 10 * MINUTE)
        tap.equal(script.admit("a9")[0], ADMITTED, "... as long as a lock lasts")
    STORE.call("HSET", KEY, "n", "garbage")
    tap.equal(script.admit("b9")[0], LOCKED, "damaged again")
    script.forget()
    tap.equal(script.admit("b9")[0], ADMITTED, "an administrator unlocks")


def survives_random_damage():
    """records with random bytes changed: an answer of the usual form, and no error"""
    rng, script = random.Random(SEED), fresh((3, 900000, 600000, 1))
    for n in range(6):
        fail(script, f"a{n}", address=f"192.0.2.{n}")
        script.admit(f"b{n}", f"2001:db8:0:{n}::1")
    fields = STORE.call("HGETALL", KEY)
    wrong = []
    for n in range(400):
        STORE.call("DEL", KEY)
        for name, value in zip(fields[::2], fields[1::2]):
            value = bytearray(value.encode("latin-1"))
            for _ in range(rng.choice((0, 1, 3))):
                value[rng.randrange(len(value))] = rng.randrange(256)
            STORE.call("HSET", KEY, name, bytes(value))
        try:
            answers = [script.admit(f"c{n}", "192.0.2.1"), script.settle("b1", FAILED, "2001:db8:0:1::1"),
                       script.merge("d1", 5, "2001:db8:0:77::1")]
            if any(len(answer) != 7 or not all(isinstance(word, int) for word in answer) or
                   answer[1] > 64 or answer[2] > 64 for answer in answers):
                wrong.append(answers)
        except Refused as refused:
            wrong.append(str(refused))
    tap.equal(wrong, [], "every answer is well-formed")


def refuses_bad_arguments():
    """a daemon with a bug, or another version"""
    script = fresh()
    good = ["admit", "n", 3, 900000, 600000, 0, "a1", "h1", 8000, 0]
    for at, values in ((0, ("", "flush", "Admit")), (1, ("", "x", "4c000020", "6" + "0" * 15, "m")),
                       (2, ("", 0, 65, -1, "3.5", "nan", "inf", "1e1", "0x3")), (3, (0, "x")),
                       (4, (-2, "")), (5, (2, "true")), (6, ("", "xyz", "a" * 65)),
                       (7, ("", "a b", "a" * 65)), (8, (0, -1, 120001)), (9, (-1, "soon"))):
        for value in values:
            try:
                answer = STORE.call("EVALSHA", script.sha, 1, KEY, *good[:at], value, *good[at + 1:])
            except Refused as refused:
                answer = str(refused)
            tap.matches(str(answer), "^TMOUT ", f"{good[at]!r} replaced by {value!r} is an error")
    for count in range(1, len(good)):
        try:
            answer = STORE.call("EVALSHA", script.sha, 1, KEY, *good[:count])
        except Refused as refused:
            answer = str(refused)
        tap.matches(str(answer), "^TMOUT ", f"{count} arguments are too few")
    tap.equal(STORE.call("EXISTS", KEY), 0, "nothing has been written")


def is_bounded():
    """no number of attempts and sources makes a record large"""
    script = fresh((64, 900000, 600000, 1))
    for n in range(400):
        fail(script, f"a{n:032x}", address=f"{0x2001 + n:x}:db8::1")
        fail(script, f"b{n:032x}", address=f"198.51.{n // 250}.{n % 250}")
    for n in range(1000):
        told(script, f"c{n:032x}", FAILED, START_MS - n % 100, address="192.0.2.1")
        script.merge(f"d{n:032x}", START_MS - n % 100, "192.0.2.1")
    tap.ok(STORE.call("HLEN", KEY) <= 132, "fields", STORE.call("HLEN", KEY))
    size = STORE.call("MEMORY", "USAGE", KEY, "SAMPLES", 0)
    tap.ok(size < 2000000, "bytes", size)
    tap.note(f"{STORE.call('HLEN', KEY)} fields, {size} bytes")


def is_unknown_after_a_restart():
    """the store does not know the script any more"""
    script = fresh()
    STORE.call("SCRIPT", "FLUSH")
    try:
        answer = script.admit("a1")
    except Refused as refused:
        answer = str(refused)
    tap.matches(answer, "^NOSCRIPT ", "it says so")
    tap.equal(STORE.call("SCRIPT", "LOAD", ON_TEST_CLOCK), script.sha, "loaded again, it has its name")


def needs_no_more_than_these_commands():
    """an ACL user of a host"""
    fresh()
    STORE.call("ACL", "SETUSER", "h1", "on", ">secret", "~tmout:*", "-@all", "+evalsha",
               "+script|load", "+time", "+type", "+hget", "+hset", "+hdel", "+del", "+pttl",
               "+pexpire")
    mine = Connection(SERVER.path)
    mine.call("AUTH", "h1", "secret")
    script = Script(mine, SCRIPT, limits=(3, 900000, 600000, 1))
    script.admit("a1", "192.0.2.1")
    script.renew("a1", "192.0.2.1")
    script.settle("a1", SUCCEEDED, "192.0.2.1")
    script.merge("b1", 5, "2001:db8::1")
    tap.equal(script.forget()[0], ADMITTED, "all operations work")
    STORE.call("HSET", KEY, "n", "garbage")
    tap.equal(script.admit("a2")[0], LOCKED, "damage is noticed")
    for words in (("GET", KEY), ("KEYS", "*"), ("FLUSHALL",), ("EVAL", "return 1", 0),
                  ("HGET", "other", "n"), ("CONFIG", "GET", "*")):
        try:
            answer = mine.call(*words)
        except Refused as refused:
            answer = str(refused)
        tap.matches(str(answer), "^NOPERM ", f"{' '.join(map(str, words))} is refused")
    mine.close()


SERVER = Server()
try:
    STORE = Connection(SERVER.path)
    tap.run(counts_as_a_ledger_does, has_one_clock, applies_the_strictest_limits,
            tells_again_what_a_host_knows, counts_what_it_has_forgotten, tells_again_of_a_lock,
            forgets_a_lock_when_another_one_began, makes_good_in_any_order,
            tells_again_that_a_user_was_unlocked,
            forgets_only_what_was_before, looks_at_what_has_just_ended,
            goes_on_when_the_clock_goes_back, keeps_marks_until_they_are_read,
            corrects_a_lapsed_lease, counts_each_attempt_once,
            locks_on_damage,
            survives_random_damage, refuses_bad_arguments, is_bounded, is_unknown_after_a_restart,
            needs_no_more_than_these_commands)
finally:
    SERVER.remove()
