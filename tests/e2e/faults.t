#!/usr/bin/python3
"""tmoutd while one of its system calls fails: no login is lost by it.

Each fault hits a tmoutd of its own, with a registry of its own and a login that
goes idle (tests/bench/idlers.c). strace counts the calls in each process anew, so that
all of its helpers are hit, for the first FAULTY_SEC. A tmoutd that gives up is started
again, as systemd does. With TMOUT_SOAK every call is hit in turn; without it, a sample.
"""

import os
import re
import shutil
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
from host.waiting import GUARD_SEC, wait_until

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

# Of these, every call fails from some point on: a sandbox that is too tight, a broken
# kernel, a process that is out of descriptors.
PERMANENT = [(call, error) for call, errors in {
    "openat": ("EIO", "EMFILE", "EACCES", "ENOMEM"), "getdents64": ("EIO", "ENOMEM"),
    "readlink": ("EIO", "EACCES"), "readlinkat": ("EIO", "EACCES"), "sendmsg": ("EIO", "ENOBUFS"),
    "pidfd_open": ("EMFILE", "EPERM", "ENOMEM"), "read": ("EIO", "ENOMEM"),
    "recvmsg": ("EIO",), "socketpair": ("EMFILE",), "clone": ("EAGAIN",), "ioctl": ("EIO", "EPERM"),
    "pidfd_getfd": ("EPERM",), "pidfd_send_signal": ("EPERM",), "getsid": ("EPERM",),
    "newfstatat": ("EIO", "EACCES"), "fstat": ("EIO",), "statx": ("EIO",), "epoll_ctl": ("ENOMEM",),
    "epoll_wait": ("EIO",), "timerfd_settime": ("EINVAL",), "capget": ("EPERM",),
    "capset": ("EPERM",), "sendto": ("EIO",), "write": ("EIO",), "fcntl": ("EMFILE",),
    "prctl": ("EPERM",), "close_range": ("EPERM",), "close": ("EIO",), "mmap": ("ENOMEM",),
    "brk": ("ENOMEM",), "wait4": ("EPERM",), "pwrite64": ("EIO",), "unlinkat": ("EIO",)
    }.items() for error in errors]
# Without them nobody can tell whether a terminal is idle: the login is cut once they work.
NEEDED = {"newfstatat"}
PERMANENT_SAMPLE = [("openat", "EMFILE"), ("getdents64", "EIO"), ("readlink", "EIO"),
                    ("sendmsg", "EIO"), ("pidfd_open", "EPERM"), ("read", "EIO")]

POLICY = f"default {{\n    disconnect = {LIMIT_SEC}s\n    warn = 1s\n}}\n"
SPARES = "/run/faults-spares"
IDLERS = REPOSITORY + "/build/bench/idlers"
TMOUTD = REPOSITORY + "/build/tmoutd"


def children(pid):
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def is_starter(pid):
    """Whether it starts tmoutd's helpers, as long as tmoutd runs."""
    try:
        return read(f"/proc/{pid}/comm") == "tmoutd-starter\n"
    except OSError:
        return False


def is_traced(pid):
    """Whether strace follows it; or it has ended, as the starter does for some faults."""
    try:
        return "TracerPid:\t0\n" not in read(f"/proc/{pid}/status")
    except OSError:
        return True


class Idle:
    """A login that goes idle, and its tmoutd."""

    def __init__(self, name, strace):
        self.state = f"/run/faults/{name}"
        write(self.state + ".conf", POLICY)
        must("tmoutctl", "apply", "--quiet", "--config", self.state + ".conf", "--state",
             self.state)
        if os.path.isdir(SPARES):
            shutil.copytree(SPARES, self.state + "-sessions.spare")
        self.login = subprocess.Popen([IDLERS, "leave", self.state, "idler", "1"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.login.stdout.readline()
        self.login_pid = os.listdir(self.state + "-sessions")[0]
        self.messages = self.state + ".log"
        self.fault = None
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

    def processes(self):
        """tmoutd's own: the main one, and the one that starts helpers."""
        return [self.watcher.pid] + [pid for pid in children(self.watcher.pid) if is_starter(pid)]

    def wait_known(self):
        """Until it has looked at the login, and sleeps until something is due."""
        of_process = f"/proc/{self.watcher.pid}/"

        def has_looked():
            # The page faults of helpers that have ended.
            faults = read(of_process + "stat").rsplit(")", 1)[1].split()[8]
            return faults != "0" and all(map(is_starter, children(self.watcher.pid)))
        wait_until(has_looked)

    def is_ended(self):
        """Whether the login itself was ended, rather than its terminal hung up."""
        try:
            return ") Z " in read(f"/proc/{self.login_pid}/stat")
        except OSError:
            return True

    def begin_fault(self, inject):
        """From now on, in every process."""
        processes = self.processes()
        self.fault = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", inject,
                                       *(f"--attach={pid}" for pid in processes)])
        wait_until(lambda: all(map(is_traced, processes)))

    def log(self):
        return read(self.messages)

    def is_quiet(self):
        """Whether no line comes more than a few times."""
        lines = re.findall(r"(?m)^.*tmoutd.*?: (.*)", self.log())
        return all(lines.count(line) <= 3 for line in lines)

    def ends(self, permanent=None):
        """Whether the login is gone in time."""
        gone = threading.Event()
        if permanent is None:
            threading.Timer(FAULTY_SEC, self.stop_faults).start()
        threading.Thread(target=lambda: self.login.stdout.readline() and gone.set(),
                         daemon=True).start()
        until = time.monotonic() + LIMIT_SEC + LATE_SEC
        while not gone.wait(0.5) and not self.is_ended() and time.monotonic() < until:
            if self.watcher.poll() is not None:
                self.watcher = self._start([])
        return gone.is_set() or self.is_ended()

    def close(self):
        processes = [process for process in (self.fault, self.watcher, self.login) if process]
        for process in processes:
            process.kill()
        for process in processes:
            process.wait(GUARD_SEC)


def save_spares():
    """Keeps the files that the first start of a tmoutd creates, but for two: 128 times the
    same calls are not worth the time."""
    one = Idle("first", [])
    spares = one.state + "-sessions.spare"
    wait_until(lambda: os.path.isdir(spares) and len(os.listdir(spares)) == 128)
    one.wait_known()
    one.close()
    shutil.copytree(spares, SPARES)
    for name in sorted(os.listdir(SPARES))[:2]:
        os.unlink(f"{SPARES}/{name}")


def calls():
    """How often a tmoutd without faults uses each system call, at most in one of its
    processes."""
    save_spares()
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


def for_good(fault):
    """Every call of one kind fails, from when the login is known."""
    call, error = fault
    name = f"{call}-{error}"
    one = Idle(name, [])
    try:
        one.wait_known()
        one.begin_fault(f"inject={call}:error={error}")
        if call in NEEDED:
            wait_until(lambda: "cannot look at a login" in one.log())
            one.fault.terminate()
        ended = one.ends(one.fault)
        return name, ended and one.is_quiet(), one.log()
    finally:
        one.close()


def for_each(faults, try_one):
    """Tries them, several at the same time, and returns the results."""
    results, todo, lock = [], list(faults), threading.Lock()

    def work():
        while True:
            with lock:
                if not todo:
                    return
                fault = todo.pop()
            try:
                result = try_one(fault)
            except (OSError, RuntimeError) as error:
                result = "-".join(map(str, fault)), False, str(error)
            with lock:
                results.append(result)

    threads = [threading.Thread(target=work) for _ in range(PARALLEL)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(results)


def faults():
    """one fault each"""
    for name, ended, messages in for_each(all_faults() if EVERY else SAMPLE, with_fault):
        tap.ok(ended, f"{name}: the idle login ends", messages)


def permanent_faults():
    """one kind of call that fails for good"""
    for name, ended, messages in for_each(PERMANENT if EVERY else PERMANENT_SAMPLE, for_good):
        tap.ok(ended, f"{name} for good: the idle login ends, and the log is not flooded", messages)


setup(POLICY)
user("idler")
os.makedirs("/run/faults", exist_ok=True)
chosen = os.environ.get("ROUNDS", "").split()
tap.run(*[each for each in (faults, permanent_faults) if not chosen or each.__name__ in chosen])
