"""The host's tmoutd, which disconnects idle sessions."""

import os
import subprocess

from host.files import REPOSITORY
from host.syslog import syslog
from host.waiting import GUARD_SEC


class Tmoutd:
    """The host's tmoutd. start() restarts it."""

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
