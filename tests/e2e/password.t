#!/usr/bin/python3
"""Changing a password with the real passwd(1) and pam_unix: a wrong current one counts
as a local attempt. And what still works while no policy is in force."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.attempts import Pam, as_user, counts, lets_in, setup_passwords, state, su, sudo
from host.client import ssh
from host.commands import must, run
from host.files import read, write
from host.pam_stacks import AUTH_LINE, stack, wire_auth
from host.product import POLICY, SNAPSHOT, errors, policy, unlock
from host.sshd import Sshd
from host.syslog import syslog
from host.tap import tap
from host.terminal import Terminal, on_console

PASSWORD_LINE = "password requisite pam_tmout.so"
PEOPLE = {name: "right-1234" for name in
          "ann keeps young weak expired desk remote by root2 admin other".split()}
FRESH = "another-5678"


def passwd(name, *given, options=()):
    """passwd(1), run by the user, with a pipe instead of a terminal."""
    return run(*as_user(name, "passwd", *options), stdin=None,
               input="".join(f"{text}\n" for text in given), stderr=subprocess.STDOUT)


def log(name, pattern):
    return syslog.settled(0, rf"pam_tmout\(passwd:chauthtok\): {pattern} user={name} address=local ")


def wrong_current_password():
    """three wrong ones lock, and then the right one changes nothing"""
    for _ in range(3):
        tap.ok(passwd("ann", "wrong").returncode != 0, "wrong: unchanged")
    tap.equal(counts("ann"), {"local": 3}, "counted as local")
    for _ in range(2):
        shown = passwd("ann", "right-1234", FRESH, FRESH)
        tap.ok(shown.returncode != 0 and "Account locked after 3" in shown.stdout,
               "locked: the correct one is rejected, with the reason", shown.stdout)
    tap.equal((len(log("ann", "failed password change")), len(log("ann", "rejected: locked"))),
              (3, 2), "all in the log")
    tap.ok(su("by", "ann", "right-1234").returncode != 0, "su shares the count")
    tap.ok(lets_in("ann", "right-1234"), "the network does not")
    unlock("ann")
    passwd("ann", "wrong")
    shown = passwd("ann", "right-1234", FRESH, FRESH)
    tap.ok(shown.returncode == 0, "unlocked: changed", shown.stdout)
    tap.equal(state("ann"), (0, False), "which clears the count")
    tap.ok(lets_in("ann", FRESH), "the new one works")


def keep_tokens():
    """passwd -k, which claims to be a login, counts as well"""
    for _ in range(3):
        passwd("keeps", "wrong", options=["-k"])
    tap.equal(state("keeps"), (3, True), "locked")
    tap.ok("Account locked" in passwd("keeps", "right-1234", options=["-k"]).stdout, "and rejected")


def rejected_new_passwords():
    """a new password that is not good enough, or not repeated, is no failure"""
    for fresh in (["short", "short"] * 3, [FRESH, "not the same"], []):
        tap.ok(passwd("weak", "right-1234", *fresh).returncode != 0, "unchanged")
        tap.equal(state("weak"), (0, False), "not counted")


def too_young():
    """a password that may not be changed yet: the outcome is that of a wrong one"""
    must("chage", "-m", "5", "-d", time.strftime("%F"), "young")
    tap.ok(passwd("young", "right-1234", FRESH, FRESH).returncode != 0, "unchanged")
    tap.equal(state("young"), (1, False), "counted, because a guess would look the same")


def by_root():
    """root's changes are no attempts"""
    for _ in range(4):
        tap.equal(run("passwd", "root2", stdin=None, input=f"{FRESH}\n{FRESH}\n").returncode, 0,
                  "root changes it")
    tap.equal(state("root2"), (0, False), "nothing counted")


def expired_at_login():
    """an expired password that is changed during a login is no attempt"""
    for name in "expired", "desk":
        must("chage", "-d", "0", name)
    for _ in range(4):
        tap.ok(su("by", "expired", "right-1234", "wrong").returncode != 0, "su: a wrong current one")
        tap.equal(state("expired"), (0, False), "su: not counted")
    tap.equal(su("by", "expired", "right-1234", "right-1234", FRESH, FRESH).returncode, 0,
              "su: changed, in")
    with Terminal(on_console("ttyS4", "login")) as session:
        session.wait(r"login: \Z")
        session.type("desk")
        for prompt, answer in (("Password", "right-1234"), ("Current password", "wrong")):
            session.wait(rf"{prompt}: \Z")
            session.type(answer)
        session.wait("login: |manipulation|failure")
    tap.equal(state("desk"), (0, False), "login: not counted")
    expired_over_ssh()


def expired_over_ssh():
    """sshd has the password changed within keyboard-interactive, or runs passwd(1)"""
    must("chage", "-d", "0", "remote")
    asking = Sshd(port=2208)
    asking.start("KbdInteractiveAuthentication yes\nPasswordAuthentication no\n")
    # One login: the client would begin another one, with an empty password.
    over_ssh = {"method": "keyboard-interactive", "port": 2208,
                "options": ["NumberOfPasswordPrompts=1"]}
    for _ in range(3):
        tap.ok(not lets_in("remote", "right-1234", "wrong", **over_ssh), "ssh: a wrong current one")
        tap.equal(state("remote"), (0, False), "ssh: not counted")
    tap.ok(lets_in("remote", "right-1234", "right-1234", FRESH, FRESH, **over_ssh),
           "ssh: changed, in")
    asking.stop()
    must("chage", "-d", "0", "remote")
    for count in 1, 2, 3:
        passwd("remote", "wrong")
        tap.equal(counts("remote"), {"local": count}, "passwd: counted, also if it has expired")
    tap.ok(not lets_in("remote", "wrong"), "over the network")
    tap.equal(counts("remote"), {"local": 3, "network": 1}, "counted apart")


def no_policy():
    """while no policy is in force, root and sudo work, and others are rejected"""
    text = read(POLICY)
    policy("default { max_attempts = three }\n")
    os.rename(SNAPSHOT, SNAPSHOT + ".kept")
    tap.equal(ssh("admin", "echo in").stdout, "in\n", "a key works")
    tap.equal(sudo("admin", "right-1234").returncode, 0, "and then sudo")
    tap.ok(sudo("admin", "wrong").returncode != 0, "with the correct password only")
    tap.equal(Pam.once("login", "root", "right-1234"), 0, "root gets in")
    tap.ok(su("by", "root", "right-1234").returncode == 0, "su to root works")
    tap.ok(su("by", "other", "right-1234").returncode != 0, "su to others does not")
    tap.ok(not lets_in("other", "right-1234"), "nor passwords over the network")
    policy(text)
    applied = sudo("admin", "right-1234", command="tmoutctl apply")
    tap.ok(applied.returncode == 0, "the administrator applies a valid policy", applied.stdout)
    tap.ok(lets_in("other", "right-1234"), "which ends it")


def wrong_argument():
    """the same with a wrong argument on the line"""
    stack("mistyped", AUTH_LINE + " tel", "auth required pam_unix.so nodelay")
    tap.equal(Pam.once("mistyped", "root", "right-1234"), 0, "root gets in")
    tap.ok(Pam.once("mistyped", "root", "wrong") != 0, "with the correct password only")
    tap.ok(Pam.once("mistyped", "other", "right-1234") != 0, "others do not")
    before = read("/etc/pam.d/sudo")
    write("/etc/pam.d/sudo", before.replace(AUTH_LINE, AUTH_LINE + " tel"))
    tap.equal(sudo("admin", "right-1234").returncode, 0, "sudo works")
    write("/etc/pam.d/sudo", before)


setup_passwords("default { max_attempts = 3 }\n", "PasswordAuthentication yes\n",
                ["sshd", "su", "sudo", "login"], PEOPLE)
wire_auth("common-password", PASSWORD_LINE, r"password\b.*pam_unix\.so")
must("chpasswd", input="root:right-1234\n", stdin=None)
write("/etc/sudoers.d/test", "ALL ALL = (ALL) ALL\nDefaults lecture = never\n", 0o440)
tap.in_parallel([wrong_current_password, keep_tokens, rejected_new_passwords, too_young, by_root,
                 expired_at_login], 6)
tap.equal(errors(0), [], "no error from the module")
tap.run(no_policy, wrong_argument)
