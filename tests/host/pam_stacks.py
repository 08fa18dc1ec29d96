"""The host's PAM stacks."""

import re

from host.files import read, write

SESSION_LINE = "session optional pam_tmout.so"
AUTH_LINE = "auth requisite pam_tmout.so"


def stack(service, *lines):
    """Writes a PAM stack of exactly these lines."""
    write(f"/etc/pam.d/{service}", "".join(line + "\n" for line in lines))


def small_stack(service, *session):
    """Writes a PAM stack that lets everybody in, with these session lines."""
    stack(service, "auth required pam_permit.so", "account required pam_permit.so",
          "session required pam_permit.so", *session)


def wire_auth(service, line=AUTH_LINE, before=r"@include common-auth|auth\b.*pam_unix\.so",
              root=""):
    """Adds an auth line to a PAM stack, before the module that asks for the password."""
    path = f"{root}/etc/pam.d/{service}"
    lines = read(path).splitlines()
    place = [n for n, text in enumerate(lines) if re.match(before, text)][0]
    write(path, "\n".join(lines[:place] + [line] + lines[place:]) + "\n")


def wire(service, line=SESSION_LINE):
    """Adds a session line to the system's own PAM stack, after pam_env."""
    path = f"/etc/pam.d/{service}"
    lines = read(path).splitlines()
    places = [n for n, text in enumerate(lines) if re.match(r"-?session\b.*pam_env\.so", text)]
    places = places or [n for n, text in enumerate(lines) if re.match(r"-?session\b", text)]
    write(path, "\n".join(lines[:places[-1] + 1] + [line] + lines[places[-1] + 1:]) + "\n")
