#!/usr/bin/python3
"""The guarantee on login attempts, model-checked: tests/model/attempts.pml holds for
three processes and max_attempts = 2, and for no model with a rule taken out.

Without freezing, and so without replacement of the ledger, the search takes
seconds; with both, it takes minutes and a gigabyte.
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

# What is taken out, and the size of the model in which that shows.
RULES = {
    "SLOT_BEFORE_CHECK": ("an attempt takes a slot before its password is checked", 0),
    "DEATH": ("an attempt whose process died is a failure", 0),
    "WAITING": ("who finds all slots taken waits", 0),
    "LOCK_BEFORE_STORE": ("an attempt's lock is taken before it is written down", 0),
    "CARRYING": ("attempts that are copied to another ledger count as alive there", 1,
                 "-DRIGHT_ONES=3", "-DLEDGERS=2"),
    "REPLACEMENT": ("a ledger whose lock is held by a frozen process is replaced", 1),
    "AGE": ("an attempt of a frozen process becomes too old", 1),
    "COPIED_SETTLEMENT": ("an attempt that was settled before the ledger was copied is settled", 1,
                          "-DRIGHT_ONES=3", "-DLEDGERS=2"),
    "REVOCATION": ("a ledger is revoked before it is copied", 1),
    "VERIFICATION": ("a change counts only if the ledger is current afterwards", 1),
    "SUCCESSION": ("of several copies, the first one that was entered counts", 1),
    "MUTUAL_EXCLUSION": ("one process at a time changes a ledger", 1),
    "ADMISSION": ("who is not rejected at the first look asks to be admitted", 0),
    "LOCK_TO_REJECT": ("the first look rejects nobody who would have to wait", 0),
    "LOOK_AFTERWARDS": ("the first look counts only if the ledger is not revoked afterwards", 1,
                        "-DLEDGERS=2"),
}


def search(*options):
    """Searches all states. Returns the assertion that fails, or "" """
    must("spin", "-a", *options, MODEL, cwd=DIRECTORY)
    must("cc", "-O2", "-w", "-DSAFETY", "-DNOCLAIM", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}",
         "-o", "pan", "pan.c", cwd=DIRECTORY, timeout=BUILD_GUARD_SEC)
    # -E: a process that is frozen for good is no fault; the model looks at the others.
    output = subprocess.run(["nice", "./pan", "-E", "-m1000000"], cwd=DIRECTORY, check=False,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    failed = re.search(r"^pan:1: (assertion violated .*)", output, re.MULTILINE)
    if failed:
        return failed.group(1)
    # Neither out of memory nor out of depth.
    if "Search not completed" in output or "max search depth too small" in output or \
            "errors: 0" not in output:
        raise RuntimeError(output[-2000:])
    return ""


def holds():
    """both halves of the guarantee hold"""
    for freezes, right in itertools.product((0, 1), range(PROCESSES + 1)):
        tap.equal(search(f"-DFREEZES={freezes}", "-DLEDGERS=2", f"-DRIGHT_ONES={right}"), "",
                  f"three processes, {right} with the right password, max_attempts = 2, "
                  f"{freezes} frozen")


def needs_each_rule():
    """a half of it does not hold without any of the rules behind it"""
    for name, (rule, freezes, *options) in RULES.items():
        found = search(f"-DNO_{name}", f"-DFREEZES={freezes}", *options)
        tap.ok(found, f"without the rule that {rule}")


if not shutil.which("spin"):
    tap.skip("the model of login attempts", "spin is not installed")
    tap.end()
with tempfile.TemporaryDirectory() as DIRECTORY:
    tap.run(needs_each_rule, holds)
