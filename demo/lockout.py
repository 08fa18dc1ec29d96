"""The demo's part about passwords: guessed one by one, and a hundred at once."""

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

# Before the password modules of these, as the manual has it.
SERVICES = "sshd", "su"
SSHD = "PasswordAuthentication yes\n"

POLICY = """\
user "kim" {
    max_attempts = 3       # wrong passwords, then
    lock_time    = 10m
}
"""

GUESSES = 100
CHECK_MS = 20


def step(what, seen, promised):
    """One thing that somebody does, and what comes of it."""
    say(f"  {what:<52}  {seen}")
    expect("kim", what, seen, promised)


def outcome(is_in):
    return "in" if is_in else "refused"


def over_ssh(password):
    return outcome(lets_in("kim", password))


def reason(mark):
    """Why the module refused somebody, in the log."""
    locked = syslog.settled(mark, r"pam_tmout\(sshd:auth\): refused: locked user=kim ")
    return "locked" if locked else "not refused by pam_tmout"


def show_attempts(failures, locked):
    """The command's own words, and its numbers against what was done."""
    say()
    say("  # tmoutctl attempts kim")
    for line in must("tmoutctl", "attempts", "kim").splitlines():
        say(f"  {line}")
    say()
    state = attempts("kim")
    expect("kim", "the number of failures that count", state["failures"], failures)
    expect("kim", "whether he is locked", state["locked"], locked)
    left = state["unlock_in"]
    expect("kim", "whether the lock lasts ten minutes at the most",
           left is not None and 0 < left <= 600, locked)


def show_lock():
    """ann, who asks for su, is one of those in the table above."""
    title("Wrong passwords: user kim has three")
    user("kim")
    passwords({"kim": "right"})
    step("the right password over ssh", over_ssh("right"), "in")
    for guess in "first", "second", "third":
        step(f"a wrong password over ssh, the {guess}", over_ssh(guess), "refused")
    mark = syslog.mark()
    step("the right password over ssh", over_ssh("right"), "refused")
    expect("kim", "what the log says about it", reason(mark), "locked")
    show_attempts(failures=3, locked=True)
    say("  Whoever guessed from outside has locked nothing but passwords from outside:")
    say()
    step("kim's key over ssh", outcome(ssh("kim", "true").returncode == 0), "in")
    step("su at the machine, with the right password",
         outcome(su("ann", "kim", "right").returncode == 0), "in")
    say()
    say("  # tmoutctl unlock kim")
    say()
    unlock("kim")
    step("the right password over ssh", over_ssh("right"), "in")
    state = attempts("kim")
    expect("kim", "failures after the unlock", (state["failures"], state["locked"]), (0, False))


def show_crowd():
    title(f"{GUESSES} wrong passwords at the same moment, {crowds.LIMIT} allowed")
    say(f"  {GUESSES} processes, the same limit for both modules, and behind each a password")
    say(f"  check of {CHECK_MS} ms. How many guesses it saw before the door was shut:")
    say()
    bench_host.prepare()
    reached = {name: crowds.Crowd(name, stack, "wrong", GUESSES, CHECK_MS)
               for name, stack in crowds.stacks_to_attack().items()}
    for name, crowd in reached.items():
        say(f"  {name:<14} {crowd.wrong:3} of {GUESSES}")
        expect(name, "the number of wrong passwords that let somebody in", crowd.admitted, 0)
    expect("pam_tmout", "the number of guesses that were checked",
           reached["pam_tmout"].wrong, crowds.LIMIT)
