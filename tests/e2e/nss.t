#!/usr/bin/python3
"""Users and groups that are not in /etc/passwd and /etc/group.

A second source, libnss-extrausers, has them in files of its own. What it
returns is a name like any other, for the module and for `tmoutctl show`. A source
of ours, tests/host/nss_trial.c, counts what it is asked, and fails on demand.
"""

import glob
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import passwords, uid, user
from host.attempts import su
from host.client import KEY, pam_tmout
from host.commands import must, run, side_by_side
from host.files import REPOSITORY, append, read, write
from host.product import LEDGERS, errors, fresh, show, unlock
from host.setup import setup
from host.sshd import sshd
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


# Of nss.h.
TRYAGAIN, UNAVAILABLE, NOT_FOUND, SUCCESS = -2, -1, 0, 1
# Of our source.
NEVER = 100


def trial(groups, status=SUCCESS, error=0, user_status=SUCCESS, user_error=0, listing=(SUCCESS, 0)):
    """Sets how our source answers, and forgets what it was asked."""
    write("/etc/nss_trial", f"{groups} {status} {error} {user_status} {user_error} "
                            f"{listing[0]} {listing[1]}\n")
    write("/run/nss_trial", "", 0o666)


def group_rules(names):
    return "default { tmout = 30m }\n" + "".join(
        f"group {name} {{ tmout = {seconds}s }}\n" for name, seconds in names.items())


def install_trial(*flags):
    must("cc", "-shared", "-fPIC", "-D_GNU_SOURCE", *flags, "-o", f"{LIBRARIES}/libnss_trial.so.2.new",
         f"{REPOSITORY}/tests/host/nss_trial.c")
    os.rename(f"{LIBRARIES}/libnss_trial.so.2.new", f"{LIBRARIES}/libnss_trial.so.2")


def a_user_in_many_groups():
    """a user in 500 groups: only those are asked for that have a rule"""
    install_trial()
    must("sed", "-i", "-E", "s/^(passwd|group):.*/\\1: files trial/", "/etc/nsswitch.conf")
    write("/home/trial/.ssh/authorized_keys", read(KEY + ".pub"), 0o600)
    must("chown", "-R", "7100:7200", "/home/trial")
    append("/etc/shadow", "trial:*:19000::::::\n")
    sshd.stop()
    sshd.start()
    trial(500)
    fresh(group_rules({"t499": 60, "t500": 50, "u": 40, **{f"t{n}": 100 + n for n in range(7)}}))
    write("/run/nss_trial", "", 0o666)
    tap.equal(pam_tmout("trial"), "60 default", "the strictest of their rules applies")
    # sshd asks for all groups, by number, for the Match blocks of its configuration.
    # The rules are in the order of their names, and t500 and u are not theirs.
    tap.equal(re.findall("i(?:ng?)+", read("/run/nss_trial")), ["i" + 7 * "ng" + "nngn"],
              "the groups with a rule were asked for by name, and once; the numbers of theirs, too")
    tap.equal(show("trial")["settings"]["tmout"]["rule"], 'group "t499"', "tmoutctl show agrees")
    tap.equal(len(show("trial")["groups"]), 500, "and lists all groups")


def a_source_that_fails():
    """the second source fails: users of the first one keep the limit that they had"""
    for name in (f"own{n}" for n in range(12)):
        must("groupadd", name)
        must("gpasswd", "-a", "member", name)
    rules = group_rules({"own3": 120, "t3": 60})
    for status, error, why in FAILURES:
        trial(500)
        fresh(rules)
        tap.equal(pam_tmout("member"), "120 default", "the source answers")
        trial(500, status, error)
        tap.equal(pam_tmout("member"), "120 default", f"the source fails {why}")
        mark = syslog.mark()
        tap.equal(pam_tmout("trial"), "", f"{why}: users whose groups it has get the fallback")
        tap.equal(len(errors(mark)), 1, f"{why}: and the log says so")


FAILURES = [(UNAVAILABLE, 0, "without an error"), (UNAVAILABLE, 2, "with ENOENT"),
            (UNAVAILABLE, 111, "with ECONNREFUSED"), (TRYAGAIN, 11, "with EAGAIN")]


EIO, EPERM, ENOENT, ESRCH, EAGAIN, ENOMEM, ECONNREFUSED, ETIMEDOUT = 5, 1, 2, 3, 11, 12, 111, 110
# What a source says that has failed, and what one says that knows no groups of a
# user: systemd's says the last one where systemd does not run.
FAILED_LISTS = [(UNAVAILABLE, error) for error in (0, ENOENT, EIO, EPERM, ECONNREFUSED, ETIMEDOUT)] + \
               [(TRYAGAIN, error) for error in (0, ENOENT, ESRCH, EAGAIN, ENOMEM)]
EMPTY_LISTS = [(NOT_FOUND, error) for error in (0, ENOENT, EIO, EAGAIN)] + [(UNAVAILABLE, ESRCH)]
GROUP_LINES = ["group: files trial", "group: trial files", "group: files [SUCCESS=merge] trial",
               "group: files gone trial", "group: files [NOTFOUND=continue] trial [UNAVAIL=return] systemd",
               "initgroups: files [SUCCESS=continue] trial", "initgroups: trial [!SUCCESS=continue] files"]


def use_groups_of(line):
    must("sed", "-i", "-E", "/^initgroups:/d; s/^group:.*/group: files trial/", "/etc/nsswitch.conf")
    if line.startswith("initgroups:"):
        append("/etc/nsswitch.conf", line + "\n")
    else:
        must("sed", "-i", f"s/^group:.*/{line}/", "/etc/nsswitch.conf")


def tmout_of(name):
    """The limit in seconds, or what tmoutctl says why it does not know it."""
    result = run("tmoutctl", "show", "--json", name)
    if result.returncode == 0:
        return json.loads(result.stdout)["pam_tmout"]
    return result.stderr


def memberships_of_a_source_that_fails():
    """a group of /etc/group whose members another source knows: its rule is not lost with that source"""
    append("/etc/group", "t1:x:7201:\n")
    fresh(group_rules({"t1": 60}) + "group own { tmout = 2m }\n")
    for flags in [], ["-DWITHOUT_LISTS"]:
        install_trial(*flags)
        name = "trial" if flags else "shared"
        for line in GROUP_LINES:
            use_groups_of(line)
            trial(3)
            tap.equal(tmout_of(name), "60 default", f"{line}{' '.join(flags)}: the source answers")
            for listing in FAILED_LISTS:
                trial(3, listing=listing)
                told = tmout_of(name)
                tap.ok('name service "trial" failed' in str(told), f"{line}: it fails with {listing}", told)
            for listing in EMPTY_LISTS:
                trial(0, listing=listing)
                tap.equal(tmout_of(name), "1800 default", f"{line}: the user has no groups there: {listing}")
    install_trial()


def logins_without_a_source_of_groups():
    """passwords are rejected then, and sessions get the fallback; without group rules nobody asks"""
    use_groups_of("group: files trial")
    for rule, password, session in ("group t1", False, ""), ("user other", True, "1800 default"):
        fresh("default { tmout = 30m  max_attempts = 5 }\n" + rule + " { tmout = 1m  max_attempts = 1 }\n")
        trial(3, listing=(UNAVAILABLE, ENOENT))
        mark = syslog.mark()
        tap.equal(su("member", "shared", "right").returncode == 0, password, f"{rule}: the password")
        tap.equal(pam_tmout("shared"), session, f"{rule}: the session")
        tap.equal(len([e for e in errors(mark) if 'name service "trial" failed' in e]), 0 if password else 2,
                  f"{rule}: the log names the source")
    os.unlink(f"{LEDGERS}/{uid('shared')}")


def asking_about_groups():
    """an error is no absence: not for the audit, nor for tmoutctl sshd-config --check"""
    def findings(check="policy-names"):
        result = run("tmoutctl", "audit", "--check", check, "--json")
        return [f for f in json.loads(result.stdout)["findings"] if f["id"] == check]

    must("sed", "-i", "-E", "s/^(passwd|group):.*/\\1: files trial/", "/etc/nsswitch.conf")
    fresh('default { max_auth_tries = 3 }\ngroup t0 { max_auth_tries = 2 }\n')
    write("/etc/ssh/sshd_config.d/00-tmout.conf", must("tmoutctl", "sshd-config"))
    for status, error, why in FAILURES:
        trial(1)
        tap.equal([f["status"] for f in findings()], ["PASS"], "the source answers")
        tap.equal([f["status"] for f in findings("policy-groups")], ["PASS"], "about root's groups, too")
        trial(1, status, error, listing=(status, error))
        tap.ok(all(f["status"] == "FAIL" and 'name service "trial" failed' in f["message"]
                   for f in findings("policy-groups")), f"the source fails {why}: passwords are rejected",
               findings("policy-groups"))
        tap.ok(all("could not be asked" in f["message"] for f in findings()), f"the source fails {why}",
               findings())
        checked = run("tmoutctl", "sshd-config", "--check")
        tap.ok(checked.returncode == 2 and "could not be asked about group t0" in checked.stderr,
               f"{why}: --check has nothing to say", checked)
    trial(1, NEVER)
    found, checked, shown = side_by_side(lambda ask: ask(), (
        findings, lambda: run("tmoutctl", "sshd-config", "--check"),
        lambda: run("tmoutctl", "show", "member")))
    tap.equal([(f["status"], "does not answer" in f["message"]) for f in found], [("WARN", True)],
              "the source never answers: the audit ends, and says so")
    for what, result in ("--check", checked), ("show", shown):
        tap.equal((result.returncode, result.stdout), (2, ""), f"so does {what}")
        tap.matches(result.stderr, "could not be asked for: the name service does not answer",
                    "with the reason")
    tap.equal(run("pgrep", "-x", "tmoutctl").stdout, "", "and leaves no process")
    trial(1)
    os.unlink("/etc/ssh/sshd_config.d/00-tmout.conf")


def deleted_users():
    """tmoutctl prune removes their ledgers, unless a source fails that might know them"""
    fresh("default { max_attempts = 2  lock_time = forever }\n")
    trial(1)
    uids = {name: uid(name) for name in ("gone", "locked", "member")}
    for name in "gone", "locked", "locked", "member":
        su("member", name, "wrong")
    for name in "gone", "locked":
        must("userdel", name)
    tap.equal(sorted(os.listdir(LEDGERS)), sorted(map(str, uids.values())), "three ledgers")
    for order in "files trial", "trial files":
        must("sed", "-i", "-E", f"s/^passwd:.*/passwd: {order}/", "/etc/nsswitch.conf")
        for status, error, why in FAILURES:
            trial(1, user_status=status, user_error=error)
            result = run("tmoutctl", "prune")
            tap.equal((result.returncode, len(os.listdir(LEDGERS))), (2, 3),
                      f"{order}: nothing is removed while a source fails {why}")
            tap.matches(result.stderr, "^tmoutctl: cannot look up uid [0-9]+: .*keeping the ledger",
                        "which is said")
            listed = run("tmoutctl", "attempts")
            tap.ok(listed.returncode == 2 and "member" in listed.stdout and
                   "cannot look up 2 users" in listed.stderr, "and so does the list of attempts", listed)
    trial(1)
    tap.equal(json.loads(must("tmoutctl", "prune", "--json")),
              {"version": 1, "removed": 1, "in_use": 1, "unknown": 0, "failed": 0}, "then one is removed")
    tap.equal(sorted(os.listdir(LEDGERS)), sorted([str(uids["locked"]), str(uids["member"])]),
              "and not the one of a user who is locked")
    unlock(str(uids["locked"]))
    must("tmoutctl", "prune")
    tap.equal(os.listdir(LEDGERS), [str(uids["member"])], "that one follows after tmoutctl unlock")


def memberships_that_systemd_knows():
    """the list of all users' attempts finds them as a login does, for drop-ins of userdb, too"""
    if not run("sh", "-c", "ls /usr/lib/*/libnss_systemd.so.2 /usr/lib*/libnss_systemd.so.2").stdout:
        tap.skip("memberships of userdb", "libnss-systemd is not installed")
        return
    must("sed", "-i", "-E", "/^initgroups:/d; s/^(group|passwd):.*/\\1: files systemd/", "/etc/nsswitch.conf")
    must("groupadd", "dropped")
    write("/etc/userdb/member:dropped.membership", "{}\n", 0o644)  # an empty one would mask it
    fresh("default { max_attempts = 5 }\ngroup dropped { max_attempts = 4 }\n")
    for name in "member", "shared":
        su("member", name, "wrong")
    listed = {user["user"]: user["max_attempts"] for user in json.loads(must("tmoutctl", "attempts", "--json"))}
    tap.equal(listed, {"member": 4, "shared": 5}, "the list")
    for name, limit in listed.items():
        tap.equal(json.loads(must("tmoutctl", "attempts", "--json", name))["max_attempts"], limit, f"{name} alone")
        unlock(name)


LIBRARIES = must("sh", "-c", "dirname $(ldconfig -p | sed -n '/libc\\.so\\.6/{s/.*=> //p;q}')").strip()
HAS_EXTRA_USERS = glob.glob("/usr/lib*/libnss_extrausers.so.2") or \
    glob.glob("/usr/lib/*/libnss_extrausers.so.2")
setup(POLICY_TEXT, password_services=["su"])
PEOPLE = {"member": "right", "gone": "right", "locked": "right", "shared": "right"}
for person in PEOPLE:
    user(person)
passwords(PEOPLE)
if HAS_EXTRA_USERS:
    tap.run(extra_users, a_source_that_is_gone, a_user_in_many_groups, a_source_that_fails,
            memberships_of_a_source_that_fails, logins_without_a_source_of_groups,
            asking_about_groups, deleted_users, memberships_that_systemd_knows)
else:
    tap.skip("users of another source", "libnss-extrausers is not installed")
    tap.run(a_user_in_many_groups, a_source_that_fails, memberships_of_a_source_that_fails,
            logins_without_a_source_of_groups, asking_about_groups, deleted_users, memberships_that_systemd_knows)
