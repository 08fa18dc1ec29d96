#!/usr/bin/python3
"""The errors that CBMC must find (tests/soak/cbmc.t, which takes too long for each run) can
be put into the sources as they are."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.files import REPOSITORY, read
from host.tap import tap
from model.proofs import PROOFS, with_change


def changes():
    """each of them changes one place"""
    for proof in PROOFS:
        refused = []
        for change in (*proof.changes, *proof.errors):
            try:
                with_change(read(f"{REPOSITORY}/{change[0]}"), change)
            except ValueError as why:
                refused.append(str(why))
        tap.equal(refused, [], proof.name)


tap.run(changes)
