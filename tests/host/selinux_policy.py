"""The kit's SELinux module, compiled and linked into Debian's own policy: nothing of
it is installed."""

import glob
import os
import re
import shutil
import subprocess

from host.commands import must, run
from host.files import REPOSITORY
from host.isolation import Skip
from host.waiting import BUILD_GUARD_SEC

MODULE = REPOSITORY + "/packaging/selinux"
DEVELOPMENT = "/usr/share/selinux/devel/Makefile"
POLICY_PACKAGE = "selinux-policy-default"


def compile_module(directory, makefile=DEVELOPMENT):
    """Compiles the module in a new directory. Returns its path, and what the compiler
    complained about."""
    if not os.path.exists(makefile):
        raise Skip(f"there is no {makefile} (selinux-policy-dev)")
    os.makedirs(directory)
    for path in glob.glob(f"{MODULE}/tmout.*"):
        shutil.copy(path, directory)
    said = must("make", "--silent", "-f", makefile, "NAME=default", "tmout.pp", cwd=directory,
                stderr=subprocess.STDOUT)
    return f"{directory}/tmout.pp", re.sub(r"(?m)^(Compiling|Creating) .*\n", "", said)


def download(directory):
    """Fetches Debian's policy, unless this version of it is there. Returns the directory
    of its modules, which are compressed. Raises Skip where it cannot be had."""
    found = re.search(r"Candidate: (\S+)", run("apt-cache", "policy", POLICY_PACKAGE).stdout)
    if not found:
        raise Skip(f"there is no package {POLICY_PACKAGE}")
    version = f"{directory}/{found.group(1).replace(':', '_')}"
    if not os.path.isdir(version):
        os.makedirs(directory, exist_ok=True)
        must("apt-get", "-o", "APT::Sandbox::User=root", "download", "-q", POLICY_PACKAGE,
             cwd=directory, timeout=BUILD_GUARD_SEC)
        must("dpkg-deb", "--extract", *glob.glob(f"{directory}/*.deb"), f"{version}.new")
        os.rename(f"{version}.new", version)
        for package in glob.glob(f"{directory}/*.deb"):
            os.unlink(package)
    return f"{version}/usr/share/selinux/default"


def link(modules, names, extra, directory):
    """Links modules of Debian's policy, by their names, and others, by their paths. Makes
    a policy as the kernel loads it, in the directory, and returns its path."""
    paths = []
    for name in ["base", *names]:
        paths.append(f"{directory}/{name}.pp")
        must("sh", "-c", 'bzip2 --decompress --stdout "$0" >"$1"', f"{modules}/{name}.pp.bz2",
             paths[-1])
    must("semodule_link", "-o", f"{directory}/linked", *paths, *extra)
    must("semodule_expand", "-c", "33", f"{directory}/linked", f"{directory}/policy.33")
    return f"{directory}/policy.33"
