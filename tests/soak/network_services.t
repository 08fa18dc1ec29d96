#!/usr/bin/python3
"""More services that check strangers' passwords: Postfix with either SASL server, OpenVPN,
ocserv, FreeRADIUS, and Apache. Their packages are fetched into build/soak/services and
installed in a throw-away host only.
"""
import base64
import contextlib
import http.client
import os
import smtplib
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host import extra_packages
from host.attempts import counts, setup_passwords
from host.commands import must, run
from host.files import REPOSITORY, write
from host.origins import accepts, network, running
from host.pam_stacks import stack, wire_auth
from host.syslog import syslog
from host.tap import tap
from host.waiting import GUARD_SEC, wait_until

INSTALLED = ["postfix", "libsasl2-modules", "openvpn", "ocserv", "openconnect", "freeradius",
             "freeradius-utils", "apache2", "libapache2-mod-authnz-pam"]
POLICY = "default { max_attempts = 3 }\n"
PEOPLE = {name: "right" for name in """by forsaslauthd fordovecot foropenvpn forocserv forradius
    forradiusd forapache""".split()}
KEYS = "/run/keys"


def make_certificate():
    """For openvpn and ocserv, and their clients."""
    os.makedirs(KEYS)
    must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", f"{KEYS}/key", "-out", f"{KEYS}/cert")


def smtp_at(port):
    """Whether the SMTP server there lets a user in."""
    def login(name, password):
        with smtplib.SMTP("127.0.0.1", port, timeout=GUARD_SEC) as client:
            client.ehlo()
            with contextlib.suppress(smtplib.SMTPAuthenticationError):
                client.login(name, password)
                return True
        return False
    return login


def postfix():
    """Postfix asks saslauthd, which learns nothing of the client, or dovecot, which does"""
    write("/etc/postfix/main.cf", """
compatibility_level = 3.6
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_sasl_auth_enable = yes
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = none
smtpd_tls_auth_only = no
smtpd_client_auth_rate_limit = 0
smtpd_soft_error_limit = 100
smtpd_hard_error_limit = 200
maillog_file = /var/log/postfix.log
cyrus_sasl_config_path = /etc/postfix/sasl
""")
    write("/etc/postfix/master.cf", """
2526 inet n - n - - smtpd -o smtpd_sasl_type=cyrus -o smtpd_sasl_path=smtpd
2527 inet n - n - - smtpd -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=inet:127.0.0.1:12345
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
""")
    write("/etc/postfix/sasl/smtpd.conf",
          "pwcheck_method: saslauthd\nmech_list: PLAIN\nsaslauthd_path: /run/saslauthd/mux\n")
    write("/etc/dovecot/dovecot.conf", """
        protocols =
        ssl = no
        disable_plaintext_auth = no
        auth_failure_delay = 0
        log_path = /run/dovecot.log
        passdb {
          driver = pam
        }
        userdb {
          driver = passwd
        }
        service auth {
          inet_listener {
            address = 127.0.0.1
            port = 12345
          }
        }
        service anvil {
          unix_listener anvil-auth-penalty {
            mode = 0
          }
        }
        """)
    stack("dovecot", "@include common-auth", "@include common-account")
    os.makedirs("/run/saslauthd", exist_ok=True)
    with running("saslauthd", "-d", "-a", "pam", "-n", "2", "-m", "/run/saslauthd"), \
            running("dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"), \
            running("postfix", "start-fg"):
        wait_until(lambda: os.path.exists("/run/saslauthd/mux"), "saslauthd does not start")
        network("forsaslauthd", "Postfix with saslauthd", "unknown",
                lambda *who: accepts(smtp_at(2526), *who))
        network("fordovecot", "Postfix with dovecot", "127.0.0.1",
                lambda *who: accepts(smtp_at(2527), *who))


def openvpn():
    """OpenVPN's plugin, which stays root, gives the client's address"""
    os.makedirs("/dev/net", exist_ok=True)
    if not os.path.exists("/dev/net/tun"):
        must("mknod", "/dev/net/tun", "c", "10", "200")
    stack("openvpn", "@include common-auth", "@include common-account")
    common = ["--cipher", "AES-256-GCM", "--verb", "3", "--ca", f"{KEYS}/cert"]
    server = ["openvpn", *common, "--dev", "tun", "--proto", "tcp-server", "--port", "1194",
              "--server", "10.8.0.0", "255.255.255.0", "--dh", "none", "--key", f"{KEYS}/key",
              "--cert", f"{KEYS}/cert", "--verify-client-cert", "none", "--user", "nobody",
              "--username-as-common-name", "--log", "/run/openvpn.log", "--plugin",
              "/usr/lib/x86_64-linux-gnu/openvpn/plugins/openvpn-plugin-auth-pam.so", "openvpn"]

    def let_in(name, password):
        write(f"/run/vpn-{name}", f"{name}\n{password}\n", 0o600)
        with subprocess.Popen(["openvpn", *common, "--client", "--dev", "null", "--nobind",
                               "--proto", "tcp-client", "--remote", "127.0.0.1", "1194",
                               "--auth-user-pass", f"/run/vpn-{name}", "--auth-retry", "none",
                               "--ifconfig-noexec", "--route-noexec"],
                              stdout=subprocess.PIPE, text=True) as client:
            for line in client.stdout:
                if "Initialization Sequence Completed" in line or "AUTH_FAILED" in line:
                    client.terminate()
                    return "Initialization" in line
        return False

    with running(*server):
        network("foropenvpn", "OpenVPN", "127.0.0.1", let_in)


def ocserv():
    """ocserv's security module is root's, and gives the client's address. ocserv 1.1.6 ends
    after a wrong password, with and without our line ("double linked list corrupted")."""
    write("/etc/ocserv/ocserv.conf", f"""
auth = "pam"
tcp-port = 4443
run-as-user = nobody
run-as-group = daemon
socket-file = /run/ocserv-socket
server-cert = {KEYS}/cert
server-key = {KEYS}/key
isolate-workers = false
max-clients = 16
max-same-clients = 8
max-ban-score = 0
auth-timeout = 240
device = vpns
ipv4-network = 192.168.1.0/24
use-occtl = false
pid-file = /run/ocserv.pid
""")
    stack("ocserv", "@include common-auth", "@include common-account")

    def listens():
        return run("openssl", "s_client", "-connect", "127.0.0.1:4443", stdin=None,
                   input="").returncode == 0

    def let_in(name, password):
        with running("ocserv", "-f", "-c", "/etc/ocserv/ocserv.conf"):
            wait_until(listens, "ocserv does not listen")
            result = run("openconnect", "--authenticate", "--passwd-on-stdin", "--non-inter",
                         "--cafile", f"{KEYS}/cert", f"--user={name}", "https://localhost:4443",
                         stdin=None, input=password + "\n")
        return "COOKIE=" in result.stdout

    network("forocserv", "ocserv", "127.0.0.1", let_in)


def radius(port):
    """Whether the RADIUS server there lets a user in."""
    def let_in(name, password):
        return "Access-Accept" in run(
            "radclient", "-r", "1", "-t", "20", f"127.0.0.1:{port}", "auth", "testing123",
            stdin=None, input=f'User-Name="{name}",User-Password="{password}"\n').stdout
    return let_in


def radiusd(user, port):
    """A FreeRADIUS server that runs as this user and asks PAM for all."""
    directory = f"/run/radius-{user}"
    must("cp", "-a", "/etc/freeradius/3.0", directory)
    for name in os.listdir(f"{directory}/sites-enabled"):
        os.unlink(f"{directory}/sites-enabled/{name}")
    for name in os.listdir(f"{directory}/mods-enabled"):
        if name not in ("pam", "always"):
            os.unlink(f"{directory}/mods-enabled/{name}")
    write(f"{directory}/mods-enabled/pam", "pam {\n pam_auth = radiusd\n}\n", 0o644)
    write(f"{directory}/sites-enabled/test", f"""
server test {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {port}
  }}
  authorize {{
    update control {{
      Auth-Type := pam
    }}
  }}
  authenticate {{
    pam
  }}
}}
""", 0o644)
    must("sh", "-c", f"sed -i 's/^\\(.*user = \\)freerad$/\\1{user}/; s/^\\(.*group = \\)freerad$/"
         f"\\1{user}/; s/reject_delay = 1/reject_delay = 0/' {directory}/radiusd.conf")
    must("chown", "-R", f"{user}:{user}", directory)
    os.makedirs("/run/freeradius", exist_ok=True)
    must("chown", "freerad", "/run/freeradius")
    return running("freeradius", "-f", "-d", directory)


def freeradius():
    """FreeRADIUS as root says nothing of the remote side; as freerad it cannot be counted"""
    stack("radiusd", "@include common-auth", "@include common-account")
    with radiusd("root", 1812):
        wait_until(lambda: radius(1812)("forradius", "right"), "FreeRADIUS does not answer")
        network("forradius", "FreeRADIUS as root", "unknown", radius(1812))
    must("usermod", "-aG", "shadow", "freerad")
    mark = syslog.now()
    with radiusd("freerad", 1813):
        def said():
            radius(1813)("forradiusd", "right")
            return syslog.since(mark, r"pam_tmout\(radiusd:auth\): rejecting password: .* "
                                      r"user=forradiusd$")
        wait_until(said, "the log does not say why")
    tap.equal(counts("forradiusd"), {}, "FreeRADIUS as freerad: nothing counted, and a log line")


def apache():
    """Apache's mod_authnz_pam runs as www-data: rejected, and the log says why"""
    must("usermod", "-aG", "shadow", "www-data")
    stack("webauth", "@include common-auth", "@include common-account")
    write("/etc/apache2/test.conf", """
ServerName localhost
Listen 127.0.0.1:8081
PidFile /run/apache-test.pid
ErrorLog /run/apache-test.log
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule authnz_pam_module /usr/lib/apache2/modules/mod_authnz_pam.so
DocumentRoot /var/www/html
<Location />
  AuthType Basic
  AuthName test
  AuthBasicProvider PAM
  AuthPAMService webauth
  Require valid-user
</Location>
""")

    def let_in(name, password):
        client = http.client.HTTPConnection("127.0.0.1", 8081, timeout=GUARD_SEC)
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        client.request("GET", "/", headers={"Authorization": f"Basic {basic}"})
        status = client.getresponse().status
        client.close()
        return status not in (401, 403)

    mark = syslog.now()
    with running("apache2", "-X", "-f", "/etc/apache2/test.conf"):
        tap.equal(accepts(let_in, "forapache", "right"), False, "Apache: rejected")
    tap.equal(counts("forapache"), {}, "Apache: nothing counted")
    tap.ok(syslog.settled(mark, r"pam_tmout\(webauth:auth\): rejecting password: .*"
                                r" user=forapache$"), "Apache: the log says why",
           *syslog.settled(mark))


if not os.path.exists("/run/throwaway"):
    extra_packages.fetch(INSTALLED)
    host = f"{REPOSITORY}/tests/host/throwaway"
    os.execv(host, [host, *sys.argv])
extra_packages.install(INSTALLED)
setup_passwords(POLICY, "PasswordAuthentication yes\n", [], PEOPLE)
wire_auth("common-auth")
write("/etc/sudoers.d/test", "ALL ALL = (ALL) ALL\nDefaults lecture = never\n", 0o440)
make_certificate()
tap.in_parallel([postfix, openvpn, ocserv, freeradius, apache], 5)
tap.end()
