"""Waiting for something to happen, rather than for time to pass."""

import re
import threading
import time

# No test comes near these, however busy the machine. They end tests that hang.
GUARD_SEC = 300
BUILD_GUARD_SEC = 900  # the same for commands that compile or install much


class Stuck(Exception):
    """What a test was waiting for did not happen."""


def wait_until(condition, what="what the test waits for does not happen"):
    """Polls until condition() is true, and returns its value: for what cannot be
    waited for otherwise."""
    until = time.monotonic() + GUARD_SEC
    while not (found := condition()):
        if time.monotonic() > until:
            raise Stuck(what)
        time.sleep(0.02)
    return found


class Log:
    """Lines that arrive in the background, and can be waited for."""

    def __init__(self):
        self.lines = []
        self.changed = threading.Condition()

    def add(self, line):
        with self.changed:
            self.lines.append(line)
            self.changed.notify_all()

    def mark(self):
        """The current end, for since() and wait()."""
        return len(self.lines)

    def since(self, mark, pattern=""):
        return [line for line in self.lines[mark:] if re.search(pattern, line)]

    def wait(self, pattern, mark=0):
        """The first line from `mark` on that matches."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.since(mark, pattern), GUARD_SEC):
                raise Stuck(f"no line like {pattern!r} in:\n" + "\n".join(self.lines[mark:]))
            return self.since(mark, pattern)[0]
