"""tmout-fleetd, and the module's end of its wire: lib/fleet/wire.h."""

import ipaddress
import os
import re
import socket
import struct
import subprocess
import threading

from host.files import REPOSITORY, read, write
from host.waiting import GUARD_SEC, Log, wait_until

REQUEST, ANSWER = "=IIII16sqI16sIqqII256s", "=IIIIIIqII"
REQUEST_MAGIC, ANSWER_MAGIC, VERSION = 0x74666C51, 0x74666C41, 1
ADMIT, SETTLE, REPORT, LOOK, CLEAR, STATUS_OF, HOSTS_OF, MARK, MARKS_OF = range(1, 10)
COUNT, STATE = "=IIIIq24s512s", "=IIIIqqqqqqQQQQQQQIIII280s24s128s72s"
HOST, HOST_MAGIC = "=IIqQ72s", 0x74666C48
COUNT_MAGIC, STATE_MAGIC = 0x74666C43, 0x74666C53
STORES = ["starting", "away", "merging", "up"]
FAILED, SUCCEEDED, WITHDRAWN = 0, 1, 2
STATUS = {1: "admitted", 2: "waiting", 3: "locked", 4: "away", 5: "done"}
NETWORK, IPV4, IPV6 = 2, 3, 4
FOREVER = 2 ** 63 - 1


def documented_rights():
    """What docs/FLEET.md gives the ACL user of a host."""
    return re.search(r"^~tmout:.*$", read(REPOSITORY + "/docs/FLEET.md"), re.M).group(0).split()


def request(operation, identity, outcome=FAILED, user="anna", address=None, limits=None,
            when=0):
    """A packet for the daemon. when: a mark's unlocked_ms, a settlement's ended_ms."""
    kind, octets = NETWORK, b""
    if address:
        octets = ipaddress.ip_address(address).packed[:8]
        kind = IPV4 if len(octets) == 4 else IPV6
    attempts, window, lock, by_source = limits or (3, 900000, 600000, 0)
    return struct.pack(REQUEST, REQUEST_MAGIC, VERSION, operation, outcome, identity, when, kind,
                       octets, attempts, window, lock, by_source, 0, user.encode())


class Attempt:
    """One connection, as the module has it."""

    def __init__(self, daemon, **about):
        self.daemon, self.about, self.identity = daemon, about, os.urandom(16)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(GUARD_SEC)
        self.socket.connect(daemon.socket_path)
        self.lock_left = self.moves = self.failures = None
        self.heartbeats = 0

    def ask(self):
        self.socket.send(request(ADMIT, self.identity, **self.about))
        return self

    def next(self):
        """The next answer's status, or "closed"."""
        packet = self.socket.recv(4096)
        if not packet:
            return "closed"
        magic, version, status, self.failures, _, self.moves, self.lock_left, *_ = \
            struct.unpack(ANSWER, packet)
        assert (magic, version) == (ANSWER_MAGIC, VERSION), packet
        return STATUS[status]

    def answer(self):
        """The first one that is not "waiting"."""
        while (status := self.next()) == "waiting":
            self.heartbeats += 1
        return status

    def tell(self, outcome, operation=SETTLE, when=0):
        """How it ended, without waiting."""
        self.socket.send(request(operation, self.identity, outcome, when=when, **self.about))
        return self

    def settle(self, outcome, operation=SETTLE, when=0):
        self.tell(outcome, operation, when)
        # The daemon has it when it closes the connection.
        assert self.socket.recv(4096) == b""
        self.socket.close()

    def close(self):
        self.socket.close()


def text(field):
    return field.rstrip(b"\0").decode()


class Question:
    """What tmoutctl asks: the packets of the answer, and how it ended."""

    def __init__(self, daemon, operation, **about):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(GUARD_SEC)
            connection.connect(daemon.socket_path)
            connection.send(request(operation, bytes(16), **about))
            packets = list(iter(lambda: connection.recv(4096), b""))
        self.packets = packets[:-1]
        _, _, status, self.failures, self.was_locked, _, self.penalty_ms, *_ = \
            struct.unpack(ANSWER, packets[-1])
        self.status = STATUS[status]

    def counts(self):
        """{name: (failures, in flight, is locked, hosts)}."""
        found = {}
        for packet in self.packets:
            magic, version, failures, in_flight, left, name, hosts = struct.unpack(COUNT, packet)
            assert (magic, version) == (COUNT_MAGIC, VERSION)
            found[text(name)] = (failures, in_flight, left > 0, sorted(text(hosts).split()))
        return found

    def hosts(self):
        """{name: (seen so many milliseconds ago, its policy)}."""
        found = {}
        for packet in self.packets:
            magic, version, seen, policy, name = struct.unpack(HOST, packet)
            assert (magic, version) == (HOST_MAGIC, VERSION)
            found[text(name)] = (seen, policy)
        return found

    def state(self):
        """The daemon's, by name."""
        names = ("store tls running since away_for latency worst clock_ahead asked admitted waited "
                 "locked away alone connections clients journal overprivileged replicas endpoint "
                 "eviction why host").split()
        magic, version, *values = struct.unpack(STATE, self.packets[0])
        assert (magic, version) == (STATE_MAGIC, VERSION)
        found = dict(zip(names, values))
        found["store"] = STORES[found["store"]]
        return found | {name: text(found[name]) for name in ("endpoint", "eviction", "why", "host")}


class Daemon:
    """A tmout-fleetd, without systemd, in a directory of its own."""

    def __init__(self, directory, host, endpoint, more="", command=(), lease_ms=None):
        self.socket_path = f"{directory}/{host}.sock"
        self.conf = f"{directory}/{host}/tmout-fleet.conf"
        write(self.conf, f'endpoints = {{"{endpoint}"}}\nhost_id = {host}\n{more}')
        self.command = [*command, os.environ.get("BUILD", REPOSITORY + "/build") + "/tmout-fleetd", "--conf", self.conf,
                        "--socket", self.socket_path,
                        *(["--lease", str(lease_ms)] if lease_ms else [])]
        self.log, self.process, self.reader = Log(), None, None
        self.start()

    def start(self):
        if os.path.exists(self.socket_path):
            os.unlink(self.socket_path)
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        wait_until(lambda: os.path.exists(self.socket_path), "tmout-fleetd does not start")

    def _read(self, stream):
        for line in stream:
            self.log.add(line.rstrip())

    def attempt(self, **about):
        return Attempt(self, **about)

    def try_once(self, outcome=FAILED, **about):
        """Asks, and settles if it may. Returns the answer."""
        attempt = self.attempt(**about).ask()
        status = attempt.answer()
        if status == "admitted":
            attempt.settle(outcome)
        else:
            attempt.close()
        return status

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()
