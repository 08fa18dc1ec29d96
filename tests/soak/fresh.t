#!/usr/bin/python3
"""`make check` on a fresh Debian, named as the argument: nothing but git and
make is installed there, and the tests start from a clone of this repository's
last commit. What it printed is kept in build/soak.
"""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.commands import must
from host.debian_root import make_root
from host.files import REPOSITORY, read
from host.isolation import Skip, isolate
from host.tap import tap

PACKAGES = ["git", "make", "ca-certificates"]
DIRECTORY = REPOSITORY + "/build/soak"
CLONE = "/root/pam_tmout"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
           "tty": (5, 0)}


def mount_devices(root):
    """A /dev with terminals of its own."""
    must("mount", "-t", "tmpfs", "-o", "mode=755", "dev", root + "/dev")
    for name, numbers in DEVICES.items():
        must("mknod", "-m", "666", f"{root}/dev/{name}", "c", *map(str, numbers))
    for directory in "pts", "shm":
        os.mkdir(f"{root}/dev/{directory}")
    os.chmod(root + "/dev/shm", 0o1777)
    must("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=666,mode=620,gid=5", "devpts",
         root + "/dev/pts")
    os.symlink("pts/ptmx", root + "/dev/ptmx")
    for link, path in ("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2"):
        os.symlink("/proc/self/fd" + path, f"{root}/dev/{link}")


def mount_file_systems(root):
    """What a booted system has mounted. The root has to be a mount itself."""
    must("mount", "--make-rprivate", "/")
    must("mount", "--bind", root, root)
    must("mount", "-t", "proc", "proc", root + "/proc")
    must("mount", "--rbind", "/sys", root + "/sys")
    mount_devices(root)
    must("mount", "-t", "tmpfs", "-o", "mode=755", "run", root + "/run")
    must("mount", "-t", "tmpfs", "-o", "mode=1777", "tmp", root + "/tmp")


def make_check(root, log):
    """Runs it, and returns its exit status. A chroot would not do: inside a
    container, the paths in /proc would begin with this root's."""
    enter = 'cd "$0" && pivot_root . mnt && umount --lazy /mnt && exec "$@"'
    with open(log, "wb") as output:
        return subprocess.run(["unshare", "--mount", "sh", "-c", enter, root,
                               "make", "-C", CLONE, "check"], env=ENVIRONMENT,
                              stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                              check=False).returncode


def report(suite, status, text):
    """Its failures are in the test runner's lines, each after a `>`; without
    any, its last lines tell more."""
    failures = re.findall(r"(?m)^\S.* FAILED$|^    > .*$", text) or text.splitlines()[-30:]
    tap.ok(status == 0, f"make check on a fresh {suite}", f"status {status}", *failures)
    total = re.search(r"(?m)^(\d+) passed, (\d+) failed$", text)
    tap.ok(total and int(total.group(1)) > 0 and total.group(2) == "0",
           f"its tests: {total.group(0) if total else 'no total'}")
    tap.note(*re.findall(r"(?ms)^Skipped:\n.*?\n\n", text))


def main():
    suite = sys.argv[1]
    root, log = f"{DIRECTORY}/{suite}", f"{DIRECTORY}/{suite}.log"
    try:
        isolate("mmdebstrap", "git", "pivot_root")
        shutil.rmtree(root, ignore_errors=True)
        make_root(suite, root, PACKAGES)
    except Skip as why:
        tap.skip(f"make check on a fresh {suite}", why)
        tap.end()
    try:
        must("git", "clone", "--quiet", "--no-hardlinks", REPOSITORY, root + CLONE)
        mount_file_systems(root)
        report(suite, make_check(root, log), read(log))
    finally:
        must("umount", "--recursive", "--lazy", root)
        shutil.rmtree(root, ignore_errors=True)
    tap.end()


if __name__ == "__main__":
    main()
