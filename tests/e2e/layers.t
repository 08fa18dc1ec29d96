#!/usr/bin/python3
"""
Which layer ends which idle session: every cell of the README's table, with a real
sshd. Each cell is one user in one situation under one layer alone, and all run in
parallel. The expected results are in layers.json, which tests/docs compares with
the README. logind needs a host that has booted: tests/packages/idle_logind.py
has its cells. Runs as root inside tests/host/throwaway.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import uid, user
from host.client import ssh_command, terminal
from host.commands import must, side_by_side
from host.files import read, write
from host.product import DROP_INS, apply
from host.setup import setup
from host.sshd import Sshd, sshd
from host.syslog import syslog
from host.tap import tap
from host.tmoutd import tmoutd
from host.waiting import GUARD_SEC, wait_until
from host.situations import SFTP_HELLO, Situations, Table

LIMIT_SEC = 3
DISCONNECT_SEC = 9  # the kernel records input every eight seconds
# A session that still exists after this is not going to be ended.
STAYS_SEC = 4 * LIMIT_SEC

# One group per layer; its members have no other limits.
POLICY = f"""
default {{
    tmout = none
}}
group "tmout" {{
    tmout = {LIMIT_SEC}s
    enforce = true
}}
group "tmoutd" {{
    disconnect = {DISCONNECT_SEC}s
    disconnect_notty = {LIMIT_SEC}s
    warn = none
}}
group "clientalive" {{
    client_alive_interval = 1
    client_alive_count_max = 1
}}
group "unused" {{
    unused_connection_timeout = {LIMIT_SEC}s
}}
group "few" {{
    max_sessions = 7
}}
"""
# ChannelTimeout is the same for all users of an sshd, so it has an sshd of its own.
CHANNEL_POLICY = f"""
default {{
    channel_timeout = "session:*={LIMIT_SEC}s"
}}
"""
CHANNEL_PORT = 2022
OPTIONS = {"channel": [f"Port={CHANNEL_PORT}"],
           "serveralive": ["ServerAliveInterval=1", "ServerAliveCountMax=1"]}

with open(os.path.join(os.path.dirname(__file__), "layers.json"), encoding="utf-8") as file:
    TABLE = json.load(file)


def programs(name):
    """The names of the programs that a user runs, from /proc."""
    number, found = uid(name), []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.stat(f"/proc/{entry}").st_uid == number:
                found.append(read(f"/proc/{entry}/comm").strip())
        except OSError:  # it has ended
            pass
    return found


situations = Situations(ssh_command, programs, "/run/layers")
table = Table(TABLE["layers"], situations, STAYS_SEC)


# --- the cells ---------------------------------------------------------------

def every_cell():
    """each layer ends what the table says, and nothing else"""
    cells = []
    for layer, row in TABLE["layers"].items():
        if row.get("booted"):
            tap.skip(layer, "needs a host that has booted: tests/packages has its cells")
            continue
        for situation in TABLE["situations"]:
            user(f"{layer}-{situation}", "bash", [layer])
            cells.append((layer, situation, OPTIONS.get(layer, [])))
    for (layer, situation, _), came in zip(cells, side_by_side(table.cell, *zip(*cells))):
        expected = table.expected(layer, situation)
        tap.equal(came, expected, f"{layer}, {situation}: {expected}")
    named = sshd.log.since(0, "Timeout, client not responding")
    tap.equal([line for line in named if "clientalive-dead" not in line], [],
              "ClientAlive ended the dead client and no other")
    tap.ok(named, "and sshd's log says so")


def a_client_that_answers_for_its_owner():
    """ServerAliveInterval does not protect an idle user from tmoutd, which looks at the
    user's input; ClientAlive, which asks the client, keeps the login"""
    user("asked", "bash", ["clientalive"])
    user("watched", "bash", ["tmoutd", "clientalive"])
    mark = syslog.now()
    answers = [OPTIONS["serveralive"]] * 2
    kept, cut = side_by_side(table.cell, ["clientalive", "tmoutd"], ["prompt"] * 2, answers,
                             ["asked", "watched"])
    tap.equal(kept, "stays", "ClientAlive keeps the login")
    tap.equal(cut, "ends", "tmoutd ends the login")
    tap.equal(len(tmoutd.cut("watched", mark)), 1, "and logs it")


def a_server_that_is_dead():
    """only the client's own ServerAliveInterval ends a session on a dead server"""
    user("left", "bash", ["free"])
    for options, expected in ([], False), (OPTIONS["serveralive"], True):
        with terminal("left", options=options) as session:
            session.ask("$HOME")
            pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()
                    and re.match("sshd(-session)?: left", read_or_nothing(f"/proc/{entry}/cmdline"))]
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            tap.equal(session.ended_within(GUARD_SEC if expected else STAYS_SEC), expected,
                      f"the client {'ends' if expected else 'waits'} with {options}")
            for pid in pids:
                os.kill(pid, signal.SIGKILL)


def read_or_nothing(path):
    try:
        return read(path)
    except OSError:
        return ""


# --- how many in parallel -----------------------------------------------------

MANY = 200


def sftp_clients(name, options):
    """Many parallel clients that each hold an sftp session open, as (client, whether it got
    one)."""
    command = situations.sftp_command(name, options)
    clients = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL) for _ in range(MANY)]
    answers = []
    for client in clients:
        try:
            client.stdin.write(SFTP_HELLO)
            client.stdin.flush()
            answers.append(len(client.stdout.read(4)) == 4)
        except BrokenPipeError:
            answers.append(False)
    return list(zip(clients, answers))


def end_all(clients):
    for client, _ in clients:
        client.kill()
        client.wait()


def max_sessions():
    """MaxSessions of a group, under 200 parallel sftp clients on one connection"""
    user("crowd", "bash", ["few"])
    path = "ControlPath=/run/layers/crowd.control"
    master = subprocess.Popen(ssh_command("crowd", "cat", options=["ControlMaster=yes", path]),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    master.stdin.write("ready\n")
    master.stdin.flush()
    tap.equal(master.stdout.readline(), "ready\n", "the connection's own session")
    # A client that is rejected would otherwise open a connection of its own.
    clients = sftp_clients("crowd", [path, "ControlMaster=no", "ProxyCommand=false"])
    tap.equal(sum(got for _, got in clients), 7 - 1, f"of {MANY} as many as allowed have a session")
    end_all(clients)
    master.kill()
    master.wait()


def max_startups():
    """MaxStartups of the policy, while 200 sftp clients connect"""
    user("knock", "bash", ["free"])
    write(f"{DROP_INS}/50-startups.conf", "default { max_startups = 5:100:5 }\n")
    apply()
    # Before OpenSSH 10.0 the last value of this keyword wins: remove the host's own.
    sshd.CONFIG = sshd.CONFIG.replace("MaxStartups 200", "")
    sshd.start(must("tmoutctl", "sshd-config"))
    # They send nothing, and so stay in the middle of logging in.
    silent = [socket.create_connection(("127.0.0.1", 22)) for _ in range(5)]
    for one in silent:
        tap.equal(one.recv(4), b"SSH-", "one that has not logged in yet")
    clients = sftp_clients("knock", [])
    tap.equal(sum(got for _, got in clients), 0, f"of {MANY} more clients none gets in")
    end_all(clients)
    tap.ok(sshd.log.since(0, "(?i)maxstartups"), "sshd logs why", *sshd.log.lines[-5:])
    for one in silent:
        one.close()

    def gets_in():
        return subprocess.run(ssh_command("knock", "true"), check=False, timeout=GUARD_SEC,
                              stderr=subprocess.DEVNULL).returncode == 0

    tap.ok(wait_until(gets_in, "nobody gets in"), "once they have gone, clients get in again")


setup(POLICY)
os.makedirs("/run/layers")
sshd.start(must("tmoutctl", "sshd-config"))
write("/root/channel.conf", CHANNEL_POLICY)
channel_sshd = Sshd(port=CHANNEL_PORT)
channel_sshd.start(must("tmoutctl", "sshd-config", "--config", "/root/channel.conf", "--state",
                        "/run/layers/none"))
tmoutd.start()
tap.run(every_cell, a_client_that_answers_for_its_owner, a_server_that_is_dead, max_sessions,
        max_startups)
