#!/usr/bin/python3
"""Many attempts in parallel, and attackers who try to get more guesses than the limit."""

import collections
import contextlib
import glob
import os
import random
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import uid
from host.attempts import PasswordClient, as_user, lets_in, setup_passwords, state, su
from host.client import ssh
from host.commands import run
from host.files import read, remove, write
from host.pam_stacks import wire_auth
from host.product import LEDGERS, attempts, errors, unlock
from host.sshd import Sshd, sshd
from host.syslog import syslog
from host.tap import tap
from host.waiting import GUARD_SEC, wait_until

POLICY = """
default         { max_attempts = 3 }
user "mass"     { max_attempts = 5 }
user "mixed"    { max_attempts = 2 }
user "waits"    { max_attempts = 1 }
user "killed"   { max_attempts = 20 }
user "prey"     { max_attempts = 10 }
user "few"      { max_attempts = 64 }
user "hurried"  { max_attempts = 1 }
user "queue"    { max_attempts = 1 }
"""

PEOPLE = {name: "right" for name in """
    mal mass crowd mixed prompt waits checked killed prey small few held liar taken orphan
    hurried queue
    """.split()}
METHODS = ["password", "keyboard-interactive"]
GUESSES = 60
CROWD = 40
GRACE_SEC = 8  # less than the module would wait if it did not know
TICKETS = range(1 << 60, 1 << 61)  # what waiters lock

# Runs between our line and pam_unix: records who got this far, and waits at a gate.
REACHED = "/run/reached"
GATES = "/run/gates"
FROM = "/run/from"
CHECK = f"""#!/bin/sh
echo "$PAM_USER" >>{REACHED}
echo "$PAM_USER $PAM_RHOST" >>{FROM}
while [ -e "{GATES}/$PAM_USER" ]; do sleep 0.02; done
"""
CHECK_LINE = "auth [default=ignore] pam_exec.so quiet seteuid /root/check"

START = syslog.mark()


def reached(name):
    """How many passwords for this user got as far as being checked."""
    return read(REACHED).split().count(name)


@contextlib.contextmanager
def gate(name):
    """While this lasts, no password check for this user ends."""
    write(f"{GATES}/{name}", "")
    try:
        yield
    finally:
        remove(f"{GATES}/{name}")


def holders(name):
    """The processes that have a user's ledger open: they check a password, or wait to."""
    path, found = f"{LEDGERS}/{uid(name)}", set()
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link) == path:
                found.add(int(link.split("/")[2]))
    return found


def lines(name, pattern):
    return syslog.settled(START, rf"pam_tmout\(.*{pattern}.* user={name} ")


def expect_intact(name, mark=START):
    """The ledger is intact, whatever happened to the processes that write it."""
    tap.equal([line for line in errors(mark) if f"user={name}" in line], [], f"{name}: no error")
    tap.ok(not os.path.lexists(f"{LEDGERS}/{uid(name)}.damaged"), f"{name}: no damage")


def wrong_in_parallel():
    """of sixty wrong passwords in parallel, exactly five are checked"""
    with ThreadPoolExecutor(GUESSES) as pool:
        inside = list(pool.map(lambda n: lets_in("mass", f"guess{n}", method=METHODS[n % 2]),
                               range(GUESSES)))
    tap.equal(any(inside), False, "nobody gets in")
    tap.equal(reached("mass"), 5, "five were checked")
    tap.equal(state("mass"), (5, True), "five are counted, and the account is locked")
    counts = {pattern: len(lines("mass", pattern)) for pattern in
              ("failed login", "locked after", "rejected: locked")}
    tap.equal(counts, {"failed login": 5, "locked after": 1, "rejected: locked": GUESSES - 5},
              "the log has one line for each")


def correct_in_parallel():
    """forty correct passwords in parallel all get in, though the limit is three"""
    with ThreadPoolExecutor(CROWD) as pool:
        inside = list(pool.map(lambda n: lets_in("crowd", "right", method=METHODS[n % 2]),
                               range(CROWD)))
    tap.equal(inside, [True] * CROWD, "all get in")
    tap.equal(state("crowd"), (0, False), "nothing is counted")


def one_wrong_among_many():
    """a wrong password among many correct ones locks nobody out"""
    given = ["right"] * 19
    given.insert(random.randrange(19), "wrong")
    with ThreadPoolExecutor(len(given)) as pool:
        inside = list(pool.map(lambda text: lets_in("mixed", text), given))
    tap.equal(inside, [text == "right" for text in given], "all but the wrong one get in")


def gone_at_the_prompt():
    """a client that leaves at the prompt is not charged"""
    for method in METHODS:
        for _ in range(4):
            mark = sshd.log.mark()
            client = PasswordClient("prompt", method=method, thinks=True)
            descriptor = client.wait_asked()
            client.go_away()
            os.close(descriptor)
            sshd.log.wait("Connection (closed|reset) by.* user prompt ", mark)
    tap.equal(state("prompt"), (0, False), "eight abandoned prompts, no failure")
    tap.ok(lets_in("prompt", "right"), "and in")


def start_su(name, password):
    process = subprocess.Popen(as_user("mal", "su", name, "-c", "true"), stdin=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    process.stdin.write(f"{password}\n".encode())
    process.stdin.close()
    return process


def gone_while_waiting():
    """a client that disconnects while it waits for others is not charged"""
    with gate("waits"):
        first = PasswordClient("waits", "right")
        wait_until(lambda: reached("waits") == 1, "the first is not checked")
        before = holders("waits")

        def wait_for_another():
            return wait_until(lambda: holders("waits") - before, "no other process waits")

        for text in "wrong", "right":
            second = PasswordClient("waits", text, method="keyboard-interactive")
            others = wait_for_another()
            second.go_away()
            wait_until(lambda: not others & holders("waits"), "sshd does not end")
        # With this method sshd lets a check that has started finish.
        second = PasswordClient("waits", "right")
        wait_for_another()
        second.go_away()
        tap.equal(reached("waits"), 1, "none of them is checked while the first one is")
        tap.equal(state("waits"), (0, False), "none is counted")
    tap.equal(first.result().returncode, 0, "the first gets in")
    wait_until(lambda: not holders("waits"), "the processes don't end")
    tap.ok(reached("waits") <= 2, "the wrong password was never checked")
    tap.equal(state("waits"), (0, False), "and none is charged")

    before = reached("waits")
    with gate("waits"):
        first = start_su("waits", "right")
        wait_until(lambda: holders("waits"), "the first su does not open the ledger")
        wait_until(lambda: reached("waits") == before + 1, "the first su is not checked")
        second = start_su("waits", "wrong")
        wait_until(lambda: second.pid in holders("waits"), "the second su does not wait")
        os.kill(second.pid, signal.SIGKILL)
        second.wait(GUARD_SEC)
    tap.equal(first.wait(GUARD_SEC), 0, "su: the first gets in")
    tap.equal((reached("waits"), state("waits")), (before + 1, (0, False)),
              "su, killed while it waits: neither checked nor counted")


def waiters(path):
    """How many processes wait in a ledger's queue."""
    found = 0
    for name in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(name) == path:
                locks = re.findall(r"OFDLCK .* (\d+) \d+$",
                                   read(name.replace("/fd/", "/fdinfo/")), re.MULTILINE)
                found += any(int(start) in TICKETS for start in locks)
    return found


def no_longer_than_sshd_waits():
    """who waits for others is rejected before sshd's LoginGraceTime ends the login"""
    hurried = Sshd(port=2207)
    hurried.start(f"PasswordAuthentication yes\nLoginGraceTime {GRACE_SEC}\n")
    with gate("hurried"):
        first = PasswordClient("hurried", "right")
        wait_until(lambda: reached("hurried") == 1, "the first is not checked")
        for _ in range(2):
            tap.ok(not lets_in("hurried", "right", port=2207), "the others are not let in")
        tap.equal(reached("hurried"), 1, "nor checked, while the first one is")
    tap.equal(first.result().returncode, 0, "the first gets in")
    tap.equal(len(lines("hurried", "rejected: too many attempts in progress")), 2,
              "the module has rejected both, and the log says why")
    tap.equal(hurried.log.since(0, "(?i)timeout before auth"), [], "sshd has not cut them off")
    tap.equal(state("hurried"), (0, False), "nothing counts")
    tap.ok(lets_in("hurried", "right", port=2207), "in, once there is room")
    hurried.stop()


def longest_waiter_first():
    """a place that becomes free belongs to whoever has waited longest"""
    path, clients = f"{LEDGERS}/{uid('queue')}", []
    addresses = [f"127.0.0.{number}" for number in random.sample(range(2, 200), 4)]
    with gate("queue"):
        for number, address in enumerate(addresses):
            clients.append(PasswordClient("queue", "right", options=[f"BindAddress={address}"]))
            wait_until(lambda n=number: reached("queue") and waiters(path) == n, "nobody waits")
    tap.equal([client.result().returncode for client in clients], [0] * 4, "all get in")
    came = [line.split()[1] for line in read(FROM).splitlines() if line.startswith("queue ")]
    tap.equal(came, addresses, "in the order in which they came")


def gone_while_checked():
    """a client that disconnects during the password check is charged once"""
    for number, method in enumerate(METHODS, 1):
        with gate("checked"):
            client = PasswordClient("checked", "wrong", method=method)
            wait_until(lambda: reached("checked") == number, "the password is not checked")
            client.go_away()
        wait_until(lambda: not holders("checked"), "sshd does not end")
        tap.equal(state("checked"), (number, False), f"{method}: one more failure")
    tap.ok(lets_in("checked", "right"), "the last of three: in")
    with gate("orphan"):
        process = start_su("orphan", "wrong")
        wait_until(lambda: reached("orphan"), "the password is not checked")
        process.kill()
        process.wait(GUARD_SEC)
        tap.equal(state("orphan"), (1, False), "su is killed while its check continues: charged")


def sshd_is_killed():
    """killing sshd's processes again and again yields no additional guesses"""
    done = threading.Event()
    victims = collections.Counter()

    def kill_and_kill():
        while not done.wait(random.uniform(0.005, 0.03)):
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    title = read(path)
                    # sshd, or sshd-session and sshd-auth since 9.8
                    if re.match(r"sshd(-\w+)?: killed", title) and random.random() < 0.3:
                        os.kill(int(path.split("/")[2]), signal.SIGKILL)
                        victims[re.search(r"\[(\w+)\]|$", title).group(1)] += 1

    killer = threading.Thread(target=kill_and_kill)
    killer.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            inside = list(pool.map(
                lambda n: lets_in("killed", f"guess{n}", method=METHODS[n % 2]), range(48)))
    finally:
        done.set()
        killer.join()
    wait_until(lambda: not holders("killed"), "sshd does not end")
    tap.note(f"killed: {dict(victims)}")
    tap.equal(any(inside), False, "nobody gets in")
    tap.ok(victims, "some were killed")
    count, checked = state("killed")[0], reached("killed")
    tap.ok(checked <= count <= 20, "each guess that was checked counts, and none beyond the limit",
           f"{checked} checked, {count} counted")
    expect_intact("killed")
    unlock("killed")
    tap.ok(lets_in("killed", "right"), "unlocked: in")


# Run by an ordinary user, with only that user's privileges.
STOP_AND_KILL = """
import os, random, signal, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
stopped = []
def guess(n):
    su = subprocess.Popen(["su", "prey", "-c", "true"], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        su.stdin.write(b"guess%d\\n" % n)
        su.stdin.close()
    except OSError:
        pass
    # On a busy host, su may not have come far after so short a time.
    longest = random.choice([0.03, 0.03, 0.5])
    for _ in range(random.choice([1, 1, 4])):
        time.sleep(random.uniform(0, longest))
        try:
            su.send_signal(signal.SIGSTOP)
            time.sleep(random.uniform(0, 0.01))
            if n % 5 == 0:
                stopped.append(su)
                return
            su.send_signal(random.choice([signal.SIGCONT, signal.SIGKILL]))
        except PermissionError:
            pass  # it is in the part that users cannot interrupt
    try:
        su.wait(0.3)
    except subprocess.TimeoutExpired:
        pass
    try:
        su.kill()
    except PermissionError:
        pass
    su.wait()
with ThreadPoolExecutor(6) as pool:
    list(pool.map(guess, range(60)))
print(sum(su.poll() is None for su in stopped), flush=True)
sys.stdin.readline()
for su in stopped:
    try:
        su.send_signal(signal.SIGKILL)
    except PermissionError:
        pass
    su.wait()
"""


def su_is_stopped_and_killed():
    """a user who stops and kills their own su gets no additional guesses and delays nobody"""
    with subprocess.Popen(as_user("mal", sys.executable, "-c", STOP_AND_KILL), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attacker:
        tap.note(f"left stopped: {attacker.stdout.readline()}")
        guesses = reached("prey")
        tap.ok(0 < guesses <= 10, "no more were checked than allowed", guesses)
        # What is blocked for good here ends with an error of its own.
        tap.equal(ssh("prey", "echo in").stdout, "in\n", "the victim's key still works")
        tap.ok(lets_in("prey", "right"), "and so does the password, over the network")
        result = su("crowd", "prey", "right")
        tap.ok(result.returncode != 0, "su does not hang", result.stdout)
        attacker.communicate("\n", timeout=GUARD_SEC)
    tap.equal(reached("prey"), guesses + 1,
              "only the victim's own, over the network, was checked later")
    tap.equal(state("prey"), (10, True), "all attempts that were started count, and lock")
    expect_intact("prey")
    unlock("prey")
    tap.equal(su("crowd", "prey", "right").returncode, 0, "unlocked: su succeeds")


def su_at_the_ledger():
    """a user can neither stop nor kill what su does to the ledger"""
    su("mal", "taken", "wrong")
    path = f"{LEDGERS}/{uid('taken')}"
    with holding(path):
        process = start_su("taken", "wrong")
        wait_until(lambda: process.pid in holders("taken"), "su does not open the ledger")
        for name in "STOP", "TSTP", "KILL", "TERM", "HUP":
            result = run(*as_user("mal", "sh", "-c", f"kill -{name} {process.pid}"))
            tap.ok(result.returncode != 0, f"{name} cannot be sent", result)
    tap.ok(process.wait(GUARD_SEC) > 0, "su ends by itself")
    tap.equal(state("taken"), (2, False), "and is charged")


def root_may_raise_limits():
    """Whether this host's root has CAP_SYS_RESOURCE, which root in a container lacks."""
    effective = re.search(r"(?m)^CapEff:\s*(\w+)$", read("/proc/self/status")).group(1)
    return int(effective, 16) >> 24 & 1 == 1


def file_size_limit_of_zero():
    """su that may not write files counts like any other, or checks no password"""
    no_size = ["prlimit", "--fsize=0"]
    first = mark = syslog.now()

    def checked():
        return len(syslog.settled(mark, r"pam_unix\(su:auth\): auth.* user=small$"))

    # Where root may not raise a hard limit, nothing can be written.
    tap.ok(su("mal", "small", "wrong", before=no_size).returncode != 0, "without a ledger: rejected")
    tap.equal(state("small")[0], checked(), "counted if it was checked")
    unlock("small")
    su("mal", "small", "wrong")
    unlock("small")
    mark = syslog.now()
    for count in 1, 2, 3:
        tap.ok(su("mal", "small", "wrong", before=no_size).returncode != 0, f"wrong {count}")
        tap.equal(state("small")[0], checked(), f"wrong {count}: counted if it was checked")
    tap.ok(su("mal", "small", "right", before=no_size).returncode != 0, "rejected")
    tap.equal(checked(), 3 if root_may_raise_limits() else 0, "three were checked, or none")
    if root_may_raise_limits():
        expect_intact("small", mark)
    else:
        tap.ok(any("File too large" in line for line in errors(first)), "the log says why")
        tap.equal(su("mal", "small", "right").returncode, 0, "without the limit: in")
    tap.ok(not os.path.lexists(f"{LEDGERS}/{uid('small')}.damaged"), "no damage")


def few_descriptors():
    """su that may open hardly any files checks no password that it does not count"""
    mark = syslog.now()
    for number in range(3, 16):
        limit = ["prlimit", f"--nofile={number}"]
        tap.ok(su("mal", "few", "wrong", before=limit).returncode != 0, f"{number}: rejected")
    checked = len(syslog.settled(mark, r"pam_unix\(su:auth\): auth.* user=few$"))
    tap.ok(state("few")[0] >= checked, "all that were checked are counted",
           f"{checked} checked, {state('few')} counted")
    tap.equal(su("mal", "few", "right").returncode, 0, "without the limit: in")
    tap.ok(not os.path.lexists(f"{LEDGERS}/{uid('few')}.damaged"), "no damage")


def lies_about_the_origin():
    """no environment variable makes a user's su a remote login"""
    lie = ["env", "SSH_CONNECTION=192.0.2.66 1 192.0.2.1 22", "SSH_CLIENT=192.0.2.66 1 22"]
    for _ in range(3):
        su("mal", "liar", "wrong", before=lie)
    tap.equal([(count["from"], count["failures"]) for count in attempts("liar")["counts"]],
              [("local", 3)], "counted as local")
    tap.ok(lets_in("liar", "right"), "the network is not locked")


# Takes both locks that every change of a ledger needs (F_OFD_SETLK), and keeps them.
TAKE_BOTH_LOCKS = """
import fcntl, os, struct, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
for byte in 1 << 62, (1 << 62) + 1:
    fcntl.fcntl(descriptor, 37,
                struct.pack("hh4xqqi4x", fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
print("taken", flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def holding(path):
    """While this lasts, a stopped process holds a ledger's locks."""
    with subprocess.Popen([sys.executable, "-c", TAKE_BOTH_LOCKS, path], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout.readline() != "taken\n":
                raise RuntimeError("the locks cannot be taken")
            process.send_signal(signal.SIGSTOP)
            yield
        finally:
            process.kill()


def stopped_with_the_locks():
    """a stopped process that holds a ledger's locks delays only that user, and not for long"""
    name = "held"
    lets_in(name, "wrong")
    su("mal", name, "wrong")
    with holding(f"{LEDGERS}/{uid(name)}"):
        mark = syslog.now()
        tap.ok(not lets_in(name, "wrong"), "a wrong password over the network")
        tap.equal({count["from"]: count["failures"] for count in attempts(name)["counts"]},
                  {"local": 1, "network": 2}, "is counted, in a copy with what was counted before")
        tap.equal(len(syslog.settled(mark, r"was locked for 5 s by a process that does not "
                                           rf"continue: replaced by a copy; .* user={name}$")), 1,
                  "which the log says")
        tap.equal(su("mal", name, "right").returncode, 0, "the correct one, here")
        tap.ok(lets_in(name, "right"), "and over the network")
    su("mal", name, "wrong")
    with holding(f"{LEDGERS}/{uid(name)}"):
        tap.equal(ssh(name, "echo in").stdout, "in\n", "a key needs no lock")
        unlock(name)
        tap.equal(state(name), (0, False), "unlock needs none, either")
        tap.ok(lets_in(name, "right"), "unlocked: the correct password works over the network")
        tap.equal(su("mal", name, "right").returncode, 0, "and here")
    tap.skip("the same, frozen", "the throw-away host has no cgroups of its own; a process that "
             "waits for the locks cannot tell a stopped holder from a frozen one")


def nothing_left():
    """all processes have ended, and no error was logged"""
    tap.ok(sshd.alive(), "sshd is alive")
    tap.equal([name for name in os.listdir(LEDGERS) if re.search(r"[^0-9]", name)], [],
              "no partial ledger is left")


random.seed(4)
setup_passwords(POLICY, "PasswordAuthentication yes\nKbdInteractiveAuthentication yes\n",
                ["sshd", "su"], PEOPLE)
write("/root/check", CHECK, 0o755)
write(REACHED, "")
write(FROM, "")
os.mkdir(GATES)
for service in "sshd", "su":
    wire_auth(service, CHECK_LINE)
tap.in_parallel([
    wrong_in_parallel, stopped_with_the_locks, gone_at_the_prompt,
    gone_while_waiting, gone_while_checked, sshd_is_killed, su_is_stopped_and_killed,
    correct_in_parallel, one_wrong_among_many, file_size_limit_of_zero, few_descriptors,
    su_at_the_ledger, lies_about_the_origin, no_longer_than_sshd_waits], 12)
tap.run(longest_waiter_first, nothing_left)
