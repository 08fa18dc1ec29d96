"""A server, its replica, and a Sentinel that watches both, on loopback."""

import shutil
import subprocess
import tempfile

from host.files import write
from host.ports import free_port
from host.store import Connection, Server, server_program
from host.waiting import wait_until


def connected(path):
    """A connection, or None while nobody listens there."""
    try:
        return Connection(path)
    except OSError:
        return None


class Sentinel:
    """All three. The primary's name is "store"."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="tmout-sentinel-", dir="/tmp")
        self.port, self.replica_port, self.sentinel_port = free_port(), free_port(), free_port()
        self.server = Server("--port", str(self.port), "--repl-diskless-sync-delay", "0")
        self.replica = Server("--port", str(self.replica_port), "--replicaof", "127.0.0.1", str(self.port))
        self.wait_for_link("up")
        self.process = self.start()

    def remove(self):
        self.process.kill()
        self.process.wait()
        self.server.remove()
        self.replica.remove()
        shutil.rmtree(self.directory)

    @property
    def address(self):
        return f"127.0.0.1:{self.sentinel_port}"

    def wait_for_link(self, state):
        wait_until(lambda: f"master_link_status:{state}" in self.ask_replica("INFO", "replication"))

    def ask_replica(self, *words):
        connection = Connection(self.replica.path)
        try:
            return connection.call(*words)
        finally:
            connection.close()

    def start(self):
        """Once it knows the replica."""
        path = self.directory + "/sentinel.sock"
        write(self.directory + "/sentinel.conf",
              f"port {self.sentinel_port}\nunixsocket {path}\ndir {self.directory}\n"
              f"sentinel monitor store 127.0.0.1 {self.port} 1\n"
              "sentinel down-after-milliseconds store 500\nsentinel failover-timeout store 5000\n")
        process = subprocess.Popen([server_program(), self.directory + "/sentinel.conf", "--sentinel"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        connection = wait_until(lambda: connected(path), "the Sentinel does not start")
        wait_until(lambda: connection.call("SENTINEL", "REPLICAS", "store"), "it does not find the replica")
        connection.close()
        return process

    def cut_replica_off(self):
        """It hears of no more writes, and does not know it."""
        self.ask_replica("CONFIG", "SET", "masteruser", "nobody")
        self.ask_replica("CONFIG", "SET", "masterauth", "wrong")
        self.ask_replica("CLIENT", "KILL", "TYPE", "MASTER")
        self.wait_for_link("down")
