#!/usr/bin/python3
"""The audit's patch for PAM stacks, applied to a host with a real sshd and su: who gets in
before and after, what they are asked, what is counted, and every byte when it is undone."""

import base64
import functools
import glob
import hashlib
import hmac
import json
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.attempts import lets_in, setup_passwords, state, su
from host.client import ssh
from host.commands import must, run
from host.files import read, remove, write
from host.product import unlock
from host.refusing import refused_to_users
from host.sshd import sshd
from host.tap import tap

RIGHT = "right-1234"
PEOPLE = {"ann": RIGHT, "by": RIGHT}
SSHD = "/etc/pam.d/sshd"
COMMON = "/etc/pam.d/common-auth"
PASSWORDS = "PasswordAuthentication yes\n"
TAIL = """account required pam_nologin.so
@include common-account
@include common-session
session optional pam_tmout.so
"""
UNIX = "auth\t[success=1 default=ignore]\tpam_unix.so nullok nodelay\n"
DEBIAN = UNIX + "auth\trequisite\tpam_deny.so\nauth\trequired\tpam_permit.so\n"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(offset=0):
    """A one-time code as RFC 6238 has it, from a secret of ann's, `offset` steps ahead."""
    step = struct.pack(">Q", int(time.time()) // 30 + offset)
    digest = hmac.new(base64.b32decode(SECRET), step, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 1000000:06}"


def by_password(*given):
    return lets_in("ann", *given)


def by_key_and_code(*given):
    """One prompt for each answer: a further one gets no answer, and the login fails."""
    return lets_in("ann", *given, method="publickey,keyboard-interactive")


def logins(login, right):
    """Who gets in, with the limit of 3 out of the way."""
    unlock("ann")
    found = {"right": login(right()), "wrong": login("wrong"),
             "wrong, then right": login("wrong", right()), "key": ssh("ann", "true").returncode == 0}
    unlock("ann")
    return found


def audit():
    """What is wrong with PAM now, without what depends on line numbers, and the patch."""
    report = json.loads(run("tmoutctl", "audit", "--json").stdout)
    return {(f["id"], f["status"], f["file"]) for f in report["findings"]
            if f["id"].startswith("pam-") and f["status"] != "PASS"}, report["patch"]


def patch(text, *options):
    write("/run/audit.patch", text)
    must("patch", "-s", "-p1", "-d", "/", "-i", "/run/audit.patch", *options)


def snapshot():
    """Every byte, mode and owner below /etc that a patch could change."""
    return must("sh", "-c", "cd /etc && find pam.d ssh security sysctl.d profile.d -type f "
                            "-printf '%p %m %U %G\\n' -exec sha256sum {} +")


def stacks(files):
    for path, text in files.items():
        write(path, text)


def check(login, right, locks=True):
    """Applies the patch: nobody's login changes, the limit holds, nothing new is wrong, and
    -R restores everything."""
    before, bytes_before = logins(login, right), snapshot()
    found, text = audit()
    patch(text)
    try:
        tap.note(*(x for x in text.splitlines() if x[:1] in "+-"))
        tap.equal(logins(login, right), before, "the same logins as before")
        left, again = audit()
        tap.ok(left < found, "fewer findings, and none that is new", sorted(left - found))
        tap.ok("/pam.d/" not in again, "a second patch leaves PAM alone", again)
        if locks:
            for _ in range(3):
                login("wrong")
            tap.equal(state("ann"), (3, True), "three wrong ones lock")
            tap.ok(not login(right()), "and then the right one is rejected")
            unlock("ann")
        return left
    finally:
        patch(text, "-R")
        tap.equal(snapshot(), bytes_before, "undone, to the byte")


def behind_a_jump():
    """our line behind the password, in a file that all services share"""
    stacks({COMMON: UNIX.replace("=1", "=2") + "auth\trequisite\tpam_tmout.so\n" +
            DEBIAN[len(UNIX):]})
    left = check(by_password, lambda: RIGHT)
    tap.equal({f for f in left if f[2] == COMMON}, set(), "nothing is wrong with the file")


def two_findings_in_one_file():
    """no auth line, and the session line twice"""
    stacks({COMMON: DEBIAN, SSHD: """@include common-auth
account required pam_nologin.so
@include common-account
session optional pam_tmout.so
session required pam_limits.so
session optional pam_tmout.so
"""})
    check(by_password, lambda: RIGHT)


def behind_lines_that_jump_and_fail():
    """RHEL's stack with pam_faillock, conditions that jump, and a line of ours that is not
    final"""
    stacks({SSHD: """auth required pam_env.so
auth required pam_faillock.so preauth silent deny=20
auth optional pam_tmout.so
auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular
auth [default=1 ignore=ignore success=ok] pam_localuser.so
auth sufficient pam_unix.so nullok nodelay
auth required pam_faillock.so authfail deny=20
auth required pam_deny.so
""" + TAIL})
    check(by_password, lambda: RIGHT)


def a_key_and_a_code():
    """nobody checks a password: the line that is offered asks for none"""
    write("/home/ann/.google_authenticator", f'{SECRET}\n" TOTP_AUTH\n', 0o400)
    must("chown", "ann:", "/home/ann/.google_authenticator")
    sshd.start("KbdInteractiveAuthentication yes\n"
               "AuthenticationMethods publickey,keyboard-interactive\n")
    try:
        stacks({SSHD: "auth required pam_google_authenticator.so nullok\n" + TAIL})
        tap.ok(by_key_and_code(code()), "the code alone gets in")
        check(by_key_and_code, code)
    finally:
        sshd.start(PASSWORDS)


def su_and_root():
    """su: root needs no password, and is asked for none"""
    stacks({COMMON: DEBIAN, "/etc/pam.d/su": "auth sufficient pam_rootok.so\n"
                                            "@include common-auth\n@include common-account\n"
                                            "@include common-session\n"})
    unlock("ann")
    text = run("tmoutctl", "audit", "--patch").stdout
    tap.ok(su("by", "ann", RIGHT).returncode == 0, "before: right")
    patch(text)
    try:
        for name, given, expected in (("right", RIGHT, 0), ("wrong", "wrong", 1)):
            tap.equal(su("by", "ann", given).returncode, expected, name)
        tap.equal(run("su", "ann", "-c", "true", stdin=None, input="").returncode, 0,
                  "root is asked for nothing")
        tap.equal(state("ann"), (1, False), "the wrong one was counted")
    finally:
        patch(text, "-R")


def a_module_that_users_may_not_open():
    """fapolicyd, or what works like it, does not trust the module"""
    module, = glob.glob("/lib/*/security/pam_tmout.so") or glob.glob("/lib*/security/pam_tmout.so")
    stacks({"/etc/pam.d/su": "auth sufficient pam_rootok.so\n"
                             "auth [success=ignore module_unknown=ignore default=die] pam_tmout.so\n"
                             "@include common-auth\n@include common-account\n", COMMON: DEBIAN})
    unlock("ann")
    asked = ("tmoutctl", "audit", "--check", "pam-module")
    with refused_to_users(module):
        tap.equal((su("by", "ann", "wrong").returncode, state("ann")), (1, (0, False)),
                  "a wrong password for su is not counted")
        done = run(*asked)
        tap.equal((done.returncode, "su and sudo cannot open it" in done.stdout), (1, True),
                  "the audit fails") or tap.note(done.stdout)
        tap.matches(done.stdout, r'fapolicyd-cli --file add "\$\(realpath /\S+/pam_tmout\.so\)" --trust-file tmout',
                    "and has the remedy")
    tap.equal((su("by", "ann", "wrong").returncode, state("ann")), (1, (1, False)),
              "once su may load it, one is counted")
    tap.equal(run(*asked).returncode, 0, "and the audit passes")


setup_passwords("default {\n    tmout = 15m\n    max_attempts = 3\n    lock_time = 1h\n}\n",
                PASSWORDS, (), PEOPLE)
KEPT = {path: read(path) for path in (SSHD, COMMON, "/etc/pam.d/su")}


def restoring(scenario):
    """The scenario, and after it the stacks as they were."""
    @functools.wraps(scenario)
    def play():
        try:
            scenario()
        finally:
            stacks(KEPT)
            remove("/run/faillock")
    return play


tap.run(*map(restoring, (behind_a_jump, two_findings_in_one_file, behind_lines_that_jump_and_fail,
                         a_key_and_a_code, su_and_root,
                         a_module_that_users_may_not_open)))
