#!/usr/bin/python3
"""What CBMC proves for all inputs up to a bound: the harnesses of tests/model/cbmc. And
that it can find faults: each claim fails in a copy of the code with an error put in.

Debian has CBMC from release 13 on. It runs from a root of that release, which is made in
build/soak/cbmc if it is not there.
"""
import os
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
HOURS_SEC = 4 * 3600
LIBRARIES = f"{ROOT}/usr/lib/x86_64-linux-gnu:{ROOT}/usr/lib"
CBMC = [f"{ROOT}/lib64/ld-linux-x86-64.so.2", "--library-path", LIBRARIES, f"{ROOT}/usr/bin/cbmc",
        "--unwinding-assertions", "--bounds-check", "--pointer-check", "--signed-overflow-check",
        "--pointer-overflow-check", "--div-by-zero-check", "--undefined-shift-check",
        "--slice-formula", "--drop-unused-functions", "-I", ".", "-D_GNU_SOURCE"]

COUNT = ["lib/attempts/count.c", "lib/host/clock.c"]
# A harness, its part, the bound on loops, the other sources; and errors, each as the
# file, the text that is replaced, and what takes its place.
PROOFS = [
    ("count", "admission", 65, COUNT, [
        ("lib/attempts/count.c", " || taken >= limits->max_attempts", ""),
        ("lib/attempts/count.c", "count_bits(count->failed | count->in_flight);",
         "count_bits(count->failed);")]),
    ("count", "settlement", 65, COUNT, [
        ("lib/attempts/count.c", "    count->carried &= ~bit(entry);\n    if (success)",
         "    if (success)"),
        ("lib/attempts/count.c", "if (count->locked_ms == NOT_LOCKED)\n            count->failed",
         "if (true)\n            count->failed")]),
    ("schedule", "schedule", 1, ["lib/sessions/schedule.c"], [
        ("lib/sessions/schedule.c", "now_ms >= decision.end_ms", "now_ms > decision.end_ms"),
        ("lib/sessions/schedule.h", "from_ms == NEVER_MS || by_ms == NEVER_MS ||", "")]),
    ("snapshot", "offsets", 9, [], [
        ("lib/policy/snapshot_read.c", "offset <= snapshot->file_size && size", "size")]),
    ("snapshot", "header", 9, [], [
        ("lib/policy/snapshot_read.c", "header->bucket_offset + buckets <= header->file_size",
         "header->bucket_offset <= header->file_size")]),
    ("snapshot", "record", 9, [], [
        ("lib/policy/snapshot_read.c", "head->text_size !=\n            size",
         "head->text_size >\n            size")]),
    ("snapshot", "block", 9, [], [
        ("lib/policy/snapshot_read.c", " || padded(source->path_size) > end - *at", "")]),
]


def verify(directory, harness, part, unwind, sources):
    """Returns whether all claims hold in the sources of a directory, and what was said."""
    shown = run("nice", *CBMC, "--unwind", str(unwind), "--function", f"prove_{part}",
                f"{HARNESSES}/{harness}.c", *sources, cwd=directory, timeout=HOURS_SEC)
    text = shown.stdout + shown.stderr
    if shown.returncode not in (0, 10) or "VERIFICATION" not in text:
        raise RuntimeError(text[-3000:])
    failed = [line for line in text.splitlines() if line.endswith(": FAILURE")]
    return shown.returncode == 0, failed


def broken(path, text, error):
    """A copy of the sources with one error in it."""
    directory = tempfile.mkdtemp(dir=SCRATCH)
    for folder in "lib", HARNESSES:
        shutil.copytree(f"{REPOSITORY}/{folder}", f"{directory}/{folder}")
    whole = read(f"{directory}/{path}")
    if whole.count(text) != 1:
        raise RuntimeError(f"{path} does not contain this once: {text}")
    write(f"{directory}/{path}", whole.replace(text, error))
    return directory


def proofs():
    """every claim holds, and can fail"""
    for harness, part, unwind, sources, errors in PROOFS:
        holds, failed = verify(REPOSITORY, harness, part, unwind, sources)
        tap.ok(holds, f"{harness}, {part}: all claims hold", *failed)
        for path, text, error in errors:
            holds, _ = verify(broken(path, text, error), harness, part, unwind, sources)
            tap.ok(not holds, f"{harness}, {part}: not with {error.split(chr(10))[0] or 'less'!r}")


try:
    if not os.path.exists(f"{ROOT}/usr/bin/cbmc"):
        shutil.rmtree(ROOT, ignore_errors=True)
        make_root("trixie", ROOT, ["cbmc", "libc6-dev"])
except (Skip, FileNotFoundError) as why:
    tap.skip("CBMC", str(why))
    tap.end()
with tempfile.TemporaryDirectory() as SCRATCH:
    must("gcc", "--version")
    tap.run(proofs)
