"""The throw-away host that is measured on: its files, users and policies."""

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

TEN, ONE = "ten", "one"  # users, called by the number of their groups
USERS = {TEN: 10, ONE: 1}


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def prepare():
    write(SERVICES + "/other", "")  # libpam reads it at every pam_start
    for name in ("group", "nsswitch.conf"):
        shutil.copy(f"/etc/{name}", f"/etc/{name}.stock")
    with open("/etc/passwd", "a", encoding="utf-8") as file:
        for number, user in enumerate(USERS):
            file.write(f"{user}:x:{50000 + number}:50000::/:/bin/sh\n")


def add_groups(host_groups):
    """Users in the first groups of a host that has so many more. Theirs are
    spread over the file, since looking a group up reads it from the top."""
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
    """Who answers for groups: `files` alone is quickest, and everywhere."""
    with open("/etc/nsswitch.conf.stock", encoding="utf-8") as file:
        stock = file.read()
    write("/etc/nsswitch.conf", stock if groups is None else
          re.sub(r"(?m)^((passwd|group|initgroups):).*", rf"\1 {groups}", stock))


def as_file(name):
    """A name as PAM takes it for a file's."""
    return "".join(c if c.isalnum() else "-" for c in name)


def service(name, stack):
    """A PAM service with these lines; gives the name that PAM knows it by."""
    write(f"{SERVICES}/{as_file(name)}", stack)
    return as_file(name)


def policy(name, text):
    """Compiles a policy, and gives the arguments with which the module finds it."""
    path = policy_path(name)
    if not os.path.exists(path):
        write(path, text)
        subprocess.run([TMOUTCTL, "apply", "--quiet", "--config", path, "--state",
                        policy_state(name)], check=True)
    return f"config={path} state={policy_state(name)}"


def policy_path(name):
    return f"{HOME}/{as_file(name)}.conf"


def policy_state(name):
    """As deep as /var/lib/tmout: the module looks at each directory above."""
    return f"{HOME}/{as_file(name)}"


def nothing_module():
    """A module that does nothing: pam_permit as another file, so that the
    loader takes it for another module."""
    path = HOME + "/pam_nothing.so"
    places = ("/lib/*/security", "/lib64/security", "/lib/security", "/usr/lib*/security")
    permit = next(file for place in places for file in glob.glob(place + "/pam_permit.so"))
    shutil.copy(permit, path)
    return path
