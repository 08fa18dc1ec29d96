#!/usr/bin/python3
"""profile.d/tmout.sh sets the limit in PAM_TMOUT, as each shell needs it."""

import os
import re
import tempfile

from shells import (
    BASH, MALFORMED, NOTHING, PROBE, TMOUT_SH, WITHOUT_TIMEOUT, WITH_TIMEOUT, ZSH, fallback,
    limit, only_installed, run, state, tap)

SSH = "192.0.2.1 50000 192.0.2.2 22"


def holds(shell):
    """Whether an enforced limit is readonly in this shell."""
    return shell != "bash --posix"  # an assignment would end a script there


def the_policy_decides():
    """the number becomes TMOUT, readonly or not, over SSH or not"""
    for shell in only_installed(WITH_TIMEOUT):
        for seconds in 1, 59, 60, 61, 900, 99999999:
            for connection in None, SSH:
                name = f"{shell}: {seconds} s{', over SSH' if connection else ''}"
                tap.equal(state(shell, PAM_TMOUT=f"{seconds} readonly", SSH_CONNECTION=connection),
                          (limit(shell, seconds), holds(shell), False), f"{name}, readonly")
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
        for connection, expected in (SSH, fallback(shell)), (None, NOTHING):
            got = {value: state(shell, PAM_TMOUT=value, SSH_CONNECTION=connection)
                   for value in [None, *MALFORMED]}
            wrong = {value: result for value, result in got.items() if result != expected}
            tap.equal(wrong, {}, f"{shell}{', over SSH' if connection else ''}")
        tap.equal(state(shell, SSH_CONNECTION=""), NOTHING, f"{shell}: an empty SSH_CONNECTION")


def an_exported_limit():
    """an exported TMOUT stays exported, any other does not become exported"""
    for shell in only_installed(WITH_TIMEOUT):
        for mode in "readonly", "default":
            tap.equal(state(shell, PAM_TMOUT=f"300 {mode}", TMOUT="300"),
                      (limit(shell, 300), mode == "readonly" and holds(shell), True),
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
            expected = (limit(shell, 900), holds(shell), exported)
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
                  (limit(shell, 900), holds(shell), False),
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
                out, _, _ = run(shell, f". {directory}/profile", PAM_TMOUT=value,
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
                without, _, _ = run(shell, script, FILE="/dev/null", **given)
                out, err, status = run(shell, script, FILE=TMOUT_SH, **given)
                tap.equal((set(names(out)) ^ set(names(without)), err, status), (set(), "", 0),
                          f"{shell}: {options}: {value}")


def the_status():
    """reading it succeeds"""
    for shell in only_installed(WITH_TIMEOUT + WITHOUT_TIMEOUT):
        for value in "900 readonly", "none", None:
            out, _, _ = run(shell, f"false; . {TMOUT_SH}; echo $?", PAM_TMOUT=value)
            tap.equal(out, "0\n", f"{shell}: {value}")


def as_sh():
    """in bash as sh, where an assignment would end a script, only a prompt gets readonly"""
    for argv0 in "sh", "-sh", "/bin/sh":
        for value, expected in ("900 readonly", "900"), (None, "600"):
            tap.equal(state("bash", argv0=argv0, PAM_TMOUT=value, SSH_CONNECTION=SSH),
                      (expected, False, False), f"{argv0} -c: {value}")
    out, _, _ = run("bash --norc -i", f". {TMOUT_SH}\n{PROBE}", "sh", PAM_TMOUT="900 readonly")
    tap.equal(out, "900|readonly|no\n", "sh -i")


def in_a_function():
    """it may be read in a function, as RHEL's zsh does"""
    for shell in only_installed(WITH_TIMEOUT):
        read = f". {TMOUT_SH}"
        if shell in ZSH:
            read = f"emulate -L ksh; {read}"
        tap.equal(state(shell, f"readit() {{ {read}; }}\nreadit", PAM_TMOUT="900 readonly"),
                  (limit(shell, 900), holds(shell), False), shell)


tap.run(the_policy_decides, the_fallback, an_exported_limit, shells_without_timeout, twice,
        odd_states, readonly_before, assigned_after, nothing_left_behind, the_status, as_sh,
        in_a_function)
