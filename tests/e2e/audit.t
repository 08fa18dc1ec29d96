#!/usr/bin/python3
"""tmoutctl audit: a correctly configured host, and one with each fault."""

import contextlib
import functools
import glob
import json
import os
import re
import shutil
import struct
import sys

import jsonschema

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.attempts import as_user
from host.commands import must, run
from host.files import append, read, remove, write
from host.pam_stacks import AUTH_LINE, SESSION_LINE
from host.product import DROP_INS, LEDGERS, POLICY, SNAPSHOT, STATE, apply, policy
from host.setup import setup
from host.tap import tap
from host.tmoutd import tmoutd

GOOD = """default {
    tmout        = 15m
    disconnect   = 20m
    max_attempts = 5
}
group "sudo" { tmout = 10m }
"""
SSHD = "/etc/ssh/sshd_config"
DROP_IN = "/etc/ssh/sshd_config.d/50-site.conf"
# Where fixes of global values go.
SITE = "/etc/ssh/sshd_config.d/01-site.conf"
SSHD_PAM = "/etc/pam.d/sshd"
COMMON = "/etc/pam.d/common-session-noninteractive"
LOGIND = "/etc/systemd/logind.conf.d/50-site.conf"
FAILLOCK = "/etc/security/faillock.conf"
TIOCSTI = "/proc/sys/dev/tty/legacy_tiocsti"
PRESETS = "/usr/share/tmout/presets"
SCHEMA = jsonschema.Draft7Validator(
    json.loads(read(os.path.join(os.path.dirname(__file__), "../../docs/audit-1.schema.json"))))


LAST = {}  # the last audit's options, and its patch


def audit(*options):
    """The findings, and the exit status."""
    result = run("tmoutctl", "audit", "--json", *options)
    document = json.loads(result.stdout)
    SCHEMA.validate(document)
    LAST.update(options=options, patch=document["patch"])
    return document["findings"], result.returncode


def patch(text):
    """Applies a patch as the manual says."""
    if text:
        must("patch", "--batch", "-s", "-p1", "-d", "/", stdin=None, input=text)


def fix(findings, *options):
    """Does what the findings offer: applies the patch of an audit with these options, if
    possible the last one's, and runs each command."""
    if any(f["patch"] for f in findings):
        if LAST["options"] != options:
            audit(*options)
        patch(LAST["patch"])
    for command in {f["command"] for f in findings if f["command"]}:
        run("sh", "-c", command.replace("systemctl", ": systemctl"))
    run("tmoutctl", "apply", "--quiet")


def key(finding):
    return tuple(finding[name] for name in ("id", "status", "file", "line", "message"))


def troubles():
    """What is wrong on the host now, as a set."""
    findings, status = audit()
    found = {key(f): f for f in findings if f["status"] != "PASS"}
    if status != (1 if any(f["status"] == "FAIL" for f in findings) else 0):
        raise RuntimeError(f"status {status} does not match {findings}")
    return found


@contextlib.contextmanager
def saved(*paths):
    """Restores these files and directories at the end, and where patches put sshd's values."""
    kept = {}
    for number, path in enumerate(dict.fromkeys((*paths, SITE))):
        kept[path] = f"/run/saved.{number}" if os.path.lexists(path) else None
        if kept[path]:
            must("cp", "-a", path, kept[path])
    try:
        yield
    finally:
        for path, copy in kept.items():
            remove(path)
            if copy:
                must("cp", "-a", copy, path)
                remove(copy)
        run("tmoutctl", "apply", "--quiet")


def line_of(path, text):
    """The number of the first line that contains this text."""
    for number, line in enumerate(read(path).splitlines(), 1):
        if text in line:
            return number
    raise RuntimeError(f"{path} has no {text!r}")


def fault(name, make, word, status, file=None, line=None, *, message="", paths=(), has_fix=True,
          also=(), count=1, undo=None):
    """Introduces a fault, which the check `word` must report at this place, with `count`
    findings, and no check but those in `also`; then runs its fix."""
    with saved(*paths):
        make()
        found = [f for k, f in troubles().items() if k not in CLEAN]
        found = [f for f in found if (f["status"] != "NOTE" and f["id"] != "shells-limit") or
                 f["id"] == word]
        place = line_of(file, line) if isinstance(line, str) else line
        right = [f for f in found if f["id"] == word and f["status"] == status]
        tap.ok(len(right) == count and {f["id"] for f in found} <= {word, *also} and
               any(f["file"] == file and f["line"] == place and message in f["message"]
                   for f in right),
               f"{name}: {status} {word} {file or ''}:{place or ''}", json.dumps(found, indent=1))
        if right:
            tap.ok(all(f["remediation"] or status == "NOTE" for f in right), f"{name}: what would be right", right)
        if has_fix and right:
            tap.ok(all(f["patch"] or f["command"] for f in right), f"{name}: with a fix", right)
            fix(right)
            left = [f for f in troubles().values() if f["id"] == word and key(f) not in CLEAN]
            tap.ok(not left, f"{name}: its fix works", json.dumps(left, indent=1),
                   read(file) if str(file).startswith("/etc/") and os.path.isfile(file) else "")
        if undo:
            undo()


def edit(path, old, new):
    text = read(path)
    if old not in text:
        raise RuntimeError(f"{path} has no {old!r}")
    write(path, text.replace(old, new, 1))


def prepend(path, text):
    write(path, text + read(path))


# --- the clean host -----------------------------------------------------------

def a_clean_host():
    """a host that is configured as the manual says gives no FAIL and no WARN"""
    findings, status = audit()
    tap.equal([f for f in findings if f["status"] != "PASS"], [], "nothing is wrong")
    tap.equal(status, 0, "the exit status is 0")
    ids = [f["id"] for f in findings]
    tap.equal(len(ids), len(set(ids)), "each check has an id of its own")
    plain = run("tmoutctl", "audit")
    tap.matches(plain.stdout, r"(?m)^PASS  sshd-use-pam +\S", "as text, one line each")
    tap.matches(plain.stdout, r"\n0 failed, 0 warnings, \d+ passed\n\Z", "and a total")
    tap.equal(run("tmoutctl", "audit", "--patch").stdout, "", "--patch prints nothing")
    tap.equal(run("tmoutctl", "audit", "--quiet").stdout, "", "--quiet prints nothing")


def the_schema():
    """the documented form of --json rejects others"""
    findings, _ = audit()
    for broken in ({"findings": findings, "patch": ""}, {"version": 2, "findings": [], "patch": ""},
                   {"version": 1, "findings": [{**findings[0], "status": "BAD"}], "patch": ""},
                   {"version": 1, "findings": [{**findings[0], "line": 0}], "patch": ""},
                   {"version": 1, "findings": [{**findings[0], "status": "FAIL"}], "patch": ""},
                   {"version": 1, "findings": findings, "patch": "sed -i"}):
        tap.ok(not SCHEMA.is_valid(broken), "it rejects what is not as documented", broken)


def calls():
    """usage errors, and users who are not root"""
    for words in (["--baseline"], ["--nonsense"], ["--baseline", "a", "--baseline", "b"], ["x"]):
        result = run("tmoutctl", "audit", *words)
        tap.equal((result.returncode, result.stdout), (2, ""), f"audit {' '.join(words)}")
    result = run(*as_user("kim", "/usr/bin/tmoutctl", "audit"))
    tap.equal((result.returncode, result.stdout), (2, ""), "an ordinary user gets no findings")
    tap.matches(result.stderr, "as root", "but a reason")


# --- sshd ---------------------------------------------------------------------

def sshd_fault(name, text, word, status, line, **more):
    """Puts this text before sshd's own configuration, in a drop-in."""
    fault(name, lambda: write(DROP_IN, text), word, status, DROP_IN, line, paths=[DROP_IN, SITE, SSHD],
          **more)


def what_sshd_leaves_open():
    """sshd's configuration against the policy"""
    sshd_fault("UsePAM no", "# UsePAM yes\nUsePAM no\n", "sshd-use-pam", "FAIL", 2,
               has_fix=False)
    sshd_fault("PermitUserEnvironment yes", "PermitUserEnvironment yes\n", "sshd-user-environment",
               "FAIL", 1)
    sshd_fault("PermitUserEnvironment with a pattern", "\nPermitUserEnvironment LANG,BASH*\n",
               "sshd-user-environment", "FAIL", 2)
    sshd_fault("AcceptEnv *", "AcceptEnv LANG *\n", "sshd-accept-env", "FAIL", 1)
    sshd_fault("AcceptEnv in a Match block", "Match User kim\n    AcceptEnv \"SHELL*\"\n",
               "sshd-accept-env", "FAIL", 2)
    sshd_fault("SetEnv TMOUT", "SetEnv LANG=C TMOUT=0\n", "sshd-set-env", "FAIL", 1)
    sshd_fault("ClientAliveInterval 0", "ClientAliveInterval 0\n", "sshd-client-alive", "WARN", 1)
    sshd_fault("ClientAliveInterval 0 in a Match block",
               "Match Group sudo\n    ClientAliveInterval 0\n", "sshd-client-alive", "WARN", 2)
    sshd_fault("ClientAliveCountMax 0", "ClientAliveCountMax 0\n", "sshd-client-alive-count",
               "FAIL", 1)
    sshd_fault("ClientAliveCountMax 0 in a Match block",
               "Match User kim\n    ClientAliveCountMax 0\n", "sshd-client-alive-count", "FAIL", 2)
    sshd_fault("MaxAuthTries beyond max_attempts", "MaxAuthTries 6\n", "sshd-max-auth-tries",
               "WARN", 1)
    if VERSION < (10, 5):
        sshd_fault("ChannelTimeout in a Match block",
                   "ChannelTimeout session:*=1h\nMatch User kim\n  ChannelTimeout session:*=5m\n",
                   "sshd-channel-timeout", "FAIL", 3)
    fault("no ClientAlive at all", lambda: edit(SSHD, "ClientAliveInterval", "#ClientAliveInterval"),
          "sshd-client-alive", "WARN", SSHD, None, paths=[SSHD, SITE])


def what_stops_sshd():
    """options that administrators copy from articles, and that keep sshd from starting"""
    sshd_fault("a misspelled option", "# ServerAliveInterval 3\nClientAliveInerval 300\n",
               "sshd-keyword", "FAIL", 2, message="did you mean ClientAliveInterval?")
    sshd_fault("a client setting", "ServerAliveInterval 60\n", "sshd-keyword", "FAIL", 1,
               message="a client option")
    sshd_fault("another", "Match User kim\n  StrictHostKeyChecking no\n", "sshd-keyword", "FAIL", 2,
               message="a client option")
    sshd_fault("an invalid value", "\nClientAliveInterval soon\n", "sshd-config", "FAIL", 2,
               has_fix=False)
    sshd_fault("an Include of itself", f"Include {DROP_IN}\n", "sshd-config", "FAIL", 1,
               has_fix=False)
    with saved(DROP_IN):
        write(DROP_IN, "# ServerAliveInterval 60\n#ClientAliveCountMax 0\n\t# UsePAM no\n")
        tap.equal(set(troubles()), set(CLEAN), "comments do not count")


def an_sshd_that_cannot_be_queried():
    """sshd has not been started since boot: its files are read instead"""
    os.rename("/run/sshd", "/run/sshd.away")
    with saved(DROP_IN):
        found = [f for f in troubles().values() if key(f) not in CLEAN]
        tap.equal([(f["id"], f["status"]) for f in found], [("sshd-config", "WARN")], "it is reported")
        write(DROP_IN, "UsePAM no\nClientAliveInterval 0\n")
        found = [f for f in troubles().values() if key(f) not in CLEAN]
        tap.equal({(f["id"], f["line"]) for f in found},
                  {("sshd-config", None), ("sshd-use-pam", 1), ("sshd-client-alive", 2)},
                  "and the files are read")
    os.rename("/run/sshd.away", "/run/sshd")


def the_drop_in_for_sshd():
    """the policy's settings for sshd, and sshd's own"""
    path = "/etc/ssh/sshd_config.d/00-tmout.conf"

    def without():
        policy(GOOD.replace("}", "    client_alive_interval = 200\n}", 1))
        apply()

    fault("no drop-in", without, "sshd-drop-in", "FAIL", path, None, paths=[POLICY, path],
          message="200")

    def old():
        without()
        write(path, must("tmoutctl", "sshd-config"))
        policy(GOOD.replace("}", "    client_alive_interval = 100\n}", 1))
        apply()

    fault("an old drop-in", old, "sshd-drop-in", "FAIL", path, None, paths=[POLICY, path],
          message="100")


def what_a_match_block_loosens():
    """the site's own Match blocks override the policy's defaults: that is reported"""
    path = "/etc/ssh/sshd_config.d/00-tmout.conf"

    def with_default(text, site):
        policy(GOOD.replace("}", f"    {text}\n}}", 1))
        apply()
        write(path, must("tmoutctl", "sshd-config"))
        write(DROP_IN, site)

    for text, line in (("max_auth_tries = 4", "MaxAuthTries 5"),
                       ("max_sessions = 5", "MaxSessions 06"),
                       ("client_alive_interval = 5m", "ClientAliveInterval 10m"),
                       ("client_alive_interval = 5m", "ClientAliveInterval 00"),
                       ("unused_connection_timeout = 5m", "UnusedConnectionTimeout none")):
        also = ["sshd-client-alive"] if line.endswith(" 00") else []
        fault(f"{line} for {text}",
              lambda t=text, x=line: with_default(t, f"Match User bob\n    {x}\n"),
              "sshd-match", "WARN", DROP_IN, 2, paths=[POLICY, path, DROP_IN], also=also)
    with saved(POLICY, path, DROP_IN):
        with_default("max_auth_tries = 4\n    unused_connection_timeout = 5m",
                     "Match User bob\n  MaxAuthTries 3\n  UnusedConnectionTimeout 60\n"
                     "  MaxSessions 100\n")
        tap.equal(set(troubles()), set(CLEAN), "stricter values, and settings the policy does not have, pass")
        append(POLICY, 'group "games" { max_auth_tries = 5 }\n')
        apply()
        write(path, must("tmoutctl", "sshd-config"))
        tap.equal(set(troubles()), set(CLEAN), "so do blocks of the policy's own")
    sshd_fault("MaxAuthTries beyond max_attempts in a Match block",
               "Match User bob\n    MaxAuthTries 6\n", "sshd-max-auth-tries", "WARN", 2)


def zeros():
    """other spellings of zero"""
    for value in "00", "+0", "-0":
        sshd_fault(f"ClientAliveCountMax {value}", f"ClientAliveCountMax {value}\n",
                   "sshd-client-alive-count", "FAIL", 1)
    for value in "00", "0m0s":
        sshd_fault(f"ClientAliveInterval {value} in a Match block",
                   f"Match User kim\n    ClientAliveInterval {value}\n", "sshd-client-alive",
                   "WARN", 2)


def match_blocks_about_the_way_in():
    """sshd is given a value for every criterion of a Match block"""
    path = "/etc/ssh/sshd_config.d/00-tmout.conf"
    with saved(POLICY, path, DROP_IN):
        policy(GOOD + 'user "kim" { max_auth_tries = 3 }\n')
        apply()
        write(path, must("tmoutctl", "sshd-config"))
        for criterion in "LocalPort 22", "LocalAddress 10.0.0.1", "RDomain blue":
            write(DROP_IN, f"Match {criterion}\n    X11Forwarding no\n")
            tap.equal(set(troubles()), set(CLEAN), f"Match {criterion}")
            result = run("tmoutctl", "sshd-config", "--check")
            tap.equal((result.returncode, result.stderr), (0, ""), f"Match {criterion}: --check")
        policy(GOOD.replace("}", "    max_auth_tries = 4\n}", 1) + 'user "kim" { max_auth_tries = 3 }\n')
        apply()
        write(path, must("tmoutctl", "sshd-config"))
        write(DROP_IN, "Match LocalPort 22\n    MaxAuthTries 9\n")
        tap.equal(must("tmoutctl", "sshd-config", "--check").count("matches the policy"), 1,
                  "a block about a port does not apply to all users")


def a_large_drop_in():
    """5,000 rules for sshd make a file of 2.4 MB, which is read completely"""
    path = "/etc/ssh/sshd_config.d/00-tmout.conf"
    with saved(POLICY, path, DROP_IN):
        policy(GOOD + "".join(
            f'group "{"g" * 60}{n}" {{\n max_auth_tries = {n % 4 + 1}\n max_sessions = {n + 1}\n'
            f' client_alive_interval = {n + 1}\n unused_connection_timeout = {n + 1}\n'
            " client_alive_count_max = 3\n}\n" for n in range(5000)))
        apply()
        text = must("tmoutctl", "sshd-config")
        tap.ok(len(text) > 2 ** 21 and text.count("\n") > 20000, f"{len(text)} bytes",
               text.count("\n"))
        write(path, text)
        write(DROP_IN, "UsePAM no\n")
        found = [f for k, f in troubles().items() if k not in CLEAN and f["id"].startswith("sshd-")]
        tap.equal([(f["id"], f["file"], f["line"]) for f in found], [("sshd-use-pam", DROP_IN, 1)],
                  "what comes after it is read, too")


def an_sshd_that_hangs():
    """an sshd that never answers is waited for once"""
    asked = "/run/asked"
    with saved("/usr/sbin/sshd", POLICY):
        policy(GOOD + 'user "kim" { max_auth_tries = 3 }\n')
        apply()
        remove("/usr/sbin/sshd")
        write("/usr/sbin/sshd", f"#!/bin/sh\necho asked >>{asked}\nexec sleep infinity\n", 0o755)
        found = [f for f in troubles().values() if key(f) not in CLEAN]
        tap.ok(any(f["id"] == "sshd-config" and "does not answer" in f["message"] for f in found),
               "it is reported", json.dumps(found, indent=1))
        tap.equal(read(asked).count("asked"), 1, "by the audit")
        remove(asked)
        write("/usr/sbin/sshd", f"#!/bin/sh\ncase $1 in -V) echo OpenSSH_9.2p1 >&2; exit;; esac\n"
                                f"echo asked >>{asked}\nexec sleep infinity\n", 0o755)
        result = run("tmoutctl", "sshd-config", "--check")
        tap.ok(result.returncode == 2 and "does not answer" in result.stderr, "by --check", result)
        tap.equal(read(asked).count("asked"), 1, "once")
    remove(asked)


def a_host_without_sshd():
    """no sshd: one finding reports it"""
    with saved("/usr/sbin/sshd", SSHD_PAM, POLICY):
        policy(GOOD + 'user "kim" { max_auth_tries = 3 }\n')
        apply()
        remove("/usr/sbin/sshd")
        remove(SSHD_PAM)
        findings, _ = audit()
        rows = [f for f in findings if f["id"].startswith("sshd-")]
        tap.equal([(f["status"], f["patch"], f["command"]) for f in rows], [("WARN", None, None)],
                  "one row")
        for place in "/usr/sbin", "/usr/bin", "/usr/local/sbin":
            tap.ok(f"{place}/sshd" in rows[0]["message"], f"it names {place}", rows)
        tap.ok("sshd is not installed" in rows[0]["message"], "and says what is missing", rows)
        others = [f for f in findings if f["status"] != "PASS" and f not in rows]
        tap.equal(others, [], "nothing else is wrong")


# --- PAM ----------------------------------------------------------------------

def pam_fault(name, make, word, status, line, file=SSHD_PAM, **more):
    fault(name, make, word, status, file, line,
          paths=["/etc/pam.d", *(x for x in more.pop("paths", ()) if not x.startswith("/etc/pam.d/"))],
          **more)


def including(service):
    """How many services have this one's file: itself, and those that include it."""
    return 1 + sum(re.search(rf"(?m)^(auth\s+)?@?include\s+{service}$", read(f"/etc/pam.d/{other}"))
                   is not None for other in os.listdir("/etc/pam.d"))


def without_ours(path, kind):
    write(path, "".join(x for x in read(path).splitlines(keepends=True)
                        if not (x.startswith(kind) and "pam_tmout.so" in x)))


def lines_that_are_missing():
    """our PAM lines, where they should be"""
    pam_fault("no session line", lambda: without_ours(SSHD_PAM, "session"), "pam-session-line",
              "FAIL", None)

    def elsewhere():
        without_ours(SSHD_PAM, "session")
        append(COMMON, SESSION_LINE + "\n")

    pam_fault("a session line that sshd does not include", elsewhere, "pam-session-line", "FAIL",
              None, message=f"it is in {COMMON}", also=["pam-twice"])
    pam_fault("no auth line", lambda: without_ours(SSHD_PAM, "auth"), "pam-auth-line", "FAIL", None)
    pam_fault("the auth line is commented out", lambda: edit(SSHD_PAM, AUTH_LINE, "# " + AUTH_LINE),
              "pam-auth-line", "FAIL", None)
    module = run("sh", "-c", "ls /lib/*/security/pam_tmout.so /usr/lib64/security/pam_tmout.so "
                             "2>/dev/null | head -n 1").stdout.strip()
    with saved(module):
        os.unlink(module)
        found = [f for f in troubles().values() if key(f) not in CLEAN]
        tap.equal([(f["id"], f["status"]) for f in found], [("pam-module", "FAIL")],
                  "the module is gone")
    for service in "su", "sudo":
        pam_fault(f"no session line in {service}",
                  lambda s=service: without_ours(f"/etc/pam.d/{s}", "session"),
                  "pam-other-services", "WARN", None, file=f"/etc/pam.d/{service}",
                  paths=[f"/etc/pam.d/{service}"], count=including(service))
        pam_fault(f"no auth line in {service}",
                  lambda s=service: without_ours(f"/etc/pam.d/{s}", "auth"),
                  "pam-other-services", "WARN", None, file=f"/etc/pam.d/{service}",
                  paths=[f"/etc/pam.d/{service}"], count=including(service))


def lines_in_the_wrong_place():
    """our PAM lines in places where they have no effect"""
    def users_environment_is_read():
        """Debian's sshd does so up to 12."""
        if "user_readenv=1" not in read(SSHD_PAM):
            append(SSHD_PAM, "session required pam_env.so user_readenv=1\n")

    def session_first():
        users_environment_is_read()
        without_ours(SSHD_PAM, "session")
        edit(SSHD_PAM, "@include common-session", f"{SESSION_LINE}\n@include common-session")

    pam_fault("before pam_env with user_readenv", session_first, "pam-session-order", "FAIL",
              SESSION_LINE, message="user_readenv=1")

    def session_first_and_shared():
        users_environment_is_read()
        without_ours(SSHD_PAM, "session")
        write("/etc/pam.d/inner", SESSION_LINE + "\n")
        edit(SSHD_PAM, "@include common-session", "@include inner\n@include common-session")

    # The fix leaves the shared file alone; a second line is not a fault then.
    pam_fault("before it, in a file that other services share", session_first_and_shared,
              "pam-session-order", "FAIL", SESSION_LINE, file="/etc/pam.d/inner")
    with saved(SSHD_PAM):
        append(SSHD_PAM, "session required pam_env.so\n")
        tap.equal(set(troubles()), set(CLEAN), "before a pam_env that reads only root's files")
    pam_fault("session required", lambda: edit(SSHD_PAM, SESSION_LINE, "session required pam_tmout.so"),
              "pam-session-control", "WARN", "session required pam_tmout.so")

    def auth_last():
        without_ours(SSHD_PAM, "auth")
        edit(SSHD_PAM, "@include common-auth", f"@include common-auth\n{AUTH_LINE}")

    pam_fault("after the password modules", auth_last, "pam-auth-order", "FAIL", AUTH_LINE,
              message="pam_unix.so")

    def substack():
        write("/etc/pam.d/inner", f"# ours\n{AUTH_LINE}\n")
        edit(SSHD_PAM, AUTH_LINE, "auth substack inner")

    pam_fault("in a substack of its own", substack, "pam-auth-order", "FAIL", 2,
              file="/etc/pam.d/inner", message="substack")
    # Where PAM_IGNORE is a failure, nobody gets in; an edit would let people in.
    for control, has_fix in (("required", True), ("optional", True), ("sufficient", True),
                             ("[success=ok default=bad]", False), ("[default=die]", False)):
        pam_fault(f"auth {control}",
                  lambda c=control: edit(SSHD_PAM, AUTH_LINE, f"auth {c} pam_tmout.so"),
                  "pam-auth-control", "FAIL", f"auth {control} pam_tmout.so", has_fix=has_fix)
    with saved(SSHD_PAM):
        edit(SSHD_PAM, AUTH_LINE, "auth [success=ok ignore=ignore default=die] pam_tmout.so")
        tap.equal(set(troubles()), set(CLEAN), "an equivalent of requisite passes")
    with saved(SSHD_PAM, "/etc/pam.d/common-auth"):
        without_ours(SSHD_PAM, "auth")
        prepend("/etc/pam.d/common-auth", AUTH_LINE + "\n")
        found = [f["id"] for f in troubles().values() if key(f) not in CLEAN]
        tap.equal(set(found), {"pam-twice"}, "in common-auth it reaches sshd, and others twice")
    pam_fault("where another line bypasses it",
              lambda: edit(SSHD_PAM, AUTH_LINE, f"auth [success=1 default=ignore] pam_exec.so\n{AUTH_LINE}"),
              "pam-jump", "FAIL", AUTH_LINE, has_fix=False)
    with saved(SSHD_PAM):
        edit(SSHD_PAM, AUTH_LINE, f"auth [success=1 default=ignore] pam_exec.so\n"
                                  f"auth optional pam_exec.so\n{AUTH_LINE}")
        tap.equal(set(troubles()), set(CLEAN), "one that skips another line passes")
    pam_fault("twice", lambda: edit(SSHD_PAM, AUTH_LINE, f"{AUTH_LINE}\n{AUTH_LINE} noprompt"),
              "pam-twice", "FAIL", f"{AUTH_LINE} noprompt")
    pam_fault("an argument that it rejects", lambda: edit(SSHD_PAM, SESSION_LINE, SESSION_LINE + " x=1"),
              "pam-arguments", "FAIL", SESSION_LINE)
    pam_fault("a policy of its own",
              lambda: edit(SSHD_PAM, SESSION_LINE, SESSION_LINE + " config=/etc/other.conf"),
              "pam-arguments", "WARN", SESSION_LINE, has_fix=False)
    pam_fault("an include of a missing file", lambda: append(SSHD_PAM, "auth include nowhere\n"),
              "pam-stack", "FAIL", "include nowhere", has_fix=False)
    pam_fault("an include of itself", lambda: append(SSHD_PAM, "auth include sshd\n"),
              "pam-stack", "FAIL", "include sshd", has_fix=False)

def lines_that_end_the_stack_first():
    """a line before ours whose success ends the stack: ours is never reached"""
    for line in ("session sufficient pam_permit.so",
                 "session [success=done default=ignore] pam_succeed_if.so quiet uid >= 0"):
        pam_fault(line, lambda x=line: prepend(SSHD_PAM, x + "\n"), "pam-jump", "FAIL",
                  SESSION_LINE, message=SSHD_PAM + ":1", has_fix=False)
    for line in ("session [ignore=done default=bad] pam_exec.so",
                 "session [success=ok default=done] pam_exec.so", "auth sufficient pam_permit.so",
                 "auth [success=done default=ignore] pam_succeed_if.so quiet uid >= 0"):
        with saved(SSHD_PAM):
            prepend(SSHD_PAM, line + "\n")
            tap.equal(set(troubles()), set(CLEAN), f"{line}: no session, or no password")
    with_include = "session sufficient pam_permit.so\n"
    pam_fault("in a file that it includes",
              lambda: (write("/etc/pam.d/inner", with_include),
                       prepend(SSHD_PAM, "session include inner\n")),
              "pam-jump", "FAIL", SESSION_LINE, message="/etc/pam.d/inner:1", has_fix=False)
    for service in "su", "sudo":
        path = f"/etc/pam.d/{service}"
        pam_fault(f"in {service}", lambda p=path: prepend(p, "session sufficient pam_permit.so\n"),
                  "pam-jump", "WARN", SESSION_LINE, file=path, paths=[path])
    pam_fault("a jump over ours into a file that it includes",
              lambda: (write("/etc/pam.d/inner", AUTH_LINE + "\n"),
                       edit(SSHD_PAM, AUTH_LINE, "auth [success=1 default=ignore] pam_exec.so\n"
                                                 "auth include inner")),
              "pam-jump", "FAIL", 1, file="/etc/pam.d/inner", has_fix=False)


# RHEL 9's, as authselect makes them for sssd, and ours where the manual has it.
RHEL = {"sshd": f"""{AUTH_LINE}
auth       substack     password-auth
auth       include      postlogin
session    required     pam_permit.so
session    include      password-auth
session    include      postlogin
{SESSION_LINE}
""", "password-auth": """auth        required                                     pam_env.so
auth        required                                     pam_faildelay.so delay=2000000
auth        [default=1 ignore=ignore success=ok]         pam_usertype.so isregular
auth        [default=1 ignore=ignore success=ok]         pam_localuser.so
auth        sufficient                                   pam_unix.so nullok
auth        [default=1 ignore=ignore success=ok]         pam_usertype.so isregular
auth        sufficient                                   pam_sss.so forward_pass
auth        required                                     pam_deny.so
session     optional                                     pam_keyinit.so revoke
session     required                                     pam_limits.so
-session    optional                                     pam_systemd.so
session     [success=1 default=ignore]                   pam_succeed_if.so service in crond quiet
session     required                                     pam_unix.so
session     optional                                     pam_sss.so
""", "postlogin": """session     optional      pam_umask.so silent
session     [success=1 default=ignore] pam_succeed_if.so service !~ gdm* service !~ su* quiet
session     [default=1]   pam_lastlog.so nowtmp showfailed
session     optional      pam_lastlog.so silent noupdate showfailed
""", "su": f"""auth            sufficient      pam_rootok.so
{AUTH_LINE}
auth            substack        password-auth
session         include         password-auth
session         include         postlogin
{SESSION_LINE}
"""}


def lines_that_end_another_stack():
    """similar lines that leave ours in effect"""
    for text in ("session required pam_permit.so\n", "auth sufficient pam_deny.so\n",
                 "auth requisite pam_nologin.so\n", "session [default=die] pam_nologin.so\n",
                 "auth [success=ok ignore=ignore default=die] pam_nologin.so\n",
                 "session substack inner\n"):
        with saved(SSHD_PAM, "/etc/pam.d/inner"):
            write("/etc/pam.d/inner", "session sufficient pam_permit.so\n")
            prepend(SSHD_PAM, text)
            tap.equal(set(troubles()), set(CLEAN), text.strip())
    with saved("/etc/pam.d/su"):
        without_ours("/etc/pam.d/su", "auth")
        prepend("/etc/pam.d/su", f"auth sufficient pam_rootok.so\n{AUTH_LINE}\n")
        tap.equal(set(troubles()), set(CLEAN), "root needs no password for su")
    with saved(*(f"/etc/pam.d/{name}" for name in RHEL)):
        for name, text in RHEL.items():
            write(f"/etc/pam.d/{name}", text)
        tap.equal(set(troubles()), set(CLEAN), "the stacks of RHEL")


def modules_elsewhere():
    """a line of ours that names the module by a path"""
    path = "/opt/site/pam_tmout.so"
    good = run("sh", "-c", "ls /lib/*/security/pam_tmout.so /usr/lib64/security/pam_tmout.so "
                           "2>/dev/null | head -n 1").stdout.strip()

    def named(line):
        edit(SSHD_PAM, SESSION_LINE, line)

    for line in ("session optional /opt/nowhere/pam_tmout.so", "session optional x/pam_tmout.so",
                 "session optional /opt/pam_tmout.so"):
        with saved("/opt/pam_tmout.so"):
            os.makedirs("/opt/pam_tmout.so", exist_ok=True)
            pam_fault(line, lambda x=line: named(x), "pam-module", "FAIL", line, has_fix=False)
    for what, change in (("that others can write", lambda: os.chmod(path, 0o666)),
                         ("of a user", lambda: shutil.chown(path, "kim")),
                         ("in a user's directory", lambda: shutil.chown("/opt/site", "kim"))):
        def wrong(change=change):
            os.makedirs("/opt/site", 0o755)
            shutil.copy(good, path)
            named(f"session optional {path}")
            change()
        pam_fault(f"one {what}", wrong, "pam-module", "FAIL", f"session optional {path}",
                  paths=["/opt/site"], has_fix=False)
    with saved(SSHD_PAM, "/opt/site"):
        os.makedirs("/opt/site", 0o755)
        shutil.copy(good, path)
        named(f"session optional {path}")
        tap.equal(set(troubles()), set(CLEAN), "one that only root can have written passes")


def harmless_session_controls():
    """session lines on which no login depends"""
    for control in "[default=ignore]", "[success=ok default=ignore]", "OPTIONAL", \
                   "[success=ok new_authtok_reqd=ok default=ignore]":
        with saved(SSHD_PAM):
            edit(SSHD_PAM, SESSION_LINE, f"session {control} pam_tmout.so")
            tap.equal(set(troubles()), set(CLEAN), control)
    for control in "requisite", "[success=ok]", "[default=ok]", "[success=done default=ignore]", \
                   "[success=1 default=ignore]", "[success=ok session_err=bad default=ignore]", \
                   "[default=die]", "[success=ok default=bad]":
        line = f"session {control} pam_tmout.so"
        # With two of these, no session opens at all; one spares users lines that may fail.
        has_fix = control not in ("[success=1 default=ignore]", "[default=die]",
                                  "[success=done default=ignore]")
        pam_fault(line, lambda x=line: edit(SSHD_PAM, SESSION_LINE, x), "pam-session-control", "WARN",
                  line, has_fix=has_fix)


# --- shells -------------------------------------------------------------------

def shells():
    """shells without the limit, and other scripts that set one"""
    fault("a line is gone from bash.bashrc",
          lambda: must("sed", "-i", "/tmout.shells/d", "/etc/bash.bashrc"), "shells-hooks", "FAIL",
          "/usr/bin/bash", None, paths=["/etc/bash.bashrc"])
    for script in "/etc/profile.d/tmout.sh", "/etc/profile.d/tmout.csh":
        fault(f"no {script}", lambda s=script: os.unlink(s), "shells-hooks", "FAIL", script, None,
              paths=[script], has_fix=False)
    path = "/etc/profile.d/aa-site.sh"
    fault("a larger limit, made readonly first",
          lambda: write(path, "# TMOUT=1\nTMOUT=3600\nreadonly TMOUT\nexport TMOUT\n"),
          "shells-others", "FAIL", path, 2, paths=[path], message="readonly before the policy's limit is set, and larger")
    fault("a smaller one", lambda: write(path, "if true; then\n    readonly TMOUT=60\nfi\n"),
          "shells-others", "NOTE", path, 2, paths=[path], has_fix=False)
    path = "/etc/profile.d/zz-site.sh"
    fault("one after ours", lambda: write(path, "export TMOUT=900\n"), "shells-others", "FAIL",
          path, 1, paths=[path])

    def loose():
        policy("default {\n    tmout = 15m\n    max_attempts = 5\n}\n")
        apply()

    fault("no disconnect to back tmout", loose, "shells-rules", "WARN", POLICY, 2, paths=[POLICY],
          message="no disconnect")

    def a_user_of_dash():
        loose()
        user("lee", "dash")

    fault("a user of dash", a_user_of_dash, "shells-users", "FAIL", POLICY, 2,
          paths=[POLICY, "/etc/passwd", "/etc/group", "/etc/shadow"], message='"lee"',
          also=["shells-rules"], has_fix=False)
    must("rm", "-rf", "/home/lee")


def shells_are_asked():
    """what each kind of shell says of its limit, whatever file it comes from"""
    ours, local = "/etc/profile.d/tmout.sh", "/etc/profile.d/sh.local"

    def limits():
        return [f for f in troubles().values() if f["id"] == "shells-limit"]

    with saved(ours, "/etc/profile", local):
        append("/etc/profile", f". {local}\n")
        for text, line in (("TMOUT=1800\n", 1), ("if tty -s; then\n  TMOUT=1800\nfi\n", 2),
                           ('x=TMOUT\n[ -n "$SSH_TTY" ] && eval $x=1800\n', 2)):
            write(local, text)
            found = limits()
            tap.ok(found and all(f["status"] == "FAIL" and f["file"] == local and f["line"] == line
                                 for f in found), f"{text!r} in a file that another one reads",
                   found)
        write(local, "umask 022\nif true; then\n  exit\nfi\n")
        found = limits()
        tap.ok(found and all("ends before its prompt" in f["message"] and f["file"] == local and
                             f["line"] == 3 for f in found), "one that ends the shell", found)
        write(local, "read x\necho 'TMOUT is 15 minutes' >&2\nmesg n\n")
        tap.equal(limits(), [], "one that asks the user something, and talks about the limit")
        write(local, "TMOUT=60\n")
        tap.equal({f["status"] for f in limits()}, {"NOTE"}, "a stricter one is a note")
        write(local, "yes\n")
        found = limits()
        tap.ok(any("prints too much before its prompt" in f["message"] for f in found),
               "one that prints without end", found)
        write(local, "exec sleep 1000\n")
        tap.ok(any("does not come to its prompt" in f["message"] for f in limits()),
               "a shell that hangs is given up")
    with saved(ours):
        append(ours, "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n")
        tap.equal(limits(), [], "what is appended to our script has no effect")
        changed = [f for f in troubles().values() if f["id"] == "shells-scripts"]
        tap.equal([f["status"] for f in changed], ["WARN"], "which is not as packaged")
    with saved(ours):
        must("sed", "-i", "-E", r"s/^(.*)TMOUT\s*=\s*(\w|\$)*(.*)$/declare -xr TMOUT=600\3/", ours)
        tap.equal(limits(), [], "our script survives a scanner's remediation")
        tap.ok(any(f["id"] == "shells-scripts" for f in troubles().values()), "and it is found")
    with saved(ours):
        must("sed", "-i", r"s/$/\r/", ours)
        tap.equal(limits(), [], "nor have carriage returns")
        tap.ok(any(f["id"] == "shells-scripts" for f in troubles().values()), "which are found, too")


def text_that_is_no_limit():
    """what only looks like a limit is no fault where the shells say that it is none"""
    for path in "/etc/profile.d/aa-site.sh", "/etc/profile.d/zz-site.sh":
        for text, line in (("cat >/dev/null <<'EOF'\nTMOUT=9999\nEOF\n", 2),
                           ("true echo TMOUT=5000\n", 1)):
            fault(f"{text!r} in {path}", lambda p=path, t=text: write(p, t), "shells-others", "NOTE",
                  path, line, paths=[path], message="that were asked", has_fix=False)


def shells_that_cannot_be_asked():
    """without namespaces the audit says so, and reads the files"""
    path = "/etc/profile.d/aa-site.sh"
    with saved(path):
        write(path, "readonly TMOUT=3600\n")
        result = run("setpriv", "--bounding-set=-sys_admin", "tmoutctl", "audit", "--json")
        found = {(f["id"], f["status"]): f["message"] for f in json.loads(result.stdout)["findings"]
                 if f["id"].startswith("shells-")}
        tap.ok("could not be asked" in found.get(("shells-limit", "NOTE"), ""), "it says so", found)
        tap.ok(("shells-others", "FAIL") in found, "and has read the file", found)
        result = run("prlimit", "--nproc=256", "--fsize=65536", "--cpu=4", "setpriv",
                     "--bounding-set=-sys_resource", "tmoutctl", "audit", "--json")
        found = [f for f in json.loads(result.stdout)["findings"] if f["id"] == "shells-limit"]
        tap.ok(found and all(f["status"] == "FAIL" for f in found),
               "they are asked by a root who may not raise limits", found)


def other_shells_away():
    """without the other shells there are fewer to ask in what follows"""
    for name in "zsh", "ksh93", "mksh", "tcsh":
        if os.path.exists(f"/usr/bin/{name}"):
            os.rename(f"/usr/bin/{name}", f"/usr/bin/{name}.away")
    tap.equal(set(troubles()), set(CLEAN), "the audit is content")


# --- the policy ---------------------------------------------------------------

def the_policy():
    """the policy in force, and its rules"""
    fault("an edit that is not applied", lambda: policy(GOOD + "\n"), "policy-in-force", "FAIL",
          POLICY, None, paths=[POLICY])
    fault("an invalid edit", lambda: edit(POLICY, "disconnect ", "disconect "),
          "policy-in-force", "FAIL", POLICY, 3, paths=[POLICY], has_fix=False, message="disconect")
    with saved(STATE):
        remove(SNAPSHOT)
        edit(POLICY, "disconnect ", "disconect ")
        found = [f["id"] for f in troubles().values() if key(f) not in CLEAN]
        tap.equal(found, ["policy-in-force"], "no policy at all")
        policy(GOOD)

    def damaged():
        size = os.path.getsize(SNAPSHOT)
        with open(SNAPSHOT, "r+b") as file:
            file.seek(size - 20)
            file.write(b"x")

    fault("a damaged snapshot", damaged, "policy-in-force", "FAIL", None, None, paths=[STATE],
          message="damaged", has_fix=False)

    def ghost(rule):
        append(POLICY, rule + " { warn = 2m }\n")
        apply()

    for rule in 'user "ghost"', 'group "nobodies"':
        fault(f"a rule for {rule}", lambda r=rule: ghost(r), "policy-names", "WARN", POLICY, rule,
              paths=[POLICY], has_fix=False)
    tmoutd.stop()
    found = [f for f in troubles().values() if key(f) not in CLEAN]
    tap.equal([(f["id"], f["status"], f["file"], f["line"]) for f in found],
              [("policy-tmoutd", "FAIL", POLICY, 3)], "tmoutd is not running")
    with saved(POLICY):
        edit(POLICY, "max_attempts", "max_atempts")
        found = {f["id"]: f["line"] for f in troubles().values() if key(f) not in CLEAN}
        tap.equal(found, {"policy-in-force": 4, "policy-tmoutd": 3},
                  "after an invalid edit the rules are those of the snapshot")
    tmoutd.start()
    tap.equal(set(troubles()), set(CLEAN), "tmoutd is running again")


# --- the host -----------------------------------------------------------------

def the_host():
    """kernel, logind, pam_faillock"""
    must("mount", "--bind", "/run/one", TIOCSTI)
    found = [f for f in troubles().values() if key(f) not in CLEAN]
    tap.equal([(f["id"], f["status"]) for f in found], [("host-tiocsti", "WARN")], "TIOCSTI is on")
    must("umount", TIOCSTI)
    must("mount", "-t", "tmpfs", "none", os.path.dirname(TIOCSTI))
    found = [f for f in troubles().values() if key(f) not in CLEAN]
    tap.equal([(f["id"], f["status"]) for f in found], [("host-tiocsti", "WARN")],
              "a kernel that cannot disable it")
    must("umount", os.path.dirname(TIOCSTI))
    fault("logind allows less time",
          lambda: write(LOGIND, "[Login]\n#StopIdleSessionSec=1\nStopIdleSessionSec=10min\n"),
          "host-logind", "NOTE", LOGIND, 3, paths=[LOGIND], has_fix=False)
    with saved(LOGIND):
        write(LOGIND, "[Login]\nStopIdleSessionSec=20min\n")
        tap.equal(set(troubles()), set(CLEAN), "logind allows as much time")


def faillock():
    """pam_faillock compared with the policy"""
    def with_line(arguments="", config=""):
        prepend(SSHD_PAM, f"auth required pam_faillock.so preauth{arguments}\n")
        write(FAILLOCK, config)

    def one(name, arguments, config, line, message, file=FAILLOCK):
        is_stricter = "looser" not in message
        fault(name, lambda: with_line(arguments, config), "host-faillock",
              "NOTE" if is_stricter else "WARN", file, line, message=message,
              paths=[SSHD_PAM, FAILLOCK], has_fix=not is_stricter)

    one("its default is stricter", "", "# deny = 5\n", None, "deny = 3 (its default) is stricter")
    one("deny is looser", "", "\ndeny = 10\n", 2, "looser than max_attempts")
    one("deny = 0", "", "deny = 0\n", 1, "(never) is looser than max_attempts")
    one("deny on the PAM line", " deny=2", "deny = 5\n", 1, "stricter", SSHD_PAM)
    one("unlock_time", "", "deny = 5\nunlock_time = 0\n", 2, "stricter than lock_time")
    one("fail_interval", "", "deny = 5\nfail_interval = 60\n", 2, "looser than attempt_window")
    one("even_deny_root", "", "deny = 5\neven_deny_root\n", 2, "even_deny_root")
    with saved(SSHD_PAM, FAILLOCK):
        with_line("", "deny = 5\nunlock_time = 600\n")
        tap.equal(set(troubles()), set(CLEAN), "one that agrees")


def owners_and_modes():
    """files that others can change, or must be able to read and cannot"""
    write(f"{LEDGERS}/4711", "x", 0o600)
    module = must("sh", "-c", "ls /lib/*/security/pam_tmout.so /usr/lib64/security/pam_tmout.so "
                              "2>/dev/null | head -n 1 || :").strip()
    cases = [(POLICY, 0o664, ["policy-in-force"]), (DROP_INS, 0o777, ["policy-in-force"]),
             (STATE, 0o777, ["policy-in-force"]), (SNAPSHOT, 0o666, ["policy-in-force"]),
             (LEDGERS, 0o775, []), (f"{LEDGERS}/4711", 0o644, []), (tmoutd.SESSIONS, 0o777, []),
             (module.replace("/lib/", "/usr/lib/", 1) if module.startswith("/lib/") and
              not os.path.exists(module) else module, 0o666, []),
             ("/usr/sbin/tmoutd", 0o775, []), ("/usr/bin/tmoutctl", 0o757, []),
             ("/etc/profile.d/tmout.sh", 0o666, []), ("/etc/profile.d/tmout.sh", 0o600, []),
             ("/etc/profile.d/tmout.csh", 0o640, []), ("/usr/share/tmout/shells/bashrc", 0o600, [])]
    for path, mode, also in cases:
        before = os.stat(path).st_mode & 0o7777
        fault(f"{path} with mode {mode:o}", lambda p=path, m=mode: os.chmod(p, m), "host-files",
              "FAIL", path, None, also=also, has_fix=False,
              undo=lambda p=path, m=before: (os.chmod(p, m), apply()))
    shutil.chown(SNAPSHOT, "kim")
    found = [f for f in troubles().values() if f["id"] == "host-files"]
    tap.equal([f["file"] for f in found], [SNAPSHOT], "a snapshot that belongs to a user")
    shutil.chown(SNAPSHOT, "root")
    os.chmod("/etc/security", 0o777)
    found = [f for f in troubles().values() if f["id"] == "host-files"]
    tap.equal([f["file"] for f in found], ["/etc/security"], "a parent directory")
    os.chmod("/etc/security", 0o755)
    apply()
    tap.equal(set(troubles()), set(CLEAN), "all restored")


def space_for_the_state():
    """a state directory on a file system that is full or read-only"""
    must("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", STATE)
    apply()
    tap.equal(set(troubles()), set(CLEAN), "a file system of its own")
    must("mount", "-o", "remount,ro", STATE)
    found = [f for f in troubles().values() if key(f) not in CLEAN]
    tap.equal([(f["id"], f["status"], f["file"]) for f in found], [("host-state", "FAIL", STATE)],
              "read-only")
    tap.equal((found[0]["patch"], found[0]["command"]), (None, None), "words only")
    must("mount", "-o", "remount,rw", STATE)
    tap.equal(set(troubles()), set(CLEAN), "writable again")
    run("dd", "if=/dev/zero", f"of={STATE}/filler", "bs=4k")
    found = [f for f in troubles().values() if key(f) not in CLEAN]
    tap.equal([(f["id"], f["status"], f["file"]) for f in found], [("host-state", "FAIL", STATE)],
              "full")
    must("umount", STATE)
    tap.equal(set(troubles()), set(CLEAN), "as before")


# --- fixes that can be pasted ---------------------------------------------------

def news():
    """What is wrong now and was not on the clean host, but for what the shells say."""
    return [f for k, f in troubles().items() if k not in CLEAN and f["id"] != "shells-limit"]


def names_with_control_characters():
    """a file whose name a terminal would not show as it is: no fix, and nothing printed raw"""
    # Debian 13's /etc/profile reads no file of an odd name; Debian 12's, none with a blank.
    is_picky = "run-parts --list --regex" in read("/etc/profile")
    for name in "a\nb", "a\x1b[31mb", "a\u202eb", "a\u2066b", "a\u0085b", "a\u200bb", "a\udcffb":
        path = f"/etc/profile.d/{name}.sh"
        with saved(path):
            write(path, "readonly TMOUT=3600\n")
            found = news()
            status = "NOTE" if "\n" in name or is_picky else "FAIL"
            tap.equal([(f["id"], f["status"], f["patch"], f["command"]) for f in found],
                      [("shells-others", status, None, None)], f"{name!r}: a finding, and no fix")
            printed = run("tmoutctl", "audit", "--quiet").stdout
            raw = [x for x in printed.splitlines() if not re.fullmatch("[ -~]*", x)]
            tap.equal(raw, [], f"{name!r}: nothing of it is printed raw")
    path = "/etc/profile.d/a b.sh"
    fault("a name with a blank", lambda: write(path, "readonly TMOUT=3600\n"), "shells-others",
          "NOTE", path, 1, paths=[path], has_fix=False)
    path = "/etc/profile.d/\u00e9t\u00e9'x'.sh"
    fault("letters and quotes are handled like any other name",
          lambda: write(path, "readonly TMOUT=3600\n"), "shells-others", "NOTE" if is_picky else "FAIL",
          path, 1, paths=[path], has_fix=not is_picky)
    tap.matches(run("tmoutctl", "audit").stdout, r"\A[\n -~]*\Z", "as text, on the clean host")


def fixes_in_words():
    """what no patch and no command can fix: the finding says what to do"""
    for script in "/etc/profile.d/tmout.sh", "/etc/profile.d/tmout.csh":
        with saved(script):
            os.unlink(script)
            found = [f for f in news() if f["file"] == script]
            tap.equal([(f["patch"], f["command"]) for f in found], [(None, None)], f"no {script}")
            tap.matches(found[0]["remediation"], "Reinstall pam_tmout", f"no {script}: words")
    must("mount", "-t", "tmpfs", "none", os.path.dirname(TIOCSTI))
    found = news()
    tap.equal([(f["id"], f["patch"], f["command"]) for f in found], [("host-tiocsti", None, None)],
              "an old kernel")
    must("umount", os.path.dirname(TIOCSTI))
    must("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", STATE)
    apply()
    run("dd", "if=/dev/zero", f"of={STATE}/filler", "bs=4k")
    found = news()
    tap.equal([(f["id"], f["patch"], f["command"]) for f in found], [("host-state", None, None)],
              "a full disk")
    must("umount", STATE)


def scripts_that_do_more():
    """a fix removes what sets the limit and nothing else, or opens an editor"""
    path = "/etc/profile.d/aa-site.sh"
    only = ("TMOUT=3600\nreadonly TMOUT\nexport TMOUT\n", "umask 027\nreadonly TMOUT=3600\n",
            "umask 027\nTMOUT=3600; readonly TMOUT; export TMOUT\nHISTSIZE=5\n",
            "declare -xr TMOUT=7200 # mine\n", "builtin declare -xr TMOUT=7200\n",
            'if [ -n "$PS1" ]; then\n    typeset -r TMOUT="3600" ;\nfi\necho "$TMOUT"\n',
            "readonly TMOUT=$LIMIT\n")
    for text in only:
        with saved(path):
            write(path, text)
            found = news()
            tap.equal({(f["id"], f["status"], f["file"]) for f in found},
                      {("shells-others", "FAIL", path)}, f"{text!r}")
            fix(found)
            tap.equal(news(), [], f"{text!r}: its fix works")
            tap.equal([x for x in read(path).splitlines() if not x.startswith(": # ")],
                      [x for x in text.splitlines() if not re.search(r"(?<!\$)TMOUT", x)],
                      f"{text!r}: and the rest is unchanged")
            must("sh", "-n", path)
    more = (("TMOUT=3600; readonly TMOUT; umask 027\n", 1),
            ('\nif [ -n "$PS1" ]; then readonly TMOUT=3600; fi\n', 2),
            ("umask 027; readonly TMOUT=3600; export TMOUT\n", 1),
            ("case $- in\n*i*) readonly TMOUT=3600;;\nesac\n", 2),
            ("TMOUT=3600\nreadonly TMOUT HISTFILE\n", 1), ("export LANG TMOUT=3600; readonly TMOUT\n", 1),
            ("export \\\nTMOUT=3600\nreadonly TMOUT\n", 2), ("readonly TMOUT=3600 \\\n  LANG=C\n", 1),
            ("TMOUT=3600 umask 027\nreadonly TMOUT\n", 1), ("readonly TMOUT=$(reboot)\n", 1),
            ("readonly TMOUT=3600 | cat\n", 1), ("(readonly TMOUT=3600); umask 027\n", 1))
    for text, line in more:
        with saved(path):
            write(path, text)
            tap.equal([(f["status"], f["line"], f["patch"]) for f in news()],
                      [("NOTE" if "|" in text or text[0] == "(" else "FAIL", line, None)],
                      f"{text!r}: by hand")
    path = "/etc/csh/cshrc.d/site"
    for text, has_fix in (("umask 027\nset -r autologout = 99\n", True),
                          ("set -r autologout=(99 60)\n", False),
                          ("set -r autologout=99 ; umask 027\n", False)):
        with saved(path):
            write(path, text)
            tap.equal([(f["status"], f["patch"] is not None) for f in news()], [("FAIL", has_fix)],
                      f"{text!r}")


def limits_that_are_larger():
    """a limit before ours that is larger than the policy's default, though not readonly"""
    path = "/etc/profile.d/ai.sh"
    for text, line in (("TMOUT=99999\n", 1), ('\n[ "$UID" -ne 0 ] && TMOUT=3600\n', 2),
                       ("export TMOUT=901\n", 1)):
        fault(f"{text!r}", lambda t=text: write(path, t), "shells-others", "NOTE", path, line,
              paths=[path], message="all shells that were asked have the policy's", has_fix=False)
    csh = "/etc/csh/cshrc.d/site"
    fault("autologout in minutes", lambda: write(csh, "set autologout=16\n"), "shells-others", "NOTE",
          csh, 1, paths=[csh], message="that were asked", has_fix=False)
    for file, text in ((path, "TMOUT=900\nexport TMOUT\n"), (path, "unset TMOUT\n"), (path, "TMOUT=$X\n"),
                       (csh, "set autologout=15\n")):
        with saved(file):
            write(file, text)
            tap.equal(news(), [], f"{text!r} is not larger")
    with saved(POLICY):
        policy(GOOD.replace("tmout        = 15m", "tmout        = none"))
        apply()
        with saved(path):
            write(path, "TMOUT=300\n")
            tap.equal([(f["id"], f["status"], f["line"]) for f in news()],
                      [("shells-others", "WARN", 1)], "any limit is larger where the policy has none")


def a_faillock_between_two_rules():
    """pam_faillock has one value: between two of the policy there is no fix"""
    with saved(POLICY, SSHD_PAM, FAILLOCK):
        policy(GOOD + 'group "sys" { max_attempts = 3 }\n')
        apply()
        prepend(SSHD_PAM, "auth required pam_faillock.so preauth\n")
        for deny, word, fixed in ((2, "stricter than max_attempts of group \"sys\" (3)", None),
                                   (9, "looser than max_attempts of default (5)", 5),
                                   (3, "cannot match", None), (4, "cannot match", None),
                                   (5, "cannot match", None)):
            write(FAILLOCK, f"deny = {deny}\n")
            found = [f for f in news() if f["id"] == "host-faillock"]
            tap.equal([(f["id"], f["status"], f["line"], bool(f["patch"])) for f in found],
                      [("host-faillock", "NOTE" if "stricter" in word else "WARN", 1, bool(fixed))],
                      f"deny = {deny}")
            tap.ok(word in found[0]["message"], f"deny = {deny}: {word}", found)
            if fixed:
                fix(found)
                tap.equal(read(FAILLOCK), f"deny = {fixed}\n", f"deny = {deny}: fixed")
        policy(GOOD + 'group "sys" { max_attempts = 7 }\n')
        apply()
        write(FAILLOCK, "deny = 9\n")
        found = [f for f in news() if f["id"] == "host-faillock"]
        tap.ok(len(found) == 1 and "+deny = 7\n" in found[0]["patch"], "the loosest is the group's",
               found)
        policy(GOOD + 'group "sys" { lock_time = 1h }\n')
        apply()
        write(FAILLOCK, "deny = 5\n")
        found = [f for f in news() if f["id"] == "host-faillock"]
        tap.equal([(f["id"], f["patch"]) for f in found], [("host-faillock", None)],
                  "two lock_times")
        tap.ok("lock_time" in found[0]["message"] and "cannot match" in found[0]["message"],
               "two lock_times: it cannot match both", found)


# --- baselines ----------------------------------------------------------------

PRESET = """# a preset
default {
    tmout        = 15m        # XYZ 5.4.3.2
    max_attempts = 4          # XYZ 5.3.3.1.1: and why
    lock_time    = 15m        # XYZ 5.3.3.1.2
    max_startups = "10:30:60" # XYZ 5.1.16
    warn         = none
}
user "root" { max_attempts = 4 } # XYZ 5.3.3.1.3
"""


def files_that_patch_would_harm():
    """patch puts a new file in the old one's place, which has owner and mode, and no more"""
    # Read and write for the owner, read for one more user, nothing for others.
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *entry) for entry in (
            (1, 6, 0xffffffff), (2, 4, 1), (4, 4, 0xffffffff), (16, 4, 0xffffffff),
            (32, 0, 0xffffffff)))
    for what, path, kind in (("a file with an ACL", DROP_IN, "access"),
                             ("a directory whose files get one",
                              os.path.dirname(DROP_IN), "default")):
        with saved(os.path.dirname(DROP_IN)):
            write(DROP_IN, "SetEnv TMOUT=0\n# end\n")
            os.setxattr(path, "system.posix_acl_" + kind, acl)
            found = [f for f in news() if f["file"] == DROP_IN]
            tap.equal([(f["id"], f["patch"]) for f in found], [("sshd-set-env", None)],
                      f"{what}: no patch")
            tap.matches(found[0]["remediation"], f"leaves {DROP_IN} alone.*access control list",
                        f"{what}: why")


def instructions(make, check, count):
    """How many instructions an audit with that many findings takes."""
    make(count)
    run("valgrind", "--tool=callgrind", "--callgrind-out-file=/run/calls.%p", "-q",
        "tmoutctl", "audit", "--json", "--check", check)
    total = 0
    for path in glob.glob("/run/calls.*"):
        # A child that is killed has none.
        total += sum(map(int, re.findall(r"^summary: (\d+)", read(path), re.M)))
        remove(path)
    return total


def the_work_for_many_findings():
    """it grows with their number, not with its square"""
    script = "/etc/profile.d/zz.sh"
    kinds = (
        ("lines of sshd_config", "sshd-set-env", DROP_IN,
         lambda count: write(DROP_IN, "".join(f"SetEnv TMOUT={i}\n" for i in range(count)))),
        ("Match blocks", "sshd-client-alive", DROP_IN,
         lambda count: write(DROP_IN, "".join(f"Match User u{i}\n  ClientAliveInterval 0\n"
                                              for i in range(count)))),
        ("lines of a script", "shells-others", script,
         lambda count: write(script, "".join(f"TMOUT={9000 + i}\n" for i in range(count)))))
    for what, check, path, make in kinds:
        with saved(path, POLICY):
            policy("default { max_attempts = 5 }\n")  # no limit, so that no shell is asked
            apply()
            few, many = (instructions(make, check, count) for count in (50, 400))
            tap.ok(many < 12 * few, f"400 {what}: less than 12 times the work of 50", few, many)


def baseline(name="xyz"):
    """What a baseline finds: control, status, line of the policy."""
    findings, status = audit("--baseline", name)
    return [(f["control"], f["status"], f["line"]) for f in findings if f["id"] == "baseline"], status


def failed_rows(name="xyz"):
    findings, _ = audit("--baseline", name)
    return [f for f in findings if f["id"] == "baseline" and f["status"] != "PASS"]


def baselines():
    """the policy against a preset"""
    os.makedirs(PRESETS, exist_ok=True)
    write(f"{PRESETS}/xyz.conf", PRESET)
    write("/usr/share/tmout/secret.conf", PRESET)
    found, status = baseline()
    tap.equal((found, status),
              ([("XYZ 5.4.3.2", "PASS", None), ("XYZ 5.3.3.1.1", "FAIL", 4),
                ("XYZ 5.3.3.1.2", "FAIL", 1), (None, "PASS", None), ("XYZ 5.1.16", "FAIL", 1),
                ("XYZ 5.3.3.1.3", "FAIL", None)], 1), "controls and lines")
    text = run("tmoutctl", "audit", "--baseline=xyz", "--quiet").stdout
    tap.matches(text, r"(?m)^FAIL  baseline +XYZ 5\.3\.3\.1\.1: \S+tmout\.conf:4: .*\n +fix: ",
                "as text")
    with saved(POLICY, DROP_INS, "/etc/ssh/sshd_config.d/00-tmout.conf"):
        for _ in "the policy", "sshd":
            fix(failed_rows(), "--baseline", "xyz")
        found, _ = baseline()
        tap.equal([status for _, status, _ in found], ["PASS"] * 6, "its fixes work")
        append(POLICY, 'group "ops" { tmout = 30m }\nuser "deploy" { tmout = none }\n')
        apply()
        found, status = baseline()
        tap.equal([f for f in found if f[1] == "FAIL"],
                  [("XYZ 5.4.3.2", "FAIL", line_of(POLICY, '"ops"')),
                   ("XYZ 5.4.3.2", "FAIL", line_of(POLICY, '"deploy"'))], "rules that are looser")
        tap.equal(status, 1, "and the status is 1")
    for name in "../secret", "nothing", "", "xyz.conf", "/etc/passwd", "a/b", ".", "XYZ":
        result = run("tmoutctl", "audit", "--baseline", name)
        tap.equal((result.returncode, result.stdout), (2, ""), f"no preset {name!r}")
        tap.matches(result.stderr, "available: .*xyz", f"no preset {name!r}: the list of presets")
    write(f"{PRESETS}/broken.conf", "default {\n    tmuot = 1\n}\n")
    result = run("tmoutctl", "audit", "--baseline", "broken")
    tap.equal(result.returncode, 2, "a preset that is invalid")
    tap.matches(result.stderr, "broken.conf:2", "and where")


def presets():
    """a policy that is a preset satisfies that preset"""
    drop_in = "/etc/ssh/sshd_config.d/00-tmout.conf"
    with saved(POLICY, drop_in):
        for name in sorted(os.listdir(PRESETS)):
            if name in ("xyz.conf", "broken.conf"):
                continue
            policy(read(f"{PRESETS}/{name}"))
            apply()
            write(drop_in, run("tmoutctl", "sshd-config").stdout)
            found, _ = baseline(name[:-len(".conf")])
            tap.ok(found and {status for _, status, _ in found} == {"PASS"}, name, found)
            tap.ok(all(control for control, _, _ in found), f"{name}: all have a control", found)


def fixes_that_hold():
    """a baseline's fix changes the value in place, or adds what is missing"""
    late = f"{DROP_INS}/99-site.conf"
    write(f"{PRESETS}/xyz.conf", "default {\n    tmout = 15m # XYZ 1\n    warn = 5m # XYZ 2\n}\n")
    cases = ("default { tmout = 30m }\n", 'default {\n  warn = 1s\n  tmout   =   "1h" # long\n}\n',
             "default { tmout = '30m'   warn = none }\n", 'group "ops" { tmout = none }\n',
             "group 'CORP\\\\new' { tmout = 30m }\n", "group 'a\"q' { tmout = 30m }\n",
             "group 'a${HOME}b' { tmout = 30m }\n", 'user "a\'b" { warn = 1s }\n')
    for text in cases:
        with saved(POLICY, DROP_INS):
            write(late, text)
            apply()
            fix(failed_rows(), "--baseline", "xyz")
            must("tmoutctl", "check")
            tap.equal(failed_rows(), [], f"{text!r}: fixed")
    for text in ('default { /* tmout = 1m */ tmout = 30m   warn = 5m }\n',
                 '\ngroup "a" { tmout = 30m } group "b" { tmout = 1h }\n',
                 'default { warn = 6m } user "tmout = 1" { tmout = 1h }\n'):
        with saved(POLICY, DROP_INS):
            write(late, text)
            apply()
            found = [f for f in failed_rows() if f["file"] == late]
            tap.equal({f["patch"] for f in found}, {None}, f"{text!r}: by hand")
    with saved(POLICY, DROP_INS):
        write(late, "default { tmout = 30m }\n")
        apply()
        write(late, "\n\n")
        append(POLICY, "broken\n")
        found = [f for f in failed_rows() if f["message"].startswith("tmout")]
        tap.equal([f["patch"] for f in found], [None],
                  "the line numbers of an invalid policy are not relied on")


def names_in_a_fix():
    """a rule that the fix writes has its name quoted as the policy's syntax requires"""
    names = ("'CORP\\\\new'", "'a\"q'", "'a${HOME}b'", '"a\'b c"', "'a\\\\\\'\"b'", "root", '"$(x)`y`"')
    for number, name in enumerate(names):
        write(f"{PRESETS}/xyz.conf", f"default {{ }}\nuser {name} {{ tmout = 5m }} # XYZ {number}\n")
        with saved(POLICY, DROP_INS):
            fix(failed_rows(), "--baseline", "xyz")
            must("tmoutctl", "check")
            tap.equal(failed_rows(), [], f"{name}: fixed")


def what_the_host_does_not_do():
    """the policy alone makes no control pass"""
    def rows(*controls):
        findings, status = audit("--baseline", "cis-debian12")
        found = {f["control"].split(":")[0]: f for f in findings
                 if f["id"] == "baseline" and f["status"] == "FAIL"}
        return sorted(found), found, status

    def none_fails(name):
        found, rest, _ = rows()
        tap.ok(not found, name, json.dumps(rest, indent=1))

    drop_in = "/etc/ssh/sshd_config.d/00-tmout.conf"
    with saved(POLICY, drop_in, SSHD, SSHD_PAM):
        policy(read(f"{PRESETS}/cis-debian12.conf"))
        apply()
        write(SSHD, "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n")
        found, by, status = rows()
        # MaxSessions is 10 in sshd, too.
        tap.equal((found, status), (["5.1.13", "5.1.16", "5.1.18", "5.1.7"], 1), "no drop-in for sshd")
        tap.ok("max_auth_tries" in by["5.1.16"]["message"] and "6" in by["5.1.16"]["message"],
               "sshd's value is reported", by["5.1.16"])
        fix([by["5.1.16"]])
        none_fails("its fix")
        write(SSHD, "MaxAuthTries 5\n" + read(SSHD))
        tap.equal(rows()[0], ["5.1.16"], "a line of the site that comes first")
        write(SSHD, "MaxAuthTries 3\n" + read(SSHD))
        none_fails("one that is stricter")
        os.rename("/run/sshd", "/run/sshd.away")
        found, by, _ = rows()
        os.rename("/run/sshd.away", "/run/sshd")
        tap.equal(found, ["5.1.13", "5.1.16", "5.1.17", "5.1.18", "5.1.7"], "an sshd that cannot be queried")
        for kind, controls in (("session", ["5.4.3.2"]), ("auth", ["5.3.3.1.1", "5.3.3.1.2"])):
            wired = read(SSHD_PAM)
            without_ours(SSHD_PAM, kind)
            found, by, _ = rows()
            tap.equal(found, controls, f"no {kind} line")
            first = by[controls[0]]
            tap.ok(first["file"] == SSHD_PAM and f"no {kind} line" in first["message"],
                   f"no {kind} line: the reason", first)
            fix([first])
            none_fails(f"no {kind} line: its fix")
            write(SSHD_PAM, wired)
        write("/etc/profile.d/aa-site.sh", "readonly TMOUT=3600\n")
        tap.equal(rows()[0], ["5.4.3.2"], "a script that makes a larger limit readonly")
        remove("/etc/profile.d/aa-site.sh")
    write(f"{PRESETS}/xyz.conf", "default { disconnect = 20m } # XYZ 7\n")
    tmoutd.stop()
    found = failed_rows()
    tap.equal([(f["control"], f["line"], f["command"]) for f in found],
              [("XYZ 7", 3, "systemctl enable --now tmoutd")], "disconnect without tmoutd")
    tmoutd.start()
    tap.equal(failed_rows(), [], "and with it")


def clean_host():
    """Configures the host as the manual says, and no further."""
    setup(GOOD, password_services=("sshd", "login", "su", "sudo"))
    for service in "login", "su", "sudo":
        append(f"/etc/pam.d/{service}", SESSION_LINE + "\n")
    user("kim", "bash")
    write(SSHD, "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\nAcceptEnv LANG LC_*\n"
                "ClientAliveInterval 300\nMaxAuthTries 4\n")
    write("/run/zero", "0\n")
    write("/run/one", "1\n")
    if os.path.exists(TIOCSTI):
        must("mount", "--bind", "/run/zero", TIOCSTI)
    # What the base system has beside these, and what only its package may change.
    for service in "/usr/lib/pam.d/polkit-1", "/etc/pam.d/cockpit":
        remove(service)
    patch(run("tmoutctl", "audit", "--patch").stdout)
    tmoutd.start()


def undone(scenario):
    """The scenario, and whether it has left nothing behind: what a fault leaves would be
    found by the next one, too."""
    @functools.wraps(scenario)
    def play():
        scenario()
        tap.equal(set(troubles()), set(CLEAN), f"{scenario.__name__}: undone")
    return play


clean_host()
VERSION = tuple(map(int, re.search(r"OpenSSH_(\d+)\.(\d+)", run("sshd", "-V").stderr).groups()))
CLEAN = troubles()
SCENARIOS = (
    a_clean_host, the_schema, calls, shells, shells_are_asked, text_that_is_no_limit,
    shells_that_cannot_be_asked, scripts_that_do_more, limits_that_are_larger, fixes_in_words,
    other_shells_away, what_sshd_leaves_open, what_stops_sshd, an_sshd_that_cannot_be_queried,
    the_drop_in_for_sshd, lines_that_end_the_stack_first, lines_that_end_another_stack,
    modules_elsewhere, harmless_session_controls, what_a_match_block_loosens, zeros,
    match_blocks_about_the_way_in, a_large_drop_in, an_sshd_that_hangs, a_host_without_sshd,
    lines_that_are_missing, lines_in_the_wrong_place, the_policy, the_host, faillock,
    owners_and_modes, space_for_the_state, names_with_control_characters,
    files_that_patch_would_harm, the_work_for_many_findings, a_faillock_between_two_rules, baselines, presets, fixes_that_hold, names_in_a_fix,
    what_the_host_does_not_do)
WITH_FAULTS = {
    shells, text_that_is_no_limit, limits_that_are_larger, what_sshd_leaves_open,
    what_stops_sshd, the_drop_in_for_sshd, lines_that_end_the_stack_first, modules_elsewhere,
    harmless_session_controls, what_a_match_block_loosens, zeros, lines_that_are_missing,
    lines_in_the_wrong_place, the_policy, the_host, faillock, owners_and_modes,
    names_with_control_characters}
tap.run(*(undone(one) if one in WITH_FAULTS else one for one in SCENARIOS))
