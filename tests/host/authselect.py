"""authselect's profiles: small ones of our own, with the conditions and jumps of the real
ones, and what authselect makes of their text. Measured with authselect 1.2.6 and 1.7.1."""

import itertools
import os
import re

from host.commands import must
from host.files import write

GENERATE = os.path.join(os.path.dirname(__file__), "../../packaging/authselect/generate")

HEAD = """auth required pam_env.so
auth required pam_faillock.so preauth silent {include if "with-faillock"}
"""
KEYS = """auth sufficient pam_fprintd.so {include if "with-fingerprint"}
auth sufficient pam_u2f.so cue {include if "with-pam-u2f"}
auth required pam_u2f.so cue {if not "without-nouserok":nouserok} {include if "with-pam-u2f-2fa"}
"""
LOCAL = """auth sufficient pam_unix.so {if not "without-nullok":nullok}
auth sufficient pam_systemd_home.so {include if "with-systemd-homed"}
"""
REGULAR = "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular"
END = """auth required pam_faillock.so authfail {include if "with-faillock"}
auth required pam_deny.so

account required pam_permit.so

password sufficient pam_systemd_home.so {include if "with-systemd-homed"}
password requisite pam_pwquality.so
password sufficient pam_unix.so use_authtok

session required pam_limits.so
session optional pam_oddjob_mkhomedir.so {include if "with-mkhomedir"}
session [success=1 default=ignore] pam_succeed_if.so service in crond quiet use_uid
session required pam_unix.so
"""
CARD_NEEDED = """auth [success=1 default=ignore] pam_succeed_if.so service notin login:gdm quiet use_uid \
{include if "with-smartcard-required"}
auth [success=done ignore=ignore default=die] pam_sss.so require_cert_auth {include if "with-smartcard-required"}
"""
CARD = """auth [default=1 ignore=ignore success=ok] pam_localuser.so {exclude if "with-smartcard"}
auth [default=2 ignore=ignore success=ok] pam_localuser.so {include if "with-smartcard"}
auth [success=done authinfo_unavail=ignore user_unknown=ignore ignore=ignore default=die] \
pam_sss.so try_cert_auth {include if "with-smartcard"}
"""
TICKET = f"""{REGULAR} {{include if "with-gssapi"}}
auth sufficient pam_sss_gss.so {{include if "with-gssapi"}}
"""
SSS = f"{REGULAR}\nauth sufficient pam_sss.so forward_pass\n"
WINBIND = f"{REGULAR}\nauth sufficient pam_winbind.so use_first_pass\n"
NO_PASSWORDS = """auth required pam_env.so
auth [success=done default=bad] pam_fprintd.so
auth required pam_deny.so
password required pam_deny.so
session required pam_unix.so
"""
README = """A profile
=========

AVAILABLE OPTIONAL FEATURES
---------------------------

with-faillock::
    Lock accounts.
"""

PROFILES = {
    "local": {"system-auth": HEAD + KEYS + LOCAL + END, "password-auth": HEAD + LOCAL + END},
    "sssd": {"system-auth": '{imply "with-smartcard" if "with-smartcard-required"}\n' + HEAD +
                            CARD_NEEDED + KEYS + f"{REGULAR}\n" + CARD + LOCAL + TICKET + SSS + END,
             "password-auth": HEAD + f"{REGULAR}\nauth [default=1 ignore=ignore success=ok] "
                              "pam_localuser.so\n" + LOCAL + SSS + END},
    "winbind": {"system-auth": HEAD + KEYS + LOCAL + WINBIND + END,
                "password-auth": HEAD + LOCAL + WINBIND + END},
}
FEATURES = ("with-faillock", "with-smartcard", "with-smartcard-required", "with-fingerprint",
            "with-pam-u2f", "with-pam-u2f-2fa", "with-gssapi", "with-systemd-homed")


def write_profiles(directory):
    """Our small profiles, as in /usr/share/authselect/default."""
    for name, files in PROFILES.items():
        for file, text in {**files, "fingerprint-auth": NO_PASSWORDS, "README": README,
                           "nsswitch.conf": "passwd: files\n"}.items():
            write(f"{directory}/{name}/{file}", text)


def generate(source, target):
    """packaging/authselect/generate; returns what it says."""
    return must(GENERATE, source, target)


def holds(condition, features):
    """A condition such as "a" or not "b"."""
    words = re.sub(r'"([^"]+)"', lambda match: str(match[1] in features), condition)
    return eval(words, {"__builtins__": {}})  # pylint: disable=eval-used # the tests' own text


def render(text, features):
    """The file that authselect makes of a profile's text."""
    features = set(features)
    for implied, condition in re.findall(r'\{imply "([^"]+)" if ([^{}]+)\}', text):
        if holds(condition, features):
            features.add(implied)
    lines = []
    for line in text.splitlines():
        if "{imply" in line:
            continue
        keep = all(holds(condition, features) == (kind == "include")
                   for kind, condition in re.findall(r"\{(include|exclude) if ([^{}:]+)\}", line))
        line = re.sub(r"\{(include|exclude) if [^{}:]+\}", "", line)
        line = re.sub(r"\{if ([^{}:]+):([^{}|]*)\}",
                      lambda match: match[2] if holds(match[1], features) else "", line)
        if keep:
            lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def combinations(features=FEATURES):
    """None of the features, each, every pair, and all of them."""
    for count in (0, 1, 2, len(features)):
        yield from itertools.combinations(features, count)
