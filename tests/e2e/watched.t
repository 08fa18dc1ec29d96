#!/usr/bin/python3
"""Active users are not disconnected, and a disconnect ends no more than it must."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import ssh, ssh_command, terminal
from host.commands import must, run, side_by_side
from host.files import write
from host.pam_stacks import SESSION_LINE, small_stack, wire
from host.product import apply, policy
from host.setup import setup
from host.syslog import syslog
from host.tap import tap
from host.terminal import Terminal
from host.tmoutd import tmoutd
from host.waiting import GUARD_SEC, wait_until
from host.connections import (
    ASKED_BY_CLIENT, ASKED_BY_SSHD, ECHO_PATH, ECHO_PORT, NO_SESSION, SFTP_SERVER,
    connect_over_socks, connect_to_echo, exchange, start_asking_sshd, start_echo)

LIMIT_SEC = 8
NOTTY_SEC = 4
WARN_SEC = 3
LATE_SEC = 10  # the promise
# The kernel records one input in eight seconds, and a change of the mode may hide
# that one: a limit has to span several.
MODES_SEC = 20
LONG_SEC = 3 * LIMIT_SEC
PAUSE_SEC = 2.5
XTERM = {"TERM": "xterm"}
NOTICE = r"\*\*\* tmoutd: terminal idle, disconnecting in (\w+)\. Press Enter"

POLICY = f"""
default {{
    disconnect = {LIMIT_SEC}s
    disconnect_notty = {NOTTY_SEC}s
    warn = {WARN_SEC}s
    tmout = 15m
}}
group "console" {{
    sessions = all
}}
group "output" {{
    activity = any
}}
group "modes" {{
    disconnect = {MODES_SEC}s
}}
group "loose" {{
    disconnect = 1h
}}
group "strict" {{
    disconnect = 6s
}}
group "old" {{
    disconnect = none
    max_session = 15s
    warn = 6s
}}
user "exempt" {{
    disconnect = none
}}
group "five" {{
    tmout = 5m
    enforce = true
}}
group "hour" {{
    tmout = 1h
    disconnect = none
    disconnect_notty = none
}}
"""


# --- active users --------------------------------------------------------------

def keep(session, keys, for_sec=LONG_SEC):
    """Presses these keys in turn, every few seconds, and keeps reading the output."""
    end = time.monotonic() + for_sec
    while time.monotonic() < end:
        for key in keys:
            session.press(key)
            if session.ended_within(PAUSE_SEC):
                return False
    return True


def answers(session, name):
    """Whether a shell still answers."""
    return session.ask("$((6*7))") == "42" and not tmoutd.cut(name)


def keys_at_the_prompt(name):
    """a user types slowly at the prompt, without Enter"""
    with terminal(name) as session:
        session.wait_prompt()
        return keep(session, "xyz") and (session.press("\x15"), answers(session, name))[1]


def keys_in_raw_mode(name):
    """a user types slowly in vim, without Enter"""
    with terminal(name, env=XTERM) as session:
        session.wait_prompt()
        session.type("vim -u NONE /etc/passwd")
        session.wait("root:x:0")
        alive = keep(session, "jjk")
        session.press("\x1b")
        session.type(":q!")
        session.wait_prompt()
        return alive and answers(session, name)


def lines_for_a_program(name):
    """a user types lines into a program"""
    with terminal(name) as session:
        session.wait_prompt()
        session.type("cat >/dev/null")
        alive = keep(session, ["line\r"])
        session.press("\x04")
        return alive and answers(session, name)


def arrows_in_less(name):
    """a user reads in less, with the arrow keys"""
    with terminal(name, env=XTERM) as session:
        session.wait_prompt()
        session.type("less /etc/passwd")
        session.wait("root:x:0")
        alive = keep(session, ["\x1b[B", "\x1b[B", "\x1b[A"])
        session.press("q")
        return alive and answers(session, name)


def modes_of_an_honest_user(name):
    """a user types, and runs mesg and chmod in between"""
    # Up to four of them fall into each of the kernel's intervals of eight seconds, and
    # the first one counts. Whatever the pace of a busy machine, those that change the
    # mode come first for 34 seconds at the most: that was simulated.
    lines = ["mesg n", *map("echo {}".format, "abcd"), "chmod g+w $(tty)",
             *map("echo {}".format, "efg"), "mesg y", *map("echo {}".format, "hij")]
    with terminal(name) as session:
        session.wait_prompt()
        alive = keep(session, [line + "\r" for line in lines], 3 * MODES_SEC)
        return (alive and answers(session, name)
                and not syslog.settled(0, rf"forged.* user={name} "))


def output_that_scrolls(name):
    """a user watches output, with activity = any"""
    with terminal(name) as session:
        session.wait_prompt()
        session.type("while sleep 1; do date; done")
        alive = not session.ended_within(LONG_SEC)
        session.press("\x03")
        return alive and answers(session, name)


AT_WORK = {
    keys_at_the_prompt: (), keys_in_raw_mode: (), lines_for_a_program: (), arrows_in_less: (),
    modes_of_an_honest_user: ("modes",), output_that_scrolls: ("output",),
}


# --- transfers -----------------------------------------------------------------

# scp and sftp slow down by pausing after each quarter of a megabyte, and at the
# end hold two megabytes that have left the host: both must take less than the
# limit.
UP_BYTES = 16 * 1024 * 1024
SLOW_KBIT = "8000"
# Much more than the buffers along the way hold.
DOWN_BYTES = 32 * 1024 * 1024


def copied(name, source, target, *command):
    """Whether a slow copy was completed."""
    start = time.monotonic()
    result = run(*command, timeout=2 * GUARD_SEC)
    took = time.monotonic() - start
    same = os.path.getsize(source) == os.path.getsize(target)
    if result.returncode == 0 and same and took > 3 * NOTTY_SEC and not tmoutd.cut(name):
        return True
    raise RuntimeError(f"{result.returncode} {result.stderr} same={same} in {took} s")


# Both sides send keep-alives every second.
ASKED = ASKED_BY_CLIENT + ASKED_BY_SSHD


def scp_up(name):
    """scp to the host"""
    command = ssh_command(name, program="scp", options=ASKED)[:-1]
    return copied(name, "/root/up", f"/home/{name}/up", *command, "-l", SLOW_KBIT, "/root/up",
                  f"{name}@127.0.0.1:up")


def scp_down(name):
    """scp from the host"""
    command = ssh_command(name, program="scp", options=ASKED)[:-1]
    return copied(name, "/root/up", f"/root/{name}", *command, "-l", SLOW_KBIT,
                  f"{name}@127.0.0.1:/tmp/up", f"/root/{name}")


def scp_of_old(name):
    """scp to the host, with the legacy protocol"""
    command = ssh_command(name, program="scp", options=ASKED)[:-1]
    return copied(name, "/root/up", f"/home/{name}/up", *command, "-O", "-l", SLOW_KBIT,
                  "/root/up", f"{name}@127.0.0.1:up")


def sftp(name, batch, source, target, *more):
    write(f"/root/{name}.batch", batch)
    command = ssh_command(name, program="sftp", options=ASKED)
    return copied(name, source, target, command[0], *more, "-l", SLOW_KBIT, "-b",
                  f"/root/{name}.batch", *command[1:])


def sftp_up(name):
    """sftp to the host"""
    return sftp(name, "put /root/up up\n", "/root/up", f"/home/{name}/up")


def sftp_down(name):
    """sftp from the host"""
    return sftp(name, f"get /tmp/up /root/{name}\n", "/root/up", f"/root/{name}")


def sftp_server(name):
    """sftp to the host, with a separate sftp-server"""
    return sftp(name, "put /root/up up\n", "/root/up", f"/home/{name}/up", "-s", SFTP_SERVER)


def pipe_up(name, options=()):
    """a pipe that is filled slowly"""
    with subprocess.Popen(ssh_command(name, "cat > up", options=options),
                          stdin=subprocess.PIPE) as client:
        for _ in range(4 * NOTTY_SEC):
            client.stdin.write(b"x" * 100)
            client.stdin.flush()
            time.sleep(1)
        client.stdin.close()
        client.wait(GUARD_SEC)
    return client.returncode == 0 and os.path.getsize(f"/home/{name}/up") == 400 * NOTTY_SEC


def pipe_up_asked(name):
    """the same over a connection with keep-alives"""
    return pipe_up(name, ASKED)


def pipe_down(name):
    """a pipe that is emptied slowly"""
    total = 0
    start = time.monotonic()
    with subprocess.Popen(ssh_command(name, f"head -c {DOWN_BYTES} /dev/zero", options=ASKED),
                          stdout=subprocess.PIPE) as client:
        while data := os.read(client.stdout.fileno(), 65536):
            total += len(data)
            time.sleep(len(data) / (DOWN_BYTES / (5 * NOTTY_SEC)))
        client.wait(GUARD_SEC)
    return (client.returncode == 0 and total == DOWN_BYTES
            and time.monotonic() - start > 3 * NOTTY_SEC)


def orphan_down(name):
    """output of a process that has left the session"""
    command = f"setsid sh -c 'sleep 1; for i in $(seq {4 * NOTTY_SEC}); do echo x; sleep 1; done' &"
    start = time.monotonic()
    result = ssh(name, command, options=ASKED)
    return (result.stdout == "x\n" * 4 * NOTTY_SEC
            and time.monotonic() - start > 3 * NOTTY_SEC) or result


def stays(port, connection):
    """A byte a second, over one connection."""
    with connection(port) as through:
        for _ in range(4 * NOTTY_SEC):
            exchange(through)
            time.sleep(1)


def comes_and_goes(port, connection):
    """A connection a second, each closed at once."""
    for _ in range(4 * NOTTY_SEC):
        connection(port).close()
        time.sleep(1)


def forwarded(name, option, connection=connect_to_echo, move=stays, session=False):
    """Data over forwarded connections. PORT in the option stands for a port of the
    user's own."""
    port = 7000 + int(name.removeprefix("work"))
    command, more = (["sleep 1000"], []) if session else ([], NO_SESSION)
    option = option.replace("PORT", f"127.0.0.1:{port}")
    client = subprocess.Popen(ssh_command(name, *command, options=[*ASKED, option, *more]),
                              stdin=subprocess.DEVNULL)
    try:
        move(port, connection)
        return client.poll() is None
    finally:
        client.kill()
        client.wait()


def local(name):
    """data over a forwarded connection, without a session"""
    return forwarded(name, f"LocalForward=PORT 127.0.0.1:{ECHO_PORT}")


def local_beside_a_session(name):
    """the same, with an idle session on the same connection"""
    return forwarded(name, f"LocalForward=PORT 127.0.0.1:{ECHO_PORT}", session=True)


def local_to_a_socket(name):
    """data to a Unix socket"""
    return forwarded(name, f"LocalForward=PORT {ECHO_PATH}")


def local_in_short(name):
    """forwarded connections that come and go"""
    return forwarded(name, f"LocalForward=PORT 127.0.0.1:{ECHO_PORT}", move=comes_and_goes)


def dynamic(name):
    """data over a SOCKS proxy"""
    return forwarded(name, "DynamicForward=PORT", connect_over_socks)


def remote(name):
    """data to a port of the host"""
    return forwarded(name, f"RemoteForward=PORT 127.0.0.1:{ECHO_PORT}")


TRANSFERS = [scp_up, scp_down, scp_of_old, sftp_up, sftp_down, sftp_server, pipe_up,
             pipe_up_asked, pipe_down, orphan_down, local, local_beside_a_session,
             local_to_a_socket, local_in_short, dynamic, remote]


def users_at_work():
    """not disconnected after three times the limit"""
    start_echo()
    start_asking_sshd()
    with open("/root/up", "wb") as file:
        file.write(os.urandom(UP_BYTES))
    shutil.copy("/root/up", "/tmp/up")
    os.chmod("/tmp/up", 0o644)
    scenarios = list(AT_WORK) + TRANSFERS
    names = [f"work{number}" for number in range(len(scenarios))]
    for name, scenario in zip(names, scenarios):
        user(name, groups=AT_WORK.get(scenario, ()))
    results = side_by_side(lambda scenario, name: scenario(name), scenarios, names)
    for scenario, name, result in zip(scenarios, names, results):
        tap.ok(result is True, f"not disconnected: {scenario.__doc__}", str(result)[-1500:],
               *tmoutd.cut(name), *syslog.settled(0, rf"forged.* user={name} "))


# --- notices -------------------------------------------------------------------

def notice_unanswered(name):
    """one without an answer appears once and names the time left"""
    with terminal(name) as session:
        session.wait_prompt()
        left = session.wait(NOTICE).group(1)
        start = time.monotonic()
        session.wait_end()
        return ((left, len(re.findall(NOTICE, session.screen)),
                 time.monotonic() - start < WARN_SEC + LATE_SEC)
                == (f"{WARN_SEC}s", 1, True)) or session.screen


def answered(session, name, key):
    """Answers the first notice, and waits for the second."""
    session.wait(NOTICE)
    session.press(key)
    session.wait(f"(?s){NOTICE}.*{NOTICE}")
    return not tmoutd.cut(name)


def notice_at_the_prompt(name):
    """Enter at the prompt keeps the session"""
    with terminal(name) as session:
        session.wait_prompt()
        return answered(session, name, "\r")


def notice_under_sleep(name):
    """Enter keeps it if the foreground program does not read"""
    with terminal(name) as session:
        session.wait_prompt()
        session.type("sleep 1000")
        return answered(session, name, "\r")


def notice_under_a_deaf_program(name):
    """a key keeps it if the foreground program takes single keys but does not read"""
    with terminal(name) as session:
        session.wait_prompt()
        session.type("stty raw -echo opost; sleep 1000")
        return answered(session, name, "x")


def notice_while_typing_a_line(name):
    """Enter keeps it if a line was started that no program has read yet"""
    with terminal(name) as session:
        session.wait_prompt()
        session.type("cat")
        for _ in range(2):
            session.press("x")
            session.ended_within(1)
        return answered(session, name, "\r")


def notice_and_output(name):
    """the notice itself does not count as activity"""
    with terminal(name) as session:
        session.wait_prompt()
        session.type("sleep 1000")
        start = time.monotonic()
        session.wait_end()
        return (time.monotonic() - start < LIMIT_SEC + LATE_SEC
                and len(re.findall(NOTICE, session.screen)) == 1) or session.screen


def notice_in_a_data_stream(name):
    """no text gets into data that is transferred over a terminal, which is cut"""
    command = "stty raw; head -c 300000 /dev/zero; sleep 1000"
    start = time.monotonic()
    with subprocess.Popen(ssh_command(name, command, options=["RequestTTY=force"]),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        data = client.stdout.read()
        client.wait(GUARD_SEC)
    return (data == bytes(300000) and time.monotonic() - start < LIMIT_SEC + LATE_SEC
            and len(tmoutd.cut(name)) == 1) or data[300000:] or len(data)


def stream_that_goes_on(name):
    """data that is transferred over a terminal goes on, with activity = any"""
    command = f"stty raw; for i in $(seq {LONG_SEC}); do head -c 10000 /dev/zero; sleep 1; done"
    with subprocess.Popen(ssh_command(name, command, options=["RequestTTY=force"]),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        data = client.stdout.read()
    return data == bytes(10000 * LONG_SEC) and not tmoutd.cut(name) or len(data)


def too_old(name):
    """max_session ends a busy login, too, after one notice"""
    pattern = r"\*\*\* tmoutd: this login has reached its maximum age and ends in"
    start = time.monotonic()
    with terminal(name) as session:
        session.wait_prompt()
        while not session.ended_within(0.5):
            try:
                session.press("x")
            except OSError:
                break
        lived = time.monotonic() - start
        notices = len(re.findall(pattern, session.screen))
        return (14 < lived < 15 + LATE_SEC and notices == 1
                and "setting=max_session" in "".join(tmoutd.cut(name))) or (lived, notices)


NOTICES = {
    notice_unanswered: (), notice_at_the_prompt: (), notice_under_sleep: (),
    notice_under_a_deaf_program: (), notice_while_typing_a_line: (),
    notice_and_output: ("output",), notice_in_a_data_stream: (), stream_that_goes_on: ("output",),
    too_old: ("old",),
}


def notices():
    """the notice before a disconnect, and how to answer it"""
    names = [f"told{number}" for number in range(len(NOTICES))]
    for name, groups in zip(names, NOTICES.values()):
        user(name, groups=groups)
    results = side_by_side(lambda scenario, name: scenario(name), list(NOTICES), names)
    for scenario, name, result in zip(NOTICES, names, results):
        tap.ok(result is True, f"notice: {scenario.__doc__}", str(result)[-1500:],
               *tmoutd.cut(name))


# --- what survives a disconnect -------------------------------------------------------

def tmux_and_back():
    """work in tmux survives a disconnect"""
    if not shutil.which("tmux"):
        tap.skip("tmux", "not applicable: tmux is not installed")
        return
    user("muxer")
    with terminal("muxer", env=XTERM) as session:
        session.wait_prompt()
        session.type("tmux new -s work")
        session.wait(r"\[work\]")
        session.type("WORK=half''done; echo rea''dy")
        session.wait("ready")
        session.wait_end()
    tap.equal(len(tmoutd.cut("muxer")), 1, "tmux: the outer terminal was disconnected")
    with terminal("muxer", env=XTERM) as session:
        session.wait_prompt()
        session.type("tmux attach -t work")
        session.wait(r"\[work\]")
        session.type("echo it is $WORK")
        session.wait("it is halfdone")
        tap.ok(True, "tmux: attached again, the shell inside still has its state")
    ssh("muxer", "tmux kill-server")


def jobs_that_stay():
    """nohup jobs and daemons survive a disconnect, processes with the terminal open do not"""
    user("starter")
    with terminal("starter") as session:
        session.wait_prompt()
        session.type("nohup sleep 7001 >/dev/null 2>&1 &")
        session.type("(setsid sleep 7002 </dev/null >/dev/null 2>&1 &)")
        session.type("(trap '' HUP; exec sleep 7003) &")
        session.ask("$HOME")
        session.wait_end()
    wait_until(lambda: run("pgrep", "-u", "starter", "-f", "sleep 7003").returncode == 1)
    for number, job in (7001, "a nohup job"), (7002, "a daemon"):
        tap.equal(run("pgrep", "-u", "starter", "-f", f"sleep {number}").returncode, 0,
                  f"{job} survives")
    tap.ok(True, "a process that ignored the hang-up and had the terminal open is gone")
    run("pkill", "-u", "starter", "sleep")


def one_of_several_sessions():
    """a disconnect ends one session of a connection, the others go on"""
    user("several")
    path = "ControlPath=/root/several"
    master = subprocess.Popen(
        ssh_command("several", options=["ControlMaster=yes", path, "SessionType=none"]),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists("/root/several"))
    with terminal("several", options=[path]) as busy, \
            terminal("several", options=[path]) as idle:
        busy.wait_prompt()
        idle.wait_prompt()
        command = subprocess.Popen(
            ssh_command("several", f"sleep {LONG_SEC + LATE_SEC}; echo done", options=[path]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        alive = keep(busy, "xyz")
        tap.ok(alive and (busy.press("\x15"), busy.ask("$((6*7))"))[1] == "42",
               "the busy session goes on")
        tap.ok(idle.ended_within(0), "the idle one has ended", idle.screen)
        tap.equal(len(tmoutd.cut("several")), 1, "and only that one is in the log")
        alive = keep(busy, "xyz", LATE_SEC + PAUSE_SEC)
        output, _ = command.communicate(timeout=GUARD_SEC)
        tap.equal((alive, output, command.returncode), (True, "done\n", 0),
                  "a command on the same connection ran to completion")
    master.kill()
    master.wait()


# --- which limit applies -------------------------------------------------------

def limits_of_users_and_groups():
    """each login has the limit that its user's rules set"""
    people = {"plain": ((), "8s", 'default'), "tight": (("strict",), "6s", 'group "strict"'),
              "both": (("strict", "loose"), "6s", 'group "strict"'),
              "exempt": (("strict",), None, None), "open": (("loose",), None, None)}
    for name, (groups, _, _) in people.items():
        user(name, groups=groups)
    lines = POLICY.splitlines()

    def idle(name):
        with terminal(name) as session:
            session.wait_prompt()
            return session.ended_within(LIMIT_SEC + LATE_SEC)

    for name, ended in zip(people, side_by_side(idle, list(people))):
        _, limit, rule = people[name]
        tap.equal(ended, limit is not None, f"{name}: {'ended' if limit else 'not ended'}")
        log = "".join(tmoutd.cut(name))
        if limit:
            section = lines.index(rule + " {") + 1
            found = re.search(r" limit=(\w+) setting=disconnect rule=(\S+):(\d+)", log)
            tap.ok(found and found.group(1) == limit
                   and found.group(2) == "/etc/security/tmout.conf"
                   and section <= int(found.group(3)) <= section + 1,
                   f"{name}: the log names the limit and its rule", log)
        else:
            tap.equal(log, "", f"{name}: nothing in the log")


def policy_that_changes():
    """a new policy applies to running sessions"""
    user("freed")
    user("bound", groups=["loose"])
    with terminal("freed") as freed, terminal("bound") as bound:
        bound.wait_prompt()
        freed.wait_prompt()
        policy(POLICY + 'user "freed" {\n disconnect = 1h\n}\nuser "bound" {\n'
               " disconnect = 6s\n}\n")
        apply()
        start = time.monotonic()
        bound.wait_end()
        tap.ok(time.monotonic() - start < 6 + LATE_SEC, "stricter: disconnected in time")
        tap.ok(not freed.ended_within(max(0, start + LONG_SEC - time.monotonic())),
               "looser: not disconnected")
        policy(POLICY)
        apply()
        start = time.monotonic()
        freed.wait_end()
        tap.ok(time.monotonic() - start < LATE_SEC, "stricter again: disconnected at once, it has been idle too long")


# --- inside a login, and what is not a login ------------------------------------------

def limit_of(text):
    found = re.search(r"^PAM_TMOUT=(.*)$", text, re.MULTILINE)
    return found and found.group(1)


def su_and_sudo_inside():
    """inside an SSH login the stricter of two limits applies"""
    write("/etc/sudoers.d/everybody", "ALL ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    for service in "su", "su-l", "sudo", "sudo-i":
        small_stack(service, SESSION_LINE)
    user("short", groups=["five"])
    user("long", groups=["hour"])
    commands = {"su": "su {} -c env", "su -": "su - {} -c env", "sudo": "sudo -u {} env",
                "sudo -i": "sudo -i -u {} env",
                "sudo, detached": "setsid --wait sudo -u {} env",
                "sudo without the login's environment":
                    "env -u SSH_CONNECTION -u SSH_CLIENT -u PAM_TMOUT sudo -u {} env"}
    for title, command in commands.items():
        for name, target in ("short", "long"), ("long", "short"):
            result = ssh(name, command.format(target))
            tap.equal(limit_of(result.stdout), "300 readonly", f"{title}: {name} to {target}")
    tap.equal(limit_of(ssh("long", "sudo -i env").stdout), "900 default",
              "sudo -i to root: the stricter of an hour and root's 15 minutes")
    tap.equal(limit_of(must("su", "-", "short", "-c", "env")), None, "su outside of ssh: none")
    tap.equal(limit_of(must("sudo", "-u", "short", "env")), None, "sudo outside of ssh: none")
    tap.equal(tmoutd.registered(), [], "su and sudo register no login")


class Pam:
    """libpam as an application uses it."""

    CONVERSATION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                                    ctypes.c_void_p)
    TTY = 3

    def __init__(self, service, name, tty=None):
        self.library = ctypes.CDLL("libpam.so.0")
        self.handle = ctypes.c_void_p()

        class Conversation(ctypes.Structure):
            _fields_ = [("function", self.CONVERSATION), ("data", ctypes.c_void_p)]

        self.conversation = Conversation(self.CONVERSATION(lambda *_: 19), None)
        self.library.pam_start(service.encode(), name.encode(), ctypes.byref(self.conversation),
                               ctypes.byref(self.handle))
        if tty:
            self.library.pam_set_item(self.handle, self.TTY, ctypes.c_char_p(tty.encode()))

    def open(self):
        return self.library.pam_open_session(self.handle, 0)

    def close(self):
        self.library.pam_close_session(self.handle, 0)
        self.library.pam_end(self.handle, 0)


def what_is_not_a_login():
    """services without a user at a terminal are not registered"""
    user("worker")
    for service, tty in ("cron", "cron"), ("atd", "atd"), ("systemd-user", None):
        small_stack(service, SESSION_LINE)
        session = Pam(service, "worker", tty)
        tap.equal((session.open(), tmoutd.registered()), (0, []), f"{service}: not registered")
        session.close()
    small_stack("login", SESSION_LINE)
    # In a process that ends, as login(1) does: tmoutd writes the record of one that
    # goes on again.
    login = os.fork()
    if login == 0:
        session = Pam("login", "worker", "/dev/tty9")
        was_registered = session.open() == 0 and tmoutd.registered() == [os.getpid()]
        session.close()
        os._exit(0 if was_registered and tmoutd.registered() == [] else 1)
    tap.equal(os.waitpid(login, 0)[1], 0, "login: is registered, and removed again")


def login_at_a_terminal():
    """login(1) is watched, too"""
    wire("login")
    for name in "desk", "stubborn", "typist":
        user(name, groups=["console"])

    def idle(name):
        with Terminal(["login", "-f", name]) as session:
            session.wait_prompt()
            if name == "typist":
                return keep(session, "xyz")
            if name == "stubborn":
                session.type("trap '' HUP; echo rea''dy; exec sleep 1000")
                session.wait("ready")
            start = time.monotonic()
            session.wait_end()
            return time.monotonic() - start

    names = ["desk", "stubborn", "typist"]
    results = side_by_side(idle, names)
    for name, sec in zip(names[:2], results):
        tap.ok(not isinstance(sec, Exception) and sec < LIMIT_SEC + LATE_SEC,
               f"{name}: ended", str(sec))
        tap.matches("".join(tmoutd.cut(name)), r" address=local service=login terminal=pts/\d+ ",
                    f"{name}: logged with address, service and terminal")
    tap.ok(results[2] is True, "typist: not disconnected", str(results[2]), *tmoutd.cut("typist"))
    wait_until(lambda: not tmoutd.registered())
    tap.ok(True, "the registry is empty")


def nothing_went_wrong():
    """tmoutd is still running, and has logged no error"""
    tap.ok(tmoutd.alive(), "it is still running")
    tap.equal(syslog.settled(0, r"^(err|crit|alert|emerg) tmoutd\["), [], "no errors in the log")


setup(POLICY)
tmoutd.start()
tap.run(users_at_work, notices, tmux_and_back, jobs_that_stay, one_of_several_sessions,
        limits_of_users_and_groups, policy_that_changes, su_and_sudo_inside, what_is_not_a_login,
        login_at_a_terminal, nothing_went_wrong)
