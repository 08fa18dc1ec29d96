"""The files of a fresh Debian or Ubuntu, made by mmdebstrap."""

import os
import re

from host.commands import run
from host.files import read, write
from host.isolation import Skip
from host.waiting import BUILD_GUARD_SEC

SOURCES = "/etc/apt/sources.list.d/debian.sources"

UNSTABLE = "sid"  # has no updates and no security archive
UBUNTU = ("noble",)
# Debian 12 has no package with Ubuntu's keys. Nothing from there leaves the test host.
UBUNTU_SOURCES = """Types: deb
URIs: http://archive.ubuntu.com/ubuntu
Suites: {suite} {suite}-updates {suite}-security
Components: main universe
Trusted: yes
"""


def own_suite():
    """The code name of this machine's own release, "" if it has none."""
    found = re.search(r"(?m)^VERSION_CODENAME=(.*)$", read("/etc/os-release"))
    return found.group(1) if found else ""


def sources(suite):
    """This machine's package sources, for another suite. "" where they are not
    in the usual place: mmdebstrap has its own."""
    if suite in UBUNTU:
        return UBUNTU_SOURCES.format(suite=suite)
    if not os.path.exists(SOURCES):
        return ""
    text = read(SOURCES)
    if suite == UNSTABLE:
        text = re.sub(rf"\b{own_suite()}-(updates|backports)\b", "", text)
        parts = [part for part in text.split("\n\n") if "-security" not in part]
        text = "\n\n".join(parts)
    return re.sub(rf"\b{own_suite()}\b", suite, text)


def make_root(suite, root, packages):
    """Makes the directory `root` with the required packages of a suite and
    these. Raises Skip where the packages cannot be had."""
    os.makedirs(os.path.dirname(root), exist_ok=True)
    listed = []
    if sources(suite):
        listed = [f"{root}.sources"]
        write(listed[0], sources(suite))
    included = ",".join(["apt", *packages])  # which is not required in Ubuntu
    # A copy of the archive may lag behind by more than the days that its file is valid.
    lagging = ["--aptopt=Acquire::Check-Valid-Until \"false\""] if suite == UNSTABLE else []
    made = run("mmdebstrap", "--variant=minbase", f"--include={included}", *lagging, suite, root,
               *listed, timeout=BUILD_GUARD_SEC)
    if made.returncode != 0:
        errors = [line for line in made.stderr.splitlines() if line.startswith("E: ")]
        raise Skip(f"mmdebstrap cannot make {suite}: {' '.join(errors)}")
