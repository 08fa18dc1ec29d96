"""Idle ssh sessions of every kind. The tests try each under one layer that ends
idle sessions, on a throw-away host and on a booted one.

    Situations(command, programs, directory).play(situation, name, ...)
"""

import signal
import subprocess
import threading

from host.terminal import Terminal
from host.waiting import GUARD_SEC, Stuck, wait_until

# SSH_FXP_INIT, version 3, which a server answers.
SFTP_HELLO = b"\0\0\0\5\1\0\0\0\3"

READY = "echo rea''dy"  # quoted, so that the echo of the command does not match SIGN
SIGN = r"ready\r*\n"


class Situations:
    """`command(name, *arguments, options)` is the command line of an ssh client,
    `programs(name)` lists a user's programs on the host, and `directory` is
    for sockets."""

    def __init__(self, command, programs, directory):
        self.command = command
        self.programs = programs
        self.directory = directory

    def play(self, situation, name, options, enter, within_sec):
        """Whether this user's session, left alone, "ends" or "stays" in that time,
        as in layers.json. enter() is called once it has started."""
        return getattr(self, situation)(name, options, enter, within_sec)

    @staticmethod
    def word(ended):
        return "ends" if ended else "stays"

    # --- at a terminal ---

    def terminal(self, name, options):
        return Terminal(self.command(name, options=["RequestTTY=force", *options]))

    def prompt(self, name, options, enter, within_sec):
        with self.terminal(name, options) as session:
            session.ask("$HOME")
            enter()
            return self.word(session.ended_within(within_sec))

    def busy(self, line, name, options, enter, within_sec):
        with self.terminal(name, options) as session:
            session.type(line)
            session.wait(SIGN)
            enter()
            return self.word(session.ended_within(within_sec))

    def quiet(self, *situation):
        return self.busy(f"{READY}; exec sleep 1000", *situation)

    def output(self, *situation):
        return self.busy(f"while :; do {READY}; sleep 0.5; done", *situation)

    def dead(self, name, options, enter, within_sec):
        """The user's machine crashes: the client is stopped. Its programs on the
        host show whether the session was ended."""
        with self.terminal(name, options) as session:
            session.type(f"{READY}; exec sleep 1000")
            session.wait(SIGN)
            wait_until(lambda: "sleep" in self.programs(name))
            session.process.send_signal(signal.SIGSTOP)
            enter()
            over = threading.Event()
            for _ in range(5 * within_sec):
                if "sleep" not in self.programs(name):
                    return "ends"
                over.wait(0.2)
            return "stays"

    def shared(self, name, options, enter, within_sec):
        """The second session of a connection is at its prompt while the first is
        busy. "ends both" means that the whole connection was ended."""
        path = f"ControlPath={self.directory}/{name}"
        command = self.command(name, "while read -r line; do echo $line; done",
                               options=[*options, "ControlMaster=yes", path])
        first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        over = threading.Event()

        def is_alive():
            try:
                first.stdin.write("busy\n")
                first.stdin.flush()
            except BrokenPipeError:
                return False
            return first.stdout.readline() == "busy\n"

        def work():
            while not over.wait(0.5) and is_alive():
                pass

        try:
            if not is_alive():
                raise Stuck(f"{name} could not log in")
            busy = threading.Thread(target=work)
            busy.start()
            with self.terminal(name, [*options, "ControlMaster=no", path]) as second:
                second.ask("$HOME")
                enter()
                ended = second.ended_within(within_sec)
            over.set()
            busy.join()
            return "ends both" if ended and not is_alive() else self.word(ended)
        finally:
            over.set()
            first.kill()
            first.wait()

    # --- without a terminal ---

    def sftp_command(self, name, options):
        command = self.command(name, options=["RequestTTY=no", *options])
        return [*command[:-1], "-s", command[-1], "sftp"]

    def sftp(self, name, options, enter, within_sec):
        client = subprocess.Popen(self.sftp_command(name, options), stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def begins():
            client.stdin.write(SFTP_HELLO)
            client.stdin.flush()
            return len(client.stdout.read(4)) == 4

        return self._client_ends(client, begins, enter, within_sec)

    def tunnel(self, name, options, enter, within_sec):
        forward = f"LocalForward={self.directory}/{name} 127.0.0.1:9"
        client = subprocess.Popen(
            self.command(name, options=[*options, "SessionType=none", forward]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self._client_ends(client, lambda: wait_until(lambda: self.programs(name)), enter,
                                 within_sec)

    @staticmethod
    def _client_ends(client, begins, enter, within_sec):
        try:
            if not begins() or client.poll() is not None:
                raise Stuck("the client could not log in")
            enter()
            client.wait(within_sec)
            return "ends"
        except subprocess.TimeoutExpired:
            return "stays"
        finally:
            client.kill()
            client.wait()


class Table:
    """The table in layers.json; its cells are tried in parallel."""

    def __init__(self, rows, situations, stays_sec, at_a_time=4):
        self.rows = rows
        self.situations = situations
        self.stays_sec = stays_sec
        # Logging in needs the processor, waiting does not.
        self.door = threading.Semaphore(at_a_time)

    def expected(self, layer, situation):
        return self.rows[layer]["cells"][situation]

    def cell(self, layer, situation, options=(), name=None):
        """What happens to the session of the user who is named after the cell."""
        inside = [True]

        def enter():
            if inside:
                inside.pop()
                self.door.release()

        within_sec = self.stays_sec if self.expected(layer, situation) == "stays" else GUARD_SEC
        self.door.acquire()
        try:
            return self.situations.play(situation, name or f"{layer}-{situation}", list(options),
                                        enter, within_sec)
        finally:
            enter()
