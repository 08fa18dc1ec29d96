"""logind's rows of tests/e2e/layers.json, on a booted host. sshd does not tell
logind which terminal a session has: logind takes it from utmp, and where there
is none, as on Debian 13, it never sees an SSH session as idle.

    for situation, expected, came in cells(must, command): ...

must(*argv) runs a program on that host as root and returns its output;
command(name, *arguments, options) is the command line of an ssh client that
connects to it, as ssh_command() of tests/host/client.py, with the key `key`.pub.
"""

import json
import tempfile

from host.client import KEY
from host.commands import side_by_side
from host.files import REPOSITORY, read
from host.situations import Situations, Table

# logind uses a terminal's time of last input, which the kernel updates every
# eight seconds.
LIMIT_SEC = 9
STAYS_SEC = 3 * LIMIT_SEC

# systemd refuses to start a unit too often, which is not what is tested.
RESTART = "systemctl reset-failed systemd-logind && systemctl restart systemd-logind"
SETTING = f"""
mkdir -p /etc/systemd/logind.conf.d
printf '[Login]\\nStopIdleSessionSec={LIMIT_SEC}s\\n' >/etc/systemd/logind.conf.d/idle.conf
{RESTART}
"""
UNSETTING = f"""
rm /etc/systemd/logind.conf.d/idle.conf
{RESTART}
"""


def restart(must):
    """Restarts logind, however often that was done before."""
    must("sh", "-c", RESTART)


def add_user(must, name, public_key):
    must("sh", "-ec", f"""
        useradd --create-home --shell /bin/bash {name}
        mkdir -m 700 /home/{name}/.ssh
        printf '%s\\n' '{public_key}' >/home/{name}/.ssh/authorized_keys
        chown -R {name}: /home/{name}/.ssh""")


def cells(must, command, key=KEY):
    """Yields (situation, expected result, actual result); a result is "ends", "stays"
    or "ends both"."""
    with open(REPOSITORY + "/tests/e2e/layers.json", encoding="utf-8") as file:
        table = json.load(file)
    public_key = read(f"{key}.pub").strip()

    def programs(name):
        return must("sh", "-c", f"ps -o comm= -u {name} || :").split()

    has_utmp = must("sh", "-c", "test ! -e /run/utmp || echo yes").strip()
    row = "logind" if has_utmp else "logind_without_utmp"
    names = [(situation, f"logind-{situation}") for situation in table["situations"]]
    for _, name in names:
        add_user(must, name, public_key)
    must("sh", "-ec", SETTING)
    try:
        with tempfile.TemporaryDirectory() as directory:
            tried = Table(table["layers"], Situations(command, programs, directory), STAYS_SEC)
            results = side_by_side(tried.cell, [row] * len(names), table["situations"],
                                   [()] * len(names), [name for _, name in names])
    finally:
        must("sh", "-ec", UNSETTING)
    for (situation, _), came in zip(names, results):
        yield situation, tried.expected(row, situation), came
