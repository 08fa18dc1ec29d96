"""A terminal with a program on it, and a user who types."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time

from host.waiting import GUARD_SEC, Stuck


# Gives the terminal a console's name, as containers do with theirs.
AS_CONSOLE = """set -e
terminal=$(tty)
touch "/dev/$0"
mount --bind "$terminal" "/dev/$0"
exec "$@" <"/dev/$0" >"/dev/$0" 2>&1
"""


def on_console(name, *argv):
    """The command line that runs a program on its terminal under the name of a real
    one, such as ttyS5. Each of a host's consoles has a name of its own."""
    return ["unshare", "--mount", "sh", "-c", AS_CONSOLE, name, *argv]


class Terminal:
    """A user at a terminal of so many lines and columns, running a command there."""

    def __init__(self, argv, env=None, size=(50, 200)):
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        environment = {**os.environ, "TERM": "dumb", **(env or {})}
        self.master = master
        self.screen = ""
        self.questions = 0
        # setsid makes it the controlling terminal, as it is for a shell.
        self.process = subprocess.Popen(["setsid", "--ctty", *argv], env=environment,
                                        stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def _read_more(self, until):
        """False once nothing can write to the terminal any more."""
        ready, _, _ = select.select([self.master], [], [], max(0, until - time.monotonic()))
        if not ready:
            raise Stuck(f"the terminal shows only:\n{self.screen}")
        try:
            data = os.read(self.master, 65536)
        except OSError:  # nothing has the terminal open
            data = b""
        self.screen += re.sub(r"\x1b(\[[<=>0-9;?]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()].|[=>])", "",
                              data.decode(errors="replace"))
        return bool(data) or self._reopened()

    def _reopened(self):
        """Whether the program goes on: login(1) hangs up the terminal and then
        opens it again."""
        try:
            self.process.wait(0.05)
            return False
        except subprocess.TimeoutExpired:
            return True

    def wait(self, pattern, guard=GUARD_SEC):
        """Waits until the screen shows `pattern`, and returns the match."""
        until = time.monotonic() + guard
        while not (found := re.search(pattern, self.screen)):
            if not self._read_more(until):
                raise Stuck(f"no {pattern!r} before the end of:\n{self.screen}")
        return found

    def type(self, line):
        self.press(line + "\r")

    def press(self, keys):
        """Types these keys, without Enter."""
        os.write(self.master, keys.encode())

    def wait_prompt(self):
        """Waits for a shell's prompt: login(1) discards what was typed before."""
        # ksh93 clears the rest of the line when it redraws its prompt.
        return self.wait(r"[$%>#] [\s\b]*\Z")

    def ask(self, expression):
        """The value that the shell gives to `expression`, such as $HOME. The quotes
        keep the echo of the command from looking like the answer."""
        self.questions += 1
        self.type(f"echo answer''{self.questions}=\"{expression}\"")
        return self.wait(rf"answer{self.questions}=([^\r\n]*)\r*\n").group(1)

    def limit(self, shell):
        """The shell's idle limit in seconds, None if it has none."""
        if shell == "tcsh":  # in minutes; expanding an unset variable is an error
            value = self.ask("$?autologout") == "1" and self.ask("$autologout").split()[0]
            return int(value or 0) * 60 or None
        value = int(self.ask("$TMOUT") or 0)
        if shell == "ksh93" and value:  # it warns at TMOUT and exits a minute later
            value += 60
        return value or None

    def try_limit(self, shell, seconds):
        """Tries to change the shell's limit."""
        if shell == "tcsh":
            self.type(f"set autologout = {seconds // 60}")
        else:
            self.type(f"TMOUT={seconds - 60 if shell == 'ksh93' else seconds}")

    def ended_within(self, seconds):
        """Whether the session ends by itself within this time."""
        until = time.monotonic() + seconds
        try:
            while self._read_more(until):
                pass
            return True
        except Stuck:
            return False

    def wait_end(self, guard=GUARD_SEC):
        """Waits until the session ends by itself, and returns its exit status."""
        if not self.ended_within(guard):
            raise Stuck(f"the session has not ended, and shows:\n{self.screen}")
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
