#!/usr/bin/python3
"""Ledgers on btrfs and xfs that are full, read-only, or lose their disk."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.disks import scenarios, setup_disks
from host.tap import tap

KINDS = ["btrfs", "xfs"]

setup_disks(KINDS)
tap.run(*scenarios(KINDS))
