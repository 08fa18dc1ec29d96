#!/usr/bin/python3
"""A user who can set the environment in every way that sshd supports."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import own, user
from host.client import KEY, ssh, terminal
from host.files import read, remove, write
from host.product import SNAPSHOT, policy
from host.setup import setup
from host.sshd import sshd
from host.tap import tap

POLICY = """
default {
    tmout = 5m
    enforce = true
}
group "exporters" {
    export = true
}
"""

GENEROUS = "AcceptEnv *\nPermitUserEnvironment yes\n"
SHELLS = ["bash", "zsh", "ksh93", "mksh", "tcsh"]

# What an attacker sends. It must change neither PAM_TMOUT, as the session sees
# it, nor the limit in the shell.
LIES = {
    "another limit": {"PAM_TMOUT": "86400 default", "TMOUT": "86400"},
    "no limit": {"PAM_TMOUT": "none", "TMOUT": "0"},
    "nonsense": {"PAM_TMOUT": "$(kill $PPID) ;'\"", "TMOUT": "000"},
    "no connection": {"SSH_CONNECTION": "", "SSH_CLIENT": "", "SSH_TTY": ""},
    "start files": {"BASH_ENV": "/home/evil/rc", "ENV": "/home/evil/rc"},
    "an old variable": {"autologout": "0", "HOST": "x", "REMOTEHOST": ""},
}

# Functions that bash imports from the environment, named like commands that our
# scripts might call. They return true or false and do nothing else.
YES, NO = "() { ((1)); }", "() { ((0)); }"
BUILTINS = ["readonly", "declare", "typeset", "export", "unset", "builtin", "command", "eval",
            "test", "local", "set", "return", "printf", "echo", "read", "shopt", "true", ":",
            "exit", "exec", "source", "enable", "shift", "break"]

# With these bash skips /etc/profile, or /etc/profile skips our script, which
# cannot prevent it. The session's PAM_TMOUT is still the policy's, and tmoutd
# watches the terminal.
BEYOND_THE_SHELL = {
    "POSIXLY_CORRECT": "1",
    "SHELLOPTS": "posix:braceexpand",
    "BASH_FUNC_.%%": YES,
    "BASH_FUNC_[%%": NO,
}


# --- ways to set variables: each takes a user's name and the variables, and
# --- returns the options and the environment for the client

def by_accept_env(_name, variables):
    return {"options": [f"SendEnv={' '.join(variables)}"], "env": {**os.environ, **variables}}


def by_key_option(name, variables):
    """sshd accepts only plain names here, and \\" is the only escape."""
    quoted = [f'environment="{key}={value}"'.replace('\\', '\\\\')
              for key, value in variables.items()
              if key.replace("_", "").isalnum() and '"' not in value]
    write(f"/home/{name}/.ssh/authorized_keys", f"{','.join(quoted)} {read(KEY + '.pub')}", 0o600)
    return {}


def by_ssh_environment(name, variables):
    write(f"/home/{name}/.ssh/environment",
          "".join(f"{key}={value}\n" for key, value in variables.items()))
    return {}


def open_pam_environment():
    """Newer releases ship sshd's stack without this, but sites still have it."""
    path = "/etc/pam.d/sshd"
    if "user_readenv=1" not in read(path):
        write(path, re.sub(r"(?m)^(session\b.*pam_tmout\.so)",
                           r"session required pam_env.so user_readenv=1\n\1", read(path)))


def by_pam_environment(name, variables):
    write(f"/home/{name}/.pam_environment",
          "".join(f'{key} DEFAULT="{value}" OVERRIDE="{value}"\n'
                  for key, value in variables.items() if '"' not in value and "$" not in value))
    return {}


WAYS = [by_accept_env, by_key_option, by_ssh_environment, by_pam_environment]


def clean(name):
    for file in ".ssh/environment", ".pam_environment":
        remove(f"/home/{name}/{file}")
    write(f"/home/{name}/.ssh/authorized_keys", read(KEY + ".pub"), 0o600)


def prepared(way, name, variables):
    clean(name)
    result = way(name, variables)
    own(name)
    return result


def the_policy_reaches_the_session():
    """no way of setting variables changes the session's PAM_TMOUT"""
    user("liar", "dash")
    for way in WAYS:
        for lie, variables in {**LIES, "shell options": BEYOND_THE_SHELL}.items():
            client = prepared(way, "liar", {**variables, "WITNESS": "arrived"})
            seen = ssh("liar", "env", **client).stdout.splitlines()
            # WITNESS shows that variables can be set in this way at all.
            tap.ok("WITNESS=arrived" in seen and "PAM_TMOUT=300 readonly" in seen,
                   f"{way.__name__}: {lie}", *seen)


def the_shell_keeps_the_limit():
    """these variables do not change a limit that the shell can enforce"""
    for shell in SHELLS:
        name = f"liar{shell}"
        user(name, shell)
        for way in WAYS:
            variables = {key: value for lie in ("no limit", "no connection", "start files",
                                                "an old variable")
                         for key, value in LIES[lie].items()}
            client = prepared(way, name, variables)
            with terminal(name, **client) as session:
                tap.equal(session.limit(shell), 300, f"{shell}, {way.__name__}: the limit")
                session.try_limit(shell, 86400)
                tap.equal(session.limit(shell), 300, f"{shell}, {way.__name__}: enforced")


def functions_in_place_of_builtins():
    """functions named like builtins do not mislead our scripts"""
    user("actor", "bash")
    for answer in YES, NO:
        sets = [[name] for name in BUILTINS] + [BUILTINS]
        for names in sets if answer is YES else sets[-1:]:
            functions = {f"BASH_FUNC_{name}%%": answer for name in names}
            client = prepared(by_ssh_environment, "actor", functions)
            with terminal("actor", **client) as session:
                # The question must not rely on what is now a function.
                session.type("TMOUT=0")
                session.type("/usr/bin/printf 'limit''=%s\\n' \"$TMOUT\"")
                tap.equal(session.wait(r"limit=([^\r\n]*)").group(1), "300",
                          f"{' '.join(names)}: {answer}")


def beyond_the_shell():
    """what no script can prevent changes neither PAM_TMOUT nor sshd"""
    user("poser", "bash", ["exporters"])
    for way in WAYS:
        for name, value in BEYOND_THE_SHELL.items():
            client = prepared(way, "poser", {name: value})
            with terminal("poser", **client) as session:
                tap.equal(session.ask("$PAM_TMOUT"), "300 readonly",
                          f"{way.__name__}: {name} leaves PAM_TMOUT alone")
                tap.equal(session.ask("$TMOUT"), "300",
                          f"{way.__name__}: {name} leaves an exported TMOUT alone")
    tap.ok(sshd.alive(), "sshd is alive")


def no_policy_and_a_lie():
    """without a policy the user's own PAM_TMOUT is not taken for the module's"""
    user("orphan")
    remove(SNAPSHOT)
    policy("default { tmuot = 1m }\n")
    for way in WAYS:
        client = prepared(way, "orphan", LIES["no limit"])
        with terminal("orphan", **client) as session:
            tap.equal(session.limit("bash"), 600, f"{way.__name__}: the fallback")
    policy(POLICY)


setup(POLICY, GENEROUS)
open_pam_environment()
tap.run(the_policy_reaches_the_session, the_shell_keeps_the_limit, functions_in_place_of_builtins,
        beyond_the_shell, no_policy_and_a_lie)
