"""Prepares a throw-away host for a test."""

import os
import sys

from host.client import KEY
from host.commands import must
from host.files import read, remove, write
from host.pam_stacks import wire, wire_auth
from host.product import DROP_INS, POLICY, STATE, apply, install, policy
from host.sshd import HOST_KEY, sshd
from host.syslog import syslog
from host.tap import tap


def clean_slate():
    """Removes what the machine itself may have of pam_tmout: the tests bring their
    own policy, and say which stacks have the module."""
    for path in POLICY, DROP_INS, STATE, KEY, KEY + ".pub", HOST_KEY, HOST_KEY + ".pub":
        remove(path)
    for service in os.listdir("/etc/pam.d"):
        lines = read(f"/etc/pam.d/{service}").splitlines(keepends=True)
        if any("pam_tmout.so" in line for line in lines):
            write(f"/etc/pam.d/{service}", "".join(x for x in lines if "pam_tmout.so" not in x))


def setup(policy_text="", sshd_config="", password_services=()):
    """Installs pam_tmout, adds it to the sshd stack's session part and to the auth
    part of the stacks named, applies the policy and starts sshd."""
    if not os.path.exists("/run/throwaway"):
        sys.exit(f"{sys.argv[0]} changes the host that it runs on: "
                 f"run it as tests/host/throwaway {sys.argv[0]}")
    syslog.start()
    tap.log = syslog
    clean_slate()
    for key in KEY, HOST_KEY:
        must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    install()
    wire("sshd")
    for service in password_services:
        wire_auth(service)
    policy(policy_text)
    apply()
    sshd.start(sshd_config)
