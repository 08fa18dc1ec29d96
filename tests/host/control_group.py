"""A control group of one's own. Containers that are started in the same one share all
groups below it, and remove each other's."""

import os
import re
import secrets

from host.files import read


def hierarchies():
    """Where systemd's hierarchies are mounted: one of version 2, or also its own of 1."""
    mounts = [line.split() for line in read("/proc/self/mounts").splitlines()]
    return [mount[1] for mount in mounts
            if mount[2] == "cgroup2" or
            (mount[2] == "cgroup" and re.search(r"(^|,)name=systemd(,|$)", mount[3]))]


class ControlGroup:
    """enter() is for preexec_fn: the process and its children are in the group then.
    remove() is for when they have ended."""

    def __init__(self):
        name = f"tmout-{secrets.token_hex(4)}"
        self.directories = [f"{mounted}/{name}" for mounted in hierarchies()]
        for directory in self.directories:
            os.mkdir(directory)

    def enter(self):
        for directory in self.directories:
            with open(f"{directory}/cgroup.procs", "w", encoding="ascii") as processes:
                processes.write("0")

    def _groups(self):
        """All groups in it, those below others first."""
        return [directory for top in self.directories
                for directory, _, _ in os.walk(top, topdown=False)]

    def is_empty(self):
        return not any(read(f"{group}/cgroup.procs") for group in self._groups())

    def remove(self):
        for group in self._groups():
            os.rmdir(group)
