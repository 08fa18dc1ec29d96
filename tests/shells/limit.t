#!/usr/bin/python3
"""profile.d/tmout.sh sets the limit in PAM_TMOUT, as each shell needs it."""

import os
import re
import subprocess
import tempfile

from shells import (
    BASH, KSH93, MALFORMED, MKSH, NOTHING, TMOUT_SH, WITHOUT_TIMEOUT, WITH_TIMEOUT, ZSH,
    at_prompt, environment, fallback, limit, only_installed, state, tap)
from host.waiting import GUARD_SEC

SSH = "192.0.2.1 50000 192.0.2.2 22"


def quoted(text):
    """A word that no shell changes, not even zsh with its `=name`."""
    return "'" + text.replace("'", "'\\''") + "'"


def the_policy_decides():
    """the number becomes TMOUT, readonly or not, over SSH or not"""
    for shell in only_installed(WITH_TIMEOUT):
        for seconds in 1, 59, 60, 61, 900, 99999999:
            for connection in None, SSH:
                name = f"{shell}: {seconds} s{', over SSH' if connection else ''}"
                tap.equal(state(shell, PAM_TMOUT=f"{seconds} readonly", SSH_CONNECTION=connection),
                          (limit(shell, seconds), True, False), f"{name}, readonly")
                tap.equal(state(shell, PAM_TMOUT=f"{seconds} default", SSH_CONNECTION=connection),
                          (limit(shell, seconds), False, False), f"{name}, default")
        for connection in None, SSH:
            tap.equal(state(shell, PAM_TMOUT="none", SSH_CONNECTION=connection), NOTHING,
                      f"{shell}: none{', over SSH' if connection else ''}")
            tap.equal(state(shell, PAM_TMOUT="none", SSH_CONNECTION=connection, TMOUT="77"),
                      ("77", False, True),
                      f"{shell}: none leaves TMOUT alone{', over SSH' if connection else ''}")


def the_fallback():
    """a malformed PAM_TMOUT counts as missing: ten minutes over SSH, else no limit"""
    for shell in only_installed(WITH_TIMEOUT):
        # One that sets no limit can go on with the next value.
        values = "".join(f"PAM_TMOUT={quoted(value)}\n. {TMOUT_SH}\n"
                         "/usr/bin/printf '%s,' \"${TMOUT-}\"\n" for value in MALFORMED)
        out, err, _ = at_prompt(shell, values)
        got = dict(zip(MALFORMED, out.split(","), strict=False))
        tap.equal(({value: limit for value, limit in got.items() if limit not in ("", "0")},
                   len(got), err), ({}, len(MALFORMED), ""), shell)
        for value in [None, *MALFORMED[::9]]:
            tap.equal(state(shell, PAM_TMOUT=value, SSH_CONNECTION=SSH), fallback(shell),
                      f"{shell}, over SSH: {value!r}")
        tap.equal(state(shell, SSH_CONNECTION=""), NOTHING, f"{shell}: an empty SSH_CONNECTION")


def an_exported_limit():
    """an exported TMOUT stays exported, any other does not become exported"""
    for shell in only_installed(WITH_TIMEOUT):
        for mode in "readonly", "default":
            tap.equal(state(shell, PAM_TMOUT=f"300 {mode}", TMOUT="300"),
                      (limit(shell, 300), mode == "readonly", True),
                      f"{shell}: {mode}")


def shells_without_timeout():
    """a shell without a timeout gets no limit, and a later assignment does not end it"""
    for shell in only_installed(WITHOUT_TIMEOUT):
        for value in "900 readonly", "900 default", "none", None:
            for connection in None, SSH:
                given = {"PAM_TMOUT": value, "SSH_CONNECTION": connection}
                name = f"{shell}: {value}{', over SSH' if connection else ''}"
                tap.equal(state(shell, **given), NOTHING, name)
                tap.equal(state(shell, TMOUT="300", **given), ("300", False, True),
                          f"{name}: an exported TMOUT is left alone")
                tap.equal(state(shell, "set -eu", "TMOUT=5\nreadonly TMOUT", **given),
                          ("5", True, False), f"{name}: a later assignment")


def twice():
    """reading it a second time changes and prints nothing"""
    for shell in only_installed(WITH_TIMEOUT):
        for value in "900 readonly", "900 default", "none", None:
            given = {"PAM_TMOUT": value, "SSH_CONNECTION": SSH}
            tap.equal(state(shell, f". {TMOUT_SH}", **given), state(shell, **given),
                      f"{shell}: {value}")


def odd_states():
    """no option or variable of the shell breaks it"""
    states = {
        "errexit, nounset": "set -eu",
        "noglob, noclobber": "set -f -C",
        "allexport": "set -a",
        "IFS of digits": "IFS='0 9'",
        "no IFS": "unset IFS",
        "an empty IFS": "IFS=",
        "no PATH": "PATH=/nowhere",
        "names of its own": "tmout_limit=1 tmout_mode=x tmout_shell=y; export tmout_limit",
    }
    for shell in only_installed(WITH_TIMEOUT + WITHOUT_TIMEOUT):
        for name, before in states.items():
            exported = name == "allexport"
            expected = (limit(shell, 900), True, exported)
            tap.equal(state(shell, before, PAM_TMOUT="900 readonly"),
                      NOTHING if shell in WITHOUT_TIMEOUT else expected, f"{shell}: {name}")
            if not exported:
                tap.equal(state(shell, before, SSH_CONNECTION=SSH),
                          NOTHING if shell in WITHOUT_TIMEOUT else fallback(shell),
                          f"{shell}: {name}, fallback")


def readonly_before():
    """a value that is already readonly is kept, silently and without an error"""
    for shell in only_installed(WITH_TIMEOUT):
        for theirs in "60", "86400":
            for value in "900 readonly", "900 default", "none", None:
                got = state(shell, f"set -eu; TMOUT={theirs}; readonly TMOUT", f". {TMOUT_SH}",
                            PAM_TMOUT=value, SSH_CONNECTION=SSH)
                tap.equal(got, (theirs, True, False), f"{shell}: {theirs} before {value}")
        tap.equal(state(shell, "TMOUT=86400", PAM_TMOUT="900 readonly"),
                  (limit(shell, 900), True, False),
                  f"{shell}: what is not readonly is replaced")


def assigned_after():
    """a local script that assigns TMOUT later does not end the profile"""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        for name, text in {"site": "TMOUT=5\necho assigned\n",
                           "profile": f". {TMOUT_SH}\n. {directory}/site\necho went on\n"}.items():
            with open(f"{directory}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        for shell in only_installed(WITH_TIMEOUT + WITHOUT_TIMEOUT):
            for value in "900 readonly", "900 default", None:
                out, _, _ = at_prompt(shell, f". {directory}/profile", PAM_TMOUT=value,
                                SSH_CONNECTION=SSH)
                tap.matches(out, "went on", f"{shell}: {value}")


def nothing_left_behind():
    """variables, options, functions and traps are as without it"""
    def names(text):
        """Names without values, and without those that the shell itself changes."""
        return [line for line in (re.sub(r"=.*", "", line) for line in text.splitlines())
                if not re.match(r"_$|TMOUT$|FILE$|LINENO|.*RANDOM|.*SECONDS|EPOCH|BASH_|PIPE|pipe|"
                                r"[?]$|status$|TTYIDLE|KSH_MATCH|PPID|HISTCMD|HISTSIZE", line)]

    for shell in only_installed(WITH_TIMEOUT + WITHOUT_TIMEOUT):
        more = "; shopt; declare -F" if shell in BASH else ""
        for options in "", "set -eu", "set -fC", "trap 'echo bye' EXIT; trap : INT":
            script = f"{options}\n. $FILE\nset +o; trap; set{more}"
            for value in "900 readonly", None:
                given = {"PAM_TMOUT": value, "SSH_CONNECTION": SSH}
                without, _, _ = at_prompt(shell, script, FILE="/dev/null", **given)
                out, err, status = at_prompt(shell, script, FILE=TMOUT_SH, **given)
                tap.equal((set(names(out)) ^ set(names(without)), err, status), (set(), "", 0),
                          f"{shell}: {options}: {value}")


def the_status():
    """reading it succeeds"""
    for shell in only_installed(WITH_TIMEOUT + WITHOUT_TIMEOUT):
        for value in "900 readonly", "none", None:
            out, _, _ = at_prompt(shell, f"false; . {TMOUT_SH}; echo $?", PAM_TMOUT=value)
            tap.equal(out, "0\n", f"{shell}: {value}")


def as_sh():
    """bash as sh has its limit at a prompt, too"""
    for argv0 in "sh", "-sh", "/bin/sh":
        for value, expected in ("900 readonly", "900"), (None, "600"):
            tap.equal(state("bash --norc", argv0=argv0, PAM_TMOUT=value, SSH_CONNECTION=SSH),
                      (expected, True, False), f"{argv0} -i: {value}")


def without_a_prompt():
    """a shell that runs commands gets no limit, in whatever way it gets them"""
    script = f". {TMOUT_SH}; echo \"limit ${{TMOUT:-0}}\""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script + "\n")
        file.flush()
        for shell in only_installed(WITH_TIMEOUT + WITHOUT_TIMEOUT):
            ways = {"a command": (["-c", script], None), "a script": ([file.name], None),
                    "standard input": ([], script)}
            # What loses data there, must not have it either if it is called interactive.
            if shell in BASH + KSH93 + MKSH:
                ways["an interactive command"] = ["-i", "-c", script], None
                ways["an interactive script"] = ["-i", file.name], None
                ways["interactive, standard input"] = ["-i"], script
            for way, (arguments, text) in ways.items():
                for given in {"PAM_TMOUT": "900 readonly"}, {"SSH_CONNECTION": SSH}:
                    done = subprocess.run([*shell.split(), *arguments], text=True, check=False,
                                          env=environment(**given), capture_output=True,
                                          input=text or "", timeout=GUARD_SEC,
                                          start_new_session=True)
                    tap.equal((done.stdout, done.returncode), ("limit 0\n", 0),
                              f"{shell}: {way}, {next(iter(given))}")


def processes_of(shell, script, **variables):
    """How many processes an interactive shell starts that reads this."""
    with tempfile.TemporaryDirectory() as directory:
        at_prompt(f"strace -f -qq -e trace=process -o {directory}/trace {shell}", script, **variables)
        with open(f"{directory}/trace", encoding="utf-8") as file:
            return len(re.findall(r"\b(?:clone3?|v?fork)\(", file.read()))


def no_process():
    """reading it starts no process"""
    for shell in only_installed(WITH_TIMEOUT + WITHOUT_TIMEOUT):
        without = processes_of(shell, "")
        for before in "", "TMOUT=60; readonly TMOUT":
            tap.equal(processes_of(shell, f"{before}\n. {TMOUT_SH}\n", PAM_TMOUT="900 readonly"),
                      without, f"{shell}: {before}")
    tap.equal(processes_of("dash", "(:)") - processes_of("dash", ""), 1, "a subshell would show")


def in_a_function():
    """it may be read in a function, as RHEL's zsh does"""
    for shell in only_installed(WITH_TIMEOUT):
        read = f". {TMOUT_SH}"
        if shell in ZSH:
            read = f"emulate -L ksh; {read}"
        tap.equal(state(shell, f"readit() {{ {read}; }}\nreadit", PAM_TMOUT="900 readonly"),
                  (limit(shell, 900), True, False), shell)


tap.run(the_policy_decides, the_fallback, an_exported_limit, shells_without_timeout, twice,
        odd_states, readonly_before, assigned_after, nothing_left_behind, the_status, as_sh,
        without_a_prompt, no_process, in_a_function)
