#!/usr/bin/python3
"""What shells do with TMOUT: the facts in docs/FACTS.md that the scripts in
profile.d rest on. Needs no root. How long each shell waits is measured by
tests/e2e/idle.t, which file it reads by tests/e2e/limits.t."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../shells"))

from host.tap import tap
from shells import only_installed


def run(argv, script, **variables):
    """Runs a script, standard input empty; gives standard output and status."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables}
    done = subprocess.run([*argv, "-c", script], env=environment, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    return done.stdout, done.returncode


def sourced(argv, text):
    """What a shell does that reads the text from a file and then says so."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(text)
        file.flush()
        return run(argv, f". {file.name}; echo after the file")


SECOND_ASSIGNMENT = "TMOUT=900\nreadonly TMOUT\nTMOUT=600\necho rest of the file\n"


def assigning_a_readonly_tmout():
    """what a second assignment to a readonly TMOUT costs: nothing, the rest of the
    file, or the whole shell"""
    expected = {
        "bash": ("rest of the file\nafter the file\n", 0),
        "zsh": ("after the file\n", 0),
        "ksh93": ("after the file\n", 0),
        "mksh": ("after the file\n", 0),
        "dash": ("", 2),
        "busybox ash": ("", 2),
    }
    for shell in only_installed(list(expected)):
        out, status = sourced(shell.split(), SECOND_ASSIGNMENT)
        tap.equal((out, status), expected[shell], f"{shell}: output and status")
    out, _status = sourced(["bash"], "TMOUT=900\nreadonly TMOUT\nTMOUT=600; echo same line\n")
    tap.equal(out, "after the file\n", "bash: the rest of the same line is lost")


def undoing_readonly():
    """zsh alone gives a readonly variable back"""
    tries = {"bash": "unset TMOUT; declare +r TMOUT", "ksh93": "unset TMOUT; typeset +r TMOUT",
             "mksh": "unset TMOUT; typeset +r TMOUT", "zsh": "typeset +r TMOUT; unset TMOUT"}
    for shell in only_installed(list(tries)):
        script = f"TMOUT=900; readonly TMOUT; ({tries[shell]}; echo now=$TMOUT) 2>/dev/null"
        undone = run(shell.split(), script)[0] == "now=\n"
        tap.equal(undone, shell == "zsh", f"{shell}: readonly can be undone: {shell == 'zsh'}")


def a_malformed_tmout():
    """mksh does not start with a malformed TMOUT in its environment"""
    for shell in only_installed(["bash", "zsh", "ksh93", "mksh"]):
        out, status = run(shell.split(), "echo started", TMOUT="5x")
        tap.equal((out, status == 0), ("", False) if shell == "mksh" else ("started\n", True),
                  f"{shell} with TMOUT=5x")


def an_exported_tmout_loses_data():
    """with TMOUT in the environment, read gives up on a slow producer, and the
    pipeline ends with success"""
    # The producer writes when the reader has gone or the guard is over.
    script = "{ sleep 3; echo line; } | while read -r x; do echo got $x; done; echo status $?"
    lost = {"bash": True, "ksh93": True, "mksh": False, "zsh": False, "dash": False,
            "busybox ash": False}
    for shell in only_installed(list(lost)):
        out, _status = run(shell.split(), script, TMOUT="1")
        tap.equal(out, "status 0\n" if lost[shell] else "got line\nstatus 0\n",
                  f"{shell}: the line is {'lost' if lost[shell] else 'read'}, the status 0")


def surviving_a_readonly_tmout():
    """each shell has a way to try an assignment: silent, without a process, and what
    follows is read"""
    ways = {"bash": "command eval 'TMOUT=5'", "bash --posix": "command eval 'TMOUT=5'",
            "ksh93": "command eval 'TMOUT=5'", "zsh": "eval 'TMOUT=5'",
            "zsh --emulate sh": "command eval 'TMOUT=5'",
            "mksh": "read TMOUT </dev/null || [ $? = 1 ]"}
    for shell in only_installed(list(ways)):
        text = f"set -e\nif {ways[shell]}; then echo free; else echo readonly; fi 2>/dev/null\n"
        tap.equal(sourced(shell.split(), text), ("free\nafter the file\n", 0), f"{shell}: a free TMOUT")
        tap.equal(sourced(shell.split(), f"TMOUT=900\nreadonly TMOUT\n{text}"),
                  ("readonly\nafter the file\n", 0), f"{shell}: a readonly TMOUT")


def what_tells_a_prompt():
    """$- has a c with -c in bash, ksh93 and mksh, and a name only zsh accepts its option"""
    for shell in only_installed(["bash", "ksh93", "mksh", "zsh", "dash"]):
        has_c = shell in ("bash", "ksh93", "mksh")
        for more in [], ["-i"], ["-i", "-s"]:
            flags = run([shell, *more], "echo $-")[0]
            tap.equal("c" in flags, has_c, f"{shell} {' '.join(more)} -c: {flags.strip()}")
            tap.equal("i" in flags, "-i" in more, f"{shell} {' '.join(more)} -c: {flags.strip()}")
        if shell != "dash":
            tap.equal(run([shell], "[[ -o E_X_E_C ]] 2>/dev/null; echo $?")[0] == "0\n",
                      shell == "zsh", f"{shell}: -o E_X_E_C")


def bash_skips_the_profile():
    """variables that make a login bash skip /etc/profile, as a user may send them"""
    for name, value in ("POSIXLY_CORRECT", "1"), ("SHELLOPTS", "posix"):
        done = subprocess.run(["bash", "-lc", "shopt -qo posix && echo posix"], text=True,
                              env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", name: value},
                              stdin=subprocess.DEVNULL, capture_output=True)
        tap.equal(done.stdout, "posix\n", f"{name} puts bash into POSIX mode")


if __name__ == "__main__":
    tap.run(assigning_a_readonly_tmout, undoing_readonly, a_malformed_tmout,
            an_exported_tmout_loses_data, surviving_a_readonly_tmout, what_tells_a_prompt, bash_skips_the_profile)
