#!/usr/bin/python3
"""Hosts that tell a store again what it has lost: it counts as one that has lost nothing.

Random histories of several hosts, which keep journals as tools/fleetd/journal.c does, and of a store
that loses everything, or what it was told last, again and again, and comes back with another clock.
A second store, which loses nothing, hears of the same attempts once. HISTORIES is the number of
histories, SEED the first one's; the shortest one that shows a difference is printed.
"""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts_script import (ADMITTED, FAILED, GIVEN_UP, LEASE_MS, MINUTE, SECOND, START_MS, SUCCEEDED,
                                  UNKNOWN, WITHDRAWN, Script, on_clock)
from host.histories import Differ, try_histories
from host.store import Connection, Server
from host.tap import tap

HISTORIES, SEED = int(os.environ.get("HISTORIES", "150")), int(os.environ.get("SEED", "1"))
RENEW_MS, LOCKED_LEASES, HOLD_MS = 4000, 8, 3000
# No check takes longer than CHECK_MAX_MS: then nobody renews its lease any more.
CHECK_MAX_MS, AGE_MAX_MS, STALLED_MS = 100 * SECOND, 120 * SECOND, 10 * SECOND


class Entry:
    """What a host knows of an attempt, or of an unlocking."""

    def __init__(self, identity, address, limits, now):
        self.identity, self.address, self.limits = identity, address, limits
        self.since = self.at = now
        self.outcome, self.unlocks, self.told = None, False, False  # outcome None: in flight
        self.watched, self.locked, self.locked_at, self.told_at = False, False, 0, 0
        self.given_up = self.made_good = False

    def can_be_forgotten(self):
        return self.outcome in (FAILED, SUCCEEDED)


class Host:
    """A tmout-fleetd: see tools/fleetd/journal.c."""

    def __init__(self, world, name, limits):
        self.world, self.name, self.limits, self.entries = world, name, limits, []
        self.merged_at = 0

    def call(self, entry, operation, *words, **more):
        script = self.world.script
        script.host, script.limits = self.name, entry.limits
        return getattr(script, operation)(entry.identity, *words, address=entry.address, **more)

    def note(self, entry, answer):
        """note_answer()."""
        status, _, _, left, now, _, since = answer
        entry.told = True
        if entry.outcome != FAILED or entry.made_good:
            return
        if since != 0 and left != 0:
            age = max(0, now - since)
            entry.watched, entry.told_at = True, self.world.now
            if entry.locked or self.world.now - self.merged_at >= HOLD_MS:
                entry.locked, entry.locked_at = True, self.world.now - age
                entry.limits = (*entry.limits[:2], -1 if left < 0 else age + left, entry.limits[3])
        elif entry.watched:
            was_locked = entry.locked
            entry.watched = entry.locked = False
            if was_locked and status == UNKNOWN:
                self.forget_failures(entry)
                entry.made_good = True

    def drop(self, entry):
        self.entries = [other for other in self.entries if other is not entry]

    def forget_failures(self, end):
        by_source = end.limits[3]
        for entry in self.entries:
            entry.made_good |= (
                entry is not end and not entry.unlocks and entry.can_be_forgotten() and entry.told and
                not entry.watched and entry.at <= end.at and
                (not by_source or entry.address == end.address))

    def tell_end(self, entry):
        clock = self.world.on_store_clock
        self.note(entry, self.call(entry, "settle", entry.outcome, since=clock(entry.since),
                                   at=clock(entry.at),
                                   locked=clock(entry.locked_at) if entry.locked else 0))

    def tell(self, entry):
        """tell_again()."""
        if entry not in self.entries:
            return
        if entry.unlocks:
            self.world.script.limits = entry.limits
            self.world.script.forget(self.world.on_store_clock(entry.at))
        elif entry.outcome is None:
            answer = self.call(entry, "merge", self.world.on_store_clock(entry.since))
            entry.given_up = answer[0] == GIVEN_UP
        else:
            self.tell_end(entry)

    def begin_to_tell(self):
        self.merged_at = self.world.now
        return list(self.entries)

    def admit(self, identity, address):
        entry = Entry(identity, address, self.limits, self.world.now)
        answer = self.call(entry, "admit")
        if answer[0] == ADMITTED:
            self.entries.append(entry)
        return answer, entry

    def settle(self, entry, outcome):
        entry.outcome, entry.at = outcome, self.world.now
        if outcome == SUCCEEDED:
            self.forget_failures(entry)
        self.tell_end(entry)

    def unlock(self):
        self.world.script.limits = self.limits
        self.world.script.forget()
        for entry in self.entries:
            if entry.unlocks or entry.can_be_forgotten():
                entry.made_good, entry.watched, entry.locked = True, False, False
        entry = Entry(None, None, self.limits, self.world.now)
        entry.unlocks = entry.told = True
        self.entries.append(entry)

    def tick(self):
        now = self.world.now
        for entry in list(self.entries):
            window, lock = entry.limits[1:3]
            counts_for = 10 ** 15 if entry.unlocks and lock < 0 else \
                max(window, lock) if entry.unlocks else window
            if entry.made_good:
                counts_for = 2 * LEASE_MS
            if entry.outcome is None and not entry.unlocks:
                if now - entry.since >= AGE_MAX_MS:
                    self.drop(entry)
                elif not entry.given_up and self.call(entry, "renew")[0] == UNKNOWN:
                    for other in self.begin_to_tell():
                        self.tell(other)
            elif not entry.watched and now - entry.at >= counts_for:
                self.drop(entry)
            elif entry.watched and now - entry.told_at >= (LOCKED_LEASES * LEASE_MS if entry.locked
                                                           else HOLD_MS):
                self.tell_end(entry)


class World:
    """The hosts, the store, and the one that loses nothing."""

    def __init__(self, store, limits, hosts):
        self.now, self.skew, self.number = START_MS, 0, 0
        store.call("FLUSHALL")
        self.store, self.limits = store, limits
        self.script = Script(store, on_clock("clock"), "lossy", limits)
        self.reference = Script(store, on_clock("true_clock"), "reference", limits)
        self.hosts = [Host(self, f"h{n}", limits) for n in range(hosts)]
        self.in_flight, self.copies, self.seen, self.unlocked = {}, [], set(), 0
        # Where a lock is shorter than the window, other hosts do not hear when it is over: what has
        # led to it may lead to another one.
        self.is_exact = not 0 <= limits[2] < limits[1]
        self.guesses = []  # when they have failed, since a success, an unlocking, or a lock
        self.set_clocks()

    def on_store_clock(self, ms):
        return max(0, ms + self.skew)

    def set_clocks(self):
        self.store.call("SET", "clock", self.now + self.skew)
        self.store.call("SET", "true_clock", self.now)

    def pass_time(self, ms):
        self.now += ms
        self.set_clocks()

    def run(self, steps):
        for number, (what, *arguments) in enumerate(steps):
            self.pass_time(1)  # nothing happens at the same time
            getattr(self, what)(*arguments)
            self.compare(f"after step {number}, {what}")

    def state(self, script):
        """What counts: while a source is locked, nobody asks for how many failures."""
        script.limits = self.limits
        return {name: ("locked", in_flight, left) if left else (failures, in_flight)
                for name, (failures, in_flight, left) in script.look().items()}

    def compare(self, where):
        lossy, reference = self.state(self.script), self.state(self.reference)
        if any(count[0] == "locked" for count in lossy.values()):
            self.guesses = []
        if self.is_exact and lossy != reference:
            raise Differ(f"{where}: it has {lossy}, and should have {reference}")

    def check_guesses(self):
        """Of a user, not of a source: of all that have failed, and may fail."""
        maximum, window, lock, by_source = self.limits
        if len(self.guesses) >= maximum and 0 <= lock <= self.now - self.guesses[-1]:
            self.guesses = []  # they had locked
        guesses = sum(self.now - at < window for at in self.guesses)
        in_flight = sum(not self.had_stalled(entry) for _, entry in self.in_flight.values())
        if not by_source and guesses + in_flight >= maximum:
            raise Differ(f"one more guess after {guesses}, with {in_flight} in flight")

    def had_stalled(self, entry):
        """When an administrator unlocked."""
        return self.unlocked - entry.since >= STALLED_MS

    # --- steps -------------------------------------------------------------------------------

    def advance(self, ms):
        """Not longer at a time than until the next tick."""
        if self.in_flight:
            ms = min(ms, 21 * SECOND)
        while True:
            unsure = any(entry.watched and not entry.locked
                         for host in self.hosts for entry in host.entries)
            step = min(ms, RENEW_MS if self.in_flight or unsure else LOCKED_LEASES * LEASE_MS)
            self.pass_time(step)
            for host in self.hosts:
                host.tick()
            for identity, (host, entry) in self.in_flight.items():
                self.reference.host, self.reference.limits = host.name, self.limits
                self.reference.renew(identity, entry.address)
            while self.in_flight and self.now - next(iter(self.in_flight.values()))[1].since > CHECK_MAX_MS:
                self.settle(0, FAILED)
            ms -= step
            if ms <= 0:
                return

    def admit(self, number, address):
        host = self.hosts[number % len(self.hosts)]
        self.number += 1
        identity = f"{self.number:x}"
        answer, entry = host.admit(identity, address)
        self.seen.add(answer[0])
        if answer[0] == ADMITTED:
            self.check_guesses()
        if not self.is_exact:
            if answer[0] == ADMITTED:
                self.in_flight[identity] = (host, entry)
            return
        self.reference.host, self.reference.limits = host.name, self.limits
        wanted = self.reference.admit(identity, address)
        if answer[0] != wanted[0]:
            raise Differ(f"it answers {answer}, and should answer {wanted}")
        if answer[0] == ADMITTED:
            self.in_flight[identity] = (host, entry)

    def settle(self, number, outcome):
        if not self.in_flight:
            return
        identity = list(self.in_flight)[number % len(self.in_flight)]
        host, entry = self.in_flight.pop(identity)
        # How it ends counts if a store hears of that before the unlocking; see docs/FLEET.md, Not done.
        if self.had_stalled(entry):
            outcome = WITHDRAWN
        host.settle(entry, outcome)
        self.guesses = [] if outcome == SUCCEEDED else self.guesses + [self.now] * (outcome == FAILED)
        self.reference.host, self.reference.limits = host.name, self.limits
        self.reference.settle(identity, outcome, entry.address, since=entry.since, at=entry.at)

    def unlock(self, number):
        self.hosts[number % len(self.hosts)].unlock()
        self.reference.limits = self.limits
        self.reference.forget()
        self.unlocked, self.guesses = self.now, []

    def copy(self):
        """A replica has got as far as this."""
        self.copies.append((self.now, self.store.call("DUMP", "lossy")))

    def lose(self, seed):
        """Everything, or what a replica has not got; then all hosts tell, in any order, while
        attempts end, and the store may lose it all once more."""
        rng = random.Random(seed)
        copies = [copy for at, copy in self.copies if self.now - at < LEASE_MS]
        self.store.call("DEL", "lossy")
        if not copies or rng.random() < 0.5:
            self.skew = rng.choice((0, 0, -60 * MINUTE, 60 * MINUTE))
        elif copy := rng.choice(copies):
            self.store.call("RESTORE", "lossy", 0, copy.encode("latin-1"))
        self.copies = []
        self.set_clocks()
        waiting = {host: host.begin_to_tell() for host in self.hosts}
        while any(waiting.values()):
            host = rng.choice([host for host in self.hosts if waiting[host]])
            host.tell(waiting[host].pop(0))
            self.pass_time(rng.choice((1, 1, 1, 40)))
            if rng.random() < 0.15:
                self.settle(rng.randrange(100), rng.choice((FAILED, SUCCEEDED, WITHDRAWN)))
            if rng.random() < 0.02:
                self.store.call("DEL", "lossy")
                waiting = {host: host.begin_to_tell() for host in self.hosts}
        self.advance(HOLD_MS)  # nobody is admitted before


def write_history(seed):
    """Returns limits, how many hosts, and steps."""
    rng = random.Random(seed)
    by_source = int(rng.random() < 0.4)
    window = rng.choice((20 * SECOND, 15 * MINUTE))
    limits = (rng.choice((1, 2, 3, 5)), window, rng.choice((10 * SECOND, 15 * MINUTE, 60 * MINUTE, -1)), by_source)
    places = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "network"] if by_source else ["network"]
    usual = rng.choice((FAILED, FAILED, SUCCEEDED))
    steps = []
    for _ in range(rng.choice((8, 15, 30, 30))):
        rolled = rng.random()
        if rolled < 0.40:
            steps.append(("admit", rng.randrange(100), rng.choice(places)))
            if rng.random() < 0.7:
                steps.append(("settle", -1, rng.choice((usual, usual, FAILED, FAILED, SUCCEEDED, WITHDRAWN))))
        elif rolled < 0.50:
            steps.append(("settle", rng.randrange(100), rng.choice((FAILED, SUCCEEDED, WITHDRAWN))))
        elif rolled < 0.58:
            steps.append(("copy",))
        elif rolled < 0.72:
            steps.append(("lose", rng.randrange(10 ** 6)))
        elif rolled < 0.77:
            steps.append(("unlock", rng.randrange(100)))
        else:
            steps.append(("advance", rng.choice((1000, 4000, 9000, 12000, 21000, 65000, 5 * MINUTE,
                                                 11 * MINUTE, 16 * MINUTE, 61 * MINUTE))))
    return limits, rng.choice((1, 2, 3)), steps


def counts_as_if_nothing_had_been_lost(store):
    """the same attempts in a store that loses what it knows, and in one that does not"""
    def play(limits, hosts, steps):
        world = World(store, limits, hosts)
        world.run(steps)
        return world.seen

    try_histories(range(SEED, SEED + HISTORIES), write_history, play, "the same counts")


SERVER = Server()
try:
    tap.run(lambda: counts_as_if_nothing_had_been_lost(Connection(SERVER.path)))
finally:
    SERVER.remove()
