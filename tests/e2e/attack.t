#!/usr/bin/python3
"""Many at once, and people who want more guesses than they have."""

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
from host.sshd import sshd
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
"""

PEOPLE = {name: "right" for name in """
    mal mass crowd mixed prompt waits checked killed prey small few held liar taken orphan
    """.split()}
METHODS = ["password", "keyboard-interactive"]
GUESSES = 60
CROWD = 40

# Stands between our line and pam_unix: who came so far, and a gate to stop them.
REACHED = "/run/reached"
GATES = "/run/gates"
CHECK = f"""#!/bin/sh
echo "$PAM_USER" >>{REACHED}
while [ -e "{GATES}/$PAM_USER" ]; do sleep 0.02; done
"""
CHECK_LINE = "auth [default=ignore] pam_exec.so quiet seteuid /root/check"

START = syslog.mark()


def reached(name):
    """How many passwords of somebody came so far as to be checked."""
    return read(REACHED).split().count(name)


@contextlib.contextmanager
def gate(name):
    """Nobody's check ends while this lasts."""
    write(f"{GATES}/{name}", "")
    try:
        yield
    finally:
        remove(f"{GATES}/{name}")


def holders(name):
    """The processes that have somebody's ledger open: they check, or wait to."""
    path, found = f"{LEDGERS}/{uid(name)}", set()
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link) == path:
                found.add(int(link.split("/")[2]))
    return found


def lines(name, pattern):
    return syslog.settled(START, rf"pam_tmout\(.*{pattern}.* user={name} ")


def sound(name, mark=START):
    """Whatever happened to the ledger's writers, it is whole."""
    tap.equal([line for line in errors(mark) if f"user={name}" in line], [], f"{name}: no error")
    tap.ok(not os.path.lexists(f"{LEDGERS}/{uid(name)}.damaged"), f"{name}: no damage")


def wrong_ones_at_once():
    """of sixty wrong passwords at once, exactly five are checked"""
    with ThreadPoolExecutor(GUESSES) as pool:
        inside = list(pool.map(lambda n: lets_in("mass", f"guess{n}", method=METHODS[n % 2]),
                               range(GUESSES)))
    tap.equal(any(inside), False, "nobody gets in")
    tap.equal(reached("mass"), 5, "five were checked")
    tap.equal(state("mass"), (5, True), "five are counted, and lock")
    counts = {pattern: len(lines("mass", pattern)) for pattern in
              ("failed login", "locked after", "rejected: locked")}
    tap.equal(counts, {"failed login": 5, "locked after": 1, "rejected: locked": GUESSES - 5},
              "the log has one line for each")


def right_ones_at_once():
    """forty right passwords at once all get in, where three may be wrong"""
    with ThreadPoolExecutor(CROWD) as pool:
        inside = list(pool.map(lambda n: lets_in("crowd", "right", method=METHODS[n % 2]),
                               range(CROWD)))
    tap.equal(inside, [True] * CROWD, "all get in")
    tap.equal(state("crowd"), (0, False), "nothing is counted")


def one_wrong_among_many():
    """a wrong one among many right ones stops nobody"""
    given = ["right"] * 19
    given.insert(random.randrange(19), "wrong")
    with ThreadPoolExecutor(len(given)) as pool:
        inside = list(pool.map(lambda text: lets_in("mixed", text), given))
    tap.equal(inside, [text == "right" for text in given], "all but the wrong one get in")


def gone_at_the_prompt():
    """who goes away at the prompt is not charged"""
    for method in METHODS:
        for _ in range(4):
            mark = sshd.log.mark()
            client = PasswordClient("prompt", method=method, thinks=True)
            descriptor = client.wait_asked()
            client.go_away()
            os.close(descriptor)
            sshd.log.wait("Connection (closed|reset) by.* user prompt ", mark)
    tap.equal(state("prompt"), (0, False), "eight prompts, no failure")
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
            return wait_until(lambda: holders("waits") - before, "no other comes to wait")

        for text in "wrong", "right":
            second = PasswordClient("waits", text, method="keyboard-interactive")
            others = wait_for_another()
            second.go_away()
            wait_until(lambda: not others & holders("waits"), "sshd does not end")
        # In this method sshd lets a check that has begun come to its end.
        second = PasswordClient("waits", "right")
        wait_for_another()
        second.go_away()
        tap.equal(reached("waits"), 1, "none of them is checked while the first is")
        tap.equal(state("waits"), (0, False), "none is counted")
    tap.equal(first.result().returncode, 0, "the first gets in")
    wait_until(lambda: not holders("waits"), "they don't end")
    tap.ok(reached("waits") <= 2, "the wrong one was never checked")
    tap.equal(state("waits"), (0, False), "and none is charged")

    before = reached("waits")
    with gate("waits"):
        first = start_su("waits", "right")
        wait_until(lambda: holders("waits"), "the first su does not come")
        wait_until(lambda: reached("waits") == before + 1, "the first su is not checked")
        second = start_su("waits", "wrong")
        wait_until(lambda: second.pid in holders("waits"), "the second su does not come to wait")
        os.kill(second.pid, signal.SIGKILL)
        second.wait(GUARD_SEC)
    tap.equal(first.wait(GUARD_SEC), 0, "su: the first gets in")
    tap.equal((reached("waits"), state("waits")), (before + 1, (0, False)),
              "su, killed while it waits: neither checked nor counted")


def gone_while_checked():
    """a client that disconnects during the password check is charged once"""
    for number, method in enumerate(METHODS, 1):
        with gate("checked"):
            client = PasswordClient("checked", "wrong", method=method)
            wait_until(lambda: reached("checked") == number, "it is not checked")
            client.go_away()
        wait_until(lambda: not holders("checked"), "sshd does not end")
        tap.equal(state("checked"), (number, False), f"{method}: one more counts")
    tap.ok(lets_in("checked", "right"), "the last of three: in")
    with gate("orphan"):
        process = start_su("orphan", "wrong")
        wait_until(lambda: reached("orphan"), "it is not checked")
        process.kill()
        process.wait(GUARD_SEC)
        tap.equal(state("orphan"), (1, False), "su is killed, and its check goes on: charged")


def sshd_is_killed():
    """sshd's processes are killed again and again: no more guesses for it"""
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
    tap.ok(checked <= count <= 20, "each that was checked counts, and no more than allowed",
           f"{checked} checked, {count} counted")
    sound("killed")
    unlock("killed")
    tap.ok(lets_in("killed", "right"), "unlocked: in")


# Started by an ordinary user, with that user's rights alone.
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
    for _ in range(random.choice([1, 1, 4])):
        time.sleep(random.uniform(0, 0.03))
        try:
            su.send_signal(signal.SIGSTOP)
            time.sleep(random.uniform(0, 0.01))
            if n % 5 == 0:
                stopped.append(su)
                return
            su.send_signal(random.choice([signal.SIGCONT, signal.SIGKILL]))
        except PermissionError:
            pass  # it is at what nobody may disturb
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
    """a user stops and kills their own su: no more guesses, and others are not delayed"""
    with subprocess.Popen(as_user("mal", sys.executable, "-c", STOP_AND_KILL), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attacker:
        tap.note(f"left stopped: {attacker.stdout.readline()}")
        guesses = reached("prey")
        tap.ok(0 < guesses <= 10, "no more were checked than allowed", guesses)
        # What is held up for good here ends with an error of its own.
        tap.equal(ssh("prey", "echo in").stdout, "in\n", "the victim's key still works")
        tap.ok(lets_in("prey", "right"), "and so does the password, over the network")
        result = su("crowd", "prey", "right")
        tap.ok(result.returncode != 0, "su gives an answer", result.stdout)
        attacker.communicate("\n", timeout=GUARD_SEC)
    tap.equal(reached("prey"), guesses + 1, "none was checked later but the victim's own over the network")
    tap.equal(state("prey"), (10, True), "all that was begun is counted, and locks")
    sound("prey")
    unlock("prey")
    tap.equal(su("crowd", "prey", "right").returncode, 0, "unlocked: su lets in")


def su_at_the_ledger():
    """a user can neither stop nor kill what su does to the ledger"""
    su("mal", "taken", "wrong")
    path = f"{LEDGERS}/{uid('taken')}"
    with holding(path):
        process = start_su("taken", "wrong")
        wait_until(lambda: process.pid in holders("taken"), "su does not come")
        for name in "STOP", "TSTP", "KILL", "TERM", "HUP":
            result = run(*as_user("mal", "sh", "-c", f"kill -{name} {process.pid}"))
            tap.ok(result.returncode != 0, f"{name} may not be sent", result)
    tap.ok(process.wait(GUARD_SEC) > 0, "su ends by itself")
    tap.equal(state("taken"), (2, False), "and was charged")


def file_size_of_nothing():
    """su that may write no file counts like any other"""
    no_size = ["prlimit", "--fsize=0"]
    mark = syslog.now()

    def checked():
        return len(syslog.settled(mark, r"pam_unix\(su:auth\): auth.* user=small$"))

    # Where root may not raise a hard limit, as in some containers, there is no
    # making the ledger, and no checking.
    tap.ok(su("mal", "small", "wrong", before=no_size).returncode != 0, "without a ledger: rejected")
    tap.equal(state("small")[0], checked(), "counted if it was checked")
    unlock("small")
    su("mal", "small", "wrong")
    unlock("small")
    mark = syslog.now()
    for count in 1, 2, 3:
        tap.ok(su("mal", "small", "wrong", before=no_size).returncode != 0, f"wrong {count}")
        tap.equal(state("small"), (count, count == 3), f"wrong {count}: counted")
    tap.ok(su("mal", "small", "right", before=no_size).returncode != 0, "locked")
    tap.equal(checked(), 3, "three were checked")
    sound("small", mark)


def few_descriptors():
    """su that may open next to nothing checks no password that it does not count"""
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


# Takes what every change of a ledger needs, by F_OFD_SETLK, and keeps it.
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
    """A process that has taken a ledger's locks, and was then stopped."""
    with subprocess.Popen([sys.executable, "-c", TAKE_BOTH_LOCKS, path], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout.readline() != "taken\n":
                raise RuntimeError("the locks cannot be had")
            process.send_signal(signal.SIGSTOP)
            yield
        finally:
            process.kill()


def stopped_with_the_locks():
    """a process that is stopped with a ledger's locks holds up its user alone, and not for long"""
    name = "held"
    lets_in(name, "wrong")
    su("mal", name, "wrong")
    with holding(f"{LEDGERS}/{uid(name)}"):
        mark = syslog.now()
        tap.ok(not lets_in(name, "right"), "the correct password is rejected over the network")
        tap.ok(su("mal", name, "right").returncode != 0, "and here")
        found = [line for line in errors(mark) if f"user={name}" in line]
        tap.ok(len(found) == 2 and all(f"{LEDGERS}/{uid(name)} cannot be locked: timed out" in line
                                       and f'"tmoutctl unlock {name}" to repair' in line
                                       for line in found),
               "the log names the file and the remedy", *found)
        tap.equal(ssh(name, "echo in").stdout, "in\n", "the key lets in")
        unlock(name)
        tap.ok(lets_in(name, "right"), "unlocked: the right password lets in over the network")
        tap.equal(su("mal", name, "right").returncode, 0, "and here")
    tap.skip("the same, frozen", "the throw-away host has no cgroups of its own; who waits for "
             "the locks cannot tell a stopped process from a frozen one")


def nothing_left():
    """all have ended, and nothing alarming was logged"""
    tap.ok(sshd.alive(), "sshd is alive")
    names = os.listdir(LEDGERS)
    tap.equal([name for name in names if re.search(r"[^0-9]", name) and
               name != f"{uid('held')}.damaged"], [], "no half-made ledger is left")


random.seed(4)
setup_passwords(POLICY, "PasswordAuthentication yes\nKbdInteractiveAuthentication yes\n",
                ["sshd", "su"], PEOPLE)
write("/root/check", CHECK, 0o755)
write(REACHED, "")
os.mkdir(GATES)
for service in "sshd", "su":
    wire_auth(service, CHECK_LINE)
tap.at_once([
    wrong_ones_at_once, stopped_with_the_locks, gone_at_the_prompt,
    gone_while_waiting, gone_while_checked, sshd_is_killed, su_is_stopped_and_killed,
    right_ones_at_once, one_wrong_among_many, file_size_of_nothing, few_descriptors,
    su_at_the_ledger, lies_about_the_origin], 12)
tap.run(nothing_left)
