#!/usr/bin/python3
"""The cap that README states: how many logins of one user at once get in, where each
password check takes half a second and max_attempts is 3. With the time limit of sshd,
a timer of the process (LoginGraceTime, two minutes), and without one that is known.
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts import Pam, setup_passwords, state
from host.pam_stacks import AUTH_LINE, stack
from host.tap import tap

LOGINS = 400
MAX_ATTEMPTS = 3
CHECK_SEC = 0.5
GRACE_SEC = 120
WAIT_SEC = 55  # where no timer says more


def log_in(go, grace_sec):
    """A process for one login, which begins when the pipe is closed. Its exit status is 0
    if it gets in."""
    process = os.fork()
    if process:
        return process
    status = 2
    try:
        os.read(go, 1)
        if grace_sec:
            signal.setitimer(signal.ITIMER_REAL, grace_sec)
        status = 0 if Pam.once("crowd", "crowd", "right", source="192.0.2.1") == 0 else 1
    finally:
        os._exit(status)


def crowd(grace_sec):
    """How many get in, are rejected, and have ended otherwise; and the seconds."""
    go, closed = os.pipe()
    os.set_inheritable(closed, False)
    ended = [0, 0, 0]
    processes = []
    for _ in range(LOGINS):
        processes.append(log_in(go, grace_sec))
    start = time.monotonic()
    os.write(closed, b"g" * LOGINS)
    for process in processes:
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        ended[code if code in (0, 1) else 2] += 1
    return ended, time.monotonic() - start


def with_the_time_of_sshd():
    """as long as sshd permits: everybody gets in"""
    ended, seconds = crowd(GRACE_SEC)
    tap.note(f"{ended[0]} in, {ended[1]} rejected, {ended[2]} ended otherwise, {seconds:.1f} s")
    tap.equal(ended, [LOGINS, 0, 0], f"{LOGINS} at once")
    tap.equal(state("crowd"), (0, False), "nothing counts")


def without_a_known_time():
    """at least as many as 55 seconds are enough for"""
    ended, seconds = crowd(0)
    tap.note(f"{ended[0]} in, {ended[1]} rejected, {ended[2]} ended otherwise, {seconds:.1f} s")
    tap.ok(ended[0] >= 0.9 * MAX_ATTEMPTS * WAIT_SEC / CHECK_SEC, "they get in", ended)
    tap.equal(ended[2], 0, "the others are rejected")
    tap.equal(state("crowd"), (0, False), "nothing counts")


if not os.path.exists("/run/throwaway"):
    THROWAWAY = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../host/throwaway")
    os.execv(THROWAWAY, [THROWAWAY, *sys.argv])
setup_passwords(f"default {{ max_attempts = {MAX_ATTEMPTS} }}\n", "PasswordAuthentication yes\n",
                ["sshd"], {"crowd": "right"})
stack("crowd", AUTH_LINE, f"auth required pam_exec.so quiet /bin/sleep {CHECK_SEC}",
      "auth required pam_permit.so")
tap.run(with_the_time_of_sshd, without_a_known_time)
