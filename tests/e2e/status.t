#!/usr/bin/python3
"""tmoutctl status: what it says of a host on which all is well, and after each thing
that can go wrong, for people, for programs, and for node_exporter."""

import json
import os
import pwd
import struct
import subprocess
import sys

import jsonschema

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.attempts import lets_in, setup_passwords
from host.client import ssh_command
from host.commands import must, run
from host.files import REPOSITORY, read, remove, write
from host.product import DROP_INS, POLICY, SNAPSHOT, STATE, apply
from host.tap import tap
from host.terminal import Terminal
from host.tmoutd import tmoutd
from host.waiting import wait_until

VALID = "default {\n    tmout = 10m\n    disconnect = 20m\n    max_attempts = 2\n}\n"
DROP_IN = f"{DROP_INS}/20-site.conf"
SCHEMA = jsonschema.Draft7Validator(
    json.loads(read(f"{REPOSITORY}/docs/status-1.schema.json")),
    format_checker=jsonschema.FormatChecker())


def run_status(code, *options):
    result = run("tmoutctl", "status", *options)
    tap.equal(result.returncode, code, f"exit status {code}")
    return result.stdout


def status(code):
    """The facts, for programs."""
    facts = json.loads(run_status(code, "--json"))
    tap.equal([error.message for error in SCHEMA.iter_errors(facts)], [], "the schema holds")
    return facts


def metrics(code):
    """The same for node_exporter: {name: value}."""
    text = run_status(code, "--openmetrics")
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    tap.equal((checked.returncode, checked.stdout), (0, ""), "promtool accepts the metrics")
    tap.ok(text.endswith("\n# EOF\n"), "and OpenMetrics has an end")
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def uid_of(name):
    return pwd.getpwnam(name).pw_uid


def failed(facts):
    return sorted({finding["id"] for finding in facts["audit"]["findings"]})


def all_is_well():
    """all is well"""
    facts, values, text = status(0), metrics(0), run_status(0)
    tap.equal((facts["fine"], failed(facts)), (True, []), "nothing fails")
    tap.equal(facts["policy"]["files"], [POLICY, DROP_IN], "the files of the policy")
    tap.equal(values["tmout_policy_applied_timestamp_seconds"], str(facts["policy"]["since"]),
              "since when")
    tap.matches(text, r"^policy +in force since \d{4}-", "for people")
    tap.matches(text, r"(?m)^tmoutd +running$", "tmoutd is running")
    tap.equal(run_status(0, "--quiet"), "", "--quiet: no text")


def registered():
    return len(json.loads(must("tmoutctl", "sessions", "--json")))


def logins_and_locks():
    """logins, the one that ends first, and users who are locked"""
    for name in "bob", "eve":
        for _ in range(2):
            lets_in(name, "wrong")
    with Terminal(ssh_command("ann")) as session:
        session.wait_prompt()
        wait_until(lambda: registered() == 1, "the login is not registered")
        facts, values, text = status(0), metrics(0), run_status(0)
    following = facts["logins"]["next"]
    tap.equal((facts["logins"]["count"], following["user"], following["setting"]),
              (1, "ann", "disconnect"), "one login")
    tap.ok(0 < following["left"] < 1210, "when it ends", following)
    tap.equal((values["tmout_logins"], values["tmout_locked_users"]), ("1", "2"), "as metrics")
    tap.matches(text, r"(?m)^logins +1; next to end in .* if idle: ann on pts/\d+ "
                      r"\(disconnect\)$", "for people")
    tap.equal(facts["attempts"]["locked"], 2, "two users are locked, which is no fault")
    tap.matches(text, r"(?m)^attempts +2 users locked$", "for people")
    must("tmoutctl", "unlock", "bob")
    tap.matches(run_status(0), r"(?m)^attempts +1 user locked$", "one is unlocked")
    wait_until(lambda: registered() == 0, "the login does not end")


def damaged(path):
    write(path, "nonsense")
    return "is damaged|is too short"


def of_another_user(path):
    os.chown(path, uid_of("bob"), 0)
    return "is not owned by root, or is writable by others"


def writable_by_others(path):
    os.chmod(path, 0o666)
    return "is not owned by root, or is writable by others"


def no_file(path):
    remove(path)
    os.mkdir(path)
    return "is not a regular file"


def of_a_newer_version(path):
    with open(path, "r+b") as ledger:
        ledger.seek(len("tmoutlog"))
        ledger.write(struct.pack("=II", 99, ~99 & 0xFFFFFFFF))
    return "was written by a newer version of pam_tmout"


def a_ledger_with_a_fault():
    """a fault of one user's ledger, while all others work"""
    path = f"{STATE}/attempts/{uid_of('bob')}"
    for spoil in damaged, of_another_user, writable_by_others, no_file, of_a_newer_version:
        must("tmoutctl", "unlock", "bob")
        lets_in("bob", "wrong")
        reason = spoil(path)
        shown = status(1)["attempts"]
        first = shown["first_rejected"]
        tap.equal((shown["rejected_users"], first and first["user"], shown["rejecting"]),
                  (1, "bob", None), f"{spoil.__name__}: bob's passwords are rejected, not all")
        tap.matches(first and first["reason"],
                    rf"^{path}:? ({reason}).*; run \"tmoutctl unlock \d+\" to repair$",
                    f"{spoil.__name__}: why, and what to do")
    values = metrics(1)
    tap.equal((values["tmout_rejected_users"], values["tmout_passwords_rejected"]), ("1", "1"),
              "as metrics")
    tap.matches(run_status(1), rf"(?m)^attempts  .*; rejecting passwords of 1 user, bob: {path} ",
                "for people")
    must("tmoutctl", "unlock", "bob")
    remove(f"{path}.damaged")
    shown = status(0)["attempts"]
    tap.equal((shown["rejected_users"], shown["first_rejected"]), (0, None), "repaired")


def an_invalid_edit():
    """an invalid edit"""
    write(DROP_IN, "default { tmuot = 5m }\n")
    facts, values, text = status(1), metrics(1), run_status(1, "--quiet")
    tap.equal((facts["policy"]["state"], failed(facts)), ("refused", ["policy-in-force"]),
              "the last policy is in force")
    tap.equal((values["tmout_policy_in_force"], values["tmout_policy_rejected"]), ("1", "1"),
              "as metrics")
    tap.matches(text, rf"newer edit rejected: {DROP_IN}:1: .*tmuot", "file, line and cause")
    tap.matches(text, r"(?m)^audit +1 failed: policy-in-force.*tmoutctl audit", "and what to do")
    write(DROP_IN, "default { warn = 1m }\n")
    apply()


def no_policy():
    """no policy at all"""
    saved = read(POLICY)
    remove(SNAPSHOT)
    write(POLICY, "broken\n")
    tap.equal(status(1)["policy"]["state"], "none", "none is in force")
    tap.equal(metrics(1)["tmout_policy_in_force"], "0", "as a metric")
    tap.matches(run_status(1), r"(?m)^policy +none in force: .*tmout\.conf:1: ", "why")
    write(POLICY, saved)
    apply()


def pam_without_the_module():
    """sshd's PAM stack has lost the module's lines, and tmoutd has stopped"""
    path = "/etc/pam.d/sshd"
    saved = read(path)
    write(path, "".join(line for line in saved.splitlines(keepends=True)
                        if "pam_tmout" not in line))
    tmoutd.stop()
    facts, text = status(1), run_status(1)
    tap.equal((facts["pam"]["failed"], facts["tmoutd"]["running"], failed(facts)),
              (2, False, ["pam-auth-line", "pam-session-line", "policy-tmoutd"]),
              "all of it is missed")
    tap.matches(text, r"(?m)^PAM +2 checks failed$", "for people: PAM")
    tap.matches(text, r"(?m)^tmoutd +not running$", "and tmoutd")
    write(path, saved)


def ordinary_users():
    """an ordinary user is told why not"""
    result = run("setpriv", "--reuid=ann", "--clear-groups", "/usr/bin/tmoutctl", "status")
    tap.equal((result.returncode, result.stdout, result.stderr),
              (2, "", "tmoutctl: must be run as root\n"), "only root")


setup_passwords(VALID, "PasswordAuthentication yes\n", ["sshd"], {"bob": "right", "eve": "right"})
write(DROP_IN, "default { warn = 1m }\n")
apply()
user("ann")
must("tmoutctl", "shells", "--install")
tmoutd.start()
tap.run(all_is_well, logins_and_locks, a_ledger_with_a_fault, an_invalid_edit, no_policy,
        pam_without_the_module, ordinary_users)
