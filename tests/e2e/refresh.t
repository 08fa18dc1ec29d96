#!/usr/bin/python3
"""An edit of the policy takes effect at the next login."""

import os
import shutil
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import pam_tmout
from host.commands import must
from host.files import read, remove, write
from host.product import DROP_INS, POLICY, errors, fresh as in_force, policy
from host.setup import setup
from host.sshd import sshd
from host.syslog import syslog
from host.tap import tap


def default_of(seconds):
    return f"default {{\n    tmout = {seconds}\n}}\n"


def fresh(seconds):
    in_force(default_of(seconds))


def logins_give(expected, name):
    """The next login has this limit."""
    return tap.equal(pam_tmout("kim"), f"{expected} default", name)


def an_edit():
    """an edit is in force at the next login, without running apply"""
    fresh(100)
    logins_give(100, "before")
    policy(default_of(200))
    logins_give(200, "after")
    write(POLICY, read(POLICY).replace("200", "300"))
    logins_give(300, "edited in place")


def drop_ins():
    """drop-ins are added, changed and removed"""
    fresh(100)
    write(f"{DROP_INS}/50-site.conf", default_of(200))
    logins_give(200, "one is added: it wins over the main file")
    write(f"{DROP_INS}/60-site.conf", default_of(300))
    logins_give(300, "a later one wins over an earlier")
    write(f"{DROP_INS}/60-site.conf", default_of(310))
    logins_give(310, "one is changed")
    os.rename(f"{DROP_INS}/60-site.conf", f"{DROP_INS}/40-site.conf")
    logins_give(200, "one is renamed and now comes first")
    write(f"{DROP_INS}/70-site.conf.bak", default_of(400))
    logins_give(200, "a name that doesn't end in .conf is not a drop-in")
    os.unlink(f"{DROP_INS}/50-site.conf")
    logins_give(310, "one is removed")
    remove(DROP_INS)
    logins_give(100, "the directory is removed")
    os.mkdir(DROP_INS)
    write(f"{DROP_INS}/50-site.conf", default_of(500))
    logins_give(500, "the directory is back")


def a_vanishing_drop_in():
    """a drop-in that keeps appearing and vanishing breaks no login"""
    fresh(100)
    stop = threading.Event()

    def come_and_go():
        while not stop.is_set():
            write(f"{DROP_INS}/50-site.conf", default_of(200))
            os.unlink(f"{DROP_INS}/50-site.conf")

    restless = threading.Thread(target=come_and_go)
    restless.start()
    try:
        seen = {pam_tmout("kim") for _ in range(12)}
    finally:
        stop.set()
        restless.join()
    tap.ok(seen <= {"100 default", "200 default"}, "each login has one limit or the other",
           seen)
    logins_give(100, "and the right one when it is gone")


def an_edit_that_hides():
    """a change is noticed even with the same size and timestamp"""
    fresh(100)
    logins_give(100, "before")
    must("touch", "-d", "2020-01-01", POLICY)
    logins_give(100, "with an old time")
    write(POLICY, default_of(999))
    must("touch", "-d", "2020-01-01", POLICY)
    logins_give(999, "edited in place")
    write(POLICY + ".new", default_of(555))
    must("touch", "-r", POLICY, POLICY + ".new")
    os.rename(POLICY + ".new", POLICY)
    logins_give(555, "replaced by another file")


def a_typo():
    """a typo leaves the last valid policy in force and is reported once"""
    fresh(100)
    policy("default {\n    tmoot = 200\n}\n")
    mark = syslog.mark()
    logins_give(100, "the old limit holds")
    tap.matches(syslog.wait(r"^err .*tmout\.conf:2", mark), r"pam_tmout\(sshd:session\).*tmoot",
                "the log names file, line and word")
    tap.equal(len(errors(mark)), 1, "in one line")
    mark = syslog.mark()
    logins_give(100, "the old limit still holds")
    tap.equal(errors(mark), [], "it is not reported a second time")
    policy("default {\n    tmout = 3abc\n}\n")
    mark = syslog.mark()
    logins_give(100, "another error, the same limit")
    tap.matches(syslog.wait(r"^err .*tmout\.conf:2", mark), "3abc", "which is reported too")
    policy(default_of(200))
    mark = syslog.mark()
    logins_give(200, "fixed: the new limit applies")
    tap.equal(errors(mark), [], "and nothing is reported")


def a_typo_in_a_drop_in():
    """the same for a drop-in: the whole last valid policy stays"""
    fresh(100)
    write(f"{DROP_INS}/50-good.conf", default_of(200))
    logins_give(200, "a good one")
    write(f"{DROP_INS}/60-bad.conf", "default {\n    tmout = 300\n")
    mark = syslog.mark()
    logins_give(200, "a bad one: the last valid policy stays")
    syslog.wait(r"^err .*60-bad\.conf:\d", mark)
    os.unlink(f"{DROP_INS}/60-bad.conf")
    logins_give(200, "and still after it is removed")


# Texts that are not a policy, and the line at fault. libconfuse alone accepts
# many of them, and would not read what is written.
BROKEN = {
    "a number with letters": ("default {\n    tmout = 3abc\n}\n", 2),
    "a negative number": ("default {\n    tmout = -1\n}\n", 2),
    "a number that might be octal": ("default {\n    tmout = 010\n}\n", 2),
    "a number too large": ("default {\n    tmout = 99999999999999999999\n}\n", 2),
    "nothing": ("default {\n    tmout = ''\n}\n", 2),
    "neither true nor false": ("\ndefault {\n    enforce = maybe\n}\n", 3),
    "an unknown word": ("default {\n    sessions = telnet\n}\n", 2),
    "a setting in no section": ("\n\ntmout = 5m\n", 3),
    "an unknown section": ("# a comment\n# and one more\ngruop \"ops\" {\n}\n", 3),
    "a section without a name": ("group {\n    tmout = 5m\n}\n", 1),
    "the same section twice": ('user "a" {\n}\n\nuser "a" {\n}\n', 4),
    "the same setting twice": ("default {\n    tmout = 5m\n    tmout = 6m\n}\n", 3),
    "two sections called root": ('user "root" {\n}\nuser "root" {\n}\n', 3),
    "an open comment": ("default {\n    tmout = 5m\n}\n/* and so on\n\n", 4),
    "an open string": ('default {\n    tmout = "5m\n}\n', 2),
    "an open section": ("default {\n    tmout = 5m\n", None),
    "a brace too many": ("default {\n}\n}\n", 3),
    "a stray character": ("default {\n    tmout = 5*\n}\n", 2),
    "a stray character in front": ("\n*default {\n}\n", 2),
    "a bar": ("default|tmout = 5m\n", 1),
    "a variable": ('default {\n    tmout = "${HOME}"\n}\n', 2),
    "an include": ('include("/etc/security/other.conf")\n', 1),
    "a zero byte": ("default {\n    tmout = 5m\n}\n\0user x {\n}\n", 4),
    "deep braces": ("default " + "{" * 40000, 1),
}


def invalid_policies():
    """each invalid text leaves the last valid policy in force, and the log says where"""
    fresh(100)
    for name, (text, line) in BROKEN.items():
        policy(text)
        mark = syslog.mark()
        logins_give(100, f"{name}: the old limit holds")
        logged = errors(mark)
        tap.ok(len(logged) == 1 and f"{POLICY}:{line or ''}" in logged[0],
               f"{name}: the log names line {line or 'and file'}", *logged)
    policy(default_of(200))
    logins_give(200, "a valid one takes effect at once")
    tap.ok(sshd.alive(), "sshd is alive")


# --- the policy's file is not what it should be --------------------------------

def world_writable():
    policy(default_of(200))
    os.chmod(POLICY, 0o666)


def owned_by_a_user():
    policy(default_of(200))
    shutil.chown(POLICY, "kim", "kim")


def a_symlink():
    write("/etc/security/elsewhere.conf", default_of(200))
    remove(POLICY)
    os.symlink("elsewhere.conf", POLICY)


def a_directory():
    remove(POLICY)
    os.mkdir(POLICY)


def a_fifo():
    remove(POLICY)
    os.mkfifo(POLICY, 0o644)


def a_device():
    remove(POLICY)
    os.mknod(POLICY, 0o644 | 0o020000, os.makedev(1, 5))


def enormous():
    policy("{" * (10 << 20))


def missing():
    remove(POLICY)


def writable_parent():
    policy(default_of(200))
    os.chmod("/etc/security", 0o777)


def a_fifo_among_the_drop_ins():
    remove(f"{DROP_INS}/50-fifo.conf")
    os.mkfifo(f"{DROP_INS}/50-fifo.conf", 0o644)


def unusable_policy_files():
    """whatever is in the policy's place, logins work with the last valid policy"""
    for trouble in (world_writable, owned_by_a_user, a_symlink, a_directory, a_fifo, a_device,
                    enormous, missing, writable_parent, a_fifo_among_the_drop_ins):
        os.chmod("/etc/security", 0o755)
        fresh(100)
        trouble()
        mark = syslog.mark()
        logins_give(100, f"{trouble.__name__}: the old limit holds")
        logged = errors(mark)
        tap.ok(len(logged) == 1 and "tmout.conf" in logged[0] or
               trouble is writable_parent and len(logged) == 1,
               f"{trouble.__name__}: one line in the log", *logged)
        os.chmod("/etc/security", 0o755)
        remove(f"{DROP_INS}/50-fifo.conf")
        policy(default_of(300))
        logins_give(300, f"{trouble.__name__}: fixed, the new limit applies")


setup(default_of(100))
user("kim", "dash")
tap.run(an_edit, drop_ins, a_vanishing_drop_in, an_edit_that_hides, a_typo, a_typo_in_a_drop_in,
        invalid_policies, unusable_policy_files)
