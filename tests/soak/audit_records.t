#!/usr/bin/python3
"""The records that the module and `tmoutctl unlock` send to auditd, as ausearch
finds them: in a virtual machine, as containers have no audit system. What happens
there is in audit_records.sh.
"""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host import virtual_machine
from host.debian_root import make_root, own_suite
from host.files import REPOSITORY
from host.pam_stacks import wire_auth
from host.product import install_files
from host.tap import tap

PACKAGES = """auditd iproute2 libconfuse2 libjansson4 libsystemd0 login openssh-client
    openssh-server passwd sshpass util-linux""".split()
DIRECTORY = REPOSITORY + "/build/soak/audit_records"
SU, SSHD, CTL = "/usr/bin/su", "/usr/sbin/sshd", "/usr/bin/tmoutctl"
ADDRESS = "192.0.2.7"
LOCKED = ("ANOM_LOGIN_FAILURES", "RESP_ACCT_LOCK")

# type, operation, user, program, address, terminal, result
EXPECTED = [
    *((kind, "pam_tmout", "alice", SU, "?", "?", "success") for kind in LOCKED),
    ("RESP_ACCT_UNLOCK_TIMED", "pam_tmout", "alice", SU, "?", "?", "success"),
    *((kind, "pam_tmout", "bob", SU, "?", "?", "success") for kind in LOCKED),
    ("USER_MGMT", "tmoutctl-unlock", "bob", CTL, "?", "ttyS1", "success"),
    *((kind, "pam_tmout", "carol", SSHD, ADDRESS, "ssh", "success") for kind in LOCKED),
    ("USER_MGMT", "tmoutctl-unlock", "carol", CTL, "?", "ttyS1", "success"),
]
PASSWORDS = 3 * (4 * ["refused"] + ["admitted"])


def prepare(root):
    """The machine's files."""
    make_root(own_suite(), root, PACKAGES)
    install_files(root)
    for service in "su", "sshd":
        wire_auth(service, root=root)
    shutil.copy(REPOSITORY + "/tests/soak/audit_records.sh", f"{root}/job")


def sections(text):
    """What the job printed, by the headings in it."""
    parts = re.split(r"(?m)^== (.*)\n", text)
    return dict(zip(parts[1::2], parts[2::2]))


def records(text):
    """The records in ausearch's output, oldest first, like those in EXPECTED."""
    found = []
    for line in re.findall(r"(?m)^type=.*", text):
        fields = dict(re.findall(r"(\w+)=([^\s']+)", line.replace("msg='", "")))
        fields["user"] = fields.get("suid") or fields.get("id")
        found.append(tuple(fields.get(name) for name in
                           ("type", "op", "user", "exe", "addr", "terminal", "res")))
    return found


def report(output):
    found = sections(output)
    tap.ok(virtual_machine.JOB_DONE in output, "all of it was done", output[-3000:])
    tap.equal(found.get("passwords", "").split(), PASSWORDS, "passwords")
    tap.equal(records(found.get("records", "")), EXPECTED, "each record, once")
    tap.equal(records(found.get("records with the address", "")),
              [record for record in EXPECTED if ADDRESS in record], "the search for an address")
    tap.matches(found.get("records of failures", ""), "<no matches>", "none is a failure")


def scenario():
    """passwords for su and sshd, locks, and their ends"""
    root, image = f"{DIRECTORY}/root", f"{DIRECTORY}/image"
    prepare(root)
    kernel = virtual_machine.download_kernel(f"{DIRECTORY}/kernel")
    virtual_machine.pack(root, image)
    report(virtual_machine.boot(kernel, image, DIRECTORY))


virtual_machine.play("records for auditd", scenario, DIRECTORY, ("root", "image", "kernel"))
