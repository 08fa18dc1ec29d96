#!/usr/bin/python3
"""Logins without a terminal, with notty_activity = client: only what the client sends
keeps them, whatever programs on the host do. Each is tried by a user of its own,
all at the same time."""

import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import ssh_command
from host.commands import must, side_by_side
from host.files import write
from host.setup import setup
from host.syslog import syslog
from host.tap import tap
from host.tmoutd import tmoutd
from host.waiting import GUARD_SEC, Stuck, wait_until
from host.connections import (
    ASKED_BY_CLIENT, ASKED_BY_SSHD, ECHO_PORT, NO_SESSION, connect, connect_to_echo, exchange,
    start_asking_sshd, start_echo)

LIMIT_SEC = 6
LATE_SEC = 10  # the promise
AT_WORK_SEC = 3 * LIMIT_SEC

POLICY = f"""
default {{
    disconnect_notty = {LIMIT_SEC}s
    notty_activity = client
}}
group "host" {{
    notty_activity = any
}}
"""

ASKED = ASKED_BY_CLIENT + ASKED_BY_SSHD  # both sides send keep-alives every second
SIBLINGS = "/usr/local/bin/siblings"
# Gives sshd a child every half second, which stays for a while or reads something.
SIBLINGS_PROGRAM = """#!/usr/bin/python3
import ctypes, os, platform, signal, sys, time
CLONE, CLONE_PARENT = {"x86_64": 56, "i686": 120}.get(platform.machine(), 220), 0x8000
libc = ctypes.CDLL(None)
os.write(1, b"ready\\n")
while True:
    if libc.syscall(CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        if sys.argv[1] == "read":
            os.read(os.open("/etc/passwd", os.O_RDONLY), 100)
        else:
            os.setsid()
            time.sleep(0.3)
        os._exit(0)
    time.sleep(0.5)
"""
# sshd logs each such child, and what it writes to standard error would count.
TO_SYSLOG = ["Port=2223"]
CIPHERS = ["aes256-gcm@openssh.com", "aes128-ctr", "chacha20-poly1305@openssh.com"]
NOISE = "(while sleep 0.5; do :; done) & "
READY = "echo ready; "
FORWARDED_PORT = 7000


def shared(name):
    return f"ControlPath=/run/{name}.shared"


def start(name, *command, options=(), stdin=subprocess.PIPE):
    return subprocess.Popen(ssh_command(name, *command, options=[*options, *ASKED]), stdin=stdin,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


# --- nobody sends anything ---------------------------------------------------------

def ended(name, command, options):
    """Whether tmoutd ends this login in time, although it is never quiet."""
    with start(name, *command, options=options) as client:
        try:
            while client.stdout.readline() != b"ready\n":
                if client.poll() is not None:
                    raise Stuck("it has ended before it began")
            client.stdout.close()
            begun = time.monotonic()
            client.wait(GUARD_SEC)
            took = time.monotonic() - begun
        finally:
            client.kill()
    return (took < LIMIT_SEC + LATE_SEC and "setting=disconnect_notty" in
            "".join(tmoutd.cut(name))) or f"it took {took} s"


def command_of(text, options=()):
    return lambda name: ended(name, [text], options)


def silent_forwarding(name):
    port = FORWARDED_PORT + int(name.removeprefix("none"))
    with start(name, options=[*NO_SESSION, f"LocalForward=127.0.0.1:{port} 127.0.0.1:{ECHO_PORT}"],
               stdin=subprocess.DEVNULL) as client:
        with connect_to_echo(port):
            begun = time.monotonic()
            client.wait(GUARD_SEC)
    return time.monotonic() - begun < LIMIT_SEC + LATE_SEC and len(tmoutd.cut(name)) == 1


def shared_connection(name):
    """Commands that began before, over the same connection, do not keep it."""
    with start(name, f"{READY} {NOISE} cat", options=["ControlMaster=yes", shared(name)]) as client:
        client.stdout.readline()
        with start(name, f"{NOISE} sleep 1000", options=["ControlMaster=no", shared(name)]) as second:
            begun = time.monotonic()
            client.wait(GUARD_SEC)
            second.wait(GUARD_SEC)
    return time.monotonic() - begun < LIMIT_SEC + LATE_SEC and len(tmoutd.cut(name)) == 1


NOBODY = {
    "a busy loop beside a shell on a terminal of its own":
        command_of(f"{READY} {NOISE} exec script -qc 'bash -i' /dev/null"),
    "programs that write to each other":
        command_of(f"{READY} while :; do date; sleep 0.2; done | cat >/dev/null"),
    "a command that writes a line now and then":
        command_of(f"{READY} while sleep 0.5; do date; done"),
    "new keys every two seconds": command_of(f"{READY} {NOISE} cat", ["RekeyLimit=default 2"]),
    "a forwarded connection that is silent": silent_forwarding,
    "two sessions of one connection": shared_connection,
    "children that a program gives to sshd": command_of(f"exec {SIBLINGS} stay", TO_SYSLOG),
    "children that have read something": command_of(f"exec {SIBLINGS} read", TO_SYSLOG),
    **{f"keep-alives over {cipher}": command_of(f"{READY} {NOISE} cat", [f"Ciphers={cipher}"])
       for cipher in CIPHERS},
}


# --- somebody is there -------------------------------------------------------------------

def a_byte_now_and_then(name, options=()):
    with start(name, "cat >/dev/null", options=options) as client:
        for _ in range(AT_WORK_SEC // 2):
            client.stdin.write(b"x")
            client.stdin.flush()
            time.sleep(2)
        client.stdin.close()
        return client.wait(GUARD_SEC) == 0


def download(name):
    """Slow, but not slower than the client's window allows in the time."""
    total, rate = 0, 600 * 1024
    with start(name, f"head -c {AT_WORK_SEC * rate + 4 * 1024 * 1024} /dev/zero",
               stdin=subprocess.DEVNULL) as client:
        begun = time.monotonic()
        while data := os.read(client.stdout.fileno(), 16384):
            total += len(data)
            time.sleep(max(0, begun + total / rate - time.monotonic()))
        return client.wait(GUARD_SEC) == 0 and time.monotonic() - begun > AT_WORK_SEC


def a_line_every_two_seconds(name):
    """Requests to a program that answers each, as a database client sends them."""
    with start(name, "while read -r line; do echo $((line + 1)); done") as client:
        for number in range(AT_WORK_SEC // 2):
            client.stdin.write(b"%d\n" % number)
            client.stdin.flush()
            if client.stdout.readline() != b"%d\n" % (number + 1):
                return False
            time.sleep(2)
        client.stdin.close()
        return client.wait(GUARD_SEC) == 0


def forwarding_in_use(name):
    port = FORWARDED_PORT + 100 + int(name.removeprefix("some"))
    with start(name, options=[*NO_SESSION, f"LocalForward=127.0.0.1:{port} 127.0.0.1:{ECHO_PORT}"],
               stdin=subprocess.DEVNULL) as client:
        try:
            with connect_to_echo(port) as through:
                for _ in range(AT_WORK_SEC // 2):
                    exchange(through)
                    time.sleep(2)
            return client.poll() is None
        finally:
            client.kill()


def commands_over_a_shared_connection(name):
    with start(name, options=["ControlMaster=yes", shared(name), "SessionType=none"],
               stdin=subprocess.DEVNULL) as client:
        try:
            wait_until(lambda: os.path.exists(f"/run/{name}.shared"))
            for _ in range(AT_WORK_SEC // 3):
                must(*ssh_command(name, "true", options=[shared(name)]))
                time.sleep(3)
            # One that has begun just now has the whole time, and no more.
            return (subprocess.run(ssh_command(name, f"sleep {LIMIT_SEC - 2}", options=[shared(name)]),
                                   stdin=subprocess.DEVNULL, check=False).returncode == 0
                    and client.poll() is None)
        finally:
            client.kill()


SOMEBODY = {
    "a client that sends a byte every two seconds": a_byte_now_and_then,
    **{f"the same over {cipher}":
       lambda name, cipher=cipher: a_byte_now_and_then(name, [f"Ciphers={cipher}"])
       for cipher in CIPHERS},
    "a download": download,
    "requests and answers": a_line_every_two_seconds,
    "a forwarded connection in use": forwarding_in_use,
    "commands over a shared connection": commands_over_a_shared_connection,
}


def noise_that_counts(name):
    """With notty_activity = any, what programs on the host do counts."""
    with start(name, f"{READY} {NOISE} sleep {AT_WORK_SEC}; kill %1", stdin=subprocess.DEVNULL) as client:
        return client.wait(GUARD_SEC) == 0


def who_stays():
    """notty_activity = client"""
    start_echo()
    start_asking_sshd()
    subprocess.Popen([shutil.which("sshd"), "-D", "-p", "2223", "-f", "/etc/ssh/throwaway_config.2222"])
    connect(2223).close()
    write(SIBLINGS, SIBLINGS_PROGRAM, 0o755)
    cases = ([(f"none{number}", name, function, (), "ends")
              for number, (name, function) in enumerate(NOBODY.items())]
             + [(f"some{number}", name, function, (), "stays")
                for number, (name, function) in enumerate(SOMEBODY.items())]
             + [("noisy", "noise on the host, with notty_activity = any", noise_that_counts,
                 ("host",), "stays")])
    for name, _, _, groups, _ in cases:
        user(name, groups=groups)
    results = side_by_side(lambda case: case[2](case[0]), cases)
    for (name, title, _, _, outcome), result in zip(cases, results):
        log = tmoutd.cut(name)
        tap.ok(result is True and (outcome == "ends" or not log), f"{outcome}: {title}",
               str(result)[-1500:], *log)


def nothing_went_wrong():
    """tmoutd is still running, and has logged no error"""
    tap.ok(tmoutd.alive(), "it is still running")
    tap.equal(syslog.settled(0, r"^(err|crit|alert|emerg) tmoutd\["), [], "no errors in the log")


setup(POLICY)
tmoutd.start()
tap.run(who_stays, nothing_went_wrong)
