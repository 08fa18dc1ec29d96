#!/usr/bin/python3
"""Who gets which limit, in every shell, and who can change it there."""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import pam_tmout, ssh, ssh_command, terminal
from host.commands import must, run
from host.files import write
from host.pam_stacks import wire
from host.product import show
from host.setup import setup
from host.sshd import sshd
from host.tap import tap
from host.terminal import Terminal

POLICY = """
default {
    tmout = 15m
}
group "contractors" {
    tmout = 5m
    enforce = true
}
group "ops" {
    tmout = 30m
}
group "Ops" {
    tmout = 7m
}
group "night shift" {
    tmout = 20m
    enforce = true
}
group "Käse" {
    tmout = 4m
}
group "scripts" {
    export = true
}
group "console" {
    tmout = 10m
    sessions = all
}
group "free" {
    tmout = none
}
user "deploy" {
    tmout = none
}
user "guest" {
    tmout = 1h
}
"""

# How a user might try to get rid of a limit, in the syntax of each shell.
# (zsh accepts `typeset +r` from every user: such a session is left to tmoutd.)
ATTEMPTS = {
    "bash": ["TMOUT=0", "unset TMOUT", "unset -v TMOUT", "export -n TMOUT", "typeset +r TMOUT",
             "declare +r TMOUT", "declare -i TMOUT=0", "export TMOUT=0", "readonly TMOUT=0",
             "f() { local TMOUT=0; }; f", "read TMOUT <<< 0", "printf -v TMOUT 0",
             "((TMOUT=0))", "let TMOUT=0", "for TMOUT in 0; do :; done",
             "declare -n alias=TMOUT; alias=0", "mapfile TMOUT <<< 0", "TMOUT+=0",
             "TMOUT=0 eval :", "unset -n TMOUT", "set -o posix; TMOUT=0"],
    "zsh": ["TMOUT=0", "unset TMOUT", "export TMOUT=0", "((TMOUT=0))", "read TMOUT <<< 0"],
    "ksh93": ["TMOUT=0", "unset TMOUT", "typeset +r TMOUT", "export TMOUT=0", "((TMOUT=0))",
              "read TMOUT <<< 0", "typeset -i TMOUT=0"],
    "mksh": ["TMOUT=0", "unset TMOUT", "typeset +r TMOUT", "export TMOUT=0", "((TMOUT=0))",
             "read TMOUT <<< 0", "typeset -i TMOUT=0"],
    "tcsh": ["set autologout=0", "unset autologout", "set -r autologout=0", "@ autologout = 0",
             "unset auto*"],
}
WITHOUT_TIMEOUT = ["dash", "ash", "fish", "yash"]
COUNT_EXPORTED = {"tcsh": "`env | grep -c ^TMOUT=`"}
# No script of ours may keep a shell from reading what comes after it.
AFTER = "/etc/profile.d/zz-after.sh"


def every_shell_with_an_enforced_limit():
    """each shell gets its limit, shows it, and keeps it"""
    write(AFTER, "AFTER=read\n")
    for shell, attempts in ATTEMPTS.items():
        name = f"c{shell}"
        user(name, shell, ["contractors"])
        with terminal(name) as session:
            tap.equal(session.ask("$PAM_TMOUT"), "300 readonly", f"{shell}: PAM_TMOUT")
            tap.equal(session.limit(shell), 300, f"{shell}: the limit")
            exported = session.ask(COUNT_EXPORTED.get(shell, "$(env | grep -c ^TMOUT=)"))
            tap.equal(exported, "0", f"{shell}: TMOUT is not exported")
            for attempt in attempts:
                session.type(attempt)
                tap.equal(session.limit(shell), 300, f"{shell}: limit survives {attempt}")
            if shell in ("bash", "ksh93", "mksh"):
                tap.equal(session.ask("$AFTER"), "read", f"{shell}: reads the rest of profile.d")


def every_shell_without_a_timeout():
    """shells without a timeout work as before"""
    for shell in WITHOUT_TIMEOUT:
        if not shutil.which("busybox" if shell == "ash" else shell):
            tap.skip(shell, "not installed")
            continue
        name = f"c{shell}"
        user(name, shell, ["contractors"])
        with terminal(name) as session:
            tap.equal(session.ask("$PAM_TMOUT"), "300 readonly", f"{shell}: PAM_TMOUT")
            if shell in ("dash", "ash"):
                tap.equal(session.ask("$AFTER"), "read", f"{shell}: reads the rest of profile.d")
        result = ssh(name, "echo fine")
        tap.equal((result.returncode, result.stdout, result.stderr), (0, "fine\n", ""),
                  f"{shell}: a command runs and nothing else is printed")


def a_limit_that_is_not_enforced():
    """without enforce the limit is only the initial value"""
    for shell in ATTEMPTS:
        name = f"d{shell}"
        user(name, shell)
        with terminal(name) as session:
            tap.equal(session.ask("$PAM_TMOUT"), "900 default", f"{shell}: PAM_TMOUT")
            tap.equal(session.limit(shell), 900, f"{shell}: the limit")
            session.try_limit(shell, 1200)
            tap.equal(session.limit(shell), 1200, f"{shell}: can be changed")


def no_limit_at_all():
    """none means no limit in any shell, and no fallback"""
    for shell in ATTEMPTS:
        name = f"n{shell}"
        user(name, shell, ["free"])
        with terminal(name) as session:
            tap.equal(session.ask("$PAM_TMOUT"), "none", f"{shell}: PAM_TMOUT")
            tap.equal(session.limit(shell), None, f"{shell}: no limit")


def export():
    """TMOUT itself is exported only where the policy says so"""
    user("batch", "bash", ["scripts"])
    user("plain", "bash")
    tap.matches(ssh("batch", "env").stdout, r"(?m)^TMOUT=900$", "with export: TMOUT is there")
    tap.ok("\nTMOUT=" not in ssh("plain", "env").stdout, "without: it is not")
    user("zbatch", "zsh", ["scripts", "contractors"])
    with terminal("zbatch") as session:
        tap.equal(session.ask("$TMOUT $(env | grep ^TMOUT=)"), "300 TMOUT=300",
                  "with export and enforce: the shell has it and exports it")


def precedence():
    """user beats group beats default; of several groups the strictest"""
    people = {  # name: (groups, PAM_TMOUT, rule that gave the limit)
        "nobody1": ([], "900 default", "default"),
        "one": (["ops"], "1800 default", 'group "ops"'),
        "strict": (["ops", "night shift"], "1200 readonly", 'group "night shift"'),
        "stricter": (["night shift", "contractors", "ops"], "300 readonly", 'group "contractors"'),
        "limited": (["free", "ops"], "1800 default", 'group "ops"'),
        "cheese": (["ops", "Käse"], "240 default", 'group "Käse"'),
        "case": (["Ops"], "420 default", 'group "Ops"'),
        "unlike": (["oPS", "night"], "900 default", "default"),
        "deploy": (["contractors"], "none", 'user "deploy"'),
        "guest": (["night shift"], "3600 readonly", 'user "guest"'),
        "many": ([f"g{n}" for n in range(500)] + ["ops"], "1800 default", 'group "ops"'),
    }
    lines = POLICY.splitlines()
    for name, (groups, expected, rule) in people.items():
        user(name, "dash", groups)
        tap.equal(pam_tmout(name), expected, f"{name}: the session has {expected}")
        shown = show(name)
        limit = shown["settings"]["tmout"]
        tap.equal(shown["pam_tmout"], expected, f"{name}: tmoutctl show agrees")
        tap.equal(limit["rule"], rule, f"{name}: and names the rule")
        section = lines.index(rule + " {") + 1
        tap.ok(limit["file"] == "/etc/security/tmout.conf"
               and section <= limit["line"] <= section + 1, f"{name}: and its place", limit)


def local_logins():
    """a local login has a limit only with `sessions = all`"""
    wire("login")
    wire("su")
    user("here", "bash", ["contractors"])
    user("desk", "bash", ["console"])
    for command in ["login", "-f"], ["su", "-"]:
        for name, expected in ("here", None), ("desk", 600):
            with Terminal([*command, name]) as session:
                session.wait_prompt()
                tap.equal(session.limit("bash"), expected, f"{command[0]}: the limit of {name}")
                pam_value = session.ask("$PAM_TMOUT")
                tap.equal(pam_value, f"{expected} default" if expected else "",
                          f"{command[0]}: PAM_TMOUT of {name}")
                tap.equal(show(name, "--local")["pam_tmout"] or "", pam_value,
                          f"{command[0]}: tmoutctl show --local agrees for {name}")
    tap.equal(pam_tmout("desk"), "600 default", "sessions = all includes ssh")


def interactive_without_login():
    """a shell started by name reads no profile, but has the limit all the same"""
    user("named", "bash", ["contractors"])
    for shell in ATTEMPTS:
        with terminal("named", shell) as session:
            tap.equal(session.limit(shell), 300, f"ssh -t host {shell}: the limit")
            session.type(ATTEMPTS[shell][0])
            tap.equal(session.limit(shell), 300, f"ssh -t host {shell}: enforced")
        with terminal("named") as session:
            session.type(f"exec {shell}")
            tap.equal(session.limit(shell), 300, f"exec {shell} later: the limit")


def every_password_method():
    """logins with a password, by either method, get the same limit"""
    user("typist", "bash", ["contractors"])
    must("chpasswd", input="typist:let me in\n", stdin=None)
    write("/root/askpass", "#!/bin/sh\necho let me in\n", 0o755)
    asking = {**os.environ, "SSH_ASKPASS": "/root/askpass", "SSH_ASKPASS_REQUIRE": "force"}
    sshd.start("PasswordAuthentication yes\nKbdInteractiveAuthentication yes\n")
    for method in "password", "keyboard-interactive":
        options = ["BatchMode=no", f"PreferredAuthentications={method}", "PubkeyAuthentication=no"]
        # ssh takes the first value of an option, so these come before the usual ones.
        command = ["ssh", *[part for option in options for part in ("-o", option)],
                   *ssh_command("typist", "env")[1:]]
        tap.matches(run(*command, env=asking).stdout, "(?m)^PAM_TMOUT=300 readonly$", method)


def sessions_that_share_a_connection():
    """a second session over the same connection has the same limit"""
    user("sharer", "bash", ["contractors"])
    path = "ControlPath=/root/control"
    with terminal("sharer", options=["ControlMaster=yes", path]) as first:
        first.ask("$TMOUT")
        with terminal("sharer", options=["ControlMaster=no", path]) as second:
            tap.equal(second.ask("$TMOUT"), "300", "a shared connection: the limit")


def fallback_without_the_module():
    """without PAM, or without our line in it, the shell falls back to ten minutes"""
    user("lost", "bash")
    user("zlost", "zsh")
    sshd.start("UsePAM no\n")
    for name in "lost", "zlost":
        with terminal(name) as session:
            tap.equal(session.ask("$PAM_TMOUT"), "", f"{name}: no PAM_TMOUT without PAM")
            tap.equal(session.ask("$TMOUT"), "600", f"{name}: the fallback")
    sshd.start()


setup(POLICY)
tap.run(every_shell_with_an_enforced_limit, every_shell_without_a_timeout,
        a_limit_that_is_not_enforced, no_limit_at_all, export, precedence, local_logins,
        interactive_without_login, sessions_that_share_a_connection,
        every_password_method, fallback_without_the_module)
