#!/usr/bin/python3
"""make, make deb, and make rpm on a machine that lacks something: the last words are
what is missing, and the command that installs it."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.files import REPOSITORY
from host.tap import tap

# what is hidden in a mount namespace, the target, what is missing, and its group
CASES = [
    ("libconfuse", "mount -t tmpfs none $(pkg-config --variable=pcfiledir libconfuse)", "all",
     "libconfuse, jansson, libsystemd", "build"),
    ("pkg-config", "for f in $(which -a pkg-config); do mount --bind /dev/null $f; done", "all",
     "pkg-config, libconfuse, jansson, libsystemd", "build"),
    ("libpam's headers", "mount -t tmpfs none /usr/include/security", "all",
     "<security/pam_modules.h>", "build"),
    ("debhelper", "for f in $(which -a dh); do mount --bind /dev/null $f; done", "deb", "dh",
     "deb"),
    ("rpmbuild", "for f in $(which -a rpmbuild); do mount --bind /dev/null $f; done", "rpm",
     "rpmbuild", "rpm"),
]


def make(hide, target):
    with tempfile.TemporaryDirectory() as build:
        return subprocess.run(
            ["unshare", "--mount", "sh", "-ec", f"{hide}; exec make BUILD={build} {target}"],
            cwd=REPOSITORY, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def something_is_missing():
    """without a program, a library, or a header that is needed"""
    for name, hide, target, missing, group in CASES:
        result = make(hide, target)
        tap.equal(result.returncode, 2, f"{name}: make {target} fails")
        lines = result.stdout.splitlines()
        tap.equal(lines[-3:-1], [f"pam_tmout: this machine lacks {missing}.",
                                 f"To install what is missing: sudo make dependencies-{group}"],
                  f"{name}: what is missing, and what to do")
        tap.matches(lines[-1], r"^make: \*\*\* .*requirements-", f"{name}: make adds one line")


tap.run(something_is_missing)
