#!/usr/bin/python3
"""What sshd tells PAM, and when: the facts in docs/FACTS.md that the module
rests on. Which layer ends which idle session is measured by tests/e2e/layers.t, and
which way of setting a variable wins by tests/e2e/hostile.t."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import passwords, user
from host.attempts import lets_in
from host.client import ssh, ssh_command, terminal
from host.commands import run
from host.files import read, write
from host.pam_stacks import stack
from host.setup import setup
from host.tap import tap
from host.waiting import wait_until

CALLS = "/run/pam-calls"
RECORDER = "/usr/local/sbin/record-pam-call"


def record_calls():
    """A PAM stack for sshd that notes each call: phase, terminal, address, the
    process, and the password if there is one."""
    write(RECORDER, f"""#!/bin/sh
password=$(tr -d '\\000' | od -An -c | tr -d ' \\n')
printf '%s\\n' "$PAM_TYPE user=$PAM_USER tty=$PAM_TTY connection=${{SSH_CONNECTION:+yes}} uid=$(id -u) process=$PPID password=$password" >>{CALLS}
""", 0o755)
    recorder = f"pam_exec.so quiet {RECORDER}"
    stack("sshd", f"auth optional pam_exec.so quiet expose_authtok {RECORDER}",
          "auth required pam_unix.so", f"account optional {recorder}", "account required pam_permit.so",
          f"session optional {recorder}", "session required pam_permit.so")


def calls(*phases):
    """The calls of these phases so far, as dictionaries."""
    lines = read(CALLS).splitlines() if os.path.exists(CALLS) else []
    split = [line.split(" ") for line in lines]
    return [{"phase": words[0], **dict(word.split("=", 1) for word in words[1:])}
            for words in split if words[0] in phases]


def forget():
    write(CALLS, "")


def every_kind_of_session():
    """PAM_TTY is "ssh" for every kind of session, and SSH_CONNECTION is known"""
    forget()
    ssh("anna", "true")
    with_terminal = terminal("anna", "true")
    with_terminal.wait_end()
    run("sftp", "-b", "/dev/null", *ssh_command("anna", program="sftp")[1:-1], "anna@127.0.0.1")
    wait_until(lambda: len(calls("close_session")) >= 3)
    opened = calls("open_session")
    tap.equal({call["tty"] for call in opened}, {"ssh"}, "PAM_TTY of a command, a terminal, and sftp")
    tap.equal({call["connection"] for call in calls("account", "open_session", "close_session")},
              {"yes"}, "SSH_CONNECTION is in the PAM environment at every phase")
    tap.equal({call["uid"] for call in opened}, {"0"}, "open_session runs as root")


def a_key_never_reaches_auth():
    """a login by key runs account and session, and never auth"""
    forget()
    ssh("anna", "true")
    wait_until(lambda: calls("close_session"))
    tap.equal(calls("auth"), [], "no auth")
    tap.equal(len(calls("account")), 1, "account, once")
    tap.equal(len(calls("open_session")), 1, "open_session, once")


def sessions_that_share_a_connection():
    """open_session runs once per connection, whatever the number of its sessions"""
    forget()
    control = "ControlPath=/run/facts-control"
    ssh("anna", "true", options=["ControlMaster=yes", "ControlPersist=yes", control])
    for _ in range(3):
        ssh("anna", "true", options=[control])
    tap.equal(len(calls("open_session")), 1, "four sessions, one open_session")
    run(*ssh_command("anna", "-O", "exit", options=[control]))


def a_wrong_password_and_a_right_one():
    """each password is one pam_authenticate, on one handle in one process"""
    forget()
    tap.ok(lets_in("anna", "wrong", "right"), "the second password lets in")
    tried = calls("auth")
    tap.equal([call["password"] for call in tried], ["wrong", "right"], "auth ran twice")
    tap.equal(len({call["process"] for call in tried}), 1, "in one process")


def a_user_whom_sshd_will_not_let_in():
    """for a user that sshd refuses anyway, PAM gets a fake password as long as the real one"""
    forget()
    tap.ok(not lets_in("denied", "right"), "the right password does not let in")
    tap.equal({call["password"] for call in calls("auth")}, {r"\b\n\r177I"},
              "the beginning of \\b\\n\\r\\177INCORRECT, five bytes of it")


def main():
    setup("default { }", sshd_config="PasswordAuthentication yes\nDenyUsers denied")
    for name in "anna", "denied":
        user(name)
    passwords({"anna": "right", "denied": "right"})
    record_calls()
    tap.run(every_kind_of_session, a_key_never_reaches_auth, sessions_that_share_a_connection,
            a_wrong_password_and_a_right_one, a_user_whom_sshd_will_not_let_in)


if __name__ == "__main__":
    main()
