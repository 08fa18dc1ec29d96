"""A store for a fleet: a real redis-server or valkey-server of the test's own, and a
connection to it."""

import os
import re
import shutil
import socket
import subprocess
import tempfile

from host.waiting import Stuck, wait_until


class Refused(Exception):
    """The store answered with an error."""


def server_program():
    """valkey-server or redis-server; STORE_SERVER names another one."""
    for name in (os.environ.get("STORE_SERVER"), "valkey-server", "redis-server"):
        if name and (path := shutil.which(name, path=os.environ["PATH"] + ":/usr/bin")):
            return path
    raise RuntimeError("neither valkey-server nor redis-server is installed: "
                       "packaging/install-dependencies check")


class Connection:
    """Commands and answers of RESP2, one after the other."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def call(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self._answer()

    def _answer(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the store closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode("latin-1")
        if kind == b"*":
            answers, error = [], None
            for _ in range(int(rest)):
                try:
                    answers.append(self._answer())
                except Refused as refused:
                    error = refused
            if error:
                raise error
            return answers
        return rest.decode()

    def close(self):
        self.file.close()
        self.socket.close()


class Monitor:
    """The commands that a server gets, as they come."""

    def __init__(self, path):
        self.connection = Connection(path)
        self.connection.call("MONITOR")

    def wait(self, pattern):
        """The next command that matches."""
        for line in self.connection.file:
            if re.search(pattern, line.decode("latin-1")):
                return line
        raise ConnectionError("the store closed the connection")

    def close(self):
        self.connection.close()


class Server:
    """A server that keeps nothing on disk, in a directory of its own."""

    def __init__(self, *options, directory=None):
        self.directory = directory or tempfile.mkdtemp(prefix="tmout-store-")
        self.path = self.directory + "/socket"
        self.options = options
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [server_program(), "--port", "0", "--unixsocket", self.path, "--unixsocketperm", "700",
             "--save", "", "--appendonly", "no", "--dir", self.directory, *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, "the store does not start")

    def _answers(self):
        if self.process.poll() is not None:
            raise Stuck(f"{server_program()} ended with status {self.process.returncode}")
        try:
            connection = Connection(self.path)
            connection.call("PING")
            connection.close()
            return True
        except (OSError, Refused):
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory)
