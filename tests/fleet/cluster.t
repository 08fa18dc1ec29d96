#!/usr/bin/python3
"""tmout-fleetd and a real cluster, of three masters and a replica: one count for all hosts,
whichever nodes they know; while the keys move to another node, and after a failover."""
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.cluster import Cluster, Node
from host.files import write
from host.fleet import LOOK, STATUS_OF, SUCCEEDED, Daemon, Question, documented_rights
from host.store import Refused
from host.tap import tap
from host.waiting import wait_until

REACHED, AWAY = "the store is reached", "the store is away: "
LIMIT = 3  # the requests' fleet_attempts


class Site:
    """A cluster, and three hosts that know different nodes of it."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="tmout-cluster-", dir="/tmp")
        self.cluster = Cluster()
        one, other = self.cluster.others
        self.hosts = [self.host(n, *nodes) for n, nodes in enumerate([
            (one.address, other.address), (self.cluster.replica.address, one.address), (other.path,)])]
        for host in self.hosts:
            host.log.wait(REACHED)
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.stop()
        self.cluster.__exit__()
        shutil.rmtree(self.directory)

    def host(self, number, *endpoints, more=""):
        return Daemon(self.directory, f"h{number}", '", "'.join(endpoints), "timeout = 5s\n" + more, lease_ms=100000)

    def endpoints(self):
        return [Question(host, STATUS_OF).state()["endpoint"] for host in self.hosts]

    def failures(self):
        """Anna's, as the store knows them."""
        return Question(self.hosts[2], LOOK).counts().get("n", (0,))[0]

    def await_all(self, what, marks):
        for host, mark in zip(self.hosts, marks):
            host.log.wait(what, mark)

    def marks(self):
        return [host.log.mark() for host in self.hosts]

    def try_at_once(self, number, **about):
        """So many times on each host. Returns the answers, and how many there are of each."""
        with ThreadPoolExecutor(number * len(self.hosts)) as pool:
            tries = [pool.submit(host.try_once, **about) for host in self.hosts for _ in range(number)]
            answers = [one.result() for one in tries]
        return {answer: answers.count(answer) for answer in set(answers)}


class Attack:
    """Wrong passwords of anna, and right ones of berta, on all hosts, one after the other, until it
    is over: which ones are checked, and what else is answered."""

    def __init__(self, hosts):
        self.over, self.answers = threading.Event(), {"anna": [], "berta": []}
        self.threads = [threading.Thread(target=self.go_on, args=(host, user, outcome))
                        for host in hosts for user, outcome in (("anna", 0), ("berta", SUCCEEDED))]

    def go_on(self, host, user, outcome):
        while not self.over.is_set():
            self.answers[user].append(host.try_once(user=user, outcome=outcome))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def report(self):
        tap.equal(self.answers["anna"].count("admitted"), LIMIT, f"{LIMIT} wrong passwords are checked in all")
        tap.equal(set(self.answers["berta"]) - {"admitted", "away"}, set(),
                  "no right one is rejected but where a host is on its own")


def one_count():
    """many attempts on all hosts"""
    with Site() as site:
        tap.equal(site.endpoints(), [site.cluster.owner.address] * 3, "all hosts find the node of the keys")
        tap.equal(site.try_at_once(10), {"admitted": LIMIT, "locked": 30 - LIMIT}, "30 wrong passwords")
        tap.equal(site.try_at_once(10, user="berta", outcome=SUCCEEDED), {"admitted": 30}, "30 right ones")
        for user in "carla", "dora":
            tap.equal(site.try_at_once(1, user=user), {"admitted": 3}, f"{user} fails three times")
        tap.equal(site.try_at_once(1, user="carla"), {"locked": 3}, "... and is locked")


def needs_no_other_rights():
    """ACL users with the rights that docs/FLEET.md lists, and with all keys"""
    with Site() as site:
        keys, *commands = documented_rights()
        for number, rights in (3, [keys, *commands]), (4, ["~*", *commands]):
            for node in site.cluster.nodes:
                node.call("ACL", "SETUSER", f"h{number}", "on", ">secret", *rights)
            write(f"{site.directory}/h{number}/tmout-fleet/password", "secret\n", 0o600)
            host = site.host(number, site.cluster.others[0].address,
                             more=f"acl_user = h{number}\npassword_file = password\n")
            site.hosts.append(host)
            host.log.wait(REACHED)
            wait_until(lambda: Question(host, STATUS_OF).state()["eviction"])
            tap.equal(Question(host, STATUS_OF).state()["overprivileged"], number == 4, f"h{number}: {rights[0]}")
        tap.equal(site.try_at_once(10), {"admitted": LIMIT, "locked": 50 - LIMIT}, "50 wrong passwords")


def keys_move():
    """the slot moves to another master, under attack"""
    with Site() as site:
        marks, target = site.marks(), site.cluster.others[0]
        site.hosts[0].try_once()
        with Attack(site.hosts) as attack:
            site.cluster.begin_move(target)
            site.await_all(AWAY + "the cluster is moving the keys to another node", marks)
            site.cluster.end_move(target)
            site.await_all(REACHED, marks)
            tap.equal(site.endpoints(), [target.address] * 3, "all hosts go with it")
            wait_until(lambda: "locked" in attack.answers["anna"])
            wait_until(lambda: attack.answers["berta"][-1:] == ["admitted"])
        attack.answers["anna"].append("admitted")  # the first one
        attack.report()


def the_owner_dies():
    """the master with the keys is killed under attack, and its replica takes over"""
    with Site() as site:
        marks = site.marks()
        tap.equal(site.try_at_once(1, user="carla"), {"admitted": 3}, "three failures of another user")
        with Attack(site.hosts) as attack:
            wait_until(lambda: attack.answers["anna"])
            site.cluster.owner.stop()
            site.await_all(AWAY, marks)
            site.cluster.take_over()
            site.await_all(REACHED, marks)
            wait_until(lambda: "locked" in attack.answers["anna"])
            wait_until(lambda: attack.answers["berta"][-1:] == ["admitted"])
        attack.report()
        tap.equal(site.endpoints(), [site.cluster.replica.address] * 3, "all hosts ask the replica")
        tap.equal(site.try_at_once(1, user="carla"), {"locked": 3}, "nothing is forgotten")


def the_owner_hangs():
    """it is frozen, the replica has not heard of the last failures, and the hosts that have seen them are idle"""
    with Site() as site:
        cluster = site.cluster
        site.hosts[0].try_once()
        wait_until(lambda: cluster.replica.call("KEYS", "*:a:anna"))
        cluster.cut_replica_off()
        site.hosts[1].try_once()
        wait_until(lambda: site.failures() == 2)
        marks = site.marks()
        cluster.owner.process.send_signal(signal.SIGSTOP)
        cluster.take_over()
        site.await_all(REACHED, marks)
        wait_until(lambda: site.failures() == 2)
        tap.ok(True, "the replica is told both")
        tap.equal(site.try_at_once(3), {"admitted": 1, "locked": 8}, "one more is checked")
        marks = site.marks()
        cluster.owner.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "role:slave" in cluster.owner.call("INFO", "replication"))
        tap.equal(site.try_at_once(1), {"locked": 3}, "the old master changes nothing")


def hands_over():
    """a failover that both nodes agree to"""
    with Site() as site:
        marks = site.marks()
        site.hosts[0].try_once()
        site.cluster.replica.call("CLUSTER", "FAILOVER")
        site.await_all(AWAY + f"the cluster has moved the keys to 127.0.0.1, port {site.cluster.replica.port}", marks)
        site.await_all(REACHED, marks)
        tap.equal(site.try_at_once(2), {"admitted": 2, "locked": 4}, "the count goes on")


@contextlib.contextmanager
def pair():
    """Two nodes that know each other, and a host of the first one, which has none of the slots."""
    directory, nodes = tempfile.mkdtemp(prefix="tmout-cluster-", dir="/tmp"), [Node(), Node()]
    nodes[1].call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    nodes[0].call("CLUSTER", "MEET", "127.0.0.1", nodes[1].port, nodes[1].bus_port)
    wait_until(lambda: all("cluster_state:ok" in node.call("CLUSTER", "INFO") for node in nodes))
    host = Daemon(directory, "h", nodes[0].path, "timeout = 5s\nhold = 0s\n")
    try:
        host.log.wait(REACHED)
        yield (*nodes, host)
    finally:
        host.stop()
        for node in nodes:
            node.remove()
        shutil.rmtree(directory)


def gives_away(node, slot, other):
    """Not while the slot has a key, and the host may write one just now."""
    node.call("FLUSHALL")
    return not refusal(node, "CLUSTER", "SETSLOT", slot, "NODE", other.identity)


def refusal(node, *words):
    """The error that it answers, if it is one."""
    try:
        node.call(*words)
        return None
    except Refused as refused:
        return str(refused)


def leads_nowhere():
    """nodes that name themselves, each other, or what no host may connect to"""
    with pair() as (one, other, host):
        slot = one.call("CLUSTER", "KEYSLOT", "{tmout}")
        mark = host.log.mark()
        wait_until(lambda: gives_away(other, slot, one))
        tap.matches(host.log.wait(AWAY, mark), "the cluster has moved the keys to 127.0.0.1", "each names the other")
        wait_until(lambda: "each node of the cluster names another" in Question(host, STATUS_OF).state()["why"])
        tap.equal((host.try_once(), host.log.since(mark, REACHED)), ("away", []), "the host is on its own")
        connections = other.call("INFO", "stats").split("total_connections_received:")[1].split()[0]
        tap.ok(int(connections) < 100, "it does not connect without an end", connections)
        for name, port, why in (
                ("192.0.2.1", "", "the cluster names 192.0.2.1, which is beyond loopback: set tls"),
                ("evil.example", "", "the cluster does not tell the numeric address"),
                ("", "", "the cluster does not tell the numeric address")):
            other.call("CONFIG", "SET", "cluster-announce-hostname", name)
            one.call("CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname")
            wait_until(lambda: why in Question(host, STATUS_OF).state()["why"])
            tap.equal(host.try_once(), "away", f"a node called {name!r}: {why}")
        one.call("CONFIG", "SET", "cluster-preferred-endpoint-type", "ip")
        other.call("CLUSTER", "SETSLOT", slot, "NODE", other.identity)
        host.log.wait(REACHED, mark)
        tap.equal(host.try_once(), "admitted", "it connects as soon as there is a way")
        itself = f"MOVED {slot} {one.address}"
        other.call("CONFIG", "SET", "cluster-announce-port", one.port)
        wait_until(lambda: refusal(one, "GET", "{tmout}") == itself)
        other.call("CLIENT", "KILL", "TYPE", "NORMAL")
        wait_until(lambda: "each node of the cluster names another" in Question(host, STATUS_OF).state()["why"])
        tap.equal(host.try_once(), "away", "... and not where a node names itself")


def is_down():
    """a cluster where nobody has the keys"""
    with pair() as (one, other, host):
        mark = host.log.mark()
        slot = one.call("CLUSTER", "KEYSLOT", "{tmout}")
        other.call("CLUSTER", "DELSLOTS", slot)
        tap.matches(host.log.wait(AWAY, mark), "CLUSTERDOWN ", "the log says so")
        tap.equal(host.try_once(), "away", "the host is on its own")
        other.call("CLUSTER", "ADDSLOTS", slot)
        host.log.wait(REACHED, mark)
        tap.equal(host.try_once(), "admitted", "... until somebody has them")


tap.in_parallel([the_owner_hangs, the_owner_dies, keys_move, hands_over, needs_no_other_rights, one_count,
                 leads_nowhere, is_down], 6)
tap.end()
