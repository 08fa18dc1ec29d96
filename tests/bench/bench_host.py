"""The throw-away host of the benchmarks: its files, users and policies."""

import glob
import os
import re
import shutil
import subprocess

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
PROGRAMS = REPOSITORY + "/build/bench"
TMOUTCTL = REPOSITORY + "/build/tmoutctl"
MODULE = REPOSITORY + "/build/pam_tmout.so"

HOME = "/run/bench"
SERVICES = HOME + "/pam.d"

TEN, ONE = "ten", "one"  # users, named after their number of groups
USERS = {TEN: 10, ONE: 1}


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def prepare():
    write(SERVICES + "/other", "")  # libpam reads it at every pam_start
    for name in ("group", "nsswitch.conf"):
        shutil.copy(f"/etc/{name}", f"/etc/{name}.stock")
    with open("/etc/passwd", "a", encoding="utf-8") as file:
        for number, user in enumerate(USERS):
            file.write(f"{user}:x:{50000 + number}:50000::/:/bin/sh\n")


def add_groups(host_groups):
    """Adds the users' groups, and others up to this number. The users' groups are
    spread over the file, which is read from the top for each lookup."""
    with open("/etc/group.stock", encoding="utf-8") as file:
        lines = file.read().splitlines()
    theirs = max(USERS.values())
    gaps = max(host_groups - theirs, 0) // theirs
    for number in range(theirs):
        members = ",".join(user for user, count in USERS.items() if number < count)
        lines += [f"unused{number}x{i}:x:{60000 + number * gaps + i}:" for i in range(gaps)]
        lines.append(f"g{number}:x:{50000 + number}:{members}")
    write("/etc/group", "\n".join(lines) + "\n")


def use_name_services(groups):
    """Sets the name services for groups, None for the machine's own. `files` is the
    fastest, and available everywhere."""
    with open("/etc/nsswitch.conf.stock", encoding="utf-8") as file:
        stock = file.read()
    write("/etc/nsswitch.conf", stock if groups is None else
          re.sub(r"(?m)^((passwd|group|initgroups):).*", rf"\1 {groups}", stock))


def as_file(name):
    """A name that is valid as a file's name."""
    return "".join(c if c.isalnum() else "-" for c in name)


def service(name, stack):
    """Writes a PAM service of these lines, and returns its name."""
    write(f"{SERVICES}/{as_file(name)}", stack)
    return as_file(name)


def policy(name, text):
    """Applies a policy, and returns the module's arguments for it."""
    path = policy_path(name)
    if not os.path.exists(path):
        write(path, text)
        subprocess.run([TMOUTCTL, "apply", "--quiet", "--config", path, "--state",
                        policy_state(name)], check=True)
    return f"config={path} state={policy_state(name)}"


def policy_path(name):
    return f"{HOME}/{as_file(name)}.conf"


def policy_state(name):
    """As deep as /var/lib/tmout, since the module checks each parent directory."""
    return f"{HOME}/{as_file(name)}"


def nothing_module():
    """A module that does nothing: a copy of pam_permit, so that the loader treats
    it as another module."""
    path = HOME + "/pam_nothing.so"
    places = ("/lib/*/security", "/lib64/security", "/lib/security", "/usr/lib*/security")
    permit = next(file for place in places for file in glob.glob(place + "/pam_permit.so"))
    shutil.copy(permit, path)
    return path
