#!/usr/bin/python3
"""tmout-fleetd and a real store with TLS: whom it trusts, and what it says of the others. Where
hiredis has no TLS, as on Debian 12, only stunnel is tried, as docs/FLEET.md has it."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.certificates import Authority
from host.cluster import Cluster
from host.commands import must
from host.files import REPOSITORY, read, write
from host.fleet import STATUS_OF, SUCCEEDED, Daemon, Question
from host.ports import free_port
from host.store import Server
from host.stunnel import PROGRAM, Tunnel
from host.tap import tap

FLEETD = os.environ.get("BUILD", REPOSITORY + "/build") + "/tmout-fleetd"
COMMON = "hold = 0s\ntimeout = 5s\n"
REACHED, AWAY = "the store is reached", "the store is away: "


class Site:
    """Certificates, and servers that have them."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="tmout-tls-", dir="/tmp")
        self.ca = Authority(self.directory + "/ca", "ca")
        self.ca.sign("store", "DNS:store.example.net, IP:127.0.0.1")
        self.ca.sign("named", "DNS:store.example.net")
        self.ca.sign("expired", "DNS:store.example.net", is_old=True)
        self.ca.sign("host", "DNS:bastion1")
        self.stranger = Authority(self.directory + "/stranger", "stranger")
        self.stranger.sign("host", "DNS:bastion1")
        self.servers, self.hosts = [], []
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.stop()
        for server in self.servers:
            server.remove()
        shutil.rmtree(self.directory)

    def serve(self, certificate, clients="no"):
        """The port of a server with this certificate."""
        port = free_port()
        self.servers.append(Server("--tls-port", str(port), "--tls-cert-file", self.ca.certificate(certificate),
                                   "--tls-key-file", self.ca.key(certificate), "--tls-ca-cert-file",
                                   self.ca.certificate("ca"), "--tls-auth-clients", clients))
        return port

    def connect(self, port, settings, client=None):
        """A host that connects to 127.0.0.1:port; client: whose certificate it has."""
        name = f"h{len(self.hosts)}"
        files = f"{self.directory}/{name}/tmout-fleet"
        for authority in self.ca, self.stranger:
            write(f"{files}/{authority.name}.crt", read(authority.certificate(authority.name)))
        if client:
            write(f"{files}/host.crt", read(client.certificate("host")))
            write(f"{files}/host.key", read(client.key("host")), 0o600)
            settings += "cert = host.crt\nkey = host.key\n"
        host = Daemon(self.directory, name, f"127.0.0.1:{port}", COMMON + settings)
        self.hosts.append(host)
        return host


def accepted(host, name):
    host.log.wait(REACHED)
    tap.equal(Question(host, STATUS_OF).state()["tls"], 1, f"{name}: connected with TLS")
    tap.equal(host.try_once(SUCCEEDED), "admitted", f"{name}: an attempt is admitted")


def refused(host, pattern, name):
    tap.matches(host.log.wait(AWAY), re.escape(AWAY) + pattern, f"{name}: the log says so")
    tap.equal(host.try_once(), "away", f"{name}: this host is on its own")


def checks_the_store():
    """who may be the store"""
    named = "tls = true\nca = ca.crt\nname = store.example.net\n"
    with Site() as site:
        right = site.serve("store")
        accepted(site.connect(right, named), "the right CA and name")
        accepted(site.connect(right, "tls = true\nca = ca.crt\n"), "the right CA and address")
        refused(site.connect(right, named.replace("ca.crt", "stranger.crt")),
                r"its certificate is not one of the CA in stranger\.crt", "another CA")
        refused(site.connect(right, named.replace("store.example", "other.example")),
                r"its certificate is not for other\.example\.net", "another name")
        refused(site.connect(site.serve("named"), "tls = true\nca = ca.crt\n"),
                r"its certificate is not for 127\.0\.0\.1", "another address")
        refused(site.connect(site.serve("expired"), named), "its certificate has expired", "an old certificate")


def has_a_certificate():
    """a store that wants to know who this host is"""
    settings = "tls = true\nca = ca.crt\nname = store.example.net\n"
    with Site() as site:
        port = site.serve("store", "yes")
        accepted(site.connect(port, settings, site.ca), "a certificate of this host")
        refused(site.connect(port, settings), "(it wants a certificate of this host: set cert and key|"
                "it has closed the connection: does it want a certificate of this host)", "no certificate")
        refused(site.connect(port, settings, site.stranger),
                "(it rejects TLS, or this host's certificate: |it has closed the connection: does it accept "
                "the certificate of this host)", "one of another CA")


def needs_tls():
    """one side without TLS, or with an old one"""
    with Site() as site:
        refused(site.connect(site.serve("store"), "tls = false\n"), "it has closed the connection",
                "a host without TLS")
        port = free_port()
        site.servers.append(Server("--port", str(port)))
        refused(site.connect(port, "tls = true\nca = ca.crt\n"),
                "(there is no TLS connection: |it did not answer in time: does it speak TLS)",
                "a store without TLS")
        port = free_port()
        old = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_1", "-cipher",
                                "DEFAULT@SECLEVEL=0", "-cert", site.ca.certificate("store"), "-key",
                                site.ca.key("store")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
        for line in old.stdout:
            if line.startswith("ACCEPT"):
                break
        refused(site.connect(port, "tls = true\nca = ca.crt\n"),
                "(it rejects TLS: protocol version|there is no TLS connection: )", "TLS 1.1")
        old.kill()
        old.communicate()


def leads_to_others():
    """a cluster, where another node has the keys"""
    with Site() as site, Cluster("--tls-cluster", "yes", "--tls-replication", "yes", "--tls-auth-clients", "yes",
                                 "--tls-cert-file", site.ca.certificate("store"), "--tls-key-file",
                                 site.ca.key("store"), "--tls-ca-cert-file", site.ca.certificate("ca")) as cluster:
        port, owner = cluster.others[0].port, cluster.owner
        settings = "tls = true\nca = ca.crt\nname = store.example.net\n"
        host = site.connect(port, settings, site.ca)
        accepted(host, "the node that has them")
        tap.equal(Question(host, STATUS_OF).state()["endpoint"], owner.address, "it is another one")
        owner.call("CONFIG", "SET", "tls-cert-file", site.ca.certificate("expired"), "tls-key-file",
                   site.ca.key("expired"))
        refused(site.connect(port, settings, site.ca), "its certificate has expired", "an old certificate there")
        refused(site.connect(port, settings.replace("ca.crt", "stranger.crt"), site.ca),
                r"its certificate is not one of the CA in stranger\.crt", "another CA")


def files_that_are_none():
    """a CA and a key that are none"""
    with Site() as site:
        files = f"{site.directory}/x/tmout-fleet"
        conf = f"{site.directory}/x/tmout-fleet.conf"
        write(f"{files}/ca.crt", "no certificate\n")
        write(conf, 'endpoints = {"127.0.0.1:1"}\ntls = true\nca = ca.crt\n', 0o600)
        ended = subprocess.run([FLEETD, "--conf", conf, "--socket", f"{site.directory}/x/socket"],
                               stderr=subprocess.PIPE, text=True, check=False)
        tap.equal(ended.returncode, 78, "it does not start")
        tap.matches(ended.stderr, r"ca\.crt: cannot be used for TLS: ", "and says which file it is")


def through_stunnel():
    """stunnel, as docs/FLEET.md sets it up"""
    if not PROGRAM:
        tap.skip("stunnel", "it is not installed")
        return
    with Site() as site:
        right = Tunnel(site.directory, site.ca, f"127.0.0.1:{site.serve('store', 'yes')}")
        host = site.connect(right.port, "")
        host.log.wait(REACHED)
        tap.equal(host.try_once(SUCCEEDED), "admitted", "an attempt is admitted")
        right.stop()
        expired = Tunnel(site.directory, site.ca, f"127.0.0.1:{site.serve('expired', 'yes')}")
        refused(site.connect(expired.port, ""), "it has closed the connection", "an old certificate")
        expired.stop()


scenarios = [through_stunnel]
if "\nwith TLS" in must(FLEETD, "--version"):
    scenarios += [checks_the_store, has_a_certificate, needs_tls, leads_to_others, files_that_are_none]
else:
    tap.skip("TLS", "the hiredis that tmout-fleetd was built with has none")
tap.in_parallel(scenarios, 4)
tap.end()
