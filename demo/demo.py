#!/usr/bin/python3
"""Shows in a throw-away host what one policy file does to real SSH sessions.

Run as root: `tests/host/throwaway demo/demo.py`. The exit status is not zero if
anything differs from the policy.
"""

import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../tests"))

import hangup
import lockout
from host.accounts import user
from host.client import terminal
from host.pam_stacks import wire
from host.product import show
from host.setup import setup
from host.terminal import Terminal
from stage import end, expect, paint, say, title

POLICY = """\
default {
    tmout = 15m
}
group "ops" {
    tmout = 30m
}
group "contractors" {
    tmout   = 5m
    enforce = true         # users cannot change it in the shell
}
group "console" {
    tmout    = 10m
    sessions = all         # console logins, too
}
user "deploy" {
    tmout = none
}
user "hasty" {
    tmout   = 5s
    enforce = true
}
""" + lockout.POLICY + hangup.POLICY

PEOPLE = [  # name, shell, groups
    ("ann", "bash", []),
    ("bob", "bash", ["ops"]),
    ("cleo", "zsh", ["contractors"]),
    ("dora", "ksh93", ["contractors", "ops"]),
    ("emil", "mksh", ["contractors"]),
    ("fay", "tcsh", ["contractors"]),
    ("gus", "bash", ["console"]),
    ("deploy", "bash", ["ops"]),
]

WISH_SEC = 99 * 60  # the limit that every user tries to set

COLUMNS = [  # heading, width
    ("user", 6), ("shell", 5), ("groups", 16), ("rule", 13), ("limit", 5), ("readonly", 8),
    ("try 99m", 7), ("local", 5)]

INSTALL = """\
To install it for real, on this machine or any other:

    make deb                                          build packages (`make rpm` for the others)
    sudo apt install ./build/libpam-tmout_*.deb ./build/tmoutd_*.deb
    sudoedit /etc/security/tmout.conf                 write the policy (see tmout.conf(5))
    sudo tmoutctl apply                               check and apply it
    sudo systemctl enable --now tmoutd                end idle sessions (disconnect, max_session)
    sudo tmoutctl audit                               what else this host needs

README.md explains each of them. Later edits need no command: they apply from the
next login on. If an edit is invalid, the error is logged and the previous policy
stays in force."""


def human(seconds):
    """A duration as it is written in a policy."""
    if seconds is None:
        return "none"
    if seconds % 60:
        return f"{seconds}s"
    return f"{seconds // 60}m"


# --- what a session sees -------------------------------------------------------

def seconds_of(pam_tmout):
    """The limit in a PAM_TMOUT such as "900 readonly", None if there is none."""
    word = (pam_tmout or "none").split()[0]
    return None if word == "none" else int(word)


def row(name, shell, groups):
    """Logs in over ssh and at the console, and returns the row of the table."""
    over_ssh, at_console = show(name), show(name, "--local")
    limit, enforced = over_ssh["settings"]["tmout"], over_ssh["settings"]["enforce"]
    with terminal(name) as session:
        pam_tmout = session.ask("$PAM_TMOUT")
        seen = session.limit(shell)
        session.try_limit(shell, WISH_SEC)
        after = session.limit(shell)
    with Terminal(["login", "-f", name]) as session:
        session.wait_prompt()
        seen_locally = session.limit(shell)

    expect(name, "PAM_TMOUT", pam_tmout, over_ssh["pam_tmout"])
    expect(name, "the shell's limit", seen, limit["seconds"])
    expect(name, "the limit of a local login", seen_locally, seconds_of(at_console["pam_tmout"]))
    allowed = limit["seconds"] if enforced["value"] == "true" else WISH_SEC
    expect(name, "the limit after trying to change it", after, allowed)

    place = f"{os.path.basename(limit['file'])}:{limit['line']}" if limit["file"] else "-"
    return [name, shell, ", ".join(groups) or "-", place, human(seen),
            "yes" if after == seen else "no", f"has {human(after)}", human(seen_locally)]


def print_row(cells):
    line = "  ".join(f"{cell:<{width}}" for cell, (_, width) in zip(cells, COLUMNS))
    say(line.rstrip())


# --- the parts about idle sessions ---------------------------------------------

def show_policy():
    title("The policy: /etc/security/tmout.conf")
    for number, line in enumerate(POLICY.splitlines(), 1):
        say(f"  {number:2}  {line}")


def show_people():
    title("Who gets what")
    say("  Each row is a real login through sshd, in which the user then tries to raise the")
    say("  limit to 99 minutes. `local` is the limit of a login at the console.")
    say()
    print_row([paint("4", f"{heading:<{width}}") for heading, width in COLUMNS])
    for name, shell, groups in PEOPLE:
        if shutil.which(shell):
            user(name, shell, groups)
            print_row(row(name, shell, groups))
        else:
            say(f"{name:<6}  {shell} is not installed: skipped")


def show_idle():
    user("hasty")
    limit = show("hasty")["settings"]["tmout"]["seconds"]
    title(f"An idle prompt: user hasty has tmout = {limit}s")
    with terminal("hasty") as session:
        session.ask("$HOME")
        say("  hasty has logged in and types nothing.")
        start = time.monotonic()
        idle_sec, ended = 0, False
        while not ended and idle_sec < 4 * limit:
            progress(idle_sec, limit)
            ended = session.ended_within(1)
            idle_sec = time.monotonic() - start
        end_progress()
    expect("hasty", "whether idling ended the session", ended and idle_sec > limit - 1, True)
    say(f"  The session {'ended' if ended else 'goes on'} after {idle_sec:.0f} s without input.")


def progress(idle_sec, limit):
    """A progress bar on a terminal, and a line a second elsewhere."""
    done = min(1, idle_sec / limit)
    bar = "#" * round(done * 30)
    text = f"  [{bar:<30}] idle {idle_sec:.0f} s, limit {limit} s"
    if sys.stdout.isatty():
        print("\r" + text, end="", flush=True)
    else:
        say(text)


def end_progress():
    if sys.stdout.isatty():
        print()


def main():
    say("One policy file sets how long an SSH session may be idle, whatever runs in it, and")
    say("how many wrong passwords a user may try. Everything below happens in a throw-away")
    say("host: nothing on this machine is changed.")
    setup(POLICY, lockout.SSHD, password_services=lockout.SERVICES)
    wire("login")
    show_policy()
    show_people()
    show_idle()
    lockout.show_lock()
    lockout.show_crowd()
    hangup.show_hangup()
    end("Everything above matches the policy.", "This differs from the policy:", INSTALL)


main()
