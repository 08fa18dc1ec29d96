#!/usr/bin/python3
"""The packages on a booted Debian release, which is the argument: installation,
upgrades and removal, with nobody locked out at any point. The scenarios build on
each other, in the order of a host's life.
"""
import contextlib
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

import built
import examples
import explained
import fleet_units
import idle_logind
import recovery
import metrics
import sandboxed
from booted_host import KEY, Host
from file_list import differences
from host.attempts import lets_in
from host.client import ssh, ssh_command, terminal
from host.commands import must
from host.files import remove
from host.isolation import Skip, isolate
from host.tap import tap
from host.waiting import Stuck, wait_until

PROGRAMS = ["systemd-nspawn", "mmdebstrap", "nsenter", "dpkg-buildpackage"]
SOAK = "TMOUT_SOAK" in os.environ
SAVED_AGAIN_SEC = 5
POLICY = "/etc/security/tmout.conf"
SNAPSHOT = "/var/lib/tmout/policy.v1"
MODULE = "/usr/lib/*-linux-gnu/security/pam_tmout.so"
LOCAL_SCRIPT = "# this site's own\nTMOUT=1234; export TMOUT\n"
STACKS = ["/etc/pam.d/common-auth", "/etc/pam.d/common-password", "/etc/pam.d/common-session",
          "/etc/pam.d/common-session-noninteractive"]
EDITED = """
default             { tmout = 15m }
group "contractors" { tmout = 5m   enforce = true   max_attempts = 2   lock_time = 1h }
"""
DISCONNECTING = EDITED + 'user "dora" { disconnect = 3s   warn = 1s }\n'
# What systemd, apt, dpkg, sshd, passwd, useradd and logins write.
WRITTEN_BY_OTHERS = (r"/etc/(passwd|shadow|group|gshadow|subuid|subgid)-?( |$)|/var/log(/|$)|/var/lib/(dpkg|apt|systemd)/|/var/lib/systemd$"
             r"|/var/cache/(apt|debconf)/"
             r"|/run/(systemd|log|user|lock|utmp|udev|dbus|sudo|faillock)\b|/run/motd|/run/sshd"
             r"|/var/tmp/systemd-private|/var/lib/lastlog|/run/credentials|/run/\.|/run/initctl|/run/host")

host = None
carl = None  # stays logged in from before the installation to after the purge
at_first = {}
new, older = [], []
store = []  # the packages of a store, for the release that the tests run on


def edit(text, outcome="Finished"):
    """Saves the policy like an editor, and waits until systemd has reacted. systemd
    misses an edit while it is still busy with an earlier one (tmout-apply.path), so
    it is saved again, as somebody would who sees that nothing happened."""
    mark = host.journal.mark()
    saved_at = 0

    def reacted():
        nonlocal saved_at
        if time.monotonic() - saved_at > SAVED_AGAIN_SEC:
            host.write(POLICY, text)
            saved_at = time.monotonic()
        return host.journal.since(mark, rf"{outcome} tmout-apply\.service")

    wait_until(reacted, f"systemd does not react to the edit: {outcome} is missing")


def show(name):
    return json.loads(host.must("tmoutctl", "show", name, "--json"))


def shell_limit(name):
    """TMOUT in a login shell, and whether it is readonly."""
    with terminal(name) as person:
        person.wait_prompt()
        limit = person.ask("$TMOUT")
        person.type("TMOUT=77")
        return limit, person.ask("$TMOUT") != "77"


def in_stacks():
    return ["pam_tmout.so" in host.read(stack) for stack in STACKS]


def by_key(name, command="true"):
    return ssh(name, command).returncode == 0


def module_path():
    return host.must("sh", "-c", f"ls {MODULE}").strip()


def prepare():
    """The host before the installation: users, passwords in sshd, a local tmout.sh."""
    global carl
    host.write("/etc/profile.d/tmout.sh", LOCAL_SCRIPT)
    sshd = "PasswordAuthentication yes\nUseDNS no\n"
    if not host.run("sshd", "-T", "-o", "PerSourcePenalties=no").stderr.count("Bad configuration"):
        sshd = "PerSourcePenalties no\n" + sshd
    host.write("/etc/ssh/sshd_config.d/tests.conf", sshd)
    host.connect()
    for name, groups in ("anna", ["sudo"]), ("bob", ["contractors"]), ("carl", []), ("dora", []):
        host.user(name, "right", groups)
        # systemd 257 takes half a minute to end a user's manager, and a login
        # in that time has to wait for it.
        host.must("loginctl", "enable-linger", name)
    host.must("systemctl", "restart", "ssh")
    for name in "anna", "bob":  # creates what a first login creates
        tap.ok(by_key(name) and lets_in(name, "right"), f"{name} can log in before the installation")
    carl = terminal("carl")
    carl.wait_prompt()
    at_first.update(host.snapshot("/etc", "/usr", "/var", "/run"))


def install():
    """the older version is installed"""
    done = host.install(*older)
    tap.equal(done.returncode, 0, "apt installs it") or tap.note(done.stdout)
    tap.equal(in_stacks(), [True] * len(STACKS), "the module is in the stacks")
    auth = [line for line in host.read(STACKS[0]).splitlines() if re.match("auth", line)]
    tap.matches(auth[0], r"pam_tmout\.so", "its auth line comes first")
    tap.equal(show("anna")["policy"]["state"], "in force", "the policy is in force")
    tap.equal(host.run("systemctl", "is-active", "tmoutd", "tmout-apply.path").stdout.split(),
              ["active", "active"], "tmoutd runs, the policy is watched")
    tap.equal(host.run("systemctl", "--failed", "--plain", "--no-legend").stdout, "", "no unit failed")
    tap.equal(host.read("/etc/profile.d/tmout.sh.before-pam_tmout"), LOCAL_SCRIPT,
              "the local tmout.sh is kept")
    tap.matches(done.stdout, r"tmout\.sh already existed\. It was saved as", "and apt's output says so")
    reads = "user_readenv=1" in host.read("/etc/pam.d/sshd")
    tap.equal("reads ~/.pam_environment after the limit is set" in done.stdout, reads,
              "and warns where ~/.pam_environment takes precedence")
    tap.ok("NOT IN USE" not in done.stdout and "twice" not in done.stdout, "and nothing else", done.stdout)


def new_password():
    """users change their passwords, and root does"""
    for old, new, again, result in (("right", "Gooseberry-7", "Gooseberry-8", "not match"),
                                    ("right", "Gooseberry-7", "Gooseberry-7", "updated successfully"),
                                    ("wrong", None, None, "unchanged")):
        with terminal("anna", "passwd") as anna:
            anna.wait("(?i)current password: ?")
            anna.type(old)
            if new:
                anna.wait("New password: ?")
                anna.type(new)
                anna.wait("Retype new password: ?")
                anna.type(again)
            tap.ok(anna.wait(result), f"{old}, {new}, {again}: {result}")
    tap.ok(lets_in("anna", "Gooseberry-7"), "the new one works")
    host.must("chpasswd", input="anna:right\n", stdin=None)
    tap.ok(lets_in("anna", "right"), "and so does one that root has set")


def limits():
    """limits, with the policy edited"""
    tap.equal(shell_limit("anna"), ("900", False), "anna has 15 minutes, and can change them")
    edit(EDITED)
    tap.equal(show("bob")["policy"]["state"], "in force", "an edit is in force before the next login")
    tap.equal(shell_limit("bob"), ("300", True), "bob has 5 minutes, and cannot change them")


def typo():
    """an error in the policy"""
    mark = host.journal.mark()
    edit(EDITED.replace("lock_time", "luck_time"), "Failed to start")
    line = host.journal.wait(r"tmoutctl\[\d+\]: .*tmout\.conf:3", mark)
    tap.matches(line, "luck_time.*stays in force", "the journal names file, line and the policy in force")
    tap.ok(lets_in("anna", "right"), "logins work")
    tap.equal(shell_limit("bob"), ("300", True), "with the last valid policy")
    for _ in range(12):  # more than systemd's start limit
        edit(EDITED.replace("lock_time", "luck_time"), "Failed to start")
    edit(EDITED)
    tap.equal(host.run("systemctl", "--failed", "--plain", "--no-legend").stdout, "",
              "fixed, no unit has failed")


def user_environment():
    """~/.pam_environment, where sshd reads it"""
    sshd = host.read("/etc/pam.d/sshd")
    host.write("/home/bob/.pam_environment", "PAM_TMOUT DEFAULT=\"none\"\n")
    said = ssh("bob", "echo $PAM_TMOUT").stdout.strip()
    if "user_readenv=1" in sshd:
        tap.equal(said, "none", "the user's value takes precedence over common-session")
        host.write("/etc/pam.d/sshd", sshd + "session optional pam_tmout.so\n")
        said = ssh("bob", "echo $PAM_TMOUT").stdout.strip()
    tap.equal(said, "300 readonly", "the limit takes precedence, with the line from the advice")
    sessions = host.run("tmoutctl", "sessions", "--json").stdout
    tap.ok("bob" not in sessions, "a login that opened its session twice is closed", sessions)
    host.write("/etc/pam.d/sshd", sshd)
    os.unlink(host.path("/home/bob/.pam_environment"))


def attempts():
    """failed logins across restarts of sshd"""
    mark = host.journal.mark()
    tap.ok(not lets_in("bob", "wrong", "wrong"), "two wrong passwords")
    host.journal.wait(r"pam_tmout\(sshd:auth\): .*user=bob", mark)
    host.must("systemctl", "restart", "ssh")
    tap.ok(not lets_in("bob", "right"), "bob is locked, also after a restart of sshd")
    tap.ok(by_key("bob"), "the key still works")
    tap.ok(lets_in("anna", "right"), "anna's password still works")
    host.must("tmoutctl", "unlock", "bob")
    tap.ok(lets_in("bob", "right"), "after unlock, the password works again")


def disconnects(restarts=True):
    """tmoutd disconnects an idle session, across its own restart"""
    edit(DISCONNECTING)
    mark = host.journal.mark()
    with terminal("dora", "sleep", "1000") as dora:
        if restarts:
            host.must("systemctl", "restart", "tmoutd")
        try:
            dora.wait_end()
        except Stuck:
            tap.note(host.run("tmoutctl", "sessions").stdout, host.run("tmoutctl", "show", "dora").stdout)
            raise
    line = host.journal.wait(r"tmoutd\[\d+\]: disconnected.*user=dora", mark)
    tap.matches(line, r"tmout\.conf:4", "disconnected, and the journal names the rule")
    edit(EDITED)


def explained_by_the_journal():
    """the journal has the events so far with fields, once each, and explains them"""
    explained.all_events(host)


def forged_times():
    """the same of a terminal whose user sets its times"""
    edit(DISCONNECTING)
    explained.forged(host)
    edit(EDITED)


def recovered():
    """the remedies of tmout-recovery(7)"""
    recovery.everything(host, edit, new)
    edit(EDITED)


def examples_of_the_manual():
    """each example of the manual pages"""
    examples.run_all(host)
    edit(EDITED)


def wired_by_hand():
    """a host whose stacks already have the lines"""
    sshd = host.read("/etc/pam.d/sshd")
    host.write("/etc/pam.d/sshd", "auth requisite pam_tmout.so\n" + sshd)
    host.write(POLICY, EDITED.replace("max_attempts = 2", "max_attempts = 1"))
    done = host.install(*new)
    tap.equal(done.returncode, 0, "the package installs")
    tap.equal(in_stacks(), [False] * len(STACKS), "the stacks are not changed")
    tap.matches(done.stdout, "already include the module: /etc/pam.d/sshd", "and apt's output says so")
    tap.ok("NOT IN USE" not in done.stdout, "and nothing else", done.stdout)
    logs_in("wired by hand")
    tap.equal(host.install(*new, options=["--reinstall"]).returncode, 0, "installed over itself")
    tap.equal(in_stacks(), [False] * len(STACKS), "the stacks are still not changed")
    host.write("/etc/pam.d/sshd", sshd)
    host.must("pam-auth-update", "--enable", "tmout")
    tap.equal(in_stacks(), [True] * len(STACKS), "switched over as the advice says")
    logs_in("switched over")
    host.must("apt-get", "purge", "-y", "libpam-tmout", "tmoutd")


def first_policy_wrong():
    """a policy that existed before, with an error"""
    host.write(POLICY, EDITED.replace("lock_time", "luck_time"))
    done = host.install(*new)
    tap.equal(done.returncode, 0, "the package installs")
    tap.matches(done.stdout, r"tmout\.conf:3: .*luck_time", "the error is named")
    tap.matches(done.stdout, r"/usr/share/tmout/tmout\.conf is in force", "and the policy in force until it is fixed")
    logs_in("with the shipped policy")
    edit(EDITED)
    tap.equal(shell_limit("bob"), ("300", True), "fixed, it is in force")
    host.must("apt-get", "purge", "-y", "libpam-tmout", "tmoutd")


def together_with_logind():
    """logind's StopIdleSessionSec and tmoutd together: the stricter one acts"""
    host.install(*new)
    host.must("systemctl", "is-active", "tmoutd")
    host.write("/etc/systemd/logind.conf.d/idle.conf", "[Login]\nStopIdleSessionSec=3s\n")
    edit(EDITED + 'user "dora" { disconnect = 1h }\n')
    idle_logind.restart(host.must)
    with terminal("dora") as dora:
        dora.wait_prompt()
        session = dora.ask("$XDG_SESSION_ID")
        if not host.must("loginctl", "show-session", "--property=TTY", "--value", session).strip():
            tap.skip("logind ends the session", "this logind does not know the terminal of a login over SSH")
            must("kill", str(dora.process.pid))
        dora.wait_end()
    wait_until(lambda: "dora" not in host.run("tmoutctl", "sessions").stdout,
                      "a login that logind ended stays registered")
    tap.equal(host.run("systemctl", "is-active", "tmoutd").stdout.strip(), "active",
              "a session that logind ended leaves nothing behind, and tmoutd runs")
    host.write("/etc/systemd/logind.conf.d/idle.conf", "[Login]\nStopIdleSessionSec=1h\n")
    idle_logind.restart(host.must)
    disconnects(restarts=False)
    remove(host.path("/etc/systemd/logind.conf.d"))
    idle_logind.restart(host.must)


def logind_alone():
    """which idle sessions logind ends: its rows of the table in the README"""
    for situation, expected, came in idle_logind.cells(host.must, ssh_command, KEY):
        tap.equal(came, expected, f"{situation}: {expected}")


def shares_attempts():
    """tmout-fleetd, started by systemd, with a store on the same host"""
    host.install(*new)
    fleet_units.everything(host, edit, built.fleet_package(), store)
    edit(EDITED)


def judged_by_systemd():
    """systemd-analyze has nothing against the installed unit"""
    sandboxed.judged_by_systemd(host)


def confined():
    """the sandbox is in force, and helpers drop what they do not need under it"""
    sandboxed.confined(host)


def metrics_written():
    """the optional timer unit writes metrics"""
    metrics.written(host)


def stopped():
    """a tmoutd that is stopped is replaced by the watchdog, and logins are cut in time"""
    edit(sandboxed.POLICY)
    sandboxed.stopped(host)


def frozen():
    """a login whose control group is frozen ends, and keeps nobody else's open"""
    edit(sandboxed.POLICY)
    sandboxed.frozen(host)
    edit(EDITED)


def units_of_a_user():
    """leftovers = end spares the units of a user who lingers"""
    edit(EDITED + 'user "dora" { leftovers = end }\n')
    sandboxed.units_of_a_user(host)
    edit(EDITED)


def logind_in_the_audit():
    """the audit asks the running logind for its limit, and systemd-analyze for its files"""
    path = "/etc/systemd/logind.conf.d/idle.conf"

    def found():
        document = json.loads(host.run("tmoutctl", "audit", "--json").stdout)
        rows = [row for row in document["findings"] if row["id"] == "host-logind"]
        return [(row["status"], row["file"], row["line"], "running" in row["message"])
                for row in rows]

    edit("default { tmout = 1h }\n")
    host.write(path, "[Login]\n# a comment\nStopIdleSessionSec=10min\n")
    tap.equal(found(), [("NOTE", path, 3, False)], "a file that logind has not read yet")
    idle_logind.restart(host.must)
    tap.equal(found(), [("NOTE", path, 3, False)], "one that it has read")
    remove(host.path(path))
    tap.equal(found(), [("NOTE", None, None, True)], "a limit that only the running logind has")
    idle_logind.restart(host.must)
    tap.equal(found(), [("PASS", None, None, False)], "no limit")


def logs_in(state):
    """Tests that everybody can log in, in this state of the packages."""
    tap.ok(lets_in("anna", "right"), f"{state}: anna's password")
    tap.ok(lets_in("bob", "right"), f"{state}: bob's password, with a limit")
    tap.ok(by_key("bob"), f"{state}: bob's key")


def upgrade():
    """an upgrade with changed conffiles, step by step"""
    paths = host.copy_in(new)
    host.must("dpkg", "--force-confold", "--unpack", *paths)
    tap.matches(host.must("dpkg-query", "-W", "-f", "${Status}", "libpam-tmout"), "unpacked",
                "unpacked, not configured")
    logs_in("unpacked")
    host.must("dpkg", "--force-confold", "--configure", "--pending")
    tap.equal(host.read(POLICY), EDITED, "the site's policy is kept")
    tap.ok(built.PREVIOUS not in host.read("/etc/profile.d/tmout.sh"), "an unchanged conffile is replaced")
    tap.equal(in_stacks(), [True] * len(STACKS), "the module is in the stacks")
    tap.equal(host.read("/etc/profile.d/tmout.sh.before-pam_tmout"), LOCAL_SCRIPT,
              "the local tmout.sh is still kept")
    logs_in("configured")
    tap.equal(shell_limit("bob"), ("300", True), "configured: bob's limit")


def failed_upgrade():
    """an upgrade that fails, before and after unpacking"""
    broken = [built.broken(new[0], "9.0", "preinst", "#!/bin/sh\nexit 1\n"),
              built.broken(new[0], "9.1", "postinst",
                                   '#!/bin/sh\n[ "$1" != configure ] || exit 1\n')]
    tap.ok(host.run("dpkg", "--force-confold", "-i", *host.copy_in(broken[:1])).returncode != 0,
           "one whose preinst fails")
    tap.equal(host.must("dpkg-query", "-W", "-f", "${Version}", "libpam-tmout"), built.version(),
              "leaves the old version in place")
    logs_in("failed before")
    tap.ok(host.run("dpkg", "--force-confold", "--force-depends", "-i",
                    *host.copy_in(broken[1:])).returncode != 0, "one whose postinst fails")
    logs_in("half configured")
    tap.equal(host.run("dpkg", "--force-confold", "--force-downgrade", "-i",
                       *host.copy_in(new)).returncode, 0, "a working one repairs it")
    tap.equal(host.must("dpkg", "--audit"), "", "dpkg --audit finds nothing")
    logs_in("repaired")


def without_module():
    """the stacks name the module, but its file is missing"""
    path, sshd = module_path(), host.read("/etc/pam.d/sshd")
    host.must("mv", path, path + ".away")
    logs_in("no module")
    host.write("/etc/pam.d/sshd", "auth requisite pam_tmout.so\n" + sshd)
    tap.ok(not lets_in("anna", "right"), "with a requisite line, no password works")
    tap.ok(by_key("anna"), "a key does, as the README says")
    host.must("mv", path + ".away", path)
    tap.ok(lets_in("anna", "right"), "with the module back in place, passwords work")
    host.write("/etc/pam.d/sshd", sshd)


def without_snapshot():
    """the applied policy has an unknown format"""
    host.must("mv", SNAPSHOT, "/var/lib/tmout/policy.v0")
    logs_in("another format")
    tap.ok(host.exists(SNAPSHOT), "the first login rebuilds it")
    os.unlink(host.path("/var/lib/tmout/policy.v0"))


def without_policy():
    """no applied policy, and an error in the file"""
    edit(EDITED.replace("lock_time", "luck_time"), "Failed to start")
    host.must("mv", SNAPSHOT, "/root/away")
    tap.ok(not lets_in("anna", "right"), "passwords are rejected, as the README says")
    tap.ok(by_key("anna"), "keys work")
    explained.no_policy(host)
    recovery.sudo_without_policy()
    tap.equal(host.run("tmoutctl", "check").returncode, 1, "tmoutctl check finds the error")
    host.write(POLICY, EDITED)
    host.must("tmoutctl", "apply")
    logs_in("fixed and applied")


def without_registry():
    """the registry of logins is missing"""
    host.must("rm", "-rf", "/run/tmout/sessions")
    logs_in("no registry")
    host.must("systemctl", "stop", "tmoutd")  # it would recreate the directory at once
    host.must("rm", "-rf", "/run/tmout")
    host.must("systemctl", "start", "tmoutd")
    logs_in("no registry, tmoutd started")
    disconnects()


def removal_refused():
    """removal is refused if a local line would lock everybody out"""
    sshd, shells = host.read("/etc/pam.d/sshd"), host.run("tmoutctl", "shells").stdout
    host.write("/etc/pam.d/sshd", "auth requisite pam_tmout.so\n" + sshd)
    done = host.run("apt-get", "remove", "-y", "libpam-tmout", stderr=subprocess.STDOUT)
    tap.ok(done.returncode != 0 and "/etc/pam.d/sshd:1:auth requisite" in done.stdout,
           "the package is not removed, and the line is named", done.stdout)
    tap.equal(in_stacks(), [True] * len(STACKS), "the module is in the stacks")
    tap.equal(host.run("systemctl", "is-active", "tmoutd").stdout, "active\n", "tmoutd still runs")
    tap.equal(host.must("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", "libpam-tmout", "tmoutd"),
              "ii ii ", "both packages are installed, and meant to be")
    tap.equal(host.run("tmoutctl", "shells").stdout, shells, "the shells' files are as they were")
    host.write("/etc/pam.d/sshd", sshd)
    tap.equal(host.must("dpkg", "--audit"), "", "dpkg --audit finds nothing")
    logs_in("not removed")


def removed():
    """removal and reinstallation"""
    host.must("apt-get", "remove", "-y", "libpam-tmout", "tmoutd")
    tap.equal(in_stacks(), [False] * len(STACKS), "the module is in no stack")
    tap.equal(shell_limit("anna")[0], "", "the shell has no limit, not even the fallback")
    tap.ok(lets_in("bob", "right"), "bob's password works")
    tap.equal(host.install(*new).returncode, 0, "installed again")
    tap.equal(host.read(POLICY), EDITED, "the site's policy is unchanged")
    tap.equal(shell_limit("bob"), ("300", True), "and bob's limit")
    tap.equal(host.install(*new, options=["--reinstall"]).returncode, 0, "reinstalled over itself")
    logs_in("reinstalled")


def purged():
    """a purge restores the host"""
    done = host.run("apt-get", "purge", "-y", "libpam-tmout", "tmoutd", stderr=subprocess.STDOUT)
    tap.equal(done.returncode, 0, "apt purges it")
    now = host.snapshot("/etc", "/usr", "/var", "/run")
    left = [line for line in differences(at_first, now) if not re.match(rf". ({WRITTEN_BY_OTHERS})", line)]
    tap.equal(left, [], "/etc, /usr, /var and /run are as before")
    tap.equal(host.read("/etc/profile.d/tmout.sh"), LOCAL_SCRIPT, "the local tmout.sh is back")
    tap.equal(carl.ask("$USER"), "carl", "a session from before the installation is still there")
    tap.ok(lets_in("anna", "right") and by_key("bob"), "and logins work")


def edited_by_hand():
    """a common-auth that was edited by hand"""
    before = host.read(STACKS[0])
    text = re.sub(r"(?m)^auth.*pam_unix\.so.*$", "auth [success=1 default=ignore] pam_unix.so", before)
    host.write(STACKS[0], text)
    done = host.install(*new)
    tap.equal(done.returncode, 0, "the package installs")
    tap.equal(host.read(STACKS[0]), text, "the file is not changed")
    tap.matches(done.stdout, r"NOT IN USE: /etc/pam.d/common-auth", "and apt's output says so")
    tap.ok(lets_in("anna", "right"), "logins work")
    line = re.search(r"(?m)^\S+\s+(auth \[success=ok.*)$", done.stdout).group(1)
    host.write(STACKS[0], line + "\n" + text)
    tap.ok(not lets_in("bob", "wrong", "wrong", "wrong") and lets_in("anna", "right"),
           "also with the line from the advice")
    host.must("apt-get", "purge", "-y", "libpam-tmout", "tmoutd")
    tap.ok(lets_in("anna", "right"), "purged, with the line still there, logins work")
    tap.equal(host.read(STACKS[0]), line + "\n" + text, "and the file is unchanged")
    host.write(STACKS[0], before)


def main():
    global host
    suite, turn = sys.argv[1], contextlib.ExitStack()
    try:
        isolate(*PROGRAMS)
        paths, version = built.packages()
        new.extend(paths)
        older.extend(built.previous(paths))
        store.extend(fleet_units.fetch_store(suite))
        # Two containers would share their control groups, and remove each other's.
        turn.enter_context(built.lock("booted"))
        host = Host(suite)
    except Skip as why:
        tap.skip(f"{suite}: packages on a booted host", why)
        tap.end()
    tap.note(f"{suite}: version {version} over {older}",
             host.must("ssh", "-V", stderr=subprocess.STDOUT).strip(), "ssh.socket is",
             host.run("systemctl", "is-active", "ssh.socket").stdout.strip())
    tap.log = host.journal
    # The manual is the same on every release.
    with_examples = SOAK or suite == "bookworm"
    scenarios = [prepare, install, new_password, limits, typo, user_environment, attempts, disconnects,
                 explained_by_the_journal, *SOAK * [forged_times], upgrade, *SOAK * [recovered],
                 *with_examples * [examples_of_the_manual], failed_upgrade, judged_by_systemd, confined,
                 metrics_written, stopped, *SOAK * [frozen], units_of_a_user,
                 without_module, without_snapshot, without_policy, without_registry, removal_refused,
                 removed, purged, edited_by_hand, wired_by_hand,
                 first_policy_wrong, together_with_logind, logind_in_the_audit, logind_alone,
                 *bool(store) * [shares_attempts]]
    chosen = os.environ.get("ROUNDS", "").split()
    tap.run(*[each for each in scenarios if not chosen or each.__name__ in chosen])


if __name__ == "__main__":
    main()
