#!/usr/bin/python3
"""The catalogs in po/ are valid, complete, and have the texts that the sources have."""

import filecmp
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

TESTS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..")
sys.path.insert(0, TESTS)

from host.tap import tap

CONVERSION = re.compile(r"%[^a-z%]*[a-z%]")
LONGEST_NOTICE = 512 - 32 - len("604800s")  # bytes: tools/tmoutd/notice.h


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False).stdout


def strings(path, keyword):
    """The strings of all entries with this keyword, in order."""
    joined = output("msgcat", "--no-wrap", path)
    return re.findall(rf'(?m)^{keyword}(?:\[\d\])? "(.+)"$', joined)


def is_valid(path):
    tap.equal(output("msgfmt", "-c", "--check-accelerators", "-o", "/dev/null", path), "", f"{path}: valid")
    for kind in "--untranslated", "--only-fuzzy", "--only-obsolete":
        tap.equal(output("msgattrib", kind, path), "", f"{path}: nothing for {kind}")


def has_conversions(path):
    """Numbers and names come in the order of the English text: lib/host/translation.c
    rejects others."""
    allowed = {tuple(CONVERSION.findall(text))
               for keyword in ("msgid", "msgid_plural") for text in strings(path, keyword)}
    for text in strings(path, "msgstr"):
        tap.ok(tuple(CONVERSION.findall(text)) in allowed, f"{path}: conversions", text)
        tap.ok(len(text.encode()) < LONGEST_NOTICE, f"{path}: not too long", text)


def up_to_date():
    with tempfile.TemporaryDirectory() as folder:
        for path in catalogs:
            shutil.copy(path, folder)
        said = output("make", "-s", "po", f"PO={folder}", f"BUILD={folder}/build")
        for path in catalogs:
            tap.ok(filecmp.cmp(path, f"{folder}/{os.path.basename(path)}", shallow=False),
                   f"{path} has the texts of the sources (make po)", said)


os.chdir(TESTS + "/..")
catalogs = sorted(glob.glob("po/*.po"))
tap.ok(catalogs, "there are catalogs")
for catalog in catalogs:
    is_valid(catalog)
    has_conversions(catalog)
up_to_date()
tap.end()
