"""The host's tmoutd, which disconnects idle sessions."""

import os
import subprocess
import time

from host.files import REPOSITORY
from host.syslog import syslog
from host.tap import tap
from host.waiting import GUARD_SEC


class Tmoutd:
    """The host's tmoutd. start() restarts it."""

    SESSIONS = "/run/tmout/sessions"

    def __init__(self):
        self.process = None

    def start(self, without_inotify=False):
        """Other processes of this machine may have used up its inotify instances or
        watches for the moment: then tmoutd is started again. If they stay used up,
        tmoutd polls, which a note says."""
        until = time.monotonic() + GUARD_SEC
        self._start_once()
        while self.polls() and not without_inotify:
            if time.monotonic() > until:
                tap.note("fs.inotify.max_user_instances or max_user_watches is used up: "
                         "tmoutd polls, and may be 30 s late")
                return
            time.sleep(1)
            self._start_once()

    def _start_once(self):
        self.stop()
        program = "/usr/sbin/tmoutd"
        if not os.path.exists(program):
            program = REPOSITORY + "/build/tmoutd"
        mark = syslog.mark()
        self.process = subprocess.Popen([program, "--foreground"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        syslog.wait(rf"tmoutd\[{self.process.pid}\]: watching", mark)

    def polls(self):
        """Whether the kernel has denied it inotify."""
        return bool(syslog.since(0, rf"tmoutd\[{self.process.pid}\]: cannot watch .*: "
                                    "(Too many open files|No space left on device);"))

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(GUARD_SEC)

    def kill(self):
        """Ends it like a crash."""
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
        """The log lines about this user's disconnects, once all have arrived."""
        return syslog.settled(mark, rf"tmoutd\[\d+\]: disconnected.* user={name} ")


tmoutd = Tmoutd()
