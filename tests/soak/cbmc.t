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
from model.proofs import HARNESSES, PROOFS, with_change

ROOT = REPOSITORY + "/build/soak/cbmc"
ONLY = os.environ.get("CBMC_ONLY", "")
HOURS_SEC = 4 * 3600
LIBRARIES = f"{ROOT}/usr/lib/x86_64-linux-gnu:{ROOT}/usr/lib"
CBMC = [f"{ROOT}/lib64/ld-linux-x86-64.so.2", "--library-path", LIBRARIES, f"{ROOT}/usr/bin/cbmc",
        "--unwinding-assertions", "--bounds-check", "--pointer-check", "--signed-overflow-check",
        "--pointer-overflow-check", "--div-by-zero-check", "--undefined-shift-check",
        "--slice-formula", "--drop-unused-functions", "-I", ".", "-D_GNU_SOURCE"]


def verify(proof, *changes):
    """Returns whether all claims hold in sources with these changes, and what was said."""
    shown = run("nice", *CBMC, *proof.arguments, *proof.sources,
                cwd=changed(*proof.changes, *changes), timeout=HOURS_SEC)
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
    for change in changes:
        path = f"{directory}/{change[0]}"
        write(path, with_change(read(path), change))
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
