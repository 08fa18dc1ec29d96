"""A test in namespaces of its own: when it ends, so do its mounts and processes."""

import os
import shutil
import sys

from host.commands import must, run


class Skip(Exception):
    """Why a test cannot run on this machine."""


def isolate(*programs):
    """Starts the running script again in its own mount and process namespaces,
    where /run is empty. Raises Skip if root or one of the programs is missing."""
    if os.environ.get("TMOUT_ISOLATED"):
        must("mount", "-t", "tmpfs", "-o", "mode=755", "isolated", "/run")
        return
    if os.geteuid() != 0:
        raise Skip("needs root")
    for program in "unshare", *programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")
    separate = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    failed = run(*separate, "true")
    if failed.returncode != 0:
        raise Skip(f"no namespaces: {failed.stderr.strip()}")
    os.execvpe("unshare", [*separate, *sys.argv], {**os.environ, "TMOUT_ISOLATED": "1"})
