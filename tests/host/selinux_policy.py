"""The kit's SELinux module, compiled for a policy: Debian's own, or that of Fedora or RHEL,
whose sources are in the directory that SELINUX_POLICY names. Nothing is installed on this
machine."""

import glob
import os
import re
import shutil
import subprocess

from host.commands import must, run
from host.files import REPOSITORY, read, write
from host.isolation import Skip
from host.waiting import BUILD_GUARD_SEC

MODULE = REPOSITORY + "/packaging/selinux"
DEVELOPMENT = "/usr/share/selinux/devel/Makefile"
POLICY_PACKAGE = "selinux-policy-default"
# Fedora's and RHEL's policy, as their package builds it.
TARGETED = ("UNK_PERMS=allow", "NAME=targeted", "TYPE=mcs", "DISTRO=redhat", "UBAC=n",
            "DIRECT_INITRC=n", "MONOLITHIC=n", "MLS_CATS=1024", "MCS_CATS=1024")
# RHEL 10's policy lets no systemd of a confined user tell process 1 that it has started:
# their first logins take 90 s, with and without the kit (docs/FACTS.md).
NOTIFY = "".join(f"(allow {user} init_t (unix_dgram_socket (sendto)))\n" for user in ("staff_t", "user_t"))


class DebianPolicy:
    """What selinux-policy-default and selinux-policy-dev have."""

    name = "default"

    def compile_module(self, directory):
        """Compiles the module in a new directory. Returns its path, and what the compiler
        complained about."""
        return compile_for(directory, DEVELOPMENT, "NAME=default")

    def install(self, root):
        """Debian's package has installed it."""


class SourcePolicy:
    """The targeted policy of Fedora or RHEL, from a source tree. A copy of the tree, in a
    new directory, is configured and built as the distribution's package does it."""

    name = "targeted"

    def __init__(self, source, directory):
        self.tree, self.headers = f"{directory}/tree", f"{directory}/headers"
        shutil.copytree(source, self.tree, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        kept = "modules.conf", "booleans.conf", "users"
        for name in kept:  # Fedora keeps them in its own directory
            if os.path.exists(f"{self.tree}/dist/targeted/{name}") and \
                    not os.path.exists(f"{self.tree}/policy/{name}"):
                shutil.copy(f"{self.tree}/dist/targeted/{name}", f"{self.tree}/policy/{name}")
        modules = read(f"{self.tree}/policy/modules.conf")
        self.make("conf")
        if os.path.exists(f"{self.tree}/policy/modules/contrib/container.if"):
            modules += "\ncontainer = module\n"
        write(f"{self.tree}/policy/modules.conf", modules)

    def make(self, *targets):
        # Minutes of a processor, which whatever else runs here gets first.
        must("nice", "make", *TARGETED, *targets, cwd=self.tree, timeout=4 * BUILD_GUARD_SEC)

    def compile_module(self, directory):
        """As DebianPolicy.compile_module()."""
        if not os.path.exists(self.headers):
            self.make(f"DESTDIR={self.headers}", "install-headers")
        include = f"{self.headers}/usr/share/selinux/targeted/include"
        return compile_for(directory, f"{include}/Makefile", "NAME=targeted", f"HEADERDIR={include}")

    def install(self, root):
        """Builds all of it, and installs it below a root directory."""
        write(f"{self.tree}/policy/users", with_fedora_users(read(f"{self.tree}/policy/users")))
        self.make("base.pp", "modules")
        self.make(f"DESTDIR={root}", "install-appconfig")
        files = f"{root}/etc/selinux/targeted/contexts/files"
        for directory in (files, f"{root}/etc/selinux/targeted/policy",
                          f"{root}/var/lib/selinux/targeted/active/modules"):
            os.makedirs(directory, exist_ok=True)
        write(f"{files}/file_contexts.subs_dist", self.aliases())
        must("semodule", "-p", root, "-s", "targeted", "-n", "-X", "100", "-i",
             *glob.glob(f"{self.tree}/*.pp"), timeout=BUILD_GUARD_SEC)
        write(f"{self.tree}/notify.cil", NOTIFY)
        must("semodule", "-p", root, "-s", "targeted", "-n", "-X", "300", "-i",
             f"{self.tree}/notify.cil", timeout=BUILD_GUARD_SEC)

    def aliases(self):
        """Which directories stand for others. RHEL 10's sources have it the other way round
        than its package: what their contexts are about is right."""
        text = read(f"{self.tree}/config/file_contexts.subs_dist")
        contexts = "".join(read(path) for path in glob.glob(f"{self.tree}/policy/modules/*/*.fc"))
        if len(re.findall("(?m)^/run/", contexts)) > len(re.findall("(?m)^/var/run/", contexts)):
            text = re.sub("(?m)^(/run /var/run|/run/lock /var/lock|/var/run/lock /var/lock)\n", "", text)
            text += "" if "\n/var/run /run\n" in text else "/var/run /run\n/var/lock /run/lock\n"
        return text


def with_fedora_users(text):
    """Adds the user of unconfined logins, which RHEL's package has from a file of its own."""
    if "gen_user(unconfined_u," in text:
        return text
    return text + ("gen_user(unconfined_u, user, unconfined_r system_r, s0, "
                   "s0 - mls_systemhigh, mcs_allcats)\n")


def wanted(directory):
    """The policy to test with. What is built for it is in the directory, which is new."""
    source = os.environ.get("SELINUX_POLICY")
    return SourcePolicy(source, directory) if source else DebianPolicy()


def compile_for(directory, makefile, *options):
    if not os.path.exists(makefile):
        raise Skip(f"there is no {makefile} (selinux-policy-dev)")
    os.makedirs(directory)
    for path in glob.glob(f"{MODULE}/tmout.*"):
        shutil.copy(path, directory)
    said = must("make", "--silent", "-f", makefile, *options, "tmout.pp", cwd=directory,
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
