#!/usr/bin/python3
"""Ways to stay logged in while nobody is there: none outlasts the limit.

Each way is tried by a user of its own, all at the same time. A way counts as
tried only once its trick is in place, and as ended only if the client has ended
and the log says that tmoutd ended it.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import own, user
from host.client import KEY, ssh_command, terminal
from host.commands import must, side_by_side
from host.files import read, write
from host.setup import setup
from host.syslog import syslog
from host.tap import tap
from host.tmoutd import tmoutd
from host.waiting import GUARD_SEC, wait_until
from host.connections import (
    ASKED_BY_CLIENT, ASKED_BY_SSHD, ECHO_PATH, ECHO_PORT, NO_SESSION, SFTP_SERVER,
    connect_over_socks, connect_to_echo, start_asking_sshd, start_echo)

DISCONNECT_SEC = 9
NOTTY_SEC = 5
MAX_SESSION_SEC = 30
# The promise: the kernel records input every eight seconds, and a hang-up takes
# several steps.
LATE_SEC = 10
# If the terminal's times are changed, there is a grace period.
FORGED_SEC = 30

POLICY = f"""
default {{
    disconnect = {DISCONNECT_SEC}s
    disconnect_notty = {NOTTY_SEC}s
    warn = 2s
}}
group "output" {{
    activity = any
}}
group "hard" {{
    max_session = {MAX_SESSION_SEC}s
}}
"""

PROGRAMS = "/usr/local/lib/ways"
PYTHON = "/usr/bin/python3"
READY = "echo rea''dy"  # so that the echo of what is typed is not the sign
SIGN = r"ready\r*\n"
HELD = "exec sleep 1000"
XTERM = {"TERM": "xterm"}

# Limits how many log in at the same time, which is what keeps the machine busy.
door = threading.Semaphore(5)


@dataclass
class Way:
    """A trick: what is typed, and what the screen shows once it is in place (sign).
    Without a sign, a shell has to answer a question."""
    name: str
    lines: tuple = ()
    sign: str = ""
    shell: str = "bash"
    command: tuple = ()
    options: tuple = ()
    keys: str = ""          # typed once it is in place
    env: dict = field(default_factory=dict)
    groups: tuple = ()
    files: dict = field(default_factory=dict)  # in the home directory
    program: str = ""       # it has to be installed
    late_sec: int = LATE_SEC
    forged: int | None = 0  # how often tampering is logged; None: either way


PROGRAM_TEXTS = {
    "deaf": """
import os, signal, sys, termios, time, tty
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        pass
tty.setraw(0)
os.write(1, b"ready\\r\\n")
while True:
    try:
        os.read(0, 1)
    except OSError:
        pass
    time.sleep(0.5)
""",
    "blocked": """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
os.write(1, b"ready\\n")
while True:
    signal.sigwait([signal.SIGHUP, signal.SIGTERM, signal.SIGCONT])
""",
    "reopen": """
import os, signal, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
path = os.ttyname(0)
os.write(1, b"ready\\n")
while True:
    try:
        os.write(1, b"")
        os.tcgetpgrp(0)
    except OSError:
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
            for number in 0, 1, 2:
                os.dup2(fd, number)
            os.close(fd)
        except OSError:
            pass
    time.sleep(0.05)
""",
    "without": """
import fcntl, os, signal, termios, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
fcntl.ioctl(0, termios.TIOCNOTTY)
os.write(1, b"ready\\n")
while True:
    time.sleep(1000)
""",
    "handed": """
import fcntl, os, signal, termios, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
fcntl.ioctl(0, termios.TIOCNOTTY)
if os.fork() == 0:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.write(1, b"ready\\n")
while True:
    time.sleep(1000)
""",
    "alone": """
import fcntl, os, termios, time
fcntl.ioctl(0, termios.TIOCEXCL)
os.write(1, b"ready\\n")
time.sleep(1000)
""",
    "discipline": """
import fcntl, os, struct, termios, time
os.write(1, b"ready\\n")
for number in 27, 0:  # the one that reads nothing, if the kernel has it
    try:
        fcntl.ioctl(0, termios.TIOCSETD, struct.pack("i", number))
        break
    except OSError:
        pass
time.sleep(1000)
""",
    "spawn": """
import pty
pty.spawn(["bash", "--norc"])
""",
    "master": """
import os, time
master, slave = os.openpty()
os.write(1, b"ready\\n")
while True:
    os.write(master, b"typed\\n")
    os.read(slave, 100)
    time.sleep(1)
""",
    "fork": """
import os, signal, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        os.write(1, b"ready\\n")
    else:
        os._exit(0)
while True:
    time.sleep(1000)
""",
    "hop": """
import os, signal, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.write(1, b"ready\\n")
if os.fork() > 0:
    while True:
        time.sleep(1000)
while True:
    if os.fork() > 0:
        os._exit(0)
    time.sleep(0.2)
""",
    "sessions": """
import os, signal, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.write(1, b"ready\\n")
if os.fork() > 0:
    while True:
        time.sleep(1000)
while True:
    if os.fork() > 0:
        os._exit(0)
    os.setsid()
    time.sleep(0.05)
""",
    # The child borrows the parent's memory, and the parent waits for it, for ever.
    "vfork": """
import ctypes, os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
libc = ctypes.CDLL(None)
if libc.syscall(58) == 0:
    os.write(1, b"ready\\n")
    while True:
        libc.pause()
""",
    # /proc/PID/fd is that of the first thread, which is gone, or has other files.
    "thread": """
import ctypes, os, signal, sys, threading, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
libc = ctypes.CDLL(None)
def stay():
    if sys.argv[1] == "files":
        assert libc.unshare(0x400) == 0
    time.sleep(1)
    os.write(1, b"ready\\n")
    while True:
        time.sleep(1000)
def live():
    threading.Thread(target=stay).start()
    time.sleep(0.5)
    if sys.argv[1] == "files":
        os.closerange(0, 100)
        while True:
            time.sleep(1000)
    libc.syscall(60, 0)
if os.fork() == 0:
    live()
while True:
    time.sleep(1000)
""",
    # The terminal by another name, in a mount namespace of the user's own.
    "alias": """
import os, signal, subprocess, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
open("/tmp/alias", "w").close()
subprocess.run(["mount", "--bind", os.ttyname(0), "/tmp/alias"], check=True)
if os.fork() == 0:
    fd = os.open("/tmp/alias", os.O_RDWR | os.O_NOCTTY)
    for number in 0, 1, 2:
        os.dup2(fd, number)
    os.close(fd)
    os.write(1, b"ready\\n")
while True:
    time.sleep(1000)
""",
    "modes": """
import os, signal, subprocess, sys, termios, time
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
cooked = termios.tcgetattr(0)
keys = termios.tcgetattr(0)
keys[3] &= ~termios.ICANON
os.write(1, b"ready\\n")
while True:
    for mode in keys, cooked:
        termios.tcsetattr(0, termios.TCSANOW, mode)
        time.sleep(float(sys.argv[1]))
""",
    "tick": """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
while True:
    now = os.fstat(fd)
    os.fchmod(fd, now.st_mode & 0o777 ^ 0o20)
    time.sleep(0.0006)  # for a sample right after the change
    os.utime(fd, ns=(int(time.time()) * 10**9, now.st_mtime_ns))
    time.sleep(2)
""",
    "files": """
import os, resource, signal, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
null = os.open("/dev/null", os.O_RDWR)
for number in range(100, min(most, 20000)):
    os.dup2(null, number)
for _ in range(10):
    if os.fork() == 0:
        time.sleep(1000)
os.write(1, b"ready\\n")
time.sleep(1000)
""",
    "times": """
import os, sys, time
path, ahead_sec, pause_sec = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
while True:
    now = os.stat(path)
    at = int((time.time() + ahead_sec)) * 10**9 + now.st_atime_ns % 10**9
    os.utime(path, ns=(at, at))
    time.sleep(pause_sec)
""",
    "stuff": """
import fcntl, os, termios, time, tty
tty.setcbreak(0)
os.write(1, b"ready\\r\\n")
while True:
    fcntl.ioctl(0, termios.TIOCSTI, b"x")
    os.read(0, 1)
    time.sleep(1)
""",
    "asks": """
import os, time, tty
tty.setraw(0)
os.write(1, b"ready\\r\\n")
while True:
    os.write(1, b"where am I? \\x1b[6n\\r\\n")
    os.read(0, 100)
    time.sleep(1)
""",
    "sips": """
import os, time, tty
tty.setraw(0)
os.write(1, b"ready\\r\\n")
while True:
    os.read(0, 1)
    time.sleep(1)
""",
}


def run_program(name, *arguments):
    return " ".join([PYTHON, f"{PROGRAMS}/{name}.py", *arguments])


def typed(name, *lines, **more):
    """Lines for the shell, which prints the sign when everything is ready."""
    return Way(name, lines=tuple(lines), sign=more.pop("sign", SIGN), **more)


def program(name, which, *arguments, **more):
    return typed(name, "exec " + run_program(which, *arguments), **more)


def forging(name, command, forged=1, **more):
    """Forges times, once or in the background; the foreground reads nothing. By then
    tmoutd has taken its first sample, before which forged times pass for real."""
    end = "" if command.endswith("&") else ";"
    return typed(name, f"T=$(tty); sleep 5; {command}{end} {READY}; {HELD}", forged=forged,
                 late_sec=LATE_SEC + FORGED_SEC, **more)


IN_PLACE_OF_LOGIN = "exec </dev/tty >/dev/tty 2>&1\necho ready\nexec bash --norc -i\n"
NESTED = ("exec ssh -i ~/.ssh/inner -o StrictHostKeyChecking=no -o LogLevel=ERROR "
          "-o UserKnownHostsFile=/dev/null 127.0.0.1")

AT_THE_PROMPT = [Way(f"{shell} at its prompt", shell=shell, program=shell)
                 for shell in ("bash", "zsh", "ksh93", "mksh", "tcsh", "dash", "ash", "fish",
                               "yash", "posh")]

OTHER_SHELLS = [
    Way("exec bash without the limit", ("exec env -u TMOUT -u PAM_TMOUT bash --norc",)),
    Way("ssh -t host bash --norc", command=("bash --norc --noprofile",)),
    Way("ssh -t host dash", command=("dash",)),
    Way("ssh -t host python3", command=(PYTHON,), sign=r">>> \Z"),
    Way("exec dash in ~/.profile", files={".profile": "exec dash\n"}),
    Way("exec zsh -f in ~/.bashrc", files={".bashrc": "exec zsh -f\n"}, program="zsh"),
    Way("a shell in ~/.ssh/rc", sign=SIGN, files={".ssh/rc": IN_PLACE_OF_LOGIN}),
    Way("a shell in ~/.bash_logout", ("logout",), SIGN,
        files={".bash_logout": "echo ready\nexec bash --norc -i\n"}),
    typed("a script from /dev/tty", f"{READY}; . /dev/tty"),
    Way("vi mode", ("set -o vi",)),
    typed("a nested shell of sudo", "sudo -s", READY),
    typed("sudo -s in place of the shell", "exec sudo -s", READY),
    Way("an ssh to the same host", (NESTED,), files={".ssh/inner": "KEY"}),
    typed("tmux with a command", "exec tmux new 'echo rea\"\"dy; exec sleep 1000'",
          program="tmux", env=XTERM),
    typed("screen with a command", "exec screen sh -c 'echo rea\"\"dy; exec sleep 1000'",
          program="screen", env=XTERM),
    Way("script", ("exec script -q /dev/null",), program="script"),
    Way("a terminal that python creates", ("exec " + run_program("spawn"),), r"bash-[\d.]+\$ \Z"),
    typed("processes in a PID namespace", "exec sudo unshare --pid --fork sh -c "
          f"\"trap '' HUP; {READY}; exec sleep 1000\"", program="unshare"),
]

IN_FRONT = [
    Way("vim", ("exec vim -u NONE /etc/passwd",), "root:x:0", env=XTERM, program="vim"),
    Way("vi of busybox", ("exec busybox vi /etc/passwd",), "root:x:0", env=XTERM),
    Way("less", ("exec less /etc/passwd",), "root:x:0", env=XTERM),
    Way("man", ("exec man ls",), "NAME", env=XTERM, program="man"),
    Way("top", ("exec top -d 1",), "load average", env=XTERM, program="top"),
    typed("cat", f"{READY}; exec cat"),
    typed("sleep", f"{READY}; sleep 1000"),
    typed("a loop of sleeps", f"{READY}; while sleep 1; do :; done"),
    typed("wait", f"sleep 1000 & {READY}; wait"),
    typed("read -t", f"{READY}; while read -t 9999 line; do :; done"),
    typed("reading a pipe that nobody writes to", f"mkfifo f; {READY}; exec 5<>f; read line <&5"),
    typed("a command that is stopped", f"sleep 1000 & kill -STOP $!; {READY}; wait"),
    typed("ed", f"{READY}; exec ed", program="ed"),
    typed("perl", f"{READY}; exec perl -e 'sleep 1 while 1'", program="perl"),
    typed("a password prompt of a setuid program", "exec passwd", sign="assword: "),
    typed("su, waiting for a password", "exec su root", sign="assword: "),
    typed("a setuid program owned by root", f"{READY}; exec sudo sleep 1000"),
]

AGAINST_THE_HANG_UP = [
    typed("trap '' HUP", f"trap '' HUP; {READY}; sleep 1000"),
    typed("trap '' HUP TERM, then exec", f"trap '' HUP TERM; {READY}; {HELD}"),
    typed("trap exec EXIT", "trap 'exec bash --norc </dev/tty' EXIT", READY),
    typed("trap exec HUP", "trap 'exec sleep 1000' HUP", READY),
    typed("kill -STOP $$", f"{READY}; kill -STOP $$"),
    typed("stopped over and over", "(while kill -STOP $$; do sleep 0.2; done) &", sign=r"\[1\]"),
    # 9: sshd gives up a terminal that nobody has open, if only for a moment.
    typed("nohup of a shell", "exec nohup sh -c 'exec <&9 >&9 2>&9; echo rea\"\"dy; "
          "exec bash --norc -i' 9<>/dev/tty"),
    typed("nohup sleep in front", f"{READY}; exec nohup sleep 1000"),
    typed("setsid that keeps the terminal", f"setsid sleep 1000 & {READY}; {HELD}"),
    program("a double fork that keeps the terminal", "fork"),
    program("one process after the other", "hop"),
    program("keys taken raw, all signals ignored", "deaf"),
    program("all signals blocked", "blocked"),
    program("the terminal reopened after the hang-up", "reopen"),
    program("the terminal given up, hang-up ignored", "without"),
    program("the terminal handed to another session", "handed"),
    program("TIOCEXCL", "alone"),
    program("another line discipline", "discipline"),
    program("a terminal of its own that it types into", "master"),
    program("an absurd number of open files", "files"),
    program("one session after the other", "sessions"),
    program("a parent that waits for vfork(2)", "vfork"),
    program("a process whose first thread has ended", "thread", "ended"),
    program("a thread with files of its own", "thread", "files"),
    # sudo: a throw-away host has no user namespaces.
    typed("the terminal by another name", "exec sudo unshare --mount " + run_program("alias"),
          program="unshare"),
    typed("a terminal with mode 000", f"chmod 000 $(tty); {READY}; {HELD}",
          late_sec=LATE_SEC + FORGED_SEC),
    typed("nothing open", f"{READY}; exec sleep 1000 <&- >&- 2>&-"),
    typed("traced", f"exec strace -o /dev/null sh -c \"trap '' HUP; {READY}; sleep 1000\"",
          program="strace"),
]

NOISE = [
    Way("output stopped with Ctrl-S", ("while :; do echo out; sleep 0.1; done",),
        r"(?s)out\r\n.*out\r\n", keys="\x13"),
    typed("endless output", f"{READY}; while :; do date; sleep 0.05; done"),
    typed("output in the background", f"(while sleep 1; do date; done) & {READY}"),
    typed("no output at all, where output counts", f"{READY}; {HELD}", groups=("output",)),
    program("half a line, and the mode changed back and forth", "modes", "0.7", keys="half a line"),
    # The byte was typed, and so answers a notice, once.
    program("a byte that lines do not count, and the same", "modes", "1.3", keys="\0",
            late_sec=LATE_SEC + DISCONNECT_SEC),
    typed("a line that no program reads", f"{READY}; {HELD}", keys="a line\r"),
]

FORGED = [
    forging("touch -a, once", "touch -a $T"),
    forging("touch -a, in a loop", "(while touch -a $T; do sleep 1; done) &"),
    forging("touch -a, without a pause", "(while touch -a $T; do sleep 0.1; done) &"),
    forging("touch -a, now and then", "(while sleep 2; do touch -a $T; sleep 4; done) &"),
    forging("touch to the past", "touch -d 2001-01-01 $T"),
    forging("touch to the past, in a loop", "(while touch -d 2001-01-01 $T; do sleep 2; done) &"),
    forging("touch to the future", "touch -d 2037-01-01 $T"),
    forging("touch to the future, in a loop",
            "(while touch -a -d 2037-01-01 $T; do sleep 1; done) &"),
    forging("touch to a minute ahead", "touch -a -d '+1 minute' $T"),
    forging("utimensat in the background", f"{run_program('times', '$T', '0', '0.3')} &"),
    forging("utimensat, a little ahead", f"{run_program('times', '$T', '9', '3')} &"),
    forging("touch by way of /proc", "(while sleep 1; do touch -a /proc/$$/fd/0; done) &"),
    forging("in the same tick as a chmod", f"{run_program('tick', '$T')} &", forged=None),
    forging("forged output, where output counts", "(while touch -m $T; do sleep 1; done) &",
            groups=("output",)),
    forging("chmod and touch in a loop",
            "(while chmod 600 $T && touch -a $T && chmod 620 $T; do sleep 0.5; done) &",
            forged=None),
    forging("chmod and back, with touch", "(while sleep 1; do chmod g-w $T; touch -a $T; "
            "sleep 1; chmod g+w $T; touch -a $T; done) &", forged=None),
    forging("chmod in a loop", "(while sleep 1; do chmod g-w $T; sleep 1; chmod g+w $T; done) &",
            forged=0),
    forging("mesg in a loop",
            "(while sleep 1; do mesg n; sleep 1; mesg y; done) 2>/dev/null &", forged=0),
]

WAYS = (AT_THE_PROMPT + OTHER_SHELLS + IN_FRONT + AGAINST_THE_HANG_UP + NOISE + FORGED)
# To try some of them alone: an expression that matches their names.
CHOSEN = os.environ.get("WAYS", "")
WAYS = [way for way in WAYS if re.search(CHOSEN, way.name)]

DEAF = "trap '' HUP TERM; echo ready; while sleep 1000; do :; done"
# Commands of logins without a terminal.
WITHOUT_TERMINAL = {
    "ssh -T": (["echo ready; exec bash"], [], "ssh"),
    "ssh -T bash -i": (["echo ready; exec bash -i"], [], "ssh"),
    "ssh host sleep": (["echo ready; exec sleep 1000"], [], "ssh"),
    "ssh host cat": (["echo ready; exec cat"], [], "ssh"),
    "a command that ignores signals": ([DEAF], [], "ssh"),
    "a command that is stopped": (["echo ready; kill -STOP $$"], [], "ssh"),
    "an orphan that holds the pipe": (["echo ready; setsid sleep 1000 & exit"], [], "ssh"),
    "script without a terminal": (["echo ready; script -qc 'sleep 1000' /dev/null"], [], "ssh"),
    "sudo without a terminal": (["echo ready; exec sudo sleep 1000"], [], "ssh"),
    "ssh -N": ([], ["SessionType=none"], "ssh"),
    "ssh -N with a forwarding": ([], ["SessionType=none", "DynamicForward=127.0.0.1:1080"], "ssh"),
    "an idle sftp": ([], ["BatchMode=no"], "sftp"),
}


# --- connections that are kept alive -------------------------------------------

ASKED = {"by the client": ASKED_BY_CLIENT, "by sshd": ASKED_BY_SSHD}


def leave_open(_name, port):
    return connect_to_echo(port)


def leave_open_over_socks(_name, port):
    return connect_over_socks(port)


def leave_behind(name, port):
    """A session over this connection, which ends."""
    path = f"/run/control.{port}"
    wait_until(lambda: os.path.exists(path))
    must(*ssh_command(name, "true", options=[f"ControlPath={path}"]))


# PORT is replaced by a port of their own.
QUIET = {
    "ssh -N": ([], NO_SESSION, "ssh"),
    "ssh -T cat": (["echo ready; exec cat"], [], "ssh"),
    "an orphan that holds the pipe": (["echo ready; setsid sleep 1000 & exit"], [], "ssh"),
    "an idle sftp, in sshd": ([], ["BatchMode=no"], "sftp"),
    "an idle sftp-server": ([f"echo ready; exec {SFTP_SERVER}"], [], "ssh"),
    "ssh -D": ([], [*NO_SESSION, "DynamicForward=127.0.0.1:PORT"], "ssh"),
    "ssh -R": ([], [*NO_SESSION, f"RemoteForward=127.0.0.1:PORT 127.0.0.1:{ECHO_PORT}"], "ssh"),
    "ssh -L and a connection left open": (
        [], [*NO_SESSION, f"LocalForward=127.0.0.1:PORT 127.0.0.1:{ECHO_PORT}"], "ssh",
        leave_open),
    "ssh -L of a socket, left open": (
        [], [*NO_SESSION, f"LocalForward=127.0.0.1:PORT {ECHO_PATH}"], "ssh", leave_open),
    "ssh -D and a connection left open": (
        [], [*NO_SESSION, "DynamicForward=127.0.0.1:PORT"], "ssh", leave_open_over_socks),
    "ssh -R and a connection left open": (
        [], [*NO_SESSION, f"RemoteForward=127.0.0.1:PORT 127.0.0.1:{ECHO_PORT}"], "ssh",
        leave_open),
    "a master connection left behind": (
        [], [*NO_SESSION, "ControlMaster=yes", "ControlPath=/run/control.PORT"], "ssh",
        leave_behind),
}


def kept_alive():
    """All of these with keep-alives of either side: the arguments of
    stay_without_terminal(), by title."""
    ways, port = {}, 6000
    for title, (arguments, options, which, *then) in QUIET.items():
        for asked, more in ASKED.items():
            own = [option.replace("PORT", str(port)) for option in options]
            ways[f"{title}, asked {asked}"] = (arguments, own + more, which, port, *then)
            port += 1
    return ways


# --- a login of each kind ------------------------------------------------------

def accounts():
    """A user for each way, all created before anybody logs in."""
    for number, way in enumerate(WAYS):
        if not installed(way):
            continue
        user(f"way{number}", way.shell, way.groups)
        for path, text in way.files.items():
            text = read(KEY) if text == "KEY" else text
            write(f"/home/way{number}/{path}", text, 0o600)
        if way.files:
            own(f"way{number}")


def installed(way):
    return not way.program or shutil.which("busybox" if way.program == "ash" else way.program)


def put_in_place(session, way):
    """Returns the time of the last activity."""
    if not way.command and not way.sign:
        session.wait_prompt()
    for line in way.lines:
        session.type(line)
    if way.sign:
        session.wait(way.sign)
    else:
        session.ask("$HOME")
    start = time.monotonic()
    session.press(way.keys)
    return start


def stay(name, way):
    """How long the client lasted after that, in seconds."""
    with door:
        session = terminal(name, *way.command, options=way.options, env=way.env)
        try:
            start = put_in_place(session, way)
        except BaseException:
            session.close()
            raise
    with session:
        # Longer than allowed, so that a failure shows how late it was.
        session.wait_end(DISCONNECT_SEC + way.late_sec + 2 * LATE_SEC)
        return time.monotonic() - start


def stay_without_terminal(name, arguments, options, which, port=0, then=None):
    """The same for a client without a terminal; its input stays open. sftp notices
    the end of the connection only when it uses it."""
    connection = None
    with door:
        mark = syslog.mark()
        client = subprocess.Popen(
            ssh_command(name, *arguments, program=which, options=options),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if arguments:
            client.stdout.readline()
        else:
            syslog.wait(f"session opened for user {name}[(]", mark)
        if then:
            connection = then(name, port)
        start = time.monotonic()
    try:
        if which == "sftp":
            syslog.wait(f"session closed for user {name}$", mark)
        else:
            client.wait(NOTTY_SEC + 3 * LATE_SEC)
        return time.monotonic() - start
    finally:
        client.kill()
        if connection:
            connection.close()


def report(name, who, lived, limit_sec, late_sec):
    """A way fails if the client ended late, or if it was not tmoutd that ended it."""
    cuts = tmoutd.cut(who)
    in_time = not isinstance(lived, Exception) and lived <= limit_sec + late_sec
    tap.ok(in_time and cuts, f"{name}: ended",
           f"ended after {lived} s" if not isinstance(lived, Exception) else str(lived)[-1000:],
           f"allowed are {limit_sec} + {late_sec} s", *cuts)


def every_way():
    """no session outlasts the limit, whatever runs in a terminal or without one"""
    accounts()
    start_echo()
    start_asking_sshd()
    without = {name: way for name, way in (WITHOUT_TERMINAL | kept_alive()).items()
               if re.search(CHOSEN, name)}
    people = [(f"way{number}", way) for number, way in enumerate(WAYS) if installed(way)]
    others = [(f"none{number}", *way) for number, way in enumerate(without.values())]
    for name, *_ in others:
        user(name)
    everybody = ([(stay, *one) for one in people]
                 + [(stay_without_terminal, *one) for one in others])
    lived = side_by_side(lambda one: one[0](*one[1:]), everybody)
    for (name, way), sec in zip(people, lived):
        report(way.name, name, sec, DISCONNECT_SEC, way.late_sec)
    for (name, *_), title, sec in zip(others, without, lived[len(people):]):
        report(title, name, sec, NOTTY_SEC, LATE_SEC)
    for way in WAYS:
        if not installed(way):
            tap.skip(way.name, f"not applicable: {way.program} is not installed")


def forgers_are_logged():
    """forged times are logged once per terminal, changed modes are not"""
    for number, way in enumerate(WAYS):
        logged = syslog.settled(0, rf"terminal times were forged.* user=way{number} ")
        if way.forged is not None and installed(way):
            tap.equal(len(logged), way.forged, f"{way.name}: tampering logged {way.forged} times")


def over_one_connection():
    """neither the second session of a connection nor the connection itself gets around the limit"""
    user("sharer")
    path = "ControlPath=/root/control"
    master = subprocess.Popen(
        ssh_command("sharer", options=["ControlMaster=yes", path, "SessionType=none"]),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists("/root/control"))
    with terminal("sharer", options=[path]) as session:
        start = put_in_place(session, typed("", f"trap '' HUP; {READY}; sleep 1000"))
        session.wait_end()
        report("a second session", "sharer", time.monotonic() - start, DISCONNECT_SEC, LATE_SEC)
    start = time.monotonic()
    master.wait(GUARD_SEC)
    tap.ok(time.monotonic() - start < NOTTY_SEC + LATE_SEC,
           "the connection that remains: ended")


def open_terminals(path, until):
    """One a second, each for a short time, as long as the connection lasts."""
    clients = []
    while not until.wait(1):
        clients.append(subprocess.Popen(
            ssh_command("opener", "sleep 2.5", options=["RequestTTY=force", path]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    for client in clients:
        client.kill()
        client.wait()


def too_old_in_spite_of_terminals():
    """max_session ends a connection on which terminals come and go"""
    user("opener", groups=["hard"])
    path = "ControlPath=/root/opener"
    start = time.monotonic()
    master = subprocess.Popen(
        ssh_command("opener", "while sleep 1; do date; done",
                    options=["ControlMaster=yes", path]),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists("/root/opener"))
    ended = threading.Event()
    opener = threading.Thread(target=open_terminals, args=(path, ended))
    opener.start()
    try:
        master.wait(MAX_SESSION_SEC + 3 * LATE_SEC)
        report("a job, while terminals come and go", "opener", time.monotonic() - start,
               MAX_SESSION_SEC, LATE_SEC)
    except subprocess.TimeoutExpired as late:
        report("a job, while terminals come and go", "opener", late, MAX_SESSION_SEC, LATE_SEC)
    finally:
        ended.set()
        opener.join()
        master.kill()


def root_is_covered():
    """root: sshd has one process less"""
    os.makedirs("/root/.ssh", exist_ok=True)
    write("/root/.ssh/authorized_keys", read(KEY + ".pub"), 0o600)
    way = typed("", f"trap '' HUP; {READY}; sleep 1000")
    lived = [stay("root", way),
             stay_without_terminal("root", ["echo ready; exec sleep 1000"], [], "ssh"),
             stay_without_terminal("root", [], ["SessionType=none"], "ssh")]
    limits = [DISCONNECT_SEC, NOTTY_SEC, NOTTY_SEC]
    for name, sec, limit in zip(["a terminal", "a command", "ssh -N"], lived, limits):
        report(f"root: {name}", "root", sec, limit, LATE_SEC)


# --- what looks like a user at work -----------------------------------------

def typing_by_itself(session):
    """The client's side types, as automation does."""
    while not session.ended_within(2):
        try:
            session.press("x")
        except OSError:
            return


def answers(session):
    """A terminal emulator reports the position of its cursor."""
    answered = 0
    while not session.ended_within(0.5):
        asked = session.screen.count("where am I?")
        if asked > answered:
            session.press("\x1b[1;1R")
            answered = asked


def nothing(session):
    """Does nothing more."""
    session.wait_end()


LIKE_A_USER = {
    "keys typed by the client's own automation": ("sips", "", typing_by_itself),
    "answers of a terminal emulator": ("asks", "", answers),
    "keys typed long before and read one by one": ("sips", "x" * 1000, nothing),
    "TIOCSTI": ("stuff", "", nothing),
}


def outlast(name, which, keys, then):
    """How long a session lasted that looks like a user at work."""
    way = program("", which, keys=keys, groups=("hard",))
    with terminal(name) as session:
        opened = time.monotonic()
        put_in_place(session, way)
        then(session)
        return time.monotonic() - opened


def like_a_user():
    """what looks like a user at work counts as one, until max_session"""
    stuffing = read("/proc/sys/dev/tty/legacy_tiocsti").strip() \
        if os.path.exists("/proc/sys/dev/tty/legacy_tiocsti") else "1"
    ways = {name: way for name, way in LIKE_A_USER.items()
            if name != "TIOCSTI" or stuffing == "1"}
    if stuffing != "1":
        tap.skip("TIOCSTI", "not applicable: dev.tty.legacy_tiocsti is off")
    people = [f"like{number}" for number in range(len(ways))]
    for name in people:
        user(name, groups=["hard"])
    lived = side_by_side(outlast, people, *zip(*ways.values()))
    for name, title, sec in zip(people, ways, lived):
        if isinstance(sec, Exception):
            tap.ok(False, title, sec)
            continue
        tap.ok(sec > DISCONNECT_SEC + LATE_SEC, f"{title}: not seen as idle", f"lived {sec} s")
        tap.ok(sec <= MAX_SESSION_SEC + LATE_SEC, f"{title}: ended by max_session",
               f"lived {sec} s")
        tap.matches("\n".join(tmoutd.cut(name)), " limit=30s setting=max_session ",
                    f"{title}: logged")


def nothing_went_wrong():
    """tmoutd still runs, and has logged no error"""
    tap.ok(tmoutd.alive(), "it still runs")
    tap.equal(syslog.settled(0, r"^(err|crit|alert|emerg) tmoutd\["), [], "no errors in the log")
    wait_until(lambda: not tmoutd.registered())
    tap.ok(True, "the registry gets empty")


setup(POLICY)
for program_name, program_text in PROGRAM_TEXTS.items():
    write(f"{PROGRAMS}/{program_name}.py", program_text.lstrip())
os.makedirs("/run/screen", exist_ok=True)
os.chmod("/run/screen", 0o1777)
write("/etc/sudoers.d/everybody", "ALL ALL=(ALL) NOPASSWD: ALL\n", 0o440)
tmoutd.start()
tap.run(every_way, forgers_are_logged,
        *[] if CHOSEN else [over_one_connection, too_old_in_spite_of_terminals, root_is_covered,
                            like_a_user],
        nothing_went_wrong)
