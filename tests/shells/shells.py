"""The shells, and how to run a script in them."""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.tap import tap
from host.waiting import GUARD_SEC

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
TMOUT_SH = os.path.join(REPOSITORY, "profile.d/tmout.sh")
TMOUT_CSH = os.path.join(REPOSITORY, "profile.d/tmout.csh")

# The shells that honour TMOUT, in several modes, and those without a timeout.
BASH = ["bash --norc", "bash --norc --posix", "bash --norc -O expand_aliases +O sourcepath"]
ZSH = ["zsh -f", "zsh --emulate sh -f", "zsh --emulate ksh -f"]
MKSH = ["mksh", "lksh"]
KSH93 = ["ksh93"]
WITH_TIMEOUT = BASH + ZSH + MKSH + KSH93
WITHOUT_TIMEOUT = ["dash", "busybox ash", "posh", "yash"]

# What state() returns if a shell has no limit.
NOTHING = ("", False, False)

MALFORMED = [
    "", " ", "readonly", " readonly", "900", "900 ", "900readonly", "900  readonly",
    " 900 readonly", "900 readonly ", "900 readonly\n", "\n900 readonly", "9\n0 readonly",
    "900 Readonly", "900 readonly default", "900 none", "none readonly", "none ", "None",
    "0 readonly", "00 default", "0900 readonly", "-1 readonly", "+1 readonly", "0x10 readonly",
    "1e3 readonly", "9.5 readonly", "3abc readonly", "9x9 readonly", "999999999 readonly",
    "* readonly", "? default", "[1-9] readonly", "$(exit) readonly", "`exit` default",
    "900;exit readonly", "9) readonly", "( ", ") ", "'", "\"", "\\", "a[0] readonly",
    "TMOUT readonly", "!! readonly", "=none", "&& 1", "| readonly", "~ default",
    "\u0663 readonly", "\u00b2 readonly",
]

PROBE = """
/usr/bin/printf '%s|' "${TMOUT-}"
if (TMOUT=7) 2>/dev/null; then /usr/bin/printf 'no|'; else /usr/bin/printf 'readonly|'; fi
/usr/bin/printenv TMOUT || /usr/bin/printf 'no\\n'
"""


def installed(shell):
    return shutil.which(shell.split()[0]) is not None


def only_installed(shells):
    """The shells that are installed. Reports the others as skipped."""
    for shell in shells:
        if installed(shell):
            yield shell
        else:
            tap.skip(shell, "not installed")


def environment(**variables):
    """An environment of these variables only, without those that are None."""
    return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8",
            **{name: value for name, value in variables.items() if value is not None}}


def run(shell, script, argv0=None, stdin=subprocess.DEVNULL, **variables):
    """Runs a script in a shell. Returns its output, standard error and exit status."""
    argv = shell.split()
    program = shutil.which(argv[0])
    result = subprocess.run([argv0 or argv[0], *argv[1:], "-c", script], executable=program,
                            env=environment(**variables), capture_output=True, text=True,
                            stdin=stdin, check=False, timeout=GUARD_SEC)
    return result.stdout, result.stderr, result.returncode


@contextlib.contextmanager
def typed_ahead(text):
    """A terminal where this was typed, which ends the shell; nobody's controlling one."""
    master, slave = os.openpty()
    os.write(master, text.encode() + b'/usr/bin/kill -KILL "$$"\n')
    try:
        yield slave
    finally:
        os.close(slave)
        os.close(master)


def at_prompt(shell, script, argv0=None, **variables):
    """
    Has an interactive shell, where this is typed on a terminal, read a script from a file.
    Returns its output, standard error and exit status, -1 if the script did not come to
    its end.
    """
    with tempfile.TemporaryDirectory() as directory:
        place = shlex.quote(directory)
        with open(f"{directory}/script", "w", encoding="utf-8") as file:
            file.write(script)
        # Programs, since any builtin may be a function of that name here. The shell
        # itself prints its prompts, and what is typed.
        typed = (f". {place}/script >{place}/out 2>{place}/err\n"
                 f"/usr/bin/printf '%s' \"$?\" >{place}/status\n")
        argv = shell.split()
        with typed_ahead(typed) as terminal:
            subprocess.run([argv0 or argv[0], *argv[1:], "-i"], executable=shutil.which(argv[0]),
                           env=environment(**variables), stdin=terminal, capture_output=True,
                           text=True, check=False, timeout=GUARD_SEC, start_new_session=True)

        def content(name):
            try:
                with open(f"{directory}/{name}", encoding="utf-8") as file:
                    return file.read()
            except FileNotFoundError:
                return ""
        return content("out"), content("err"), int(content("status") or -1)


def state(shell, before="", after="", argv0=None, script=TMOUT_SH, **variables):
    """
    The limit at the prompt of a shell that has read tmout.sh: (TMOUT, readonly,
    exported), or what went wrong. In ksh93 and mksh, 0 is no limit.
    """
    out, err, status = at_prompt(shell, f"{before}\n. {script}\n{after}\n{PROBE}", argv0, **variables)
    parts = out.strip("\n").split("|")
    if err or status != 0 or len(parts) != 3:
        return f"status {status}, output {out!r}, error {err!r}"
    value, readonly, exported = parts
    return ("" if value == "0" else value, readonly == "readonly", exported != "no")


def limit(shell, seconds):
    """The value of TMOUT for a limit of this many seconds."""
    if shell in KSH93:  # it ends a minute after TMOUT
        return str(max(seconds - 60, 1))
    return str(seconds)


def fallback(shell):
    return (limit(shell, 600), True, False)
