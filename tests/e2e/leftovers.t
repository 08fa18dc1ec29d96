#!/usr/bin/python3
"""What a login leaves behind: kept, watched, or ended with it, as the policy says.
Each way is tried by a user of its own, all at the same time, beside one who is at work."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import ssh, ssh_command, terminal
from host.commands import run, side_by_side
from host.setup import setup
from host.syslog import syslog
from host.tap import tap
from host.terminal import Terminal
from host.tmoutd import tmoutd
from host.waiting import GUARD_SEC, Stuck, wait_until

LIMIT_SEC = 8
AGE_SEC = 25
LATE_SEC = 15  # what the kernel records in steps of eight seconds, and several steps of an end
PAUSE_SEC = 2
UTF8 = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm"}

POLICY = f"""
default {{
    disconnect = {LIMIT_SEC}s
    warn = none
}}
group "end" {{
    leftovers = end
}}
group "watch" {{
    leftovers = watch
}}
group "old" {{
    disconnect = none
    leftovers = watch
    max_session = {AGE_SEC}s
}}
"""

PRIVATE_SSHD = """mkdir -p d && ssh-keygen -q -t ed25519 -N '' -f d/key && cp .ssh/authorized_keys d/a &&
    $(command -v sshd || echo /usr/sbin/sshd) -f /dev/null -h $PWD/d/key -p {port} -o ListenAddress=127.0.0.1 \\
    -o AuthorizedKeysFile=$PWD/d/a -o PidFile=none -o UsePAM=no -o StrictModes=no \\
    -o ClientAliveInterval=1 -o ClientAliveCountMax=1000"""

# Programs that outlive the login.
WITHOUT_TERMINAL = {
    "a nohup job": "nohup sleep 7001 >/dev/null 2>&1 &",
    "a daemon": "setsid -f sleep 7001 </dev/null >/dev/null 2>&1",
    "what ignores signals": "nohup setsid sh -c 'trap \"\" HUP TERM; while sleep 1; do :; done' "
                            "</dev/null >/dev/null 2>&1 &",
    "a stopped process": "nohup setsid sh -c 'kill -STOP $$; sleep 7001' </dev/null >/dev/null 2>&1 &",
    "what keeps starting others": "nohup setsid sh -c 'while :; do sh -c \"sleep 0.3; exit\" & sleep 0.02; "
                                  "done' </dev/null >/dev/null 2>&1 &",
}
# /proc/PID/fd shows nothing of what a thread with files of its own has open.
HIDING_THREAD = """
import ctypes, os, threading
def hide():
    assert ctypes.CDLL(None).unshare(0x400) == 0
    shell = os.forkpty()[0]
    if shell == 0:
        os.execlp("bash", "bash", "-i")
    os.waitpid(shell, 0)
threading.Thread(target=hide).start()
"""

WITH_TERMINAL = {
    "a thread with files of its own":
        f"setsid -f /usr/bin/python3 -c '{HIDING_THREAD}' </dev/null >/dev/null 2>&1",
    "tmux": "tmux new-session -d",
    "screen": "screen -dm",
    "dtach": "dtach -n d.socket bash",
    "script": "setsid -f script -qc 'sleep 7001' /dev/null </dev/null >/dev/null 2>&1",
    "mosh-server": "mosh-server new -s >/dev/null 2>&1",
}


def processes(name):
    """The user's processes, but those that have ended and were not waited for."""
    lines = run("ps", "-o", "stat=,pid=,args=", "-u", name).stdout.splitlines()
    return [line for line in lines if not line.startswith("Z") and "sshd: " not in line]


def leave(name, command):
    """Logs in, starts this, and logs out again."""
    result = ssh(name, f"export LANG=C.UTF-8 LC_ALL=C.UTF-8 TERM=xterm; {command}\nsleep 1; exit 0",
                 stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    if result.returncode != 0:
        raise Stuck(f"{name}: {result.returncode}")


def is_gone_in_time(name, limit_sec):
    begun = time.monotonic()
    while processes(name):
        if time.monotonic() - begun > GUARD_SEC:
            raise Stuck(f"{name} still has {processes(name)}")
        time.sleep(0.5)
    return time.monotonic() - begun < limit_sec + LATE_SEC or f"it took {time.monotonic() - begun} s"


def ended_with_login(name, command):
    leave(name, command)
    return is_gone_in_time(name, 0) is True and len(
        syslog.settled(0, rf"tmoutd\[\d+\]: ending what the login left behind user={name} .*"
                          r" setting=leftovers rule=/etc/security/tmout\.conf:\d+$")) == 1


def ended_when_idle(name, command):
    leave(name, command)
    if not processes(name):
        raise Stuck("it was ended with the login")
    return is_gone_in_time(name, LIMIT_SEC) is True and len(tmoutd.cut(name)) == 1


def kept(name, command):
    leave(name, command)
    time.sleep(LIMIT_SEC + LATE_SEC)
    return bool(processes(name)) and not tmoutd.cut(name)


def kill_client(name):
    """the client is killed"""
    client = subprocess.Popen(ssh_command(name, "echo ready; setsid -f sleep 7001; cat"),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    client.stdout.readline()
    client.kill()
    client.wait()
    return is_gone_in_time(name, 0)


def kill_sshd(name):
    """sshd's process is killed"""
    with subprocess.Popen(ssh_command(name, "echo ready; setsid -f sleep 7001; cat"),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        client.stdout.readline()
        run("pkill", "-KILL", "-f", rf"^sshd(-session)?: {name} \[priv\]")
        result = is_gone_in_time(name, 0)
        client.kill()
        return result


def idle_terminal(name):
    """the terminal is idle"""
    with terminal(name) as session:
        session.wait_prompt()
        session.type("setsid -f sleep 7001")
        session.wait_end()
    return is_gone_in_time(name, 0)


def another_login(name):
    """another login of the same user goes on, with what it has started"""
    with terminal(name) as other:
        other.wait_prompt()
        other.type("setsid -f sleep 7002")
        other.ask("$HOME")
        leave(name, WITHOUT_TERMINAL["a daemon"])
        begun = time.monotonic()
        while any("7001" in line for line in processes(name)):
            other.press("x")
            if other.ended_within(1) or time.monotonic() - begun > GUARD_SEC:
                return other.screen
        other.press("\x15")
        return other.ask("$((6*7))") == "42" and any("7002" in line for line in processes(name))


def mosh(name):
    return Terminal(["mosh", f"--ssh={' '.join(ssh_command(name)[:-1])}", f"{name}@127.0.0.1"], env=UTF8)


def mosh_left_alone(name):
    """mosh, with nobody at the keyboard"""
    with mosh(name) as session:
        session.wait_prompt()
        return is_gone_in_time(name, LIMIT_SEC) is True and len(tmoutd.cut(name)) == 1


def mosh_in_use(name):
    """mosh, with somebody who types"""
    with mosh(name) as session:
        session.wait_prompt()
        for _ in range(3 * LIMIT_SEC // PAUSE_SEC):
            session.press("x")
            if session.ended_within(PAUSE_SEC):
                return session.screen
        return any("mosh-server" in line for line in processes(name)) and not tmoutd.cut(name)


def panes_in_use(name):
    """tmux, attached from another login: the other pane is not idle either"""
    leave(name, "tmux new-session -d; tmux split-window -d")
    with terminal(name, "tmux attach", env=UTF8) as session:
        for _ in range(3 * LIMIT_SEC // PAUSE_SEC):
            session.press("x")
            if session.ended_within(PAUSE_SEC):
                return session.screen
        panes = ssh(name, "tmux list-panes").stdout.splitlines()
        return len(panes) == 2 and not tmoutd.cut(name) or panes


def private_sshd(name):
    """a private sshd with keep-alives, through a login that has no terminal"""
    port = 8022
    leave(name, f"setsid -f sh -c \"{PRIVATE_SSHD.format(port=port)}\" </dev/null >/dev/null 2>&1")
    command = ssh_command(name, options=["RequestTTY=force", f"Port={port}", "ServerAliveInterval=1"])
    with Terminal(command) as session:
        session.wait_prompt()
        begun = time.monotonic()
        session.wait_end()
        return time.monotonic() - begun < LIMIT_SEC + LATE_SEC and len(tmoutd.cut(name)) == 1


WEB_TERMINAL = ("shellinaboxd --disable-ssl --localhost-only --background=$PWD/web.pid --port={port} "
                "-s \"/:$(id -u):$(id -g):$PWD:/bin/bash -i\" </dev/null >/dev/null 2>&1")


class WebTerminal:
    """A browser at the web terminal that a login has left behind at this port."""

    def __init__(self, port):
        self.url, self.session = f"http://127.0.0.1:{port}/", None
        self._post()

    def _post(self, **more):
        fields = {"width": 80, "height": 24, "rooturl": self.url, **more}
        if self.session:
            fields["session"] = self.session
        with urllib.request.urlopen(self.url + "?", urllib.parse.urlencode(fields).encode(),
                                    timeout=GUARD_SEC) as answer:
            text = answer.read()
        self.session = json.loads(text)["session"] if not self.session else self.session
        return text

    def press(self, key):
        self._post(keys=key.encode().hex())


def web_terminal(name, port):
    leave(name, WEB_TERMINAL.format(port=port))
    return WebTerminal(port)


def web_terminal_left_alone(name):
    """a web terminal, with nobody at the keyboard"""
    web_terminal(name, 8023)
    begun = time.monotonic()
    wait_until(lambda: not any("bash -i" in line for line in processes(name)))
    return time.monotonic() - begun < LIMIT_SEC + LATE_SEC and len(tmoutd.cut(name)) == 1


def web_terminal_in_use(name):
    """a web terminal, with somebody who types"""
    web = web_terminal(name, 8024)
    for _ in range(3 * LIMIT_SEC // PAUSE_SEC):
        web.press("x")
        time.sleep(PAUSE_SEC)
    return any("bash -i" in line for line in processes(name)) and not tmoutd.cut(name)


def too_old(name):
    """max_session ends what is left, idle or not, with or without a terminal"""
    begun = time.monotonic()
    leave(name, f"tmux new-session -d; {WITHOUT_TERMINAL['a daemon']}")
    is_gone_in_time(name, AGE_SEC)
    lived = time.monotonic() - begun
    return (AGE_SEC - 1 < lived < AGE_SEC + LATE_SEC
            and any("setting=max_session" in line for line in tmoutd.cut(name))) or lived


def at_work(name):
    """somebody at work beside all this"""
    with terminal(name) as session:
        session.wait_prompt()
        for _ in range((AGE_SEC + LATE_SEC) // PAUSE_SEC):
            session.press("x")
            if session.ended_within(PAUSE_SEC):
                return session.screen
        session.press("\x15")
        return session.ask("$((6*7))") == "42" and not tmoutd.cut(name)


def cases():
    for title, command in {**WITHOUT_TERMINAL, **WITH_TERMINAL}.items():
        yield f"end: {title}", "end", lambda name, command=command: ended_with_login(name, command)
    yield "end: a web terminal", "end", \
        lambda name: ended_with_login(name, WEB_TERMINAL.format(port=8025))
    for function in kill_client, kill_sshd, idle_terminal, another_login:
        yield f"end: {function.__doc__}", "end", function
    for title, command in WITH_TERMINAL.items():
        yield f"watch: {title} is cut once it is idle", "watch", \
            lambda name, command=command: ended_when_idle(name, command)
    yield "watch: a daemon without a terminal stays", "watch", \
        lambda name: kept(name, WITHOUT_TERMINAL["a daemon"])
    for function in mosh_left_alone, mosh_in_use, panes_in_use, private_sshd, \
            web_terminal_left_alone, web_terminal_in_use:
        yield f"watch: {function.__doc__}", "watch", function
    yield f"watch: {too_old.__doc__}", "old", too_old
    yield "keep: a daemon stays", "none", lambda name: kept(name, WITHOUT_TERMINAL["a daemon"])
    yield "keep: a terminal stays", "none", lambda name: kept(name, WITH_TERMINAL["tmux"])
    yield at_work.__doc__, "none", at_work


def what_is_left_behind():
    """leftovers = keep, watch and end"""
    tried = list(cases())
    names = [f"left{number}" for number in range(len(tried))]
    for name, (_, group, _) in zip(names, tried):
        user(name, groups=[group])
    results = side_by_side(lambda case, name: case[2](name), tried, names)
    for (title, _, _), name, result in zip(tried, names, results):
        tap.ok(result is True, title, str(result)[-1500:], *processes(name),
               *syslog.settled(0, rf"tmoutd.* user={name}\b"))


def remembered(name):
    """Whether the registry has what this user's login left behind."""
    records = []
    for entry in os.scandir("/run/tmout/sessions/leftovers"):
        with contextlib.suppress(FileNotFoundError):  # it may be removed meanwhile
            with open(entry.path, "rb") as record:
                records.append(record.read())
    return any(b"\0" + name.encode() + b"\0" in record for record in records)


def across_a_restart():
    """tmoutd is restarted while something is left behind"""
    for name, group in ("again", "watch"), ("oldagain", "old"):
        user(name, groups=[group])
        leave(name, WITH_TERMINAL["tmux"])
    tmoutd.kill()
    tmoutd.start()
    tap.ok(is_gone_in_time("again", LIMIT_SEC) is True, "a terminal is still cut once it is idle",
           *processes("again"))
    tap.ok(is_gone_in_time("oldagain", AGE_SEC) is True, "what is too old is still ended",
           *processes("oldagain"))
    wait_until(lambda: not remembered("again") and not remembered("oldagain"))
    tap.ok(True, "and nothing is remembered of either")


def while_tmoutd_is_stopped():
    """a login ends while tmoutd does not run"""
    user("missed", groups=["end"])
    tmoutd.kill()
    with subprocess.Popen(ssh_command("missed", "echo ready; setsid -f sleep 7001; cat"),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        client.stdout.readline()
        run("pkill", "-KILL", "-f", r"^sshd(-session)?: missed \[priv\]")
        client.kill()
    tmoutd.start()
    tap.ok(is_gone_in_time("missed", 0) is True, "what it left behind is ended at the start",
           *processes("missed"))


def nothing_went_wrong():
    """tmoutd is still running, and has logged no error"""
    tap.ok(tmoutd.alive(), "it is still running")
    tap.equal(syslog.settled(0, r"^(err|crit|alert|emerg) tmoutd\["), [], "no errors in the log")


setup(POLICY)
os.makedirs("/run/screen")
os.chmod("/run/screen", 0o1777)
tmoutd.start()
tap.run(what_is_left_behind, across_a_restart, while_tmoutd_is_stopped, nothing_went_wrong)
