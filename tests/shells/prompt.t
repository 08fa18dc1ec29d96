#!/usr/bin/python3
"""
The limit ends a shell at its prompt. In ksh93 and tcsh the shortest limit takes
a minute: they are tested if TMOUT_SOAK is set.
"""

import concurrent.futures
import os
import tempfile
import time

from shells import TMOUT_CSH, TMOUT_SH, environment, installed, tap
from host.terminal import Terminal

LIMIT_SEC = 1

# For each shell: its arguments, where {file} reads the script; the name of that
# file; variables; and the seconds after which it ends, at the earliest.
STARTS = {
    "bash": (["bash", "--rcfile", "{file}", "-i"], "rc", {}, LIMIT_SEC),
    "zsh": (["zsh", "-i"], ".zshrc", {"ZDOTDIR": "{directory}"}, LIMIT_SEC),
    "mksh": (["mksh", "-i"], "rc", {"ENV": "{file}"}, LIMIT_SEC),
    "lksh": (["lksh", "-i"], "rc", {"ENV": "{file}"}, LIMIT_SEC),
    "ksh93": (["ksh93", "-i"], "rc", {"ENV": "{file}"}, 60),
    "tcsh": (["tcsh"], ".tcshrc", {"HOME": "{directory}"}, 60),
}


def start(shell, directory, value):
    """Starts the shell on a terminal, with this value of PAM_TMOUT."""
    argv, name, variables, _ = STARTS[shell]
    places = {"directory": directory, "file": f"{directory}/{name}"}
    with open(places["file"], "w", encoding="ascii") as file:
        file.write(f"source {TMOUT_CSH}\n" if shell == "tcsh" else f". {TMOUT_SH}\n")
    given = {"PAM_TMOUT": value, "TERM": "dumb",
            **{key: text.format(**places) for key, text in variables.items()}}
    settings = [f"{key}={text}" for key, text in environment(**given).items()]
    return Terminal(["env", "-i", *settings, *(word.format(**places) for word in argv)])


def idle_for(shell, change):
    """How long the shell runs after `change` is typed, and nothing else."""
    with tempfile.TemporaryDirectory() as directory, \
            start(shell, directory, f"{LIMIT_SEC} readonly") as terminal:
        since = time.monotonic()
        terminal.type(change)
        terminal.wait_end()
        return time.monotonic() - since


def idle_shells_end():
    """an idle user is logged out at the limit, even after trying to change it"""
    tried = {}
    with concurrent.futures.ThreadPoolExecutor(99) as pool:
        for shell, (_, _, _, least_sec) in STARTS.items():
            if not installed(shell):
                tap.skip(shell, "not installed")
            elif least_sec > LIMIT_SEC and "TMOUT_SOAK" not in os.environ:
                tap.skip(shell, "takes a minute; set TMOUT_SOAK to test it")
            else:
                for change in "", "set autologout=0" if shell == "tcsh" else "TMOUT=0":
                    tried[shell, change] = pool.submit(idle_for, shell, change)
    for (shell, change), result in tried.items():
        least_sec = STARTS[shell][-1]
        name = f"{shell}: ended at its limit{' after ' + change if change else ''}"
        # Shells count whole seconds, so they may be early by less than one.
        tap.ok(not result.exception() and result.result() > least_sec - 1, name,
               result.exception() or f"after {result.result():.1f} s")


def without_a_limit():
    """without a limit, nobody is logged out"""
    for shell in STARTS:
        if not installed(shell):
            tap.skip(shell, "not installed")
            continue
        with tempfile.TemporaryDirectory() as directory, \
                start(shell, directory, "none") as terminal:
            tap.equal(terminal.limit(shell), None, f"{shell}: no limit")


tap.run(idle_shells_end, without_a_limit)
