#!/usr/bin/python3
"""All sixty hosts of tests/unit/tools/tmoutctl/audit/test_convergence.c, of which
`make check` audits and patches nine."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.commands import run
from host.files import REPOSITORY
from host.tap import tap

PROGRAM = REPOSITORY + "/build/tests/unit/tools/tmoutctl/audit/test_convergence"


def sixty_hosts():
    """audit, patch, audit again"""
    result = run(PROGRAM, env={**os.environ, "TMOUT_SOAK": "1"}, timeout=3600)
    tap.ok(result.returncode == 0, "they converge", result.stdout[-4000:], result.stderr[-4000:])


tap.run(sixty_hosts)
