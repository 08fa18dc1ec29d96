#!/usr/bin/python3
"""profile.d/tmout.csh: autologout in tcsh, and no effect in a csh without it."""

import os
import subprocess
import tempfile

from shells import MALFORMED, TMOUT_CSH, installed, run, tap

SSH = "192.0.2.1 50000 192.0.2.2 22"
PROBE = """
if (! $?autologout) set autologout = none
echo "value $autologout"
echo "readonly `set -r`"
echo "left `set | /bin/grep -c '^tmout_'`"
"""
NOTHING = ("none", False)
MASTER, TERMINAL = os.openpty()


def state(before="set prompt = x", after="", script=TMOUT_CSH, stdin=TERMINAL, **variables):
    """
    autologout in a tcsh that read the script: (minutes, readonly), or what
    went wrong in it.
    """
    out, err, _ = run("tcsh -f", f"{before}\nsource {script}\n{after}\n{PROBE}", stdin=stdin,
                      **variables)
    lines = out.splitlines()
    if err or len(lines) != 3 or lines[2] != "left 0":
        return f"output {out!r}, error {err!r}"
    return lines[0].removeprefix("value "), "autologout" in lines[1]


def the_policy_decides():
    """whole minutes, rounded down, at least one"""
    for seconds, minutes in (1, 1), (59, 1), (60, 1), (119, 1), (120, 2), (900, 15), \
            (99999999, 1666666):
        for connection in None, SSH:
            for mode in "readonly", "default":
                tap.equal(state(PAM_TMOUT=f"{seconds} {mode}", SSH_CONNECTION=connection),
                          (str(minutes), mode == "readonly"),
                          f"{seconds} s, {mode}{', over SSH' if connection else ''}")
    for connection in None, SSH:
        tap.equal(state(PAM_TMOUT="none", SSH_CONNECTION=connection), NOTHING,
                  f"none{', over SSH' if connection else ''}")
    tap.equal(state("set prompt = x autologout = 77", PAM_TMOUT="none"), ("77", False),
              "none leaves autologout alone")


def the_fallback():
    """a malformed PAM_TMOUT counts as missing: ten minutes over SSH, else no limit"""
    for connection, expected in (SSH, ("10", True)), (None, NOTHING), ("", NOTHING):
        got = {value: state(PAM_TMOUT=value, SSH_CONNECTION=connection)
               for value in [None, *MALFORMED]}
        tap.equal({value: result for value, result in got.items() if result != expected}, {},
                  f"with SSH_CONNECTION {connection!r}")


def other_settings():
    """a readonly value is kept, any other replaced; reading twice changes nothing"""
    for theirs in "5", "99":
        for value in "900 readonly", "900 default", None:
            tap.equal(state(f"set prompt = x; set -r autologout = {theirs}",
                            PAM_TMOUT=value, SSH_CONNECTION=SSH), (theirs, True),
                      f"readonly {theirs} before {value}")
    tap.equal(state("set prompt = x autologout = 99", PAM_TMOUT="900 readonly"), ("15", True),
              "99 before, not readonly")
    for value in "900 readonly", "900 default", None:
        tap.equal(state(after=f"source {TMOUT_CSH}", PAM_TMOUT=value, SSH_CONNECTION=SSH),
                  state(PAM_TMOUT=value, SSH_CONNECTION=SSH), f"twice: {value}")


def odd_states():
    """the shell's options and the user's variables do not matter"""
    for before in "set noglob", "set noclobber", "set nonomatch", "set tmout_mode = none":
        tap.equal(state(f"set prompt = x; {before}", PAM_TMOUT="900 readonly"), ("15", True),
                  before)
    tap.equal(state(PAM_TMOUT="900 readonly", tmout_mode="none", tmout_minutes="9"), ("15", True),
              "variables named like its own")


def without_a_prompt():
    """scripts are not affected"""
    tap.equal(state("unset prompt", PAM_TMOUT="900 readonly"), NOTHING, "a script")
    for value in "900 readonly", "900 default", None:
        tap.equal(state(stdin=subprocess.DEVNULL, PAM_TMOUT=value, SSH_CONNECTION=SSH), NOTHING,
                  f"without a terminal: {value}")


def changed_by_others():
    """what is done to a file's lines that name TMOUT, and to its end, has no effect"""
    with open(TMOUT_CSH, encoding="utf-8") as file:
        text = file.read()
    tap.ok("TMOUT" not in text, "no line of it names the variable")
    for name, changed in {"lines at the end": f"{text}set autologout = 99\nsetenv TMOUT 5\n",
                          "carriage returns": text.replace("\n", "\r\n")}.items():
        with tempfile.NamedTemporaryFile("w", suffix=".csh", newline="") as file:
            file.write(changed)
            file.flush()
            tap.equal(state(script=file.name, PAM_TMOUT="900 readonly"), ("15", True), name)
            tap.equal(state(script=file.name, SSH_CONNECTION=SSH), ("10", True),
                      f"{name}: without a decision")


def bsd_csh():
    """a csh without autologout reads it and continues"""
    if not installed("bsd-csh"):
        tap.skip("bsd-csh", "not installed")
        return
    for value in "900 readonly", "none", None:
        out, err, _ = run("bsd-csh -f", f"set prompt = x; source {TMOUT_CSH}; echo went on",
                          PAM_TMOUT=value, SSH_CONNECTION=SSH)
        tap.equal((out, err), ("went on\n", ""), f"bsd-csh: {value}")


if installed("tcsh"):
    tap.run(the_policy_decides, the_fallback, other_settings, odd_states, without_a_prompt,
            changed_by_others, bsd_csh)
else:
    tap.skip("tcsh", "not installed")
    tap.run(bsd_csh)
