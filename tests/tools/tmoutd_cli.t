#!/usr/bin/python3
"""The command line of tmoutd: help, version and usage errors. Needs no root, and
starts no daemon. Results in the Test Anything Protocol."""
import os
import re
import subprocess
import sys

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
PROGRAM = f"{REPOSITORY}/build/tmoutd"
USAGE = "usage: tmoutd [--foreground] [--state DIR]\n"
USAGE_ERRORS = {
    ("--x",): "unrecognized option '--x'",
    ("-x",): "invalid option -- 'x'",
    ("--state",): "option '--state' requires an argument",
    ("--state", "run"): "invalid argument 'run' for '--state': must be an absolute path",
    ("--state", ""): "invalid argument '' for '--state': must be an absolute path",
    ("--foreground=yes",): "option '--foreground' doesn't allow an argument",
    ("operand",): "extra operand 'operand'",
    ("", "--foreground"): "extra operand ''",
    ("--", "--help"): "extra operand '--help'",
    ("--version=1",): "option '--version' doesn't allow an argument",
}

failed = count = 0


def equal(got, expected, name):
    global count, failed
    count += 1
    failed += got != expected
    print(f"{'ok' if got == expected else 'not ok'} {count} - {name}", flush=True)
    if got != expected:
        print(f"# got      {got!r}\n# expected {expected!r}", flush=True)


def tmoutd(*arguments, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, text=True,
                          check=False, timeout=60, **options)
    return done.returncode, done.stdout, done.stderr


for given in ("-h",), ("--help",), ("--foreground", "--help"), ("--help", "--x"):
    status, output, errors = tmoutd(*given)
    title = " ".join(given)
    equal((status, errors), (0, ""), f"{title}: exit status 0, no error")
    equal(output.startswith(USAGE), True, f"{title}: the usage line comes first")
    equal(re.findall(r"(?m)^  (?:-., )?(--\w+)", output),
          ["--foreground", "--state", "--help", "--version"], f"{title}: every option")
for given in ("-V",), ("--version",), ("--state", "/run/x", "-V"):
    status, output, errors = tmoutd(*given)
    title = " ".join(given)
    equal((status, errors), (0, ""), f"{title}: exit status 0, no error")
    equal(bool(re.fullmatch(r"tmoutd \d+\.\d+\.\d+\n", output)), True,
          f"{title}: name and version, nothing else")
for given, message in USAGE_ERRORS.items():
    equal(tmoutd(*given), (2, "", f"tmoutd: {message}\n{USAGE}"),
          " ".join(["usage error:", *(word or "''" for word in given)]))
with open("/dev/full", "w", encoding="ascii") as full:
    status, _, errors = tmoutd("--help", stdout=full)
    equal((status, errors), (2, "tmoutd: standard output: No space left on device\n"),
          "output that cannot be written is an error")
print(f"1..{count}")
sys.exit(1 if failed else 0)
