"""The host's SSH daemon."""

import os
import shutil
import subprocess
import threading

from host.commands import run
from host.files import write
from host.waiting import GUARD_SEC, Log

HOST_KEY = "/etc/ssh/throwaway_host_key"


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
