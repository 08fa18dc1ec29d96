"""Login attempts with a password: over ssh, with su and sudo, and with libpam alone."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import tempfile

from host.accounts import passwords, user
from host.client import ssh_command
from host.commands import run
from host.files import read, remove, write
from host.product import attempts
from host.setup import setup
from host.waiting import GUARD_SEC, wait_until

# Answers each prompt with the next line of the file. If that is a fifo, it
# waits at the prompt until the test writes an answer or ends it.
ASKPASS = """#!/bin/sh
read -r answer <"$ANSWERS"
[ -p "$ANSWERS" ] || sed -i 1d "$ANSWERS"
printf '%s\\n' "$answer"
"""


class PasswordClient:
    """An ssh client that answers the prompts of one connection with these
    passwords. With `thinks`, it waits at each prompt for say()."""

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
        """Waits until it is at a prompt, and returns a descriptor to write the answer to."""
        def try_to_open():
            with contextlib.suppress(OSError):  # nobody reads yet
                return os.open(self.answers, os.O_WRONLY | os.O_NONBLOCK)
            return None

        return wait_until(try_to_open, "there is no password prompt")

    def say(self, text):
        """Answers the prompt."""
        descriptor = self.wait_asked()
        os.write(descriptor, f"{text}\n".encode())
        os.close(descriptor)

    def go_away(self):
        """Kills the client and its prompt, as if the user's machine had crashed."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(GUARD_SEC)

    def result(self):
        """Like the result of run(), with all output in stdout."""
        shown, _ = self.process.communicate(timeout=GUARD_SEC)
        remove(self.directory)
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, shown, "")


def password_ssh(name, *given, **more):
    """Logs in over ssh, trying these passwords one after the other."""
    return PasswordClient(name, *given, **more).result()


def lets_in(name, *given, **more):
    """Whether a user can log in over ssh with these passwords."""
    return password_ssh(name, *given, **more).returncode == 0


def state(name):
    """A user's failures that count now, and whether the user is locked."""
    shown = attempts(name)
    return shown["failures"], shown["locked"]


def counts(name):
    """A user's failures that count now, by origin."""
    return {count["from"]: count["failures"] for count in attempts(name)["counts"]
            if count["failures"]}


def setup_passwords(policy_text, sshd_config, services, people, groups=None):
    """setup(), and users with passwords, {name: password}, and groups,
    {name: [group]}. Nothing delays the answer to a wrong password."""
    setup(policy_text, sshd_config, services)
    common = "/etc/pam.d/common-auth"
    write(common, re.sub(r"(pam_unix\.so)", r"\1 nodelay", read(common)))
    defaults = "/etc/login.defs"
    write(defaults, re.sub(r"(?m)^#?FAIL_DELAY.*", "", read(defaults)) + "\nFAIL_DELAY 0\n")
    for name in people:
        user(name, "dash", (groups or {}).get(name, []))
    passwords(people)


def as_user(name, *argv):
    """The command line of a program that an ordinary user starts."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", *argv]


def su(by, name, *given, command="true", before=()):
    """`su NAME` by an ordinary user, with a pipe instead of a terminal."""
    return run(*as_user(by, *before, "su", name, "-c", command), stdin=None,
               input="".join(f"{text}\n" for text in given), stderr=subprocess.STDOUT)


def sudo(by, *given, command="true"):
    """`sudo` by an ordinary user, with no cached credentials."""
    return run(*as_user(by, "sudo", "-k", "-S", "-p", "", *command.split()), stdin=None,
               input="".join(f"{text}\n" for text in given), stderr=subprocess.STDOUT)


class Pam:
    """libpam, called by this process as an application would. Much faster than
    any program of the system."""

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
        """`source` is the address in SSH_CONNECTION, as sshd sets it; `host` is PAM_RHOST."""
        self.pam = ctypes.CDLL("libpam.so.0")
        self.libc = ctypes.CDLL(None)
        self.libc.calloc.restype = self.libc.strdup.restype = ctypes.c_void_p
        self.answer = ""
        self.asked = 0
        self.messages = []
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
            raise RuntimeError(f"libpam returned {status}")

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
                self.messages.append(message.text.decode())
        responses[0] = block
        return 0

    def _delay(self, status, delay_us, _data):
        """Called in place of libpam's sleep."""
        self.delays.append((status, delay_us))

    def authenticate(self, answer):
        """What pam_authenticate() returns for this password: 0 is success. None
        is a conversation that fails."""
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
