#!/usr/bin/python3
"""tmoutd under adverse conditions: killed, misled, and without what it needs, it
disconnects nobody who is active and misses nobody who is idle."""

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
# Without inotify it polls every 30 seconds.
POLL_SEC = 30
LATE_SEC = 10
ASLEEP_SEC = 3
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
NOTICE = r"\*\*\* tmoutd: terminal idle"
DAMAGED = r"^err tmoutd\[.*damaged"


def errors_of_tmoutd(mark):
    return syslog.settled(mark, r"^(err|crit|alert|emerg) tmoutd\[")


def late_sec():
    """How much later than its limit a session may end."""
    return LATE_SEC + (POLL_SEC if tmoutd.polls() else 0)


def record(pid):
    return f"{tmoutd.SESSIONS}/{pid}"


class Person:
    """A user who is logged in at a terminal. `pid` is the process that opened the
    session."""

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

    def ends_in_time(self, since=None):
        self.session.wait_end()
        return time.monotonic() - (since or self.since) < LIMIT_SEC + late_sec()

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
    """The result of `waiting`, and whether a user who keeps typing outlasts the
    limit."""
    return side_by_side(lambda call: call(),
                        [waiting, lambda: busy.keeps_typing(LIMIT_SEC + late_sec())])


def leave(*people):
    """They log out, and their records are removed."""
    for person in people:
        person.close()
    wait_until(lambda: not {person.pid for person in people} & set(tmoutd.registered()))


# --- killed --------------------------------------------------------------------

def killed_while_a_notice_is_out():
    """SIGKILL between the notice and the end: the idle session still ends, no other does"""
    for name in "idle1", "busy1":
        user(name)
    with Person("idle1", "sleep 1000") as idle, Person("busy1") as busy:
        busy.keeps_typing(1)
        idle.session.wait(NOTICE)
        tmoutd.kill()
        busy.keeps_typing(1)
        tmoutd.start()
        ended, alive = meanwhile(idle.ends_in_time, busy)
        tap.ok(ended is True, "the idle session ended in time", ended)
        tap.ok(alive is True, "the busy session goes on")
        leave(busy)


def killed_during_a_cut():
    """SIGKILL between the first step of a hang-up and the last"""
    for name in "deaf", "busy2":
        user(name)
    with Person("deaf", "trap '' HUP TERM; exec sleep 1000") as deaf, Person("busy2") as busy:
        mark = syslog.mark()
        while not syslog.since(mark, "disconnected.* user=deaf "):
            busy.keeps_typing(0.1)
        tmoutd.kill()
        tap.ok(not deaf.session.ended_within(0.1), "the hang-up has only started")
        start = time.monotonic()
        tmoutd.start()
        ended, alive = meanwhile(lambda: deaf.ends_in_time(start), busy)
        tap.ok(ended is True, "the restarted tmoutd completes it", ended)
        tap.ok(alive is True, "the busy session goes on")
        leave(busy)


def stopped_and_started():
    """a restart does not count as activity, and removes no record"""
    for name in "rest", "busy3":
        user(name)
    with Person("rest", "sleep 1000") as rest, Person("busy3") as busy:
        tmoutd.stop()
        tap.equal(tmoutd.process.returncode, 0, "SIGTERM: exit status 0")
        tap.equal(tmoutd.registered(), sorted([rest.pid, busy.pid]), "the registry is unchanged")
        tmoutd.start()
        ended, alive = meanwhile(rest.ends_in_time, busy)
        tap.ok(ended is True, "the idle session ends in time", ended)
        tap.ok(alive is True, "the busy session goes on")
        leave(busy)


# --- the registry --------------------------------------------------------------

def records_come_and_go():
    """a record exists exactly as long as its login, however that ends"""
    user("guest")
    with Person("guest") as guest:
        tap.equal(tmoutd.registered(), [guest.pid], "after login: there is a record")
        status = os.stat(record(guest.pid))
        tap.equal((status.st_mode & 0o7777, status.st_uid), (0o600, 0), "owned by root, mode 0600")
        guest.session.type("exit")
        guest.session.wait_end()
    wait_until(lambda: not tmoutd.registered())
    tap.ok(True, "after logout: it is gone")
    with Person("guest") as guest:
        os.kill(guest.pid, signal.SIGKILL)
        wait_until(lambda: not tmoutd.registered())
        tap.ok(True, "sshd killed: tmoutd removes it")
    tmoutd.stop()
    with Person("guest") as guest:
        os.kill(guest.pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{guest.pid}"))
        tap.equal(tmoutd.registered(), [guest.pid], "sshd killed while tmoutd is down: it stays")
        tmoutd.start()
        wait_until(lambda: not tmoutd.registered())
        tap.ok(True, "and is removed when tmoutd starts")


def process_with_pid(pid, argv):
    """A process with this pid, or None if the kernel doesn't let one choose. Another
    process may take the pid first."""
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


def reused_pid():
    """another process has the pid of a login that was killed"""
    user("reused")
    tmoutd.stop()
    with Person("reused") as person:
        os.kill(person.pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{person.pid}"))
    # Like a terminal multiplexer it holds the master of a terminal.
    other = process_with_pid(person.pid, [sys.executable, "-c", """
import os, pty, time
if pty.fork()[0]:
    print("ready", flush=True)
time.sleep(1000)"""])
    if not other:
        tap.skip("reused pid", "the kernel does not let a test choose a pid")
        tmoutd.start()
        return
    other.stdout.readline()
    mark = syslog.mark()
    tmoutd.start()
    wait_until(lambda: not tmoutd.registered())
    time.sleep(LIMIT_SEC + NOTTY_SEC)
    tap.equal(syslog.settled(mark, "disconnected"), [], "nothing is disconnected")
    tap.ok(other.poll() is None and run("pgrep", "-P", str(other.pid)).returncode == 0,
           "the other process and its child go on")
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
    """damaged records: the logins are still watched, and the damage is logged"""
    for round_number, while_down in enumerate((True, False)):
        when = "found at the start" if while_down else "found while running"
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
            alive = busy.keeps_typing(LIMIT_SEC + late_sec())
            for person, damage in zip(people, DAMAGES):
                title = f"{damage.__name__}, {when}"
                tap.ok(person.session.ended_within(0.1) and tmoutd.cut(person.name),
                       f"{title}: disconnected in time", *syslog.since(mark, f"tmoutd.*{person.name} "))
                if while_down:
                    tap.ok(syslog.settled(mark, rf"{DAMAGED}.*user={person.name}\b"),
                           f"{title}: logged")
                person.close()
            tap.ok(alive, f"{when}: a user who types is not disconnected")
            leave(busy)
        wait_until(lambda: not [pid for pid in tmoutd.registered() if not os.path.isdir(record(pid))])
        for pid in tmoutd.registered():
            remove(record(pid))


def damage_that_names_an_innocent():
    """a damaged record with the pid of a process that is not a login"""
    user("daemon1")
    ssh("daemon1", "setsid python3 -c 'import os, pty, time; pty.fork(); time.sleep(7101)' "
        "</dev/null >/dev/null 2>&1 & sleep 1")
    pids = must("pgrep", "-u", "daemon1", "-f", "sleep[(]7101").split()
    mark = syslog.mark()
    for pid in pids:
        # By rename(2), since tmoutd may remove it as soon as it is there.
        write(record("new"), "not a record\n", 0o600)
        os.rename(record("new"), record(pid))
    wait_until(lambda: len(syslog.settled(mark, DAMAGED)) >= len(pids))
    time.sleep(LIMIT_SEC + late_sec())  # by then it would have been disconnected
    tap.equal(must("pgrep", "-u", "daemon1", "-f", "sleep[(]7101").split(), pids,
              "a daemon that has a terminal goes on")
    tap.equal(syslog.settled(mark, "disconnected"), [], "nothing is disconnected")
    for pid in pids:
        run("kill", "-9", pid)
        remove(record(pid))
    wait_until(lambda: not tmoutd.registered())


def damage_to_a_login_at_a_terminal():
    """a damaged record of login(1): its terminal is still watched"""
    user("desk", groups=["console"])
    tmoutd.stop()
    with Terminal(["login", "-f", "desk"]) as session:
        session.wait_prompt()
        (pid,) = tmoutd.registered()
        flip(record(pid))
        session.type("sleep 1000")
        tmoutd.start()
        start = time.monotonic()
        tap.ok(session.ended_within(LIMIT_SEC + late_sec()), "disconnected in time",
               *syslog.settled(0, f"tmoutd.*(desk|{pid})"))
        tap.ok(time.monotonic() - start > NOTTY_SEC + 1,
               "but not for moving no data: the login has a terminal")
    wait_until(lambda: not tmoutd.registered())


def with_terminal(name, tty):
    """Logs in until the terminal is this one: the client's own takes a number, too."""
    others = []
    while (person := Person(name)).tty() != tty and len(others) < 5:
        others.append(person)
    for other in others:
        other.close()
    return person


def reused_terminal_number():
    """another login gets the number of the terminal between sample and hang-up"""
    for name in "first", "second":
        user(name)
    mark = syslog.mark()
    with Person("first") as first:
        tty = first.tty()
        # Before a notice: while one is out, tmoutd keeps the terminal open, and its
        # number is not reused.
        tmoutd.process.send_signal(signal.SIGSTOP)
        first.close()
        wait_until(lambda: not os.path.exists(tty))
        with with_terminal("second", tty) as second:
            tap.equal(second.tty(), tty, "the second user has the number of the first")
            second.keeps_typing(LIMIT_SEC + late_sec())
            tmoutd.process.send_signal(signal.SIGCONT)
            tap.ok(second.keeps_typing(LIMIT_SEC), "and goes on when tmoutd does")
            tap.equal(syslog.settled(mark, "disconnected"), [], "nobody was disconnected")
            tap.ok(not re.search(NOTICE, second.session.screen), "or warned")
            leave(second)


def many_short_sessions():
    """hundreds of sessions come and go"""
    user("hurried")
    mark = syslog.mark()

    def client(number):
        result = ssh("hurried", "true", options=["RequestTTY=force"] if number % 2 else [])
        return result.returncode

    with Person("hurried") as person:
        # Each worker runs its share of the sessions one after the other.
        def worker(first):
            return [client(number) for number in range(first, SHORT_SESSIONS, CLIENTS)]
        results = side_by_side(worker, range(CLIENTS))
        statuses = [status for part in results
                    for status in (part if isinstance(part, list) else [part])]
        tap.equal(statuses, [0] * SHORT_SESSIONS, f"{SHORT_SESSIONS} sessions succeed")
        person.session.wait_end()
        tap.equal(len(tmoutd.cut("hurried", mark)), 1, "the one that is idle meanwhile is disconnected")
    wait_until(lambda: not tmoutd.registered())
    tap.ok(True, "the registry is empty")
    tap.equal(errors_of_tmoutd(mark), [], "no errors in the log")


# --- what may delay it ---------------------------------------------------------

def stopped_terminals():
    """terminals stopped with Ctrl-S, their buffers full, do not block tmoutd"""
    for name in "stopped1", "stopped2", "after":
        user(name)
    with Person("stopped1", "yes") as one, Person("stopped2", "yes") as two:
        for person in one, two:
            person.session.wait("y\r\ny\r\n")
            person.session.press("\x13")
        with Person("after", "sleep 1000") as after:
            tap.ok(after.ends_in_time(), "another session is disconnected in time")
            # They were idle before it, and are sampled after it.
            tap.ok(one.ends_in_time(after.since) and two.ends_in_time(after.since),
                   "and so are the stopped ones")


def policy_that_is_lost():
    """without a readable policy the last known limits stay in force"""
    user("kept")
    snapshot = STATE + "/policy.v1"
    with Person("kept") as kept:
        mark = syslog.mark()
        write(snapshot, "not a policy")
        syslog.wait(r"^err tmoutd\[.*no policy is in force", mark)
        tap.ok(kept.ends_in_time(), "damaged policy: disconnected in time")
        apply()
    with Person("kept") as kept:
        remove(snapshot)
        tap.ok(kept.ends_in_time(), "no policy: disconnected in time")
    tmoutd.stop()
    mark = syslog.mark()
    tmoutd.start()
    with Person("kept") as kept:
        remove(snapshot)
        tmoutd.process.send_signal(signal.SIGHUP)
        syslog.wait(r"^err tmoutd\[.*no policy is in force", mark)
        apply()
        tap.ok(kept.ends_in_time(), "restored policy: disconnected in time")


def without_events():
    """no inotify: tmoutd logs that, and polls"""
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
            tmoutd.start(without_inotify=True)
        finally:
            del os.environ["LD_PRELOAD"]
        for path in tmoutd.SESSIONS, "/dev/pts", STATE:
            tap.ok(syslog.settled(mark, rf"^warning tmoutd\[.*: cannot watch {path}: "),
                   f"cannot watch {path}: logged")
        alive = busy.keeps_typing(1)
        with Person("late", "sleep 1000") as late:
            alive = alive and busy.keeps_typing(LIMIT_SEC + LATE_SEC)
            tap.ok(early.session.ended_within(0), "a login that was there before is disconnected in time")
            alive = alive and busy.keeps_typing(POLL_SEC)
            tap.ok(late.session.ended_within(LATE_SEC), "a later login is, too, after the next poll")
        tap.ok(alive, "a user who types is not disconnected")
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
    """a user who causes endless events does not keep tmoutd from its work"""
    write("/usr/local/lib/flood.py", FLOOD)
    for name in "flooder", "other":
        user(name, groups=["free"] if name == "flooder" else [])
    floods = [subprocess.Popen(ssh_command("flooder", "exec python3 /usr/local/lib/flood.py"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
              for _ in range(2)]
    try:
        for flood in floods:
            flood.stdout.readline()
        with Person("other", "sleep 1000") as other:
            tap.ok(other.ends_in_time(), "another session that is idle is disconnected in time")
        tmoutd.stop()
        tap.equal(tmoutd.process.returncode, 0, "SIGTERM still ends tmoutd: exit status 0")
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
    """a terminal of the same number in a container is not confused with it"""
    write("/usr/local/lib/container.py", CONTAINER)
    user("outside")
    with Person("outside") as outside:
        tty = outside.tty()
        container = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", "mount -t devpts -o newinstance,ptmxmode=666 none "
             "/dev/pts && mount --bind /dev/pts/ptmx /dev/ptmx && "
             "exec python3 /usr/local/lib/container.py " + tty],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        tap.equal(container.stdout.readline(), b"ready\n", f"{tty} exists in a container, too")
        # It takes the last step, SIGKILL, which would hit the wrong processes, too.
        outside.session.type("trap '' HUP; exec sleep 1000")
        tap.ok(outside.ends_in_time(time.monotonic()), "the session outside is disconnected")
        wait_until(lambda: not tmoutd.registered())
        tap.ok(container.poll() is None, "the process in the container goes on")
        container.kill()
        container.wait()


def a_name_service_that_is_down():
    """a user who cannot be looked up keeps the limits known last, or gets some later"""
    for name in "remote", "newcomer":
        user(name)
    everybody = read("/etc/passwd")
    others = re.sub(r"^(remote|newcomer):.*\n", "", everybody, flags=re.MULTILINE)
    with Person("remote", "sleep 1000") as remote, Person("newcomer", "sleep 1000") as newcomer:
        tmoutd.stop()
        write("/etc/passwd", others)
        os.unlink(record(newcomer.pid))
        write("/etc/security/tmout.conf", POLICY + "# not that of the record\n")
        apply()
        mark = syslog.mark()
        start = time.monotonic()
        tmoutd.start()
        syslog.wait(r"^err tmoutd\[.*cannot look up user.*previous limits.* user=remote", mark)
        tap.ok(remote.ends_in_time(start), "known last: disconnected in time")
        syslog.wait(r"^err tmoutd\[.*a login has no record, and its user cannot be looked up", mark)
        write("/etc/passwd", everybody)
        tap.ok(newcomer.ends_in_time(time.monotonic() + POLL_SEC),
               "none known: disconnected at most 30 s after the user can be looked up")


def removed_directories():
    """directories that are removed and created again are watched again"""
    user("later")
    user("bound", groups=["day"])
    shutil.rmtree(tmoutd.SESSIONS)
    ssh("later", "true")  # creates the directory
    with Person("later", "sleep 1000") as later:
        tap.ok(later.ends_in_time(), "the registry: a login after that is disconnected in time")
    shutil.rmtree(STATE)
    apply()
    mark = syslog.mark()
    with Person("bound", "sleep 1000") as bound:
        # This user has a day: only a policy that was noticed can end the session.
        write("/etc/security/tmout.conf", POLICY + 'user "bound" {\n    disconnect = 6s\n}\n')
        apply()
        bound.session.wait_end()
        tap.matches("".join(tmoutd.cut("bound", mark)), " limit=6s ",
                    "the state directory: an edit after that applies to a running session")
    write("/etc/security/tmout.conf", POLICY)
    apply()


def wake_ups():
    return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)",
                         read(f"/proc/{tmoutd.process.pid}/status"), re.MULTILINE).group(1))


def is_asleep():
    before = wake_ups()
    time.sleep(ASLEEP_SEC)
    # Without events, one poll may fall into this time.
    return wake_ups() - before <= (1 if tmoutd.polls() else 0)


def sleeps_while_nothing_can_expire():
    """with nothing that can expire soon, tmoutd sleeps"""
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
        # The last login may still cause events, and make its terminal suspect for
        # half a minute.
        wait_until(is_asleep, "tmoutd keeps waking up")
        tap.ok(True, f"{len(sessions)} terminals idle, no wake-up for {ASLEEP_SEC} s")
    finally:
        for session in reversed(sessions):
            session.close()


# --- the log -------------------------------------------------------------------

def log_lines():
    """the log line of a disconnect: user, address, idle time, limit, rule"""
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
                "of a login without a terminal")


# --- another state directory ---------------------------------------------------

def other_state_directory():
    """--state: the policy from there, the registry next to it, and the log on standard error"""
    process = subprocess.Popen(["tmoutd", "--foreground", "--state", "/run/other"],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines = []
    while not lines or "watching" not in lines[-1]:
        line = process.stderr.readline()
        if not line:
            break
        lines.append(line)
    process.terminate()
    tap.equal(process.wait(GUARD_SEC), 0, "SIGTERM: exit status 0")
    tap.ok(os.path.isdir("/run/other-sessions"), "the registry was created")
    tap.ok([line for line in lines if line.startswith("tmoutd: cannot watch /run/other: ")]
           and lines[-1] == "tmoutd: watching\n", "standard error has the log", *lines)


setup(POLICY)
wire("login")
tmoutd.start()
tap.run(other_state_directory,
        killed_while_a_notice_is_out, killed_during_a_cut, stopped_and_started,
        records_come_and_go, reused_pid, damaged_records,
        damage_that_names_an_innocent, damage_to_a_login_at_a_terminal,
        reused_terminal_number, many_short_sessions, stopped_terminals,
        policy_that_is_lost, without_events, events_without_end, the_same_number_in_a_container,
        a_name_service_that_is_down, removed_directories, sleeps_while_nothing_can_expire,
        log_lines)
