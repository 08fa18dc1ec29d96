"""The demo's part about passwords: guesses one by one, and a hundred at once."""

import os
import sys

from host.accounts import passwords, user
from host.attempts import lets_in, su
from host.client import ssh
from host.commands import must
from host.files import REPOSITORY
from host.product import attempts, unlock
from host.syslog import syslog
from stage import expect, say, title

sys.path.insert(0, os.path.join(REPOSITORY, "tests/bench"))

import bench_host
import crowds

# The PAM stacks that have the module's auth line.
SERVICES = "sshd", "su"
SSHD = "PasswordAuthentication yes\n"

POLICY = """\
user "kim" {
    max_attempts = 3       # wrong passwords, then a lock
    lock_time    = 10m
}
"""

GUESSES = 100
CHECK_MS = 20


def step(what, seen, promised):
    """Prints what was done and what happened."""
    say(f"  {what:<52}  {seen}")
    expect("kim", what, seen, promised)


def outcome(is_in):
    return "accepted" if is_in else "rejected"


def over_ssh(password):
    return outcome(lets_in("kim", password))


def reason(mark):
    """Why the module rejected a login, according to the log."""
    locked = syslog.settled(mark, r"pam_tmout\(sshd:auth\): rejected: locked user=kim ")
    return "locked" if locked else "not rejected by pam_tmout"


def show_attempts(failures, locked):
    """Shows the command's output, and checks its numbers."""
    say()
    say("  # tmoutctl attempts kim")
    for line in must("tmoutctl", "attempts", "kim").splitlines():
        say(f"  {line}")
    say()
    state = attempts("kim")
    expect("kim", "the number of failures that count", state["failures"], failures)
    expect("kim", "whether the account is locked", state["locked"], locked)
    left = state["unlock_in"]
    expect("kim", "whether the lock lasts ten minutes at most",
           left is not None and 0 < left <= 600, locked)


def show_lock():
    """ann, who runs su, is one of the users in the table above."""
    title("Wrong passwords: user kim has max_attempts = 3")
    user("kim")
    passwords({"kim": "right"})
    step("the correct password over ssh", over_ssh("right"), "accepted")
    for guess in "first", "second", "third":
        step(f"a wrong password over ssh, the {guess}", over_ssh(guess), "rejected")
    mark = syslog.mark()
    step("the correct password over ssh", over_ssh("right"), "rejected")
    expect("kim", "what the log says about it", reason(mark), "locked")
    show_attempts(failures=3, locked=True)
    say("  Guesses over the network lock only passwords over the network:")
    say()
    step("kim's key over ssh", outcome(ssh("kim", "true").returncode == 0), "accepted")
    step("su at the console, with the correct password",
         outcome(su("ann", "kim", "right").returncode == 0), "accepted")
    say()
    say("  # tmoutctl unlock kim")
    say()
    unlock("kim")
    step("the correct password over ssh", over_ssh("right"), "accepted")
    state = attempts("kim")
    expect("kim", "failures after the unlock", (state["failures"], state["locked"]), (0, False))


def show_crowd():
    title(f"{GUESSES} wrong passwords at once, {crowds.LIMIT} allowed")
    say(f"  {GUESSES} processes, the same limit for both modules, and a password check that takes")
    say(f"  {CHECK_MS} ms. This many guesses reached the check:")
    say()
    bench_host.prepare()
    reached = {name: crowds.Crowd(name, stack, "wrong", GUESSES, CHECK_MS)
               for name, stack in crowds.stacks_to_attack().items()}
    for name, crowd in reached.items():
        say(f"  {name:<14} {crowd.wrong:3} of {GUESSES}")
        expect(name, "the number of wrong passwords that were accepted", crowd.admitted, 0)
    expect("pam_tmout", "the number of guesses that were checked",
           reached["pam_tmout"].wrong, crowds.LIMIT)
