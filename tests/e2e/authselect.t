#!/usr/bin/python3
"""authselect's profiles with our lines, as packaging/authselect/generate makes them: the audit
of every pair of features, and stacks that run, with local users and users of a directory."""

import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.attempts import Pam, setup_passwords, state
from host.authselect import PROFILES, combinations, generate, render, write_profiles
from host.commands import run
from host.files import read, remove, write
from host.product import unlock
from host.tap import tap

SOURCE, MADE = "/run/default", "/run/vendor"
OURS = "pam_tmout.so"
ASKED = "/run/sss.asked"
# pam_exec in place of pam_sss: it notes each password that it is asked about.
SSS = f"""#!/bin/sh
read -r password
echo "$PAM_USER" >>{ASKED}
[ "$PAM_USER $password" = 'dira right-dir' ]
"""
POLICY = "default { tmout = 15m\n max_attempts = 3 }\n"


def made(profile, file, features):
    return render(read(f"{MADE}/tmout-{profile}/{file}"), ("with-tmout", *features))


def places():
    """the lines: one of each type, and none without the feature"""
    for profile, files in PROFILES.items():
        for file, text in files.items():
            with_it = made(profile, file, ())
            tap.equal([line.split()[0] for line in with_it.splitlines() if OURS in line],
                      ["auth", "password", "session"], f"{profile} {file}: auth, password, session")
            without = render(read(f"{MADE}/tmout-{profile}/{file}"), ())
            tap.equal(without, render(text, ()), "without the feature it is the distribution's")
            lines = made(profile, file, ("with-faillock",)).splitlines()
            preauth = [n for n, line in enumerate(lines) if "preauth" in line][0]
            tap.ok(OURS in lines[preauth + 1], "right behind preauth", lines)
        fingers = made(profile, "fingerprint-auth", ())
        tap.equal([line for line in fingers.splitlines() if OURS in line],
                  [f"session     optional                                     {OURS}"],
                  "where no password is checked: session only")
        tap.ok("\nwith-tmout::\n" in read(f"{MADE}/tmout-{profile}/README"), "README names it")


def broken_profiles():
    """profiles that the generator does not take"""
    tap.ok(run(os.path.dirname(__file__) + "/../../packaging/authselect/generate", "/run/nowhere",
               "/run/x").returncode == 1, "no profiles")
    write("/run/odd/sssd/system-auth", "auth required pam_permit.so\n")
    write("/run/odd/sssd/password-auth", "auth required pam_permit.so\n")
    result = run(os.path.dirname(__file__) + "/../../packaging/authselect/generate", "/run/odd",
                 "/run/x")
    tap.equal((result.returncode, result.stderr),
              (1, "generate: /run/odd/sssd/system-auth: has no place for the auth line\n"),
              "no password is checked")


def findings(services):
    """What the audit has against these services, by their names."""
    for name, text in services.items():
        write(f"/etc/pam.d/{name}", text)
    try:
        report = json.loads(run("tmoutctl", "audit", "--json").stdout)
    finally:
        for name in services:
            remove(f"/etc/pam.d/{name}")
    return [(os.path.basename(finding["file"]), finding["status"], finding["id"],
             finding["message"]) for finding in report["findings"]
            if finding["status"] != "PASS" and finding["id"].startswith("pam-") and
            finding["id"] != "pam-missing-module" and
            os.path.basename(finding["file"] or "") in services]


def audit_of_features():
    """every pair of features passes the audit"""
    services, combined = {}, {}
    for profile, files in PROFILES.items():
        for file in files:
            for features in combinations():
                text = made(profile, file, features)
                if text not in services.values():
                    name = f"as{len(services)}"
                    services[name], combined[name] = text, (profile, file, features)
    # Who has a ticket needs no password, but a locked user is rejected all the same.
    odd = [(*finding, *combined[finding[0]]) for finding in findings(services)
           if not (finding[2] == "pam-auth-order" and "pam_sss_gss" in finding[3])]
    tap.equal(odd, [], f"{len(services)} stacks")


def audit_of_other_places():
    """our line where it was before: the audit says for whom the limit is off"""
    for file in ("password-auth", "system-auth"):
        lines = render(PROFILES["sssd"][file], ("with-faillock",)).splitlines()
        at = [n for n, line in enumerate(lines) if "pam_unix.so" in line][0]
        lines.insert(at, f"auth requisite {OURS}")
        found = findings({"literal": "\n".join(lines) + "\n"})
        tap.equal([(status, check) for _, status, check, _ in found], [("FAIL", "pam-jump")], file)
        tap.ok("passwords of directory users are checked without being counted" in found[0][3],
               "directory users", found)


def guesses(service, name, count, right):
    """Wrong passwords, then the right one: how many were asked about, and who got in."""
    remove(ASKED)
    unlock(name)
    wrong = [Pam.once(service, name, f"wrong{n}", source="192.0.2.1") for n in range(count)]
    tap.ok(0 not in wrong, "wrong ones do not get in", wrong)
    got_in = Pam.once(service, name, right, source="192.0.2.1") == 0
    asked = read(ASKED).count(name) if os.path.exists(ASKED) else 0
    return asked, got_in, state(name)


def running_stacks():
    """wrong and right passwords, local users and users of a directory"""
    for profile in ("sssd", "winbind"):
        for file in ("password-auth", "system-auth"):
            text = made(profile, file, ("with-faillock",))
            for module in ("pam_sss.so forward_pass", "pam_winbind.so use_first_pass"):
                text = text.replace(module, "pam_exec.so quiet expose_authtok /run/sss")
            text = text.replace(" silent", " silent dir=/run/faillock deny=100")
            text = text.replace(" authfail", " authfail dir=/run/faillock deny=100")
            write("/etc/pam.d/running", text)
            tap.equal(guesses("running", "dira", 8, "right-dir"), (3, False, (3, True)),
                      f"{profile} {file}, directory: 8 wrong ones, 3 are checked")
            tap.equal(guesses("running", "dira", 2, "right-dir"), (3, True, (0, False)),
                      "2 wrong ones and the right one")
            asked, *rest = guesses("running", "ann", 8, "right-1234")
            tap.equal((asked <= 3, *rest), (True, False, (3, True)), "local: 8 wrong ones")
            asked, *rest = guesses("running", "ann", 2, "right-1234")
            tap.equal((asked <= 2, *rest), (True, True, (0, False)), "2 wrong ones, the right one")
    remove("/etc/pam.d/running")


setup_passwords(POLICY, "", [], {"ann": "right-1234"})
write("/run/sss", SSS, 0o755)
os.makedirs("/run/faillock", exist_ok=True)
write("/var/lib/extrausers/passwd", "dira:x:4711:4711::/:/bin/sh\n")
for database in ("shadow", "group"):
    write(f"/var/lib/extrausers/{database}", "")
write("/etc/nsswitch.conf",
      re.sub(r"(?m)^passwd:.*", "passwd: files extrausers", read("/etc/nsswitch.conf")))
write_profiles(SOURCE)
generate(SOURCE, MADE)
tap.run(places, broken_profiles, audit_of_features, audit_of_other_places, running_stacks)
