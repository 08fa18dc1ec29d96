#!/usr/bin/python3
"""Hosts of a fleet, as namespaces within the throw-away host: each with a network, a state
directory, an sshd and a tmout-fleetd of its own. This program is started in each of them, and
is told on its standard input what to do.
"""
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

if __name__ == "__main__":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts import lets_in, state
from host.commands import must, run
from host.files import write
from host.fleet import Daemon
from host.sshd import Sshd

STORE_REACHED = "the store is reached"
UNLOCK_KEY = "/etc/security/tmout-fleet-unlock.key"


class Agent:
    """Runs in a host, and does what it is told."""

    def __init__(self, number, endpoint, conf):
        self.port = 2200 + number
        for directory in "/var/lib/tmout", "/run/tmout":
            os.makedirs(directory, exist_ok=True)
            must("mount", "-t", "tmpfs", "-o", "mode=755", "host", directory)
        must("ip", "link", "set", "lo", "up")
        must("tmoutctl", "apply")
        self.daemon = Daemon("/run/tmout", f"host{number}", endpoint, conf)
        os.symlink(self.daemon.socket_path, "/run/tmout/fleet.sock")
        self.mark = 0
        self.await_store()
        Sshd(port=self.port).start("PasswordAuthentication yes\n")

    def await_store(self):
        """Until the daemon has reached it, once more."""
        self.daemon.log.wait(STORE_REACHED, self.mark)
        self.mark = self.daemon.log.mark()

    def try_all(self, name, passwords):
        """Logs in with all of these at once."""
        return self.try_each({name: passwords})[name]

    def try_each(self, passwords_of):
        """Logs all of them in at once, with all of their passwords."""
        with ThreadPoolExecutor(sum(map(len, passwords_of.values()))) as pool:
            tries = {name: [pool.submit(lets_in, name, text, port=self.port) for text in passwords]
                     for name, passwords in passwords_of.items()}
            return {name: [attempt.result() for attempt in found]
                    for name, found in tries.items()}

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

    def tmoutctl(self, *arguments):
        """Its exit status, what it printed, and its messages."""
        done = run("tmoutctl", *arguments)
        return done.returncode, done.stdout, done.stderr

    def use_unlock_key(self, text):
        """A file of this host's own in the place of the one that all hosts have."""
        write("/run/tmout/key", text, 0o600)
        must("mount", "--bind", "/run/tmout/key", UNLOCK_KEY)

    def count(self, name):
        return state(name)

    def serve(self):
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            print(json.dumps(getattr(self, what)(*arguments)), flush=True)


class Host:
    """An agent, seen from outside."""

    def __init__(self, number, endpoint, conf, network):
        self.process = subprocess.Popen(
            ["unshare", "--mount", *network, "--propagation", "private", sys.executable,
             os.path.realpath(__file__), str(number), endpoint, conf],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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


class Fleet:
    """Several hosts, each with a network of its own, unless the store can be reached over that of
    the test only."""

    def __init__(self, endpoints, conf, network=("--net",), first=0):
        # For tmoutctl. The daemons have files of their own, as each has its own name.
        write("/etc/security/tmout-fleet.conf", f'endpoints = {{"{endpoints[0]}"}}\n{conf}', 0o600)
        self.hosts = [Host(number, endpoint, conf, network) for number, endpoint in enumerate(endpoints, first)]
        for host in self.hosts:
            host.answer()

    def everywhere(self, what, *arguments):
        """The same on all hosts at once."""
        for host in self.hosts:
            host.tell(what, *arguments)
        return [host.answer() for host in self.hosts]


if __name__ == "__main__":
    Agent(int(sys.argv[1]), sys.argv[2], sys.argv[3]).serve()
