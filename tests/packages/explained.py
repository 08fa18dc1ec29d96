"""What the journal of a booted host has of pam_tmout's events: a MESSAGE_ID, fields,
an explanation, and each line once. Scenarios of booted.t.
"""
import json
import re

from host.client import terminal
from host.files import REPOSITORY, read
from host.tap import tap

FORGE = 'while sleep 0.2; do touch "$(tty)"; done'


def identities():
    """{event: MESSAGE_ID}"""
    return dict(re.findall(r'\[LOG_EVENT_(\w+)\] = "([0-9a-f]{32})"', read(REPOSITORY + "/lib/host/journal.c")))


def journal(host, *options):
    host.must("journalctl", "--sync")
    return host.must("journalctl", "--no-pager", *options)


def entries(host, event, *matches):
    """The entries of this event, as {field: value}."""
    lines = journal(host, "--output=json", f"MESSAGE_ID={identities()[event]}", *matches).splitlines()
    return [json.loads(line) for line in lines]


def check(host, event, matches, fields, subject):
    """There are entries of the event; the last has these fields, as patterns, and is logged
    once, and explained."""
    found = entries(host, event, *matches)
    if not tap.ok(found, f"{event}: it is in the journal", journal(host, "-g", "tmout")[-3000:]):
        return
    entry = found[-1]
    wrong = [f"{name}={entry.get(name)}, not {pattern}" for name, pattern in fields.items()
             if not re.fullmatch(pattern, str(entry.get(name)))]
    tap.equal(wrong, [], f"{event}: its fields")
    # At one time: meanwhile it may be logged again.
    everything = map(json.loads, journal(host, "--output=json").splitlines())
    others = [other for other in everything if other.get("MESSAGE") == entry["MESSAGE"]
              and other.get("MESSAGE_ID") != entry["MESSAGE_ID"]]
    tap.equal(others, [], f"{event}: no line is there twice")
    shown = journal(host, "--catalog", f"MESSAGE_ID={identities()[event]}", *matches)
    tap.ok(subject in shown and "Documentation: man:" in shown, f"{event}: journalctl -x explains it", shown[-2000:])


def all_events(host):
    """after a lock, a rejection, a disconnect, and an edit with an error"""
    listed = host.must("journalctl", "--list-catalog", "--no-pager")
    missing = [name for name, identity in identities().items() if identity not in listed]
    tap.equal(missing, [], "the catalog was updated")
    who = {"TMOUT_USER": "bob", "TMOUT_SERVICE": "sshd", "TMOUT_ADDRESS": "127.0.0.1",
           "TMOUT_MAX_ATTEMPTS": "2", "SYSLOG_IDENTIFIER": "sshd(-session)?", "SYSLOG_FACILITY": "10"}
    check(host, "LOCKED", ["TMOUT_USER=bob"],
          {**who, "TMOUT_FAILURES": "2", "TMOUT_LOCK_TIME": "1h", "PRIORITY": "4",
           "MESSAGE": r"pam_tmout\(sshd:auth\): locked after too many failed attempts user=bob .* lock_time=1h"},
          "User bob is locked after failed login attempts")
    check(host, "UNLOCKED", ["TMOUT_USER=bob"],
          {"TMOUT_USER": "bob", "TMOUT_SERVICE": "tmoutctl", "TMOUT_ADDRESS": "local", "TMOUT_FAILURES": "2",
           "TMOUT_MAX_ATTEMPTS": "2", "TMOUT_LOCKED": "yes", "TMOUT_BY_UID": "0", "PRIORITY": "5",
           "SYSLOG_IDENTIFIER": "tmoutctl", "SYSLOG_FACILITY": "10", "MESSAGE": "unlocked user=bob .* by_uid=0"},
          "User bob was unlocked")
    check(host, "REJECTED", ["TMOUT_USER=bob"],
          {**who, "TMOUT_UNLOCK_IN": r"\d+m(\d+s)?|1h", "PRIORITY": "5"}, "A password of user bob was rejected unchecked")
    check(host, "DISCONNECTED", ["TMOUT_USER=dora"],
          {"TMOUT_SETTING": "disconnect", "TMOUT_LIMIT": "3s", "TMOUT_RULE": r".*tmout\.conf:4",
           "TMOUT_ADDRESS": "127.0.0.1", "TMOUT_TERMINAL": r"pts/\d+", "SYSLOG_IDENTIFIER": "tmoutd",
           "_SYSTEMD_UNIT": r"tmoutd\.service"}, "User dora was disconnected")
    check(host, "POLICY_INVALID", ["_SYSTEMD_UNIT=tmout-apply.service"],
          {"TMOUT_POLICY": "/etc/security/tmout.conf", "TMOUT_RULE": "/etc/security/tmout.conf:3",
           "SYSLOG_IDENTIFIER": "tmoutctl", "MESSAGE": '.*luck_time.*run "tmoutctl check"'},
          "The policy of pam_tmout has errors")


def forged(host):
    """a terminal whose user sets its times, with a limit of three seconds"""
    with terminal("dora", FORGE) as dora:
        dora.wait_end()
    check(host, "FORGED", ["TMOUT_USER=dora"],
          {"TMOUT_TERMINAL": r"pts/\d+", "TMOUT_ADDRESS": "127.0.0.1", "PRIORITY": "4"},
          "User dora set the times of a terminal")


def no_policy(host):
    """after a password was rejected because there is no policy"""
    check(host, "NO_POLICY", ["TMOUT_POLICY=/etc/security/tmout.conf"],
          {"SYSLOG_IDENTIFIER": "sshd(-session)?", "PRIORITY": "3",
           "MESSAGE": r'pam_tmout\(sshd:\w+\): no policy is in force: .*; run "tmoutctl \w+"'},
          "No policy of pam_tmout is in force")
