"""Running commands on the host."""

import contextlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

from host.waiting import GUARD_SEC


def run(*argv, **options):
    """Runs a command, and returns its result with the output as text."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE, "text": True, "timeout": GUARD_SEC, **options}
    return subprocess.run(argv, check=False, **options)


def must(*argv, **options):
    """Runs a command that has to succeed, and returns its output."""
    result = run(*argv, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{argv} exited with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


@contextlib.contextmanager
def mounted(*options):
    """Mounts while the block runs. The arguments are those of mount(8), the last
    being the mount point."""
    must("mount", *options)
    try:
        yield
    finally:
        must("umount", options[-1])


def side_by_side(function, *arguments):
    """Like map(), with all calls at the same time, and with the exception in
    place of the result where a call raises one."""
    def attempt(*one):
        try:
            return function(*one)
        except Exception as error:  # the other calls go on
            return error

    with ThreadPoolExecutor(max(1, len(arguments[0]))) as pool:
        return list(pool.map(attempt, *arguments))
