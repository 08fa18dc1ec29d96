#!/usr/bin/python3
"""
Real compliance scanners with their real content, on a host before and after
pam_tmout is installed: OpenSCAP's rules on TMOUT and on sshd, and Lynis' test of
idle sessions. Runs as root inside tests/host/throwaway.

OpenSCAP calls a rule "not applicable" where the content is for another
distribution. So this evaluates the rule's OVAL definition by itself, which does
all of the checking, with the bound that a profile would set.
"""

import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.commands import must
from host.files import REPOSITORY, append, read, remove, write
from host.product import POLICY, install, policy
from host.setup import clean_slate
from host.syslog import syslog
from host.tap import tap

CONTENT = "/usr/share/xml/scap/ssg/content"
TMOUT_CONTENT = ("rhel9", "ubuntu2204", "sle15")
# Debian 13 has both.
SSHD_CONTENTS = ("debian11", "debian12")
SSHD_CONFIG = "/etc/ssh/sshd_config"
DROP_IN = "/etc/ssh/sshd_config.d/00-tmout.conf"
SCRIPTS = ("/etc/profile.d/tmout.sh", "/etc/profile.d/tmout.csh")

VARIABLES = """<?xml version="1.0" encoding="UTF-8"?>
<oval_variables xmlns="http://oval.mitre.org/XMLSchema/oval-variables-5"
    xmlns:oval="http://oval.mitre.org/XMLSchema/oval-common-5">
  <generator>
    <oval:schema_version>5.11</oval:schema_version>
    <oval:timestamp>2026-01-01T00:00:00</oval:timestamp>
  </generator>
  <variables>{}</variables>
</oval_variables>
"""

# The definitions on sshd, and the values that the profiles of CIS give to their variables.
SSHD_DEFINITIONS = ("sshd_set_idle_timeout", "sshd_set_keepalive", "sshd_set_login_grace_time",
                    "sshd_set_max_auth_tries", "sshd_set_max_sessions", "sshd_set_maxstartups")
SSHD_BOUNDS = {"sshd_idle_timeout_value": 300, "var_sshd_set_keepalive": 3,
               "var_sshd_set_login_grace_time": 60, "sshd_max_auth_tries_value": 4,
               "var_sshd_max_sessions": 10, "var_sshd_set_maxstartups": "10:30:60",
               "sshd_required": 0}


def oval(content, definition, bounds):
    """What OpenSCAP finds: "true" is a pass. A definition whose variables are not all
    bound is an "error", and which it has differs from version to version: the content
    of Debian 13 (0.1.76) takes the bound of MaxStartups from one, that of Debian 12
    (0.1.65) has it built in."""
    path = f"{CONTENT}/ssg-{content}-oval.xml"
    text = read(path)
    variables = "".join(
        f'<variable id="oval:ssg-{name}:var:1" datatype="{kind(value)}" comment="bound">'
        f"<value>{value}</value></variable>"
        for name, value in bounds.items() if f'"oval:ssg-{name}:var:1"' in text)
    write("/run/scanner/variables.xml", VARIABLES.format(variables))
    shown = must("oscap", "oval", "eval", "--id", f"oval:ssg-{definition}:def:1", "--variables",
                 "/run/scanner/variables.xml", path)
    return re.search(rf"Definition oval:ssg-{definition}:def:1: (.*)", shown).group(1)


def kind(value):
    return "int" if isinstance(value, int) else "string"


# It also checks much else, and waits for a network that is not there.
LYNIS_GUARD_SEC = 600


def lynis():
    """What Lynis' test finds: whether there is a limit, whether it is readonly, its values."""
    report = "/run/scanner/lynis"
    must("lynis", "audit", "system", "--tests", "SHLL-6220", "--quick", "--no-colors", "--logfile",
         "/dev/null", "--report-file", report, timeout=LYNIS_GUARD_SEC)
    found = re.findall(r"(?m)^session_timeout_(\w+)(?:\[\])?=(.*)$", read(report))
    return {name: [value for other, value in found if other == name] for name, _ in found}


def tmout_rules(bound, expected, when, contents=TMOUT_CONTENT):
    for content in contents:
        if not os.path.exists(f"{CONTENT}/ssg-{content}-oval.xml"):
            tap.skip(f"{when}: OpenSCAP, {content}", "its content is not installed")
            continue
        tap.equal(oval(content, "accounts_tmout", {"var_accounts_tmout": bound}), expected,
                  f"{when}: OpenSCAP, {content}, accounts_tmout at {bound}: {expected}")


def the_plain_system():
    """before: every scanner fails the host"""
    if not shutil.which("oscap"):
        tap.skip("OpenSCAP", "not installed")
    else:
        tmout_rules(600, "false", "plain")
    if not shutil.which("lynis"):
        tap.skip("Lynis", "not installed")
        return
    tap.equal(lynis()["enabled"], ["0"], "plain: Lynis, SHLL-6220: none")


def with_the_kit():
    """after: every scanner passes it, at ten minutes"""
    install()
    if shutil.which("oscap"):
        tmout_rules(600, "true", "installed")
        tmout_rules(599, "false", "installed", TMOUT_CONTENT[:1])
    if shutil.which("lynis"):
        found = lynis()
        tap.equal((found["enabled"], found["set_readonly"]), (["1"], ["1"]),
                  "installed: Lynis, SHLL-6220: found, readonly")
        tap.ok("600" in found["value"], "installed: Lynis reads the number", found["value"])


def a_stricter_baseline():
    """a site with less than ten minutes passes once its administrator has run --literal"""
    policy("default { tmout = 5m }\n")
    if not shutil.which("oscap"):
        tap.skip("a bound of 300", "OpenSCAP is not installed")
        return
    must("tmoutctl", "apply")
    tmout_rules(300, "false", "tmout = 5m", TMOUT_CONTENT[:1])
    must("tmoutctl", "shells", "--literal")
    tmout_rules(300, "true", "tmout = 5m, shells --literal")
    policy("default { tmout = 1h }\n")
    must("tmoutctl", "shells", "--literal")
    tmout_rules(600, "true", "tmout = 1h, shells --literal", TMOUT_CONTENT[:1])


def recipe():
    """The commands of the README for sshd, as root types them."""
    text = read(os.path.join(REPOSITORY, "README.md"))
    blocks = [block for block in re.findall(r"(?ms)^```\n(.*?)^```$", text)
              if "tmoutctl preset cis-debian12" in block]
    return re.sub(r"(?m)^sudo ", "", blocks[0])


def installed_contents():
    return [content for content in SSHD_CONTENTS
            if os.path.exists(f"{CONTENT}/ssg-{content}-oval.xml")]


def sshd_rules(expected, when):
    for content in installed_contents():
        for definition in SSHD_DEFINITIONS:
            tap.equal(oval(content, definition, SSHD_BOUNDS), expected,
                      f"{when}: OpenSCAP, {content}, {definition}: {expected}")


def sshd_as_the_readme_says():
    """the CIS preset, with the README's commands, satisfies what Debian's content asks of sshd"""
    if not shutil.which("oscap") or not installed_contents():
        tap.skip("the rules on sshd", "OpenSCAP or its content for Debian is not installed")
        return
    remove(POLICY)
    remove(DROP_IN)
    # A site's own block comes last: anything appended after it would be part of it.
    append(SSHD_CONFIG, "\nMatch User nobody\n    X11Forwarding no\n")
    before = read(SSHD_CONFIG)
    sshd_rules("false", "plain")
    append("/etc/security/tmout.conf.d/50-site.conf",
           'group "ops" { max_sessions = 20   max_auth_tries = 6   client_alive_count_max = 9 }\n')
    must("sh", "-e", "-c", recipe(), cwd="/")
    tap.ok(read(SSHD_CONFIG).endswith(before), "sshd's file is otherwise unchanged")
    tap.ok("Match Group" in read(DROP_IN), "the looser rules of a group are in the drop-in")
    sshd_rules("true", "as the README says")
    must(shutil.which("sshd"), "-t")
    effective = must(shutil.which("sshd"), "-T", "-C", "user=root,host=h,addr=192.0.2.1")
    for line in "clientaliveinterval 300", "clientalivecountmax 3", "maxstartups 10:30:60":
        tap.ok(f"\n{line}\n" in effective, f"and sshd uses it: {line}")
    # Why they must not be in the file itself.
    append(SSHD_CONFIG, read(DROP_IN)[read(DROP_IN).index("Match"):])
    for content in installed_contents():
        tap.equal(oval(content, "sshd_set_keepalive", SSHD_BOUNDS), "false",
                  f"OpenSCAP, {content}: a looser value in a Match block of the file fails")


if not os.path.exists("/run/throwaway"):
    sys.exit(f"start it as tests/host/throwaway {sys.argv[0]}")
syslog.start()
clean_slate()
for script in SCRIPTS:
    remove(script)
os.makedirs("/run/scanner")
tap.run(the_plain_system, with_the_kit, a_stricter_baseline, sshd_as_the_readme_says)
