#!/usr/bin/python3
"""Which attempts are local and which come from the network, with more of Debian's
services than e2e/origins has. Their packages are fetched into build/soak/services and
installed in a throw-away host only.
"""
import contextlib
import ftplib
import os
import re
import smtplib
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host import extra_packages
from host.attempts import as_user, counts, lets_in, setup_passwords
from host.client import ssh
from host.commands import must, run
from host.files import REPOSITORY, write
from host.origins import accepts, addresses, network, running
from host.pam_stacks import stack, wire_auth
from host.syslog import syslog
from host.tap import tap
from host.terminal import Terminal, on_console
from host.waiting import GUARD_SEC, Stuck, wait_until

# With all that they depend on.
INSTALLED = ["exim4-daemon-heavy", "xrdp", "at", "xscreensaver", "xvfb", "xdotool", "vlock",
             "opendoas"]
# Their files only: apt installs one FTP server at a time, and squid brings much.
UNPACKED = ["libmemcached11", "libmemcachedutil2", "libhashkit2", "proftpd-core", "pure-ftpd",
            "pure-ftpd-common", "inetutils-ftpd", "inetutils-telnetd", "squid", "pwauth",
            "python3-pamela"]

POLICY = "default { max_attempts = 3 }\n"
PEOPLE = {name: "right" for name in """by forproftpd forpureftpd forinetftpd fortelnet forexim
    forsquid forpwauth forxrdp forhub fordoas forvlock forxscreen forjobs forremote forweb
    forrunuser forsudoer""".split()}


def install_services():
    """The host has no network, and starts no services by itself."""
    extra_packages.install(INSTALLED, UNPACKED)
    # xrdp's client looks for IPv6 addresses only where the host has one that is not lo's.
    write("/etc/hosts", "127.0.0.1 localhost throwaway\n::1 localhost\n")
    must("ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
    must("ip", "-6", "address", "add", "fd00::1/64", "dev", "wire0", "nodad")
    for end in "wire0", "wire1":
        must("ip", "link", "set", end, "up")


def ftp_at(port):
    """Whether the FTP server there lets a user in."""
    def ftp(name, password):
        with contextlib.closing(ftplib.FTP()) as client:
            client.connect("127.0.0.1", port, GUARD_SEC)
            try:
                client.login(name, password)
                return True
            except (ftplib.error_perm, EOFError):
                return False
    return ftp


def proftpd():
    """proftpd gives the client's address"""
    write("/etc/proftpd.test", """
        ServerType standalone
        Port 2121
        DefaultAddress 127.0.0.1
        UseIPv6 off
        UseReverseDNS off
        User nobody
        Group nogroup
        AuthPAM on
        AuthPAMConfig proftpd
        AuthOrder mod_auth_pam.c* mod_auth_unix.c
        RequireValidShell off
        MaxLoginAttempts 10
        PidFile /run/proftpd.pid
        ScoreboardFile /run/proftpd.score
        WtmpLog off
        """)
    with running("proftpd", "-n", "-c", "/etc/proftpd.test"):
        network("forproftpd", "proftpd", "127.0.0.1", lambda *who: accepts(ftp_at(2121), *who))


def pureftpd():
    """pure-ftpd gives a name"""
    with running("pure-ftpd", "-l", "pam", "-S", "127.0.0.1,2122", "-u", "100"):
        network("forpureftpd", "pure-ftpd", "throwaway", lambda *who: accepts(ftp_at(2122), *who))


@contextlib.contextmanager
def inetd(port, *argv):
    """Starts a program for each connection, as inetd does."""
    listener = socket.create_server(("127.0.0.1", port))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                subprocess.Popen(argv, stdin=connection, stdout=connection, stderr=connection)
                connection.close()
    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def inetftpd():
    """inetutils' ftpd"""
    with inetd(2123, "/usr/sbin/ftpd", "-a", "pam"):
        network("forinetftpd", "ftpd", "localhost", ftp_at(2123))


def telnet(name, password):
    """Whether telnetd lets a user in. Refuses each option of the protocol."""
    with socket.create_connection(("127.0.0.1", 2323), GUARD_SEC) as client:
        for pattern, answer in ((rb"login: ", name), (rb"Password: ", password),
                                (rb"\$ |incorrect", "")):
            seen = b""
            while not (found := re.search(pattern, seen)):
                data = client.recv(4096)
                if not data:
                    return False
                for verb, option in re.findall(rb"\xff([\xfb\xfd])(.)", data, re.S):
                    client.sendall(b"\xff" + (b"\xfe" if verb == b"\xfb" else b"\xfc") + option)
                seen += re.sub(rb"(?s)\xff[\xfb-\xfe].", b"", data)
            client.sendall(answer.encode() + b"\r\n")
        return found.group(0) == b"$ "


def telnetd():
    """telnetd starts login -h, on a pseudo-terminal"""
    with inetd(2323, "/usr/sbin/telnetd", "-h"):
        network("fortelnet", "telnetd", "localhost", telnet)


def squid_helper():
    """squid's helper, set-uid root as its manual has it, says nothing of the remote side"""
    os.chmod("/usr/lib/squid/basic_pam_auth", 0o4755)
    stack("squid", "@include common-auth", "@include common-account")
    network("forsquid", "basic_pam_auth", "unknown", lambda name, password: "OK" in run(
        *as_user("proxy", "/usr/lib/squid/basic_pam_auth"), stdin=None,
        input=f"{name} {password}\n").stdout)


def pwauth():
    """pwauth, set-uid root, run by the web server, says nothing of the remote side"""
    network("forpwauth", "pwauth", "unknown", lambda name, password: run(
        *as_user("www-data", "env", "IP=192.0.2.4", "/usr/sbin/pwauth"), stdin=None,
        input=f"{name}\n{password}\n").returncode == 0)


def xrdp():
    """xrdp-sesman 0.9 says nothing of the remote side"""
    def let_in(name, password):
        return run("xrdp-sesrun", "-t", "Xvnc", "-p", password, name).stdout.startswith("ok ")

    def listens():
        with contextlib.suppress(OSError), socket.create_connection(("::1", 3350)):
            return True
        return False

    with running("xrdp-sesman", "--nodaemon"):
        wait_until(listens, "xrdp-sesman does not listen")
        network("forxrdp", "xrdp", "unknown", let_in)


# As JupyterHub's PAMAuthenticator.
PAMELA = """
import pamela, sys
try:
    pamela.authenticate(*sys.argv[1:], service="login")
except pamela.PAMError:
    sys.exit(1)
"""


def jupyterhub():
    """JupyterHub uses the stack of login, as root and without a terminal"""
    network("forhub", "JupyterHub's PAM", "unknown",
            lambda *who: run("/usr/bin/python3", "-c", PAMELA, *who).returncode == 0)


def exim():
    """Exim's pam condition, in a process that is not root's: rejected, and the log says why"""
    write("/etc/exim.test", """
daemon_smtp_ports = 2525
local_interfaces = 127.0.0.1
log_file_path = /run/exim4/%s.log
spool_directory = /run/exim4
auth_advertise_hosts = *
tls_advertise_hosts =
acl_smtp_rcpt = accept
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${if pam{$auth2:$auth3}{1}{0}}
  server_set_id = $auth2
""")
    stack("exim", "@include common-auth", "@include common-account")
    os.makedirs("/run/exim4", exist_ok=True)
    must("chown", "Debian-exim", "/run/exim4")
    must("usermod", "-aG", "shadow", "Debian-exim")

    def login(name, password):
        with smtplib.SMTP("127.0.0.1", 2525, timeout=GUARD_SEC) as client:
            client.ehlo()
            with contextlib.suppress(smtplib.SMTPException):
                client.login(name, password)
                return True
        return False

    mark = syslog.now()
    with running("exim4", "-C", "/etc/exim.test", "-bd", "-v"):
        tap.equal(accepts(login, "forexim", "right"), False, "exim: rejected")
    tap.equal(counts("forexim"), {}, "exim: nothing counted")
    said = syslog.settled(mark, r"pam_tmout\(exim:auth\): rejecting password: .*saslauthd.*"
                                r" user=forexim$")
    tap.ok(said, "exim: the log says why, and what to use", *syslog.settled(mark))


def at():
    """at's jobs need no password, and are no attempts"""
    must("su", "-s", "/bin/sh", "-c", "echo true | at now", "forjobs")
    with running("/usr/sbin/atd", "-f"):
        wait_until(lambda: syslog.since(
            0, r"pam_unix\(atd:session\): session closed for user forjobs"), "the job does not run")
    tap.equal(counts("forjobs"), {}, "at: nothing is counted")


def doas():
    """doas is local"""
    write("/etc/doas.conf", "permit fordoas\n", 0o400)
    for _ in range(3):
        with Terminal(as_user("fordoas", "doas", "true")) as session:
            session.wait("password: ")
            session.type("wrong")
            session.wait_end()
    tap.equal(counts("fordoas"), {"local": 3}, "doas: counted as local")
    tap.equal(addresses("fordoas"), {"local"}, "doas: the log says so")
    tap.ok(lets_in("fordoas", "right"), "doas: the network is not affected")


def vlock():
    """vlock is set-uid root, and local; it asks for root's password next"""
    for _ in range(3):
        with Terminal(as_user("forvlock", "env", "USER=forvlock", "vlock", "-c")) as session:
            session.wait("ENTER")
            session.type("")
            session.wait("forvlock's Password: ")
            # It discards what is typed right after its prompt.
            while "root's Password: " not in session.screen:
                session.type("wrong")
                with contextlib.suppress(Stuck):
                    session.wait("root's Password: ", guard=0.5)
    tap.equal(counts("forvlock"), {"local": 3}, "vlock: counted as local")
    tap.ok(lets_in("forvlock", "right"), "vlock: the network is not affected")


@contextlib.contextmanager
def display(name):
    """The environment of programs on an X server of their own."""
    environment = {**os.environ, "DISPLAY": name}
    with running("Xvfb", name, "-nolisten", "tcp", "-ac"):
        wait_until(lambda: run("xdotool", "getmouselocation", env=environment).returncode == 0,
                   "there is no X server")
        yield environment


def xscreensaver():
    """xscreensaver checks its user's own password, as the user, with unix_chkpwd"""
    with display(":91") as environment:
        with running(*as_user("forxscreen", "/usr/libexec/xscreensaver/xscreensaver-auth"),
                     env=environment):
            def rejected():
                must("xdotool", "type", "wrong\n", env=environment)
                return syslog.since(0, r"pam_unix\(xscreensaver:auth\): authentication failure;"
                                       r".* user=forxscreen$")
            wait_until(rejected, "xscreensaver asks for no password")
    tap.equal(counts("forxscreen"), {}, "xscreensaver: cannot be counted")


def wrong_login(*command):
    with Terminal(command) as session:
        session.wait(r"login: \Z")
        session.type("forremote")
        session.wait(r"Password: \Z")
        session.type("wrong")
        session.wait("Login incorrect")


def remote():
    """login -h is from the network, on a console as well"""
    wrong_login("login", "-h", "192.0.2.77")
    wrong_login(*on_console("ttyS8", "login", "-h", "host.example"))
    tap.equal(counts("forremote"), {"network": 2}, "login -h: counted as from the network")
    tap.equal(addresses("forremote"), {"192.0.2.77", "host.example"},
              "login -h: the log names the address")


def runuser():
    """runuser, and su by root, check no password"""
    for command in (["runuser", "-u", "forrunuser", "--", "true"],
                    ["runuser", "-l", "forrunuser", "-c", "true"],
                    ["su", "forrunuser", "-c", "true"]):
        tap.equal([run(*command).returncode for _ in range(4)], [0] * 4, f"{command}: in")
    tap.equal(counts("forrunuser"), {}, "nothing is counted")


def sudo_over_ssh():
    """sudo -S over ssh without a terminal is local"""
    for _ in range(3):
        ssh("forsudoer", "echo wrong | sudo -k -S true")
    tap.equal(counts("forsudoer"), {"local": 3}, "sudo -S: counted as local")
    tap.ok(lets_in("forsudoer", "right"), "sudo -S: the network is not affected")


if not os.path.exists("/run/throwaway"):
    extra_packages.fetch(INSTALLED, UNPACKED)
    host = f"{REPOSITORY}/tests/host/throwaway"
    os.execv(host, [host, *sys.argv])
install_services()
setup_passwords(POLICY, "PasswordAuthentication yes\n", [], PEOPLE)
wire_auth("common-auth")
write("/etc/sudoers.d/test", "ALL ALL = (ALL) ALL\nDefaults lecture = never\n", 0o440)
tap.in_parallel([proftpd, pureftpd, inetftpd, telnetd, squid_helper, pwauth, xrdp, jupyterhub,
                 exim, at, doas, vlock, xscreensaver, remote, runuser, sudo_over_ssh], 8)
tap.end()
