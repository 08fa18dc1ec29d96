#!/usr/bin/python3
"""tmout-fleetd and a real Sentinel, which fails over to a replica that has not heard of the last
writes."""
import os
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.fleet import LOOK, STATUS_OF, SUCCEEDED, Daemon, Question
from host.sentinel import Sentinel
from host.tap import tap
from host.waiting import wait_until

REACHED, AWAY = "the store is reached", "the store is away: "
SETTINGS = "hold = 1s\ntimeout = 5s\n"


class Primary(Sentinel):
    """Two hosts that ask it, too."""

    def __enter__(self):
        self.hosts = [self.host(f"h{n}", "store") for n in range(2)]
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.stop()
        self.remove()

    def host(self, name, primary):
        return Daemon(self.directory, name, self.address, SETTINGS + f"sentinel = {primary}\n", lease_ms=100000)


def follows_a_failover():
    """the primary dies, and the replica that takes over has not heard of the last failures"""
    with Primary() as store:
        one, other = store.hosts
        for host in store.hosts:
            host.log.wait(REACHED)
        tap.equal(Question(one, STATUS_OF).state()["endpoint"], f"127.0.0.1:{store.port}",
                  "the primary is the one that Sentinel names")
        tap.equal([one.try_once(), one.try_once(user="berta")], ["admitted"] * 2, "a wrong password of two")
        wait_until(lambda: store.ask_replica("EXISTS", "tmout:{tmout}:a:anna", "tmout:{tmout}:a:berta") == 2)
        store.cut_replica_off()
        tap.equal([other.try_once(), other.try_once(user="berta", outcome=SUCCEEDED)], ["admitted"] * 2,
                  "another wrong one on another host, and a right one")
        marks = [host.log.mark() for host in store.hosts]
        store.server.stop()
        for host, mark in zip(store.hosts, marks):
            host.log.wait(REACHED, mark)
        tap.equal(Question(one, STATUS_OF).state()["endpoint"], f"127.0.0.1:{store.replica_port}",
                  "they find the new one")
        wait_until(lambda: Question(one, LOOK).counts().get("n", (0,))[0] == 2)
        tap.ok(True, "it knows both failures")
        tap.equal([one.try_once(), other.try_once(), one.try_once()], ["admitted", "locked", "locked"],
                  "one more wrong password is checked, and no other")
        tap.equal(other.try_once(user="berta", outcome=SUCCEEDED), "admitted", "others are let in")


def names_no_primary():
    """a Sentinel that does not know the primary's name"""
    with Primary() as store:
        host = store.host("x", "other")
        store.hosts.append(host)
        tap.matches(host.log.wait(AWAY), "Sentinel has no primary called other", "the log says so")
        tap.equal(host.try_once(), "away", "the host is on its own")


# What a Sentinel may say, and what the log says then.
LIES = [(b"*2\r\n$12\r\nevil.example\r\n$4\r\n6379\r\n", "Sentinel does not tell"),
        (b"*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n", "Sentinel does not tell"),
        (b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n", "Sentinel does not tell"),
        (b"*2\r\n$9\r\n127.0.0.1\r\n:6379\r\n", "Sentinel does not tell"),
        (b"*1\r\n$9\r\n127.0.0.1\r\n", "Sentinel does not tell"),
        (b"+OK\r\n", "Sentinel does not tell"),
        (b"-NOAUTH Authentication required.\r\n", "Sentinel rejects the question: NOAUTH"),
        (b"*2\r\n$9\r\n192.0.2.1\r\n$4\r\n6379\r\n",
         "Sentinel names 192.0.2.1, which is beyond loopback: set tls")]


def lies():
    """what a hostile Sentinel says"""
    directory = tempfile.mkdtemp(prefix="tmout-sentinel-", dir="/tmp")
    for number, (answer, message) in enumerate(LIES):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host = Daemon(directory, f"h{number}", f"127.0.0.1:{listener.getsockname()[1]}",
                          SETTINGS + "sentinel = store\n")
            connection, _ = listener.accept()
            question = b""
            while b"store" not in question:
                question += connection.recv(4096)
            connection.sendall(answer)
            tap.matches(host.log.wait(AWAY), message, f"the log says so of {answer}")
            connection.close()
            tap.equal(host.try_once(), "away", "the host is on its own")
            tap.equal(host.stop(), 0, "and its daemon goes on")
    shutil.rmtree(directory)


tap.in_parallel([follows_a_failover, names_no_primary, lies], 3)
tap.end()
