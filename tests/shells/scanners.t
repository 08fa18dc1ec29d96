#!/usr/bin/python3
"""
Compliance scanners read profile.d/tmout.sh as text. Each of their patterns must
match a literal limit in it, and nothing else.
"""

import re

from shells import TMOUT_SH, tap

# The pattern, applied line by line or to the whole text, and the largest
# number it may find in its group.
VALUE_PATTERNS = {
    "OpenSCAP, RHEL and Debian": (r"^[\s]*(?:typeset|declare)[\s]+-xr[\s]+TMOUT=([\w$]+).*$", 600),
    "OpenSCAP 0.1.65": (r"^[\s]*declare[\s]+-xr[\s]+TMOUT=([\w$]+).*$", 600),
    "OpenSCAP, SLE and Ubuntu":
        (r"^[\s]*TMOUT=([\w$]+)[\s]*readonly TMOUT[\s]*export TMOUT$", 600),
    "DISA": (r"^[^#]*\s*TMOUT=(\d+)\s*$", 600),
    "CIS": (r"^\s*(?:[^#]+\s+)?TMOUT=(900|[1-8][0-9][0-9]|[1-9][0-9]|[1-9])\b", 900),
}

PRESENT = {
    "CIS, readonly": r"^\s*([^#]+;\s*)?readonly\s+TMOUT(\s+|\s*;|\s*$|=\d+)\b",
    "CIS, export": r"^\s*([^#]+;\s*)?export\s+TMOUT(\s+|\s*;|\s*$|=\d+)\b",
    "Lynis": r"^\s*[^#\s]*TMOUT=",
}

# CIS: no value of 0, or above 900.
ABSENT = {
    "CIS": r"^\s*(?:[^#]+\s+)?TMOUT=(9[0-9][1-9]|9[1-9][0-9]|0+|[1-9]\d{3,})\b",
}


def patterns():
    """the matches of each scanner"""
    with open(TMOUT_SH, encoding="utf-8") as file:
        text = file.read()
    for name, (pattern, largest) in VALUE_PATTERNS.items():
        found = re.findall(pattern, text, re.MULTILINE)
        tap.ok(found and all(value.isdigit() and 0 < int(value) <= largest for value in found),
               f"{name}: only literals up to {largest}", f"found {found}")
    for name, pattern in PRESENT.items():
        tap.matches(text, f"(?m){pattern}", f"{name}: present")
    for name, pattern in ABSENT.items():
        tap.equal(re.findall(pattern, text, re.MULTILINE), [], f"{name}: nothing above its bound")


tap.run(patterns)
