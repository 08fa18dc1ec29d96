"""pam_tmout on the host: its installation, its policy, and what tmoutctl prints."""

import json
import os

from host.commands import must
from host.files import REPOSITORY, remove, write
from host.syslog import syslog
from host.waiting import BUILD_GUARD_SEC

POLICY = "/etc/security/tmout.conf"
DROP_INS = "/etc/security/tmout.conf.d"
STATE = "/var/lib/tmout"
SNAPSHOT = STATE + "/policy.v1"
LEDGERS = STATE + "/attempts"


def install_files(root="", target="install"):
    """`make install`, below a root directory, or install-fleet. The variables of a make that
    runs the tests must not reach this one."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR")}
    must("make", "-s", target, f"DESTDIR={root}", cwd=REPOSITORY, env=environment,
         timeout=BUILD_GUARD_SEC)


def install():
    """`make install`, and the hooks in the shells' startup files."""
    install_files()
    must("tmoutctl", "shells", "--install")


def policy(text):
    """Replaces the policy file atomically, so that no login sees half of it.
    `apply` is not run: the next login has to notice by itself."""
    write(POLICY + ".new", text)
    if os.path.isdir(POLICY):
        remove(POLICY)
    os.rename(POLICY + ".new", POLICY)


def apply():
    must("tmoutctl", "apply")


def fresh(text):
    """Starts over with this policy: no drop-ins, and applied."""
    remove(DROP_INS)
    os.mkdir(DROP_INS, 0o755)
    policy(text)
    apply()


def show(name, *options):
    """`tmoutctl show` for a user."""
    return json.loads(must("tmoutctl", "show", name, *options, "--json"))


def attempts(name):
    """`tmoutctl attempts` for a user."""
    return json.loads(must("tmoutctl", "attempts", name, "--json"))


def unlock(name):
    must("tmoutctl", "unlock", name)


def errors(mark):
    """The errors that the module has logged since the mark."""
    return syslog.settled(mark, r"^err .*pam_tmout\(")
