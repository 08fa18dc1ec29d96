#!/usr/bin/python3
"""Users and groups that are not in /etc/passwd and /etc/group.

A second source, libnss-extrausers, has them in files of its own. What it
returns is a name like any other, for the module and for `tmoutctl show`.
"""

import glob
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.client import KEY, pam_tmout
from host.commands import must
from host.files import append, read, write
from host.product import errors, show
from host.setup import setup
from host.syslog import syslog
from host.tap import tap

EXTRA = "/var/lib/extrausers"
POLICY_TEXT = """\
default { tmout = 15m }
group "remote staff" { tmout = 5m  enforce = true }
group "Remote Staff" { tmout = 7m }
user "gästin" { tmout = 3m }
"""


def extra_users():
    """users and groups of another source than the files"""
    number = 7001
    for name in "faraway", "capital", "gästin":
        append(f"{EXTRA}/passwd", f"{name}:x:{number}:7000::/home/{name}:/bin/bash\n")
        append(f"{EXTRA}/shadow", f"{name}:*:19000::::::\n")
        write(f"/home/{name}/.ssh/authorized_keys", read(KEY + ".pub"), 0o600)
        must("chown", "-R", f"{number}:7000", f"/home/{name}")
        number += 1
    write(f"{EXTRA}/group", "everybody:x:7000:\nremote staff:x:7010:faraway\n"
                            "Remote Staff:x:7011:capital\n")
    must("sed", "-i", "-E", "s/^(passwd|group|shadow):.*/\\1: files extrausers/",
         "/etc/nsswitch.conf")

    for name, limit, rule in [("faraway", "300 readonly", 'group "remote staff"'),
                              ("capital", "420 default", 'group "Remote Staff"'),
                              ("gästin", "180 default", 'user "gästin"')]:
        tap.equal(pam_tmout(name), limit, f"{name}: the session")
        shown = show(name)
        tap.equal(shown["pam_tmout"], limit, f"{name}: tmoutctl show")
        tap.equal(shown["settings"]["tmout"]["rule"], rule, f"{name}: the rule")
    tap.ok("everybody" in show("faraway")["groups"], "the primary group is among the groups")


def a_source_that_is_gone():
    """without the source a user's groups have no names: they match no rule, and the rest applies"""
    mark = syslog.mark()
    must("sed", "-i", "-E", "s/^group:.*/group: files/", "/etc/nsswitch.conf")
    tap.equal(pam_tmout("faraway"), "900 default", "the default remains")
    tap.equal(errors(mark), [], "and that is not an error")


if not glob.glob("/usr/lib*/libnss_extrausers.so.2") and \
        not glob.glob("/usr/lib/*/libnss_extrausers.so.2"):
    tap.skip("users of another source", "libnss-extrausers is not installed")
    print("1..1")
    sys.exit(0)
setup(POLICY_TEXT)
tap.run(extra_users, a_source_that_is_gone)
