#!/usr/bin/python3
"""tmout-fleetd with a real store: several hosts' daemons on this one, each asked as the module
asks."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.files import REPOSITORY, read, write
from host.fleet import (ADMIT, CLEAR, FAILED, FOREVER, HOSTS_OF, LOOK, MARK, MARKS_OF, REPORT, SETTLE, STATUS_OF,
                        SUCCEEDED, WITHDRAWN, Daemon, Question, documented_rights, request)
from host.relay import Relay
from host.store import Connection, Monitor, Server
from host.tap import tap
from host.waiting import wait_until

REACHED = "the store is reached"
# However busy the machine is, no lease ends and no answer is late unless that is the scenario.
LEASE_MS, TIMEOUT, HOLD = 100000, "timeout = 5s\n", "hold = 0s\n"


class Fleet:
    """A store, and so many hosts."""

    def __init__(self, hosts=2, more="", lease_ms=LEASE_MS):
        self.directory = tempfile.mkdtemp(prefix="tmout-fleet-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.server = Server()
        self.hosts = [Daemon(self.directory, f"h{n}", self.server.path,
                             more + "".join(line for line in (TIMEOUT, HOLD)
                                            if line.split()[0] not in more),
                             lease_ms=lease_ms)
                      for n in range(hosts)]

    def __enter__(self):
        for host in self.hosts:
            host.log.wait(REACHED)
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.stop()
        self.server.remove()
        shutil.rmtree(self.directory)


def counts_for_all():
    """three failures on two hosts lock on both"""
    with Fleet() as fleet:
        one, other = fleet.hosts
        tap.equal([one.try_once(), other.try_once(), one.try_once()], ["admitted"] * 3,
                  "three wrong passwords are checked")
        attempt = other.attempt().ask()
        tap.equal(attempt.answer(), "locked", "the fourth is not")
        tap.ok(300000 < attempt.lock_left <= 600000 and attempt.failures == 3,
               "it says for how long", attempt.lock_left, attempt.failures)
        tap.equal(other.try_once(user="berta"), "admitted", "another user is not locked")
        tap.equal(one.try_once(address="192.0.2.1"), "locked", "no other address is let in")
        tap.equal(one.stop(), 0, "it ends when it is told to")


def refuses_nobody_for_others():
    """right passwords, many at once: all are admitted, never more than three at a time"""
    with Fleet() as fleet:
        in_flight, most, results, lock = 0, 0, [], threading.Lock()

        def log_in(number):
            nonlocal in_flight, most
            attempt = fleet.hosts[number % 2].attempt().ask()
            status = attempt.answer()
            with lock:
                in_flight += 1
                most = max(most, in_flight)
            time.sleep(0.005)
            with lock:
                in_flight -= 1
                results.append(status)
            attempt.settle(SUCCEEDED)

        threads = [threading.Thread(target=log_in, args=(n,)) for n in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tap.equal(results, ["admitted"] * 60, "60 right passwords")
        tap.ok(most <= 3, "at most three in flight", most)


def shows_moves_to_all_who_wait():
    """who waits behind another one, and does not ask the store"""
    with Fleet() as fleet:
        one, other = fleet.hosts
        others = [other.attempt().ask() for _ in range(3)]
        tap.equal([attempt.answer() for attempt in others], ["admitted"] * 3, "all slots are taken")
        waiting = []
        for _ in range(2):
            waiting.append(one.attempt().ask())
            tap.equal(waiting[-1].next(), "waiting", "another one waits")
        before = waiting[1].moves
        others[0].settle(FAILED)  # no slot is free after that, either
        wait_until(lambda: waiting[1].next() == "waiting" and waiting[1].moves != before)
        tap.ok(True, "the second one learns that something moves")
        for attempt in waiting:
            attempt.close()


def guesses_are_bounded():
    """wrong passwords, many at once on both hosts: three are checked"""
    with Fleet() as fleet:
        results = []

        def guess(number):
            results.append(fleet.hosts[number % 2].try_once())

        threads = [threading.Thread(target=guess, args=(n,)) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tap.equal((results.count("admitted"), results.count("locked")), (3, 37), "3 of 40")


def the_dead_have_failed():
    """a process that ends without an outcome"""
    with Fleet() as fleet:
        one, other = fleet.hosts
        for _ in range(3):
            attempt = one.attempt().ask()
            tap.equal(attempt.answer(), "admitted", "it is admitted")
            attempt.close()
        wait_until(lambda: other.try_once() == "locked")
        tap.ok(True, "three of them lock at once, everywhere")


def withdraws():
    """an attempt that is given back"""
    with Fleet() as fleet:
        one, other = fleet.hosts
        for _ in range(5):
            tap.equal(one.try_once(WITHDRAWN), "admitted", "admitted and withdrawn")
        one.try_once()
        one.try_once()
        waits = [one.attempt().ask()]
        tap.equal(waits[0].answer(), "admitted", "nothing was charged")
        waits.append(one.attempt().ask())
        tap.equal(waits[1].next(), "waiting", "another one waits")
        waits[1].close()
        waits[0].settle(WITHDRAWN)
        tap.equal(other.try_once(SUCCEEDED), "admitted", "who went away while waiting holds nothing")


def holds_a_lease():
    """a check that takes long"""
    with Fleet() as fleet:
        one, other = fleet.hosts
        attempts = [one.attempt().ask() for _ in range(3)]
        tap.equal([attempt.answer() for attempt in attempts], ["admitted"] * 3, "three in flight")
        waiter = other.attempt().ask()
        tap.equal(waiter.next(), "waiting", "another host's waits")
        monitor = Monitor(fleet.server.path)
        for attempt in attempts:
            monitor.wait(f"renew.*{attempt.identity.hex()}")
        tap.ok(True, "their leases are renewed")
        monitor.close()
        attempts[0].settle(SUCCEEDED)
        tap.equal(waiter.answer(), "admitted", "a settlement on one host is seen on the other")
        waiter.settle(WITHDRAWN)


def ends_the_leases_of_a_dead_host():
    """a host that dies with attempts in flight"""
    with Fleet(lease_ms=3000) as fleet:
        one, other = fleet.hosts
        for _ in range(3):
            tap.equal(one.attempt().ask().answer(), "admitted", "in flight")
        one.kill()
        tap.equal(other.attempt().ask().answer(), "locked", "after one lease they have failed")


def survives_a_store_that_lost_everything():
    """the store is killed, and comes back empty"""
    with Fleet(more="hold = 1s\n") as fleet:
        one, other = fleet.hosts
        one.try_once()
        marks = [host.log.mark() for host in fleet.hosts]
        open_one = one.attempt().ask()
        tap.equal(open_one.answer(), "admitted", "one has failed, one is in flight")
        fleet.server.stop()
        for host, mark in zip(fleet.hosts, marks):
            tap.matches(host.log.wait("the store is away", mark),
                        "<4>the store is away: .*; see tmout-recovery", "the log says so, once")
            tap.equal(host.try_once(), "away", "nobody waits for it")
        report = other.attempt()
        report.settle(FAILED, REPORT)
        fleet.server.start()
        for host, mark in zip(fleet.hosts, marks):
            host.log.wait(REACHED, mark)
        tap.matches(other.log.wait(REACHED, marks[1]), "without it: 1$",
                    "it says how many were admitted meanwhile")
        attempt = one.attempt().ask()
        tap.equal(attempt.next(), "waiting", "nobody is admitted before all hosts have told")
        tap.equal(attempt.next(), "waiting", "a failure, a report, and a lease take all slots")
        open_one.settle(FAILED)
        tap.equal(attempt.answer(), "locked", "the third failure locks")
        for host, mark in zip(fleet.hosts, marks):
            tap.equal(len(host.log.since(mark, "the store is away")), 1, "one line, away")


EMPTIED = "somebody has emptied the store"


def survives_a_store_that_was_emptied():
    """somebody deletes all that the store has, and it goes on"""
    for words in ("FLUSHALL",), ("DEL", "tmout:{tmout}:hosts", "tmout:{tmout}:a:anna"):
        with Fleet(more="hold = 2s\n") as fleet:
            tap.equal([host.try_once() for host in fleet.hosts], ["admitted"] * 2, "two failures")
            marks = [host.log.mark() for host in fleet.hosts]
            Connection(fleet.server.path).call(*words)
            for host, mark in zip(fleet.hosts, marks):
                host.log.wait(EMPTIED, mark)
                host.log.wait(REACHED, mark)
            counts = Question(fleet.hosts[0], LOOK).counts()
            tap.equal(counts["n"][:2], (2, 0), f"{words[0]}: both hosts notice, and tell what they know")
            tap.equal([len(host.log.since(mark, f"away|{EMPTIED}"))
                       for host, mark in zip(fleet.hosts, marks)], [1, 1],
                      "... and say so once, and were never away")


def known(host):
    """How much its journal has."""
    return Question(host, STATUS_OF).state()["journal"]


def start_again_empty(fleet):
    marks = [host.log.mark() for host in fleet.hosts]
    fleet.server.stop()
    for host, mark in zip(fleet.hosts, marks):
        host.log.wait("the store is away", mark)
    fleet.server.start()
    for host, mark in zip(fleet.hosts, marks):
        host.log.wait(REACHED, mark)


def keeps_a_lock_for_as_long_as_it_lasts():
    """a lock that lasts longer than attempt_window, and a store that is restarted empty"""
    window_ms, lock_ms, lease_ms = 4000, 3600000, 1000
    limits = (2, window_ms, lock_ms, 0)

    with Fleet(lease_ms=lease_ms) as fleet:
        one, other = fleet.hosts
        wait_until(lambda: one.try_once(limits=limits) == "locked")
        wait_until(lambda: (known(one), known(other)) == (1, 0))
        tap.ok(True, "one failure is kept when attempt_window is over: the one that has locked")
        for times in "once", "twice":
            start_again_empty(fleet)
            attempt = other.attempt(limits=limits).ask()
            tap.equal(attempt.answer(), "locked", f"a store that has lost everything {times} is told")
            tap.ok(attempt.lock_left < lock_ms, "... and the lock begins as it did", attempt.lock_left)
        tap.equal(Question(other, CLEAR, limits=limits).status, "done", "another host unlocks")
        wait_until(lambda: known(one) == 0)
        tap.ok(True, "the first one notices")
        start_again_empty(fleet)
        tap.equal(other.try_once(SUCCEEDED, limits=limits), "admitted", "... and locks nobody again")


def forgets_what_another_host_has_unlocked():
    """failures that have locked, long before attempt_window is over"""
    with Fleet(lease_ms=1000) as fleet:
        one, other = fleet.hosts
        tap.equal([one.try_once() for _ in range(4)], ["admitted"] * 3 + ["locked"], "a host locks")
        tap.equal(Question(other, CLEAR).status, "done", "another one unlocks")
        tap.equal(one.try_once(), "admitted", "one more failure")
        wait_until(lambda: known(one) == 1)
        tap.ok(True, "only that one is told if the store loses everything")


def let_the_clock_go_on():
    """The hosts know the store's clock as well as it answers."""
    since = time.monotonic()
    wait_until(lambda: time.monotonic() - since > 0.5)


def tells_again_that_a_user_was_unlocked():
    """failures on one host, an administrator on another, and a store that loses everything"""
    with Fleet() as fleet:
        one, other = fleet.hosts
        for user in "anna", "berta":
            tap.equal([one.try_once(user=user) for _ in range(2)], ["admitted"] * 2, f"{user} fails twice")
        wait_until(lambda: Question(other, LOOK).counts()["n"][0] == 2)
        tap.equal(Question(other, CLEAR).status, "done", "anna is unlocked, elsewhere")
        let_the_clock_go_on()
        tap.equal(one.try_once(), "admitted", "anna fails once more")
        start_again_empty(fleet)
        tap.equal([Question(one, LOOK, user=user).counts()["n"][0] for user in ("anna", "berta")], [1, 2],
                  "an empty store counts what has failed since then")


def is_not_sure_of_a_lock_before_all_have_told():
    """a host tells an empty store of failures before another one can tell of an unlocking between them"""
    window_ms, lock_ms = 4000, 3600000
    limits = (2, window_ms, lock_ms, 0)
    with CutOff(lease_ms=1000) as scene:
        one = Daemon(scene.fleet.directory, "one", scene.fleet.server.path, TIMEOUT + "hold = 4s\n", lease_ms=1000)
        scene.fleet.hosts.append(one)
        one.log.wait(REACHED)
        tap.equal(one.try_once(limits=limits), "admitted", "a failure")
        wait_until(lambda: scene.counts() == (1, 0))
        tap.equal(Question(scene.far, CLEAR, limits=limits).status, "done", "another host unlocks")
        mark = scene.far.log.mark()
        let_the_clock_go_on()
        tap.equal(one.try_once(limits=limits), "admitted", "... another failure")
        wait_until(lambda: scene.counts() == (1, 0))
        scene.relay.cut()
        scene.far.log.wait("the store is away", mark)
        scene.store.call("FLUSHALL")
        wait_until(lambda: scene.counts() == (2, 0))
        tap.ok(True, "an empty store hears of both failures, and takes that for a lock")
        scene.relay.heal()
        scene.far.log.wait(REACHED, mark)
        wait_until(lambda: scene.counts() == (1, 0))
        tap.ok(True, "... until it hears of the unlocking")
        wait_until(lambda: known(one) == 0)
        tap.equal(scene.counts(), (0, 0), "nobody tells of that lock again")


class CutOff:
    """A fleet with one more host, "far", between which and the store there is a relay. Its leases
    are short."""

    def __init__(self, lease_ms):
        self.fleet, self.lease_ms = Fleet(hosts=1), lease_ms

    def __enter__(self):
        fleet = self.fleet.__enter__()
        self.relay = Relay(fleet.directory + "/relay", fleet.server.path)
        self.near = fleet.hosts[0]
        self.far = Daemon(fleet.directory, "far", self.relay.path, TIMEOUT + HOLD,
                          lease_ms=self.lease_ms)
        fleet.hosts.append(self.far)
        self.far.log.wait(REACHED)
        self.store = Connection(fleet.server.path)
        return self

    def __exit__(self, *error):
        self.fleet.__exit__(*error)

    def counts(self):
        """(failures, in flight) of anna."""
        return Question(self.near, LOOK).counts().get("n", (0, 0))[:2]


def counts_once_if_an_answer_is_lost():
    """the store admits an attempt, and its host never hears of it, nor tells for a while"""
    for outcome, reported in ((FAILED, True), (SUCCEEDED, True), (WITHDRAWN, False)):
        with CutOff(lease_ms=1500) as scene:
            scene.near.try_once()
            mark = scene.far.log.mark()
            scene.relay.lose_answers()
            attempt = scene.far.attempt().ask()
            wait_until(lambda counts=scene.counts: sum(counts()) == 2)
            scene.relay.cut()
            tap.equal(attempt.answer(), "away", "the host is on its own")
            wait_until(lambda counts=scene.counts: counts() == (2, 0))
            tap.ok(True, "its lease has ended, and counts as a failure")
            if reported:
                again = scene.far.attempt()
                again.identity = attempt.identity
                again.settle(outcome, REPORT)
            scene.relay.unblock()
            scene.relay.heal()
            scene.far.log.wait(REACHED, mark)
            tap.equal(scene.counts(), {FAILED: (2, 0), SUCCEEDED: (0, 0), WITHDRAWN: (1, 0)}[outcome],
                      "it counts for what it was, once")


def tells_again_how_attempts_have_ended():
    """a replica takes over that knows an attempt, and not how it has ended"""
    for outcome, expected in ((FAILED, (1, 0)), (SUCCEEDED, (0, 0)), (WITHDRAWN, (0, 0))):
        with CutOff(lease_ms=LEASE_MS) as scene:
            attempt, key = scene.far.attempt().ask(), "tmout:{tmout}:a:anna"
            tap.equal(attempt.answer(), "admitted", "it is in flight")
            behind = [(name, scene.store.call("HGET", key, name).encode("latin-1"))
                      for name in scene.store.call("HKEYS", key)]
            attempt.settle(outcome)
            wait_until(lambda counts=scene.counts: counts() == expected)
            mark = scene.far.log.mark()
            scene.relay.cut()
            scene.far.log.wait("the store is away", mark)
            for name, value in behind:
                scene.store.call("HSET", key, name, value)
            tap.equal(scene.counts(), (0, 1), "the store takes it for one in flight again")
            scene.relay.heal()
            scene.far.log.wait(REACHED, mark)
            tap.equal(scene.counts(), expected, "... until its host has told")


def tells_again_what_a_success_made_good():
    """a replica takes over that has the leases of attempts that ended before a success"""
    with CutOff(lease_ms=2000) as scene:
        key, attempts = "tmout:{tmout}:a:anna", [scene.far.attempt().ask() for _ in range(3)]
        tap.equal([attempt.answer() for attempt in attempts], ["admitted"] * 3, "three are in flight")
        behind = [(name, scene.store.call("HGET", key, name).encode("latin-1"))
                  for name in scene.store.call("HKEYS", key)]
        for attempt, outcome, left in zip(attempts, (FAILED, SUCCEEDED, SUCCEEDED), ((1, 2), (0, 1), (0, 0))):
            attempt.settle(outcome)
            wait_until(lambda counts=left: scene.counts() == counts)
        mark = scene.far.log.mark()
        scene.relay.cut()
        scene.far.log.wait("the store is away", mark)
        for name, value in behind:
            scene.store.call("HSET", key, name, value)
        scene.relay.heal()
        scene.far.log.wait(REACHED, mark)
        tap.equal(scene.counts(), (0, 0), "their host tells how they ended, too")


def ends_what_an_administrator_did_not_wait_for():
    """a user is unlocked while an attempt has been in flight for long"""
    with Fleet(hosts=1) as fleet:
        host = fleet.hosts[0]
        attempt, began = host.attempt().ask(), time.monotonic()
        tap.equal(attempt.answer(), "admitted", "it is in flight")
        wait_until(lambda: time.monotonic() - began > 10.1)
        monitor = Monitor(fleet.server.path)
        tap.equal(Question(host, CLEAR).failures, 1, "an administrator unlocks")
        monitor.wait('"merge"')
        tap.equal(Question(host, LOOK).counts(), {}, "its daemon tells that it goes on, in vain")
        told = []
        while sum(b'"probe"' in line for line in told) < 6:
            told.append(monitor.connection.file.readline())
        tap.equal([line for line in told if b'"merge"' in line], [], "... once")
        attempt.settle(FAILED)
        monitor.wait('"settle"')
        tap.equal(Question(host, LOOK).counts(), {}, "... and that it has failed, too")


def tells_what_ends_while_it_tells():
    """an attempt ends between the question whether it is still in flight and the answer"""
    with CutOff(lease_ms=LEASE_MS) as scene:
        attempt = scene.far.attempt().ask()
        tap.equal(attempt.answer(), "admitted", "it is in flight")
        mark = scene.far.log.mark()
        scene.relay.cut()
        scene.far.log.wait("the store is away", mark)
        scene.relay.hold_answers_to(b"\r\nmerge\r\n")
        scene.relay.heal()
        scene.relay.held.wait()
        attempt.settle(FAILED)
        scene.relay.unblock()
        scene.far.log.wait(REACHED, mark)
        tap.equal(scene.counts(), (1, 0), "its host is not through before it has told that, too")


def tells_no_more_than_is_answered_in_time():
    """a host that knows thousands of failures, as if all users were locked for ever"""
    with CutOff(lease_ms=LEASE_MS) as scene:
        mark = scene.far.log.mark()
        scene.relay.cut()
        scene.far.log.wait("the store is away", mark)
        for number in range(3000):
            scene.far.attempt(user=f"u{number}", limits=(1, 900000, FOREVER, 0)).settle(FAILED, REPORT)
        scene.relay.hold_answers_to(b"\r\nsettle\r\n")
        scene.relay.heal()
        scene.relay.held.wait()
        # The daemon answers this after it has written what it tells now.
        Question(scene.far, STATUS_OF)
        wait_until(lambda: scene.relay.received.count(b"\r\nbegan\r\n") > 0)
        tap.equal(scene.relay.received.count(b"\r\nsettle\r\n"), 128, "it tells 128 of them, and waits")
        scene.relay.unblock()
        scene.far.log.wait(REACHED, mark)
        keys = Connection(scene.fleet.server.path).call("KEYS", "tmout:{tmout}:a:*")
        tap.equal(len(keys), 3000, "... and all, by and by")


def believes_a_report_after_a_withdrawal():
    """a process that gives up waiting for the fleet, and is admitted alone"""
    with Fleet(hosts=1) as fleet:
        host = fleet.hosts[0]
        others = [host.attempt().ask() for _ in range(3)]
        tap.equal([attempt.answer() for attempt in others], ["admitted"] * 3, "all slots are taken")
        attempt = host.attempt().ask()
        tap.equal(attempt.next(), "waiting", "another one waits")
        attempt.settle(WITHDRAWN)
        others[0].settle(WITHDRAWN)
        for _ in range(2):
            again = host.attempt()
            again.identity = attempt.identity
            again.settle(FAILED, REPORT)
        tap.equal(Question(host, LOOK).counts()["n"][:2], (1, 2), "it has failed, once")
        again = host.attempt()
        again.identity = attempt.identity
        again.settle(WITHDRAWN)
        tap.equal(Question(host, LOOK).counts()["n"][:2], (1, 2), "nothing takes that back")


def hears_whom_it_dismisses():
    """the daemon is stopped; meanwhile the store is lost, and processes that do not wait any more are
    admitted alone"""
    with Fleet(hosts=1) as fleet:
        host, server = fleet.hosts[0], fleet.server
        server.process.send_signal(signal.SIGSTOP)
        attempts = [host.attempt().ask() for _ in range(3)]
        tap.equal([attempt.next() for attempt in attempts], ["waiting"] * 3, "the store is silent")
        mark = host.log.mark()
        host.process.send_signal(signal.SIGSTOP)
        server.stop()
        for attempt in attempts:
            attempt.tell(FAILED, REPORT).close()
        server.start()
        host.process.send_signal(signal.SIGCONT)
        host.log.wait(REACHED, mark)
        tap.equal(Question(host, LOOK).counts().get("n", (0, 0))[:2], (3, 0), "all of them count")


def knows_what_a_success_makes_good():
    """the daemon is stopped while a user logs in, and hears of it late"""
    for ago, expected in ((0, (0, 0)), (10000, (2, 0))):
        with Fleet() as fleet:
            one, other = fleet.hosts
            attempt = one.attempt().ask()
            tap.equal(attempt.answer(), "admitted", "it is in flight")
            tap.equal([other.try_once(), other.try_once()], ["admitted"] * 2, "two fail elsewhere")
            let_the_clock_go_on()
            attempt.settle(SUCCEEDED, when=time.monotonic_ns() // 1000000 - ago)
            wait_until(lambda near=other, counts=expected:
                       Question(near, LOOK).counts().get("n", (0, 0))[:2] == counts)
            tap.ok(True, f"it has succeeded {ago} ms ago: {expected[0]} count")


def holds_admissions():
    """a daemon that starts"""
    with Fleet(hosts=1, more="hold = 60s\n") as fleet:
        host, store = fleet.hosts[0], Connection(fleet.server.path)
        tap.equal(host.attempt().ask().next(), "waiting",
                  "together with the store: others have to tell first what they know")
        run_id = re.search(r"run_id:(\w+)", store.call("INFO", "server")).group(1)
        for known, expected, what in ((f"1000 {run_id}", "admitted", "the store has been there for long"),
                                      ("1000 0123abcd", "waiting", "a replica has just become the store"),
                                      ("x", "waiting", "what the store says is damaged")):
            host.stop()
            store.call("HSET", "tmout:{tmout}:hosts", "b", known)
            mark = host.log.mark()
            host.start()
            host.log.wait(REACHED, mark)
            tap.equal(host.attempt().ask().next(), expected, what)


def a_frozen_store_is_away():
    """the store is stopped, and goes on"""
    with Fleet(more="timeout = 2s\n") as fleet:
        host = fleet.hosts[0]
        mark = host.log.mark()
        fleet.server.process.send_signal(signal.SIGSTOP)
        tap.equal(host.try_once(), "away", "who has asked is told")
        attempts = [host.attempt().ask() for _ in range(20)]
        tap.equal([attempt.answer() for attempt in attempts], ["away"] * 20, "nobody waits again")
        fleet.server.process.send_signal(signal.SIGCONT)
        host.log.wait(REACHED, mark)
        tap.equal([host.try_once() for _ in range(4)], ["admitted"] * 3 + ["locked"],
                  "what nobody waited for has taken no slot")


def asks_an_idle_store():
    """nobody logs in"""
    with Fleet(hosts=1) as fleet:
        store, monitor = Connection(fleet.server.path), Monitor(fleet.server.path)
        monitor.wait('"probe"')
        changes = re.search("rdb_changes_since_last_save.*", store.call("INFO", "persistence")).group()
        monitor.wait('"probe"')
        monitor.wait('"probe"')
        tap.ok(changes in store.call("INFO", "persistence"), "it is asked, and nothing is changed")
        monitor.close()


def a_replica_is_away():
    """the store becomes a replica, and then not"""
    with Fleet() as fleet:
        host, mark = fleet.hosts[0], fleet.hosts[0].log.mark()
        store = Connection(fleet.server.path)
        store.call("REPLICAOF", "127.0.0.1", "1")
        tap.matches(host.log.wait("the store is away", mark), "READONLY ", "an idle host notices")
        wait_until(lambda: Question(host, STATUS_OF).state()["why"] == "it is a replica")
        tap.equal(host.try_once(), "away", "nobody waits for it")
        store.call("REPLICAOF", "NO", "ONE")
        host.log.wait(REACHED, mark)
        tap.equal(host.try_once(), "admitted", "it is the store again")


def loads_the_script_again():
    """somebody flushes the store's scripts"""
    with Fleet() as fleet:
        host, mark = fleet.hosts[0], fleet.hosts[0].log.mark()
        store = Connection(fleet.server.path)
        tap.equal(host.try_once(), "admitted", "before")
        store.call("SCRIPT", "FLUSH")
        tap.equal(host.try_once(), "admitted", "after")
        tap.equal(host.log.since(mark, "away"), [], "nobody notices")
        store.call("DEL", "tmout:{tmout}:a:anna")
        store.call("SET", "tmout:{tmout}:a:anna", "garbage")
        tap.equal(host.try_once(), "locked", "damage locks")


# What makes a store reject what changes it, how to undo that, and how the log explains it.
REJECTIONS = {
    "the memory is full": (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"],
                           "OOM command not allowed when used memory > 'maxmemory'."),
    "it has too few replicas": (["CONFIG", "SET", "min-replicas-to-write", "1"],
                                ["CONFIG", "SET", "min-replicas-to-write", "0"],
                                "NOREPLICAS Not enough good replicas to write."),
    "a right is missing": (["ACL", "SETUSER", "default", "-hset"],
                           ["ACL", "SETUSER", "default", "+hset"],
                           "(ERR )?(The user executing the script can't run|ACL failure in script: ).*"),
}
RECONNECTIONS = 3


def rejects_changes():
    """a store that answers, and rejects what would change it"""
    with Fleet(hosts=1) as fleet:
        host, store = fleet.hosts[0], Connection(fleet.server.path)
        for name, (begin, end, reason) in REJECTIONS.items():
            mark = host.log.mark()
            store.call(*begin)
            tap.equal(host.try_once(user="berta"), "away", f"{name}: the store is away")
            monitor = Monitor(fleet.server.path)
            for _ in range(RECONNECTIONS):
                monitor.wait('"trial"')
            monitor.close()
            tap.equal(host.try_once(user="berta"), "away", "... and stays away")
            lines = host.log.since(mark, "the store is ")
            tap.ok(len(lines) == 1 and re.search(f"the store is away: {reason}; hosts admit", lines[0]),
                   "the log says so once, and why", *lines)
            store.call(*end)
            host.log.wait(REACHED, mark)
            tap.equal(host.try_once(SUCCEEDED), "admitted", "... until it accepts changes again")
            tap.equal(store.call("EXISTS", "tmout:{tmout}:probe"), 0, "the trial has left nothing")


def survives_its_own_end():
    """the daemon is killed while a password is checked"""
    with Fleet() as fleet:
        one, other = fleet.hosts
        attempt = one.attempt().ask()
        tap.equal(attempt.answer(), "admitted", "one is in flight")
        one.kill()
        mark = one.log.mark()
        one.start()
        one.log.wait(REACHED, mark)
        again = one.attempt()
        again.identity = attempt.identity
        again.settle(SUCCEEDED)
        wait_until(lambda: not Question(other, LOOK).counts())
        tap.equal([other.try_once() for _ in range(3)], ["admitted"] * 3,
                  "its success is settled on a new connection")
        tap.equal(one.try_once(), "locked", "... and nothing else has changed")


def answers_questions():
    """what tmoutctl asks"""
    with Fleet() as fleet:
        one, other = fleet.hosts
        one.try_once()
        other.try_once()
        attempt = one.attempt().ask()
        tap.equal(attempt.answer(), "admitted", "two have failed, one is in flight")
        look = Question(other, LOOK)
        tap.equal((look.status, look.counts()), ("done", {"n": (2, 1, False, ["h0", "h1"])}),
                  "any host can tell")
        tap.equal(Question(other, LOOK, user="berta").counts(), {}, "of a user without a count, too")
        state = Question(one, STATUS_OF).state()
        tap.equal([state[name] for name in ("store", "asked", "admitted", "locked", "clients",
                                            "journal", "endpoint", "host", "connections")],
                  ["up", 2, 2, 0, 1, 2, fleet.server.path, "h0", 1], "the daemon's state")
        tap.ok(0 < state["latency"] <= state["worst"], "latency", state)
        attempt.settle(FAILED)
        wait_until(lambda: other.try_once() == "locked")
        cleared = Question(one, CLEAR)
        tap.equal((cleared.status, cleared.failures, cleared.was_locked), ("done", 3, 1),
                  "an administrator unlocks")
        tap.equal(known(one), 3, "this host knows two failures for a little longer, and that the user was unlocked")
        tap.equal(other.try_once(SUCCEEDED), "admitted", "... and no host is locked")
        Connection(fleet.server.path).call("SET", "tmout:{tmout}:a:anna", "garbage")
        tap.ok(Question(one, LOOK).penalty_ms > 0, "damage locks, and shows")
        mark = one.log.mark()
        fleet.server.stop()
        one.log.wait("the store is away", mark)
        tap.equal([Question(one, what).status for what in (LOOK, CLEAR)], ["away"] * 2,
                  "without the store there is no answer")
        state = Question(one, STATUS_OF).state()
        tap.ok(state["store"] == "away" and state["why"], "why, the state says", state)


def needs_no_other_rights():
    """an ACL user with the rights that docs/FLEET.md lists, and one with more"""
    with Fleet(hosts=1, more="hold = 0s\n") as fleet:
        wait_until(lambda: Question(fleet.hosts[0], STATUS_OF).state()["eviction"])
        state = Question(fleet.hosts[0], STATUS_OF).state()
        tap.equal((state["overprivileged"], state["eviction"], state["replicas"]),
                  (1, "noeviction", 0), "the default user may do anything, and the daemon says so")
        store = Connection(fleet.server.path)
        store.call("ACL", "SETUSER", "one", "on", ">secret", *documented_rights())
        store.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        write(fleet.directory + "/one/tmout-fleet/password", "secret\n", 0o600)
        host = Daemon(fleet.directory, "one", fleet.server.path, TIMEOUT + HOLD +
                      "acl_user = one\npassword_file = password\n")
        host.log.wait(REACHED)
        wait_until(lambda: Question(host, STATUS_OF).state()["eviction"])
        state = Question(host, STATUS_OF).state()
        tap.equal((state["overprivileged"], state["eviction"]), (0, "allkeys-lru"),
                  "with these rights only, it knows what the store would evict")
        tap.equal([host.try_once(), host.try_once(SUCCEEDED)], ["admitted"] * 2,
                  "they are enough for attempts")
        tap.equal((Question(host, LOOK).status, Question(host, CLEAR).status), ("done", "done"),
                  "... and for tmoutctl")
        host.stop()
        store.call("ACL", "SETUSER", "one", "-info")
        mark = host.log.mark()
        host.start()
        tap.matches(host.log.wait("the store is away", mark), "it rejects INFO: NOPERM ",
                    "the log has what the store says")
        host.stop()


def takes_the_socket_of_systemd():
    """a socket that systemd has opened, and that blocks"""
    with Fleet(hosts=1) as fleet:
        host = fleet.hosts[0]
        host.stop()
        os.unlink(host.socket_path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(host.socket_path)
            listener.listen()
            daemon = subprocess.Popen(
                ["sh", "-c", "exec env LISTEN_PID=$$ LISTEN_FDS=1 \"$@\" 3<&0", "sh", host.command[0],
                 "--conf", host.conf], stdin=listener, stderr=subprocess.DEVNULL)
            tap.equal([host.try_once(), host.try_once()], ["admitted"] * 2, "one attempt after the other")
            daemon.terminate()
            tap.equal(daemon.wait(), 0, "and it ends as it should")


def knows_the_hosts():
    """which hosts use the store"""
    with Fleet() as fleet:
        one = fleet.hosts[0]
        wait_until(lambda: len(Question(one, HOSTS_OF).hosts()) == 2)
        tap.equal(sorted(Question(one, HOSTS_OF).hosts()), ["h0", "h1"], "both have told")
        store = Connection(fleet.server.path)
        for damage in (("HSET", "tmout:{tmout}:hosts", "h", "garbage"), ("SET", "tmout:{tmout}:hosts", "garbage"),
                       ("HSET", "tmout:{tmout}:hosts", "h", b"\x82\xa1v\x01\xa5hosts\x81\xa1x\xc0")):
            store.call("DEL", "tmout:{tmout}:hosts")
            store.call(*damage)
            tap.equal(sorted(Question(one, HOSTS_OF).hosts()), ["h0"], "damage is thrown away")
        tap.equal(one.try_once(), "admitted", "attempts do not depend on it")
        sha = store.call("SCRIPT", "LOAD", read(REPOSITORY + "/lib/fleet/attempts.lua"))
        for number in range(200):
            host = f"x{number}"
            store.call("EVALSHA", sha, 1, "tmout:{tmout}:hosts", "announce", "n", 1, 1,
                       1, 0, host, "a")
        tap.equal(len(Question(one, HOSTS_OF).hosts()), 128, "128 hosts are remembered")
        mark = one.log.mark()
        fleet.server.stop()
        one.log.wait("the store is away", mark)
        tap.equal(Question(one, HOSTS_OF).status, "away", "without the store there is no answer")


def keeps_marks():
    """of users whom an administrator has unlocked on all hosts"""
    with Fleet(hosts=1) as fleet:
        host = fleet.hosts[0]

        def mark(number):
            return Question(host, MARK, user=f"user{number}", when=1795774782999).status

        tap.equal([mark(number) for number in range(65)], ["done"] * 64 + ["waiting"],
                  "of 65 at once, the last one has to wait")
        tap.equal(len(Question(host, MARKS_OF).packets), 64, "the others can be read")


def distrusts_clients():
    """what is no request"""
    with Fleet(hosts=1) as fleet:
        host = fleet.hosts[0]
        good = request(ADMIT, bytes(16))
        for packet in (b"x", good[:-1], good + b"x", b"\0" * len(good), good[:4] + b"\2" + good[5:],
                       good[:52] + b"\xff" * 4 + good[56:]):
            attempt = host.attempt()
            attempt.socket.send(packet)
            tap.equal(attempt.next(), "closed", f"{len(packet)} bytes are none")
        silent = [host.attempt() for _ in range(50)]
        tap.equal(host.try_once(), "admitted", "silent connections are in nobody's way")
        for attempt in silent:
            attempt.close()
        os.chmod(host.socket_path, 0o666)
        pid = os.fork()
        if pid == 0:
            try:
                os.setresuid(65534, 65534, 65534)
                stranger = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                stranger.connect(host.socket_path)
                try:
                    stranger.send(good)
                except BrokenPipeError:
                    os._exit(0)
                try:
                    os._exit(0 if stranger.recv(100) == b"" else 1)
                except ConnectionResetError:
                    os._exit(0)
            finally:
                os._exit(2)
        if os.geteuid() == 0:
            tap.equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0,
                      "only root gets an answer")
        else:
            os.waitpid(pid, 0)


tap.in_parallel([counts_for_all, refuses_nobody_for_others, shows_moves_to_all_who_wait,
                 guesses_are_bounded,
                 the_dead_have_failed, withdraws, holds_a_lease,
                 ends_the_leases_of_a_dead_host,
                 survives_a_store_that_lost_everything, survives_a_store_that_was_emptied,
                 keeps_a_lock_for_as_long_as_it_lasts, forgets_what_another_host_has_unlocked, tells_again_that_a_user_was_unlocked,
                 counts_once_if_an_answer_is_lost,
                 tells_again_how_attempts_have_ended, tells_what_ends_while_it_tells,
                 tells_again_what_a_success_made_good, ends_what_an_administrator_did_not_wait_for,
                 is_not_sure_of_a_lock_before_all_have_told,
                 tells_no_more_than_is_answered_in_time,
                 believes_a_report_after_a_withdrawal, hears_whom_it_dismisses,
                 knows_what_a_success_makes_good, holds_admissions, a_frozen_store_is_away,
                 asks_an_idle_store, a_replica_is_away,
                 loads_the_script_again, rejects_changes, survives_its_own_end, answers_questions,
                 needs_no_other_rights, knows_the_hosts, keeps_marks, takes_the_socket_of_systemd,
                 distrusts_clients], 4)
tap.end()
