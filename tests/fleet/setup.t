#!/usr/bin/python3
"""docs/FLEET.md's "Set up the store", followed to the letter but for addresses, ports, and paths: TLS,
ACL users, a replica, and a Sentinel that fails over to it."""
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.certificates import Authority
from host.commands import must
from host.files import REPOSITORY, read, write
from host.fleet import STATUS_OF, SUCCEEDED, Daemon, Question
from host.ports import free_port
from host.store import Connection, server_program
from host.stunnel import PROGRAM, Tunnel
from host.tap import tap
from host.waiting import wait_until

REACHED = "the store is reached"
CHAPTER = read(REPOSITORY + "/docs/FLEET.md").split("## Set up the store")[1].split("\n## ")[0]
BLOCKS = [block.strip() + "\n" for block in CHAPTER.split("```")[1::2]]
SECRETS = {name: secrets.token_hex(32) for name in ("bastion1", "replica", "sentinel")}
IS_FAST = "down-after-milliseconds tmout 500\nsentinel failover-timeout tmout 5000\n"


def block(beginning):
    """The one of the chapter that begins like this."""
    found = [text for text in BLOCKS if text.startswith(beginning)]
    assert len(found) == 1, (beginning, found)
    return found[0]


def acl():
    text = block("user default") + block("user replica")
    return re.sub(r"(?m)^(user (\w+) on >)PASSWORD", lambda match: match.group(1) + SECRETS[match.group(2)], text)


class Node:
    """A server, its socket for the test's questions, and its files."""

    def __init__(self, site, name, conf, *arguments):
        self.directory, self.path = f"{site.directory}/{name}", f"{site.directory}/{name}/socket"
        for file in "store.crt", "store.key", "ca.crt":
            write(f"{self.directory}/{file}", read(f"{site.ca.directory}/{file}"))
        write(self.directory + "/users.acl", acl())
        conf = conf.replace("/etc/valkey/users.acl", self.directory + "/users.acl")
        write(self.directory + "/node.conf", f"dir {self.directory}\nunixsocket {self.path}\n{conf}")
        self.process = subprocess.Popen([server_program(), self.directory + "/node.conf", *arguments],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def ask(self, *words, user=None):
        """The answer, or "" while there is none."""
        try:
            connection = Connection(self.path)
            if user:
                connection.call("AUTH", user, SECRETS[user])
            return connection.call(*words)
        except OSError:
            return ""

    def stop(self):
        self.process.kill()
        self.process.wait()


class Site:
    """A primary, a replica, and a Sentinel."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="tmout-setup-", dir="/tmp")
        self.ca = Authority(self.directory + "/ca", "ca")
        self.ca.sign("store", "DNS:store.example.net")
        self.ca.sign("host", "DNS:bastion1")
        self.ports = free_port(), free_port()
        conf = block("bind") + block("tls-replication yes\nmasteruser").replace("PASSWORD", SECRETS["replica"])
        self.nodes = [self.node("primary", conf, self.ports[0]),
                      self.node("replica", conf + self.documented("replicaof"), self.ports[1])]
        wait_until(lambda: "state=online" in self.nodes[0].ask("INFO", "replication", user="bastion1"),
                   "the replica is not allowed to replicate")
        certificates = "".join(line for line in block("bind").splitlines(True)
                               if line.startswith("tls-") and "port" not in line)
        self.sentinel_port = free_port()
        self.nodes.append(Node(self, "sentinel",
                               f"port 0\ntls-port {self.sentinel_port}\n{certificates}" + self.sentinel_conf(),
                               "--sentinel"))
        wait_until(lambda: self.nodes[2].ask("SENTINEL", "REPLICAS", "tmout"), "it does not find the replica")
        self.hosts = []
        return self

    def __exit__(self, *_):
        for process in self.hosts + self.nodes:
            process.stop()
        shutil.rmtree(self.directory)

    def documented(self, word):
        """A line within the chapter's text, with this site's primary in it."""
        line = re.search(rf"`({word} [^`]*)`", CHAPTER).group(1) + "\n"
        return line.replace("192.0.2.10 6379", f"127.0.0.1 {self.ports[0]}")

    def sentinel_conf(self):
        text = block("tls-replication yes\nsentinel").replace("192.0.2.10 6379 2", f"127.0.0.1 {self.ports[0]} 1")
        return text.replace("PASSWORD", SECRETS["sentinel"]) + f"sentinel {IS_FAST}"

    def node(self, name, conf, port):
        return Node(self, name, conf.replace("192.0.2.10", "127.0.0.1").replace("6379", str(port)))

    def host(self, name, endpoints, conf):
        """A host with the files and settings of the chapter."""
        files = f"{self.directory}/{name}/tmout-fleet"
        for file, source in (("store-ca.crt", self.ca.certificate("ca")), ("bastion1.crt", self.ca.certificate("host")),
                             ("bastion1.key", self.ca.key("host"))):
            write(f"{files}/{file}", read(source), 0o600)
        write(files + "/password", SECRETS["bastion1"] + "\n", 0o600)
        more = "".join(line for line in conf.splitlines(True) if line.split()[0] not in ("endpoints", "host_id"))
        self.hosts.append(Daemon(self.directory, name, '", "'.join(endpoints), more + "timeout = 5s\n"))
        self.hosts[-1].log.wait(REACHED)
        return self.hosts[-1]


def fail_over(site, host):
    """Two wrong passwords, and the primary dies: the host goes on with the other node."""
    tap.equal([host.try_once(), host.try_once()], ["admitted"] * 2, "two wrong passwords")
    state = Question(host, STATUS_OF).state()
    tap.equal((state["overprivileged"], state["eviction"], state["replicas"]), (0, "noeviction", 1),
              "the ACL gives no more than needed, nothing is evicted, and there is a replica")
    mark = host.log.mark()
    site.nodes[0].stop()
    host.log.wait(REACHED, mark)
    tap.ok("role:master" in site.nodes[1].ask("INFO", "replication", user="bastion1"),
           "the Sentinel is allowed to promote the replica")
    tap.equal([host.try_once(), host.try_once(), host.try_once(SUCCEEDED, user="berta")],
              ["admitted", "locked", "admitted"], "the third one is the last")


def with_stunnel():
    """a host without TLS, and an stunnel to each node"""
    if not PROGRAM:
        tap.skip("stunnel", "it is not installed")
        return
    with Site() as site:
        tunnels = [Tunnel(site.directory, site.ca, f"127.0.0.1:{port}") for port in site.ports]
        host = site.host("bastion1", [f"127.0.0.1:{tunnel.port}" for tunnel in tunnels],
                         block('endpoints     = {"127.0.0.1:637"}'))
        fail_over(site, host)
        for tunnel in tunnels:
            tunnel.stop()


def with_tls():
    """a host with TLS, which asks the Sentinel"""
    with Site() as site:
        host = site.host("bastion1", [f"127.0.0.1:{site.sentinel_port}"],
                         block('endpoints     = {"192.0.2.10:6379"}') +
                         re.search(r"`(sentinel = [^`]*)`", CHAPTER.split("sentinel auth-pass")[1]).group(1) + "\n")
        tap.equal(Question(host, STATUS_OF).state()["tls"], 1, "connected with TLS")
        fail_over(site, host)


scenarios = [with_stunnel]
if "\nwith TLS" in must(os.environ.get("BUILD", REPOSITORY + "/build") + "/tmout-fleetd", "--version"):
    scenarios.append(with_tls)
else:
    tap.skip("TLS", "the hiredis that tmout-fleetd was built with has none")
tap.in_parallel(scenarios, 2)
tap.end()
