"""What tmoutd.service promises on a booted host: its sandbox, that it is replaced when it
hangs, and what systemd's control groups do to it and to logins. Scenarios of booted.t.
"""
import os
import re
import time

from host.client import terminal
from host.files import read
from host.tap import tap
from host.waiting import wait_until

EXPOSURE_MAX = 3.0
UNIT = "tmoutd.service"
DROP_IN = f"/run/systemd/system/{UNIT}.d/test.conf"
CAP_DAC_OVERRIDE, CAP_KILL, CAP_SYS_PTRACE, CAP_SYS_ADMIN = 1, 5, 19, 21
LIMIT_SEC = 3
LATE_SEC = 15
# None of its processes does anything any more: two hang-ups, and the two processes of
# sshd's for the connection, are tried in turn.
FROZEN_SEC = 60
POLICY = f"""
default {{ disconnect = 1h }}
user "dora" {{ disconnect = {LIMIT_SEC}s  warn = none }}
user "bob" {{ disconnect = {LIMIT_SEC}s  warn = none }}
"""


def capabilities(*numbers):
    return sum(1 << number for number in numbers)


def capability_sets(status):
    return {name: int(value, 16) for name, value in re.findall(r"(?m)^Cap(\w+):\s*(\w+)", status)}


def main_pid(host, unit=UNIT):
    return int(host.must("systemctl", "show", "--property=MainPID", "--value", unit))


def outside(name, inside):
    """The pid as this process sees it of a program that has this one on the host."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            status = read(f"/proc/{pid}/status")
        except OSError:
            continue
        if status.startswith(f"Name:\t{name}\n") and re.search(rf"NSpid:.*\t{inside}\n", status):
            return int(pid)
    return None


def judged_by_systemd(host, unit=UNIT, exposure_max=EXPOSURE_MAX):
    said = host.run("systemd-analyze", "verify", "--man=no", unit)
    name = unit.removesuffix(".service")
    lines = [line for line in (said.stdout + said.stderr).splitlines() if name in line]
    tap.equal(lines, [], "verify is clean")
    said = host.must("systemd-analyze", "security", "--no-pager", unit)
    exposure = float(re.search(rf"exposure level for {name}\.service: (\d+\.\d+)", said).group(1))
    tap.ok(exposure <= exposure_max, f"an exposure of at most {exposure_max}: {exposure}", said)


def confined(host):
    mark = host.journal.mark()
    daemon = outside("tmoutd", main_pid(host))
    status = read(f"/proc/{daemon}/status")
    tap.matches(status, r"(?m)^NoNewPrivs:\t1\n(.*\n)*Seccomp:\t2$", "no new privileges, and a filter")
    most = capabilities(CAP_DAC_OVERRIDE, CAP_KILL, CAP_SYS_PTRACE, CAP_SYS_ADMIN)
    tap.equal(capability_sets(status)["Bnd"], most, "four capabilities")
    looks = capabilities(CAP_DAC_OVERRIDE, CAP_SYS_PTRACE)
    with terminal("anna") as anna:
        anna.wait_prompt()

        def a_helper_looks():
            """One of the helpers that a SIGHUP makes look at all logins."""
            host.must("systemctl", "kill", "--kill-whom=main", "--signal=HUP", UNIT)
            until = time.monotonic() + 1
            while time.monotonic() < until:
                for helper in read(f"/proc/{daemon}/task/{daemon}/children").split():
                    try:
                        sets = capability_sets(read(f"/proc/{helper}/status"))
                    except OSError:
                        continue
                    if sets and sets["Prm"] == sets["Eff"] == looks:
                        return True
            return False
        tap.ok(wait_until(a_helper_looks), "capset(2) is allowed: a helper that looks can only do that")
    tap.equal(host.journal.since(mark, r"tmoutd\[\d+\]: .*(Operation not permitted|cannot )"), [],
              "and nothing is denied that is needed")


def ends_in_time(session):
    return session.ended_within(LIMIT_SEC + LATE_SEC)


def stopped(host):
    host.write(DROP_IN, "[Service]\nWatchdogSec=4s\n")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "restart", UNIT)
    with terminal("dora") as dora:
        dora.wait_prompt()
        before = main_pid(host)
        host.must("kill", "-STOP", str(before))
        wait_until(lambda: main_pid(host) not in (0, before))
        tap.ok(ends_in_time(dora), "one that was open before is")
    with terminal("dora") as dora:
        dora.wait_prompt()
        tap.ok(ends_in_time(dora), "and so is a later one")
    host.must("rm", DROP_IN)
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "restart", UNIT)


def freezer_of(session):
    """The file that freezes the control group of a login (version 2)."""
    shell = outside("bash", session.ask("$$"))
    group = re.search(r"(?m)^0::(.*)$", read(f"/proc/{shell}/cgroup")).group(1)
    where = re.search(r"(?m)^\S+ (\S+) cgroup2 ", read("/proc/self/mounts")).group(1)
    return f"{where}{group}/cgroup.freeze"


def frozen(host):
    with terminal("dora") as dora, terminal("bob") as bob, terminal("anna") as anna:
        for session in dora, bob, anna:
            session.wait_prompt()
        mark, freezer = host.journal.mark(), freezer_of(dora)
        tap.matches(freezer, r"/session-\w+\.scope/cgroup.freeze$", "a login is in a unit of its own")
        with open(freezer, "w", encoding="ascii") as file:
            file.write("1")
        wait_until(lambda: "frozen 1" in read(freezer.replace("freeze", "events")))
        tap.ok(ends_in_time(bob), "an innocent one that is idle is hung up in time")
        tap.ok(dora.ended_within(FROZEN_SEC), "the frozen one ends, too",
               *host.journal.since(mark, "tmoutd.*user=dora"))
        tap.equal(anna.ask("$((6*7))"), "42", "one that is not idle goes on")


def units_of_a_user(host):
    with terminal("dora") as dora:
        dora.wait_prompt()
        dora.type("systemd-run --user --unit=kept sleep 7200; setsid -f sleep 7300; echo le''ft")
        dora.wait("left")
    wait_until(lambda: host.run("pgrep", "-f", "sleep 7300$").returncode != 0,
               "what the login has left behind goes on")
    tap.ok(True, "what the login has left behind is ended")
    tap.equal(host.run("pgrep", "-f", "sleep 7200$").returncode, 0, "a unit of the user's goes on")
    host.run("pkill", "-f", "sleep 7200$")
