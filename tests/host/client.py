"""Logging in over ssh with the host's key."""

import re

from host.commands import run
from host.terminal import Terminal

KEY = "/root/throwaway_key"  # every user of a throw-away host accepts it

_identity = [KEY]


def use_key(path):
    """From now on, clients log in with this private key."""
    _identity[:] = [path]


def ssh_command(name, *arguments, program="ssh", options=()):
    """The command line of a client that logs in as `name`."""
    # ssh takes the first value of an option.
    settings = [*options, "BatchMode=yes", "StrictHostKeyChecking=no",
                "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", f"IdentityFile={_identity[0]}",
                "IdentitiesOnly=yes",
                "KexAlgorithms=curve25519-sha256"]  # makes a login a third faster
    flags = [part for setting in settings for part in ("-o", setting)]
    return [program, "-F", "none", *flags, f"{name}@127.0.0.1", *arguments]


def ssh(name, command, options=(), **more):
    """`ssh host COMMAND`: the result, with its output as text."""
    return run(*ssh_command(name, command, options=options), **more)


def pam_tmout(name, **more):
    """PAM_TMOUT in a session over ssh, None if it is not set. The user's shell
    runs `env`, whichever shell that is."""
    result = ssh(name, "env", **more)
    if result.returncode != 0:
        raise RuntimeError(f"{name} could not log in: {result.returncode} {result.stderr}")
    found = re.search(r"^PAM_TMOUT=(.*)$", result.stdout, re.MULTILINE)
    return found and found.group(1)


def terminal(name, *command, options=(), env=None):
    """A terminal with an ssh session on it: this command, or else a login shell."""
    return Terminal(ssh_command(name, *command, options=["RequestTTY=force", *options]), env)
