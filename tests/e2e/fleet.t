#!/usr/bin/python3
"""Login attempts on three hosts that share a store: real sshd, each with a network, a state
directory and a tmout-fleetd of its own, and one real store. What takes longer is in
tests/soak/fleet.t.
"""
import hmac
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts import Pam, setup_passwords, su
from host.checked import count_checks, reached
from host.commands import must, run
from host.files import REPOSITORY, read, write
from host.fleet_hosts import UNLOCK_KEY, Fleet
from host.pam_stacks import stack
from host.product import fresh
from host.store import Connection, Server
from host.syslog import syslog
from host.tap import tap

POLICY = """
default      { max_attempts = 3  fleet_attempts = 3  fleet_fallback = 1 }
user "solo"  { fleet_attempts = none }
user "none"  { fleet_fallback = 0 }
"""
PEOPLE = {name: "right" for name in "prey solo crowd cut fine none dead late mal".split()}
HOSTS, STORE_DIRECTORY = 3, "/tmp/store"
MARK = "/traced"
GUESSES = [f"guess{n}" for n in range(4)]


# --- scenarios -----------------------------------------------------------------------------

def guesses_are_bounded():
    """twelve wrong passwords on three hosts at once"""
    mark = syslog.mark()
    inside = FLEET.everywhere("try_each", {"prey": GUESSES, "solo": GUESSES})
    tap.equal(inside, [{"prey": [False] * 4, "solo": [False] * 4}] * HOSTS, "nobody gets in")
    tap.equal(reached("prey"), 3, "three are checked")
    tap.equal(reached("solo"), 9, "nine of a user whose attempts are not shared")
    rejected = syslog.settled(mark, "rejected: locked on all hosts of the fleet .*user=prey ")
    tap.ok(rejected, "the log says that it was the fleet")
    tap.matches(rejected[0], "failures=3 max_attempts=3 fleet_attempts=3 unlock_in=(9m|10m)",
                "... and for how long")
    counted = FLEET.everywhere("count", "prey")
    tap.equal(sum(failures for failures, _ in counted), 3,
              "a host charges nobody for what the fleet has rejected")


def tmoutctl_tells():
    """what an administrator sees on one host, and undoes on all"""
    one, other, _ = FLEET.hosts
    status, shown, _ = one.do("tmoutctl", "attempts", "--fleet", "prey")
    tap.matches(shown.splitlines()[-1], r"prey +network +3 of 3 +locked for (9m|10m).* host[012]",
                "attempts --fleet shows what all hosts have counted")
    found = json.loads(other.do("tmoutctl", "attempts", "--fleet", "prey", "--json")[1])
    tap.equal((found["locked"], found["fleet_attempts"], found["counts"][0]["failures"]), (True, 3, 3),
              "for programs, too, from another host")
    tap.matches(other.do("tmoutctl", "attempts", "--fleet", "solo")[1], "solo shares no login",
                "a user whose attempts are not shared")
    tap.matches(one.do("tmoutctl", "show", "prey")[1],
                r"(?m)^fleet    3 of 3 failed on all hosts, locked for (9m|10m)", "show tells of it")
    tap.equal(one.do("tmoutctl", "show", "solo")[1].count("\nfleet  "), 0,
              "... and of nothing that is not shared")
    status, shown, _ = one.do("tmoutctl", "fleet")
    tap.ok(status == 0 and "store     reached for" in shown and "host      host0\n" in shown,
           "fleet shows the store", shown)
    tap.ok("hosts     in the last hour: " in shown and all(f"host{n}" in shown for n in range(HOSTS))
           and "other rules" not in shown, "... and all hosts, which have the same policy", shown)
    tap.matches(one.do("tmoutctl", "status")[1], "(?m)^fleet     store reached for", "so does status")
    status, shown, _ = other.do("tmoutctl", "unlock", "prey")
    tap.ok(status == 0 and shown.endswith("prey is unlocked in the fleet's store\n"),
           "unlock clears the store", shown)
    tap.matches(one.do("tmoutctl", "attempts", "--fleet", "prey")[1], "prey has no failed logins",
                "... as another host sees")
    FLEET.everywhere("tmoutctl", "unlock", "prey")
    tap.equal(one.do("try_all", "prey", ["right"]), [True], "and the user gets in")


def unlocked_on_all_hosts():
    """unlock --fleet: the other hosts forget what they have counted, and nothing later"""
    one, other, third = FLEET.hosts
    other.do("try_all", "mal", GUESSES[:3])
    status, _, told = one.do("tmoutctl", "unlock", "mal", "--fleet")
    tap.ok(status == 2 and UNLOCK_KEY in told and "No such file" in told,
           "without a key, no host can be told", told)
    write(UNLOCK_KEY, f"{'k' * 32}\n", 0o644)
    status, _, told = one.do("tmoutctl", "unlock", "mal", "--fleet")
    tap.ok(status == 2 and "others than root can read it" in told, "a key that others can read is none", told)
    status, _, told = other.do("tmoutctl", "unlock", "--from-fleet", "--quiet")
    tap.ok(status == 1 and "others than root can read it" in told, "... on the other hosts, either, which say so", told)
    os.chmod(UNLOCK_KEY, 0o600)
    third.do("use_unlock_key", f"{'x' * 32}\n")
    third.do("try_all", "mal", GUESSES[:3])
    status, shown, told = one.do("tmoutctl", "unlock", "mal", "--fleet")
    tap.ok(status == 0 and "the other hosts will unlock mal" in shown, "the hosts are told",
           shown + told)
    tap.equal(other.do("try_all", "mal", ["right"]), [False], "no host is unlocked by that alone")
    mark = syslog.mark()
    status, shown, told = other.do("tmoutctl", "unlock", "--from-fleet")
    tap.ok(status == 0 and shown == "mal is unlocked, as another host was told\n",
           "a host unlocks as it was told", shown + told)
    tap.ok(syslog.settled(mark, "unlocked user=mal address=fleet .*locked=yes"), "and logs it")
    tap.equal(other.do("try_all", "mal", ["right"]), [True], "the user gets in")
    status, shown, told = third.do("tmoutctl", "unlock", "--from-fleet", "--json")
    tap.ok(status == 1 and json.loads(shown)["rejected"] == 1 and "not made with" in told,
           "with another key, a host does not", shown + told)
    tap.equal(third.do("try_all", "mal", ["right"]), [False], "... and the user stays locked there")
    other.do("try_all", "mal", GUESSES[:3])
    one.do("tmoutctl", "unlock", "mal")
    status, shown, told = other.do("tmoutctl", "unlock", "--from-fleet")
    tap.equal((status, shown), (0, ""), "told again, it forgets nothing that failed later")
    tap.equal(other.do("try_all", "mal", ["right"]), [False], "... so the user is still locked")
    FLEET.everywhere("tmoutctl", "unlock", "mal")


def put_mark(user, unlocked_ms):
    """A genuine one, as a host's whose clock says so."""
    code = hmac.digest(b"k" * 32, f"pam_tmout unlock 1 {unlocked_ms} {user}".encode(), "sha256")[:16]
    store = Connection(STORE.path)
    script = store.call("SCRIPT", "LOAD", read(REPOSITORY + "/lib/fleet/attempts.lua"))
    store.call("EVALSHA", script, 1, "tmout:{tmout}:hosts", "mark", "n", 1, 1, 1, 0, unlocked_ms, code.hex(), 1,
               user.encode().hex())


def rejects_marks_from_the_future():
    """the clock of the host that was told is ahead"""
    other, now_ms = FLEET.hosts[1], int(time.time() * 1000)
    other.do("try_all", "mal", GUESSES[:3])
    put_mark("mal", now_ms + 10 * 60 * 1000)
    status, shown, told = other.do("tmoutctl", "unlock", "--from-fleet", "--quiet")
    tap.ok(status == 1 and not shown and "mal is not unlocked: by this host's clock" in told and
           "set the clocks right" in told, "the user is named, and what to do", shown + told)
    tap.equal(other.do("try_all", "mal", ["right"]), [False], "... and stays locked")
    put_mark("mal", now_ms + 30 * 1000)
    status, shown, told = other.do("tmoutctl", "unlock", "--from-fleet")
    tap.ok(status == 0 and shown.startswith("mal is unlocked"), "half a minute is no matter", shown + told)
    FLEET.everywhere("tmoutctl", "unlock", "mal")


def right_ones_get_in():
    """twelve right passwords on three hosts at once"""
    inside = FLEET.everywhere("try_all", "crowd", ["right"] * 4)
    tap.equal(inside, [[True] * 4] * HOSTS, "all get in")


def the_store_is_away():
    """the store is killed, and comes back empty"""
    mark = syslog.mark()
    STORE.stop()
    FLEET.everywhere("await_away")
    inside = FLEET.everywhere("try_each", {"cut": GUESSES[:2], "fine": ["right"] * 2,
                                           "none": ["right"]})
    tap.equal(reached("cut"), HOSTS, "each host checks fleet_fallback wrong passwords, which is one")
    tap.equal([host["fine"] for host in inside], [[True] * 2] * HOSTS,
              "right ones get in, one after the other")
    tap.equal([host["none"] for host in inside], [[False]] * HOSTS,
              "with fleet_fallback = 0, nobody does")
    tap.equal(su("mal", "fine", "right").returncode, 0, "su does not need the store")
    status, _, told = FLEET.hosts[0].do("tmoutctl", "unlock", "fine")
    tap.ok(status == 2 and "fine is not unlocked in the fleet's store" in told,
           "unlock says that it cannot reach the store", told)
    status, shown, _ = FLEET.hosts[0].do("tmoutctl", "fleet")
    tap.ok(status == 1 and "store     away for" in shown, "so does fleet", shown)
    lines = syslog.settled(mark, "rejected: the fleet cannot be reached .*user=cut ")
    tap.ok(len(lines) == 3, "the log has a line for each that was rejected", *lines)
    STORE.start()
    FLEET.everywhere("await_store")
    before = reached("cut")
    inside = FLEET.everywhere("try_each", {"cut": ["right"], "none": ["right"]})
    tap.equal([host["cut"] for host in inside], [[False]] * HOSTS,
              "what failed meanwhile is known to all when it is back")
    tap.equal(reached("cut"), before, "no password is checked")
    tap.equal([host["none"] for host in inside], [[True]] * HOSTS, "others get in again")


def log_in_between_marks():
    """In a process that is traced: the second attempt of two, from the network."""
    pam = Pam("trial", "solo", source="192.0.2.7")
    pam.authenticate("wrong")
    os.path.exists(MARK)
    pam.authenticate("wrong")
    os.path.exists(MARK)
    os._exit(0)


def traced(policy_text):
    """The system calls of an attempt, and all that was passed to them."""
    fresh(policy_text)
    # There is no daemon outside of the hosts: the ledger is cleared, and the store cannot be.
    run("tmoutctl", "unlock", "solo")
    must("strace", "-f", "-o", "/tmp/trace", sys.executable, os.path.realpath(__file__), "attempt")
    lines = [line.split(None, 1)[1] for line in read("/tmp/trace").splitlines()]
    first, second = [number for number, line in enumerate(lines) if f'"{MARK}"' in line]
    part = lines[first + 1:second]
    return [line.split("(")[0] for line in part], "\n".join(part)


def off_costs_nothing():
    """a host that shares nothing makes not one system call more"""
    stack("trial", "auth requisite pam_tmout.so", "auth required pam_deny.so")
    unset, _ = traced("default { max_attempts = 64 }\n")
    none, arguments = traced('default { max_attempts = 64 fleet_attempts = 64 }\n'
                             'user "solo" { fleet_attempts = none }\n')
    tap.ok(len(unset) > 20, "an attempt was traced", unset)
    tap.equal(none, unset, "the same calls with and without the setting")
    tap.ok("fleet" not in arguments, "nothing of the fleet is looked for")
    shared, arguments = traced("default { max_attempts = 64 fleet_attempts = 64 }\n")
    tap.ok("/run/tmout/fleet.sock" in arguments and len(shared) > len(unset),
           "for a user whose attempts are shared, it is", arguments)


if sys.argv[1:2] == ["attempt"]:
    log_in_between_marks()

setup_passwords(POLICY, "", ["sshd", "su"], PEOPLE)
count_checks("sshd")
os.makedirs(STORE_DIRECTORY)
STORE = Server(directory=STORE_DIRECTORY)
FLEET = Fleet([STORE_DIRECTORY + "/socket"] * HOSTS, "hold = 1s\ntimeout = 5s\n")
tap.run(guesses_are_bounded, tmoutctl_tells, unlocked_on_all_hosts, rejects_marks_from_the_future, right_ones_get_in,
        the_store_is_away, off_costs_nothing)
