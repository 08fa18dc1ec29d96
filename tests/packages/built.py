"""The packages that the tests install, built from this tree into build/.

    packages()      the packages as they are; fleet_package() that of tmout-fleetd
    previous()      an older version of them
    broken()        a package with another maintainer script
    documents()     the documents that they contain
    lock(name)      for what two tests must not build at the same time
"""
import contextlib
import fcntl
import os
import re
import tempfile

from host.commands import must
from host.files import REPOSITORY, append, read, write
from host.waiting import BUILD_GUARD_SEC

BUILD = REPOSITORY + "/build"
PREVIOUS = "0.0.9"


@contextlib.contextmanager
def lock(name):
    """Keeps another test from building the same at the same time."""
    os.makedirs(BUILD, exist_ok=True)
    with open(f"{BUILD}/{name}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build_environment():
    """Without the variables of a make that runs the tests. The packages' own run
    of the unit tests is left to soak tests: make check runs them already."""
    inherited = {name: value for name, value in os.environ.items()
                 if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    if "TMOUT_SOAK" in os.environ:
        return inherited
    return {**inherited, "DEB_BUILD_OPTIONS": "nocheck", "NOCHECK": "1"}


def documents():
    """What the packages have in their directory below /usr/share/doc."""
    return ["README.md", "NEWS.md", "SECURITY.md",
            *sorted(f"docs/{name}" for name in os.listdir(REPOSITORY + "/docs"))]


def version():
    return re.search(r"(?m)^VERSION := (.*)$", read(REPOSITORY + "/Makefile")).group(1)


def debs(directory, number, names=("libpam-tmout", "tmoutd")):
    """The paths of packages of this version."""
    return [f"{directory}/{name}_{number}_{must('dpkg', '--print-architecture').strip()}.deb"
            for name in names]


def fleet_package():
    """The path of tmout-fleetd's package, once packages() has built it."""
    return debs(BUILD, version(), ["tmout-fleetd"])[0]


def packages():
    """The paths of the packages that each host has, of this tree, and their version."""
    with lock("deb"):
        must("make", "-s", "deb", cwd=REPOSITORY, env=build_environment(), timeout=BUILD_GUARD_SEC)
    return debs(BUILD, version()), version()


def repacked(deb, number, change):
    """Repacks a package with another version, after change(directory) has edited
    its files. Returns the path, in /run."""
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        must("dpkg-deb", "-R", deb, directory)
        control = f"{directory}/DEBIAN/control"
        text = re.sub(r"(?m)^Version: .*$", f"Version: {number}", read(control))
        write(control, text.replace(f"(= {version()})", f"(= {number})"))
        change(directory)
        must("dpkg-deb", "-b", directory, "/run")
    return f"/run/{os.path.basename(deb).replace(version(), number)}"


def previous(paths):
    """Makes an older version of these packages, with other conffiles."""
    def change_conffiles(directory):
        for path in "/etc/security/tmout.conf", "/etc/profile.d/tmout.sh":
            if os.path.exists(directory + path):
                append(directory + path, f"\n# as it was in {PREVIOUS}\n")

    return [repacked(path, PREVIOUS, change_conffiles) for path in paths]


def broken(deb, number, script, text):
    """Makes a package with this maintainer script."""
    return repacked(deb, number, lambda directory: write(f"{directory}/DEBIAN/{script}", text, 0o755))
