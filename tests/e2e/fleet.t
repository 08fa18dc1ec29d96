#!/usr/bin/python3
"""Login attempts on three hosts that share a store: real sshd, each with a network, a state
directory and a tmout-fleetd of its own, and one real store.

The hosts are namespaces within the throw-away host: this program starts itself again in each
(`fleet.t host NUMBER`), and tells it what to do on its standard input.
"""
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts import Pam, lets_in, setup_passwords, state, su
from host.commands import must
from host.files import read, write
from host.fleet import Daemon
from host.pam_stacks import stack, wire_auth
from host.product import fresh, unlock
from host.sshd import Sshd
from host.store import Server
from host.syslog import syslog
from host.tap import tap

POLICY = """
default      { max_attempts = 3  fleet_attempts = 3  fleet_fallback = 1 }
user "solo"  { fleet_attempts = none }
user "none"  { fleet_fallback = 0 }
"""
PEOPLE = {name: "right" for name in "prey solo crowd cut fine none dead late mal".split()}
HOSTS, STORE_DIRECTORY = 3, "/tmp/store"
REACHED = "/run/reached"
CHECK = f"#!/bin/sh\necho \"$PAM_USER\" >>{REACHED}\nsleep 0.05\n"
CHECK_LINE = "auth [default=ignore] pam_exec.so quiet seteuid /root/check"
STORE_REACHED = "the store is reached"
MARK = "/traced"


# --- one host ----------------------------------------------------------------------------

class Agent:
    """Runs in a host, and does what it is told."""

    def __init__(self, number):
        self.port = 2200 + number
        for directory in "/var/lib/tmout", "/run/tmout":
            os.makedirs(directory, exist_ok=True)
            must("mount", "-t", "tmpfs", "-o", "mode=755", "host", directory)
        must("ip", "link", "set", "lo", "up")
        must("tmoutctl", "apply")
        self.daemon = Daemon("/run/tmout", f"host{number}", STORE_DIRECTORY + "/socket",
                             "hold = 1s\n")
        os.symlink(self.daemon.socket_path, "/run/tmout/fleet.sock")
        self.mark = 0
        self.await_store()
        Sshd(port=self.port).start("PasswordAuthentication yes\n")

    def await_store(self):
        self.daemon.log.wait(STORE_REACHED, self.mark)
        self.mark = self.daemon.log.mark()

    def try_all(self, name, passwords):
        """Logs in with all of these at once."""
        with ThreadPoolExecutor(len(passwords)) as pool:
            return list(pool.map(lambda text: lets_in(name, text, port=self.port), passwords))

    def await_away(self):
        self.daemon.log.wait("the store is away", self.mark)

    def stop_daemon(self):
        self.daemon.kill()

    def freeze_daemon(self):
        self.daemon.process.send_signal(19)

    def start_daemon(self):
        self.daemon.kill()
        self.mark = self.daemon.log.mark()
        self.daemon.start()
        self.await_store()

    def count(self, name):
        return state(name)

    def serve(self):
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            print(json.dumps(getattr(self, what)(*arguments)), flush=True)


class Host:
    """An agent, seen from outside."""

    def __init__(self, number):
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", sys.executable,
             os.path.realpath(__file__), "host", str(number)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a host's agent ended")
        return json.loads(line)

    def tell(self, what, *arguments):
        print(json.dumps([what, *arguments]), file=self.process.stdin, flush=True)

    def do(self, what, *arguments):
        self.tell(what, *arguments)
        return self.answer()


def everywhere(what, *arguments):
    """The same on all hosts at once."""
    for host in HOST:
        host.tell(what, *arguments)
    return [host.answer() for host in HOST]


# --- scenarios -----------------------------------------------------------------------------

def reached(name):
    """How many passwords of this user were checked, on all hosts."""
    return read(REACHED).split().count(name)


def guesses_are_bounded():
    """thirty wrong passwords on three hosts at once"""
    mark = syslog.mark()
    inside = everywhere("try_all", "prey", [f"guess{n}" for n in range(10)])
    tap.equal(sum(map(sum, inside)), 0, "nobody gets in")
    tap.equal(reached("prey"), 3, "three are checked")
    everywhere("try_all", "solo", [f"guess{n}" for n in range(10)])
    tap.equal(reached("solo"), 9, "nine of a user whose attempts are not shared")
    rejected = syslog.settled(mark, "rejected: locked on all hosts of the fleet .*user=prey ")
    tap.ok(rejected, "the log says that it was the fleet")
    tap.matches(rejected[0], "failures=3 max_attempts=3 fleet_attempts=3 unlock_in=(9m|10m)",
                "... and for how long")
    counted = everywhere("count", "prey")
    tap.equal(sum(failures for failures, _ in counted), 3,
              "a host charges nobody for what the fleet has rejected")


def right_ones_get_in():
    """thirty right passwords on three hosts at once"""
    inside = everywhere("try_all", "crowd", ["right"] * 10)
    tap.equal(inside, [[True] * 10] * HOSTS, "all get in")


def the_store_is_away():
    """the store is killed, and comes back empty"""
    mark = syslog.mark()
    STORE.stop()
    everywhere("await_away")
    everywhere("try_all", "cut", [f"guess{n}" for n in range(5)])
    tap.equal(reached("cut"), HOSTS, "each host checks fleet_fallback wrong passwords, which is one")
    tap.equal(everywhere("try_all", "fine", ["right"] * 4), [[True] * 4] * HOSTS,
              "right ones get in, one after the other")
    tap.equal(everywhere("try_all", "none", ["right"]), [[False]] * HOSTS,
              "with fleet_fallback = 0, nobody does")
    tap.equal(su("mal", "fine", "right").returncode, 0, "su does not need the store")
    lines = syslog.settled(mark, "rejected: the fleet cannot be reached .*user=cut ")
    tap.ok(len(lines) == 12, "the log has a line for each that was rejected", *lines)
    STORE.start()
    everywhere("await_store")
    before = reached("cut")
    tap.equal(everywhere("try_all", "cut", ["right"]), [[False]] * HOSTS,
              "what failed meanwhile is known to all when it is back")
    tap.equal(reached("cut"), before, "no password is checked")
    tap.equal(everywhere("try_all", "none", ["right"]), [[True]] * HOSTS, "others get in again")


def the_daemon_is_away():
    """one host's daemon is killed, then frozen"""
    host = HOST[0]
    host.do("stop_daemon")
    host.do("try_all", "dead", [f"guess{n}" for n in range(5)])
    tap.equal(reached("dead"), 1, "without it, fleet_fallback applies")
    host.do("start_daemon")
    host.do("freeze_daemon")
    host.do("try_all", "late", [f"guess{n}" for n in range(5)])
    tap.equal(reached("late"), 1, "if it does not answer, too")
    host.do("start_daemon")
    tap.equal(host.do("try_all", "fine", ["right"]), [True], "it is used again")


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
    unlock("solo")
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
if sys.argv[1:2] == ["host"]:
    Agent(int(sys.argv[2])).serve()
    sys.exit(0)

setup_passwords(POLICY, "", ["sshd", "su"], PEOPLE)
write("/root/check", CHECK, 0o755)
write(REACHED, "", 0o666)
wire_auth("sshd", CHECK_LINE)
os.makedirs(STORE_DIRECTORY)
STORE = Server(directory=STORE_DIRECTORY)
HOST = [Host(number) for number in range(HOSTS)]
tap.run(guesses_are_bounded, right_ones_get_in, the_store_is_away, the_daemon_is_away,
        off_costs_nothing)
