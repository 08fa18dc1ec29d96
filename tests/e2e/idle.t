#!/usr/bin/python3
"""Idle sessions end at their limit, and nothing else does.

Two shells take minutes: ksh93 grants a minute after its limit, and tcsh counts
whole minutes. They are tested if TMOUT_SOAK is set in the environment.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import ssh_command, terminal
from host.setup import setup
from host.tap import tap
from host.waiting import GUARD_SEC

LIMIT_SEC = 2
LONG = "TMOUT_SOAK"

POLICY = f"""
default {{
    tmout = none
}}
group "hasty" {{
    tmout = {LIMIT_SEC}s
}}
group "forced" {{
    tmout = {LIMIT_SEC}s
    enforce = true
}}
group "minute" {{
    tmout = 1m
    enforce = true
}}
"""


def idle_sec(name):
    """Logs in, does nothing, and returns the time until the session has ended."""
    with terminal(name) as session:
        session.ask("$HOME")
        start = time.monotonic()
        session.wait_end(4 * GUARD_SEC)
        return time.monotonic() - start


def all_end(people, at_least_sec):
    """All of them log in and do nothing, in parallel."""
    with ThreadPoolExecutor(len(people)) as pool:
        for name, idle in zip(people, pool.map(idle_sec, people)):
            # The shell's clock counts whole seconds: it may be early by less than one.
            tap.ok(idle > at_least_sec - 1, f"{name}: the session ended at its limit",
                   f"after {idle:.1f} s, at least {at_least_sec} s expected")


def at_the_prompt():
    """a user who is idle at the prompt is logged out, and no other user is"""
    people = []
    for group in "hasty", "forced":
        for shell in "bash", "zsh", "mksh":
            people.append(group + shell)
            user(people[-1], shell, [group])
    user("patient", "bash")
    user("reader", "bash", ["forced"])
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE,
            "stderr": subprocess.DEVNULL, "text": True}
    command = "echo ready; while read -r line; do echo got $line; done"
    reader = subprocess.Popen(ssh_command("reader", command), **pipe)
    files = subprocess.Popen(ssh_command("reader", program="sftp", options=["BatchMode=no"]),
                             **pipe)
    with terminal("patient") as patient, terminal("reader") as busy:
        tap.equal(reader.stdout.readline(), "ready\n", "a command waits for input")
        patient.ask("$HOME")
        busy.type("echo cat beg''ins; cat; echo cat en''ded")
        busy.wait("cat begins")
        busy.type("one line")
        busy.wait("(?s)one line.*one line")

        all_end(people, LIMIT_SEC)

        tap.equal(patient.ask("$((6*7))"), "42", "a session without a limit goes on")
        busy.type("another")
        busy.wait("(?s)another.*another")
        tap.ok(True, "a program in the foreground is left alone")
        output, _ = reader.communicate("hello\n", GUARD_SEC)
        tap.equal((output, reader.returncode), ("got hello\n", 0),
                  "a command that waits for input gets it")
        output, _ = files.communicate("pwd\nquit\n", GUARD_SEC)
        tap.ok("/home/reader" in output and files.returncode == 0, "sftp is left alone", output)
        busy.type("\x04")
        busy.wait("cat ended")
        busy.wait_end()
        tap.ok(True, "and back at the prompt the limit applies again")


def commands_keep_a_session():
    """time spent in commands is not idle time, and each one restarts it"""
    user("lively", "bash", ["forced"])
    with terminal("lively") as session:
        for _ in range(2 * LIMIT_SEC):
            session.type("sleep 1")
            session.ask("$HOME")
        tap.ok(True, "a session in use outlives its limit")


def a_warning_in_ksh93():
    """ksh93 warns a minute before the end, which shows that its timeout is set"""
    user("warned", "ksh93", ["forced"])
    with terminal("warned") as session:
        session.ask("$HOME")
        session.wait("will timeout in 60 seconds")
        tap.ok(True, "warned: the warning came")


def slow_clocks():
    """ksh93 and tcsh, which take minutes"""
    if not os.environ.get(LONG):
        tap.skip("ksh93 and tcsh end at their limits", f"takes minutes; set {LONG}")
        return
    user("slowksh93", "ksh93", ["forced"])
    user("slowtcsh", "tcsh", ["minute"])
    all_end(["slowksh93", "slowtcsh"], 60)


setup(POLICY)
tap.run(at_the_prompt, commands_keep_a_session, a_warning_in_ksh93, slow_clocks)
