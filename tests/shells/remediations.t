#!/usr/bin/python3
"""
What hardening roles and scanners' remediations do to a script that names TMOUT: after
that, tmout.sh still gives each shell the policy's limit, and prints nothing.
"""

import re
import tempfile

from shells import (
    BASH, NOTHING, TMOUT_SH, WITH_TIMEOUT, WITHOUT_TIMEOUT, fallback, limit, only_installed,
    state, tap)

SSH = "192.0.2.1 50000 192.0.2.2 22"

with open(TMOUT_SH, encoding="utf-8") as packaged:
    TEXT = packaged.read()


def each_line(pattern, replacement):
    """As sed -E does it."""
    return re.sub(pattern, replacement, TEXT, flags=re.MULTILINE)


CHANGES = {
    # OpenSCAP's, for RHEL, and for Ubuntu
    "an assignment replaced": each_line(r"^(.*)TMOUT[^\S\n]*=[^\S\n]*([\w$])*(.*)$",
                                        r"declare -xr TMOUT=600\3"),
    "an assignment replaced, two lines appended":
        each_line(r"^(.*)TMOUT[^\S\n]*=[^\S\n]*([\w$])*(.*)$", r"TMOUT=600\3")
        + "readonly TMOUT\nexport TMOUT\n",
    "the lines replaced": each_line(r"^.*TMOUT.*$", "TMOUT=900"),
    "the lines made readonly": each_line(r"^.*TMOUT.*$", "readonly TMOUT=900; export TMOUT"),
    "the lines deleted": each_line(r"^.*TMOUT.*\n", ""),
    "the lines commented out": each_line(r"^.*TMOUT", r"#\g<0>"),
    "the name replaced": TEXT.replace("TMOUT", "tmout"),
    "every number replaced": TEXT.replace("TMOUT=600", "TMOUT=86400"),
    "an assignment appended": TEXT + "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n",
    "a block appended": TEXT + "# BEGIN ROLE\nreadonly TMOUT=900; export TMOUT\n# END ROLE\n",
    "a declaration appended": TEXT + "declare -xr TMOUT=900\n",
    "text with carriage returns appended": TEXT + "TMOUT=900\r\nreadonly TMOUT\r\nexport TMOUT\r\n",
    "no newline, and a line appended": TEXT.rstrip("\n") + "TMOUT=900; readonly TMOUT",
    "a line put first": "TMOUT=900\nexport TMOUT\n" + TEXT,
    "carriage returns": TEXT.replace("\n", "\r\n"),
}
EXPORTED = "a line put first"


def the_limit_holds():
    """each shell with a timeout has its limit; the others, and programs, have none"""
    for name, text in CHANGES.items():
        tap.ok(text != TEXT, f"{name}: the file is another")
        with tempfile.NamedTemporaryFile("w", suffix=".sh", newline="") as file:
            file.write(text)
            file.flush()
            for shell in only_installed(WITH_TIMEOUT):
                if shell in BASH[2:]:
                    continue  # as the first
                exported = name == EXPORTED
                tap.equal(state(shell, script=file.name, PAM_TMOUT="900 readonly"),
                          (limit(shell, 900), True, exported), f"{shell}: {name}")
                if not exported and shell in ("bash --norc", "zsh -f", "mksh", "ksh93"):
                    tap.equal(state(shell, script=file.name, SSH_CONNECTION=SSH), fallback(shell),
                              f"{shell}: {name}: without a decision")
            for shell in only_installed(WITHOUT_TIMEOUT) if name != EXPORTED else ():
                tap.equal(state(shell, script=file.name, PAM_TMOUT="900 readonly"), NOTHING,
                          f"{shell}: {name}")


def the_lines_that_they_look_for():
    """none names the variable before the last return"""
    code = TEXT[:TEXT.rindex("return 0")]
    tap.equal(re.findall(r".*TMOUT.*", code), [], "no line that is read")
    for line in code.splitlines():
        # The carriage return after these is no part of a command.
        if not line.endswith("#") and not line.lstrip().startswith("#") and " # " not in line:
            tap.equal(line, "tmout_limit=600", "a line without a comment at its end")


tap.run(the_limit_holds, the_lines_that_they_look_for)
