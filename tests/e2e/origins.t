#!/usr/bin/python3
"""Which attempts are local and which come from the network, with real services: what
strangers can reach must not lock a user's su, sudo, polkit and console."""

import base64
import contextlib
import ftplib
import http.client
import imaplib
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.attempts import Pam, as_user, counts, lets_in, setup_passwords, su, sudo
from host.client import ssh
from host.commands import must, run
from host.files import write
from host.origins import accepts, addresses, network, running
from host.pam_stacks import AUTH_LINE, stack, wire_auth
from host.product import unlock
from host.tap import tap
from host.terminal import Terminal, on_console
from host.waiting import GUARD_SEC, wait_until

POLICY = "default { max_attempts = 3 }\n"
PEOPLE = {name: "right" for name in """
    mailer reader fetcher browser helper pty bare fallback by other sudoer console policy chosen
    webshell piped handed socketed""".split()}
HELPER = "/usr/local/bin/check-password"
AGENT = "/usr/lib/polkit-1/polkit-agent-helper-1"
SYSTEM_ACCOUNT = "www-data"

# As pwauth: a web server's set-uid program, which gets a service, a name, a password and an
# address.
HELPER_SOURCE = r"""
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char password[100];

static int answer(int count, const struct pam_message **message, struct pam_response **response,
                  void *data)
{
    (void)message, (void)data;
    *response = calloc((size_t)count, sizeof **response);
    for (int i = 0; i < count; i++)
        (*response)[i].resp = strdup(password);
    return PAM_SUCCESS;
}

int main(int argc, char **argv)
{
    const struct pam_conv conversation = {answer, NULL};
    pam_handle_t *handle = NULL;

    if (argc < 3 || fgets(password, sizeof password, stdin) == NULL)
        return 2;
    password[strcspn(password, "\n")] = '\0';
    pam_start(argv[1], argv[2], &conversation, &handle);
    if (argc > 3)
        pam_set_item(handle, PAM_RHOST, argv[3]);
    const int status = pam_authenticate(handle, 0);
    pam_end(handle, status);
    return status != PAM_SUCCESS;
}
"""


def saslauthd():
    """SMTP AUTH and others: saslauthd says nothing of the remote side"""
    os.makedirs("/run/saslauthd", exist_ok=True)
    with running("saslauthd", "-d", "-a", "pam", "-n", "1", "-m", "/run/saslauthd"):
        wait_until(lambda: os.path.exists("/run/saslauthd/mux"), "saslauthd does not start")
        network("mailer", "saslauthd", "unknown", lambda name, password: run(
            "testsaslauthd", "-u", name, "-p", password, "-s", "smtp").returncode == 0)


def ftp(name, password):
    with contextlib.closing(ftplib.FTP("127.0.0.1", timeout=GUARD_SEC)) as client:
        with contextlib.suppress(ftplib.error_perm):
            client.login(name, password)
            return True
    return False


def vsftpd():
    """vsftpd gives the client's address"""
    os.makedirs("/var/run/vsftpd/empty", exist_ok=True)
    write("/etc/vsftpd.conf", "listen=YES\nlocal_enable=YES\nisolate=NO\nisolate_network=NO\n"
          "seccomp_sandbox=NO\npam_service_name=vsftpd\nbackground=NO\nmax_login_fails=1\n"
          "delay_failed_login=0\nsecure_chroot_dir=/var/run/vsftpd/empty\n")
    stack("vsftpd", "@include common-auth", "@include common-account")
    with running("vsftpd", "/etc/vsftpd.conf"):
        network("fetcher", "vsftpd", "127.0.0.1", lambda *who: accepts(ftp, *who))


def imap(name, password):
    client = imaplib.IMAP4("127.0.0.1", timeout=GUARD_SEC)
    try:
        client.login(name, password)
        return True
    except imaplib.IMAP4.error:
        return False
    finally:
        client.shutdown()


def dovecot():
    """dovecot gives the client's address"""
    write("/etc/dovecot/dovecot.conf", """
        protocols = imap
        listen = 127.0.0.1
        ssl = no
        disable_plaintext_auth = no
        auth_failure_delay = 0
        mail_location = maildir:~/mail
        log_path = /run/dovecot.log
        passdb {
          driver = pam
        }
        userdb {
          driver = passwd
        }
        service anvil {
          unix_listener anvil-auth-penalty {
            mode = 0
          }
        }
        """)
    stack("dovecot", "@include common-auth", "@include common-account")
    with running("dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"):
        network("reader", "dovecot", "127.0.0.1", lambda *who: accepts(imap, *who))


def web(name, password):
    client = http.client.HTTPConnection("127.0.0.1", 9090, timeout=GUARD_SEC)
    basic = base64.b64encode(f"{name}:{password}".encode()).decode()
    client.request("GET", "/cockpit/login", headers={"Authorization": f"Basic {basic}"})
    status = client.getresponse().status
    client.close()
    return status == 200


def cockpit():
    """cockpit-ws runs the set-uid cockpit-session, which gives the browser's address"""
    stack("cockpit", "@include common-auth", "account required pam_permit.so",
          "session required pam_permit.so")
    with running("/usr/lib/cockpit/cockpit-ws", "--no-tls", "--port", "9090"):
        network("browser", "cockpit", "127.0.0.1", lambda *who: accepts(web, *who))


def helper(name, password, *address, by=SYSTEM_ACCOUNT):
    return run(*as_user(by, HELPER, "webauth", name, *address), stdin=None,
               input=password + "\n").returncode == 0


def helper_of_a_service():
    """a set-uid helper that a system account runs"""
    network("helper", "helper", "192.0.2.33",
            lambda name, password: helper(name, password, "192.0.2.33"))
    network("bare", "helper without an address", "unknown", helper)


def helper_of_a_user():
    """the same helper run by an ordinary user, whose choice the address is"""
    for _ in range(3):
        helper("other", "wrong", "192.0.2.33", by="by")
    tap.equal(counts("other"), {"local": 3}, "counted as local")
    tap.equal(addresses("other"), {"local"}, "the log says so")
    tap.ok(lets_in("other", "right"), "the network is not affected")


def origin_on_the_line():
    """origin= on the PAM line decides"""
    stack("says-local", AUTH_LINE + " origin=local", "auth required pam_unix.so nodelay")
    stack("says-network", AUTH_LINE + " origin=network", "auth required pam_unix.so nodelay")
    Pam.once("says-local", "chosen", "wrong", host="192.0.2.8")
    Pam.once("says-network", "chosen", "wrong")
    tap.equal(counts("chosen"), {"local": 1, "network": 1}, "each line says where it counts")
    tap.equal(addresses("chosen"), {"local", "unknown"}, "the log as well")


def agent(name, password):
    """polkit's helper; it needs the bus once the password was right."""
    return run(*as_user("by", AGENT, name), stdin=None, input=f"cookie\n{password}\n",
               stderr=subprocess.STDOUT).stdout


def polkit():
    """polkit's helper is local"""
    for _ in range(3):
        agent("policy", "wrong")
    tap.equal(counts("policy"), {"local": 3}, "counted as local")
    tap.ok("Account locked after 3" in agent("policy", "right"), "and the user is told")
    unlock("policy")
    agent("policy", "wrong")
    agent("policy", "right")
    tap.equal(counts("policy"), {}, "the correct password clears the count")


def su_of_a_service():
    """strangers who have a web application run su for them, in a pipe or on a pseudo-terminal"""
    def on_pty(name, password):
        with Terminal(as_user(SYSTEM_ACCOUNT, "su", name, "-c", "echo in")) as session:
            session.wait("Password: ")
            session.type(password)
            return session.wait(r"(?m)^in\b|failure") and "failure" not in session.screen

    network("piped", "su of a service", "unknown",
            lambda name, password: su(SYSTEM_ACCOUNT, name, password).returncode == 0)
    network("webshell", "su of a service, on a pseudo-terminal", "unknown", on_pty)


def service_account_in_a_login():
    """who has become a service's account in their login is at the machine"""
    for _ in range(3):
        ssh("by", f"echo wrong | sudo -n -u {SYSTEM_ACCOUNT} su handed -c true")
    tap.equal(counts("handed"), {"local": 3}, "counted as local")
    tap.equal(addresses("handed"), {"local"}, "the log says so")
    tap.ok(lets_in("handed", "right"), "the network is not affected")


# As systemd with Accept=yes, StandardInput=socket: root's program, for whoever connects.
SOCKET = "/run/ask-for-password"
CLIENT = f"""
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({SOCKET!r})
connection.sendall(sys.argv[1].encode() + b"\\n")
connection.shutdown(socket.SHUT_WR)
connection.recv(1)
"""


def helper_behind_a_socket():
    """polkit's helper as a service: whoever has connected counts, and not root"""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    listener.listen()
    os.chmod(SOCKET, 0o666)

    def let_in(name, password, by=SYSTEM_ACCOUNT):
        with subprocess.Popen(as_user(by, sys.executable, "-c", CLIENT, password)) as client:
            connection, _ = listener.accept()
            with connection:
                result = run(HELPER, "polkit-1", name, stdin=connection)
            client.wait()
        return result.returncode == 0

    network("socketed", "a helper behind a socket", "unknown", let_in)
    for _ in range(2):
        let_in("socketed", "wrong", by="by")
    tap.equal(counts("socketed"), {"network": 3, "local": 2}, "an ordinary user's are local")
    listener.close()


def su_and_sudo():
    """su and sudo are local, without a terminal as well"""
    su("by", "sudoer", "wrong")
    sudo("sudoer", "wrong")
    tap.equal(counts("sudoer"), {"local": 2}, "counted as local")
    tap.equal(addresses("sudoer"), {"local"}, "the log says so")


def on_terminal(name, *command):
    with Terminal(command) as session:
        session.wait(r"login: \Z")
        session.type(name)
        session.wait(r"Password: \Z")
        session.type("wrong")
        session.wait("Login incorrect")


def consoles():
    """login(1) is local on a console, and not on a terminal that a program has opened"""
    on_terminal("console", *on_console("ttyS7", "login"))
    tap.equal(counts("console"), {"local": 1}, "on a console")
    on_terminal("pty", "login")
    tap.equal(counts("pty"), {"network": 1}, "on a pseudo-terminal, as web terminals do")
    Pam.once("login", "fallback", "wrong")
    tap.equal(counts("fallback"), {"network": 1}, "a daemon that uses login's stack")


setup_passwords(POLICY, "PasswordAuthentication yes\n", [], PEOPLE)
wire_auth("common-auth")
write("/etc/sudoers.d/test", "ALL ALL = (ALL) ALL\nDefaults lecture = never\n"
      f"by ALL = ({SYSTEM_ACCOUNT}) NOPASSWD: ALL\n", 0o440)
write("/run/helper.c", HELPER_SOURCE)
must("gcc", "-o", HELPER, "/run/helper.c", "-lpam")
os.chmod(HELPER, 0o4755)
stack("webauth", "@include common-auth")
tap.in_parallel([saslauthd, vsftpd, dovecot, cockpit, helper_of_a_service, helper_of_a_user,
                 origin_on_the_line, polkit, su_of_a_service, service_account_in_a_login,
                 helper_behind_a_socket, su_and_sudo, consoles], 10)
tap.end()
