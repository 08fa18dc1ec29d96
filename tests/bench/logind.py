"""What as many sessions cost systemd-logind.

It is the real one, in a container of systemd-nspawn that boots this machine's own
files with systemd, dbus and logind and nothing else. Sessions are created as
pam_systemd does it, by logind_sessions.c. For each new user logind would also start a
systemd of their own (user@.service), which costs far more than all the rest: those
units are masked.

CPU time is that of logind alone, and of logind, systemd and dbus-daemon together:
what a login makes them do.

A busy machine takes long for thousands of sessions. So a host has HOST_SEC for everything;
what was not measured by then is left out.
"""

import os
import select
import shutil
import subprocess
import tempfile
import time

import bench_host

ROOT = "/run/booted"
CGROUPS = "/sys/fs/cgroup"
PROGRAMS = ROOT + "/usr/local/lib/bench"
SESSIONS = bench_host.PROGRAMS + "/logind_sessions"
MASKED = "user@.service", "user-runtime-dir@.service"
# What the host's processes may be, and how many a user may have.
UNLIMITED = {"etc/systemd/logind.conf.d/bench.conf": "[Login]\nSessionsMax=100000\n",
             "etc/systemd/system/user-.slice.d/bench.conf": "[Slice]\nTasksMax=infinity\n"}
BOOT_SEC = 60
SETTLE_SEC = 1.5
HOST_SEC = 480
END_SEC = 30


def why_not():
    """Why logind cannot be measured here, or None."""
    for program in "systemd-nspawn", "nsenter", "dbus-daemon", "/lib/systemd/systemd-logind":
        if not shutil.which(program):
            return f"{program} is not installed"
    if not os.path.exists(SESSIONS):
        return f"{SESSIONS} has not been built (make bench does it)"
    return None


def mount_root():
    for mounted in ("-t", "sysfs", "sysfs", "/sys"), ("-t", "cgroup2", "cgroup", CGROUPS):
        if not os.path.ismount(mounted[-1]):
            subprocess.run(["mount", *mounted], check=True)
    changes = ROOT + ".changes"
    for directory in ROOT, changes:
        os.makedirs(directory)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "changes", changes], check=True)
    os.mkdir(changes + "/upper")
    os.mkdir(changes + "/work")
    subprocess.run(["mount", "-t", "overlay", "-o",
                    f"lowerdir=/,upperdir={changes}/upper,workdir={changes}/work", "booted", ROOT],
                   check=True)


class TooSlow(Exception):
    """The host's time is over."""


class Booted:
    """The container, its three processes, and the sessions in it."""

    def __init__(self):
        self.until = time.monotonic() + HOST_SEC
        mount_root()
        for unit in MASKED:
            os.symlink("/dev/null", f"{ROOT}/etc/systemd/system/{unit}")
        for path, text in UNLIMITED.items():
            bench_host.write(f"{ROOT}/{path}", text)
        os.makedirs(PROGRAMS, exist_ok=True)
        shutil.copy(SESSIONS, PROGRAMS)
        # The container's cgroups are below this one. They outlive it.
        # Another throw-away host's may have the same pid.
        self.cgroup = tempfile.mkdtemp(prefix="bench-", dir=CGROUPS)
        self.console = open(ROOT + ".console", "wb")
        self.container = subprocess.Popen(
            ["systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--private-network",
             f"--directory={ROOT}", "--machine=bench", "--console=pipe", "systemd.unit=dbus.socket"],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console,
            preexec_fn=lambda: bench_host.write(self.cgroup + "/cgroup.procs", "0"))
        self.leader = self._wait_booted()
        self.run("systemctl", "start", "dbus.service", "systemd-logind.service")
        self.sessions = None

    def _wait_booted(self):
        children = f"/proc/{self.container.pid}/task/{self.container.pid}/children"
        until = time.monotonic() + BOOT_SEC
        while time.monotonic() < until and self.container.poll() is None:
            with open(children, encoding="ascii") as file:
                found = file.read().split()
            if found:
                self.leader = int(found[0])
                if subprocess.run(self._command("systemctl", "show", "--property=Version"),
                                  capture_output=True, check=False).returncode == 0:
                    return self.leader
            time.sleep(0.2)
        with open(ROOT + ".console", encoding="utf-8", errors="replace") as file:
            raise RuntimeError("no container: " + file.read()[-300:])

    def _command(self, *argv):
        return ["nsenter", "-t", str(self.leader), "-a", "-r", "-w", *argv]

    def left_sec(self, what):
        """Of the host's time. `what` is what takes it."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TooSlow(f"{what} was not done {HOST_SEC} s after the start of the host")
        return left

    def run(self, *argv):
        what = " ".join(argv[:2])
        try:
            return subprocess.run(self._command(*argv), check=True, capture_output=True,
                                  text=True, timeout=self.left_sec(what)).stdout
        except subprocess.TimeoutExpired:
            self.left_sec(what)
            raise

    def _main_pid(self, unit):
        return int(self.run("systemctl", "show", "--property=MainPID", "--value", unit))

    def find(self):
        """Where the files of the three are: logind, systemd, dbus-daemon."""
        self.pids = [self._main_pid("systemd-logind.service"), 1, self._main_pid("dbus.service")]

    def _proc(self, pid, name):
        with open(f"/proc/{self.leader}/root/proc/{pid}/{name}", encoding="ascii") as file:
            return file.read()

    def cpu_sec(self):
        """That of logind, and that of all three."""
        each = [int(self._proc(pid, "schedstat").split()[0]) / 1e9 for pid in self.pids]
        return each[0], sum(each)

    def memory_kb(self):
        return next(int(line.split()[1]) for line in
                    self._proc(self.pids[0], "smaps_rollup").splitlines()
                    if line.startswith("Pss:"))

    def rest(self):
        changed, before = time.monotonic(), (-1.0, -1.0)
        while time.monotonic() - changed < SETTLE_SEC:
            self.left_sec("the work for the sessions")
            time.sleep(0.02)
            now = self.cpu_sec()
            if now != before:
                before, changed = now, time.monotonic()

    def open_sessions(self, user, count):
        self.sessions = subprocess.Popen(
            self._command("/usr/local/lib/bench/logind_sessions", user, str(count)), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
        self._wait_ready()

    def open_one_more(self):
        self.sessions.stdin.write("\n")
        self.sessions.stdin.flush()
        self._wait_ready()

    def _wait_ready(self):
        while not select.select([self.sessions.stdout], [], [], self.left_sec("CreateSession"))[0]:
            pass
        if self.sessions.stdout.readline() != "ready\n":
            raise RuntimeError("logind creates no more sessions")

    def _wait_empty(self):
        until = time.monotonic() + END_SEC
        while time.monotonic() < until:
            with open(self.cgroup + "/cgroup.events", encoding="ascii") as file:
                if "populated 0" in file.read():
                    return
            time.sleep(0.05)

    def end(self):
        if self.sessions:
            self.sessions.kill()
            self.sessions.wait()
        # What all of its processes get at once: systemd may have a lot to do.
        bench_host.write(self.cgroup + "/cgroup.kill", "1")
        self.container.kill()
        self.container.wait(END_SEC)
        self._wait_empty()
        self.console.close()
        for directory, _, _ in os.walk(self.cgroup, topdown=False):
            os.rmdir(directory)
        for mounted in ROOT, ROOT + ".changes":
            subprocess.run(["umount", "--lazy", mounted], check=True)
            os.rmdir(mounted)


def measure(user, size, arrivals, quiet_sec):
    """{what: (logind, all three)}, in milliseconds for each login where it says so; and
    why something is missing, or None."""
    host, found = Booted(), {}

    def taken(work, divisor):
        before = host.cpu_sec()
        work()
        host.rest()
        return tuple((now - then) * 1000 / divisor for now, then in zip(host.cpu_sec(), before))

    try:
        host.find()
        found["logins"] = taken(lambda: host.open_sessions(user, size), size)
        found["arrival"] = taken(lambda: [host.open_one_more() for _ in range(arrivals)], arrivals)
        found["memory"] = host.memory_kb()
        before = host.cpu_sec()
        time.sleep(quiet_sec)
        found["quiet"] = tuple((now - then) * 1000 for now, then in zip(host.cpu_sec(), before))
        begun = time.monotonic()
        lines = host.run("loginctl", "list-sessions", "--no-legend").count("\n")
        found["sessions"] = time.monotonic() - begun
        if lines != size + arrivals:
            raise RuntimeError(f"loginctl lists {lines} sessions")
        host.run("systemctl", "restart", "systemd-logind.service")
        host.find()
        host.rest()
        found["start"] = host.cpu_sec()[0] * 1000 / size
    except TooSlow as error:
        return found, str(error)
    finally:
        host.end()
    return found, None
