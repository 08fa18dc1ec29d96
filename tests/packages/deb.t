#!/usr/bin/python3
"""The packages for Debian: lintian's verdict, their contents, and reproducible
builds.
"""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from bill import check_bill
from built import BUILD, build_environment, documents, fleet_package, packages
from host.commands import must, run
from host.files import REPOSITORY, read_bytes
from host.tap import tap
from host.waiting import BUILD_GUARD_SEC

AGAIN = BUILD + "/deb-again/out"
built = {}


def results(directory):
    """The files that must be identical, unlike .changes and .buildinfo."""
    return sorted(name for name in os.listdir(directory) if re.search(r"\.(deb|dsc|tar\.xz)$", name))


def lint():
    """lintian"""
    if not shutil.which("lintian"):
        tap.skip("lintian", "it is not installed")
        return
    changes, = [f"{BUILD}/{name}" for name in os.listdir(BUILD) if name.endswith(".changes")]
    done = run("lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning",
               changes, timeout=BUILD_GUARD_SEC)
    tap.ok(done.returncode == 0, "no errors and no warnings", done.stdout, done.stderr)


def same_bytes():
    """a second build in another directory, with another umask and time zone"""
    shutil.rmtree(os.path.dirname(AGAIN), ignore_errors=True)
    # shutil.copy gives the files other times, and modes that follow the umask.
    tree = os.path.dirname(AGAIN) + "/tree"
    os.umask(0o002)
    shutil.copytree(REPOSITORY, tree, ignore=shutil.ignore_patterns("build", ".git"),
                    copy_function=shutil.copy)
    must(tree + "/packaging/build-deb", built["version"], AGAIN,
         env={**build_environment(), "TZ": "Asia/Tokyo", "LANG": "C"},
         timeout=BUILD_GUARD_SEC)
    tap.equal(results(AGAIN), results(BUILD), "the same files")
    for name in results(BUILD):
        tap.ok(read_bytes(f"{BUILD}/{name}") == read_bytes(f"{AGAIN}/{name}"),
               f"{name} has the same bytes")


def bills():
    """the bills of materials"""
    module, daemon = built["debs"]
    check_bill(module, ["libconfuse2", "libpam-runtime"])
    check_bill(daemon, ["libsystemd0", "libpam-tmout"])
    check_bill(fleet_package(), ["libsystemd0", "libpam-tmout", "libconfuse2"])


def divided():
    """the contents of each package"""
    module, daemon, fleet = (must("dpkg-deb", "-c", path) for path in [*built["debs"], fleet_package()])
    for name in ("pam_tmout.so", "/usr/bin/tmoutctl", "/usr/sbin/tmoutctl -> ../bin/tmoutctl",
                 "profile.d/tmout.sh", "tmout-apply.path",
                 "tmpfiles.d/tmout.conf", "pam-configs/tmout", "man5/tmout.conf.5.gz",
                 "man7/tmout-recovery.7.gz", "lib/systemd/catalog/tmout.catalog"):
        tap.ok(name in module, f"libpam-tmout has {name}")
    for name in "sbin/tmoutd", "system/tmoutd.service", "man8/tmoutd.8.gz":
        tap.ok(name in daemon and name not in module, f"tmoutd has {name}")
    for name in ("sbin/tmout-fleetd", "system/tmout-fleetd.service", "system/tmout-fleetd.socket",
                 "system/tmout-fleetd-unlock.service", "system/tmout-fleetd-unlock.timer",
                 "man8/tmout-fleetd.8.gz"):
        tap.ok(name in fleet and name not in module + daemon, f"tmout-fleetd has {name}")
    tap.matches(must("dpkg-deb", "-f", fleet_package(), "Depends"), r"\blibhiredis\S+ \(", "it needs hiredis")
    # debhelper compresses the larger ones.
    for name in documents():
        tap.matches(module, rf"(?m) \./usr/share/doc/libpam-tmout/{re.escape(name)}(\.gz)?$",
                    f"libpam-tmout has {name}")
    tap.equal(must("dpkg-deb", "-I", built["debs"][0], "conffiles").split(),
              ["/etc/profile.d/tmout.csh", "/etc/profile.d/tmout.sh", "/etc/security/tmout.conf"],
              "all files in /etc are conffiles")


def main():
    if not shutil.which("dpkg-buildpackage") or not shutil.which("dh"):
        tap.skip("the packages for Debian", "dpkg-buildpackage and debhelper are not installed")
        tap.end()
    built["debs"], built["version"] = packages()
    tap.run(divided, bills, lint, same_bytes)


if __name__ == "__main__":
    main()
