"""Debian's packages that only some tests need: fetched on the machine, and installed in
a throw-away host, which has no network."""

import glob
import os

from host.commands import must
from host.files import REPOSITORY, write
from host.waiting import BUILD_GUARD_SEC

FETCHED = f"{REPOSITORY}/build/soak/services"
APT = ["apt-get", "install", "-q", "-y", "--no-install-recommends", "-o",
       f"Dir::Cache::archives={FETCHED}"]
GUARD = {"timeout": BUILD_GUARD_SEC,
         "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}


def fetch(installed, unpacked=()):
    """Fetches packages, some with all that they depend on, some alone."""
    os.makedirs(f"{FETCHED}/partial", exist_ok=True)
    must(*APT, "--download-only", *installed, **GUARD)
    if unpacked:
        must("apt-get", "download", "-q", *unpacked, cwd=FETCHED, **GUARD)


def install(installed, unpacked=()):
    """Installs the ones, and only unpacks the others. No service is started."""
    write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    must(*APT, "--no-download", *installed, **GUARD)
    for name in unpacked:
        package, = glob.glob(f"{FETCHED}/{name}_*.deb")
        must("sh", "-c", "dpkg-deb --fsys-tarfile \"$0\" | "
             "tar --extract --directory=/ --keep-directory-symlink", package, **GUARD)
    must("ldconfig")
