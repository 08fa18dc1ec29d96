#!/usr/bin/python3
"""The real authselect with our profiles, and its stacks with a real sssd and slapd: select,
check, features, upgrade and removal; right and wrong passwords of local users and of users of
a directory.

    AUTHSELECT=DIRECTORY[:DIRECTORY...] tests/run --soak soak/authselect

Each DIRECTORY is authselect built and installed with DESTDIR and --prefix=/usr, for example
1.2.6 and the current version. Debian has no authselect: without AUTHSELECT, small profiles of
our own are rendered by the test, and what is about authselect's commands is not run.

sssd and slapd are Debian's. They are downloaded, and installed on a throw-away host only.
"""

import glob
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

from host.attempts import Pam, setup_passwords, state
from host.authselect import PROFILES, combinations, generate, render, write_profiles
from host.commands import must, run
from host.files import REPOSITORY, read, remove, write
from host.product import unlock
from host.tap import tap
from host.waiting import wait_until

PACKAGES = ("sssd-common", "sssd-ldap", "libpam-sss", "libnss-sss", "slapd", "ldap-utils")
DEBS = REPOSITORY + "/build/soak/authselect"
DEFAULT, VENDOR = "/usr/share/authselect/default", "/usr/share/authselect/vendor"
SPEC = REPOSITORY + "/packaging/rpm/pam_tmout.spec"
LOG = "/run/slapd.log"
BASE = "dc=example,dc=org"
OURS = "pam_tmout.so"
BUILT = [path for path in os.environ.get("AUTHSELECT", "").split(":") if path]

SLAPD = f"""include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "{BASE}"
rootdn "cn=admin,{BASE}"
rootpw admin
directory /run/slapd
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""
PEOPLE = f"""dn: {BASE}
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: uid=dira,{BASE}
objectClass: account
objectClass: posixAccount
uid: dira
cn: dira
uidNumber: 4711
gidNumber: 4711
homeDirectory: /
loginShell: /bin/sh
userPassword: right-dir
"""
SSSD = f"""[sssd]
services = nss, pam
domains = example
[pam]
pam_verbosity = 0
[domain/example]
id_provider = ldap
auth_provider = ldap
access_provider = permit
ldap_uri = ldap://127.0.0.1
ldap_search_base = {BASE}
ldap_id_use_start_tls = false
ldap_auth_disable_tls_never_use_in_production = true
cache_credentials = false
enumerate = false
"""


# --- outside -----------------------------------------------------------------

def download():
    """The packages with what they need, unless they are there already."""
    os.makedirs(DEBS + "/partial", exist_ok=True)
    if not glob.glob(DEBS + "/slapd_*.deb"):
        must("apt-get", "-y", "-q", "--no-install-recommends", "--download-only",
             "-o", f"Dir::Cache::archives={DEBS}", "install", *PACKAGES)


def copy_builds():
    """The host has a /tmp of its own."""
    copies = []
    for number, built in enumerate(BUILT):
        copies.append(f"{DEBS}/{number}-{os.path.basename(built)}")
        remove(copies[-1])
        must("cp", "-a", built, copies[-1])
    os.environ["AUTHSELECT"] = ":".join(copies)


# --- the directory -----------------------------------------------------------

def install_packages():
    write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    must("sh", "-c", f"dpkg --unpack {DEBS}/*.deb && dpkg --configure -a",
         env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def start_directory():
    """slapd with one user, and sssd that asks it."""
    os.makedirs("/run/slapd", exist_ok=True)
    write("/etc/ldap/test.conf", SLAPD)
    write("/run/people.ldif", PEOPLE)
    must("slapadd", "-f", "/etc/ldap/test.conf", "-l", "/run/people.ldif")
    with open(LOG, "w", encoding="utf-8") as log:
        subprocess.Popen(["slapd", "-d", "256", "-h", "ldap://127.0.0.1", "-f",
                          "/etc/ldap/test.conf"], stdout=log, stderr=log)
    wait_until(lambda: run("ldapsearch", "-x", "-H", "ldap://127.0.0.1", "-b", BASE,
                           "uid=dira").returncode == 0, "slapd does not answer")
    write("/etc/sssd/sssd.conf", SSSD, 0o600)
    subprocess.Popen(["sssd", "-i"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    write("/etc/nsswitch.conf", re.sub(r"(?m)^passwd:.*", "passwd: files sss",
                                       read("/etc/nsswitch.conf")))
    wait_until(lambda: run("getent", "passwd", "dira").returncode == 0, "sssd does not answer")


def binds():
    """How many passwords slapd was asked about: err=0 is right, err=49 wrong."""
    return [int(code) for code in re.findall(r"RESULT tag=97 err=(\d+)", read(LOG))
            if code in ("0", "49")]


def guesses(service, name, count, right):
    """Wrong passwords, then the right one: how many reached slapd, and who got in."""
    unlock(name)
    wrong_before = binds().count(49)
    wrong = [Pam.once(service, name, f"wrong{n}", source="192.0.2.1") for n in range(count)]
    tap.ok(0 not in wrong, "wrong ones do not get in", wrong)
    got_in = Pam.once(service, name, right, source="192.0.2.1") == 0
    return binds().count(49) - wrong_before, got_in, state(name)


def passwords(service, what):
    """The limit holds, for a local user and one of the directory."""
    tap.equal(guesses(service, "dira", 8, "right-dir"), (3, False, (3, True)),
              f"{what}, directory: 3 of 8 wrong passwords reach slapd, and then the right one does not")
    tap.equal(guesses(service, "dira", 2, "right-dir"), (2, True, (0, False)),
              "two wrong ones, and the right one gets in")
    tap.equal(guesses(service, "ann", 8, "right-1234"), (0, False, (3, True)),
              f"{what}, local: locked after 3 of 8")
    tap.equal(guesses(service, "ann", 2, "right-1234"), (0, True, (0, False)),
              "two wrong ones, and the right one gets in")


def control():
    """without our line, and with it in front of pam_unix: the directory is asked 8 times"""
    lines = render(PROFILES["sssd"]["password-auth"], ("with-faillock",))
    lines = lines.replace(" silent", " silent dir=/run/faillock deny=100").replace(
        " authfail", " authfail dir=/run/faillock deny=100")
    literal = re.sub(r"(?m)^(auth sufficient pam_unix)", f"auth requisite {OURS}\n\\1", lines)
    for what, text in (("without", lines), ("in front of pam_unix", literal)):
        write("/etc/pam.d/control", text)
        tap.equal(guesses("control", "dira", 8, "right-dir")[:2], (8, True), what)
    remove("/etc/pam.d/control")


def small_profiles():
    """our own small profiles"""
    write_profiles("/run/default")
    generate("/run/default", "/run/vendor")
    for file in ("password-auth", "system-auth"):
        text = render(read(f"/run/vendor/tmout-sssd/{file}"), ("with-tmout", "with-faillock"))
        write("/etc/pam.d/small", text.replace(" silent", " silent dir=/run/faillock deny=100").replace(
            " authfail", " authfail dir=/run/faillock deny=100"))
        passwords("small", file)
    remove("/etc/pam.d/small")


# --- authselect --------------------------------------------------------------

def authselect(*words):
    return run("authselect", *words)


def works(*words):
    result = authselect(*words)
    return tap.ok(result.returncode == 0, "authselect " + " ".join(words), result.stdout,
                  result.stderr)


def scriptlet(name, argument):
    """Runs the part about authselect of one of the package's scripts."""
    text = re.search(rf"(?ms)^%{name}$\n(.*?)^(?:%|# )", read(SPEC))[1]
    if name == "preun":
        text = text.split("    lines=$(grep")[0] + "fi\n"
    for macro, path in (("%{_bindir}", "/usr/bin"), ("%{profiles}", DEFAULT)):
        text = text.replace(macro, path)
    return run("sh", "-c", text, "sh", argument)


def findings():
    """What the audit has against the stacks."""
    report = json.loads(run("tmoutctl", "audit", "--json").stdout)
    return [(finding["status"], finding["id"], finding["file"], finding["message"])
            for finding in report["findings"] if finding["status"] != "PASS" and
            finding["id"] in ("pam-jump", "pam-auth-order", "pam-twice", "pam-prompt",
                              "pam-auth-line", "pam-auth-control", "pam-other-services",
                              "pam-stack") and
            re.search("(password|system)-auth|trial", finding["file"] or "")]


def install_authselect(built):
    for path in (DEFAULT, VENDOR, "/etc/authselect", "/var/lib/authselect"):
        remove(path)
    must("cp", "-a", f"{built}/.", "/")
    must("ldconfig")
    os.makedirs("/etc/authselect", exist_ok=True)
    os.makedirs("/var/lib/authselect", exist_ok=True)
    generate(DEFAULT, VENDOR)
    # With these two, the limit of pam_faillock stays out of the way.
    for file in glob.glob(f"{VENDOR}/tmout-*/*-auth"):
        write(file, re.sub(r"(pam_faillock\.so (preauth silent|authfail))",
                           r"\1 dir=/run/faillock deny=100", read(file)))


def commands():
    """select, check, features"""
    listed = authselect("list").stdout
    tap.ok(all(f"tmout-{name}" in listed for name in ("local", "sssd", "winbind")), "list", listed)
    tap.ok("with-tmout" in authselect("list-features", "tmout-sssd").stdout.split(), "list-features")
    tap.ok("with-tmout" in authselect("show", "tmout-sssd").stdout, "show")
    tap.ok("tmoutctl status" in authselect("requirements", "tmout-sssd", "with-tmout").stdout,
           "requirements")
    works("select", base_profile(), "with-faillock", "--force")
    works("select", "tmout-sssd", "with-faillock", "with-tmout")
    works("check")
    tap.equal(authselect("current", "--raw").stdout, "tmout-sssd with-faillock with-tmout\n",
              "current")
    for words in (("enable-feature", "with-mkhomedir"), ("disable-feature", "with-mkhomedir"),
                  ("disable-feature", "with-tmout")):
        works(*words)
    tap.ok(OURS not in read("/etc/pam.d/password-auth"), "without the feature, no line of ours")
    works("enable-feature", "with-tmout")
    works("check")


def upgrade_and_removal():
    """an upgraded profile is applied; a removed one gives way to the distribution's"""
    works("select", "tmout-sssd", "with-faillock", "with-tmout")
    path = f"{VENDOR}/tmout-sssd/password-auth"
    write(path, read(path) + "session optional pam_permit.so\n")
    result = scriptlet("posttrans", "2")
    tap.equal((result.returncode, result.stderr), (0, ""), "posttrans")
    tap.ok("pam_permit.so" in read("/etc/pam.d/password-auth").split("session", 1)[1], "is applied")
    works("check")
    works("enable-feature", "with-mkhomedir")
    tap.equal(scriptlet("preun", "1").returncode, 0, "preun of an upgrade")
    tap.ok(OURS in read("/etc/pam.d/password-auth"), "changes nothing")
    for ours, theirs in (("tmout-sssd", "sssd"), ("tmout-winbind", "winbind"),
                         ("tmout-local", base_profile())):
        works("select", ours, "with-faillock", "with-tmout", "with-mkhomedir")
        tap.equal(scriptlet("preun", "0").returncode, 0, f"preun of {ours}'s removal")
        current = set(authselect("current", "--raw").stdout.split())
        tap.equal(current, {theirs, "with-faillock", "with-mkhomedir"}, "selects theirs")
        tap.ok(OURS not in read("/etc/pam.d/system-auth"), "no line of ours is left")
        works("check")


def own_profile():
    """the profiles of README-authselect.md"""
    works("create-profile", "site", "--base-on=tmout-sssd", "--symlink-meta")
    works("select", "custom/site", "with-faillock", "with-tmout")
    works("apply-changes")
    tap.equal(findings(), [], "a profile based on ours passes the audit")


def all_features():
    """every pair of features of every profile passes the audit"""
    for profile in ("tmout-local", "tmout-sssd", "tmout-winbind"):
        features = [name for name in authselect("list-features", profile).stdout.split()
                    if name != "with-tmout"]
        stacks = {}
        for chosen in combinations(features):
            for file in ("password-auth", "system-auth"):
                text = render(read(f"{VENDOR}/{profile}/{file}"), ("with-tmout", *chosen))
                stacks.setdefault(text, f"trial{len(stacks)}")
        for text, name in stacks.items():
            write(f"/etc/pam.d/{name}", text)
        # A ticket needs no password, but a locked user is rejected all the same.
        odd = [finding for finding in findings() if "pam_sss_gss" not in finding[3]]
        tap.equal(odd, [], f"{profile}: {len(stacks)} stacks")
        for name in stacks.values():
            remove(f"/etc/pam.d/{name}")


def same_as_authselect():
    """the stacks of the trials are those that authselect makes"""
    for features in (("with-tmout",), ("with-tmout", "with-smartcard-required", "with-gssapi"),
                     ("with-tmout", "with-faillock", "with-fingerprint", "without-nullok")):
        works("select", "tmout-sssd", *features)
        for file in ("password-auth", "system-auth"):
            def words(text):
                return [" ".join(line.split()) for line in text.splitlines()
                        if line.strip() and not line.startswith("#")]
            tap.equal(words(render(read(f"{VENDOR}/tmout-sssd/{file}"), features)),
                      words(read(f"/etc/pam.d/{file}")), f"{file} {features}")


def running():
    """the stacks that authselect makes, with passwords"""
    works("select", "tmout-sssd", "with-faillock", "with-tmout")
    for file in ("password-auth", "system-auth"):
        passwords(file, f"tmout-sssd {file}")
    works("select", "tmout-local", "with-faillock", "with-tmout")
    for file in ("password-auth", "system-auth"):
        tap.equal(guesses(file, "ann", 8, "right-1234"), (0, False, (3, True)),
                  f"tmout-local {file}: locked after 3 of 8")


def base_profile():
    return "local" if os.path.exists(f"{DEFAULT}/local") else "minimal"


def scenarios_of(built):
    """Everything about one build of authselect."""
    def installation():
        install_authselect(built)
    installation.__doc__ = f"authselect of {built}"
    return [installation, commands, running, same_as_authselect, all_features, own_profile,
            upgrade_and_removal]


if not os.path.exists("/run/throwaway"):
    download()
    copy_builds()
    os.execv(REPOSITORY + "/tests/host/throwaway", ["throwaway", *sys.argv])
setup_passwords("default { tmout = 15m\n max_attempts = 3 }\n", "", [], {"ann": "right-1234"})
os.makedirs("/run/faillock", exist_ok=True)
install_packages()
start_directory()
if not BUILT:
    tap.skip("authselect's own commands", "AUTHSELECT names no build of it")
tap.run(control, small_profiles,
        *(scenario for built in BUILT for scenario in scenarios_of(built)))
