#!/usr/bin/python3
"""tests/run itself: what it counts as passed, as failed, and as neither."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.files import REPOSITORY, write
from host.tap import tap

ENDS = [
    # what a test does, as a shell script; why that is a failure, or None
    ("all pass", "echo ok 1 - a; echo ok 2 - b; echo 1..2", None),
    ("one is skipped", "echo ok 1 - a; echo 'ok 2 - b # SKIP not here'; echo 1..2", None),
    ("the plan comes first", "echo 1..1; echo ok 1 - a", None),
    ("one fails", "echo 1..2; echo ok 1 - a; echo 'not ok 2 - b'", "2 - b"),
    ("it exits non-zero", "echo 1..1; echo ok 1 - a; exit 3", "it ended with status 3"),
    ("it is killed", "echo 1..1; echo ok 1 - a; kill -9 $$", "it ended with status -9"),
    ("it has no plan", "echo ok 1 - a", "0 results were planned, 1 came"),
    ("it stops early", "echo 1..3; echo ok 1 - a; echo ok 2 - b",
     "3 results were planned, 2 came"),
    ("it prints nothing", "true", "no test was run"),
    ("its plan is empty", "echo 1..0", "no test was run"),
    ("it skips everything", "echo 'ok 1 - a # SKIP not here'; echo 1..1", "everything was skipped"),
    ("it cannot begin", "echo 'Not a result: ok'; exit 77", "it ended with status 77"),
]


def runner(repository, *options, program=f"{REPOSITORY}/tests/run", **more):
    done = subprocess.run([program, "--repository", repository, *options], **more,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout, done.returncode


def add_test(repository, path, commands):
    write(f"{repository}/{path}", f"#!/bin/sh\n{commands}\n", 0o755)


def verdicts():
    """each way in which a test can end"""
    for description, commands, failure in ENDS:
        with tempfile.TemporaryDirectory() as repository:
            add_test(repository, "tests/shells/it.t", commands)
            output, status = runner(repository, "shells")
            wanted = f"    > {failure}" if failure else "  ok"
            tap.ok(status == (1 if failure else 0) and wanted in output,
                   f"{description}: {failure or 'passed'}", f"status {status}", output)


def signals():
    """a test gets the default signals, however the run was started"""
    with tempfile.TemporaryDirectory() as repository:
        add_test(repository, "tests/shells/it.t", "echo 1..1; grep -q '^SigIgn:.*0$' /proc/self/status && echo ok 1 - a")
        output, status = runner(repository, "shells", preexec_fn=ignore_signals)
        tap.ok(status == 0, "started in the background, and under nohup", output)


def ignore_signals():
    for number in signal.SIGHUP, signal.SIGINT, signal.SIGQUIT:
        signal.signal(number, signal.SIG_IGN)


def totals():
    """the totals, what was skipped, and which programs are tests"""
    with tempfile.TemporaryDirectory() as repository:
        add_test(repository, "tests/docs/two.t", "echo 1..2; echo ok 1 - a; echo ok 2 - b")
        add_test(repository, "tests/tools/deep/er/one.t", "echo 1..1; echo ok 1 - c")
        add_test(repository, "tests/tools/not_a_test", "echo 1..1; echo not ok 1 - d")
        add_test(repository, "build/tests/unit/lib/deep/test_e", "echo 1..2; echo ok 1 - e; "
                 "echo 'not ok 2 - f # SKIP needs root'")
        write(f"{repository}/build/tests/unit/lib/deep/test_e.d", "not ok 1 - g\n")
        add_test(repository, "tests/fuzz/run", "echo 1..1; echo not ok 1 - h")
        add_test(repository, "tests/dev/lint", "echo 1..1; echo ok 1 - i")
        output, status = runner(repository, "--sanitize")
        tap.equal((output.splitlines()[-1], status), ("1 passed, 0 failed", 0),
                  "with sanitizers, the built programs alone")
        output, status = runner(repository)
        ran = re.findall(r"^(\S+(?: under valgrind)?) +\d+ passed", output, re.MULTILINE)
        tap.equal(sorted(ran), ["docs/two", "fuzz", "lint", "tools/deep/er/one", "unit/lib/deep/e",
                                "unit/lib/deep/e under valgrind"], "the tests that it finds")
        tap.matches(output, r"Skipped:\n  unit/lib/deep/e.*: 2 - f # SKIP needs root",
                    "what was skipped is listed")
        tap.equal((output.splitlines()[-4:], status),
                  (["Failed:", "  fuzz: 1 - h", "", "6 passed, 1 failed"], 1),
                  "the last lines name what failed, and count all of them")
        output, status = runner(repository, "no-such-test")
        tap.equal((output.splitlines()[-1], status), ("0 passed, 0 failed", 1),
                  "a run without a test is a failure")


def ends_of_logs():
    """the end of a log tells why a test has failed, and does not drown it in what was skipped"""
    with tempfile.TemporaryDirectory() as repository:
        add_test(repository, "build/tests/unit/lib/test_a", "echo 1..5; echo ok 1 - a; "
                 "echo '# 8 != 7'; echo 'ERROR: seed 5: too many' >&2; echo 'not ok 2 - b'; "
                 "echo '# 0x1 != 0x2'; echo '# b.c:7: error: Failure!'; "
                 "for i in 3 4 5; do echo \"t$i skipped: needs root\" >&2; "
                 "echo \"not ok $i # SKIP t$i\"; done")
        add_test(repository, "tests/shells/long.t", "echo 1..2; echo 'not ok 1 - c'; "
                 "seq -f '# line %g' 30; echo 'not ok 2 - d'; echo '# why d'")
        add_test(repository, "tests/shells/mute.t", "seq -f 'line %g' 30; exit 3")
        output, _ = runner(repository, "--sanitize")
        tap.equal(output[output.find("\nSkipped:"):],
                  "\nSkipped:\n  unit/lib/a: 3, 4, 5 # SKIP needs root\n"
                  "\nFailed:\n  unit/lib/a: 2 - b\n      # 0x1 != 0x2\n"
                  "      # b.c:7: error: Failure!\n      ERROR: seed 5: too many\n"
                  "\n1 passed, 1 failed\n", "a unit test: the assertion and the message")
        output, _ = runner(repository, "shells/long")
        tap.equal(output[output.find("\nFailed:"):],
                  "\nFailed:\n  shells/long: 1 - c\n"
                  + "".join(f"      # line {i}\n" for i in range(1, 11))
                  + "  shells/long: 2 - d\n      # why d\n\n0 passed, 2 failed\n",
                  "no more than ten lines of each failure")
        output, _ = runner(repository, "shells/mute")
        tap.equal(output[output.find("\nFailed:"):],
                  "\nFailed:\n  shells/mute: it ended with status 3\n"
                  + "".join(f"      line {i}\n" for i in range(21, 31))
                  + "\n0 passed, 1 failed\n", "the last lines of a program that failed as such")


def without_root():
    """a plain user's run leaves out what needs root, and says so"""
    with tempfile.TemporaryDirectory() as repository:
        os.chmod(repository, 0o755)
        for path in "e2e/a", "packages/b", "shells/c":
            add_test(repository, f"tests/{path}.t", "echo 1..1; echo ok 1 - it")
        program = f"{repository}/run"
        shutil.copy(f"{REPOSITORY}/tests/run", program)
        plain = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        output, status = runner(repository, "e2e", "packages", "shells", program=program, **plain)
        tap.equal((output.splitlines()[-1], status), ("1 passed, 0 failed", 0), "the others are run")
        tap.ok("\n  e2e/a: needs root\n  packages/b: needs root\n" in output, "they are listed", output)


tap.run(verdicts, signals, totals, ends_of_logs, without_root)
