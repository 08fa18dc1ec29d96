"""lib/fleet/attempts.lua in a real store, on a clock that the test sets."""

import ipaddress

from host.files import REPOSITORY, read

SCRIPT = read(REPOSITORY + "/lib/fleet/attempts.lua")
CLOCK_LINE = "local now = store_time_ms()"

ADMITTED, BUSY, LOCKED, LATE, GIVEN_UP, UNKNOWN = range(6)
FAILED, SUCCEEDED, WITHDRAWN = range(3)
KEY = "tmout:{tmout}:a:anna"
SECOND, MINUTE = 1000, 60 * 1000
TIME_MAX = 2 ** 53 - 1
LEASE_MS, LONGEST_LEASE_MS, START_MS = 8 * SECOND, 120 * SECOND, 1_000_000_000


def on_clock(name):
    """The script, with a clock that is in the key of this name."""
    return SCRIPT.replace(CLOCK_LINE, f"local now = tonumber(redis.call('GET', '{name}'))")


ON_TEST_CLOCK = on_clock("clock")


def origin_of(address):
    """An address as the script knows it."""
    if address == "network":
        return "n"
    packed = ipaddress.ip_address(address).packed
    return ("4" if len(packed) == 4 else "6") + packed[:8].hex()


def name_of(origin):
    """A record's name as tmoutctl prints it."""
    shared = {"n": "network", "o4": "other IPv4 addresses", "o6": "other IPv6 addresses"}
    if origin in shared:
        return shared[origin]
    digits = bytes.fromhex(origin[1:])
    if origin[0] == "4":
        return str(ipaddress.ip_address(digits))
    return f"{ipaddress.ip_address(digits.ljust(16, bytes(1)))}/{len(digits) * 8}"


class Script:
    """The script in a store, for one user."""

    def __init__(self, connection, text=ON_TEST_CLOCK, key=KEY, limits=(3, 900000, 600000, 0)):
        self.store, self.key, self.limits, self.host = connection, key, limits, "h1"
        self.sha = connection.call("SCRIPT", "LOAD", text)

    def call(self, operation, origin, *words):
        return self.store.call("EVALSHA", self.sha, 1, self.key, operation, origin, *self.limits,
                               *words)

    def at(self, ms):
        self.store.call("SET", "clock", ms)

    def admit(self, attempt, address="network", lease=LEASE_MS, deadline=0):
        return self.call("admit", origin_of(address), attempt, self.host, lease, deadline)

    def renew(self, attempt, address="network", lease=LEASE_MS):
        return self.call("renew", origin_of(address), attempt, lease)

    def settle(self, attempt, outcome, address="network", since=1, at=TIME_MAX, locked=0):
        return self.call("settle", origin_of(address), attempt, self.host, outcome, since, at, locked)

    def merge(self, attempt, since, address="network", lease=LEASE_MS):
        return self.call("merge", origin_of(address), attempt, self.host, lease, since)

    def forget(self, at=TIME_MAX):
        return self.call("forget", "n", at)

    def look(self):
        """A dictionary: name -> (failures, in flight, lock left)."""
        return {name_of(name): tuple(counts)
                for name, *counts, _ in self.call("look", "n")[2:]}
