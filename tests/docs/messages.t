#!/usr/bin/python3
"""Every message that means trouble names a command that helps, or tmout-recovery(7);
and what the journal explains is in the catalog."""
import glob
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.commands import run
from host.files import REPOSITORY, read
from host.tap import tap

HELP = re.compile(r"tmout-recovery\(7\)|tmoutctl [a-z]|pam-auth-update|dpkg --configure|authselect")
TROUBLE = r"LOG_(?:EMERG|ALERT|CRIT|ERR|WARNING)"
# The policy at work, which nobody has to repair. The catalog explains these.
AT_WORK = ("LOG_EVENT_LOCKED", "LOG_EVENT_REJECTED", "LOG_EVENT_FORGED")
# Pass on a text that is made elsewhere: the one of `tmoutctl apply`, and those of
# log_no_policy(), which are checked themselves.
PASSED_ON = {("pam_module/policy_in_force.c", '"%s"'), ("tools/tmoutctl/verbs/apply.c", '"%s"')}
STRING = r'"(?:[^"\\]|\\.)*"'
CATALOG = "conf/tmout.catalog"


def joined(strings):
    """C's adjacent strings, as one."""
    return '"' + "".join(part[1:-1] for part in re.findall(STRING, strings)).replace('\\"', '"') + '"'


def calls(text):
    """(the call up to its format, the format) of each that logs trouble."""
    for found in re.finditer(rf"\b(?:pam_syslog|syslog|log_line|log_entry_begin)\(([^;\"]*?\b{TROUBLE}\b[^;\"]*?)"
                             rf"((?:{STRING}[\s\w]*)+)", text):
        yield found.group(1), joined(found.group(2))


def in_the_log():
    """lines of the log with a priority of warning or above"""
    count = 0
    for path in sorted(glob.glob("pam_module/*.c") + glob.glob("tools/**/*.c", recursive=True)
                       + glob.glob("lib/**/*.c", recursive=True)):
        for before, text in calls(read(path)):
            if (path, text) in PASSED_ON or any(event in before for event in AT_WORK):
                continue
            count += 1
            tap.ok(HELP.search(text), f"{path}: {text}")
    tap.ok(count > 40, "all of them were found", str(count))


def printed():
    """what tmoutctl and the packages print"""
    text = "".join(read(path) for path in (
        "tools/tmoutctl/verbs/apply.c", "tools/tmoutctl/host/policy_view.c", "tools/tmoutctl/host/user_attempts.c",
        "pam_module/policy_in_force.c"))
    for found in re.finditer(rf"(?:report|snprintf|failure_set)\((?:[^\"();]*(?:sizeof)?[^\"();]*,\s*)?((?:{STRING}\s*)+)", text):
        message = joined(found.group(1))
        if re.search(r"cannot apply|cannot write|no policy is in force: |; %s; |rejecting|damaged|^.%s: %s; ", message):
            tap.ok(HELP.search(message), f"{message}")
    for path in (*glob.glob("packaging/debian/*.p*"), "packaging/rpm/pam_tmout.spec"):
        # Messages in a row belong together.
        for block in re.findall(r"(?:^\s*(?:say |echo ['\"](?:libpam|pam)[-_]tmout: ).*\n(?:\s*echo \"\$lines\".*\n)?)+", read(path), re.M):
            if re.search(r"NOT IN USE|not removed|cannot|errors above|rejected", block):
                tap.ok(HELP.search(block), f"{path}: {block.split(chr(10))[0].strip()}", block)


def catalog():
    """the catalog has each event, and journalctl takes it"""
    identities = set(re.findall(r'\[LOG_EVENT_\w+\] = "([0-9a-f]{32})"', read("lib/host/journal.c")))
    entries = dict(re.findall(r"(?ms)^-- ([0-9a-f]{32})\n(.*?)(?=^-- |\Z)", read(CATALOG)))
    tap.ok(bool(identities) and identities == set(entries), "it explains each event, and no other",
           f"{identities ^ set(entries)}")
    keys = {key.upper() for path in glob.glob("**/*.c", recursive=True)
            for key in re.findall(r'log_entry_add(?:_field)?\(&?entry, "(\w+)"', read(path))}
    for identity, text in entries.items():
        subject = re.search(r"(?m)^Subject: (.*)$", text).group(1)
        named = set(re.findall(r"@TMOUT_(\w+)@", text))
        tap.ok(named <= keys, f"{subject}: its fields exist", f"{named - keys}")
        tap.ok(HELP.search(text) and "Documentation: man:" in text, f"{subject}: it says what to do", text)
    with tempfile.TemporaryDirectory() as root:
        folder = f"{root}/usr/lib/systemd/catalog"
        os.makedirs(folder)
        os.makedirs(f"{root}/var/lib/systemd/catalog")
        with open(f"{folder}/tmout.catalog", "w", encoding="utf-8") as file:
            file.write(read(CATALOG))
        done = run("journalctl", f"--root={root}", "--update-catalog")
        listed = run("journalctl", f"--root={root}", "--list-catalog").stdout
        tap.equal((done.returncode, {line.split(" ")[0] for line in listed.splitlines()}), (0, identities),
                  "journalctl lists them")


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    tap.run(in_the_log, printed, catalog)
