"""What it adds to a login attempt that hosts share their count: pam_tmout with
fleet_attempts beside itself without, with a real store that is 0, 1 and 10 ms away.

An attempt waits for the store once, to be admitted: its settlement is told and not
waited for. So what a distance adds to an attempt at a store that is on this host is one
round trip, as a PING through the same relay takes it. That is the aim: two would be
another design.

A relay delays what passes, each way by half of the distance: the kernel's netem is
not available everywhere. It is a thread of this program, and not exact; the PING goes
through it, too.
"""

import os
import queue
import re
import shutil
import socket
import statistics
import sys
import threading
import time

import bench_host
import stacks
from bench_host import ONE
from tables import Table, against
from turns import Case, measure

sys.path.insert(0, bench_host.REPOSITORY + "/tests")

from host.fleet import Daemon
from host.store import Connection, Server

DISTANCES_MS = 0, 1, 10
AIM = 1.25  # round trips
PINGS = 200
LIMIT = stacks.MAX_ATTEMPTS
SOCKET = "/run/tmout/fleet.sock"
STORE = bench_host.HOME + "/store"


class Distance:
    """A store's socket, so far away."""

    def __init__(self, path, store_path, distance_ms):
        self.path, self.store_path, self.half_sec = path, store_path, distance_ms / 2000
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        self.start(self.accept)

    @staticmethod
    def start(function, *arguments):
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            store = socket.socket(socket.AF_UNIX)
            store.connect(self.store_path)
            for source, target in (client, store), (store, client):
                pieces = queue.SimpleQueue()
                self.start(self.receive, source, pieces)
                self.start(self.deliver, target, pieces)

    def receive(self, source, pieces):
        while data := source.recv(65536):
            pieces.put((time.monotonic() + self.half_sec, data))

    @staticmethod
    def deliver(target, pieces):
        while True:
            due, data = pieces.get()
            time.sleep(max(0.0, due - time.monotonic()))
            target.sendall(data)


class Store:
    """The server, the daemons of hosts at several distances from it, and what it has
    been asked."""

    def __init__(self):
        os.makedirs(STORE)
        os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
        bench_host.write(SOCKET, "")  # each attempt mounts its daemon's socket there
        self.server = Server(directory=STORE)
        self.daemons = {}
        for distance in DISTANCES_MS:
            path = self.server.path if distance == 0 else self.relay(distance)
            self.daemons[distance] = Daemon(bench_host.HOME, f"host{distance}", path,
                                            f"prefix = bench{distance}\nhold = 0s\ntimeout = 5s\n")
        for daemon in self.daemons.values():
            daemon.log.wait("the store is reached")
        self.asked = Connection(self.server.path)
        self.asked.call("CONFIG", "RESETSTAT")

    def relay(self, distance):
        path = f"{STORE}/{distance}ms"
        Distance(path, self.server.path, distance)
        return path

    def round_trip_us(self, distance):
        """What the median PING takes at this distance."""
        path = self.server.path if distance == 0 else f"{STORE}/{distance}ms"
        connection, taken = Connection(path), []
        for _ in range(PINGS):
            begun = time.monotonic()
            connection.call("PING")
            taken.append((time.monotonic() - begun) * 1e6)
        connection.close()
        return statistics.median(taken)

    def script_calls(self):
        """How often the script ran, and how long each time, in microseconds."""
        found = re.search(r"cmdstat_evalsha:calls=(\d+),usec=\d+,usec_per_call=([\d.]+)",
                          self.asked.call("INFO", "commandstats"))
        return int(found.group(1)), float(found.group(2))

    def end(self):
        for daemon in self.daemons.values():
            daemon.stop()
        self.server.remove()


class Attempt(Case):
    """An attempt on a host that is so far from the store; None: that shares nothing."""

    def __init__(self, store, distance, kind):
        name = "shares nothing" if distance is None else f"the store is {distance} ms away"
        title = f"fleet, {name}, {kind}"
        self.distance, self.user = distance, ONE
        self.check = stacks.Check(title)
        shared = "" if distance is None else f"fleet_attempts = {LIMIT}"
        policy = bench_host.policy(title, f"default {{ max_attempts = {LIMIT}\n{shared}\n}}\n")
        super().__init__(name, "attempt",
                         bench_host.service(title, stacks.tmout(self.check, policy)), ONE, kind,
                         answer="in" if kind == "right" else "out")
        if distance is not None:
            self.command = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                            f"mount --bind \"$0\" {SOCKET} && exec \"$@\"",
                            store.daemons[distance].socket_path, *self.command]


class Attempts(Table):
    """Beside those of a host that shares nothing."""

    def __init__(self, cases, round_trips):
        super().__init__(cases, [("adds", 8, ",.0f", self.adds), ("x alone", 9, ".2f", self.beside),
                                 ("PING", 8, ",.0f", lambda case: round_trips.get(case.distance)),
                                 ("round trips", 12, ".2f", self.trips),
                                 ("99 %", 9, ",.0f", self.slow)])
        self.alone, self.near, self.round_trips = cases[0].median, cases[1].median, round_trips

    def adds(self, case):
        return case.median - self.alone if case.distance is not None else None

    def beside(self, case):
        return case.median / self.alone

    def trips(self, case):
        if not case.distance:
            return None
        return (case.median - self.near) / self.round_trips[case.distance]

    @staticmethod
    def slow(case):
        return statistics.quantiles(case.times, n=100)[-1]

    def verdict(self):
        print(f"the most round trips that an attempt waits: "
              f"{against(AIM, max(self.trips(case) for case in self.cases if case.distance))}")


def compare():
    """Right and wrong passwords. A wrong one is followed by a right one that is not
    measured, so the store is asked twice as often."""
    bench_host.use_name_services("files")
    bench_host.add_groups(host_groups=0)
    stacks.reset()
    store = Store()
    round_trips = {distance: store.round_trip_us(distance) for distance in DISTANCES_MS}
    for kind in "right", "wrong":
        cases = [Attempt(store, distance, kind) for distance in (None, *DISTANCES_MS)]
        measure(cases)
        table = Attempts(cases, round_trips)
        table.print(f"One login attempt with the {kind} password, counted for a fleet")
        table.verdict()
    calls, each_us = store.script_calls()
    print(f"The script ran {calls:,} times in the store, for {each_us:.0f} µs each: one core "
          f"carries {1e6 / each_us:,.0f} calls a second")
    store.end()
    shutil.rmtree(STORE, ignore_errors=True)
