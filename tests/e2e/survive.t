#!/usr/bin/python3
"""Logins work under the old policy or the new, despite damage, full disks and many logins."""

import contextlib
import ctypes
import fcntl
import os
import random
import re
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import pam_tmout
from host.commands import mounted, must, run
from host.files import read_bytes, remove
from host.pam_stacks import SESSION_LINE, small_stack
from host.product import SNAPSHOT, STATE, apply, errors, fresh as in_force, policy
from host.setup import setup
from host.sshd import sshd
from host.syslog import syslog
from host.tap import tap
from host.waiting import GUARD_SEC

LOGINS = 20  # in parallel


def default_of(seconds, more=""):
    return f"default {{\n    tmout = {seconds}\n}}\n{more}"


def many_sections(seconds, enforce, count):
    """A policy that takes a while to compile, and whose two halves belong together:
    the limit is in its first section, `enforce` in its last."""
    between = "".join(f'user "somebody{n}" {{\n    tmout = {n + 1}m\n}}\n' for n in range(count))
    last = f'group "kim" {{\n    enforce = {"true" if enforce else "false"}\n}}\n'
    return default_of(seconds, between + last)


def fresh(seconds):
    in_force(default_of(seconds))


def logins_give(expected, name):
    """The next login has this limit."""
    return tap.equal(pam_tmout("kim"), f"{expected} default", name)


class Renames:
    """Counts how often a file in a directory is replaced by rename(2) (inotify)."""

    IN_MOVED_TO = 0x80

    def __init__(self, directory):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.libc.inotify_add_watch(self.descriptor, directory.encode(), self.IN_MOVED_TO)

    def count(self, name):
        """Since the last call."""
        found = 0
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.descriptor, 65536):
                while data:
                    length = struct.unpack("iIII", data[:16])[3]
                    found += data[16:16 + length].rstrip(b"\0").decode() == name
                    data = data[16 + length:]
        return found


def damage_to_the_snapshot():
    """a damaged snapshot is rebuilt at the next login"""
    fresh(100)
    whole = read_bytes(SNAPSHOT)
    random.seed(2)
    damages = {"deleted": None, "empty": b"", "one byte": whole[:1],
               "half": whole[:len(whole) // 2], "a byte short": whole[:-1],
               "a byte long": whole + b"\0", "zeros": bytes(len(whole)),
               "noise": random.randbytes(len(whole)),
               **{f"byte {n} changed": whole[:n] + bytes([whole[n] ^ 0x41]) + whole[n + 1:]
                  for n in sorted(random.sample(range(len(whole)), 6))}}
    for name, content in damages.items():
        remove(SNAPSHOT)
        if content is not None:
            with open(SNAPSHOT, "wb") as file:
                file.write(content)
        logins_give(100, f"{name}: the limit holds")
    for name, make in {"a directory": os.mkdir, "a fifo": os.mkfifo,
                       "a symlink": lambda path: os.symlink("/etc/passwd", path)}.items():
        remove(SNAPSHOT)
        make(SNAPSHOT)
        mark = syslog.mark()
        tap.ok(pam_tmout("kim") in ("", "100 default"), f"{name} in its place: login works",
               *errors(mark))
        remove(SNAPSHOT)
        logins_give(100, f"{name} in its place, removed: the limit holds")


def scribbling_during_logins():
    """logins work while the snapshot is being overwritten"""
    fresh(100)
    stop = threading.Event()

    def scribble():
        while not stop.is_set():
            with contextlib.suppress(OSError), open(SNAPSHOT, "r+b") as file:
                size = os.fstat(file.fileno()).st_size
                file.truncate(random.randrange(size + 1))
                file.write(random.randbytes(random.randrange(64)))

    scribbler = threading.Thread(target=scribble)
    scribbler.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            seen = set(pool.map(lambda _: pam_tmout("kim"), range(16)))
    finally:
        stop.set()
        scribbler.join()
    tap.ok(seen <= {"", "100 default"}, "every login works, and none has a wrong limit", seen)
    tap.ok(sshd.alive(), "sshd is alive")
    logins_give(100, "and once that stops, the limit is back")


def many_logins_after_an_edit():
    """many logins after an edit all have the new limit, and only one compiles it"""
    fresh(100)
    logins_give(100, "before")
    renames = Renames(STATE)
    policy(many_sections(200, False, 10000))
    with ThreadPoolExecutor(LOGINS) as pool:
        seen = list(pool.map(lambda _: pam_tmout("kim"), range(LOGINS)))
    tap.equal(seen, ["200 default"] * LOGINS, f"{LOGINS} parallel logins have the new limit")
    tap.equal(renames.count(os.path.basename(SNAPSHOT)), 1, "the policy was compiled once")


def many_logins_after_a_typo():
    """many logins after a typo all have the old limit, and the error is reported once"""
    fresh(100)
    policy("default {\n    tmoot = 200\n}\n")
    mark = syslog.mark()
    with ThreadPoolExecutor(LOGINS) as pool:
        seen = list(pool.map(lambda _: pam_tmout("kim"), range(LOGINS)))
    tap.equal(seen, ["100 default"] * LOGINS, f"{LOGINS} parallel logins have the old limit")
    tap.equal(len(errors(mark)), 1, "the error is reported once")


def state_not_writable():
    """a state directory that can't be written: logins work with the old policy"""
    fresh(100)
    with mounted("--bind", STATE, STATE):
        must("mount", "-o", "remount,bind,ro", STATE)
        policy(default_of(200))
        mark = syslog.mark()
        logins_give(100, "read-only: the old limit")
        tap.ok(errors(mark), "and the log says so")
    logins_give(200, "writable again: the new limit")

    saved = read_bytes(SNAPSHOT)
    with mounted("-t", "tmpfs", "-o", "size=64k,mode=755", "throwaway", STATE):
        with open(SNAPSHOT, "wb") as file:
            file.write(saved)
        with contextlib.suppress(OSError), open(STATE + "/filler", "wb", 0) as file:
            while file.write(b"x" * 4096):
                pass
        policy(default_of(300))
        mark = syslog.mark()
        logins_give(200, "full: the old limit")
        tap.ok(errors(mark), "and the log says so")
        remove(STATE + "/filler")
        logins_give(300, "space again: the new limit")


def neither_snapshot_nor_policy():
    """no snapshot and no valid policy: the login works, is logged, and the shell falls back"""
    fresh(100)
    remove(SNAPSHOT)
    policy("default { tmoot = 1 }\n")
    for attempt in "first", "second":
        mark = syslog.mark()
        tap.equal(pam_tmout("kim"), "", f"{attempt} login: works, an empty PAM_TMOUT")
        tap.ok(errors(mark), f"{attempt} login: the log says so")
    policy(default_of(200))
    logins_give(200, "fixed")


def su(*before):
    """PAM_TMOUT in root's session through su, and su's exit status."""
    result = run(*before, "su", "root", "-c", "/usr/bin/env", env={"PATH": os.environ["PATH"]})
    found = re.search(r"^PAM_TMOUT=(.*)$", result.stdout, re.MULTILINE)
    return found and found.group(1), result.returncode


def su_from_a_user():
    """su started by a user reads the snapshot and never writes one, whatever its rlimits"""
    local = 'user "root" {\n    sessions = all\n}\n'
    as_kim = ["setpriv", "--reuid=kim", "--regid=kim", "--clear-groups"]
    in_force(default_of(100, local))
    small_stack("su", SESSION_LINE)
    before = os.stat(SNAPSHOT).st_ino, read_bytes(SNAPSHOT)
    policy(default_of(200, local))
    for limit in "--fsize=0", "--nproc=0", "--nofile=16", "--core=0":
        tap.equal(su(*as_kim, "prlimit", limit), ("100 default", 0), f"{limit}: the old limit")
    # Without processor time su itself may be killed, with whatever it runs.
    tap.ok(su(*as_kim, "prlimit", "--cpu=0")[0] in ("100 default", None), "--cpu=0: no other limit")
    tap.equal((os.stat(SNAPSHOT).st_ino, read_bytes(SNAPSHOT)), before,
              "the snapshot is the same file with the same content")
    tap.equal(su(), ("200 default", 0), "root's own su writes a new one")


def su_from_root():
    """root's own resource limits don't keep the policy from being applied"""
    local = 'user "root" {\n    sessions = all\n}\n'
    small_stack("su", SESSION_LINE)
    # Soft limits: not every container's root may raise a hard one.
    for limit in "--fsize=0:", "--nproc=0:", "--as=64000000:", "--nofile=16:":
        in_force(default_of(100, local))
        policy(default_of(200, local))
        tap.equal(su("prlimit", limit), ("200 default", 0), f"{limit} the new limit")
    in_force(default_of(100, local))
    policy(default_of(200, local))
    su("prlimit", "--cpu=0:")
    tap.equal(su(), ("200 default", 0), "su killed for its CPU limit, and then another")


def apply_is_killed():
    """apply is killed again and again: each login has the whole old policy or the whole new one"""
    versions = {"200 default": many_sections(200, False, 2000),
                "300 readonly": many_sections(300, True, 2000)}
    fresh(100)
    policy(versions["200 default"])
    apply()
    stop = threading.Event()

    def kill_and_kill():
        for turn in range(100000):
            if stop.is_set():
                return
            policy(list(versions.values())[turn % 2])
            process = subprocess.Popen(["tmoutctl", "apply", "--quiet"],
                                       stdin=subprocess.DEVNULL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(random.uniform(0, 0.05))
            process.kill()
            process.wait(GUARD_SEC)

    killer = threading.Thread(target=kill_and_kill)
    killer.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            seen = set(pool.map(lambda _: pam_tmout("kim"), range(24)))
    finally:
        stop.set()
        killer.join()
    tap.ok(seen <= set(versions), "every login has one of the two, never half of each", seen)
    for expected, text in versions.items():
        policy(text)
        apply()
        tap.equal(pam_tmout("kim"), expected, f"apply then works: {expected}")
    tap.equal(sorted(os.listdir(STATE)), ["apply.lock", "policy.v1"],
              "no half-written file is left")


def a_lock_that_is_never_released():
    """the lock of apply is never released: logins wait a little and go on"""
    fresh(100)
    with open(STATE + "/apply.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        policy(default_of(200))
        mark = syslog.mark()
        logins_give(100, "held: the old limit")
        tap.ok(errors(mark), "and the log says so")
    logins_give(200, "released: the new limit")


def two_in_parallel():
    """two parallel applies leave an intact snapshot"""
    fresh(100)
    for turn in range(5):
        policy(many_sections(200 + turn, False, 1000))
        both = [subprocess.Popen(["tmoutctl", "apply"], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL)
                for _ in range(2)]
        tap.equal([one.wait(GUARD_SEC) for one in both], [0, 0], "both succeed")
        logins_give(200 + turn, "and the policy is in force")


setup(default_of(100))
user("kim", "dash")
tap.run(damage_to_the_snapshot, scribbling_during_logins, many_logins_after_an_edit,
        many_logins_after_a_typo, state_not_writable, neither_snapshot_nor_policy, su_from_a_user,
        su_from_root, apply_is_killed, a_lock_that_is_never_released, two_in_parallel)
