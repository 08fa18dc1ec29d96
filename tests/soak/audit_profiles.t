#!/usr/bin/python3
"""What sites, hardening roles and accidents do to shells' files: on each of the hosts of
audit_profiles.py, real logins over ssh with each shell say what limit there is, and
`tmoutctl audit` has to agree, name the line, and offer no patch that makes it worse.
ROUNDS=REGEX plays those whose names match."""

import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from host.files import REPOSITORY

if not os.path.exists("/run/throwaway"):
    os.execv(REPOSITORY + "/tests/host/throwaway",
             ["throwaway", sys.executable, os.path.realpath(__file__)])

from audit_profiles import FAULTS
from host.accounts import user
from host.client import ssh_command
from host.commands import must, run
from host.files import append, remove, write
from host.pam_stacks import SESSION_LINE
from host.setup import setup
from host.tap import tap
from host.terminal import Terminal
from host.waiting import Stuck, wait_until

POLICY = """default {
    tmout        = 15m
    disconnect   = 20m
    max_attempts = 5
}
group "contractors" {
    tmout   = 15m
    enforce = true
}
"""
LIMIT_SEC = 900
SHELLS = ("bash", "zsh", "ksh93", "mksh", "tcsh")
# A login takes less than a second; one that takes longer waits for something.
HANG_SEC = 12
KEPT = ("/etc/profile", "/etc/profile.d", "/etc/profile.local", "/etc/bash.bashrc",
        "/etc/bash.bashrc.d", "/etc/bash.bashrc.local", "/etc/zsh", "/etc/ksh.kshrc", "/etc/mkshrc",
        "/etc/csh.cshrc", "/etc/csh.login", "/etc/csh", "/etc/site", "/etc/default/site",
        "/usr/share/tmout/shells")
PATCH = "/run/audit.patch"

# --- logging in ---------------------------------------------------------------------

# The quotes keep the echo of what is typed from looking like an answer.
ASK = ("echo LIM''IT=${TMOUT-}:; (TMOUT=12345) 2>/dev/null && echo FR''EE; "
       "(unset TMOUT) 2>/dev/null && echo FR''EE; echo DO''NE")
ASK_CSH = ("if ($?autologout) echo LIM''IT=${autologout}:; if (! $?autologout) echo LIM''IT=:; "
           "( set autologout = 77 ) >& /dev/null && echo FR''EE; echo DO''NE")
COMPLAINT = r"(TMOUT|autologout).*read.?only|read.?only.*(TMOUT|autologout)"


def see(session, pattern, until):
    """Whether the screen shows this in time; None if the session ends before."""
    while not re.search(pattern, session.screen, re.MULTILINE):
        if time.monotonic() >= until or len(session.screen) > 100000:
            return False
        if session.screen.endswith("Press Enter: "):
            session.press("\r")
        if session.ended_within(0.3):
            return None
    return True


def login(name, shell, start):
    """The limit in seconds, 0 for none; whether its user may change it; and whether there is
    an error about it. Or what else comes of the login."""
    command = [shell, "-i"] if start == "interactive" else []
    options = ["RequestTTY=force", f"ControlPath=/run/control.{name}"]
    with Terminal(ssh_command(name, *command, options=options)) as session:
        until = time.monotonic() + HANG_SEC
        # Where the prompt looks like none, it is typed to all the same.
        prompt = see(session, r"[$%>#] ?[\s\b]*\Z", time.monotonic() + 1)
        before = session.screen
        if prompt is not None:
            session.type(ASK_CSH if shell == "tcsh" else ASK)
        answered = see(session, "^DONE", until) if prompt is not None else None
        if not answered:
            return "hangs" if answered is False else "ends"
        found = re.search(r"^LIMIT=([^:\r\n]*):", session.screen, re.MULTILINE)
        # bash takes the digits that a value begins with (atoi(3)).
        value = re.match(r"\s*(\d+)" + ("" if shell == "bash" else r"(?:\s|$)"),
                         found.group(1) if found else "")
        seconds = int(value.group(1)) if value else 0
        if seconds and shell == "ksh93":
            seconds += 60
        return (seconds * 60 if shell == "tcsh" else seconds,
                bool(re.search("^FREE", session.screen, re.MULTILINE)),
                bool(re.search(COMPLAINT, before)))


# From the best to the worst.
ORDER = ("right", "strict", "complains", "loose", "hangs")


def judge(answer, enforced):
    if isinstance(answer, str):
        return "hangs"
    seconds, free, complains = answer
    if seconds == 0 or seconds > LIMIT_SEC or (enforced and free):
        return "loose"
    if enforced and complains:
        return "complains"
    return "right" if seconds == LIMIT_SEC else "strict"


# (mksh's rc file is the user's own.)
LOGINS = [(shell, kind, start) for shell in SHELLS for kind in "dc"
          for start in ("login", "interactive") if (shell, start) != ("mksh", "interactive")]


def one_login(which):
    shell, kind, start = which
    answer = login(kind + shell, shell, start)
    if judge(answer, kind == "c") in ("loose", "hangs"):  # not by chance
        answer = login(kind + shell, shell, start)
    return answer


def verdicts():
    """What each login is, and what it says."""
    with ThreadPoolExecutor(9) as pool:
        answers = dict(zip(LOGINS, pool.map(one_login, LOGINS)))
    return {which: judge(answer, which[1] == "c") for which, answer in answers.items()}, answers


# --- the audit ------------------------------------------------------------------------

def key(finding):
    return finding["id"], finding["status"], finding["file"], finding["line"]


def audit():
    """What is found about shells, and the patch, as bytes."""
    document = json.loads(run("tmoutctl", "audit", "--json").stdout)
    patch = document["patch"]
    # JSON cannot have the bytes of each file.
    patch = (patch.encode() if patch is not None else
             subprocess.run(["tmoutctl", "audit", "--patch"], check=False, capture_output=True).stdout)
    return [f for f in document["findings"]
            if f["id"].startswith("shells-") and f["status"] != "PASS"], patch


def bytes_of_files():
    """Every byte, mode, owner and link of the shells' files."""
    return must("sh", "-c", "ls -dl --time-style=+ $0; find $0 ! -type d -printf '%p %m %u %y %l\\n' |"
                " LC_ALL=C sort; find $0 -type f -print0 | LC_ALL=C sort -z | xargs -0 cksum"
                .replace("$0", " ".join(path for path in KEPT if os.path.lexists(path))))


@contextlib.contextmanager
def saved():
    for path in KEPT:
        if os.path.lexists(path):
            os.makedirs(os.path.dirname("/run/kept" + path), exist_ok=True)
            must("cp", "-a", path, "/run/kept" + path)
    try:
        yield
    finally:
        for path in KEPT:
            remove(path)
            if os.path.lexists("/run/kept" + path):
                must("cp", "-a", "/run/kept" + path, path)
        remove("/run/kept")


def disagreements(said, found, place):
    """Where the findings do not fit what the logins said."""
    serious = [f for f in found if f["status"] in ("FAIL", "WARN")]
    kinds = set(said.values())
    # Our own scripts and lines have to be as packaged, even if that makes no difference.
    others = [f for f in serious if f["id"] not in ("shells-scripts", "shells-hooks")]
    if kinds & {"loose", "hangs"}:
        if not serious:
            yield "a false pass"
        elif place and place not in {(f["file"], f["line"]) for f in serious}:
            yield f"the line at fault is not named: {place}"
    elif "complains" in kinds and not found:
        yield "a false pass: there is an error at each login"
    elif others and ("complains" not in kinds or "strict" in kinds):
        yield "a false failure"


def patched(said, found, patch):
    """What is wrong with the patch."""
    before = bytes_of_files()
    with open(PATCH, "wb") as file:
        file.write(patch)
    must("patch", "--batch", "-s", "-p1", "-d", "/", "-i", PATCH)
    again, second = audit()
    now, answers = verdicts()
    for which, verdict in now.items():
        if ORDER.index(verdict) > max(ORDER.index(said[which]), 1):
            yield f"the patch makes it worse: {which} {answers[which]}"
    if second:
        yield f"a second patch: {second}"
    if {key(f) for f in again if f["status"] == "FAIL"} - {key(f) for f in found} - CLEAN:
        yield f"new failures: {again}"
    must("patch", "--batch", "-R", "-s", "-p1", "-d", "/", "-i", PATCH)
    if bytes_of_files() != before:
        yield "patch -R leaves something"


def play(name, make, place):
    """One host."""
    with saved():
        make()
        found, patch = audit()
        found = [f for f in found if key(f) not in CLEAN]
        said, answers = verdicts()
        problems = list(disagreements(said, found, place))
        if patch:
            problems += patched(said, found, patch)
        tap.ok(not problems, name, *problems,
               *[f"{which}: {answers[which]}" for which, verdict in said.items() if verdict != "right"],
               *[f"{f['status']} {f['id']} {f['file']}:{f['line']} {f['message']}" for f in found])


CLEAN = set()


def start():
    # Whatever these hosts' files start, it stays theirs. Root is not limited.
    resource.setrlimit(resource.RLIMIT_NPROC, (200, 200))
    setup(POLICY, sshd_config="MaxSessions 10000\n")
    for shell in SHELLS:
        for kind in "dc":
            name = kind + shell
            user(name, shell, ["contractors"] if kind == "c" else [])
            options = ["ControlMaster=yes", f"ControlPath=/run/control.{name}"]
            subprocess.Popen(ssh_command(name, "-N", options=options), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for shell in SHELLS:
        wait_until(lambda s=shell: all(os.path.exists(f"/run/control.{k}{s}") for k in "dc"))
    for service in "login", "su", "sudo":
        append(f"/etc/pam.d/{service}", SESSION_LINE + "\n")
    write(PATCH, run("tmoutctl", "audit", "--patch").stdout)
    must("patch", "--batch", "-s", "-p1", "-d", "/", "-i", PATCH)


def a_host_without_faults():
    """the logins and the audit before"""
    found, patch = audit()
    said, answers = verdicts()
    tap.equal((set(said.values()), [f for f in found if f["status"] != "NOTE"], patch),
              ({"right"}, [], b""), "nothing is wrong")
    tap.note(answers)
    CLEAN.update(key(f) for f in found)


def hosts_with_faults():
    """the audit and the logins agree, and the patch is harmless"""
    for name, make, place in FAULTS:
        if re.search(os.environ.get("ROUNDS", ""), name):
            try:
                play(name, make, place)
            except (OSError, RuntimeError, Stuck) as error:  # the others are played all the same
                tap.ok(False, f"{name} is played", error)


start()
tap.run(a_host_without_faults, hosts_with_faults)
