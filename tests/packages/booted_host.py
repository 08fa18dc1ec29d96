"""A Debian that is booted: systemd, logind, dbus and sshd, in a container of
its own whose changes stay in memory.

    alone()            a process and mount namespace, in which all ends with the test
    packages()         the packages of this tree; previous(): an older version of them
    Host(suite)        boots it; run(), must(), path() and journal act inside
    host.connect()     this process's network is the host's then: ssh by tests/host/host.py
    Skip               what cannot be had here, and why

The roots are made by mmdebstrap and kept in build/hosts; debs in build/.
"""
import contextlib
import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host import client  # noqa: E402
from host.commands import must, run  # noqa: E402
from host.files import REPOSITORY, append, read, read_bytes, remove, write  # noqa: E402
from host.tap import tap  # noqa: E402
from host.waiting import Log, wait_until  # noqa: E402

BUILD = REPOSITORY + "/build"
MAKING_SEC = 900  # a guard against hanging
CLONE_NEWNET = 0x40000000
INCLUDED = ("systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,openssh-client,"
            "python3-minimal,iproute2,login,passwd,procps,sudo,libconfuse2,libjansson4,libsystemd0")
SOURCES = "/etc/apt/sources.list.d/debian.sources"


class Skip(Exception):
    """The reason why there can be no booted host."""


def alone():
    """Starts the test anew where its mounts and processes are its own, so that
    whatever happens nothing of the host is left."""
    if os.environ.get("TMOUT_ALONE"):
        must("mount", "-t", "tmpfs", "-o", "mode=755", "booted", "/run")
        return
    if os.geteuid() != 0:
        raise Skip("needs root")
    for program in "systemd-nspawn", "mmdebstrap", "unshare", "nsenter", "dpkg-buildpackage":
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")
    separate = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    refused = run(*separate, "true")
    if refused.returncode != 0:
        raise Skip(f"no namespaces: {refused.stderr.strip()}")
    os.execvpe("unshare", [*separate, *sys.argv], {**os.environ, "TMOUT_ALONE": "1"})


def lock(name):
    """Held until the result is garbage, against another test that makes the same."""
    os.makedirs(BUILD, exist_ok=True)
    file = open(f"{BUILD}/{name}.lock", "w", encoding="utf-8")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


# --- packages ----------------------------------------------------------------

def build_environment():
    """Without the variables of a make around the tests. The unit tests are run
    by themselves already."""
    inherited = {name: value for name, value in os.environ.items()
                 if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    return {**inherited, "DEB_BUILD_OPTIONS": "nocheck"}


def debs(directory, version):
    return [f"{directory}/{name}_{version}_{must('dpkg', '--print-architecture').strip()}.deb"
            for name in ("libpam-tmout", "tmoutd")]


def packages():
    """The paths of both packages of this tree, and their version."""
    held = lock("deb")
    must("make", "-s", "deb", cwd=REPOSITORY, env=build_environment(), timeout=MAKING_SEC)
    held.close()
    version = re.search(r"^VERSION := (.*)$", read(REPOSITORY + "/Makefile"), re.M).group(1)
    return debs(BUILD, version), version


def previous():
    """Older packages of the same tree, with other conffiles."""
    directory, version = BUILD + "/deb-previous", "0.0.9"
    held = lock("deb-previous")
    done = directory + "/done"
    if not os.path.exists(done) or os.path.getmtime(done) < os.path.getmtime(BUILD + "/deb/built"):
        tree = BUILD + "/tree-previous"
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(REPOSITORY, tree, ignore=shutil.ignore_patterns("build", ".git"))
        for changed in "conf/tmout.conf", "profile.d/tmout.sh":
            append(f"{tree}/{changed}", "\n# as it was in 0.0.9\n")
        must(tree + "/packaging/build-deb", version, directory, env=build_environment(),
                    timeout=MAKING_SEC)
        write(done, "")
    held.close()
    return debs(directory, version), version


def repacked(deb, version, script, text):
    """A package with another version and another maintainer script."""
    directory = "/run/repacked"
    shutil.rmtree(directory, ignore_errors=True)
    must("dpkg-deb", "-R", deb, directory)
    control = f"{directory}/DEBIAN/control"
    write(control, re.sub(r"(?m)^Version: .*$", f"Version: {version}", read(control)))
    write(f"{directory}/DEBIAN/{script}", text, 0o755)
    return must("dpkg-deb", "-b", directory, "/run").split("'")[-2]


# --- the host ----------------------------------------------------------------

def sources(suite):
    """Where this machine has its packages from, for another suite; "": from where
    mmdebstrap thinks."""
    if not os.path.exists(SOURCES):
        return ""
    own = re.search(r"(?m)^VERSION_CODENAME=(.*)$", read("/etc/os-release")).group(1)
    return re.sub(rf"\b{own}\b", suite, read(SOURCES))


def make_root(suite):
    """The directory of a suite's root, made once for each list of packages."""
    root, made_of = f"{BUILD}/hosts/{suite}", f"{BUILD}/hosts/{suite}.made-of"
    held = lock(f"hosts-{suite}")
    wanted = f"{INCLUDED}\n{sources(suite)}"
    if not os.path.exists(made_of) or read(made_of) != wanted:
        shutil.rmtree(root, ignore_errors=True)
        remove(made_of)
        listed = [f"{root}.sources"] if sources(suite) else []
        for path in listed:
            write(path, sources(suite))
        made = run("mmdebstrap", "--variant=minbase", f"--include={INCLUDED}", suite, root,
                          *listed, timeout=MAKING_SEC)
        if made.returncode != 0:
            raise Skip(f"mmdebstrap makes no {suite}: {made.stderr.strip().splitlines()[-1]}")
        write(made_of, wanted)
    held.close()
    return root


def mount_root(suite):
    """A suite's root at /run/root; what is changed in it stays in memory."""
    root = make_root(suite)
    for directory in "upper", "work", "root":
        os.mkdir(f"/run/{directory}")
    os.chmod("/run/upper", 0o755)
    must("mount", "-t", "overlay", "-o",
                f"lowerdir={root},upperdir=/run/upper,workdir=/run/work", "host", "/run/root")


# --- what is on a disk -------------------------------------------------------

def _describe(path):
    """What makes a file what it is; its times don't count."""
    status = os.lstat(path)
    content = ""
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(read_bytes(path)).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    return oct(status.st_mode), status.st_uid, status.st_gid, content


def files_below(root, directory):
    """(path, what it is) for all in a directory of a root."""
    for parent, folders, files in os.walk(root + directory):
        for name in folders + files:
            path = f"{parent}/{name}"
            with contextlib.suppress(FileNotFoundError):  # gone between the two looks
                yield path[len(root):], _describe(path)


def differences(before, after):
    """What has come, gone and changed."""
    return ([f"+ {path}" for path in sorted(after.keys() - before.keys())]
            + [f"- {path}" for path in sorted(before.keys() - after.keys())]
            + [f"! {path} {before[path]} {after[path]}"
               for path in sorted(before.keys() & after.keys()) if before[path] != after[path]])


# --- booted ------------------------------------------------------------------

class Journal(Log):
    """The host's journal, as it is written."""

    def __init__(self, host):
        super().__init__()
        self.process = host.popen("journalctl", "--follow", "--lines=all", "--output=short")
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        for line in self.process.stdout:
            self.add(line.rstrip("\n"))


class Host:
    """A booted Debian. `leader` is its process 1."""

    ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
                   "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb"}

    def __init__(self, suite):
        self.suite = suite
        mount_root(suite)
        self.leader = self._boot()
        state = self.run("systemctl", "is-system-running", "--wait").stdout.strip()
        if state not in ("running", "degraded"):
            raise RuntimeError(f"{suite} is {state}")
        if state == "degraded":
            # What a container cannot do is not what is tested; from here on no
            # unit may fail.
            tap.note(self.must("systemctl", "--failed", "--plain", "--no-legend"))
            self.must("systemctl", "reset-failed")
        self.journal = Journal(self)

    def _boot(self):
        with open("/run/console", "wb") as console:
            self.container = subprocess.Popen(
                ["systemd-nspawn", "-b", "--register=no", "--keep-unit", "--private-network",
                 "--directory=/run/root", f"--machine={self.suite}", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        children = f"/proc/{self.container.pid}/task/{self.container.pid}/children"

        def leader():
            if self.container.poll() is not None:
                raise Skip(f"systemd-nspawn does not work here: {read('/run/console')[-300:]}")
            found = read(children).split()
            if not found:
                return None
            self.leader = int(found[0])
            # Answers as soon as systemd listens.
            return self.run("systemctl", "show", "--property=Version").returncode == 0 and found
        return int(wait_until(leader, f"{self.suite} does not boot")[0])

    def path(self, path):
        """A file of the host's, seen from here."""
        return f"/proc/{self.leader}/root{path}"

    def _command(self, argv):
        return ["nsenter", "-t", str(self.leader), "-a", *argv]

    def run(self, *argv, **options):
        return run(*self._command(argv), env=self.ENVIRONMENT, **{"timeout": MAKING_SEC, **options})

    def must(self, *argv, **options):
        return must(*self._command(argv), env=self.ENVIRONMENT,
                           **{"timeout": MAKING_SEC, **options})

    def popen(self, *argv):
        return subprocess.Popen(self._command(argv), env=self.ENVIRONMENT, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def read(self, path):
        return read(self.path(path))

    def write(self, path, text, mode=0o644):
        write(self.path(path), text, mode)

    def exists(self, path):
        return os.path.lexists(self.path(path))

    def copy_in(self, paths):
        """Files of here, in the host's /root; their paths there."""
        os.makedirs(self.path("/root/debs"), exist_ok=True)
        for path in paths:
            shutil.copy(path, self.path("/root/debs"))
        return ["/root/debs/" + os.path.basename(path) for path in paths]

    def install(self, *paths, options=()):
        """apt-get install of package files; the result, all it said in stdout."""
        return self.run("apt-get", "install", "-y", "--allow-downgrades", "--no-install-recommends",
                        "-o", "Dpkg::Options::=--force-confold", *options, *self.copy_in(paths),
                        stderr=subprocess.STDOUT)

    def connect(self):
        """From here on, whatever this process starts has the host's network."""
        with open(f"/proc/{self.leader}/ns/net", "rb") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        client.KEY = "/run/client_key"
        must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", client.KEY)

    def user(self, name, password, groups=()):
        """Somebody who can log in by key and by password."""
        for group in groups:
            self.must("groupadd", "--force", group)
        self.must("useradd", "--create-home", "--shell=/bin/bash",
                  *([f"--groups={','.join(groups)}"] if groups else []), name)
        self.must("chpasswd", input=f"{name}:{password}\n", stdin=None)
        self.write(f"/home/{name}/.ssh/authorized_keys", read(client.KEY + ".pub"), 0o600)
        self.must("chown", "-R", f"{name}:", f"/home/{name}/.ssh")

    def snapshot(self, *directories):
        """All files below, as {path: what it is}."""
        return {path: what for directory in directories
                for path, what in files_below(self.path(""), directory)}
