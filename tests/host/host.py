"""What the end-to-end tests and the demo need of a throw-away host.

Everything here runs as root inside `tests/host/throwaway`, where /etc and
/var may be written to freely, and needs nothing but Python's own library.

    setup(policy)            install the kit, wire it into sshd, start sshd
    user(), policy(), ...    change the host
    ssh(), terminal(), ...   log in as somebody would, with the host's key
    password_ssh(), su(), ...   the same with passwords
    tmoutd                   the idle watcher, started and stopped
    side_by_side()           many people at once
    syslog                   what the host logged, to be awaited
    tap                      results for the test runner
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
POLICY = "/etc/security/tmout.conf"
DROP_INS = "/etc/security/tmout.conf.d"
STATE = "/var/lib/tmout"
SNAPSHOT = STATE + "/policy.v1"
LEDGERS = STATE + "/attempts"
SESSION_LINE = "session optional pam_tmout.so"
AUTH_LINE = "auth requisite pam_tmout.so"
KEY = "/root/throwaway_key"
HOST_KEY = "/etc/ssh/throwaway_host_key"

# Nothing in a test takes this long; it only keeps a hang from lasting for ever.
GUARD_SEC = 60


class Stuck(Exception):
    """Something that was waited for did not come."""


# --- results -----------------------------------------------------------------

class Tap:
    """Results in the Test Anything Protocol."""

    def __init__(self):
        self.count = 0
        self.failed = 0
        self.lock = threading.Lock()
        self.scenario = threading.local()

    def _say(self, passed, text):
        """Now, or when the scenario has ended that this thread runs beside others."""
        kept = getattr(self.scenario, "kept", None)
        if kept is not None:
            kept.append((passed, text))
            return
        if passed is not None:
            self.count += 1
            self.failed += not passed
            text = f"{'ok' if passed else 'not ok'} {self.count} - {text}"
        print(text, flush=True)

    def ok(self, passed, name, *why):
        """One result; `why` is shown where it failed."""
        self._say(bool(passed), name)
        if not passed:
            self.note(*why)
        return passed

    def equal(self, got, expected, name):
        return self.ok(got == expected, name, f"got      {got!r}", f"expected {expected!r}")

    def matches(self, text, pattern, name):
        return self.ok(re.search(pattern, text or ""), name, f"got      {text!r}",
                       f"expected {pattern!r}")

    def skip(self, name, reason):
        self._say(True, f"{name} # SKIP {reason}")

    def note(self, *lines):
        for line in lines:
            for part in str(line).splitlines():
                self._say(None, f"# {part}")

    def _play(self, scenario):
        mark = syslog.mark()
        try:
            self.note(scenario.__doc__ or scenario.__name__)
            scenario()
        except Exception:  # whatever it was, the next scenario still counts
            self.ok(False, f"{scenario.__name__} ran to its end", traceback.format_exc(),
                    *syslog.since(mark)[-10:])

    def _play_beside_others(self, scenario):
        self.scenario.kept = []
        self._play(scenario)
        kept, self.scenario.kept = self.scenario.kept, None
        with self.lock:
            for result in kept:
                self._say(*result)

    def at_once(self, scenarios, how_many):
        """Runs scenarios that don't get in each other's way, so many at a time:
        for those that mostly wait, as after a wrong password. Only a scenario's
        own thread may give results."""
        with ThreadPoolExecutor(how_many) as pool:
            list(pool.map(self._play_beside_others, scenarios))

    def run(self, *scenarios):
        """Runs the scenarios, of which one may fail without the others, and exits."""
        for scenario in scenarios:
            self._play(scenario)
        self.end()

    def end(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)


tap = Tap()


# --- logs --------------------------------------------------------------------

class Log:
    """Lines that arrive in the background, to be awaited rather than polled."""

    def __init__(self):
        self.lines = []
        self.changed = threading.Condition()

    def add(self, line):
        with self.changed:
            self.lines.append(line)
            self.changed.notify_all()

    def mark(self):
        """The place to which since() and wait() may go back."""
        return len(self.lines)

    def since(self, mark, pattern=""):
        return [line for line in self.lines[mark:] if re.search(pattern, line)]

    def wait(self, pattern, mark=0):
        """The first line from `mark` on that matches."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.since(mark, pattern), GUARD_SEC):
                raise Stuck(f"no line like {pattern!r} in:\n" + "\n".join(self.lines[mark:]))
            return self.since(mark, pattern)[0]


class Syslog(Log):
    """The host's /dev/log. A line is `SEVERITY TAG: TEXT`, as `err sshd[7]: ...`."""

    SEVERITIES = "emerg alert crit err warning notice info debug".split()

    def __init__(self):
        super().__init__()
        self.socket = None

    def start(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        while True:
            text = self.socket.recv(65536).decode(errors="replace").rstrip("\n\0")
            priority, rest = re.match(r"(?s)<(\d+)>(.*)", text).groups()
            rest = re.sub(r"^\w{3} [ \d]\d [\d:]{8} ", "", rest)
            self.add(f"{self.SEVERITIES[int(priority) % 8]} {rest}")

    def settled(self, mark, pattern=""):
        """Like since(), when all that was sent by now has been received."""
        end = f"settled {time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(f"<7>{end}".encode(), "/dev/log")
        self.wait(end, mark)
        return [line for line in self.since(mark, pattern) if "debug settled" not in line]

    def now(self):
        """The place behind all that was sent by now."""
        self.settled(self.mark())
        return self.mark()


syslog = Syslog()


# --- the host's files --------------------------------------------------------

def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def remove(path):
    """Whatever it is; nothing is fine too."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def policy(text):
    """Makes this the policy file, whole at once, so that a login never sees a
    part. Nobody runs `apply`: the next login must notice by itself."""
    write(POLICY + ".new", text)
    if os.path.isdir(POLICY):
        remove(POLICY)
    os.rename(POLICY + ".new", POLICY)


def run(*argv, **options):
    """A command's result, with its output as text."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
               "stderr": subprocess.PIPE, "text": True, "timeout": GUARD_SEC, **options}
    return subprocess.run(argv, check=False, **options)


def must(*argv, **options):
    """A command's output; it has to succeed."""
    result = run(*argv, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{argv} gave {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


@contextlib.contextmanager
def mounted(*options):
    """What mount(8) is told, of which the last word is the place."""
    must("mount", *options)
    try:
        yield
    finally:
        must("umount", options[-1])


def apply():
    must("tmoutctl", "apply")


def fresh(text):
    """A host as after a quiet day: this policy, no drop-ins, all applied."""
    remove(DROP_INS)
    os.mkdir(DROP_INS, 0o755)
    policy(text)
    apply()


def errors(mark):
    """What the module has logged as an error since."""
    return syslog.settled(mark, r"^err .*pam_tmout\(")


def show(name, *options):
    """What tmoutctl says about a user."""
    return json.loads(must("tmoutctl", "show", name, *options, "--json"))


# --- people ------------------------------------------------------------------

def _shell_path(shell):
    if shell == "ash":  # busybox is told by its name which program to be
        path = "/usr/local/bin/ash"
        if not os.path.lexists(path):
            os.symlink(shutil.which("busybox"), path)
    else:
        path = shutil.which(shell)
    if path not in read("/etc/shells").split():
        append("/etc/shells", path + "\n")
    return path


def _next_id(path):
    ids = [int(line.split(":")[2]) for line in read(path).splitlines() if line.count(":") > 2]
    return max([5000] + [number for number in ids if number < 60000]) + 1


def _group(name, member):
    """Adds a member to a group, and the group if there is none."""
    lines = read("/etc/group").splitlines()
    for number, line in enumerate(lines):
        if line.split(":")[0] == name:
            lines[number] += member if line.endswith(":") else f",{member}"
            break
    else:
        lines.append(f"{name}:x:{_next_id('/etc/group')}:{member}")
    write("/etc/group", "\n".join(lines) + "\n")


def user(name, shell="bash", groups=()):
    """A user who may log in with this host's key. The files are edited rather
    than left to useradd, which is slow and refuses names that NSS may return."""
    home = f"/home/{name}"
    number = max(_next_id("/etc/passwd"), _next_id("/etc/group"))
    append("/etc/passwd", f"{name}:x:{number}:{number}::{home}:{_shell_path(shell)}\n")
    append("/etc/group", f"{name}:x:{number}:\n")
    append("/etc/shadow", f"{name}:*:19000::::::\n")
    for group in groups:
        _group(group, name)
    shutil.copytree("/etc/skel", home)
    write(f"{home}/.ssh/authorized_keys", read(KEY + ".pub"), 0o600)
    write(f"{home}/.zshrc", "")  # without one zsh asks questions first
    own(name)


def passwords(people):
    """Gives people passwords, as {name: password}."""
    given = "".join(f"{name}:{text}\n" for name, text in people.items())
    # A hash that is quick to make, and to check.
    must("chpasswd", "--crypt-method=SHA256", "--sha-rounds=1000", input=given, stdin=None)


def uid(name):
    return pwd.getpwnam(name).pw_uid


def own(name):
    """Gives all that is in a user's home to the user."""
    must("chown", "-R", f"{name}:", f"/home/{name}")


# --- the kit and sshd --------------------------------------------------------

def stack(service, *lines):
    """A PAM stack that has these lines and no others."""
    write(f"/etc/pam.d/{service}", "".join(line + "\n" for line in lines))


def wire_auth(service, line=AUTH_LINE, before=r"@include common-auth|auth\b.*pam_unix\.so"):
    """Puts an auth line into a PAM stack, before what asks for the password."""
    path = f"/etc/pam.d/{service}"
    lines = read(path).splitlines()
    place = [n for n, text in enumerate(lines) if re.match(before, text)][0]
    write(path, "\n".join(lines[:place] + [line] + lines[place:]) + "\n")


def small_stack(service, *session):
    """A PAM stack that lets everybody in and has these session lines."""
    stack(service, "auth required pam_permit.so", "account required pam_permit.so",
          "session required pam_permit.so", *session)


def wire(service, line=SESSION_LINE):
    """Adds a session line to the system's own PAM stack, after pam_env."""
    path = f"/etc/pam.d/{service}"
    lines = read(path).splitlines()
    places = [n for n, text in enumerate(lines) if re.match(r"-?session\b.*pam_env\.so", text)]
    places = places or [n for n, text in enumerate(lines) if re.match(r"-?session\b", text)]
    write(path, "\n".join(lines[:places[-1] + 1] + [line] + lines[places[-1] + 1:]) + "\n")


def install():
    """`make install` and the hooks in the shells' own files. The variables of a
    make around the tests would otherwise reach this one."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR")}
    must("make", "-s", "install", cwd=REPOSITORY, env=environment)
    must("tmoutctl", "shells", "--install")


class Sshd:
    """The host's sshd; starting it anew ends the one before. Others may run
    beside it, on their own ports with their own PAM services."""

    CONFIG = f"""
        ListenAddress 127.0.0.1
        HostKey {HOST_KEY}
        UsePAM yes
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PrintMotd no
        PrintLastLog no
        UseDNS no
        LogLevel VERBOSE
        MaxStartups 200
        Subsystem sftp internal-sftp
        """

    def __init__(self, service="sshd", port=22):
        self.process = None
        self.log = Log()
        self.service = service
        self.port = port

    def _program(self, config):
        """sshd under a name that makes it use its PAM service. Newer ones have
        an option instead."""
        program = shutil.which("sshd")
        if self.service == "sshd":
            return program, config
        if self._knows("PAMServiceName", self.service):
            return program, f"PAMServiceName {self.service}\n{config}"
        link = f"/usr/local/sbin/{self.service}"
        if not os.path.lexists(link):
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(program, link)
        return link, config

    @staticmethod
    def _knows(keyword, value):
        """Whether this sshd has a keyword."""
        answer = run(shutil.which("sshd"), "-T", "-f", "/dev/null", "-o", f"{keyword}={value}")
        return "Bad configuration option" not in answer.stderr

    def start(self, config=""):
        """`config` comes first: for sshd the first value of a keyword counts."""
        self.stop()
        program, config = self._program(config)
        # Newer ones turn an address away for a while where passwords fail.
        if self._knows("PerSourcePenalties", "no"):
            config = f"PerSourcePenalties no\n{config}"
        path = f"/etc/ssh/throwaway_config.{self.port}"
        # Only the beginning is global where there are Match blocks.
        config, match = (config.split("Match ", 1) + [""])[:2]
        write(path, f"Port {self.port}\nPidFile none\n{config}{self.CONFIG}"
                    + (f"\nMatch {match}" if match else ""))
        self.log = Log()
        self.process = subprocess.Popen(
            [program, "-D", "-e", "-f", path],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._collect, args=[self.process.stderr, self.log],
                         daemon=True).start()
        self.log.wait("Server listening|sshd has ended")
        if self.log.since(0, "sshd has ended"):
            raise RuntimeError("sshd did not start:\n" + "\n".join(self.log.lines))

    @staticmethod
    def _collect(lines, log):
        for line in lines:
            log.add(line.rstrip())
        log.add("sshd has ended")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(GUARD_SEC)

    def alive(self):
        return self.process.poll() is None


sshd = Sshd()


class Tmoutd:
    """The host's idle watcher; starting it anew ends the one before."""

    SESSIONS = "/run/tmout/sessions"

    def __init__(self):
        self.process = None

    def start(self):
        self.stop()
        program = "/usr/sbin/tmoutd"
        if not os.path.exists(program):
            program = REPOSITORY + "/build/tmoutd"
        mark = syslog.mark()
        self.process = subprocess.Popen([program, "--foreground"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        syslog.wait(rf"tmoutd\[{self.process.pid}\]: watching", mark)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(GUARD_SEC)

    def kill(self):
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait(GUARD_SEC)

    def alive(self):
        return self.process.poll() is None

    def registered(self):
        """The pids of the logins in the registry."""
        if not os.path.isdir(self.SESSIONS):
            return []
        return sorted(int(name) for name in os.listdir(self.SESSIONS) if name.isdigit())

    @staticmethod
    def cut(name, mark=0):
        """What the log says of this user's disconnects, once all of it has come."""
        return syslog.settled(mark, rf"tmoutd\[\d+\]: disconnected.* user={name} ")


tmoutd = Tmoutd()


def clean_slate():
    """Takes away what the machine itself may have of the kit: the tests bring
    their own policy, and the module must be in no stack that they don't name."""
    for path in POLICY, DROP_INS, STATE, KEY, KEY + ".pub", HOST_KEY, HOST_KEY + ".pub":
        remove(path)
    for service in os.listdir("/etc/pam.d"):
        lines = read(f"/etc/pam.d/{service}").splitlines(keepends=True)
        if any("pam_tmout.so" in line for line in lines):
            write(f"/etc/pam.d/{service}", "".join(x for x in lines if "pam_tmout.so" not in x))


def setup(policy_text="", sshd_config="", password_services=()):
    """A host with the kit installed and wired into the system's own sshd stack,
    and into the auth part of the stacks named besides."""
    if not os.path.exists("/run/throwaway"):
        sys.exit(f"{sys.argv[0]} changes the host it runs on: "
                 f"start it as tests/host/throwaway {sys.argv[0]}")
    syslog.start()
    clean_slate()
    for key in KEY, HOST_KEY:
        must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    install()
    wire("sshd")
    for service in password_services:
        wire_auth(service)
    policy(policy_text)
    apply()
    sshd.start(sshd_config)


# --- logging in --------------------------------------------------------------

def ssh_command(name, *arguments, program="ssh", options=()):
    """The command line of a client that logs in as `name`."""
    # ssh goes by the first value of an option.
    settings = [*options, "BatchMode=yes", "StrictHostKeyChecking=no",
                "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", f"IdentityFile={KEY}",
                "IdentitiesOnly=yes",
                "KexAlgorithms=curve25519-sha256"]  # saves a third of a login's time
    flags = [part for setting in settings for part in ("-o", setting)]
    return [program, "-F", "none", *flags, f"{name}@127.0.0.1", *arguments]


def ssh(name, command, options=(), **more):
    """`ssh host COMMAND`: the result, with its output as text."""
    return run(*ssh_command(name, command, options=options), **more)


def pam_tmout(name, **more):
    """PAM_TMOUT as a session over ssh has it; None if it is not there. `env` is
    run by the user's shell, whichever that is."""
    result = ssh(name, "env", **more)
    if result.returncode != 0:
        raise RuntimeError(f"{name} could not log in: {result.returncode} {result.stderr}")
    found = re.search(r"^PAM_TMOUT=(.*)$", result.stdout, re.MULTILINE)
    return found and found.group(1)


class Terminal:
    """A person at a terminal of their own, running a command there."""

    def __init__(self, argv, env=None):
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        environment = {**os.environ, "TERM": "dumb", **(env or {})}
        self.master = master
        self.screen = ""
        self.questions = 0
        # setsid makes the terminal the controlling one, as for anybody's shell.
        self.process = subprocess.Popen(["setsid", "--ctty", *argv], env=environment,
                                        stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def _read_more(self, until):
        """False once nobody can write to the terminal any more."""
        ready, _, _ = select.select([self.master], [], [], max(0, until - time.monotonic()))
        if not ready:
            raise Stuck(f"the terminal shows only:\n{self.screen}")
        try:
            data = os.read(self.master, 65536)
        except OSError:  # how a terminal says that nobody has it open
            data = b""
        self.screen += re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|[()].|[=>])", "",
                              data.decode(errors="replace"))
        return bool(data) or self._reopened()

    def _reopened(self):
        """login(1) hangs the terminal up before it opens it for itself."""
        try:
            self.process.wait(0.05)
            return False
        except subprocess.TimeoutExpired:
            return True

    def wait(self, pattern, guard=GUARD_SEC):
        """Waits until the screen shows `pattern`, and gives the match."""
        until = time.monotonic() + guard
        while not (found := re.search(pattern, self.screen)):
            if not self._read_more(until):
                raise Stuck(f"no {pattern!r} before the end of:\n{self.screen}")
        return found

    def type(self, line):
        self.press(line + "\r")

    def press(self, keys):
        """Types without Enter."""
        os.write(self.master, keys.encode())

    def wait_prompt(self):
        """Waits until a shell asks for a command: login(1) throws away what
        was typed before it had the terminal to itself."""
        # ksh93 blanks the rest of the line where it draws its prompt anew.
        return self.wait(r"[$%>#] [\s\b]*\Z")

    def ask(self, expression):
        """What the shell makes of `expression`, such as $HOME. The quotes keep
        the echo of the question from looking like the answer."""
        self.questions += 1
        self.type(f"echo answer''{self.questions}=\"{expression}\"")
        return self.wait(rf"answer{self.questions}=([^\r\n]*)\r*\n").group(1)

    def limit(self, shell):
        """The idle limit that this shell goes by, in seconds; None if it has none."""
        if shell == "tcsh":  # counts minutes, and to expand an unset variable is an error
            value = self.ask("$?autologout") == "1" and self.ask("$autologout").split()[0]
            return int(value or 0) * 60 or None
        value = int(self.ask("$TMOUT") or 0)
        if shell == "ksh93" and value:  # warns at its limit and ends a minute later
            value += 60
        return value or None

    def try_limit(self, shell, seconds):
        """Tells the shell to go by another limit; it may refuse."""
        if shell == "tcsh":
            self.type(f"set autologout = {seconds // 60}")
        else:
            self.type(f"TMOUT={seconds - 60 if shell == 'ksh93' else seconds}")

    def ended_within(self, seconds):
        """Whether the session ends by itself in this time."""
        until = time.monotonic() + seconds
        try:
            while self._read_more(until):
                pass
            return True
        except Stuck:
            return False

    def wait_end(self, guard=GUARD_SEC):
        """Waits until the session ends by itself, and gives its exit status."""
        if not self.ended_within(guard):
            raise Stuck(f"the session goes on, and shows:\n{self.screen}")
        return self.process.wait(GUARD_SEC)

    def close(self):
        """Ends the session if it has not ended by itself."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def terminal(name, *command, options=(), env=None):
    """A terminal with an ssh session on it: a login shell unless told a command."""
    return Terminal(ssh_command(name, *command, options=["RequestTTY=force", *options]), env)


# --- many at once ------------------------------------------------------------

def side_by_side(function, *arguments):
    """function(*one) for all of the arguments at the same time, as map() would,
    but for an exception, which is given in place of the result."""
    def attempt(*one):
        try:
            return function(*one)
        except Exception as error:  # the others go on
            return error

    with ThreadPoolExecutor(max(1, len(arguments[0]))) as pool:
        return list(pool.map(attempt, *arguments))


# --- logging in with a password ----------------------------------------------

# Gives the next line of the file each time that it is asked. Where the file is
# a fifo, that is somebody who thinks until the other end writes or goes away.
ASKPASS = """#!/bin/sh
read -r answer <"$ANSWERS"
[ -p "$ANSWERS" ] || sed -i 1d "$ANSWERS"
printf '%s\\n' "$answer"
"""


class PasswordClient:
    """An ssh client that answers with these passwords, one after the other, on
    one connection. `thinks`: it has to be told them by say()."""

    def __init__(self, name, *given, method="password", command="true", options=(), port=22,
                 thinks=False):
        self.directory = tempfile.mkdtemp(dir="/run")
        askpass = self.directory + "/askpass"
        self.answers = self.directory + "/answers"
        write(askpass, ASKPASS, 0o755)
        if thinks:
            os.mkfifo(self.answers, 0o600)
        else:
            write(self.answers, "".join(f"{text}\n" for text in given), 0o600)
        settings = [*options, "BatchMode=no", f"PreferredAuthentications={method}",
                    f"NumberOfPasswordPrompts={len(given) or 1}", f"Port={port}"]
        self.process = subprocess.Popen(
            ssh_command(name, command, options=settings), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "SSH_ASKPASS": askpass, "SSH_ASKPASS_REQUIRE": "force",
                 "ANSWERS": self.answers})

    def wait_asked(self):
        """Waits until it is at the prompt, and gives a descriptor to answer by."""
        def try_to_open():
            with contextlib.suppress(OSError):  # nobody reads yet
                return os.open(self.answers, os.O_WRONLY | os.O_NONBLOCK)
            return None

        return wait_until(try_to_open, "nobody asks for a password")

    def say(self, text):
        descriptor = self.wait_asked()
        os.write(descriptor, f"{text}\n".encode())
        os.close(descriptor)

    def go_away(self):
        """Client and askpass, as when the machine at the other side dies."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(GUARD_SEC)

    def result(self):
        """As run() has it; what it showed is all in stdout."""
        shown, _ = self.process.communicate(timeout=GUARD_SEC)
        remove(self.directory)
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, shown, "")


def password_ssh(name, *given, **more):
    """Logs in over ssh with these passwords, one after the other."""
    return PasswordClient(name, *given, **more).result()


def lets_in(name, *given, **more):
    """Whether ssh let somebody in with these passwords."""
    return password_ssh(name, *given, **more).returncode == 0


def as_user(name, *argv):
    """The command line of a program that an ordinary user starts."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", *argv]


def su(by, name, *given, command="true", before=()):
    """An ordinary user's `su NAME`, his terminal a pipe."""
    return run(*as_user(by, *before, "su", name, "-c", command), stdin=None,
               input="".join(f"{text}\n" for text in given), stderr=subprocess.STDOUT)


def sudo(by, *given, command="true"):
    """An ordinary user's `sudo`, which has no ticket from before."""
    return run(*as_user(by, "sudo", "-k", "-S", "-p", "", command), stdin=None,
               input="".join(f"{text}\n" for text in given), stderr=subprocess.STDOUT)


def attempts(name):
    """What tmoutctl says about a user's attempts."""
    return json.loads(must("tmoutctl", "attempts", name, "--json"))


def unlock(name):
    must("tmoutctl", "unlock", name)


def wait_until(condition, what="what was waited for did not come"):
    """Looks again and again; for what nobody reports."""
    until = time.monotonic() + GUARD_SEC
    while not (found := condition()):
        if time.monotonic() > until:
            raise Stuck(what)
        time.sleep(0.02)
    return found


class Pam:
    """libpam as an application calls it, in this process: for what no program
    of the system does often enough in a test's time."""

    USER_UNKNOWN, AUTH_ERR, CONV_ERR = 10, 7, 19
    TTY, RHOST, FAIL_DELAY = 3, 4, 10

    class Message(ctypes.Structure):
        _fields_ = [("style", ctypes.c_int), ("text", ctypes.c_char_p)]

    class Response(ctypes.Structure):
        _fields_ = [("text", ctypes.c_void_p), ("code", ctypes.c_int)]

    CONVERSE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int,
                                ctypes.POINTER(ctypes.POINTER(Message)),
                                ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)
    DELAY = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)

    class Conversation(ctypes.Structure):
        pass

    Conversation._fields_ = [("function", CONVERSE), ("data", ctypes.c_void_p)]

    def __init__(self, service, name, source=None, host=None):
        """`source` as sshd would have it in SSH_CONNECTION, `host` as RHOST."""
        self.pam = ctypes.CDLL("libpam.so.0")
        self.libc = ctypes.CDLL(None)
        self.libc.calloc.restype = self.libc.strdup.restype = ctypes.c_void_p
        self.answer = ""
        self.asked = 0
        self.told = []
        self.delays = []
        # libpam keeps pointers to these.
        self.keep = [self.CONVERSE(self._converse), self.DELAY(self._delay)]
        self.conversation = self.Conversation(self.keep[0], None)
        self.handle = ctypes.c_void_p()
        self._check(self.pam.pam_start(service.encode(), name.encode(),
                                       ctypes.byref(self.conversation),
                                       ctypes.byref(self.handle)))
        self._check(self.pam.pam_set_item(self.handle, self.FAIL_DELAY, self.keep[1]))
        if host:
            self._check(self.pam.pam_set_item(self.handle, self.RHOST, host.encode()))
        if source:
            self._check(self.pam.pam_set_item(self.handle, self.TTY, b"ssh"))
            connection = f"SSH_CONNECTION={source} 40000 192.0.2.1 22"
            self._check(self.pam.pam_putenv(self.handle, connection.encode()))

    @staticmethod
    def _check(status):
        if status != 0:
            raise RuntimeError(f"libpam gave {status}")

    def _converse(self, count, messages, responses, _data):
        if self.answer is None and messages[0].contents.style in (1, 2):
            return self.CONV_ERR
        block = self.libc.calloc(count, ctypes.sizeof(self.Response))
        given = ctypes.cast(block, ctypes.POINTER(self.Response))
        for number in range(count):
            message = messages[number].contents
            if message.style in (1, 2):
                self.asked += 1
                given[number].text = self.libc.strdup(self.answer.encode())
            else:
                self.told.append(message.text.decode())
        responses[0] = block
        return 0

    def _delay(self, status, delay_us, _data):
        """In place of libpam's sleep."""
        self.delays.append((status, delay_us))

    def authenticate(self, answer):
        """What pam_authenticate() returns for this password; 0 is success. With
        None nobody answers."""
        self.answer = answer
        return self.pam.pam_authenticate(self.handle, 0)

    def end(self):
        self.pam.pam_end(self.handle, 0)

    @classmethod
    def once(cls, service, name, answer, **more):
        """One attempt on a handle of its own."""
        pam = cls(service, name, **more)
        try:
            return pam.authenticate(answer)
        finally:
            pam.end()
