#!/usr/bin/python3
"""One login attempt on a host of a fleet, whose process, daemon, or both are killed or frozen in
front of and behind each of their system calls, traced with ptrace(2); another host then tries
wrong passwords. Each time: no more are checked than promised, on each host and in all, right ones
get in, nobody waits longer than a lease, and a daemon that goes on tells the store of each failure.
The same for a daemon that tells a new store what it knows.

Half an hour, most of it waiting. EVERY=8 takes each eighth step: four minutes. ROUNDS chooses
some of the scenarios.
"""
import contextlib
import ctypes
import os
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts import Pam
from host.files import REPOSITORY, append, read_bytes, write
from host.fleet import LOOK, SUCCEEDED, Daemon, Question
from host.pam_stacks import stack
from host.setup import setup
from host.store import Server
from host.tap import tap
from host.waiting import wait_until

LIMIT, FALLBACK = 3, 1
POLICY = (f"default {{ max_attempts = {LIMIT}  fleet_attempts = {LIMIT} "
          f"fleet_fallback = {FALLBACK} }}\n")
CONF = "timeout = 5s\n"
COUNTS = "/run/counts"
CHECK = f"{REPOSITORY}/build/bench/pam_check.so"
EVERY = int(os.environ.get("EVERY", 1))
USERS = 5000
FAULTS_MAX = 5  # then the rest of the steps need not be tried
SHORT_LEASE_MS, LONG_LEASE_MS = 2000, 100000
# The longest that an attempt may wait for a host or a daemon that is gone: far less than the long
# lease, which must not be waited for where a process has died.
PATIENCE_SEC = 60
TRACEME, SYSCALL, DETACH, SETOPTIONS, SEIZE, INTERRUPT = 0, 24, 17, 0x4200, 0x4206, 0x4207
TRACESYSGOOD, WALL = 1, 0x40000000

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


def ptrace(what, pid, data=0):
    if LIBC.ptrace(what, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {what}")


class Traced:
    """A process that stops at each system call."""

    def __init__(self, pid):
        self.pid, self.status, self.seen, self.running = pid, None, 0, False

    def ended(self):
        return self.status is not None

    def go_on(self, delivered=0):
        ptrace(SYSCALL, self.pid, delivered)
        self.running = True

    def poll(self, steps):
        """Lets it take so many steps in all; returns whether it has, or has ended."""
        if self.ended() or self.seen >= steps:
            return True
        if not self.running:
            self.go_on()
        pid, status = os.waitpid(self.pid, os.WNOHANG | WALL)
        if pid == 0:
            return False
        self.running = False
        if not os.WIFSTOPPED(status):
            self.status = status
            return True
        if os.WSTOPSIG(status) == signal.SIGTRAP | 0x80:
            self.seen += 1
        elif status >> 16 == 0:
            self.go_on(os.WSTOPSIG(status))
        return self.seen >= steps

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.reap()

    def reap(self):
        while not self.ended():
            try:
                _, status = os.waitpid(self.pid, WALL)
            except ChildProcessError:
                self.status = 0
                return
            if not os.WIFSTOPPED(status):
                self.status = status

    def freeze(self):
        """In its step, where it is stopped already."""
        assert self.ended() or not self.running

    def let_go(self):
        """As it was before it was traced, whether it is stopped or not."""
        if self.ended():
            return
        if self.running:
            ptrace(INTERRUPT, self.pid)
            os.waitpid(self.pid, WALL)
        ptrace(DETACH, self.pid)


def start_attempt(name, password, traced):
    """A process with one attempt, which stops in front of it if it is traced."""
    pid = os.fork()
    if pid == 0:
        try:
            if traced:
                ptrace(TRACEME, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(0 if Pam.once("trial", name, password, source="192.0.2.7") == 0 else 1)
        finally:
            os._exit(2)
    if traced:
        os.waitpid(pid, 0)
        ptrace(SETOPTIONS, pid, TRACESYSGOOD)
    return Traced(pid)


def seize(daemon):
    ptrace(SEIZE, daemon.process.pid, TRACESYSGOOD)
    ptrace(INTERRUPT, daemon.process.pid)
    os.waitpid(daemon.process.pid, WALL)
    return Traced(daemon.process.pid)


def checked():
    """How many wrong passwords have reached the check on this host."""
    return struct.unpack_from("II", read_bytes(COUNTS))[1]


class Round:
    """Another user, who has tried nothing yet."""
    number = 0

    def __init__(self):
        Round.number += 1
        assert Round.number < USERS
        self.name, self.before = f"step{Round.number}", checked()
        self.begun = time.monotonic()

    def guesses_elsewhere(self):
        """Wrong passwords that the other host admits, until the user is locked."""
        count = 0
        while OTHER.try_once(user=self.name) == "admitted":
            count += 1
        return count

    def right_one_elsewhere(self):
        return OTHER.try_once(SUCCEEDED, user=self.name) == "admitted"

    def counted(self):
        """(failures, in flight) in the store."""
        counts = Question(OTHER, LOOK, user=self.name).counts().values()
        return tuple(sum(count[which] for count in counts) for which in (0, 1))

    def await_count(self, failures):
        """The store is told as much, and nothing else."""
        wait_until(lambda: self.counted() == (failures, 0),
                   f"{self.name}: the store counts {self.counted()} instead of {failures}")

    def here(self):
        """How many wrong passwords have reached the check on this host."""
        return checked() - self.before

    def faults(self, guesses, most, most_here=LIMIT):
        found = []
        if self.here() > most_here or self.here() + guesses > most:
            found.append(f"{self.here()} checked here, of {most_here}, and {guesses} elsewhere, of "
                         f"{most} in all")
        if time.monotonic() - self.begun > PATIENCE_SEC:
            found.append("it took too long")
        return found

    def took(self):
        return time.monotonic() - self.begun


def each_step(about, one_step):
    """one_step(step) returns what is wrong, or None if it has never got there."""
    step, faults, longest = 0, [], 0.0
    while len(faults) < FAULTS_MAX and (found := one_step(step)) is not None:
        problems, took = found
        faults += [f"step {step}: {problem}" for problem in problems]
        longest = max(longest, took)
        step += EVERY
    tap.ok(step > 20 * (EVERY == 1) and not faults, f"{about}: {step} steps, at most {longest:.1f} s",
           *faults)


# --- what is killed or frozen ----------------------------------------------------------------

def kill_process(step, password):
    turn, process = Round(), start_attempt(f"step{Round.number}", password, True)
    while not process.poll(step):
        time.sleep(0)
    if process.ended():
        return None
    process.kill()
    guesses = turn.guesses_elsewhere()
    Pam.once("trial", turn.name, "wrong", source="192.0.2.7")
    found = turn.faults(guesses, LIMIT)
    if guesses < LIMIT - 1:
        found.append(f"only {guesses} were admitted elsewhere: it was charged twice")
    return found, turn.took()


def freeze_process(step, password):
    turn, process = Round(), start_attempt(f"step{Round.number}", password, True)
    while not process.poll(step):
        time.sleep(0)
    if process.ended():
        return None
    process.freeze()
    # A right password starts over: elsewhere, after what was checked here, or here.
    most = LIMIT + checked() - turn.before + (LIMIT if password == "right" else 0)
    found = [] if turn.right_one_elsewhere() else ["a right one is rejected elsewhere"]
    if Pam.once("trial", "other", "right", source="192.0.2.7") != 0:
        found.append("another user is rejected here")
    guesses = [OTHER.try_once(user=turn.name) for _ in range(LIMIT - 1)].count("admitted")
    last = OTHER.attempt(user=turn.name).ask()
    answer = last.next()
    if answer == "admitted":
        last.settle(0)  # the frozen one would wait for it
    process.let_go()
    process.reap()
    if answer == "waiting" and (answer := last.answer()) == "admitted":
        last.settle(0)
    last.close()
    guesses += answer == "admitted"
    return found + turn.faults(guesses + turn.guesses_elsewhere(), most), turn.took()


def with_daemon(step, password, act, undo):
    """Something happens to the daemon at this step, and another attempt comes meanwhile."""
    turn = Round()
    daemon = seize(HERE)
    process = start_attempt(turn.name, password, False)
    ended = None

    def settled():
        return password == "right" or turn.counted()[0] > 0

    while not daemon.poll(step):
        if ended is None and os.waitpid(process.pid, os.WNOHANG)[0] != 0:
            ended = time.monotonic()
            process.status = 0
        if ended is not None and time.monotonic() - ended > 0.3 and settled():
            daemon.let_go()
            return None
        time.sleep(0)
    act(daemon)
    found = []
    # At the same time, unless it would lock out the right one.
    another = start_attempt(turn.name, "wrong", False) if password == "wrong" else None
    if ended is None:
        _, status = os.waitpid(process.pid, 0)
        if password == "right" and status != 0:
            found.append("the right password is rejected")
    if another is None:
        another = start_attempt(turn.name, "wrong", False)
        os.waitpid(another.pid, 0)
        another.status = 0
    guesses = turn.guesses_elsewhere()
    another.reap()
    undo(daemon)
    if not daemon.ended():
        turn.await_count(turn.here() + guesses)
    guesses += turn.guesses_elsewhere()
    return found + turn.faults(guesses, LIMIT + FALLBACK, FALLBACK), turn.took()


def restart(_):
    HERE.process.wait()
    mark = HERE.log.mark()
    HERE.start()
    HERE.log.wait("the store is reached", mark)


def both_at_once(step, kill):
    """The whole host: the process, and its daemon."""
    turn, process = Round(), start_attempt(f"step{Round.number}", "wrong", True)
    while not process.poll(step):
        time.sleep(0)
    if process.ended():
        return None
    found, most = [], LIMIT
    if kill:
        HERE.kill()
        process.kill()
    else:
        HERE.process.send_signal(signal.SIGSTOP)
        process.freeze()
        most += checked() - turn.before  # a right password starts over
        if not turn.right_one_elsewhere():
            found.append("a right one is rejected elsewhere")
    guesses = turn.guesses_elsewhere()
    if kill:
        restart(None)
    else:
        HERE.process.send_signal(signal.SIGCONT)
        process.let_go()
        process.reap()
    return found + turn.faults(guesses + turn.guesses_elsewhere(), most), turn.took()


def while_it_tells(step, act, undo):
    """The store comes back empty, and the daemon that knows a failure is stopped while it tells. If
    it is not, the other host is told of it."""
    turn = Round()
    if Pam.once("trial", turn.name, "wrong", source="192.0.2.7") == 0:
        return ["a wrong password is right"], 0.0
    marks = [host.log.mark() for host in (HERE, OTHER)]
    STORE.stop()
    for host, mark in zip((HERE, OTHER), marks):
        host.log.wait("the store is away", mark)
    daemon = seize(HERE)
    STORE.start()
    while not daemon.poll(step):
        if HERE.log.since(marks[0], "the store is reached"):
            daemon.let_go()
            OTHER.log.wait("the store is reached", marks[1])
            tap.equal(turn.guesses_elsewhere(), LIMIT - 1, "not stopped: the store is told all")
            return None
        time.sleep(0)
    act(daemon)
    OTHER.log.wait("the store is reached", marks[1])
    found = [] if OTHER.try_once(SUCCEEDED, user="other") == "admitted" else ["nobody gets in"]
    guesses = turn.guesses_elsewhere()
    undo(daemon)
    if not daemon.ended():
        turn.await_count(1 + guesses)
    guesses += turn.guesses_elsewhere()
    return found + turn.faults(guesses, LIMIT + FALLBACK), turn.took()


# --- scenarios ---------------------------------------------------------------------------------

def the_process():
    """the process of the attempt, while a lease lasts 100 s"""
    use(LONG_LEASE_MS)
    for password in "wrong", "right":
        each_step(f"killed, with a {password} password", lambda step, p=password: kill_process(step, p))
        each_step(f"frozen, with a {password} password",
                  lambda step, p=password: freeze_process(step, p))


def the_daemon():
    """the daemon of its host"""
    use(SHORT_LEASE_MS)
    for password in "wrong", "right":
        each_step(f"killed, with a {password} password",
                  lambda step, p=password: with_daemon(step, p, Traced.kill, restart))
        each_step(f"frozen, with a {password} password",
                  lambda step, p=password: with_daemon(step, p, Traced.freeze, Traced.let_go))


def the_host():
    """both of them"""
    use(SHORT_LEASE_MS)
    each_step("killed", lambda step: both_at_once(step, True))
    each_step("frozen", lambda step: both_at_once(step, False))


def the_daemon_while_it_tells():
    """the daemon, while a new store is told what it knows"""
    use(SHORT_LEASE_MS, "hold = 1s\n")
    each_step("killed", lambda step: while_it_tells(step, Traced.kill, restart))
    each_step("frozen", lambda step: while_it_tells(step, Traced.freeze, Traced.let_go))


def use(lease_ms, hold="hold = 0s\n"):
    """Both daemons anew, with leases of this length."""
    global HERE, OTHER
    for daemon in HERE, OTHER:
        if daemon is not None:
            daemon.stop()
    HERE, OTHER = (Daemon("/run/tmout", name, STORE.path, CONF + hold, lease_ms=lease_ms)
                   for name in ("here", "other"))
    for daemon in HERE, OTHER:
        daemon.log.wait("the store is reached")
    with contextlib.suppress(FileExistsError):
        os.symlink(HERE.socket_path, "/run/tmout/fleet.sock")


setup(POLICY, "", [])
append("/etc/passwd", "other:x:69999:100::/:/bin/sh\n" +
       "".join(f"step{n}:x:{70000 + n}:100::/:/bin/sh\n" for n in range(1, USERS)))
write(COUNTS, "\0" * 20)
stack("trial", "auth requisite pam_tmout.so",
      f"auth required {CHECK} counter={COUNTS} delay_ms=5")
os.stat(CHECK)  # without it nothing is checked, and so never too much
os.makedirs("/tmp/store")
STORE, HERE, OTHER = Server(directory="/tmp/store"), None, None
ONLY = os.environ.get("ROUNDS", "process daemon host tells").split()
tap.run(*(scenario for word, scenario in (("process", the_process), ("daemon", the_daemon),
                                          ("host", the_host), ("tells", the_daemon_while_it_tells))
          if word in ONLY))
