#!/usr/bin/python3
"""tmoutd's own life: killed, lied to and left without what it needs, it cuts
nobody innocent and forgets nobody idle."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import ssh, ssh_command, terminal
from host.commands import must, run, side_by_side
from host.files import read, remove, write
from host.pam_stacks import wire
from host.product import STATE, apply
from host.setup import setup
from host.syslog import syslog
from host.tap import tap
from host.terminal import Terminal
from host.tmoutd import tmoutd
from host.waiting import GUARD_SEC, wait_until

LIMIT_SEC = 8
NOTTY_SEC = 4
LATE_SEC = 10
# Without events it looks every 30 seconds.
SCAN_SEC = 30
SHORT_SESSIONS = 200
CLIENTS = 8

POLICY = f"""
default {{
    disconnect = {LIMIT_SEC}s
    disconnect_notty = {NOTTY_SEC}s
    warn = 3s
}}
group "free" {{
    disconnect = none
    disconnect_notty = none
}}
group "console" {{
    sessions = all
}}
group "day" {{
    disconnect = 1d
    disconnect_notty = none
}}
"""
NOTICE = r"\*\*\* tmoutd: no input for long"
DAMAGED = r"^err tmoutd\[.*damaged"


def errors_of_tmoutd(mark):
    return syslog.settled(mark, r"^(err|crit|alert|emerg) tmoutd\[")


def record(pid):
    return f"{tmoutd.SESSIONS}/{pid}"


class Person:
    """Logged in at a terminal; the process that opened the session is known."""

    def __init__(self, name, *lines, options=()):
        before = set(tmoutd.registered())
        self.name = name
        self.here = True
        self.session = terminal(name, options=options)
        self.session.wait_prompt()
        self.pid = (set(tmoutd.registered()) - before or {None}).pop()
        for line in lines:
            self.session.type(line)
        self.since = time.monotonic()

    def tty(self):
        return self.session.ask("$(tty)")

    def ended_in_time(self, since=None):
        self.session.wait_end()
        return time.monotonic() - (since or self.since) < LIMIT_SEC + LATE_SEC

    def keeps_typing(self, for_sec):
        end = time.monotonic() + for_sec
        while time.monotonic() < end:
            self.session.press("x")
            if self.session.ended_within(1):
                return False
        return True

    def __enter__(self):
        return self

    def close(self):
        if self.here:
            self.session.close()
        self.here = False

    def __exit__(self, *_):
        self.close()


def meanwhile(waiting, busy):
    """What the waiting gave, and whether somebody who types all the time is left
    alone for longer than anybody idle."""
    return side_by_side(lambda call: call(),
                        [waiting, lambda: busy.keeps_typing(LIMIT_SEC + LATE_SEC)])


def leave(*people):
    """They log out, and their records go with them."""
    for person in people:
        person.close()
    wait_until(lambda: not {person.pid for person in people} & set(tmoutd.registered()))


# --- killed --------------------------------------------------------------------

def killed_while_a_notice_is_out():
    """kill -9 between the notice and the end: it ends all the same, others don't"""
    for name in "idle1", "busy1":
        user(name)
    with Person("idle1", "sleep 1000") as idle, Person("busy1") as busy:
        busy.keeps_typing(1)
        idle.session.wait(NOTICE)
        tmoutd.kill()
        busy.keeps_typing(1)
        tmoutd.start()
        ended, alive = meanwhile(idle.ended_in_time, busy)
        tap.ok(ended is True, "the idle one has ended in time", ended)
        tap.ok(alive is True, "the busy one lives on")
        leave(busy)


def killed_during_a_cut():
    """kill -9 between the first step of the hang-up and the last"""
    for name in "deaf", "busy2":
        user(name)
    with Person("deaf", "trap '' HUP TERM; exec sleep 1000") as deaf, Person("busy2") as busy:
        mark = syslog.mark()
        while not syslog.since(mark, "disconnected.* user=deaf "):
            busy.keeps_typing(0.1)
        tmoutd.kill()
        tap.ok(not deaf.session.ended_within(0.1), "the hang-up has only begun")
        start = time.monotonic()
        tmoutd.start()
        ended, alive = meanwhile(lambda: deaf.ended_in_time(start), busy)
        tap.ok(ended is True, "it is brought to its end", ended)
        tap.ok(alive is True, "the busy one lives on")
        leave(busy)


def stopped_and_started():
    """a restart is no activity, and takes nobody out of the registry"""
    for name in "rest", "busy3":
        user(name)
    with Person("rest", "sleep 1000") as rest, Person("busy3") as busy:
        tmoutd.stop()
        tap.equal(tmoutd.process.returncode, 0, "it ends well when told to")
        tap.equal(tmoutd.registered(), sorted([rest.pid, busy.pid]), "the registry is untouched")
        tmoutd.start()
        ended, alive = meanwhile(rest.ended_in_time, busy)
        tap.ok(ended is True, "the idle one ends in time", ended)
        tap.ok(alive is True, "the busy one lives on")
        leave(busy)


# --- the registry --------------------------------------------------------------

def records_come_and_go():
    """a record lasts as long as its login, however that ends"""
    user("guest")
    with Person("guest") as guest:
        tap.equal(tmoutd.registered(), [guest.pid], "logged in: there is a record")
        status = os.stat(record(guest.pid))
        tap.equal((status.st_mode & 0o7777, status.st_uid), (0o600, 0), "of root's, and private")
        guest.session.type("exit")
        guest.session.wait_end()
    wait_until(lambda: not tmoutd.registered())
    tap.ok(True, "logged out: it is gone")
    with Person("guest") as guest:
        os.kill(guest.pid, signal.SIGKILL)
        wait_until(lambda: not tmoutd.registered())
        tap.ok(True, "sshd killed: tmoutd takes it out")
    tmoutd.stop()
    with Person("guest") as guest:
        os.kill(guest.pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{guest.pid}"))
        tap.equal(tmoutd.registered(), [guest.pid], "sshd killed without tmoutd: it stays")
        tmoutd.start()
        wait_until(lambda: not tmoutd.registered())
        tap.ok(True, "and is taken out at the start")


def process_with_number(pid, argv):
    """A process that has just this number; others may take it first. None where
    the kernel doesn't let one choose."""
    if not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
        return None
    for _ in range(50):
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
            last.write(str(pid - 1))
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    return None


def a_number_used_again():
    """another process has the number of a login that was killed"""
    user("reused")
    tmoutd.stop()
    with Person("reused") as person:
        os.kill(person.pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{person.pid}"))
    # Like a terminal multiplexer it holds the master side of a terminal.
    other = process_with_number(person.pid, [sys.executable, "-c", """
import os, pty, time
if pty.fork()[0]:
    print("ready", flush=True)
time.sleep(1000)"""])
    if not other:
        tap.skip("a number used again", "the kernel gives no process the number wanted")
        tmoutd.start()
        return
    other.stdout.readline()
    mark = syslog.mark()
    tmoutd.start()
    wait_until(lambda: not tmoutd.registered())
    time.sleep(LIMIT_SEC + NOTTY_SEC)
    tap.equal(syslog.settled(mark, "disconnected"), [], "nobody is cut for it")
    tap.ok(other.poll() is None and run("pgrep", "-P", str(other.pid)).returncode == 0,
           "the other process and its child live on")
    other.kill()


def flip(path):
    with open(path, "r+b") as file:
        file.seek(40)
        byte = file.read(1)[0]
        file.seek(40)
        file.write(bytes([byte ^ 1]))


def cut_short(path):
    os.truncate(path, os.path.getsize(path) // 2)


def emptied(path):
    os.truncate(path, 0)


def other_owner(path):
    os.chown(path, 65534, 65534)


def writable(path):
    os.chmod(path, 0o666)


def linked(path):
    os.rename(path, "/run/elsewhere" + os.path.basename(path))
    os.symlink("/run/elsewhere" + os.path.basename(path), path)


def made_a_directory(path):
    remove(path)
    os.mkdir(path)


DAMAGES = [flip, cut_short, emptied, other_owner, writable, linked, made_a_directory]


def damage_all(people, while_down):
    for person, damage in zip(people, DAMAGES):
        if person.pid is not None:
            damage(record(person.pid))
    if while_down:
        tmoutd.start()
    else:
        tmoutd.process.send_signal(signal.SIGHUP)


def damaged_records():
    """whatever has become of a record, its login is watched, and the log says so"""
    for round_number, while_down in enumerate((True, False)):
        when = "found at the start" if while_down else "found while it runs"
        names = [f"hurt{round_number}{number}" for number in range(len(DAMAGES))]
        for name in names + [f"busy4{round_number}"]:
            user(name)
        if while_down:
            tmoutd.stop()
        people = [Person(name, "sleep 1000") for name in names]
        with Person(f"busy4{round_number}") as busy:
            mark = syslog.mark()
            flip(record(busy.pid))
            damage_all(people, while_down)
            alive = busy.keeps_typing(LIMIT_SEC + LATE_SEC)
            for person, damage in zip(people, DAMAGES):
                title = f"{damage.__name__}, {when}"
                tap.ok(person.session.ended_within(0.1) and tmoutd.cut(person.name),
                       f"{title}: cut in time", *syslog.since(mark, f"tmoutd.*{person.name} "))
                if while_down:
                    tap.ok(syslog.settled(mark, rf"{DAMAGED}.*user={person.name}\b"),
                           f"{title}: the log says so")
                person.close()
            tap.ok(alive, f"{when}: who types is left alone")
            leave(busy)
        wait_until(lambda: not [pid for pid in tmoutd.registered() if not os.path.isdir(record(pid))])
        for pid in tmoutd.registered():
            remove(record(pid))


def damage_that_names_an_innocent():
    """a damaged record with the number of a process that is no login of sshd's"""
    user("daemon1")
    ssh("daemon1", "setsid python3 -c 'import os, pty, time; pty.fork(); time.sleep(7101)' "
        "</dev/null >/dev/null 2>&1 & sleep 1")
    pids = must("pgrep", "-u", "daemon1", "-f", "sleep[(]7101").split()
    mark = syslog.mark()
    for pid in pids:
        # At once, for tmoutd may take it away as soon as it is there.
        write(record("new"), "not a record\n", 0o600)
        os.rename(record("new"), record(pid))
    wait_until(lambda: len(syslog.settled(mark, DAMAGED)) >= len(pids))
    time.sleep(LIMIT_SEC + LATE_SEC)  # by then it would have been cut
    tap.equal(must("pgrep", "-u", "daemon1", "-f", "sleep[(]7101").split(), pids,
              "a daemon with a terminal inside lives on")
    tap.equal(syslog.settled(mark, "disconnected"), [], "nobody is cut for it")
    for pid in pids:
        run("kill", "-9", pid)
        remove(record(pid))
    wait_until(lambda: not tmoutd.registered())


def damage_to_a_login_at_a_terminal():
    """a damaged record of login(1): its terminal is watched all the same"""
    user("desk", groups=["console"])
    tmoutd.stop()
    with Terminal(["login", "-f", "desk"]) as session:
        session.wait_prompt()
        (pid,) = tmoutd.registered()
        flip(record(pid))
        session.type("sleep 1000")
        tmoutd.start()
        start = time.monotonic()
        tap.ok(session.ended_within(LIMIT_SEC + LATE_SEC), "cut in time",
               *syslog.settled(0, f"tmoutd.*(desk|{pid})"))
        tap.ok(time.monotonic() - start > NOTTY_SEC + 1,
               "and not for moving no data: it has a terminal")
    wait_until(lambda: not tmoutd.registered())


def with_terminal(name, tty):
    """Logs in wait_until the terminal is this one: the client's own takes a number, too."""
    others = []
    while (person := Person(name)).tty() != tty and len(others) < 5:
        others.append(person)
    for other in others:
        other.close()
    return person


def a_terminal_number_used_again():
    """somebody else gets the terminal's number between look and cut"""
    for name in "first", "second":
        user(name)
    mark = syslog.mark()
    with Person("first") as first:
        tty = first.tty()
        # Before a notice: while one is out the terminal is held open, and its
        # number is nobody else's.
        tmoutd.process.send_signal(signal.SIGSTOP)
        first.close()
        wait_until(lambda: not os.path.exists(tty))
        with with_terminal("second", tty) as second:
            tap.equal(second.tty(), tty, "the second has the number of the first")
            second.keeps_typing(LIMIT_SEC + LATE_SEC)
            tmoutd.process.send_signal(signal.SIGCONT)
            tap.ok(second.keeps_typing(LIMIT_SEC), "and lives on when tmoutd goes on")
            tap.equal(syslog.settled(mark, "disconnected"), [], "nobody was cut")
            tap.ok(not re.search(NOTICE, second.session.screen), "nor warned")
            leave(second)


def many_short_sessions():
    """hundreds of sessions come and go while it watches"""
    user("hurried")
    mark = syslog.mark()

    def client(number):
        result = ssh("hurried", "true", options=["RequestTTY=force"] if number % 2 else [])
        return result.returncode

    with Person("hurried") as person:
        # All workers take turns at the sessions: as many at once as clients.
        def worker(first):
            return [client(number) for number in range(first, SHORT_SESSIONS, CLIENTS)]
        results = side_by_side(worker, range(CLIENTS))
        statuses = [status for part in results
                    for status in (part if isinstance(part, list) else [part])]
        tap.equal(statuses, [0] * SHORT_SESSIONS, f"{SHORT_SESSIONS} sessions ran to their end")
        person.session.wait_end()
        tap.equal(len(tmoutd.cut("hurried", mark)), 1, "the one that idles meanwhile is cut")
    wait_until(lambda: not tmoutd.registered())
    tap.ok(True, "none is left in the registry")
    tap.equal(errors_of_tmoutd(mark), [], "no errors in the log")


# --- what may hold it up -------------------------------------------------------

def stopped_terminals():
    """terminals stopped with Ctrl-S, full to the brim, hold up nobody's end"""
    for name in "stopped1", "stopped2", "after":
        user(name)
    with Person("stopped1", "yes") as one, Person("stopped2", "yes") as two:
        for person in one, two:
            person.session.wait("y\r\ny\r\n")
            person.session.press("\x13")
        with Person("after", "sleep 1000") as after:
            tap.ok(after.ended_in_time(), "another one is cut in time")
            # They were idle before it, and are looked at after it.
            tap.ok(one.ended_in_time(after.since) and two.ended_in_time(after.since),
                   "and so are they")


def policy_that_is_lost():
    """without a policy that can be read, the limits that were known stay"""
    user("kept")
    snapshot = STATE + "/policy.v1"
    with Person("kept") as kept:
        mark = syslog.mark()
        write(snapshot, "not a policy")
        syslog.wait(r"^err tmoutd\[.*no policy is in force", mark)
        tap.ok(kept.ended_in_time(), "a damaged policy: cut in time")
        apply()
    with Person("kept") as kept:
        remove(snapshot)
        tap.ok(kept.ended_in_time(), "no policy: cut in time")
    tmoutd.stop()
    mark = syslog.mark()
    tmoutd.start()
    with Person("kept") as kept:
        remove(snapshot)
        tmoutd.process.send_signal(signal.SIGHUP)
        syslog.wait(r"^err tmoutd\[.*no policy is in force", mark)
        apply()
        tap.ok(kept.ended_in_time(), "back again: cut in time")


def without_events():
    """a kernel that has no inotify to give: it says so, and works"""
    write("/root/none.c", "#include <errno.h>\nint inotify_init1(int flags);\n"
          "int inotify_init1(int flags) { (void)flags; errno = EMFILE; return -1; }\n")
    must("cc", "-shared", "-fPIC", "-o", "/root/none.so", "/root/none.c")
    for name in "early", "late", "busy5":
        user(name)
    mark = syslog.mark()
    tmoutd.stop()
    with Person("early", "sleep 1000") as early, Person("busy5") as busy:
        os.environ["LD_PRELOAD"] = "/root/none.so"
        try:
            tmoutd.start()
        finally:
            del os.environ["LD_PRELOAD"]
        for path in tmoutd.SESSIONS, "/dev/pts", STATE:
            tap.ok(syslog.settled(mark, rf"^warning tmoutd\[.*: {path} cannot be watched"),
                   f"the log says that {path} cannot be watched")
        alive = busy.keeps_typing(1)
        with Person("late", "sleep 1000") as late:
            alive = alive and busy.keeps_typing(LIMIT_SEC + LATE_SEC)
            tap.ok(early.session.ended_within(0), "who was there before is cut in time")
            alive = alive and busy.keeps_typing(SCAN_SEC)
            tap.ok(late.session.ended_within(LATE_SEC), "who came later, with the next scan")
        tap.ok(alive, "who types is left alone")
        leave(busy)
    tmoutd.start()


FLOOD = """
import os
paths = [os.ttyname(os.openpty()[1]) for _ in range(2)]
print("ready", flush=True)
while True:
    for mode in 0o600, 0o620:
        for path in paths:
            os.chmod(path, mode)
"""


def events_without_end():
    """whoever makes events without end keeps it from nobody else"""
    write("/usr/local/lib/flood.py", FLOOD)
    for name in "flooder", "beside":
        user(name, groups=["free"] if name == "flooder" else [])
    floods = [subprocess.Popen(ssh_command("flooder", "exec python3 /usr/local/lib/flood.py"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
              for _ in range(2)]
    try:
        for flood in floods:
            flood.stdout.readline()
        with Person("beside", "sleep 1000") as beside:
            tap.ok(beside.ended_in_time(), "somebody idle beside it is cut in time")
        tmoutd.stop()
        tap.equal(tmoutd.process.returncode, 0, "and it ends when told to")
    finally:
        for flood in floods:
            flood.kill()
        run("pkill", "-f", "flood.py")
    tmoutd.start()


CONTAINER = """
import fcntl, os, signal, sys, termios, time
os.setsid()
while True:
    master, slave = os.openpty()
    if os.ttyname(slave) == sys.argv[1]:
        break
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(1000)
"""


def the_same_number_in_a_container():
    """a container's terminal of the same number is another one"""
    write("/usr/local/lib/container.py", CONTAINER)
    user("outside")
    with Person("outside") as outside:
        tty = outside.tty()
        container = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", "mount -t devpts -o newinstance,ptmxmode=666 none "
             "/dev/pts && mount --bind /dev/pts/ptmx /dev/ptmx && "
             "exec python3 /usr/local/lib/container.py " + tty],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        tap.equal(container.stdout.readline(), b"ready\n", f"{tty} in a container, too")
        # It ends by the last step, which is when others would be killed with it.
        outside.session.type("trap '' HUP; exec sleep 1000")
        tap.ok(outside.ended_in_time(time.monotonic()), "the one outside is cut")
        wait_until(lambda: not tmoutd.registered())
        tap.ok(container.poll() is None, "what runs in the container lives on")
        container.kill()
        container.wait()


def a_name_service_that_is_down():
    """who cannot be looked up when it starts is watched as soon as he can"""
    user("remote")
    everybody = read("/etc/passwd")
    tmoutd.stop()
    with Person("remote", "sleep 1000") as remote:
        write("/etc/passwd", re.sub(r"^remote:.*\n", "", everybody, flags=re.MULTILINE))
        mark = syslog.mark()
        tmoutd.start()
        syslog.wait(r"^err tmoutd\[.*cannot be looked up.* user=remote", mark)
        write("/etc/passwd", everybody)
        tap.ok(remote.ended_in_time(time.monotonic() + SCAN_SEC), "cut within half a minute more")


def a_registry_that_is_removed():
    """the directories it watches are removed: it watches those that take their place"""
    user("later")
    shutil.rmtree(tmoutd.SESSIONS)
    ssh("later", "true")  # makes the directory anew
    with Person("later", "sleep 1000") as later:
        tap.ok(later.ended_in_time(), "who comes after that is cut in time")
    shutil.rmtree(STATE)
    apply()
    mark = syslog.mark()
    with Person("later", "sleep 1000") as later:
        write("/etc/security/tmout.conf", POLICY.replace(f"= {LIMIT_SEC}s", "= 6s"))
        apply()
        later.session.wait_end()
        tap.matches("".join(tmoutd.cut("later", mark)), " limit=6s ",
                    "and an edit after that governs who is logged in")
    write("/etc/security/tmout.conf", POLICY)
    apply()


def wake_ups():
    return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)",
                         read(f"/proc/{tmoutd.process.pid}/status"), re.MULTILINE).group(1))


def sleeps_while_nothing_can_expire():
    """with nothing that could expire soon, it sleeps"""
    user("freed", groups=["free"])
    user("daily", groups=["day"])
    sessions = []
    try:
        for name in "freed", "daily":
            path = f"ControlPath=/root/{name}"
            sessions.append(terminal(name, options=["ControlMaster=yes", path]))
            sessions[-1].wait_prompt()
            for _ in range(9):
                sessions.append(terminal(name, options=[path]))
                sessions[-1].wait_prompt()
        time.sleep(3)  # what the last login has stirred up
        before = wake_ups()
        time.sleep(3)
        tap.equal(wake_ups() - before, 0, f"{len(sessions)} terminals idle, no wake-up")
    finally:
        for session in reversed(sessions):
            session.close()


# --- the log -------------------------------------------------------------------

def log_lines():
    """the line of a disconnect says who, where, how long and by which rule"""
    user("logged")
    mark = syslog.mark()
    with Person("logged") as person:
        tty = person.tty()
        person.session.wait_end()
    subprocess.run(ssh_command("logged", "exec sleep 1000"), check=False, timeout=GUARD_SEC,
                   stderr=subprocess.DEVNULL,
                   stdin=subprocess.DEVNULL)
    terminal_line, other_line = tmoutd.cut("logged", mark)
    prefix = r"^notice tmoutd\[\d+\]: disconnected, idle for too long user=logged " \
             r"address=127\.0\.0\.1 service=sshd "
    tap.matches(terminal_line, prefix + rf"terminal={tty[5:]} idle=\d+s limit={LIMIT_SEC}s "
                r"setting=disconnect rule=/etc/security/tmout\.conf:3$", "of a terminal")
    tap.matches(other_line, prefix + rf"terminal=- idle=\d+s limit={NOTTY_SEC}s "
                r"setting=disconnect_notty rule=/etc/security/tmout\.conf:4$",
                "of a login without one")


setup(POLICY)
wire("login")
tmoutd.start()
tap.run(killed_while_a_notice_is_out, killed_during_a_cut, stopped_and_started,
        records_come_and_go, a_number_used_again, damaged_records,
        damage_that_names_an_innocent, damage_to_a_login_at_a_terminal,
        a_terminal_number_used_again, many_short_sessions, stopped_terminals,
        policy_that_is_lost, without_events, events_without_end, the_same_number_in_a_container,
        a_name_service_that_is_down, a_registry_that_is_removed, sleeps_while_nothing_can_expire, log_lines)
