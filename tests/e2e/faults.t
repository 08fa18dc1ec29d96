#!/usr/bin/python3
"""tmoutd while one of its system calls fails: no login is lost by it.

Each fault hits a tmoutd of its own, with a registry of its own and a login that
goes idle (tests/bench/idlers.c). strace counts the calls in each process anew, so that
all of its helpers are hit, for the first FAULTY_SEC. A tmoutd that gives up is started
again, as systemd does. With TMOUT_SOAK every call is hit in turn; without it, a sample.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.commands import must
from host.files import REPOSITORY, read, write
from host.setup import setup
from host.tap import tap
from host.waiting import GUARD_SEC

LIMIT_SEC = 6
FAULTY_SEC = 4
# A fault may cost a retry: 30 s.
LATE_SEC = 45
PARALLEL = 24
EVERY = bool(os.environ.get("TMOUT_SOAK"))
# What other faults than these could be injected into would end the program that is
# tested, not try it: it exits, or strace itself would wait.
NOT_TRIED = {"exit_group", "execve", "rt_sigreturn", "restart_syscall"}
ERRORS = {"openat": ("EIO", "EMFILE", "ENOMEM", "EACCES"), "read": ("EIO", "EINTR", "ENOMEM"),
          "getdents64": ("EIO", "ENOMEM"), "clone": ("EAGAIN", "ENOMEM"),
          "pidfd_open": ("EMFILE", "ENOMEM"), "epoll_wait": ("EINTR",)}
USUAL_ERRORS = ("EIO", "ENOMEM")
SAMPLE = [("openat", "EIO", n) for n in (3, 9, 12)] + [
    ("read", "EIO", 2), ("read", "EIO", 5), ("getdents64", "EIO", 1), ("clone", "EAGAIN", 1),
    ("clone", "ENOMEM", 3), ("pidfd_open", "EMFILE", 1), ("pidfd_open", "EMFILE", 3),
    ("socketpair", "EMFILE", 1), ("socketpair", "EMFILE", 4), ("sendmsg", "EIO", 1),
    ("recvmsg", "EIO", 1), ("recvmsg", "EIO", 4), ("epoll_ctl", "ENOMEM", 4),
    ("epoll_ctl", "ENOMEM", 9), ("newfstatat", "EIO", 4), ("inotify_init1", "EMFILE", 1),
    ("inotify_add_watch", "ENOSPC", 1), ("timerfd_settime", "EINVAL", 2), ("ioctl", "EIO", 1),
    ("pidfd_send_signal", "EPERM", 1), ("readlink", "EIO", 1)]

POLICY = f"default {{\n    disconnect = {LIMIT_SEC}s\n    warn = 1s\n}}\n"
IDLERS = REPOSITORY + "/build/bench/idlers"
TMOUTD = REPOSITORY + "/build/tmoutd"


class Idle:
    """A login that goes idle, and its tmoutd."""

    def __init__(self, name, strace):
        self.state = f"/run/faults/{name}"
        write(self.state + ".conf", POLICY)
        must("tmoutctl", "apply", "--quiet", "--config", self.state + ".conf", "--state",
             self.state)
        self.login = subprocess.Popen([IDLERS, "leave", self.state, "idler", "1"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.login.stdout.readline()
        self.messages = self.state + ".log"
        self.watcher = self._start([*strace])

    def _start(self, strace):
        with open(self.messages, "a", encoding="utf-8") as log:
            return subprocess.Popen([*strace, TMOUTD, "--foreground", "--state", self.state],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop_faults(self):
        """Ends strace, without which tmoutd goes on."""
        tracer = re.search(r"^TracerPid:\s*(\d+)", read(f"/proc/{self.watcher.pid}/status"),
                           re.MULTILINE).group(1) if self.watcher.poll() is None else "0"
        if tracer != "0":
            os.kill(int(tracer), signal.SIGTERM)

    def ends(self):
        """Whether the login is gone in time."""
        gone = threading.Event()
        threading.Timer(FAULTY_SEC, self.stop_faults).start()
        threading.Thread(target=lambda: self.login.stdout.readline() and gone.set(),
                         daemon=True).start()
        until = time.monotonic() + LIMIT_SEC + LATE_SEC
        while not gone.wait(0.5) and time.monotonic() < until:
            if self.watcher.poll() is not None:
                self.watcher = self._start([])
        return gone.is_set()

    def close(self):
        self.watcher.kill()
        self.login.kill()
        for process in self.watcher, self.login:
            process.wait(GUARD_SEC)


def calls():
    """How often a tmoutd without faults uses each system call, at most in one of its
    processes."""
    one = Idle("none", ["strace", "-D", "-I", "waiting", "-f", "-o", "/run/faults-trace"])
    if not one.ends():
        raise RuntimeError("the login does not even end without a fault:\n" + read(one.messages))
    one.close()
    counts = {}
    for pid, call in re.findall(r"^(\d+) +(\w+)\(", read("/run/faults-trace"), re.MULTILINE):
        counts[pid, call] = counts.get((pid, call), 0) + 1
    most = {}
    for (_, call), count in counts.items():
        most[call] = max(most.get(call, 0), count)
    return most


def all_faults():
    return [(call, error, number) for call, count in sorted(calls().items())
            if call not in NOT_TRIED for number in range(1, count + 1)
            for error in ERRORS.get(call, USUAL_ERRORS)]


def with_fault(fault):
    call, error, number = fault
    name = f"{call}-{error}-{number}"
    one = Idle(name, ["strace", "-D", "-I", "waiting", "-f", "-qq", "-o", "/dev/null", "-e",
                      f"inject={call}:error={error}:when={number}"])
    try:
        return name, one.ends(), read(one.messages)
    finally:
        one.close()


def faults():
    """one fault each"""
    user("idler")
    os.makedirs("/run/faults", exist_ok=True)
    results, todo, lock = [], all_faults() if EVERY else list(SAMPLE), threading.Lock()

    def work():
        while True:
            with lock:
                if not todo:
                    return
                fault = todo.pop()
            try:
                result = with_fault(fault)
            except (OSError, RuntimeError) as error:
                result = "-".join(map(str, fault)), False, str(error)
            with lock:
                results.append(result)

    threads = [threading.Thread(target=work) for _ in range(PARALLEL)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, ended, messages in sorted(results):
        tap.ok(ended, f"{name}: the idle login ends", messages)


setup(POLICY)
tap.run(faults)
