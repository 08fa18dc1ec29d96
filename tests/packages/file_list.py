"""The files below a directory, and how two such lists differ."""

import contextlib
import hashlib
import os
import stat

from host.files import read_bytes


def _describe(path):
    """Everything about a file but its times."""
    status = os.lstat(path)
    content = ""
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(read_bytes(path)).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    return oct(status.st_mode), status.st_uid, status.st_gid, content


def files_below(root, directory):
    """Yields (path, description) for everything in a directory of a root."""
    for parent, folders, files in os.walk(root + directory):
        for name in folders + files:
            path = f"{parent}/{name}"
            with contextlib.suppress(FileNotFoundError):  # removed in the meantime
                yield path[len(root):], _describe(path)


def differences(before, after):
    """What was added (+), removed (-) and changed (!)."""
    return ([f"+ {path}" for path in sorted(after.keys() - before.keys())]
            + [f"- {path}" for path in sorted(before.keys() - after.keys())]
            + [f"! {path} {before[path]} {after[path]}"
               for path in sorted(before.keys() & after.keys()) if before[path] != after[path]])
