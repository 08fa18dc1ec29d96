#!/usr/bin/python3
"""All hosts of tests/unit/tools/tmoutctl/audit/convergence_hosts.h: `make check` audits and
patches a fifth of them, and logs in to four."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.commands import run
from host.files import REPOSITORY
from host.tap import tap

PROGRAM = REPOSITORY + "/build/tests/unit/tools/tmoutctl/audit/test_convergence"
SOAK = {**os.environ, "TMOUT_SOAK": "1"}


def audited():
    """audit, patch, audit again"""
    result = run(PROGRAM, env=SOAK, timeout=3600)
    tap.ok(result.returncode == 0, "they converge", result.stdout[-4000:], result.stderr[-4000:])


def logged_in_to():
    """real logins before and after the patch"""
    result = run(REPOSITORY + "/tests/host/throwaway", REPOSITORY + "/tests/e2e/audit_logins.t",
                 env=SOAK, timeout=7200)
    tap.ok(result.returncode == 0, "the same people get in", result.stdout, result.stderr)


tap.run(audited, logged_in_to)
