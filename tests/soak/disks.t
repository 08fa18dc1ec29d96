#!/usr/bin/python3
"""Ledgers on file systems other than those of e2e/disks: ext4, ext2, and an
overlay, which are full, read-only, or lose their disk."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.disks import scenarios, setup_disks
from host.files import REPOSITORY
from host.tap import tap

KINDS = ["ext4", "ext2", "overlay"]

if not os.path.exists("/run/throwaway"):
    host = f"{REPOSITORY}/tests/host/throwaway"
    os.execv(host, [host, *sys.argv])
setup_disks(KINDS)
tap.run(*scenarios(KINDS))
