"""The host's system log: what was logged, and lines to wait for."""

import contextlib
import os
import re
import socket
import threading
import time

from host.waiting import Log


class Syslog(Log):
    """Receives what is sent to /dev/log, as lines like `err sshd[7]: TEXT`."""

    SEVERITIES = "emerg alert crit err warning notice info debug".split()

    def __init__(self):
        super().__init__()
        self.socket = None
        self.is_read = threading.Event()
        self.is_read.set()

    def start(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        while True:
            self.is_read.wait()
            text = self.socket.recv(65536).decode(errors="replace").rstrip("\n\0")
            priority, rest = re.match(r"(?s)<(\d+)>(.*)", text).groups()
            rest = re.sub(r"^\w{3} [ \d]\d [\d:]{8} ", "", rest)
            self.add(f"{self.SEVERITIES[int(priority) % 8]} {rest}")

    @contextlib.contextmanager
    def unread(self):
        """Nobody reads the log, and there is no room left in its socket."""
        self.is_read.clear()
        with contextlib.ExitStack() as senders:
            try:
                # The buffer of one may be smaller than the queue, and one of the lines
                # may still be read.
                sent = full = 0
                while full < 2:
                    sender = senders.enter_context(
                        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
                    sender.connect("/dev/log")
                    sender.setblocking(False)
                    before = sent
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            sender.send(b"<7>flood")
                            sent += 1
                    full += sent == before
                yield
            finally:
                self.is_read.set()

    def settled(self, mark, pattern=""):
        """Like since(), but waits for everything that was sent before the call."""
        end = f"settled {time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(f"<7>{end}".encode(), "/dev/log")
        self.wait(end, mark)
        return [line for line in self.since(mark, pattern) if "debug settled" not in line]

    def now(self):
        """A mark after everything that was sent before the call."""
        self.settled(self.mark())
        return self.mark()


syslog = Syslog()
