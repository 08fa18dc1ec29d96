#!/usr/bin/python3
"""Login attempts on three hosts that share a store, as in tests/e2e/fleet.t, in large numbers and
with all that takes long: the store is frozen, killed under attack, and cut off from some of the
hosts; a daemon is killed and frozen, and so is a whole host with all of its processes. NUMBERS says
how many attempts there are on each host: 400 on all, at most, which takes six minutes.
tests/soak/fleet_steps.t stops single processes, at each of their steps.
"""
import contextlib
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts import setup_passwords
from host.checked import REACHED, reached
from host.files import write
from host.fleet_hosts import Fleet
from host.pam_stacks import wire_auth
from host.relay import Relay
from host.store import Server
from host.syslog import syslog
from host.tap import tap
from host.waiting import wait_until

POLICY = "default { max_attempts = 3  fleet_attempts = 3  fleet_fallback = 1 }\n"
NUMBERS = [int(number) for number in os.environ.get("NUMBERS", "7 34 134").split()]
HOSTS, LIMIT, STORE_DIRECTORY = 3, 3, "/tmp/store"
DELAY = "/run/delay"
CHECK = f"#!/bin/sh\necho \"$PAM_USER\" >>{REACHED}\nread -r delay <{DELAY}\nsleep $delay\n"
CHECK_LINE = "auth [default=ignore] pam_exec.so quiet seteuid /root/check"
DELAYS = ["0", "0.02", "0.1"]
NAMES = "frozen thawed lost cut healed blocked fine dead late stopped gone awake unheard".split()
CROWD = [f"{kind}{n}x{i}" for kind in ("prey", "crowd") for n in NUMBERS
         for i in range(len(DELAYS))]


def counted(host, name):
    """(failures, in flight) of this user in the store, as this host is told."""
    found = json.loads(host.do("tmoutctl", "attempts", "--fleet", name, "--json")[1])
    return found["failures"], found["in_flight"]


def many_at_once():
    """wrong and right passwords in large numbers, with checks of several lengths"""
    for number in NUMBERS:
        for i, delay in enumerate(DELAYS):
            write(DELAY, delay + "\n")
            inside = FLEET.everywhere("try_all", f"prey{number}x{i}",
                                      [f"guess{n}" for n in range(number)])
            tap.equal((sum(map(sum, inside)), reached(f"prey{number}x{i}")), (0, 3),
                      f"{number * HOSTS} wrong, checks of {delay} s: three are checked")
            mark = syslog.mark()
            inside = FLEET.everywhere("try_all", f"crowd{number}x{i}", ["right"] * number)
            tap.equal(sum(map(sum, inside)), number * HOSTS,
                      f"{number * HOSTS} right, checks of {delay} s: all get in") or \
                tap.note(*syslog.since(mark, "reject|away|late|timeout|fatal|error")[:40])


def the_store_is_frozen():
    """the store is stopped, and goes on"""
    STORE.process.send_signal(signal.SIGSTOP)
    FLEET.everywhere("try_all", "frozen", [f"guess{n}" for n in range(4)])
    tap.equal(reached("frozen"), HOSTS, "each host checks one wrong password")
    FLEET.everywhere("await_away")
    STORE.process.send_signal(signal.SIGCONT)
    FLEET.everywhere("await_store")
    before = reached("frozen")
    inside = FLEET.everywhere("try_each", {"frozen": ["right"], "thawed": ["right"]})
    tap.equal(inside, [{"frozen": [False], "thawed": [True]}] * HOSTS,
              "all that failed is known to all")
    tap.equal(reached("frozen"), before, "no password is checked")


def the_store_is_lost_under_attack():
    """the store is killed while passwords are tried, and comes back empty"""
    FLEET.everywhere("try_all", "lost", ["guess"])
    for host in FLEET.hosts:
        host.tell("try_all", "lost", [f"guess{n}" for n in range(6)])
    STORE.stop()
    STORE.start()
    for host in FLEET.hosts:
        host.answer()
    tap.equal(reached("lost"), HOSTS, "three were checked before, and none after")
    FLEET.everywhere("await_store")


def hosts_are_cut_off():
    """one host is cut off from the store, one gets no answers, and both come back"""
    RELAYS[0].cut()
    RELAYS[1].block()
    FLEET.hosts[0].do("await_away")
    FLEET.everywhere("try_all", "cut", [f"guess{n}" for n in range(6)])
    tap.equal(reached("cut"), 5, "three at the store, and one on each host that is cut off")
    FLEET.hosts[1].do("await_away")
    RELAYS[0].heal()
    RELAYS[1].unblock()
    for host in FLEET.hosts[:2]:
        host.do("await_store")
    inside = FLEET.everywhere("try_each", {"cut": ["right"], "healed": ["right"]})
    tap.equal(inside, [{"cut": [False], "healed": [True]}] * HOSTS, "the count is one again")
    tap.equal(reached("cut"), 5, "no password is checked")


def answers_are_lost():
    """the store admits an attempt, and does not reach its host for longer than a lease"""
    one, other, _ = FLEET.hosts
    RELAYS[0].lose_answers()
    one.do("try_all", "unheard", ["guess"])
    tap.equal(reached("unheard"), 1, "the host admits it alone")
    wait_until(lambda: counted(other, "unheard") == (1, 0))
    RELAYS[0].unblock()
    one.do("await_store")
    tap.equal(counted(other, "unheard"), (1, 0), "it counts once")


def the_daemon_is_away():
    """one host's daemon is killed, then frozen"""
    host = FLEET.hosts[0]
    host.do("stop_daemon")
    host.do("try_all", "dead", [f"guess{n}" for n in range(5)])
    tap.equal(reached("dead"), 1, "without it, fleet_fallback applies")
    host.do("start_daemon")
    host.do("freeze_daemon")
    host.do("try_all", "late", [f"guess{n}" for n in range(5)])
    tap.equal(reached("late"), 1, "if it does not answer, too")
    host.do("start_daemon")
    tap.equal(host.do("try_all", "fine", ["right"]), [True], "it is used again")


def signal_host(host, number):
    """To all processes in the host's mount namespace, those that they start meanwhile, too."""
    def namespace(pid):
        with contextlib.suppress(OSError):
            return os.readlink(f"/proc/{pid}/ns/mnt")
        return None

    told, its_own = set(), namespace(host.process.pid)
    while more := {pid for pid in os.listdir("/proc") if pid.isdigit() and pid not in told and
                   namespace(pid) == its_own}:
        told |= more
        for pid in more:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), number)


def attack_with_one_stopped(name, number):
    """Six guesses on each host; the last host is sent the signal during its first check."""
    *others, last = FLEET.hosts
    last.tell("try_all", name, [f"guess{n}" for n in range(6)])
    wait_until(lambda: reached(name) > 0)
    signal_host(last, number)
    for host in others:
        host.tell("try_each", {name: [f"guess{n}" for n in range(6)], "awake": ["right"] * 4})
    for host in others:
        tap.equal(host.answer(), {name: [False] * 6, "awake": [True] * 4},
                  "right passwords get in on the others")
    # Some stop between their admission and the check: their leases end, as failures.
    tap.ok(reached(name) <= LIMIT, "no more are checked than three, there and elsewhere",
           reached(name))


def a_host_is_frozen():
    """all processes of a host are stopped during a check, and go on later"""
    write(DELAY, "0.5\n")
    attack_with_one_stopped("stopped", signal.SIGSTOP)
    last = FLEET.hosts[-1]
    signal_host(last, signal.SIGCONT)
    tap.equal(last.answer(), [False] * 6, "it goes on")
    tap.ok(reached("stopped") <= LIMIT, "not even then are more than three checked",
           reached("stopped"))
    wait_until(lambda: counted(FLEET.hosts[0], "stopped") == (reached("stopped"), 0),
               "the store counts something else than what was checked")
    tap.ok(True, "each password that was checked counts, and nothing else")
    tap.equal(last.do("try_all", "awake", ["right"]), [True], "others get in there")


def a_host_dies():
    """all processes of a host are killed during a check"""
    attack_with_one_stopped("gone", signal.SIGKILL)
    tap.equal(counted(FLEET.hosts[0], "gone"), (LIMIT, 0), "what it had been admitted has failed")


setup_passwords(POLICY, "", ["sshd"], {name: "right" for name in NAMES + CROWD})
write("/root/check", CHECK, 0o755)
write(REACHED, "", 0o666)
write(DELAY, "0.05\n")
wire_auth("sshd", CHECK_LINE)
os.makedirs(STORE_DIRECTORY)
STORE = Server(directory=STORE_DIRECTORY)
RELAYS = [Relay(f"{STORE_DIRECTORY}/relay{number}", STORE.path) for number in range(HOSTS)]
FLEET = Fleet([relay.path for relay in RELAYS], "hold = 2s\ntimeout = 1s\n")
tap.run(many_at_once, the_store_is_frozen, the_store_is_lost_under_attack, hosts_are_cut_off,
        answers_are_lost, the_daemon_is_away, a_host_is_frozen, a_host_dies)
