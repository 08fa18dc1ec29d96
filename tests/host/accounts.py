"""The host's users."""

import os
import pwd
import shutil

from host.client import KEY
from host.commands import must
from host.files import append, read, write


def _shell_path(shell):
    if shell == "ash":  # busybox runs the applet that it is called as
        path = "/usr/local/bin/ash"
        if not os.path.lexists(path):
            os.symlink(shutil.which("busybox"), path)
    else:
        path = shutil.which(shell)
    if path not in read("/etc/shells").split():
        append("/etc/shells", path + "\n")
    return path


def _next_id(path):
    ids = [int(line.split(":")[2]) for line in read(path).splitlines() if line.count(":") > 2]
    return max([5000] + [number for number in ids if number < 60000]) + 1


def _group(name, member):
    """Adds a member to a group, which is created if there is none."""
    lines = read("/etc/group").splitlines()
    for number, line in enumerate(lines):
        if line.split(":")[0] == name:
            lines[number] += member if line.endswith(":") else f",{member}"
            break
    else:
        lines.append(f"{name}:x:{_next_id('/etc/group')}:{member}")
    write("/etc/group", "\n".join(lines) + "\n")


def user(name, shell="bash", groups=()):
    """Creates a user who accepts this host's key. This edits the files itself:
    useradd is slow, and rejects names that NSS may return."""
    home = f"/home/{name}"
    number = max(_next_id("/etc/passwd"), _next_id("/etc/group"))
    append("/etc/passwd", f"{name}:x:{number}:{number}::{home}:{_shell_path(shell)}\n")
    append("/etc/group", f"{name}:x:{number}:\n")
    append("/etc/shadow", f"{name}:*:19000::::::\n")
    for group in groups:
        _group(group, name)
    shutil.copytree("/etc/skel", home)
    write(f"{home}/.ssh/authorized_keys", read(KEY + ".pub"), 0o600)
    write(f"{home}/.zshrc", "")  # without this file zsh starts a dialog
    own(name)


def passwords(people):
    """Sets passwords, given as {name: password}."""
    given = "".join(f"{name}:{text}\n" for name, text in people.items())
    # A hash that takes little time to create and to check.
    must("chpasswd", "--crypt-method=SHA256", "--sha-rounds=1000", input=given, stdin=None)


def uid(name):
    return pwd.getpwnam(name).pw_uid


def own(name):
    """Makes a user the owner of everything in the user's home."""
    must("chown", "-R", f"{name}:", f"/home/{name}")
