#!/usr/bin/python3
"""The guarantee on login attempts, model-checked: tests/model/attempts.pml holds for
three processes and max_attempts = 2, and for no model with a rule taken out.

All of it takes four minutes of one processor, and a gigabyte: most of it the states in
which a process is frozen, and a ledger replaced, about ten million for each number of
right passwords. Each search says how many there were.
"""
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.commands import must
from host.files import REPOSITORY
from host.tap import tap
from host.waiting import BUILD_GUARD_SEC

MODEL = REPOSITORY + "/tests/model/attempts.pml"
MEMORY_MB = 6000
PROCESSES = 3

# No more than max_attempts wrong passwords are checked; and no right one is rejected, or
# waits for ever, because of other attempts.
NO_MORE_GUESSES, NO_REJECTION = "the first half", "the second half"

# What is taken out, the half of the guarantee that then fails, and the size of the model in
# which that shows.
RULES = {
    "SLOT_BEFORE_CHECK": ("an attempt takes a slot before its password is checked",
                          NO_MORE_GUESSES, 0),
    "DEATH": ("an attempt whose process died is a failure", NO_MORE_GUESSES, 0),
    "WAITING": ("who finds all slots taken waits", NO_REJECTION, 0),
    "LOCK_BEFORE_STORE": ("an attempt's lock is taken before it is written down",
                          NO_REJECTION, 0),
    "CARRYING": ("attempts that are copied to another ledger count as alive there",
                 NO_REJECTION, 1, "-DRIGHT_ONES=3", "-DLEDGERS=2"),
    "REPLACEMENT": ("a ledger whose lock is held by a frozen process is replaced",
                    NO_REJECTION, 1),
    "AGE": ("an attempt of a frozen process becomes too old", NO_REJECTION, 1),
    "COPIED_SETTLEMENT": ("an attempt that was settled before the ledger was copied is settled",
                          NO_REJECTION, 1, "-DRIGHT_ONES=3", "-DLEDGERS=2"),
    "REVOCATION": ("a ledger is revoked before it is copied", NO_MORE_GUESSES, 1),
    "VERIFICATION": ("a change counts only if the ledger is current afterwards",
                     NO_MORE_GUESSES, 1),
    "SUCCESSION": ("of several copies, the first one that was entered counts",
                   NO_MORE_GUESSES, 1),
    "MUTUAL_EXCLUSION": ("one process at a time changes a ledger", NO_MORE_GUESSES, 1),
    "ADMISSION": ("who is not rejected at the first look asks to be admitted",
                  NO_MORE_GUESSES, 0),
    "LOCK_TO_REJECT": ("the first look rejects nobody who would have to wait", NO_REJECTION, 0),
    "LOOK_AFTERWARDS": ("the first look counts only if the ledger is not revoked afterwards",
                        NO_REJECTION, 1, "-DLEDGERS=2"),
}


def half_of(assertion):
    """The half of the guarantee that this assertion of the model is about."""
    return NO_MORE_GUESSES if re.search(r"<=\s*2\)|violated asked", assertion) else NO_REJECTION


def search(optimization, *options):
    """Searches all states. Returns the half of the guarantee that does not hold, or "" """
    must("spin", "-a", *options, MODEL, cwd=DIRECTORY)
    must("nice", "cc", optimization, "-w", "-DSAFETY", "-DNOCLAIM", "-DCOLLAPSE",
         f"-DMEMLIM={MEMORY_MB}", "-o", "pan", "pan.c", cwd=DIRECTORY, timeout=BUILD_GUARD_SEC)
    # -E: a process that is frozen for good is no fault; the model looks at the others.
    output = subprocess.run(["nice", "./pan", "-E", "-m1000000"], cwd=DIRECTORY, check=False,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    tap.note(f"{' '.join(options)}: "
             f"{re.search(r'(?m)^ *([0-9.e+]+) states, stored', output).group(1)} states")
    failed = re.search(r"^pan:1: (assertion violated .*)", output, re.MULTILINE)
    if failed:
        return half_of(failed.group(1))
    # Neither out of memory nor out of depth.
    if "Search not completed" in output or "max search depth too small" in output or \
            "errors: 0" not in output:
        raise RuntimeError(output[-2000:])
    return ""


def holds():
    """both halves of the guarantee hold"""
    for freezes, right in itertools.product((0, 1), range(PROCESSES + 1)):
        # Compiling the larger one well takes longer, and is worth it.
        found = search("-O2" if freezes else "-O1", f"-DFREEZES={freezes}", "-DLEDGERS=2",
                       f"-DRIGHT_ONES={right}")
        tap.equal(found, "", f"three processes, {right} with the right password, "
                             f"max_attempts = 2, {freezes} frozen")


def needs_each_rule():
    """a half of it does not hold without any of the rules behind it"""
    for name, (rule, half, freezes, *options) in RULES.items():
        found = search("-O1", f"-DNO_{name}", f"-DFREEZES={freezes}", *options)
        tap.equal(found, half, f"without the rule that {rule}, {half} fails")


if not shutil.which("spin"):
    tap.skip("the model of login attempts", "spin is not installed")
    tap.end()
with tempfile.TemporaryDirectory() as DIRECTORY:
    tap.run(needs_each_rule, holds)
