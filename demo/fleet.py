#!/usr/bin/python3
"""Shows on three throw-away hosts that share a store what a fleet's limit does: an attack
on all of them at once, right passwords, a store that dies, comes back, and fails over.

Run as root: `tests/host/throwaway demo/fleet.py`. The exit status is not zero if
anything differs from what is promised.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../tests"))

from host.attempts import setup_passwords, su
from host.checked import count_checks, reached
from host.fleet_hosts import Fleet
from host.store import Connection, Server, server_program
from host.waiting import wait_until
from stage import end, expect, say, title

POLICY = """\
default {
    max_attempts   = 3       # on each host
    fleet_attempts = 3       # on all of them together
    fleet_fallback = 1       # on each host while the store is away
}
user "alone" {
    fleet_attempts = none    # each host counts for itself
}
"""
HOSTS, GUESSES, RIGHT = 3, 10, 6
CHECK_MS = 50
STORES, PORTS = ("/tmp/store", "/tmp/replica"), (6401, 6402)
# The demo may share its processors: who waits longer than 500 ms there is not cut off.
CONF = f'endpoints += {{"{STORES[1]}/socket"}}\ntimeout = 5s\n'

INSTALL = """\
To have this on hosts of your own:

    sudo make install-fleet                           install tmout-fleetd
    sudoedit /etc/security/tmout-fleet.conf           where the store is (see tmout.conf(5))
    sudo systemctl enable --now tmout-fleetd.socket
    sudoedit /etc/security/tmout.conf                 set fleet_attempts

docs/FLEET.md says how to set up the store, and when not to."""


class Stage:
    """The hosts and their stores."""

    def __init__(self):
        for directory in STORES:
            os.makedirs(directory)
        self.store = Server("--port", str(PORTS[0]), directory=STORES[0])
        self.fleet = Fleet([STORES[0] + "/socket"] * HOSTS, CONF)

    def log_in(self, name, passwords):
        """All of these on each host at once. Returns how many are let in, and the time it took."""
        start = time.monotonic()
        inside = self.fleet.everywhere("try_all", name, passwords)
        return sum(map(sum, inside)), time.monotonic() - start


def step(who, what, seen, promised):
    """Prints what was done and what happened."""
    say(f"  {what:<64}  {seen}")
    expect(who, what, seen, promised)


def attack(stage, name, promised):
    """Guesses on all hosts at once; prints how many were checked."""
    before = reached(name)
    inside, _ = stage.log_in(name, [f"guess{number}" for number in range(GUESSES)])
    step(name, f"{name}: of {HOSTS * GUESSES} wrong passwords at once, so many are checked",
         reached(name) - before, promised)
    expect(name, "the number of wrong passwords that were accepted", inside, 0)


def log_in_rightly(stage, name, promised=HOSTS * RIGHT):
    inside, took_sec = stage.log_in(name, ["right"] * RIGHT)
    step(name, f"{name}: of {HOSTS * RIGHT} right passwords at once, so many are accepted",
         inside, promised)
    return took_sec


def locked_everywhere(stage, name):
    before = reached(name)
    inside, _ = stage.log_in(name, ["right"])
    step(name, f"{name}: the right password, on each host", f"accepted by {inside}",
         "accepted by 0")
    expect(name, "the number of passwords that were checked", reached(name) - before, 0)


def show_attack(stage):
    title(f"{GUESSES} wrong passwords on each of {HOSTS} hosts, all at once")
    say("  alone has no fleet_attempts, so each host allows three; kim has three in all.")
    say()
    attack(stage, "alone", HOSTS * 3)
    attack(stage, "kim", 3)
    locked_everywhere(stage, "kim")
    expect("kim", "su on a host", su("alone", "kim", "right").returncode, 0)
    say("  kim's keys, console, su and sudo go on: only passwords over the network are shared.")


def show_right_ones(stage):
    title(f"{RIGHT} right passwords on each host, all at once")
    took_sec = log_in_rightly(stage, "lea")
    say(f"  Three at a time are checked, each for {CHECK_MS} ms; the last one was in after "
        f"{took_sec:.1f} s.")


def show_outage(stage):
    title("The store is killed")
    stage.store.stop()
    stage.fleet.everywhere("await_away")
    say("  Each host notices at once, and admits fleet_fallback = 1 wrong password.")
    say()
    attack(stage, "max", HOSTS)
    log_in_rightly(stage, "tom")
    title("It is back, and has forgotten everything")
    stage.store.start()
    stage.fleet.everywhere("await_store")
    say("  The hosts have told it again what they know, before they asked for anything.")
    say()
    locked_everywhere(stage, "kim")
    locked_everywhere(stage, "max")
    log_in_rightly(stage, "tom")


def replicate():
    """A replica of the store that has caught up."""
    replica = Server("--port", str(PORTS[1]), "--replicaof", f"127.0.0.1 {PORTS[0]}",
                     directory=STORES[1])
    connection = Connection(replica.path)
    wait_until(lambda: "master_link_status:up" in connection.call("INFO", "replication"),
               "the replica does not catch up")
    return connection


def show_failover(stage):
    title("Failover: the store is killed for good, and its replica promoted")
    replica = replicate()
    attack(stage, "pia", 3)
    stage.store.stop()
    stage.fleet.everywhere("await_away")
    replica.call("REPLICAOF", "NO", "ONE")
    stage.fleet.everywhere("await_store")
    locked_everywhere(stage, "kim")
    locked_everywhere(stage, "pia")
    attack(stage, "ole", 3)
    log_in_rightly(stage, "tom")


def main():
    say(f"{HOSTS} hosts with an sshd each share one count of failed logins, through a real")
    say(f"{os.path.basename(server_program())}. They are namespaces in a throw-away host: nothing "
        "on this machine is")
    say("changed. The policy on each of them:")
    say()
    for line in POLICY.splitlines():
        say(f"  {line}")
    people = "alone kim lea max ole pia tom".split()
    setup_passwords(POLICY, "", ["sshd", "su"], {name: "right" for name in people})
    count_checks("sshd", CHECK_MS / 1000)
    stage = Stage()
    show_attack(stage)
    show_right_ones(stage)
    show_outage(stage)
    show_failover(stage)
    end("Everything above is as promised.", "This differs from what is promised:", INSTALL)


main()
