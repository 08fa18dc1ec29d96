"""What tmoutd costs with many idle terminals, and how late it disconnects them.

Connections of sshd take too much memory to have thousands of them. Each login is
a small process that holds the master of one terminal and is registered like
sshd's (idlers.c). tmoutd is the real one, with systemd's default limit of open
files.

CPU time includes that of the helper processes that have ended. Sizes are measured for
logins of one user, and for as many users as logins, and so are as many sessions of
systemd-logind (logind.py).

    logins      CPU time while all log in at once
    start       CPU time of a new tmoutd until all are known, and memory then
    arrival     one more login, with its terminal
    sessions    what `tmoutctl sessions` takes; of logind, `loginctl list-sessions`
    storm       a user of all the logins opens and closes 90 terminals a second
    quiet       nothing can expire for an hour
    typing      every user types now and then, and with a short limit each
                terminal has to be checked every few seconds
    ends        some are idle until they are disconnected, half of them ignoring
                SIGHUP; how long after the limit they are gone
"""

import json
import os
import pwd
import resource
import select
import statistics
import subprocess
import sys
import time

import bench_host
import logind
from crowds import met

TMOUTD = bench_host.REPOSITORY + "/build/tmoutd"
STAYS, LEAVES = bench_host.ONE, bench_host.TEN

SIZES = 1_000, 4_000, 8_000
EACH = "each"  # idlers.c: as many users as logins
EACH_UID = 100_000
LEAVERS = 200
DESCRIPTORS = 1024

LIMIT_SEC = 12
QUIET_SEC = 12
ARRIVALS = 20
TYPING_SEC = 10
STORM_SEC = 10
STORM_PER_SEC = 90
SETTLE_SEC = 1.5    # tmoutd collects events for a second
READING_SEC = 0.3   # CPU time in a second: tmoutd still reads a new policy
ALL_TYPED_SEC = 5   # idlers.c: each has typed something by then

CPU_AIM_PERCENT = 1.0
LATE_AIM_SEC = 10
GUARD_SEC = 30      # to wait for them after the limit

PTY_LIMITS = "/proc/sys/kernel/pty"


def policy(limit):
    return (f'default {{\n    disconnect = {limit}\n    warn = 2s\n}}\n'
            f'user "{LEAVES}" {{\n    disconnect = {LIMIT_SEC}s\n}}\n')


# --- how many terminals the kernel allows --------------------------------------

def pty_limit(name):
    with open(f"{PTY_LIMITS}/{name}", encoding="ascii") as file:
        return int(file.read())


class PtyLimit:
    """Room for this many more terminals. The limit is the kernel's, not the
    throw-away host's: it is restored afterwards."""

    def __init__(self, count):
        self.before = pty_limit("max")
        # Some more for the machine itself.
        self.wanted = pty_limit("nr") + pty_limit("reserve") + count + 256

    def _set(self, limit):
        with open(PTY_LIMITS + "/max", "w", encoding="ascii") as file:
            file.write(f"{limit}\n")

    def __enter__(self):
        """Returns why there is no room, None if there is."""
        if self.wanted <= self.before:
            return None
        try:
            self._set(self.wanted)
        except OSError as error:
            return f"kernel.pty.max is {self.before}, and cannot be raised here: {error.strerror}"
        print(f"(kernel.pty.max is {self.before}: raised to {self.wanted} for now)")
        return None

    def __exit__(self, *_):
        if self.wanted > self.before:
            try:
                self._set(self.before)
            except OSError:
                pass  # it could not be raised either


# --- idle logins, and tmoutd ----------------------------------------------------

class Idlers:
    """This many logins of a user."""

    def __init__(self, how, user, count, state):
        self.process = subprocess.Popen(
            [bench_host.PROGRAMS + "/idlers", how, state, user, str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.count = count

    def wait_ready(self):
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("bench: cannot create the idle terminals")
        return self

    def type(self):
        """From now on they type."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def gone_after(self):
        """How many seconds each was idle before it was gone. Those that are still
        there after the guard time are left out."""
        until, told = time.monotonic() + LIMIT_SEC + GUARD_SEC, b""
        while told.count(b"\n") < self.count and time.monotonic() < until:
            if select.select([self.process.stdout], [], [], 1)[0]:
                told += os.read(self.process.stdout.fileno(), 65536)
        return [float(line) for line in told.split()]

    def end(self):
        self.process.kill()
        self.process.wait()


class Watcher:
    """tmoutd, and what the kernel knows about it."""

    def __init__(self, state):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.messages = bench_host.HOME + "/tmoutd.log"
        with open(self.messages, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                [TMOUTD, "--foreground", "--state", state], stdin=subprocess.DEVNULL, stderr=file,
                preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard)))

    def _proc(self, name):
        with open(f"/proc/{self.process.pid}/{name}", encoding="ascii") as file:
            return file.read()

    def _number(self, name, key):
        return next(int(line.split()[1]) for line in self._proc(name).splitlines()
                    if line.startswith(key + ":"))

    def cpu_sec(self):
        """Its own, that of the process that starts its helpers, and theirs, which the
        kernel counts in ticks."""
        helpers = sum(int(field) for field in self._proc("stat").rsplit(")", 1)[1].split()[13:15])
        own = sum(int(one.split()[0]) for one in [self._proc("schedstat"), *self._starters()])
        return own / 1e9 + helpers / os.sysconf("SC_CLK_TCK")

    def _starters(self):
        for child in self._proc(f"task/{self.process.pid}/children").split():
            try:
                if bench_host.read(f"/proc/{child}/comm") == "tmoutd-starter\n":
                    yield bench_host.read(f"/proc/{child}/schedstat")
            except OSError:
                pass  # a helper that has ended

    def wakeups(self):
        return self._number("status", "voluntary_ctxt_switches")

    def memory_kb(self):
        """All of its memory, and its share when shared pages are divided."""
        return self._number("smaps_rollup", "Rss"), self._number("smaps_rollup", "Pss")

    def rest(self):
        """Waits until it is idle, and returns the seconds that this took."""
        begun = changed = time.monotonic()
        before = -1.0
        while time.monotonic() - changed < SETTLE_SEC:
            time.sleep(0.02)
            now = self.cpu_sec()
            if now != before:
                before, changed = now, time.monotonic()
        return changed - begun

    def during(self, seconds):
        """CPU seconds and wake-ups in this time."""
        cpu_sec, wakeups = self.cpu_sec(), self.wakeups()
        time.sleep(seconds)
        return self.cpu_sec() - cpu_sec, self.wakeups() - wakeups

    def complaints(self):
        """Its messages about anything but disconnects."""
        with open(self.messages, encoding="utf-8") as file:
            lines = file.read().splitlines()
        return [line for line in lines if "disconnected, idle" not in line
                and not line.endswith("tmoutd: watching")]

    def end(self):
        self.process.terminate()
        self.process.wait()


# --- one host ------------------------------------------------------------------

def say(what, text):
    print(f"    {what:<9} {text}", flush=True)


def aim(text, is_met):
    return f"(aim {text}: {met(is_met)})"


def show_logins(user, size, state):
    """They stay."""
    watcher = Watcher(state)
    watcher.rest()
    before = watcher.cpu_sec()
    stayers = Idlers("stay", user, size, state).wait_ready()
    watcher.rest()
    cost_sec = watcher.cpu_sec() - before
    watcher.end()
    say("logins", f"{cost_sec * 1000:,.0f} ms of CPU time while all log in at once")
    return stayers, cost_sec * 1000 / size


def show_sessions(state, count):
    begun = time.monotonic()
    listed = subprocess.run([bench_host.TMOUTCTL, "sessions", "--json", "--state", state],
                            check=True, capture_output=True, text=True).stdout
    took_sec = time.monotonic() - begun
    found = len(json.loads(listed))
    say("sessions", f"{took_sec:.2f} s for tmoutctl sessions, which lists {found}")
    if found != count:
        raise SystemExit(f"bench: tmoutctl lists {found} of {count} logins")
    return took_sec


def show_start(watcher, count):
    wall_sec = watcher.rest()
    rss_kb, pss_kb = watcher.memory_kb()
    say("start", f"{watcher.cpu_sec() * 1000:,.0f} ms of CPU time, idle after {wall_sec:.1f} s; "
                 f"memory {rss_kb / 1024:.1f} MiB, its own {pss_kb / 1024:.1f} MiB "
                 f"({pss_kb * 1024 / count:,.0f} bytes a terminal)")
    return watcher.cpu_sec() * 1000 / count, pss_kb


def show_arrival(watcher, state):
    """Of many, one after the other: helpers are counted in ticks of 10 ms."""
    before = watcher.cpu_sec()
    newcomers = [Idlers("stay", STAYS, 1, state).wait_ready() for _ in range(ARRIVALS)]
    watcher.rest()
    cost_ms = (watcher.cpu_sec() - before) * 1000 / ARRIVALS
    say("arrival", f"{cost_ms:,.1f} ms of CPU time for one more login, the mean of {ARRIVALS}")
    for newcomer in newcomers:
        newcomer.end()
    watcher.rest()
    return cost_ms


STORM = """
import os, sys, time
os.setuid(int(sys.argv[1]))
while True:
    for fd in os.openpty():
        os.close(fd)
    time.sleep(1 / int(sys.argv[2]))
"""


def show_storm(watcher, user):
    uid = EACH_UID if user == EACH else pwd.getpwnam(user).pw_uid
    storm = subprocess.Popen([sys.executable, "-c", STORM, str(uid), str(STORM_PER_SEC)])
    show_share("storm", watcher, STORM_SEC)
    storm.kill()
    storm.wait()
    watcher.rest()


def show_share(what, watcher, seconds, wakeups_aim=None):
    cpu_sec, wakeups = watcher.during(seconds)
    percent = 100 * cpu_sec / seconds
    say(what, f"{seconds} s: {cpu_sec * 1000:,.1f} ms of CPU time, {percent:.2f} % of a core "
        + aim(f"below {CPU_AIM_PERCENT:.0f} %", percent < CPU_AIM_PERCENT)
        + f", {wakeups} wake-ups "
        + (aim(f"{wakeups_aim}", wakeups <= wakeups_aim) if wakeups_aim is not None else ""))
    return cpu_sec * 1000


def show_ends(leavers):
    late = [seconds - LIMIT_SEC for seconds in leavers.gone_after()] or [float("inf")]
    on_time = [0 <= sec <= LATE_AIM_SEC for sec in late].count(True)
    say("ends", f"{leavers.count} terminals with disconnect = {LIMIT_SEC}s: gone {min(late):.1f} s "
        f"(first), {statistics.median(late):.1f} s (median), {max(late):.1f} s (last) after it, "
        f"{on_time} within 0 to {LATE_AIM_SEC} s "
        + aim(f"{leavers.count}", on_time == leavers.count))


def show_typing(watcher, stayers, name):
    stayers.type()
    time.sleep(ALL_TYPED_SEC)
    apply(name, f"{TYPING_SEC}s")
    time.sleep(SETTLE_SEC)
    # A new policy is read for each login: that is not what this measures.
    while watcher.during(1)[0] > READING_SEC:
        pass
    show_share("typing", watcher, TYPING_SEC)


def apply(name, limit):
    """Applies another policy to the same state directory."""
    path = bench_host.policy_path(name)
    bench_host.write(path, policy(limit))
    subprocess.run([bench_host.TMOUTCTL, "apply", "--quiet", "--config", path, "--state",
                    bench_host.policy_state(name)], check=True)


def add_users(count):
    with open("/etc/passwd", "a", encoding="utf-8") as file:
        file.writelines(f"each{number}:x:{EACH_UID + number}:50000::/:/bin/sh\n"
                        for number in range(count))


def measure(size, user):
    """Measures a host with this many terminals, and then some more that are disconnected.
    Returns what logind.measure() does, of tmoutd."""
    name = f"idlers{size}{user}"
    state = bench_host.policy_state(name)
    apply(name, "1h")
    print(f"\n{size:,} idle terminals of {'as many users' if user == EACH else 'one user'}\n",
          flush=True)
    crowd, found = [], {}
    try:
        stayers, found["logins"] = show_logins(user, size, state)
        crowd.append(stayers)
        watcher = Watcher(state)
        crowd.append(watcher)
        found["start"], found["memory"] = show_start(watcher, size)
        found["sessions"] = show_sessions(state, size)
        found["arrival"] = show_arrival(watcher, state)
        found["quiet"] = show_share("quiet", watcher, QUIET_SEC, wakeups_aim=0)
        # Now: however slow the machine is, none of them is due in the quiet time.
        leavers = Idlers("leave", LEAVES, LEAVERS, state).wait_ready()
        crowd.append(leavers)
        show_ends(leavers)
        watcher.rest()
        show_storm(watcher, user)
        show_typing(watcher, stayers, name)
        complaints = watcher.complaints()
        if complaints:
            say("errors", f"{len(complaints)} other messages, the first: {complaints[0]}")
    finally:
        for one in crowd:
            one.end()
    return found


# --- beside logind --------------------------------------------------------------

ROWS = [("logins", "all log in at once, ms of CPU time for each"),
        ("arrival", "one more login, ms of CPU time"),
        ("start", "start of the daemon, ms of CPU time for each login"),
        ("quiet", f"nothing happens for {QUIET_SEC} s, ms of CPU time"),
        ("memory", "memory of its own, MiB"),
        ("sessions", "list all, s")]


def cell(what, value):
    if value is None:
        return "-"
    if what == "memory":
        return f"{value / 1024:.1f}"
    return " / ".join(f"{each:.2f}" for each in (value if isinstance(value, tuple) else (value,)))


def print_beside_logind(results, peers):
    """Both are {(size, user): {what: value}}."""
    print("\ntmoutd beside systemd-logind; of logind, where there are two numbers, the second is "
          "with\nsystemd and dbus-daemon\n")
    for what, title in ROWS:
        print(f"{title}\n    {'logins':>7} {'of':<11} {'tmoutd':>10} {'logind':>18}")
        for (size, user), found in results.items():
            print(f"    {size:7,} {'their own' if user == EACH else 'one user':<11} "
                  f"{cell(what, found[what]):>10} "
                  f"{cell(what, peers.get((size, user), {}).get(what)):>18}")
        print()


def measure_logind(size, user):
    print(f"(systemd-logind with {size:,} sessions of "
          f"{'as many users' if user == EACH else 'one user'})", flush=True)
    try:
        found, missing = logind.measure(user, size, ARRIVALS, QUIET_SEC)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        found, missing = {}, error
    if missing:
        print(f"systemd-logind with {size:,} sessions was not measured"
              f"{' to the end' if found else ''}: {missing}", flush=True)
    return found


def compare(sizes=SIZES):
    print("\ntmoutd with idle terminals, one login each")
    with PtyLimit(max(sizes) + LEAVERS + ARRIVALS) as problem:
        if problem:
            print(f"not measured: {problem}")
            return
        add_users(max(sizes) + ARRIVALS)
        hosts = [(size, user) for size in sizes for user in (STAYS, EACH)]
        results = {host: measure(*host) for host in hosts}
        reason = logind.why_not()
        if reason:
            print(f"systemd-logind was not measured: {reason}")
        peers = {} if reason else {host: measure_logind(*host) for host in hosts}
        print_beside_logind(results, peers)
