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
    """The host's sshd. start() restarts it. Further ones can run on other ports,
    with other PAM services."""

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
        """The program and configuration that make sshd use its PAM service: older
        ones take it from the program's name, newer ones have an option."""
        program = shutil.which("sshd")
        if self.service == "sshd":
            return program, config
        if self.knows("PAMServiceName", self.service):
            return program, f"PAMServiceName {self.service}\n{config}"
        link = f"/usr/local/sbin/{self.service}"
        if not os.path.lexists(link):
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(program, link)
        return link, config

    @staticmethod
    def knows(keyword, value):
        """Whether this version of sshd has an option."""
        answer = run(shutil.which("sshd"), "-T", "-f", "/dev/null", "-o", f"{keyword}={value}")
        return "Bad configuration option" not in answer.stderr

    def start(self, config=""):
        """`config` goes first, because sshd uses the first value of an option."""
        self.stop()
        program, config = self._program(config)
        # Newer ones reject an address for a while after wrong passwords.
        if self.knows("PerSourcePenalties", "no"):
            config = f"PerSourcePenalties no\n{config}"
        path = f"/etc/ssh/throwaway_config.{self.port}"
        # Global options have to come before the first Match block.
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
