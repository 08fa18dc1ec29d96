#!/usr/bin/python3
"""No login goes unwatched: not where an ordinary user has filled /run, not without a
record, not through a PAM service without our line, and not while something cannot
be read."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import KEY, ssh_command, terminal
from host.commands import must, run
from host.files import append, read, remove, write
from host.pam_stacks import small_stack, stack
from host.product import apply, policy
from host.setup import setup
from host.sshd import Sshd
from host.syslog import syslog
from host.tap import tap
from host.terminal import Terminal
from host.tmoutd import tmoutd
from host.waiting import wait_until

LIMIT_SEC = 8
NOTTY_SEC = 5
LATE_SEC = 15  # of the cut, once a login is watched
FIND_SEC = 30  # the promise for those without a record
BARE_PORT, SLOW_PORT = 2222, 2223
SOAK = "TMOUT_SOAK" in os.environ

POLICY = f"""
default {{
    disconnect = {LIMIT_SEC}s
    disconnect_notty = {NOTTY_SEC}s
    warn = none
    sessions = all
}}
group "busy" {{
    disconnect = 1h
    disconnect_notty = 1h
}}
"""
SPARES, SOCKET = tmoutd.SESSIONS + ".spare", tmoutd.SESSIONS + ".socket"


def sessions():
    """What `tmoutctl sessions` shows, by user."""
    shown = json.loads(run("tmoutctl", "sessions", "--json").stdout)
    return {row["user"]: row for row in shown}


def found_by(name):
    return sessions().get(name, {}).get("found_by")


def records_of(name):
    return [pid for pid in tmoutd.registered() if name.encode() in
            open(f"{tmoutd.SESSIONS}/{pid}", "rb").read()]


class Busy:
    """An innocent user who types, in a session that must survive."""

    def __init__(self, name, groups=()):
        user(name, groups=groups)
        self.name = name
        self.session = terminal(name)
        self.session.wait_prompt()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._type)
        self.thread.start()

    def _type(self):
        while not self.stop.wait(1):
            self.session.press("x")

    def survives(self):
        self.stop.set()
        self.thread.join()
        return not self.session.ended_within(0.1) and not tmoutd.cut(self.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.session.close()


def quietly(name, *arguments, options=()):
    """A session without a terminal that does nothing."""
    return subprocess.Popen(ssh_command(name, *arguments, options=["RequestTTY=no", *options]),
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def ends_within(process, seconds):
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        process.kill()
        process.wait()


# --- a full /run ----------------------------------------------------------------

# What an ordinary user runs: takes all blocks and inodes of /run, again and again.
FILL = r"""
import os, sys, time
n = 0
print("ready", flush=True)
while True:
    try:
        while True:
            n += 1
            with open(f"/run/screen/{n}", "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
    except OSError:
        time.sleep(0.01)
"""


def fill(options):
    """Fills /run as the user `filler` until the process is ended."""
    must("mount", "-o", f"remount,{options}", "/run")
    process = subprocess.Popen(["su", "filler", "-s", "/bin/sh", "-c", f"exec python3 -c '{FILL}'"],
                               stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    wait_until(lambda: not can_write())
    return process


def can_write():
    try:
        with open("/run/probe", "wb") as file:
            file.write(bytes(4096))
        return True
    except OSError:
        return False
    finally:
        remove("/run/probe")


def make_room(process):
    process.kill()
    process.wait()
    run("pkill", "-KILL", "-u", "filler", "python3")
    must("mount", "-o", "remount,size=64m,nr_inodes=100k", "/run")
    remove("/run/screen")
    os.mkdir("/run/screen")
    os.chmod("/run/screen", 0o1777)


def in_a_full_run(name, options, what):
    user(name)
    with Busy(f"{name}-busy") as busy:
        filler = fill(options)
        attacker = terminal("filler")
        with terminal(name) as idle:
            for session in attacker, idle:
                session.wait_prompt()
            start = time.monotonic()
            # tmoutctl needs no room
            tap.equal(found_by(name), "pam", f"{what}: the login has a record")
            tap.ok(idle.ended_within(LIMIT_SEC + LATE_SEC), f"{what}: an idle terminal is hung up",
                   *syslog.since(0, "tmoutd|pam_tmout")[-5:])
            tap.ok(time.monotonic() - start < LIMIT_SEC + LATE_SEC, f"{what}: in time")
        tap.ok(attacker.ended_within(LATE_SEC), f"{what}: so is the attacker's own")
        attacker.close()
        tap.ok(busy.survives(), f"{what}: who types is not disconnected")
        make_room(filler)


def full_of_blocks():
    """an ordinary user has taken all blocks of /run"""
    in_a_full_run("blocks", "size=16m", "no blocks")


def full_of_inodes():
    """an ordinary user has taken all inodes of /run"""
    in_a_full_run("inodes", "nr_inodes=3000", "no inodes")


def without_spares():
    """/run is full, and not even a spare file is left: tmoutd is told"""
    user("told")
    mark = syslog.mark()
    filler = fill("size=16m")
    remove(SPARES)
    os.mkdir(SPARES)  # whose room is the attacker's soon
    wait_until(lambda: not can_write())
    with terminal("told") as told:
        told.wait_prompt()
        tap.ok(syslog.settled(mark, "pam_tmout.*cannot write the login's record.*No space left.*; "
                              "tmoutd was sent it instead; .* user=told"), "the log says so",
               *syslog.since(mark, "pam_tmout"))
        tap.ok(told.ended_within(LIMIT_SEC + LATE_SEC), "the idle terminal is hung up",
               *syslog.since(mark, "tmoutd"))
    with Busy("told-busy", ["busy"]) as busy:
        tap.equal(records_of("told-busy"), [], "another login has no record either")
        make_room(filler)
        start = time.monotonic()
        wait_until(lambda: records_of("told-busy"))
        tap.ok(time.monotonic() - start < FIND_SEC, "until there is room")
        tap.equal(found_by("told-busy"), "message", "`sessions` shows how it was found")
        tap.ok(busy.survives(), "and it goes on")
    wait_until(lambda: len(os.listdir(SPARES)) == 128)
    tap.ok(True, "there are spare files again")


# --- without a record ------------------------------------------------------------

def removed_while_running():
    """a record is removed while tmoutd runs"""
    user("lost")
    with terminal("lost") as lost:
        lost.wait_prompt()
        (pid,) = records_of("lost")
        mark = syslog.mark()
        os.unlink(f"{tmoutd.SESSIONS}/{pid}")
        syslog.wait(rf"tmoutd.*/{pid}: was removed, but the login goes on; written again.* user=lost", mark)
        tap.equal(records_of("lost"), [pid], "it is written again")
        tap.ok(lost.ended_within(LIMIT_SEC + LATE_SEC), "and the idle terminal is hung up")
    wait_until(lambda: not records_of("lost"))


def removed_while_down():
    """all records are removed while tmoutd is down"""
    names = ["gone1", "gone2"]
    for name in names:
        user(name)
    with Busy("gone-busy") as busy:
        with terminal("gone1") as idle:
            idle.wait_prompt()
            quiet = quietly("gone2", "sleep 1000")
            wait_until(lambda: records_of("gone2"))
            tmoutd.stop()
            remove(tmoutd.SESSIONS)
            tmoutd.start()
            tap.ok(idle.ended_within(FIND_SEC + LIMIT_SEC + LATE_SEC), "the idle terminal is hung up",
                   *syslog.since(0, "tmoutd")[-5:])
            tap.ok(ends_within(quiet, FIND_SEC + NOTTY_SEC + LATE_SEC),
                   "so is the login without a terminal")
        tap.equal(found_by("gone-busy"), "scan", "`sessions` shows how they were found")
        tap.ok(busy.survives(), "who types is not disconnected")


def through_a_bare_service():
    """through a PAM service without our line, while tmoutd runs"""
    for name in "bare1", "bare2":
        user(name)
    small_stack("bare")
    Sshd("bare", BARE_PORT).start()
    port = [f"Port={BARE_PORT}"]
    with Busy("bare-busy", ["busy"]) as busy:
        with terminal("bare1", options=port) as idle:
            idle.wait_prompt()
            mark = time.monotonic()
            quiet = quietly("bare2", "sleep 1000", options=port)
            wait_until(lambda: found_by("bare1") and found_by("bare2"))
            tap.ok(time.monotonic() - mark < FIND_SEC, "both are found in time")
            tap.ok(found_by("bare1") in ("terminal", "scan"), "how", found_by("bare1"))
            tap.equal(sessions()["bare1"]["service"], "bare", "through which service")
            tap.ok(idle.ended_within(LIMIT_SEC + LATE_SEC), "the idle terminal is hung up")
            tap.ok(ends_within(quiet, NOTTY_SEC + LATE_SEC), "so is the login without a terminal")
        tap.ok(busy.survives(), "who has a longer limit goes on")
    wait_until(lambda: not tmoutd.registered())


def slowly_through_a_bare_service():
    """the same, with half a minute between the connection and the session"""
    user("slow")
    stack("slow", "auth required pam_permit.so", "account required pam_exec.so /bin/sleep 30",
          "session required pam_permit.so")
    Sshd("slow", SLOW_PORT).start()
    with terminal("slow", options=[f"Port={SLOW_PORT}"]) as idle:
        idle.wait_prompt()
        tap.ok(idle.ended_within(FIND_SEC + LIMIT_SEC + LATE_SEC), "the idle terminal is hung up")
    wait_until(lambda: not tmoutd.registered())


def console_without_a_record():
    """a login(1) without a record: its terminal is watched, not its traffic"""
    user("desk")
    with Terminal(["login", "-f", "desk"]) as session:
        session.wait_prompt()
        wait_until(lambda: records_of("desk"))
        tmoutd.stop()
        remove(tmoutd.SESSIONS)
        tmoutd.start()
        wait_until(lambda: found_by("desk"))
        shown = sessions()["desk"]
        tap.matches(shown["terminal"], r"^pts/\d+$", "its terminal was found")
        tap.equal((shown["service"], shown["from"]), ("login", "local"), "as that of a login(1)")
        tap.ok(session.ended_within(LIMIT_SEC + LATE_SEC), "it is hung up")
    wait_until(lambda: not tmoutd.registered())


def who_pretends():
    """processes of users that call themselves sshd are no logins"""
    user("fake")
    user("victim")
    line = ("ln -s /usr/bin/sleep sshd; for title in 'sshd: victim [priv]' 'sshd: victim@pts/9'; do "
            "(exec -a \"$title\" ./sshd 7102 & ); done; exec -a 'sshd: victim [priv]' "
            "sh -c '(exec -a \"sshd: victim@pts/9\" ./sshd 7102); :'")
    process = quietly("fake", line)
    wait_until(lambda: run("pgrep", "-u", "fake", "-f", "7102").stdout.split()[1:])
    tmoutd.process.send_signal(signal.SIGHUP)  # search
    ends_within(process, NOTTY_SEC + LATE_SEC)
    tap.equal([row for row in sessions() if row == "victim"], [], "nobody else is logged in")
    tap.equal(syslog.since(0, "tmoutd.*user=victim"), [], "and nothing happens to them")
    run("pkill", "-KILL", "-u", "fake")
    wait_until(lambda: not tmoutd.registered())


# --- what cannot be read ------------------------------------------------------------

def directory_is_out():
    """the directory of users is out when tmoutd restarts: the limits known last apply"""
    append("/var/lib/extrausers/passwd", "remote:x:7300:7300::/home/remote:/bin/bash\n")
    append("/var/lib/extrausers/group", "remote:x:7300:\n")
    append("/var/lib/extrausers/shadow", "remote:*:19000::::::\n")
    must("sed", "-i", "-E", "s/^(passwd|group|shadow):.*/\\1: files extrausers/", "/etc/nsswitch.conf")
    write("/home/remote/.ssh/authorized_keys", read(KEY + ".pub"), 0o600)
    must("chown", "-R", "7300:7300", "/home/remote")
    with terminal("remote") as idle:
        idle.wait_prompt()
        tmoutd.stop()
        os.rename("/var/lib/extrausers/passwd", "/var/lib/extrausers/away")
        policy(POLICY + "# not that of the record\n")
        apply()
        mark = syslog.mark()
        tmoutd.start()
        syslog.wait("tmoutd.*cannot look up user: no such user; the previous limits stay in force.* user=remote",
                    mark)
        shown = run("tmoutctl", "sessions", "--json")
        rows = {row["user"]: row for row in json.loads(shown.stdout)}
        tap.equal(rows["remote"]["limits"], "known last", "`sessions` shows the login all the same")
        tap.equal((shown.returncode, rows["remote"]["setting"]), (2, "disconnect"), "and says so")
        tap.ok(idle.ended_within(LIMIT_SEC + LATE_SEC), "its idle terminal is hung up")
    os.rename("/var/lib/extrausers/away", "/var/lib/extrausers/passwd")
    wait_until(lambda: not tmoutd.registered())


def reads_that_fail():
    """whatever fails while reading: no login is taken for ended"""
    if run("strace", "-V").returncode != 0:
        tap.skip("reads that fail", "strace is not installed")
        return
    user("unread")
    with Busy("reader", ["busy"]) as busy:
        for error in ["EIO", "EMFILE"] + SOAK * ["ENOMEM", "EACCES", "EINTR"]:
            with terminal("unread") as idle:
                idle.wait_prompt()
                (pid,) = records_of("unread")
                mark = syslog.mark()
                # In the main process and in its helpers.
                fault = subprocess.Popen(
                    ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(tmoutd.process.pid),
                     "-e", "trace=openat,getdents64",
                     "-e", f"inject=openat,getdents64:error={error}"],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                wait_until(lambda: "TracerPid:\t0\n" not in read(f"/proc/{tmoutd.process.pid}/status"))
                tmoutd.process.send_signal(signal.SIGHUP)
                syslog.wait("^err tmoutd", mark)
                fault.terminate()
                fault.wait()
                tap.ok(records_of("unread") == [pid] or idle.ended_within(0.1),
                       f"{error}: the login has its record")
                tap.ok(idle.ended_within(FIND_SEC + LIMIT_SEC + LATE_SEC),
                       f"{error}: and is hung up once it can be read", *syslog.since(mark, "tmoutd"))
        tap.ok(busy.survives(), "who has a longer limit goes on")


setup(POLICY)
must("mount", "-o", "remount,size=64m,nr_inodes=100k", "/run")
os.mkdir("/run/screen")
os.chmod("/run/screen", 0o1777)
user("filler")
tmoutd.start()
tap.run(full_of_blocks, full_of_inodes, without_spares, removed_while_running, removed_while_down,
        through_a_bare_service, *SOAK * [slowly_through_a_bare_service], console_without_a_record,
        who_pretends, directory_is_out, reads_that_fail)
