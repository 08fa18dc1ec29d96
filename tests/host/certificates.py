"""Certificates for tests, made with openssl(1)."""

import os

from host.commands import must, run
from host.files import write

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A CA in a directory of its own: NAME.crt is its certificate."""

    def __init__(self, directory, name):
        os.makedirs(directory, exist_ok=True)
        self.directory, self.name = directory, name
        must("openssl", "req", "-x509", *KEY, "-keyout", self.key(name), "-out", self.certificate(name),
             "-subj", f"/CN={name}", "-days", "2", "-addext", "keyUsage=keyCertSign")

    def key(self, name):
        return f"{self.directory}/{name}.key"

    def certificate(self, name):
        return f"{self.directory}/{name}.crt"

    def sign(self, name, alternatives, is_old=False):
        """Makes a key and a certificate for these names and addresses; an old one has expired."""
        request, extensions = f"{self.directory}/{name}.csr", f"{self.directory}/{name}.ext"
        write(extensions, f"subjectAltName = {alternatives}\n")
        must("openssl", "req", *KEY, "-keyout", self.key(name), "-out", request, "-subj", f"/CN={name}")
        sign = ["openssl", "x509", "-req", "-in", request, "-CA", self.certificate(self.name), "-CAkey",
                self.key(self.name), "-CAcreateserial", "-out", self.certificate(name), "-extfile", extensions]
        if not is_old:
            must(*sign, "-days", "2")
        # OpenSSL has the dates since 3.4, and no negative number of days since then.
        elif run(*sign, "-not_before", "20200101000000Z", "-not_after", "20200102000000Z").returncode != 0:
            must(*sign, "-days", "-1")
