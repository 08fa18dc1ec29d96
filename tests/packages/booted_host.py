"""A Debian that is booted: systemd, logind, dbus and sshd, in a container of
its own whose changes stay in memory.

    Host(suite)        boots it; run(), must(), path() and journal act on it;
                       Host(suite, packages) has these packages, too
    host.connect()     from then on this process has the host's network, so that
                       tests/host/client.py logs in there
    mount_root(suite)  its files alone, at /run/root

The roots are made by mmdebstrap and kept in build/hosts. A test that uses them
is isolated (tests/host/isolation.py).
"""
import ctypes
import os
import shutil
import subprocess
import threading

from built import BUILD, lock
from file_list import files_below
from host import client
from host.commands import must, run
from host.debian_root import make_root, sources
from host.files import read, remove, write
from host.isolation import Skip
from host.tap import tap
from host.waiting import BUILD_GUARD_SEC, Log, Stuck, wait_until

KEY = "/run/client_key"
CLONE_NEWNET = 0x40000000
INCLUDED = """systemd systemd-sysv dbus libpam-systemd openssh-server openssh-client python3-minimal
    iproute2 login passwd procps sudo libconfuse2 libjansson4 libsystemd0""".split()


def stored_root(suite, more):
    """The directory of a suite's root, made once for each list of packages."""
    root = f"{BUILD}/hosts/{'-'.join([suite, *more])}"
    made_of, packages = f"{root}.made-of", [*INCLUDED, *more]
    wanted = f"{' '.join(packages)}\n{sources(suite)}"
    with lock(f"hosts-{suite}"):
        if not os.path.exists(made_of) or read(made_of) != wanted:
            shutil.rmtree(root, ignore_errors=True)
            remove(made_of)
            make_root(suite, root, packages)
            write(made_of, wanted)
    return root


def mount_root(suite, more=()):
    """Mounts a suite's root at /run/root; changes stay in memory."""
    root = stored_root(suite, more)
    for directory in "upper", "work", "root":
        os.mkdir(f"/run/{directory}")
    os.chmod("/run/upper", 0o755)
    must("mount", "-t", "overlay", "-o",
                f"lowerdir={root},upperdir=/run/upper,workdir=/run/work", "host", "/run/root")


class Journal(Log):
    """Follows the host's journal."""

    def __init__(self, host):
        super().__init__()
        self.process = host.popen("journalctl", "--follow", "--lines=all", "--output=short")
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        for line in self.process.stdout:
            self.add(line.rstrip("\n"))


class Host:
    """A booted Debian. `leader` is its process 1, seen from outside."""

    ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
                   "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb"}

    def __init__(self, suite, packages=()):
        self.suite = suite
        mount_root(suite, packages)
        self.leader = self._boot()
        state = self.run("systemctl", "is-system-running", "--wait").stdout.strip()
        if state not in ("running", "degraded"):
            raise RuntimeError(f"{suite} is {state}")
        if state == "degraded":
            # Some units cannot run in a container. From here on none may fail.
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
            # Succeeds once systemd accepts connections.
            return self.run("systemctl", "show", "--property=Version").returncode == 0 and found
        try:
            return int(wait_until(leader)[0])
        except Stuck:
            raise Stuck(f"{self.suite} does not boot: {read('/run/console')[-3000:]}") from None

    def path(self, path):
        """The path of a file on the host, seen from outside."""
        return f"/proc/{self.leader}/root{path}"

    def _command(self, argv):
        return ["nsenter", "-t", str(self.leader), "-a", *argv]

    def run(self, *argv, **options):
        return run(*self._command(argv), env=self.ENVIRONMENT, **{"timeout": BUILD_GUARD_SEC, **options})

    def must(self, *argv, **options):
        return must(*self._command(argv), env=self.ENVIRONMENT,
                           **{"timeout": BUILD_GUARD_SEC, **options})

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
        """Copies files to the host, and returns their paths there."""
        os.makedirs(self.path("/root/debs"), exist_ok=True)
        for path in paths:
            shutil.copy(path, self.path("/root/debs"))
        return ["/root/debs/" + os.path.basename(path) for path in paths]

    def install(self, *paths, options=()):
        """Runs apt-get install with package files; all output is in the result's stdout."""
        return self.run("apt-get", "install", "-y", "--allow-downgrades", "--no-install-recommends",
                        "-o", "Dpkg::Options::=--force-confold", *options, *self.copy_in(paths),
                        stderr=subprocess.STDOUT)

    def connect(self):
        """Gives this process and its children the host's network from here on."""
        with open(f"/proc/{self.leader}/ns/net", "rb") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        client.use_key(KEY)
        must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", KEY)

    def user(self, name, password, groups=()):
        """Creates a user who can log in with a key and with a password."""
        for group in groups:
            self.must("groupadd", "--force", group)
        self.must("useradd", "--create-home", "--shell=/bin/bash",
                  *([f"--groups={','.join(groups)}"] if groups else []), name)
        self.must("chpasswd", input=f"{name}:{password}\n", stdin=None)
        self.write(f"/home/{name}/.ssh/authorized_keys", read(KEY + ".pub"), 0o600)
        self.must("chown", "-R", f"{name}:", f"/home/{name}/.ssh")

    def snapshot(self, *directories):
        """All files below these directories, as {path: description}."""
        return {path: what for directory in directories
                for path, what in files_below(self.path(""), directory)}
