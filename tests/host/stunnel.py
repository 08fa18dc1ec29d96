"""stunnel, as docs/FLEET.md sets it up."""

import re
import shutil
import subprocess

from host.files import REPOSITORY, read, write
from host.ports import free_port

PROGRAM = shutil.which("stunnel4") or shutil.which("stunnel")


class Tunnel:
    """From a port of its own, .port, to an address, with the certificate of the host of an
    Authority, which has also signed the server's."""

    def __init__(self, directory, authority, to):
        self.port, conf = free_port(), f"{directory}/{to}.stunnel"
        write(conf, self.recipe(authority, to))
        self.process = subprocess.Popen([PROGRAM, conf], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "Configuration successful" in line:
                break

    def recipe(self, authority, to):
        text = re.search(r"(?ms)^\[tmout-store\]\n.*?^checkHost.*?$", read(REPOSITORY + "/docs/FLEET.md")).group(0)
        for old, new in (("127.0.0.1:637", f"127.0.0.1:{self.port}"), ("192.0.2.10:6379", to),
                         ("/etc/stunnel/store-ca.crt", authority.certificate("ca")),
                         ("/etc/stunnel/bastion1.crt", authority.certificate("host")),
                         ("/etc/stunnel/bastion1.key", authority.key("host"))):
            assert old in text, old
            text = text.replace(old, new)
        return "foreground = yes\npid =\n" + text + "\n"

    def stop(self):
        self.process.terminate()
        self.process.communicate()
