#!/usr/bin/python3
"""Login attempts on three hosts, with real sshd, whose store is a cluster, or a server with a replica
and a Sentinel: many at once; the keys move to another node; and the primary dies while its replica
has not heard of the last failures. tests/fleet/cluster.t and sentinel.t have more, without sshd.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts import setup_passwords
from host.checked import count_checks, reached
from host.cluster import Cluster
from host.fleet_hosts import Fleet
from host.sentinel import Sentinel
from host.tap import tap
from host.waiting import wait_until

POLICY = "default { max_attempts = 3  fleet_attempts = 3  fleet_fallback = 1 }\n"
HOSTS, LIMIT, MANY = 3, 3, 7
SETTINGS = "hold = 3s\ntimeout = 1s\n"
PEOPLE = [f"{kind}{store}" for kind in ("prey", "crowd", "moving", "known", "fine") for store in "cs"]


def many_at_once(fleet, store):
    """wrong passwords on all hosts at once, and right ones"""
    guesses = [f"guess{n}" for n in range(MANY)]
    fleet.everywhere("try_all", "prey" + store, guesses)
    tap.equal(reached("prey" + store), LIMIT, f"{MANY * HOSTS} wrong: three are checked")
    inside = fleet.everywhere("try_all", "crowd" + store, ["right"] * MANY)
    tap.equal(inside, [[True] * MANY] * HOSTS, f"{MANY * HOSTS} right: all get in")


def the_keys_move(fleet, cluster):
    """the slot moves to another master, under attack"""
    target = cluster.others[0]
    for host in fleet.hosts:
        host.tell("try_all", "movingc", [f"guess{n}" for n in range(MANY)])
    cluster.begin_move(target)
    for host in fleet.hosts:
        host.answer()
    fleet.everywhere("await_away")
    cluster.end_move(target)
    fleet.everywhere("await_store")
    checked = reached("movingc")
    tap.ok(LIMIT <= checked <= LIMIT + HOSTS, "no more than three, and one on each host that is on its own",
           checked)
    inside = fleet.everywhere("try_each", {"movingc": ["right"], "finec": ["right"]})
    tap.equal(inside, [{"movingc": [False], "finec": [True]}] * HOSTS, "the count is one again")
    tap.equal(reached("movingc"), checked, "no more password is checked")


def the_primary_dies(fleet, store, kill, is_known, cut_off):
    """... and its replica does not know the last failure"""
    user = "known" + store
    fleet.hosts[0].do("try_all", user, ["guess"])
    wait_until(is_known)
    cut_off()
    fleet.hosts[1].do("try_all", user, ["guess"])
    kill()
    fleet.everywhere("await_store")
    fleet.everywhere("try_all", user, [f"guess{n}" for n in range(MANY)])
    tap.equal(reached(user), LIMIT, "all hosts tell what they know: three are checked in all")
    tap.equal(fleet.everywhere("try_all", "fine" + store, ["right"]), [[True]] * HOSTS, "others get in")


def on_a_cluster():
    """three masters, and a replica of the one with the keys"""
    with Cluster() as cluster:
        one, other = cluster.others
        fleet = Fleet([one.address, cluster.replica.address, other.address], SETTINGS, network=())
        many_at_once(fleet, "c")

        def kill():
            cluster.owner.stop()
            cluster.take_over()
            cluster.owner = cluster.replica
        the_primary_dies(fleet, "c", kill, lambda: cluster.replica.call("KEYS", "*:a:knownc"),
                         cluster.cut_replica_off)
        the_keys_move(fleet, cluster)


def with_a_sentinel():
    """a server with a replica, and a Sentinel"""
    store = Sentinel()
    fleet = Fleet([store.address] * HOSTS, SETTINGS + "sentinel = store\n", network=(), first=HOSTS)
    many_at_once(fleet, "s")
    the_primary_dies(fleet, "s", store.server.stop, lambda: store.ask_replica("KEYS", "*:a:knowns"),
                     store.cut_replica_off)
    store.remove()


setup_passwords(POLICY, "", ["sshd"], {name: "right" for name in PEOPLE})
count_checks("sshd")
tap.run(on_a_cluster, with_a_sentinel)
