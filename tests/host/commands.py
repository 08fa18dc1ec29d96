"""Running commands on the host."""

import contextlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

from host.waiting import GUARD_SEC


def run(*argv, **options):
    """A command's result, with its output as text."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE, "text": True, "timeout": GUARD_SEC, **options}
    return subprocess.run(argv, check=False, **options)


def must(*argv, **options):
    """A command's output; it has to succeed."""
    result = run(*argv, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{argv} gave {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


@contextlib.contextmanager
def mounted(*options):
    """What mount(8) is told, of which the last word is the place."""
    must("mount", *options)
    try:
        yield
    finally:
        must("umount", options[-1])


def side_by_side(function, *arguments):
    """function(*one) for all of the arguments at the same time, as map() would,
    but for an exception, which is given in place of the result."""
    def attempt(*one):
        try:
            return function(*one)
        except Exception as error:  # the others go on
            return error

    with ThreadPoolExecutor(max(1, len(arguments[0]))) as pool:
        return list(pool.map(attempt, *arguments))
