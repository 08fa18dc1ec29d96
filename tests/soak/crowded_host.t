#!/usr/bin/python3
"""tmoutd on a host with thousands of logins, and hundreds of attackers: everybody is
watched, and cut in time. The logins are those of tests/bench/idlers.c.

Arguments: the number of logins of the largest host, and the scenarios to run.
"""
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "../bench")]

import bench_host
from host.commands import must
from host.files import REPOSITORY, read, write
from host.fuse import FileSystem
from host.tap import tap
from idlers import EACH, LIMIT_SEC, PtyLimit, add_users

LOGINS = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
CHOSEN = sys.argv[2:]
SLOW_LOGINS = min(LOGINS, 1000)
ATTACKERS = min(LOGINS, 400)
INNOCENT = 100
FOUND_SEC = 30
LATE_SEC = 10
UNDER_ATTACK_SEC = 15
GUARD_SEC = 60
GROUPS = 1000
ANSWER_US = 2000
WATCHDOG_SEC = 10
LIBRARY = "/usr/local/lib/libnss_crowd.so.2"
POLICY, SESSIONS = "/etc/security/tmout.conf", "/run/tmout/sessions"
NAMED_SSHD = "/run/crowd/sshd"
FEW, ONE = bench_host.TEN, bench_host.ONE


class Logins:
    """Logins of tests/bench/idlers.c, and when each ended after its last input."""

    def __init__(self, how, user, count, state, file=None, program=bench_host.PROGRAMS + "/idlers"):
        self.process = subprocess.Popen(
            [program, how, state, user, str(count), *([file] if file else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.count = count
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError("no logins")

    def ended_after(self):
        told, until = b"", time.monotonic() + LIMIT_SEC + GUARD_SEC
        while told.count(b"\n") < self.count and time.monotonic() < until:
            if select.select([self.process.stdout], [], [], 1)[0]:
                told += os.read(self.process.stdout.fileno(), 65536)
        return [float(line) for line in told.split()]

    def close(self):
        self.process.kill()
        self.process.wait()


class Daemon:
    """tmoutd, and the longest time between two signs of life to systemd's watchdog."""

    def __init__(self, *arguments):
        self.messages, self.silent_sec = f"/run/crowd/log.{time.monotonic()}", 0.0
        notified = f"/run/crowd/notified.{time.monotonic()}"
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(notified)
        environment = {**os.environ, "NOTIFY_SOCKET": notified,
                       "WATCHDOG_USEC": str(WATCHDOG_SEC * 10**6)}
        with open(self.messages, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [REPOSITORY + "/build/tmoutd", "--foreground", *arguments],
                stdin=subprocess.DEVNULL, stderr=log, env=environment)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        last = None
        while True:
            if b"WATCHDOG=1" not in self.notified.recv(4096):
                continue
            now = time.monotonic()
            self.silent_sec = max(self.silent_sec, now - last) if last else 0.0
            last = now

    def close(self):
        self.process.terminate()
        self.process.wait()


def records():
    return sum(name.isdigit() for name in os.listdir(SESSIONS)) if os.path.isdir(SESSIONS) else 0


def judge(title, ended, count, late_sec, daemon):
    late = [sec - LIMIT_SEC for sec in ended]
    tap.ok(len(ended) == count and max(late) <= late_sec,
           f"{title}: {count} logins are cut within {late_sec} s",
           f"{len(ended)} ended, {min(late, default=0):.1f} to {max(late, default=0):.1f} s late",
           read(daemon.messages)[-3000:])
    tap.note(f"{title}: {min(late, default=0):.1f} to {max(late, default=0):.1f} s late")
    tap.ok(daemon.process.poll() is None and daemon.silent_sec < WATCHDOG_SEC,
           f"{title}: the watchdog is never due", daemon.silent_sec)


def unrecorded():
    """thousands of logins without a record are all watched soon"""
    # tmoutd looks for them only with the host's own state directory.
    write(POLICY, "default { disconnect = 1h }\n")
    must(bench_host.TMOUTCTL, "apply", "--quiet")
    logins = Logins("hidden", EACH, LOGINS, "-", program=NAMED_SSHD)
    begun = time.monotonic()
    daemon = Daemon()
    try:
        while records() < LOGINS and time.monotonic() < begun + GUARD_SEC:
            time.sleep(0.1)
        took = time.monotonic() - begun
        tap.ok(records() == LOGINS and took <= FOUND_SEC,
               f"{LOGINS} logins without a record are found within {FOUND_SEC} s",
               f"{records()} after {took:.1f} s", read(daemon.messages)[-3000:])
        tap.note(f"{LOGINS} logins found after {took:.1f} s")
        tap.ok(daemon.silent_sec < WATCHDOG_SEC, "the watchdog is never due", daemon.silent_sec)
    finally:
        daemon.close()
        logins.close()


def use_slow_name_service():
    must("cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", LIBRARY,
         REPOSITORY + "/tests/host/nss_crowd.c")
    must("ldconfig")
    write("/etc/nss_crowd", f"{GROUPS} {ANSWER_US}\n")
    must("sed", "-i", "-E", "s/^(passwd|group):.*/\\1: files crowd/;s/^initgroups:.*//",
         "/etc/nsswitch.conf")
    must("sed", "-i", "/^each/d", "/etc/passwd")


def slow_names():
    """a name service that takes 2 ms, users in 1,000 groups, and 1,000 rules about groups: at
    start, with a policy that is newer than the records"""
    use_slow_name_service()
    name = "slownames"
    state = bench_host.policy_state(name)
    path = bench_host.policy_path(name)
    limit = f"disconnect = {LIMIT_SEC}s warn = 2s"
    for groups in 10, GROUPS:
        write(path, f"default {{ {limit} }}\n")
        must(bench_host.TMOUTCTL, "apply", "--quiet", "--config", path, "--state", state)
        logins = Logins("leave", EACH, SLOW_LOGINS, state)
        write(path, f"default {{ {limit} }}\n" +
              "".join(f"group c{i} {{ {limit} tmout = 10m }}\n" for i in range(groups)))
        must(bench_host.TMOUTCTL, "apply", "--quiet", "--config", path, "--state", state)
        daemon = Daemon("--state", state)
        try:
            judge(f"slow names, {groups} rules", logins.ended_after(), SLOW_LOGINS, LATE_SEC, daemon)
        finally:
            daemon.close()
            logins.close()


def attacked(name, user, what):
    """Attackers whose processes nobody can look into, and innocent logins."""
    state = bench_host.policy_state(name)
    path = bench_host.policy_path(name)
    write(path, f"default {{ disconnect = {LIMIT_SEC}s warn = none }}\n")
    must(bench_host.TMOUTCTL, "apply", "--quiet", "--config", path, "--state", state)
    system = FileSystem(True, "rw,allow_other")
    system.serve()
    attackers = Logins("leave", user, ATTACKERS, state, system.file)
    innocent = Logins("leave", FEW, INNOCENT, state)
    daemon = Daemon("--state", state)
    try:
        judge(what, innocent.ended_after(), INNOCENT, UNDER_ATTACK_SEC, daemon)
        ended = attackers.ended_after()
        tap.ok(len(ended) == ATTACKERS, f"{what}: their own sessions end",
               f"{len(ended)} of {ATTACKERS}", read(daemon.messages)[-3000:])
        tap.note(f"{what}: theirs {max(ended, default=0) - LIMIT_SEC:.1f} s late")
    finally:
        os.kill(system.server, signal.SIGKILL)
        daemon.close()
        innocent.close()
        attackers.close()


def hundreds_of_attackers():
    """a process of each of 400 users is caught in execve(2)"""
    attacked("attackers", EACH, f"{ATTACKERS} attackers")


def hundreds_of_processes():
    """400 processes of one user are"""
    attacked("attacker", ONE, f"{ATTACKERS} processes of an attacker")


def main():
    if not os.path.exists("/run/throwaway"):
        throwaway = REPOSITORY + "/tests/host/throwaway"
        os.execv(throwaway, [throwaway, *sys.argv])
    bench_host.prepare()
    os.mknod("/dev/fuse", 0o20666, os.makedev(10, 229))
    os.chmod("/dev/fuse", 0o666)
    os.makedirs(os.path.dirname(NAMED_SSHD))
    shutil.copy(bench_host.PROGRAMS + "/idlers", NAMED_SSHD)
    add_users(LOGINS)
    with PtyLimit(LOGINS + INNOCENT) as problem:
        if problem:
            raise RuntimeError(problem)
        tap.run(*[each for each in (unrecorded, hundreds_of_attackers, hundreds_of_processes,
                                    slow_names) if not CHOSEN or each.__name__ in CHOSEN])


main()
