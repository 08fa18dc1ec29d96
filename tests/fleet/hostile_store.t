#!/usr/bin/python3
"""tmout-fleetd with a store that lies: whatever it answers, and to whichever command, the daemon
lives, stays small, answers whoever asks it, and admits nobody."""
import os
import shutil
import socket
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.fleet import CLEAR, HOSTS_OF, LOOK, STATUS_OF, Daemon, Question
from host.files import read
from host.tap import tap

CONF = "hold = 0s\ntimeout = 1s\n"
MEMORY_MAX_KB = 32 * 1024
ROWS_AT_ONCE = 4
NOW = b":1700000000000\r\n"
SHA = b"$40\r\n" + b"a" * 40 + b"\r\n"
INFO = b"run_id:abc\r\nrole:master\r\nconnected_slaves:0\r\n"


def numbers(*values):
    return b"*%d\r\n" % len(values) + b"".join(b":%d\r\n" % value for value in values)


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


def admitted(now=1700000000000):
    return numbers(0, 0, 1, 0, now, 1, 0)


LOCKED = numbers(2, 3, 0, 1000, 1700000000000, 1, 1699999999000)
GOOD = {"INFO": bulk(INFO), "TIME": b"*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n", "SCRIPT": SHA,
        "CONFIG": b"-NOPERM\r\n", "HGET": b"-NOPERM\r\n", "trial": numbers(5, 0, 0, 0, 1700000000000, 0, 0),
        "admit": b"-ERR no\r\n", "announce": b"*1\r\n" + NOW, "look": b"*2\r\n" + NOW + b":0\r\n", "forget": numbers(1700000000000, 0, 0)}


class Endless:
    """Sent after its beginning, for as long as the daemon takes it."""

    def __init__(self, beginning, more):
        self.beginning, self.more = beginning, more


# No answers, each of them to any command.
LIES = {
    "nothing, and silence": b"",
    "garbage": b"\0\xff\r\n\r\n$$**",
    "an error": b"-\r\n",
    "an error of a megabyte": b"-" + b"e" * 1000000 + b"\r\n",
    "a status": b"+OK\r\n",
    "nil": b"$-1\r\n",
    "no array": b"*-1\r\n",
    "an empty array": b"*0\r\n",
    "an empty text": bulk(b""),
    "a text with NUL": bulk(b"\0" * 40),
    "a long text": bulk(b"x" * 100000),
    "a text of format directives": bulk(b"%s%n" * 10),
    "a text of a negative length": b"$-2147483648\r\n",
    "a text of 2^63 bytes": b"$9223372036854775807\r\n",
    "a text that never ends": Endless(b"$2000000000\r\n", b"x" * 65536),
    "a status that never ends": Endless(b"+", b"x" * 65536),
    "a number of its own": b":0\r\n",
    "2^63": b":9223372036854775808\r\n",
    "no number": b":nan\r\n",
    "an array of a negative length": b"*-2147483648\r\n",
    "an array of 2^31 elements": b"*2147483647\r\n",
    "an array that never ends": Endless(b"*100000000\r\n", b":1\r\n" * 16384),
    "answers that nobody asked for": LOCKED * 50,
    "answers without an end": Endless(b"", LOCKED * 1000),
    "arrays in arrays": b"*1\r\n" * 6 + NOW,
    "arrays in arrays without an end": b"*1\r\n" * 5000,
    "many empty arrays": b"*100\r\n" + b"*0\r\n" * 100,
    "six numbers": numbers(0, 0, 1, 0, 1, 1),
    "eight numbers": numbers(0, 0, 1, 0, 1, 1, 0, 0),
    "seven texts": b"*7\r\n" + bulk(b"0") * 7,
    "seven nils": b"*7\r\n" + b"$-1\r\n" * 7,
    "an unknown status": numbers(99, 0, 1, 0, 1, 1, 0),
    "a negative status": numbers(-1, 0, 1, 0, 1, 1, 0),
    "too many failures": numbers(0, 65, 1, 0, 1, 1, 0),
    "numbers of 2^63 - 1": numbers(*[2 ** 63 - 1] * 7),
    "numbers of -2^63": numbers(*[-2 ** 63] * 7),
    "a negative time": numbers(0, 0, 1, 0, -1, 1, 0),
    "locked until -2": numbers(2, 0, 0, -2, 1, 1, 0),
    "locked for 2^62 ms": numbers(2, 0, 0, 2 ** 62, 1, 1, 1),
    "locked since -1": numbers(2, 0, 0, 5, 1, 1, -1),
    "RESP3": b"%1\r\n+a\r\n+b\r\n,nan\r\n_\r\n#t\r\n>1\r\n+x\r\n",
    "nothing, and the end": None,
}

REDIRECTIONS = {
    "moved nowhere": b"-MOVED \r\n",
    "moved to no slot": b"-MOVED 127.0.0.1:1\r\n",
    "moved to a port that is closed": b"-MOVED 1 127.0.0.1:1\r\n",
    "moved to no port": b"-MOVED 1 127.0.0.1\r\n-MOVED 1 127.0.0.1:\r\n",
    "moved to a port of 2^64": b"-MOVED 1 127.0.0.1:18446744073709551617\r\n",
    "moved to a port and more": b"-MOVED 1 127.0.0.1:1 2\r\n",
    "moved to IPv6": b"-MOVED 1 ::1:1\r\n",
    "moved beyond loopback": b"-MOVED 1 2001:db8::1:1\r\n",
    "moved to a name": b"-MOVED 1 localhost:1\r\n",
    "moved to a megabyte": b"-MOVED 1 " + b"1" * 1000000 + b":1\r\n",
    "moved to format directives": b"-MOVED 1 %s%n%s%n:1\r\n",
    "asked somewhere else": b"-ASK 1 127.0.0.1:1\r\n",
    "asked nowhere": b"-ASK \r\n",
}

# Beyond these: what only one command's answer can have.
SPECIAL = {
    "INFO": {"no role": bulk(b"role"), "a long role": bulk(b"role:" + b"m" * 100000),
             "run ids of all sorts": bulk(b"role:master\r\nrun_id:\r\nrun_id:x y\r\n")},
    "TIME": {"times that overflow": b"*2\r\n" + bulk(b"9" * 30) + bulk(b"-" + b"9" * 30),
             "texts that are no times": b"*2\r\n" + bulk(b"") + bulk(b"nan")},
    "SCRIPT": {"a long hash": bulk(b"a" * 64), "NOSCRIPT": b"-NOSCRIPT\r\n"},
    "trial": REDIRECTIONS,
    "admit": {"NOSCRIPT, always": b"-NOSCRIPT\r\n", **REDIRECTIONS},
    "announce": {"hosts with odd names": b"*4\r\n" + NOW +
                 b"*3\r\n" + bulk(b"h" * 72) + b":0\r\n" + bulk(b"0") +
                 b"*3\r\n" + bulk(b"\x1b[31m") + b":0\r\n" + bulk(b"0") +
                 b"*3\r\n" + bulk(b"h") + b":-1\r\n" + bulk(b"zz"),
                 "more hosts than there are": b"*5000\r\n" + NOW +
                 (b"*3\r\n" + bulk(b"h") + b":0\r\n" + bulk(b"0")) * 4999},
    "look": {"more counts than there are": b"*5000\r\n" + NOW + b":0\r\n" +
             (b"*5\r\n" + bulk(b"n") + b":1\r\n:0\r\n:0\r\n*0\r\n") * 4998,
             "counts of all sorts": b"*4\r\n" + NOW + b":-2\r\n" +
             b"*5\r\n" + bulk(b"n" * 24) + b":65\r\n:-1\r\n:-2\r\n:1\r\n" +
             b"*5\r\n" + b"$-1\r\n" * 5},
}
QUESTIONS = {"announce": HOSTS_OF, "look": LOOK, "forget": CLEAR}


class Liar:
    """A server that answers one command with a lie, and all others as a store would."""

    def __init__(self, path, about, lie):
        self.about, self.lie, self.lied = about, lie, threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection, connection.makefile("rb") as commands:
                while line := commands.readline():
                    words = [commands.read(int(commands.readline()[1:]) + 2)[:-2]
                             for _ in range(int(line[1:]))]
                    self.answer(connection, words)
        except OSError:
            pass  # the daemon has had enough

    def answer(self, connection, words):
        command = words[0].decode()
        if command == "EVALSHA":
            command = words[4].decode()
        if command in ("probe", "began"):  # like the trial, but after that
            command = "trial"
        if command != self.about:
            connection.sendall(GOOD.get(command, b""))
            return
        self.lied.set()
        if self.lie is None:
            raise ConnectionError
        if not isinstance(self.lie, Endless):
            connection.sendall(self.lie)
            return
        connection.sendall(self.lie.beginning)
        while True:
            connection.sendall(self.lie.more)


def memory_kb(pid):
    return int(read(f"/proc/{pid}/status").split("VmHWM:")[1].split()[0])


def survives(number, about, lie):
    """What is wrong with the daemon after this answer to this command, or "" """
    name = f"h{number}"
    liar = Liar(f"{DIRECTORY}/{name}.store", about, lie)
    daemon = Daemon(DIRECTORY, name, f"{DIRECTORY}/{name}.store", CONF)
    faults = []
    daemon.log.wait("the store is (reached|away)")
    if about in QUESTIONS:
        Question(daemon, QUESTIONS[about])
    statuses = [daemon.try_once() for _ in range(2)]
    liar.lied.wait()
    if "admitted" in statuses:
        faults.append("it admits")
    if daemon.process.poll() is not None:
        return f"it ended with {daemon.process.returncode}"
    if not Question(daemon, STATUS_OF).state()["host"] == name:
        faults.append("it tells nothing of itself")
    if (used := memory_kb(daemon.process.pid)) > MEMORY_MAX_KB:
        faults.append(f"it takes {used} kB")
    if daemon.stop() != 0:
        faults.append("it does not end as it should")
    return ", ".join(faults)


def try_lie(number, about, name, lie):
    def scenario():
        found = survives(number, about, lie)
        tap.ok(found == "", f"{name}, to {about}", found)
    scenario.__doc__ = f"{about}: {name}"
    return scenario


def rows():
    """Each lie to each command that is sent here."""
    number = 0
    for about in GOOD:
        for name, lie in {**LIES, **SPECIAL.get(about, {})}.items():
            yield try_lie(number, about, name, lie)
            number += 1


def tells_the_truth():
    """the same server with an answer that admits"""
    Liar(DIRECTORY + "/truth.store", "admit", admitted())
    daemon = Daemon(DIRECTORY, "truth", DIRECTORY + "/truth.store", CONF)
    daemon.log.wait("the store is reached")
    tap.equal(daemon.try_once(), "admitted", "a good answer admits")
    daemon.stop()


def says_what_is_wrong():
    """the log, where the answer is too large"""
    Liar(DIRECTORY + "/large.store", "TIME", LIES["an array of 2^31 elements"])
    daemon = Daemon(DIRECTORY, "large", DIRECTORY + "/large.store", CONF)
    tap.matches(daemon.log.wait("the store is away"), "what it sends is no answer, or too large",
                "it says so")
    daemon.stop()


DIRECTORY = tempfile.mkdtemp(prefix="tmout-liar-", dir="/tmp")
tap.in_parallel([tells_the_truth, says_what_is_wrong, *rows()], ROWS_AT_ONCE)
shutil.rmtree(DIRECTORY)
tap.end()
