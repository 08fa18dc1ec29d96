#!/usr/bin/python3
"""The package for Fedora and RHEL, as far as it can be tested on Debian: it is
built (in soak tests with its %check), inspected, and installed and removed in a
root directory.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from booted_host import mount_root
from built import BUILD, build_environment, documents, lock, version
from file_list import differences, files_below
from host.commands import must, run
from host.debian_root import own_suite
from host.files import REPOSITORY, read, write
from host.isolation import Skip, isolate
from host.tap import tap
from host.waiting import BUILD_GUARD_SEC

LOCAL_SCRIPT = "# this site's own\nTMOUT=1234; export TMOUT\n"
ROOT = "/run/root"
FATAL = "auth requisite pam_tmout.so\n"

package_of = []  # set by main()


def rpm(*argv):
    """Runs rpm on the root directory; all output is in the result's stdout."""
    return run("rpm", "--root", ROOT, "--nodeps", *argv, stderr=subprocess.STDOUT,
               timeout=BUILD_GUARD_SEC)


def content():
    """its files, and which of them are configuration"""
    package, = package_of
    files = must("rpm", "-qp", "--qf", r"[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEMODES:perms}\n]", package)
    for path in "/etc/security/tmout.conf", "/etc/profile.d/tmout.sh", "/etc/profile.d/tmout.csh":
        tap.matches(files, rf"(?m)^{path} cn -rw-r--r--$", f"{path} is %config(noreplace)")
    for path in ("/usr/lib64/security/pam_tmout.so", "/usr/bin/tmoutctl",
                 "/usr/sbin/tmoutctl", "/usr/sbin/tmoutd",
                 "/usr/lib/systemd/system/tmoutd.service", "/usr/lib/systemd/system/tmout-apply.path",
                 "/usr/lib/tmpfiles.d/tmout.conf", "/usr/lib/systemd/catalog/tmout.catalog",
                 "/usr/share/man/man7/tmout-recovery.7"):
        tap.matches(files, rf"(?m)^{path} ", f"{path} is in it")
    for path in "README-authselect.md", *documents():
        tap.matches(files, rf"(?m)^/usr/share/doc/pam_tmout/{re.escape(path)} d? ?-rw-r--r--$", f"{path} is in it")
    tap.ok("pam.d/system-auth" not in files and "pam-configs" not in files, "no PAM stack is in it")
    scripts = must("rpm", "-qp", "--scripts", package)
    tap.ok("%{" not in scripts and "system-auth" not in scripts.replace("/etc/pam.d/*", ""),
           "all macros are expanded, and no stack is edited", scripts)


def life():
    """installation next to a local tmout.sh, and removal"""
    package, = package_of
    write(ROOT + "/etc/profile.d/tmout.sh", LOCAL_SCRIPT)
    must("rpm", "--root", ROOT, "--initdb")
    before = look()
    done = rpm("-i", package)
    tap.equal(done.returncode, 0, "installed") or tap.note(done.stdout)
    tap.ok(os.path.exists(ROOT + "/var/lib/tmout/policy.v1"), "the policy is in force")
    tap.equal(read(ROOT + "/etc/profile.d/tmout.sh.before-pam_tmout"), LOCAL_SCRIPT,
              "the local tmout.sh is kept")
    tap.matches(done.stdout, "tmout.sh already existed", "and rpm's output says so")
    tap.ok("PAM_TMOUT" in read(ROOT + "/etc/profile.d/tmout.sh"), "the package's is in its place")
    stacks = [name for name in os.listdir(ROOT + "/etc/pam.d")
              if "pam_tmout.so" in read(f"{ROOT}/etc/pam.d/{name}")]
    tap.equal(stacks, [], "the stacks are unchanged")

    sshd = read(ROOT + "/etc/pam.d/sshd")
    write(ROOT + "/etc/pam.d/sshd", FATAL + sshd)
    done = rpm("-e", "pam_tmout")
    tap.ok(done.returncode != 0 and "/etc/pam.d/sshd:1:auth requisite" in done.stdout,
           "not removed if a line would lock everybody out", done.stdout)
    tap.ok(os.path.exists(ROOT + "/usr/lib64/security/pam_tmout.so"), "the module is still there")
    write(ROOT + "/etc/pam.d/sshd", sshd)
    write(ROOT + "/etc/security/tmout.conf", read(ROOT + "/etc/security/tmout.conf") + "# edited\n")
    tap.equal(rpm("-U", "--replacepkgs", package).returncode, 0, "installed over itself")
    tap.matches(read(ROOT + "/etc/security/tmout.conf"), "# edited", "the site's policy is kept")
    tap.equal(rpm("-e", "pam_tmout").returncode, 0, "removed")
    kept = ("/etc/security/tmout.conf.rpmsave", "/var/lib/tmout", "/var/lib/rpm", "/usr/lib/sysimage",
            "/usr/lib64/security", "/usr/lib/.build-id", "/usr/share/licenses")
    left = [line for line in differences(before, look()) if not line[2:].startswith(kept)]
    tap.equal(left, [], "everything is as before, except for the edited policy and the state")


def look():
    """The files in the root directory."""
    return {path: what for directory in ("/etc", "/usr", "/var")
            for path, what in files_below(ROOT, directory)}


def main():
    try:
        isolate("mmdebstrap", "rpmbuild")
        with lock("rpm"):
            must("make", "-s", "rpm", cwd=REPOSITORY, env=build_environment(), timeout=BUILD_GUARD_SEC)
        mount_root(own_suite() or "bookworm")
    except Skip as why:
        tap.skip("the package for Fedora and RHEL", why)
        tap.end()
    arch = must("rpm", "--eval", "%{_arch}").strip()
    package, = [f"{BUILD}/{name}" for name in os.listdir(BUILD)
                if name.startswith(f"pam_tmout-{version()}-") and name.endswith(f".{arch}.rpm")]
    tap.note(package)
    package_of.append(package)
    tap.run(content, life)


if __name__ == "__main__":
    main()
