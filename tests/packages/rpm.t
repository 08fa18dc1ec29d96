#!/usr/bin/python3
"""The packages for Fedora and RHEL, as far as they can be tested on Debian: they are
built (in soak tests with %check), inspected, and installed and removed in a
root directory, where stand-ins write down what the scripts do about SELinux.

With RPM_MACROS="FILE...": built with the macros of systemd-rpm-macros and selinux-policy.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from bill import check_bill
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
# In the place of SELinux's programs: each writes down that it was run, and whether a policy
# was in force by then.
STAND_IN = """#!/bin/sh
[ -e /var/lib/tmout/policy.v1 ] && in=yes || in=no
echo "${0##*/} policy=$in $*" >>/selinux-calls
"""
STAND_INS = "semodule", "load_policy", "selinuxenabled", "restorecon", "fixfiles"
MODULE = "/usr/share/selinux/packages/targeted/tmout.pp.bz2"
# What rpmlint calls errors, and is none of ours: who builds for others signs; Fedora has
# given up groups; rpm compresses manuals since 4.20, which is what rpmlint expects; no dictionary has
# our programs' names;
# selinux-policy's macro requires programs that have "lib" in their package's name; and only
# root may look into the directory of the fleet's secrets.
NOT_OURS = (r"no-signature|no-group-tag|bad-manual-page-folder .*/tmout\.conf\.5 "
            r"|explicit-lib-dependency libselinux-utils"
            r"|non-standard-dir-perm /etc/security/tmout-fleet 700"
            r"|spelling-error \('(tmoutd|tmoutctl|authselect)',")

package_of = []  # set by main(): the package, and that with the SELinux module
source_of = []   # and that of the source
fleet_of = []    # and that of tmout-fleetd


def rpm(*argv):
    """Runs rpm on the root directory; all output is in the result's stdout."""
    return run("rpm", "--root", ROOT, "--nodeps", *argv, stderr=subprocess.STDOUT,
               timeout=BUILD_GUARD_SEC)


def content():
    """its files, and which of them are configuration"""
    package, selinux = package_of
    files = must("rpm", "-qp", "--qf", r"[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEMODES:perms}\n]", package)
    for path in "/etc/security/tmout.conf", "/etc/profile.d/tmout.sh", "/etc/profile.d/tmout.csh":
        tap.matches(files, rf"(?m)^{path} cn -rw-r--r--$", f"{path} is %config(noreplace)")
    for path in ("/usr/lib64/security/pam_tmout.so", "/usr/bin/tmoutctl",
                 "/usr/sbin/tmoutctl", "/usr/sbin/tmoutd",
                 "/usr/lib/systemd/system/tmoutd.service", "/usr/lib/systemd/system/tmout-apply.path",
                 "/usr/lib/tmpfiles.d/tmout.conf", "/usr/lib/systemd/catalog/tmout.catalog",
                 r"/usr/share/man/man7/tmout-recovery.7(\.gz)?"):
        tap.matches(files, rf"(?m)^{path} ", f"{path} is in it")
    for path in "README-authselect.md", *documents():
        tap.matches(files, rf"(?m)^/usr/share/doc/pam_tmout/{re.escape(path)} d? ?-rw-r--r--$", f"{path} is in it")
    fleet = must("rpm", "-qp", "--qf", r"[%{FILENAMES} %{FILEMODES:perms}\n]", *fleet_of)
    for path in ("/usr/sbin/tmout-fleetd -rwxr-xr-x", "/usr/lib/systemd/system/tmout-fleetd.service -rw-r--r--",
                 "/usr/lib/systemd/system/tmout-fleetd.socket -rw-r--r--",
                 "/usr/lib/systemd/system/tmout-fleetd-unlock.service -rw-r--r--",
                 "/usr/lib/systemd/system/tmout-fleetd-unlock.timer -rw-r--r--", "/etc/security/tmout-fleet drwx------",
                 r"/usr/share/man/man8/tmout-fleetd.8(\.gz)? -rw-r--r--"):
        tap.matches(fleet, rf"(?m)^{path}$", f"{path} is in tmout-fleetd")
    tap.ok("tmout-fleet" not in files, "and in no other", files)
    tap.ok("pam.d/system-auth" not in files and "pam-configs" not in files, "no PAM stack is in it")
    for path in package, selinux, *fleet_of:
        scripts = must("rpm", "-qp", "--scripts", path)
        tap.ok("%{" not in scripts and "%selinux" not in scripts
               and "system-auth" not in scripts.replace("/etc/pam.d/*", ""),
               "all macros are expanded, and no stack is edited", scripts)
    tap.matches(must("rpm", "-qp", "--requires", package),
                r"(?m)^\(pam_tmout-selinux = \S+ if selinux-policy-targeted\)$", "the module is required")
    tap.equal({path for path in must("rpm", "-qpl", selinux).split() if "/licenses/" not in path},
              {MODULE, "/usr/share/selinux/devel/include/distributed/tmout.if",
               "/var/lib/selinux/targeted/active/modules/200/tmout"}, "the files of the other package")
    tap.equal(must("rpm", "-qp", "--qf", "%{ARCH}", selinux), "noarch", "it is for all architectures")


def lint():
    """rpmlint"""
    if not shutil.which("rpmlint"):
        tap.skip("rpmlint", "it is not installed")
        return
    done = run("rpmlint", *package_of, *fleet_of, *source_of, timeout=BUILD_GUARD_SEC)
    errors = [line for line in re.findall(r"(?m)^.*: E: .*$", done.stdout)
              if not re.search(NOT_OURS, line)]
    tap.equal(errors, [], "no errors")
    tap.matches(done.stdout, r"\b4 packages and \d+ specfiles checked", "all were checked")


def bills():
    """the bills of materials"""
    package, selinux = package_of
    check_bill(package, ["libconfuse.so.2()(64bit)", "libjansson.so.4()(64bit)", "pam"])
    check_bill(selinux, ["policycoreutils"])
    check_bill(*fleet_of, ["pam_tmout(x86-64)"] if must("rpm", "--eval", "%{_arch}").strip() == "x86_64" else [])


def labels():
    """the labels are set before the policy is applied, whichever order they are named in"""
    must("rpm", "--root", ROOT, "--initdb")
    for name in STAND_INS:
        if os.path.exists(f"{ROOT}/usr/sbin/{name}"):
            tap.note(f"{name} is replaced")
        write(f"{ROOT}/usr/sbin/{name}", STAND_IN, 0o755)
    write(ROOT + "/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
    for packages in package_of, package_of[::-1]:
        write(ROOT + "/selinux-calls", "")
        done = rpm("-i", *packages)
        tap.equal(done.returncode, 0, "both installed") or tap.note(done.stdout)
        calls = read(ROOT + "/selinux-calls").splitlines()
        tap.matches("\n".join(calls), rf"(?m)^semodule policy=no .*-s targeted.* -i {MODULE}$(.|\n)*"
                    r"^restorecon policy=no .*/var/lib/tmout /run/tmout$",
                    "the module, then the labels, then the policy")
        tap.ok(os.path.exists(ROOT + "/var/lib/tmout/policy.v1"), "the policy is in force")
        done = rpm("-e", "pam_tmout", "pam_tmout-selinux")
        tap.equal(done.returncode, 0, "both removed") or tap.note(done.stdout)
        tap.matches(read(ROOT + "/selinux-calls"), r"(?m)^semodule .*-s targeted.* -r tmout$",
                    "so is the module")
        shutil.rmtree(ROOT + "/var/lib/tmout")
    for name in STAND_INS:
        os.unlink(f"{ROOT}/usr/sbin/{name}")
    for path in "/selinux-calls", "/etc/selinux/config":
        os.unlink(ROOT + path)


def life():
    """installation next to a local tmout.sh, and removal"""
    package, _ = package_of
    write(ROOT + "/etc/profile.d/tmout.sh", LOCAL_SCRIPT)
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

    write(ROOT + "/etc/security/tmout.conf.d/site.conf", "default { tmout = 5m }\n")
    for words in ("apply",), ("shells", "--install"), ("shells", "--remove"), ("audit", "--patch"):
        run("chroot", ROOT, "tmoutctl", *words)
    changed = [line for line in rpm("-V", "pam_tmout").stdout.splitlines() if "/usr/share/doc/" not in line]
    tap.equal(changed, [], "rpm -V finds nothing changed after use")
    os.unlink(ROOT + "/etc/security/tmout.conf.d/site.conf")
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


def build():
    """Builds the packages, with the macros that RPM_MACROS names, if it does. Returns the
    directory that they are in."""
    if "RPM_MACROS" in os.environ:
        directory = BUILD + "/rpm-macros"
        must("packaging/build-rpm", version(), directory, cwd=REPOSITORY, env=build_environment(),
             timeout=BUILD_GUARD_SEC)
        return directory
    with lock("rpm"):
        must("make", "-s", "rpm", cwd=REPOSITORY, env=build_environment(), timeout=BUILD_GUARD_SEC)
    return BUILD + "/rpm"


def main():
    try:
        isolate("mmdebstrap", "rpmbuild")
        directory = build()
        mount_root(own_suite() or "bookworm")
    except Skip as why:
        tap.skip("the package for Fedora and RHEL", why)
        tap.end()
    arch = must("rpm", "--eval", "%{_arch}").strip()
    for start, end, of in (("pam_tmout-", f".{arch}.rpm", package_of),
                           ("pam_tmout-selinux-", ".noarch.rpm", package_of),
                           ("tmout-fleetd-", f".{arch}.rpm", fleet_of)):
        found, = [path for path in glob.glob(f"{directory}/**/*.rpm", recursive=True)
                  if os.path.basename(path).startswith(start + version() + "-") and path.endswith(end)]
        tap.note(found)
        of.append(found)
    source_of.extend(glob.glob(f"{directory}/SRPMS/*.rpm"))
    tap.run(content, lint, bills, labels, life)


if __name__ == "__main__":
    main()
