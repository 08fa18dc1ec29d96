#!/usr/bin/python3
"""The guarantee on login attempts, model-checked: tests/model/attempts.pml holds for
three processes and max_attempts = 2, and for no model with a rule taken out. So does
tests/model/fleet.pml, for two hosts with two attempts each, and a store.

All of it takes about a quarter of an hour of one processor, and 2.5 GB: most of it the states in
which a process is frozen, and a ledger replaced, about ten million for each number of
right passwords, and those in which a host of a fleet is cut off, up to 28 million. Each search
says how many there were.
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

ONE_HOST, FLEET = (f"{REPOSITORY}/tests/model/{name}.pml" for name in ("attempts", "fleet"))
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

# The same for a fleet, and what happens in the run that shows it.
LOSS, CUT, SLOW = "-DLOSSES=1", "-DCUTS=1", "-DSLOW=1"
FLEET_RULES = {
    "LEASE": ("an attempt in flight takes a slot of the fleet", NO_MORE_GUESSES, "-DRIGHT_ONES=0"),
    "MERGE": ("a host tells all that it knows whenever it reaches the store", NO_MORE_GUESSES,
              "-DRIGHT_ONES=0", LOSS, "-DFALLBACK=0"),
    "HOLD": ("nobody is admitted by a new store before all hosts have told", NO_MORE_GUESSES,
             "-DRIGHT_ONES=0", LOSS, "-DFALLBACK=0"),
    "ABANDONED": ("a lease that nobody renews has failed", NO_MORE_GUESSES, "-DRIGHT_ONES=0",
                  "-DDAEMON_KILLS=1", "-DFALLBACK=0"),
    "LEDGER": ("a slot of the ledger comes first", NO_MORE_GUESSES, "-DRIGHT_ONES=0",
               "-DMAX_ATTEMPTS=1", "-DFLEET_ATTEMPTS=2"),
    "LEDGER_ALONE": ("a host that is cut off admits fleet_fallback by its ledger",
                     NO_MORE_GUESSES, "-DRIGHT_ONES=0", CUT),
    "WAITING": ("who finds all slots of the fleet taken waits", NO_REJECTION, "-DRIGHT_ONES=1"),
    "EXPIRY": ("a lease that nobody renews ends", NO_REJECTION, "-DRIGHT_ONES=1",
               "-DDAEMON_KILLS=1"),
    "END_OF_FILE": ("the daemon settles an attempt whose process has died", NO_REJECTION,
                    "-DRIGHT_ONES=1", "-DKILLS=1"),
    "WITHDRAWAL": ("an attempt that the fleet rejects gives its slot in the ledger back",
                   NO_REJECTION, "-DRIGHT_ONES=1", CUT),
    "STORE_WITHDRAWAL": ("an attempt whose answer was lost is withdrawn from the store",
                         NO_REJECTION, "-DRIGHT_ONES=1", CUT),
    "TAKING_BACK": ("a lease that has ended is a failure only until its host tells", NO_REJECTION,
                    "-DRIGHT_ONES=1", CUT),
    "PARTING": ("who does not wait for the fleet any more says so", NO_REJECTION,
                "-DRIGHT_ONES=1", SLOW),
    "ONE_ID": ("an attempt that its host admits alone keeps its id", NO_REJECTION,
               "-DRIGHT_ONES=1", SLOW, "-DDAEMON_KILLS=1", "-DFLEET_ATTEMPTS=2"),
    "CLEARED": ("a host tells again of successes", NO_REJECTION, "-DRIGHT_ONES=2", LOSS,
                "-DFALLBACK=0"),
    "GIVEN": ("a host tells again of withdrawals", NO_REJECTION, "-DRIGHT_ONES=1", LOSS, SLOW,
              "-DFALLBACK=0"),
}


def half_of(assertion):
    """The half of the guarantee that this assertion of the model is about."""
    return NO_MORE_GUESSES if re.search(r"<=\s*2\)|violated asked|guesses", assertion) else NO_REJECTION


def search(model, optimization, *options):
    """Searches all states. Returns the half of the guarantee that does not hold, or "" """
    must("spin", "-a", *options, model, cwd=DIRECTORY)
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
        found = search(ONE_HOST, "-O2" if freezes else "-O1", f"-DFREEZES={freezes}", "-DLEDGERS=2",
                       f"-DRIGHT_ONES={right}")
        tap.equal(found, "", f"three processes, {right} with the right password, "
                             f"max_attempts = 2, {freezes} frozen")


def needs_each_rule():
    """a half of it does not hold without any of the rules behind it"""
    for name, (rule, half, freezes, *options) in RULES.items():
        found = search(ONE_HOST, "-O1", f"-DNO_{name}", f"-DFREEZES={freezes}", *options)
        tap.equal(found, half, f"without the rule that {rule}, {half} fails")


# What happens.
TWO = " -DFLEET_ATTEMPTS=2"
FLEET_RUNS = ["-DFLEET_ATTEMPTS=1", "-DFLEET_ATTEMPTS=2", "-DKILLS=1", "-DKILLS=1" + TWO,
              "-DDAEMON_KILLS=1", "-DDAEMON_KILLS=1" + TWO, SLOW, SLOW + TWO,
              SLOW + " -DDAEMON_KILLS=1", SLOW + " -DDAEMON_KILLS=1" + TWO, CUT, CUT + TWO,
              LOSS, LOSS + TWO, LOSS + " -DFALLBACK=0", f"{LOSS} {SLOW} -DFALLBACK=0"]


def a_fleet_holds():
    """both halves hold for a fleet, whatever is killed, cut off, or lost"""
    for what, right in itertools.product(FLEET_RUNS, range(3)):
        found = search(FLEET, "-O1", f"-DRIGHT_ONES={right}", *what.split())
        tap.equal(found, "", f"two hosts, {right} with the right password, {what}")


def a_fleet_needs_each_rule():
    """... and one does not without any of the rules"""
    for name, (rule, half, *options) in FLEET_RULES.items():
        tap.equal(search(FLEET, "-O1", f"-DNO_{name}", *options), half,
                  f"without the rule that {rule}, {half} fails")


if not shutil.which("spin"):
    tap.skip("the model of login attempts", "spin is not installed")
    tap.end()
with tempfile.TemporaryDirectory() as DIRECTORY:
    tap.run(a_fleet_needs_each_rule, a_fleet_holds, needs_each_rule, holds)
