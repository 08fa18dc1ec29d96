"""A way to a store that can be cut: a Unix socket in front of another one."""

import contextlib
import os
import socket
import threading


class Relay:
    """Passes on what comes, until it is cut or blocked."""

    def __init__(self, path, store_path):
        self.path, self.store_path = path, store_path
        # What was received is passed on: to the store, and from it.
        self.open, self.answering = threading.Event(), threading.Event()
        self.holds_at, self.held = None, threading.Event()
        self.received = b""  # by the store, while answers are held
        self.unblock()
        self.is_cut = False
        self.sockets = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o600)
        self.listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            store = socket.socket(socket.AF_UNIX)
            try:
                if self.is_cut:
                    raise OSError("cut")
                store.connect(self.store_path)
            except OSError:
                client.close()
                continue
            self.sockets += [client, store]
            for ends in (client, store, self.open), (store, client, self.answering):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source, target, is_open):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_open is self.open and self.holds_at and self.holds_at in data:
                    self.lose_answers()
                    self.held.set()
                is_open.wait()
                if is_open is self.open and self.held.is_set():
                    self.received += data
                target.sendall(data)
        for end in source, target:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def block(self):
        """Nothing passes any more, and nobody is told: as on a network that loses it all."""
        self.open.clear()
        self.answering.clear()

    def lose_answers(self):
        """The store does what it is asked, and nobody hears of it."""
        self.answering.clear()

    def hold_answers_to(self, what):
        """Loses answers from the first command on that contains this; then self.held is set."""
        self.holds_at = what

    def unblock(self):
        self.holds_at = None
        self.open.set()
        self.answering.set()

    def cut(self):
        """Ends all connections, and accepts no others."""
        self.is_cut = True
        for end in self.sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.sockets = []

    def heal(self):
        self.is_cut = False
