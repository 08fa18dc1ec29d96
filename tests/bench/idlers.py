"""What tmoutd costs, and how late it cuts, beside many idle terminals.

Connections of sshd are too big to have thousands of them: each login is one
small process that holds the master of one terminal and is registered as sshd's
would be (idlers.c). tmoutd is the real one, with as many descriptors as
systemd gives a service that asks for no more.

    start       CPU time until all are known, and memory then
    arrival     one more login, with its terminal
    quiet       nothing can expire for an hour
    typing      everybody types now and then, and the limit is so short that
                each terminal has to be looked at every few seconds
    cuts        some are left alone until they are hung up, half of which take
                no notice of SIGHUP; how long after their limit they are gone
"""

import os
import resource
import select
import statistics
import subprocess
import time

import bench_host
from crowds import met

TMOUTD = bench_host.REPOSITORY + "/build/tmoutd"
STAYS, LEAVES = bench_host.ONE, bench_host.TEN

SIZES = 1_000, 4_000
CUTS = 200
DESCRIPTORS = 1024

CUT_SEC = 24        # long enough that none is due before the quiet time is over
QUIET_SEC = 12
TYPING_SEC = 10
SETTLE_SEC = 1.5    # tmoutd gathers events for a second
ALL_TYPED_SEC = 5   # idlers.c: each has typed something by then

CPU_AIM_PERCENT = 1.0
LATE_AIM_SEC = 10
GUARD_SEC = 30      # how long after the limit they are waited for

PTY_LIMITS = "/proc/sys/kernel/pty"


def policy(limit):
    return (f'default {{\n    disconnect = {limit}\n    warn = 2s\n}}\n'
            f'user "{LEAVES}" {{\n    disconnect = {CUT_SEC}s\n}}\n')


# --- how many terminals the kernel allows --------------------------------------

def pty_limit(name):
    with open(f"{PTY_LIMITS}/{name}", encoding="ascii") as file:
        return int(file.read())


class PtyLimit:
    """Room for so many terminals more. The limit is the kernel's, not that of
    the throw-away host: it is put back afterwards."""

    def __init__(self, count):
        self.before = pty_limit("max")
        # Some more for the machine itself meanwhile.
        self.wanted = pty_limit("nr") + pty_limit("reserve") + count + 256

    def _set(self, limit):
        with open(PTY_LIMITS + "/max", "w", encoding="ascii") as file:
            file.write(f"{limit}\n")

    def __enter__(self):
        """Gives why there is no such room, None if there is."""
        if self.wanted <= self.before:
            return None
        try:
            self._set(self.wanted)
        except OSError as error:
            return f"kernel.pty.max is {self.before}, and cannot be raised here: {error.strerror}"
        print(f"(kernel.pty.max is {self.before}: raised to {self.wanted} for the time being)")
        return None

    def __exit__(self, *_):
        if self.wanted > self.before:
            try:
                self._set(self.before)
            except OSError:
                pass  # nor could it be raised


# --- who is idle, and who watches ----------------------------------------------

class Idlers:
    """So many logins of a user."""

    def __init__(self, how, user, count, state):
        self.process = subprocess.Popen(
            [bench_host.PROGRAMS + "/idlers", how, state + "-sessions", user, str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.count = count

    def wait_ready(self):
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("bench: the idle terminals could not be made")
        return self

    def type(self):
        """From now on they type."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def gone_after(self):
        """The seconds that each was idle before it was gone, for those that are
        gone in time."""
        until, told = time.monotonic() + CUT_SEC + GUARD_SEC, b""
        while told.count(b"\n") < self.count and time.monotonic() < until:
            if select.select([self.process.stdout], [], [], 1)[0]:
                told += os.read(self.process.stdout.fileno(), 65536)
        return [float(line) for line in told.split()]

    def end(self):
        self.process.kill()
        self.process.wait()


class Watcher:
    """tmoutd, and what the kernel keeps of it."""

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
        return int(self._proc("schedstat").split()[0]) / 1e9

    def wakeups(self):
        return self._number("status", "voluntary_ctxt_switches")

    def memory_kb(self):
        """What it takes in all, and its share of what others have as well."""
        return self._number("smaps_rollup", "Rss"), self._number("smaps_rollup", "Pss")

    def rest(self):
        """Waits until it has nothing to do, and gives the seconds that took."""
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
        """What it said besides whom it has cut."""
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


def show_start(watcher, count):
    wall_sec = watcher.rest()
    rss_kb, pss_kb = watcher.memory_kb()
    say("start", f"{watcher.cpu_sec() * 1000:,.0f} ms of CPU time, at rest after {wall_sec:.1f} s; "
                 f"memory {rss_kb / 1024:.1f} MiB, its own {pss_kb / 1024:.1f} MiB "
                 f"({pss_kb * 1024 / count:,.0f} bytes a terminal)")


def show_arrival(watcher, state):
    before = watcher.cpu_sec()
    newcomer = Idlers("stay", STAYS, 1, state).wait_ready()
    watcher.rest()
    say("arrival", f"{(watcher.cpu_sec() - before) * 1000:,.1f} ms of CPU time for one login more")
    newcomer.end()
    watcher.rest()


def show_share(what, watcher, seconds, wakeups_aim=None):
    cpu_sec, wakeups = watcher.during(seconds)
    percent = 100 * cpu_sec / seconds
    say(what, f"{seconds} s: {cpu_sec * 1000:,.1f} ms of CPU time, {percent:.2f} % of a core "
        + aim(f"below {CPU_AIM_PERCENT:.0f} %", percent < CPU_AIM_PERCENT)
        + f", {wakeups} wake-ups "
        + (aim(f"{wakeups_aim}", wakeups <= wakeups_aim) if wakeups_aim is not None else ""))


def show_cuts(leavers):
    late = [seconds - CUT_SEC for seconds in leavers.gone_after()] or [float("inf")]
    in_time = [0 <= sec <= LATE_AIM_SEC for sec in late].count(True)
    say("cuts", f"{leavers.count} terminals with disconnect = {CUT_SEC}s: gone {min(late):.1f} s "
        f"(first), {statistics.median(late):.1f} s (median), {max(late):.1f} s (last) after it, "
        f"{in_time} within 0 to {LATE_AIM_SEC} s "
        + aim(f"{leavers.count}", in_time == leavers.count))


def show_typing(watcher, stayers, name):
    stayers.type()
    time.sleep(ALL_TYPED_SEC)
    apply(name, f"{TYPING_SEC}s")
    time.sleep(SETTLE_SEC)
    show_share("typing", watcher, TYPING_SEC)


def apply(name, limit):
    """Another policy for the same state directory."""
    path = bench_host.policy_path(name)
    bench_host.write(path, policy(limit))
    subprocess.run([bench_host.TMOUTCTL, "apply", "--quiet", "--config", path, "--state",
                    bench_host.policy_state(name)], check=True)


def measure(size):
    """A host with so many terminals, of which some are to be cut."""
    name = f"idlers{size}"
    state = bench_host.policy_state(name)
    apply(name, "1h")
    print(f"\n{size:,} idle terminals\n", flush=True)
    crowd = []
    try:
        # These first: they are idle all the while.
        leavers = Idlers("leave", LEAVES, CUTS, state)
        crowd.append(leavers)
        stayers = Idlers("stay", STAYS, size - CUTS, state)
        crowd.append(stayers)
        for idlers in crowd:
            idlers.wait_ready()
        watcher = Watcher(state)
        crowd.append(watcher)
        show_start(watcher, size)
        show_arrival(watcher, state)
        show_share("quiet", watcher, QUIET_SEC, wakeups_aim=0)
        show_cuts(leavers)
        show_typing(watcher, stayers, name)
        complaints = watcher.complaints()
        if complaints:
            say("said", f"{len(complaints)} lines of trouble, first: {complaints[0]}")
    finally:
        for one in crowd:
            one.end()


def compare():
    print("\ntmoutd beside idle terminals, a login for each")
    with PtyLimit(max(SIZES) + 1) as problem:
        if problem:
            print(f"not measured: {problem}")
            return
        for size in SIZES:
            measure(size)
