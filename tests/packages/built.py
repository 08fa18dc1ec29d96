"""The packages that the tests install, built from this tree into build/.

    packages()      the packages as they are
    previous()      an older version of them
    repacked()      a package with a maintainer script replaced
    lock(name)      for what two tests must not make at the same time
"""
import contextlib
import fcntl
import os
import re
import shutil

from host.commands import must
from host.files import REPOSITORY, append, read, write
from host.waiting import BUILD_GUARD_SEC

BUILD = REPOSITORY + "/build"


@contextlib.contextmanager
def lock(name):
    """Keeps out another test that would make the same at the same time."""
    os.makedirs(BUILD, exist_ok=True)
    with open(f"{BUILD}/{name}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build_environment():
    """Without the variables of a make that runs the tests, and without the
    package's own run of the unit tests."""
    inherited = {name: value for name, value in os.environ.items()
                 if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    return {**inherited, "DEB_BUILD_OPTIONS": "nocheck"}


def version():
    return re.search(r"(?m)^VERSION := (.*)$", read(REPOSITORY + "/Makefile")).group(1)


def debs(directory, number):
    """The paths of both packages of this version."""
    return [f"{directory}/{name}_{number}_{must('dpkg', '--print-architecture').strip()}.deb"
            for name in ("libpam-tmout", "tmoutd")]


def packages():
    """The paths of both packages of this tree, and their version."""
    with lock("deb"):
        must("make", "-s", "deb", cwd=REPOSITORY, env=build_environment(), timeout=BUILD_GUARD_SEC)
    return debs(BUILD, version()), version()


def previous():
    """An older version: the same tree, but other conffiles. Its paths."""
    directory, number = BUILD + "/deb-previous", "0.0.9"
    done = directory + "/done"
    with lock("deb-previous"):
        if os.path.exists(done) and os.path.getmtime(done) >= os.path.getmtime(BUILD + "/deb/built"):
            return debs(directory, number)
        tree = BUILD + "/tree-previous"
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(REPOSITORY, tree, ignore=shutil.ignore_patterns("build", ".git"))
        for changed in "conf/tmout.conf", "profile.d/tmout.sh":
            append(f"{tree}/{changed}", "\n# as it was in 0.0.9\n")
        must(tree + "/packaging/build-deb", number, directory, env=build_environment(),
             timeout=BUILD_GUARD_SEC)
        write(done, "")
    return debs(directory, number)


def repacked(deb, number, script, text):
    """A package with another version and another maintainer script."""
    directory = "/run/repacked"
    shutil.rmtree(directory, ignore_errors=True)
    must("dpkg-deb", "-R", deb, directory)
    control = f"{directory}/DEBIAN/control"
    write(control, re.sub(r"(?m)^Version: .*$", f"Version: {number}", read(control)))
    write(f"{directory}/DEBIAN/{script}", text, 0o755)
    return must("dpkg-deb", "-b", directory, "/run").split("'")[-2]
