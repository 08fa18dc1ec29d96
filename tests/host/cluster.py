"""A Redis or Valkey Cluster of the test's own, on loopback."""

import contextlib
import os

from host.ports import free_port
from host.store import Connection, Refused, Server
from host.waiting import wait_until

SLOTS, MASTERS = 16384, 3
# Nobody is taken for dead because the machine is busy, unless a shorter time is set: a test that wants
# a failover orders it.
TIMEOUT_MS = os.environ.get("CLUSTER_TIMEOUT_MS")


class Node(Server):
    """A server that belongs to a cluster, with these options beside."""

    def __init__(self, *options):
        self.port, self.bus_port = free_port(), free_port()
        super().__init__("--tls-port" if "--tls-cluster" in options else "--port", str(self.port), "--cluster-port",
                         str(self.bus_port), "--cluster-enabled", "yes", "--cluster-node-timeout",
                         TIMEOUT_MS or "600000", "--repl-diskless-sync-delay", "0", *options)
        self.identity = self.call("CLUSTER", "MYID")

    def call(self, *words):
        connection = Connection(self.path)
        try:
            return connection.call(*words)
        finally:
            connection.close()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


class Cluster:
    """Three masters, and a replica of the one that has the keys."""

    def __init__(self, *options):
        self.nodes = [Node(*options) for _ in range(MASTERS + 1)]
        self.masters, self.replica = self.nodes[:MASTERS], self.nodes[MASTERS]
        self.slot = self.replica.call("CLUSTER", "KEYSLOT", "{tmout}")
        for number, node in enumerate(self.masters):
            first, last = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS - 1
            node.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.call("CLUSTER", "ADDSLOTSRANGE", first, last)
            if first <= self.slot <= last:
                self.owner = node
        self.others = [node for node in self.masters if node is not self.owner]
        for node in self.nodes[1:]:
            self.nodes[0].call("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus_port)
        wait_until(lambda: all(self.is_whole(node) for node in self.nodes), "the nodes do not meet")
        self.replica.call("CLUSTER", "REPLICATE", self.owner.identity)
        wait_until(lambda: "master_link_status:up" in self.replica.call("INFO", "replication"))
        wait_until(lambda: all("slave " + self.owner.identity in node.call("CLUSTER", "NODES")
                               for node in self.nodes), "the nodes do not know the replica")

    def is_whole(self, node):
        info = node.call("CLUSTER", "INFO")
        return f"cluster_known_nodes:{MASTERS + 1}\r" in info and "cluster_state:ok" in info

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.remove()

    def take_over(self):
        """The replica is promoted: by itself, or as where a person orders it."""
        if not TIMEOUT_MS:
            self.replica.call("CLUSTER", "FAILOVER", "TAKEOVER")

    def cut_replica_off(self):
        """It hears of no more writes."""
        self.replica.call("CONFIG", "SET", "masteruser", "nobody")
        self.replica.call("CONFIG", "SET", "masterauth", "wrong")
        self.replica.call("CLIENT", "KILL", "TYPE", "MASTER")
        wait_until(lambda: "master_link_status:down" in self.replica.call("INFO", "replication"))

    def begin_move(self, target):
        """Of the slot, to another master: its keys come one by one."""
        target.call("CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.owner.identity)
        self.owner.call("CLUSTER", "SETSLOT", self.slot, "MIGRATING", target.identity)

    def end_move(self, target):
        while keys := self.owner.call("CLUSTER", "GETKEYSINSLOT", self.slot, 10):
            for key in keys:
                with contextlib.suppress(Refused):  # it has gone by itself
                    self.owner.call("MIGRATE", "127.0.0.1", target.port, key, 0, 60000)
        for node in (target, self.owner, *self.others):
            node.call("CLUSTER", "SETSLOT", self.slot, "NODE", target.identity)
        self.owner = target
