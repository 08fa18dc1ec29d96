"""Which passwords reached the password check: a script in the stack writes down whose."""

from host.files import read, write
from host.pam_stacks import wire_auth

REACHED = "/run/reached"
SCRIPT = "/root/check"


def count_checks(service, check_sec=0.05):
    """Counts the checks of a service from now on; each takes so long."""
    write(SCRIPT, f"#!/bin/sh\necho \"$PAM_USER\" >>{REACHED}\nsleep {check_sec}\n", 0o755)
    write(REACHED, "", 0o666)
    wire_auth(service, f"auth [default=ignore] pam_exec.so quiet seteuid {SCRIPT}")


def reached(name):
    """How many passwords of this user were checked, on all hosts."""
    return read(REACHED).split().count(name)
