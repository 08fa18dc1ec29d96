"""The demo's part about tmoutd: an idle session is disconnected, whatever runs
in it. For comparison, what sshd's ClientAlive does about idle users and about
clients that do not respond."""

import json
import shutil
import signal
import threading
import time

from host import product
from host.accounts import user
from host.client import terminal
from host.commands import must
from host.sshd import Sshd
from host.syslog import syslog
from host.tmoutd import tmoutd
from stage import expect, say, title

LIMIT_SEC, WARN_SEC = 12, 4
# The kernel updates the time of input every eight seconds, and a hangup takes
# several steps.
KERNEL_STEP_SEC = 8
LATE_SEC = KERNEL_STEP_SEC + 2
# With both ClientAlive options at 1, a client that does not respond is
# disconnected by then.
ALIVE_SEC = 8
ALIVE_PORT = 2200
ALIVE = "ClientAliveInterval 1\nClientAliveCountMax 1\n"

POLICY = f"""\
user "ida" {{
    disconnect = {LIMIT_SEC}s       # the session is ended, whatever runs in it
    warn       = {WARN_SEC}s        # this long after a notice
}}
"""

NOTICE = r"\*\*\* tmoutd: [^\r\n]* \*\*\*"
IN_FRONT = [("vim", "vim -u NONE /etc/passwd"), ("less", "less /etc/passwd"),
            ("cat", "cat /etc/passwd -")]


class Watch:
    """Prints what happens, with the seconds since the last input."""

    def __init__(self):
        self.start = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.start

    def say(self, text):
        say(f"  {self.seconds():5.1f} s  {text}")


def program_in_front():
    name, command = next(entry for entry in IN_FRONT if shutil.which(entry[0]))
    if name != IN_FRONT[0][0]:
        say(f"  ({IN_FRONT[0][0]} is not installed: using {name})")
    return name, command


def show_sessions():
    """Shows the command's output, and checks its numbers."""
    say("  # tmoutctl sessions")
    for line in must("tmoutctl", "sessions").splitlines():
        say(f"  {line}")
    say()
    rows = {row["user"]: row for row in json.loads(must("tmoutctl", "sessions", "--json"))}
    ends = {user: (row["setting"], row["limit"]) for user, row in rows.items()}
    expect("tmoutctl sessions", "what will end whose session", ends,
           {"ida": ("disconnect", LIMIT_SEC), "ann": (None, None), "bob": (None, None)})


class Stopped(threading.Thread):
    """A client that stops responding, like one that has lost its network."""

    def __init__(self, client, sshd, watch):
        super().__init__(daemon=True)
        self.client, self.sshd, self.watch, self.took_sec = client, sshd, watch, None

    def run(self):
        start = time.monotonic()
        self.client.process.send_signal(signal.SIGSTOP)
        self.watch.say("ann's client is stopped (SIGSTOP)")
        self.sshd.log.wait("Timeout, client not responding from user ann")
        self.took_sec = time.monotonic() - start
        self.watch.say("ClientAlive disconnected ann: the client did not respond")


def watch_ida(ida, watch):
    """Waits until ida is disconnected. Returns the seconds until the notice, and
    until the end."""
    notice = ida.wait(NOTICE, guard=LIMIT_SEC + LATE_SEC).group(0)
    noticed_sec = watch.seconds()
    watch.say("on ida's terminal, on top of the program:")
    say(f"           {notice}")
    expect("ida", "the time left in the notice",
           f" in {WARN_SEC}s. Press Enter to stay connected." in notice, True)
    ended = ida.ended_within(WARN_SEC + LATE_SEC)
    ended_sec = watch.seconds()
    watch.say("ida's session has ended" if ended else "ida's session goes on")
    expect("ida", "whether the session was ended", ended, True)
    return noticed_sec, ended_sec


def show_log(mark):
    cut = tmoutd.cut("ida", mark)
    say()
    say("  The log:")
    for line in cut:
        say(f"  {line.split(' ', 1)[1]}")
    expect("ida", "the number of lines in the log about the disconnect", len(cut), 1)
    for part in ("address=127.0.0.1", "service=sshd", "terminal=pts/", f"limit={LIMIT_SEC}s",
                 "setting=disconnect", f"rule={product.POLICY}:"):
        expect("ida", f"whether the log line has {part}", part in "".join(cut), True)


def step(who, what):
    say(f"  {who:<24}  {what}")


def show_alive(idle, stopped, watch):
    stopped.join(ALIVE_SEC)
    answers = idle.ask("$LOGNAME") == "bob"
    say()
    say("  For comparison, sshd with ClientAliveInterval 1 and ClientAliveCountMax 1:")
    step(f"bob, idle for {watch.seconds():.0f} s",
         "still logged in: the client responds by itself" if answers else "disconnected")
    step("ann, client stopped",
         f"disconnected after {stopped.took_sec:.1f} s" if stopped.took_sec else "still logged in")
    expect("ClientAlive", "whether an idle client stays", answers, True)
    expect("ClientAlive", f"whether it disconnects a stopped client within {ALIVE_SEC} s",
           stopped.took_sec is not None and stopped.took_sec <= ALIVE_SEC, True)


def show_hangup():
    """ann and bob are from the table above and have no `disconnect` limit."""
    title(f"An idle program: user ida has disconnect = {LIMIT_SEC}s")
    user("ida")
    name, command = program_in_front()
    sshd = Sshd(port=ALIVE_PORT)
    sshd.start(ALIVE)
    tmoutd.start()
    at_alive = {"options": [f"Port={ALIVE_PORT}"]}
    with terminal("bob", **at_alive) as bob, terminal("ann", **at_alive) as ann, \
            terminal("ida", env={"TERM": "xterm"}) as ida:
        for client in bob, ann, ida:
            client.ask("$HOME")
        say(f"  ida has logged in and opens {name}. bob and ann have no `disconnect` limit and are")
        say("  logged in through another sshd, which has ClientAlive. Nobody types anything.")
        say("  The kernel notes input on a terminal at most once in eight seconds, and tmoutd")
        say(f"  disconnects nobody too early: {LIMIT_SEC} s may become {LIMIT_SEC + KERNEL_STEP_SEC}.")
        say()
        mark = syslog.now()
        ida.type(command)
        watch = Watch()
        ida.wait("root:x:0")
        show_sessions()
        stopped = Stopped(ann, sshd, watch)
        stopped.start()
        noticed_sec, ended_sec = watch_ida(ida, watch)
        show_log(mark)
        show_alive(bob, stopped, watch)
    expect("ida", "whether the session ended in time",
           LIMIT_SEC - 1 <= ended_sec <= LIMIT_SEC + LATE_SEC, True)
    expect("ida", "whether the notice came in time",
           WARN_SEC - 1 <= ended_sec - noticed_sec <= WARN_SEC + LATE_SEC - KERNEL_STEP_SEC, True)
    tmoutd.stop()
    sshd.stop()
