#!/usr/bin/python3
"""What CBMC proves for all inputs up to a bound: the harnesses of tests/model/cbmc. And
that it can find faults: each claim fails in a copy of the code with an error put in.

Debian has CBMC from release 13 on. It runs from a root of that release, which is made in
build/soak/cbmc if it is not there. CBMC_ONLY, a regular expression, chooses proofs.
"""
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.commands import must, run
from host.debian_root import make_root
from host.files import REPOSITORY, read, write
from host.isolation import Skip
from host.tap import tap

ROOT = REPOSITORY + "/build/soak/cbmc"
HARNESSES = "tests/model/cbmc"
ONLY = os.environ.get("CBMC_ONLY", "")
HOURS_SEC = 4 * 3600
LIBRARIES = f"{ROOT}/usr/lib/x86_64-linux-gnu:{ROOT}/usr/lib"
CBMC = [f"{ROOT}/lib64/ld-linux-x86-64.so.2", "--library-path", LIBRARIES, f"{ROOT}/usr/bin/cbmc",
        "--unwinding-assertions", "--bounds-check", "--pointer-check", "--signed-overflow-check",
        "--pointer-overflow-check", "--div-by-zero-check", "--undefined-shift-check",
        "--slice-formula", "--drop-unused-functions", "-I", ".", "-D_GNU_SOURCE"]

COUNT = ["lib/attempts/count.c", "lib/host/clock.c"]
# Fewer entries, where 64 would take hours.
FEW = [("lib/policy/settings.h", "ATTEMPTS_MAX = 64", "ATTEMPTS_MAX = 6")]
FULL = [("lib/policy/settings.h", "ATTEMPTS_MAX = 64", "ATTEMPTS_MAX = 4")]


class Proof:
    """A part of a harness: its bounds on loops, and the other sources. `changes` are made to
    the sources first. `errors` are put in one at a time, and each makes a claim fail: the
    file, the text that is replaced, and what takes its place."""

    def __init__(self, harness, part, bounds, sources, errors, changes=()):
        self.name = f"{harness}, {part}"
        self.sources, self.errors, self.changes = sources, errors, changes
        unwind, *of_loops = bounds.split()
        self.command = [*CBMC, "--unwind", unwind, "--function", f"prove_{part}",
                        f"{HARNESSES}/{harness}.c"]
        for bound in of_loops:
            self.command += ["--unwindset", bound]


PROOFS = [
    Proof("count", "admission", "65", COUNT, [
        ("lib/attempts/count.c", " || taken >= limits->max_attempts", ""),
        ("lib/attempts/count.c", "count_bits(count->failed | count->in_flight);",
         "count_bits(count->failed);")]),
    Proof("count", "settlement", "65", COUNT, [
        ("lib/attempts/count.c", "    count->carried &= ~bit(entry);\n    if (success)",
         "    if (success)"),
        ("lib/attempts/count.c", "if (count->locked_ms == NOT_LOCKED)\n            count->failed",
         "if (true)\n            count->failed")]),
    Proof("count", "carrying", "65", COUNT, [
        ("lib/attempts/count.c", "count->last_generation += CARRIED_GENERATIONS;", ";")]),
    Proof("count", "adoption", "65", COUNT, [
        ("lib/attempts/count.c", "    count->carried &= ~bit(slot->entry);\n", ""),
        ("lib/attempts/count.c", "count->generation[slot->entry] != slot->generation)\n", "false)\n")]),
    Proof("count", "up_to_date", "17", COUNT, [
        ("lib/attempts/count.c", "if (((alive | count->carried) & bit(i))", "if ((alive & bit(i))"),
        ("lib/attempts/count.c", "boot_ms);\n    lock_at_limit(count, limits, now, changes);\n",
         "boot_ms);\n")], FEW),
    Proof("count", "far_times", "17", COUNT, [
        ("lib/host/clock.c", "if (__builtin_add_overflow(a, b, &sum))", "if ((sum = a + b) == a)")],
          FEW),
    Proof("count", "window", "17", COUNT, [
        ("lib/attempts/count.c", ">= limits->window_ms", "> limits->window_ms")], FEW),
    Proof("count", "staleness", "17", COUNT, [
        ("lib/attempts/count.c", "~(alive | count->carried);", "~alive;"),
        ("lib/attempts/count.c", ">= ATTEMPT_STALLED_MS", "> ATTEMPT_STALLED_MS")], FEW),
    Proof("count", "merge", "17", COUNT, [
        ("lib/attempts/count.c", "if (other->locked_ms > count->locked_ms)",
         "if (other->locked_ms < count->locked_ms)"),
        ("lib/attempts/count.c", "        at_ms = count->at_ms[i];\n", ""),
        ("lib/attempts/count.c", "count->at_ms[i] >= at_ms)\n", "false)\n")], FULL),
    Proof("banks", "banks", "3", [], [
        ("lib/attempts/ledger_record.c", "if (lead[0] != trail[0])\n        return 1;",
         "if (lead[0] == trail[0])\n        return 1;")]),
    Proof("banks", "damaged_banks", "3", [], [
        ("lib/attempts/ledger_record.c", " && (word & 1) == which", "")]),
    Proof("duration", "text", "9", [], [
        ("lib/policy/duration.c", "int64_t total = 0;", "int64_t total = *seconds = 0;")]),
    Proof("duration", "number", "7 duration_parse.1:3", [], [
        ("lib/policy/duration.c", "__builtin_mul_overflow(number, unit, &part)",
         "(part = number) < 0")]),
    Proof("duration", "large", "22 duration_parse.1:3", [], [
        ("lib/policy/duration.c", "__builtin_mul_overflow(number, 10, &number)",
         "(number *= 10) < 0")]),
    Proof("duration", "both", "17 duration_parse.1:6 duration_parse.0:4", [], [
        ("lib/policy/duration.c", "        seconds -= number * unit_sec(*u);\n", "")]),
    Proof("schedule", "schedule", "1", ["lib/sessions/schedule.c"], [
        ("lib/sessions/schedule.c", "now_ms >= decision.end_ms", "now_ms > decision.end_ms"),
        ("lib/sessions/schedule.h", "from_ms == NEVER_MS || by_ms == NEVER_MS ||", "")]),
    Proof("snapshot", "offsets", "9", [], [
        ("lib/policy/snapshot_read.c", "offset <= snapshot->file_size && size", "size")]),
    Proof("snapshot", "header", "9", [], [
        ("lib/policy/snapshot_read.c", "header->bucket_offset + buckets <= header->file_size",
         "header->bucket_offset <= header->file_size")]),
    Proof("snapshot", "record", "9", [], [
        ("lib/policy/snapshot_read.c", "head->text_size !=\n            size",
         "head->text_size >\n            size")]),
    Proof("snapshot", "block", "9", [], [
        ("lib/policy/snapshot_read.c", " || padded(source->path_size) > end - *at", "")]),
]


def verify(proof, *changes):
    """Returns whether all claims hold in sources with these changes, and what was said."""
    shown = run("nice", *proof.command, *proof.sources, cwd=changed(*proof.changes, *changes),
                timeout=HOURS_SEC)
    text = shown.stdout + shown.stderr
    if shown.returncode not in (0, 10) or "VERIFICATION" not in text:
        raise RuntimeError(text[-3000:])
    failed = [line for line in text.splitlines() if line.endswith(": FAILURE")]
    return shown.returncode == 0, failed


def changed(*changes):
    """A copy of the sources with some texts replaced by others."""
    directory = tempfile.mkdtemp(dir=SCRATCH)
    for folder in "lib", HARNESSES:
        shutil.copytree(f"{REPOSITORY}/{folder}", f"{directory}/{folder}")
    for path, text, replacement in changes:
        whole = read(f"{directory}/{path}")
        if whole.count(text) != 1:
            raise RuntimeError(f"{path} does not contain this once: {text}")
        write(f"{directory}/{path}", whole.replace(text, replacement))
    return directory


def scenario(proof):
    def prove():
        holds, failed = verify(proof)
        tap.ok(holds, f"{proof.name}: all claims hold", *failed)
        for error in proof.errors:
            holds, failed = verify(proof, error)
            shown = error[2].strip().split("\n")[0] or "less"
            # Where a loop has become longer, nothing has been proved or refuted.
            tap.ok(any("unwinding" not in line for line in failed),
                   f"{proof.name}: not with {shown!r}", *failed)

    prove.__doc__ = f"{proof.name}: every claim holds, and can fail"
    return prove


try:
    if not os.path.exists(f"{ROOT}/usr/bin/cbmc"):
        shutil.rmtree(ROOT, ignore_errors=True)
        make_root("trixie", ROOT, ["cbmc", "libc6-dev"])
except (Skip, FileNotFoundError) as why:
    tap.skip("CBMC", str(why))
    tap.end()
with tempfile.TemporaryDirectory() as SCRATCH:
    must("gcc", "--version")
    chosen = [proof for proof in PROOFS if re.search(ONLY, proof.name)]
    tap.run(*[scenario(proof) for proof in chosen])
