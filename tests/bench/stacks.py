"""PAM stacks that limit login attempts, around the same password check.

Each consists of the check, pam_deny for those whom it rejects, and the lines
that a module's manual adds. Where the manual of pam_faillock leaves a choice, it
has the faster one: `requisite` before the check, so that a locked user's password
is not checked.
"""

import glob
import os
import shutil
import struct

import bench_host

MAX_ATTEMPTS = 5
FAILLOCK_DIR = bench_host.HOME + "/faillock"
COUNTS_SIZE = 20  # struct check_counts of tests/module/pam_check.h
FAILLOCK = f"dir={FAILLOCK_DIR} silent deny={MAX_ATTEMPTS} unlock_time=600"


class Check:
    """The password check of one stack: how long it takes, and what reached it."""

    def __init__(self, name, delay_ms=0):
        self.path = f"{bench_host.HOME}/reached/{bench_host.as_file(name)}"
        self.line = (f"auth sufficient {bench_host.PROGRAMS}/pam_check.so counter={self.path} "
                     f"delay_ms={delay_ms}\n")
        bench_host.write(self.path, "\0" * COUNTS_SIZE)

    def reached(self):
        """The numbers of right and of wrong passwords."""
        with open(self.path, "rb") as file:
            return struct.unpack_from("II", file.read())


DENY = "auth required pam_deny.so\n"
PERMIT = "account required pam_permit.so\n"


def bare(check, before=""):
    return before + check.line + DENY + PERMIT


def tmout(check, policy):
    """`policy` is the result of bench_host.policy()."""
    return bare(check, f"auth requisite {bench_host.MODULE} {policy}\n")


def faillock(check):
    """With the account phase, as in the manual's second example."""
    return (f"auth requisite pam_faillock.so preauth {FAILLOCK}\n{check.line}"
            f"auth [default=die] pam_faillock.so authfail {FAILLOCK}\n{DENY}"
            f"account required pam_faillock.so {FAILLOCK}\n{PERMIT}")


def faillock_authsucc(check):
    """Without it, as in the first example."""
    line = check.line.replace("sufficient", "[success=1 default=bad]")
    return (f"auth requisite pam_faillock.so preauth {FAILLOCK}\n{line}"
            f"auth [default=die] pam_faillock.so authfail {FAILLOCK}\n"
            f"auth sufficient pam_faillock.so authsucc {FAILLOCK}\n{DENY}{PERMIT}")


def reset():
    """Removes all recorded failures."""
    for directory in glob.glob(f"{bench_host.HOME}/*/attempts") + [FAILLOCK_DIR]:
        shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(FAILLOCK_DIR)
