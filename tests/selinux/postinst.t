#!/usr/bin/python3
"""Debian's package activates the auth line only where login programs may read the
policy: its script, with tmoutctl and pam-auth-update replaced.
"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.commands import run
from host.files import REPOSITORY, read, write
from host.tap import tap

SCRIPT = REPOSITORY + "/packaging/debian/libpam-tmout.postinst"
TMOUTCTL = """#!/bin/sh
[ "$1" != audit ] || { echo "FAIL  host-mac  SELinux denies sshd"; exit %d; }
"""
AUTH_UPDATE = """#!/bin/sh
echo "$@" >>%s/called
"""


def configure(status, version):
    """Runs the script where the check ends with this status. Returns what it called
    pam-auth-update with, and what it printed."""
    with tempfile.TemporaryDirectory() as directory:
        write(f"{directory}/tmoutctl", TMOUTCTL % status, 0o755)
        write(f"{directory}/pam-auth-update", AUTH_UPDATE % directory, 0o755)
        done = run("sh", SCRIPT, "configure", version,
                   env={**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"})
        return read(f"{directory}/called").splitlines(), done.stderr


def main():
    called, said = configure(1, "")
    tap.equal(called, ["--package --disable tmout"], "denied, first installation: not activated")
    tap.matches(said, "SELinux denies sshd", "the reason is printed")
    tap.matches(said, "NOT IN USE", "and what it means")
    called, said = configure(1, "0.1")
    tap.equal(called, ["--package"], "denied, upgrade: nothing changes")
    tap.matches(said, "pam-auth-update --disable tmout", "and the way out is printed")
    for status in 0, 2:
        called, said = configure(status, "")
        tap.equal(called, ["--package"], f"the check ends with {status}: activated")
        tap.ok("nobody but root" not in said, "without a warning", said)
    tap.end()


main()
