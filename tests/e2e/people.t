#!/usr/bin/python3
"""What ordinary users learn about themselves, and nobody else; the list of logins on
terminals of every width; and that all commands say the same about the same fact."""

import fcntl
import json
import os
import re
import signal
import struct
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.attempts import lets_in, setup_passwords
from host.client import ssh, terminal
from host.commands import must, run
from host.files import read, remove, write
from host.pam_stacks import wire
from host.product import POLICY, SNAPSHOT, apply, policy, show
from host.tap import tap
from host.terminal import Terminal
from host.tmoutd import tmoutd
from host.waiting import wait_until

TEXT = ("default {\n tmout = 10m\n disconnect = 20m\n max_session = 2h\n max_attempts = 3\n"
        " attempt_window = 15m\n lock_time = 10m\n}\n"
        "user \"bob\" { disconnect = 3m }\nuser \"free\" { tmout = none\n disconnect = none\n"
        " max_session = none\n max_attempts = none\n}\n")
ADDRESS = "127.0.0.1"


def sessions(*words):
    return json.loads(must("tmoutctl", "sessions", "--json", *words))


def own_sessions(name):
    """What the user is told, in a login of their own without a terminal."""
    result = ssh(name, "tmoutctl sessions --json")
    tap.equal((result.returncode, result.stderr), (0, ""), f"{name}: sessions works")
    return json.loads(result.stdout)


def registered(count):
    wait_until(lambda: len(sessions()) == count, f"{count} logins are not registered")


def logins_of_ones_own():
    """an ordinary user's own logins: as root sees them, and no others"""
    with terminal("ann") as one, terminal("ann") as two, terminal("bob") as other:
        for session in one, two, other:
            session.wait_prompt()
        registered(3)
        # A terminal inside of the login's is not the login's.
        one.type("script -q /dev/null")
        one.wait("script -q /dev/null\r+\n(.|\n)*[$] $")
        seen = [row for row in own_sessions("ann") if row["terminal"]]
        known = [row for row in sessions() if row["user"] == "ann" and row["terminal"]]
        tap.equal(len(known), 2, "root sees two terminals of ann's")
        tap.equal(sorted(row["terminal"] for row in seen),
                  sorted(row["terminal"] for row in known), "ann sees the same ones, and no other")
        for row in seen:
            same = next(other for other in known if other["terminal"] == row["terminal"])
            for key in ("user", "from", "service", "pid", "setting", "rule", "limit", "limits",
                        "enforced"):
                tap.equal(row[key], same[key], f"the same {key}")
            for key in "since", "idle", "left":
                tap.ok(abs(row[key] - same[key]) <= 10, f"about the same {key}", row, same)
            tap.equal(row["found_by"], None, "how it was found, they may not know")
        own = [row for row in own_sessions("bob") if row["terminal"]]
        tap.equal([(row["user"], row["setting"], row["limit"]) for row in own],
                  [("bob", "disconnect", 180)], "bob sees his own, with his limit")
        text = ssh("ann", "tmoutctl sessions").stdout
        tap.ok("ann" in text and "bob" not in text, "nobody else's, as text", text)
        for line in "PATH=/usr/bin:/bin tmoutctl show", "tmoutctl show ann":
            result = ssh("ann", line)
            tap.matches(result.stdout, r"^user     ann\n(.|\n)*disconnect +20m ", line)
            tap.matches(result.stdout, r"\nattempts shown to root only\n", "no false \"not locked\"")
        result = ssh("free", "tmoutctl sessions")
        tap.matches(result.stdout, r"\nfree +\S+ +sshd +- .* - +-$|\nfree ", "one without limits")
    registered(0)
    result = run("setpriv", "--reuid=ann", "--clear-groups", "tmoutctl", "sessions")
    tap.equal((result.returncode, result.stdout, result.stderr),
              (0, "no logins of yours are registered\n", ""), "none")


def at_a_console():
    """a login of one's own that is not over SSH"""
    with Terminal(["login", "-f", "bob"]) as desk:
        desk.wait_prompt()
        registered(1)
        known, = sessions()
        seen, = [row for row in own_sessions("bob") if row["terminal"]]
        for key in ("user", "from", "terminal", "pid", "setting", "rule", "limit", "enforced"):
            tap.equal(seen[key], known[key], f"as root sees it: {key}")
        tap.equal((seen["from"], seen["setting"]), ("local", None), "which the policy does not cover")
        tap.equal(seen["service"], None, "the service, they may not know")
    registered(0)


def what_they_cannot_know():
    """where they cannot know, or nothing would happen, it says so"""
    tmoutd.stop()
    result = ssh("ann", "tmoutctl sessions")
    tap.equal((result.returncode, result.stderr),
              (0, "tmoutctl: tmoutd is not running: nothing ends these logins\n"), "tmoutd")
    tap.equal({row["enforced"] for row in own_sessions_quietly("ann")}, {False}, "as JSON")
    with terminal("ann") as session:
        session.wait_prompt()
        registered(1)
        tap.matches(run("tmoutctl", "status").stdout,
                    r"(?m)^logins    1; nothing ends them: tmoutd is not running$", "status")
        facts = json.loads(run("tmoutctl", "status", "--json").stdout)
        tap.equal(facts["logins"]["next"], None, "status, as JSON")
    tmoutd.start()
    must("mount", "-o", "remount,hidepid=2", "/proc")
    result = ssh("ann", "tmoutctl sessions")
    must("mount", "-o", "remount,hidepid=0", "/proc")
    tap.equal((result.returncode, result.stdout), (2, ""), "hidepid")
    tap.matches(result.stderr, "hidepid.*must be run as root", "and why")
    for words in (["apply"], ["edit"], ["attempts"], ["attempts", "ann"], ["status"], ["audit"], ["prune"],
                  ["unlock", "ann"], ["sshd-config", "--check"]):
        result = run("setpriv", "--reuid=ann", "--clear-groups", "tmoutctl", *words)
        tap.equal((result.returncode, result.stdout), (2, ""), f"{words}: refused")
        tap.matches(result.stderr, "^tmoutctl: must be run as root", f"{words}: why")


def own_sessions_quietly(name):
    return json.loads(ssh(name, "tmoutctl sessions --json").stdout)


class Screen(Terminal):
    """Shows what a real terminal would: the sequences that --watch uses."""

    def __init__(self, argv, columns, rows, env):
        super().__init__(argv, {"TERM": "xterm", "NO_COLOR": "", **env}, (rows, columns))
        self.raw = ""

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_raw(self, pattern):
        while not re.search(pattern, self.raw):
            data = os.read(self.master, 65536)
            if not data:
                raise RuntimeError(f"no {pattern!r} in {self.raw!r}")
            self.raw += data.decode()
        raw, self.raw = self.raw, ""
        return raw

    def frame(self):
        """The lines of the next drawing that is complete."""
        raw = self.wait_raw(r"\033\[H(.|\n)*\033\[J\Z").rsplit("\033[H", 1)[-1]
        return re.sub(r"\033\[[0-9;]*[A-Za-z]|\r", "", raw).split("\n")[:-1]


def watched(columns, rows=30, **env):
    return Screen(["tmoutctl", "sessions", "--watch"], columns, rows, env)


def widths():
    """the list on terminals of every width, drawn in place"""
    with terminal("ann") as one, terminal("bob") as two:
        one.wait_prompt()
        two.wait_prompt()
        registered(2)
        for columns, headings in ((40, ["user", "terminal", "idle", "left"]),
                                  (60, ["user", "terminal", "idle", "left", "then"]),
                                  (80, ["user", "from", "terminal", "idle", "left", "then"]),
                                  (132, ["user", "from", "service", "terminal", "since", "idle",
                                         "limit", "left", "then", "found", "by"])):
            with watched(columns) as screen:
                lines = screen.frame()
                tap.equal(lines[0].split(), headings, f"{columns} columns: which are shown")
                tap.ok(len(lines) == 3 and all(len(line) < columns for line in lines),
                       f"{columns} columns: they fit", lines)
                tap.ok(lines[1].startswith("bob ") and lines[2].startswith("ann "),
                       f"{columns} columns: the earliest end first", lines)
            shell = f"stty cols {columns}; tmoutctl sessions; echo end"
            with Terminal(["sh", "-c", shell], {"TERM": "xterm"}) as plain:
                plain.wait("end\r\n")
                lines = plain.screen.splitlines()
                tap.equal(lines[0].split(), headings, f"{columns} columns: without --watch, too")
                tap.ok(all(len(line) <= columns for line in lines), "they fit", lines)
        text = must("tmoutctl", "sessions")
        tap.ok("found by" in text and "\033" not in text, "all of it in a pipe", text)
        with watched(132) as screen:
            screen.frame()
            screen.resize(40, 30)
            screen.wait_raw(r"\033\[H\033\[2J(.|\n)*\033\[J")
            tap.ok(max(map(len, screen.frame())) < 40, "a resize is followed")
            screen.resize(80, 4)
            screen.wait_raw(r"\033\[H\033\[2J(.|\n)*\033\[J")
            tap.matches("\n".join(screen.frame()), r"\.\.\. and \d+ more", "and few lines suffice")
            before = termios.tcgetattr(screen.master)
            screen.press("\x03")
            tap.equal(screen.process.wait(), -signal.SIGINT, "Ctrl-C ends it")
            tap.equal(termios.tcgetattr(screen.master), before, "and the terminal is as before")


def colors():
    """colors on terminals only, and only where they are wanted"""
    policy("default { disconnect = 45s }\n")
    apply()
    with terminal("ann") as one:
        one.wait_prompt()
        registered(1)
        for env, colored in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False),
                             ({"TERM": ""}, False)):
            with Screen(["tmoutctl", "sessions"], 80, 30, env) as screen:
                raw = screen.wait_raw("ann.*\n")
                tap.equal("\033[31m" in raw, colored, f"{env}: color")
                tap.ok(colored or "\033" not in raw, f"{env}: or nothing of the kind", raw)
        with watched(80, NO_COLOR="1") as screen:
            tap.ok("\033" not in "".join(screen.frame()), "--watch with NO_COLOR")
        for env, why in ({"TERM": "dumb"}, "TERM is dumb or not set"), ({"TERM": ""}, "TERM is"):
            with Screen(["tmoutctl", "sessions", "--watch"], 80, 30, env) as screen:
                screen.wait_raw(f"--watch needs a terminal .*{why}")
                tap.equal(screen.process.wait(), 2, f"{env}: --watch cannot draw, and says so")
        tap.ok("\033" not in must("tmoutctl", "sessions"), "none in a pipe")
    policy(TEXT)
    apply()


def about(name, *options):
    """What each command says about how often a user may fail, and whether they are
    locked: {command: (limit, locked)}."""
    shown, listed = show(name, *options), json.loads(must("tmoutctl", "attempts", name, "--json"))
    attempts = shown["attempts"]
    text = must("tmoutctl", "show", name, *options)
    setting = re.search(r"(?m)^max_attempts +(\S+)", text).group(1)
    line = re.search(r"(?m)^attempts (.*)$", text).group(1)
    counted = re.match(r"\d+ of (\d+) failed, (not )?locked", line)
    told = must("tmoutctl", "attempts", name)
    return {
        "show, the setting": (shown["settings"]["max_attempts"]["number"], None),
        "show, the setting as text": (None if setting == "none" else int(setting), None),
        "show, the attempts": (attempts.get("max_attempts"), attempts.get("locked", False)),
        "show, the attempts as text":
            (int(counted.group(1)) if counted else None, bool(counted) and not counted.group(2)),
        "attempts": (listed["max_attempts"], listed["locked"]),
        "attempts as text": (None if "max_attempts = none" in told else
                             int(re.search(r"(?:max_attempts = |\d of )(\d+)", told).group(1)),
                             "locked for" in told),
    }


def agree(name, limit, locked, *options):
    for command, (said, is_locked) in about(name, *options).items():
        tap.equal(said, limit, f"{name}: {command}: the limit")
        if is_locked is not None:
            tap.equal(is_locked, locked, f"{name}: {command}: locked")


def one_truth():
    """show, status, attempts, sessions and audit agree"""
    for _ in range(3):
        lets_in("bob", "wrong")
    agree("ann", 3, False)
    agree("bob", 3, True)
    agree("free", None, False)
    agree("root", None, False)
    tap.equal(json.loads(run("tmoutctl", "status", "--json").stdout)["attempts"]["locked"], 1,
              "status: one is locked")
    must("tmoutctl", "unlock", "bob")
    agree("bob", 3, False)
    policy(TEXT + "user \"root\" { max_attempts = 5 }\n")
    apply()
    agree("root", 5, False)
    policy(TEXT)
    apply()
    for name, limits in (("ann", (1200, 7200)), ("bob", (180, 7200)), ("free", (None, None))):
        settings = show(name)["settings"]
        tap.equal((settings["disconnect"]["seconds"], settings["max_session"]["seconds"]), limits,
                  f"{name}: show")
        with terminal(name) as session:
            session.wait_prompt()
            registered(1)
            row, = sessions()
            tap.equal(row["limit"], limits[0], f"{name}: sessions has the same limit")
            tap.equal(row["rule"], limits[0] and
                      f"{settings['disconnect']['file']}:{settings['disconnect']['line']}",
                      f"{name}: and the same rule")
            facts = json.loads(run("tmoutctl", "status", "--json").stdout)
            tap.equal((facts["logins"]["count"], facts["logins"]["next"] and
                       facts["logins"]["next"]["setting"]), (1, row["setting"]), f"{name}: status")
        registered(0)
    for local, covered in ("--local", False), (None, True):
        shown = show("ann", *([local] if local else []))
        for name in "tmout", "disconnect", "disconnect_notty", "max_session":
            seconds = shown["settings"][name]["seconds"]
            tap.ok(covered or seconds is None, f"{local}: {name} is none where PAM_TMOUT is",
                   shown["settings"][name])
        tap.equal(shown["pam_tmout"] is not None, covered, f"{local}: PAM_TMOUT")


def same_policy_state():
    """without a policy, and with an invalid edit, all say the same"""
    remove(SNAPSHOT)
    write(POLICY, "broken\n")
    text = run("tmoutctl", "status").stdout
    facts = json.loads(run("tmoutctl", "status", "--json").stdout)
    tap.equal((facts["logins"]["count"], facts["attempts"]["locked"]), (None, None), "as JSON")
    for line in "logins    not known without a policy", "attempts  not known without a policy":
        tap.ok(line in text.splitlines(), f"status: {line}", text)
    for words in ["show", "root"], ["attempts"], ["sessions"], ["sshd-config", "--check"]:
        for as_ann in [], ["setpriv", "--reuid=ann", "--clear-groups"]:
            result = run(*as_ann, "tmoutctl", *words)
            tap.equal((result.returncode, result.stdout), (2, ""), f"{as_ann} {words}: no policy")
            tap.matches(result.stderr, rf"^tmoutctl: (no policy is in force: {POLICY}:1: |must be "
                                       "run as root)", "and why")
    policy(TEXT)
    apply()
    write(POLICY, "broken\n")
    for as_ann in [], ["setpriv", "--reuid=ann", "--clear-groups"]:
        result = run(*as_ann, "tmoutctl", "show", "ann", "--json")
        tap.equal(json.loads(result.stdout)["policy"]["state"], "refused", f"{as_ann}: show")
    tap.equal(json.loads(run("tmoutctl", "status", "--json").stdout)["policy"]["state"], "refused",
              "status")
    tap.equal(run("tmoutctl", "check").returncode, 1, "check")
    policy(TEXT)
    apply()
    os.chmod(POLICY, 0o600)
    for words, said in ((["check"], ("valid", None)), (["show"], ("login", "ssh"))):
        result = run("setpriv", "--reuid=ann", "--clear-groups", "tmoutctl", *words, "--json")
        tap.equal(json.loads(result.stdout)[said[0]], said[1], f"{words}: a policy that is secret")
    os.chmod(POLICY, 0o644)


setup_passwords(TEXT, "PasswordAuthentication yes\n", ["sshd"], {"bob": "right"})
wire("login")
user("ann")
user("free")
tmoutd.start()
tap.run(logins_of_ones_own, at_a_console, what_they_cannot_know, widths, colors, one_truth, same_policy_state)
