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


def install():
    """`make install` and the hooks in the shells' own files. The variables of a
    make around the tests would otherwise reach this one."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR")}
    must("make", "-s", "install", cwd=REPOSITORY, env=environment, timeout=BUILD_GUARD_SEC)
    must("tmoutctl", "shells", "--install")


def policy(text):
    """Makes this the policy file, whole at once, so that a login never sees a
    part. Nobody runs `apply`: the next login must notice by itself."""
    write(POLICY + ".new", text)
    if os.path.isdir(POLICY):
        remove(POLICY)
    os.rename(POLICY + ".new", POLICY)


def apply():
    must("tmoutctl", "apply")


def fresh(text):
    """A host as after a quiet day: this policy, no drop-ins, all applied."""
    remove(DROP_INS)
    os.mkdir(DROP_INS, 0o755)
    policy(text)
    apply()


def show(name, *options):
    """What tmoutctl says about a user."""
    return json.loads(must("tmoutctl", "show", name, *options, "--json"))


def attempts(name):
    """What tmoutctl says about a user's attempts."""
    return json.loads(must("tmoutctl", "attempts", name, "--json"))


def unlock(name):
    must("tmoutctl", "unlock", name)


def errors(mark):
    """What the module has logged as an error since."""
    return syslog.settled(mark, r"^err .*pam_tmout\(")
