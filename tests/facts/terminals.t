#!/usr/bin/python3
"""What the kernel does with terminals: the facts in docs/FACTS.md that the
watcher rests on. Needs no root."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
import tty

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.tap import tap

STEP_SEC = 8  # the kernel's granularity of a terminal's times
TIOCVHANGUP = 0x5437  # asm-generic/ioctls.h; Python has no name for it


def open_terminal():
    """A terminal as (master, slave) descriptors; what is typed is read as it comes."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    return master, slave


def set_old_times(slave):
    """Makes both times old enough for the next change to show."""
    old = time.time() - 100 * STEP_SEC
    os.utime(slave, (old, old))
    return os.fstat(slave)


def reading_input_moves_atime_only():
    """reading input moves atime, in whole seconds, and leaves ctime alone"""
    master, slave = open_terminal()
    before = set_old_times(slave)
    os.write(master, b"x")
    os.read(slave, 1)
    after = os.fstat(slave)
    tap.ok(after.st_atime > before.st_atime, "reading input moves atime")
    tap.equal(after.st_mtime_ns, before.st_mtime_ns, "reading input leaves mtime alone")
    tap.equal(after.st_ctime_ns, before.st_ctime_ns, "reading input leaves ctime alone")
    tap.equal(after.st_atime_ns % 1_000_000_000, 0, "atime is a whole second")
    step = None
    while step != time.time() // STEP_SEC:  # both reads within one step
        step = time.time() // STEP_SEC
        atime = []
        for _ in range(2):
            os.write(master, b"x")
            os.read(slave, 1)
            atime.append(os.fstat(slave).st_atime_ns)
    tap.equal(atime[1], atime[0], f"another read within the same {STEP_SEC} s moves nothing")


def typing_that_nobody_reads_moves_nothing():
    """input that no program reads moves no time, but can be seen in the queue"""
    master, slave = open_terminal()
    before = set_old_times(slave)
    os.write(master, b"x")
    select.select([slave], [], [])  # the kernel hands it over later
    after = os.fstat(slave)
    tap.equal(after.st_atime_ns, before.st_atime_ns, "unread input leaves atime alone")
    queued = struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, b"\0" * 4))[0]
    tap.equal(queued, 1, "FIONREAD on the slave counts unread input")


def output_moves_mtime_only():
    """output moves mtime, and neither atime nor ctime"""
    _master, slave = open_terminal()
    before = set_old_times(slave)
    os.write(slave, b"x")
    after = os.fstat(slave)
    tap.ok(after.st_mtime > before.st_mtime, "output moves mtime")
    tap.equal(after.st_atime_ns, before.st_atime_ns, "output leaves atime alone")
    tap.equal(after.st_ctime_ns, before.st_ctime_ns, "output leaves ctime alone")


def setting_times_moves_ctime():
    """whoever sets a terminal's times, or its mode, moves ctime to now"""
    _master, slave = open_terminal()
    before = set_old_times(slave)
    while time.time_ns() - before.st_ctime_ns < 20_000_000:
        pass  # the clock of file times ticks every few milliseconds
    os.utime(slave, (4e9, 4e9))
    forged = os.fstat(slave)
    tap.equal(forged.st_atime, 4e9, "the owner can set atime, even to the future")
    tap.ok(forged.st_ctime_ns > before.st_ctime_ns, "and that moves ctime")
    while time.time_ns() - forged.st_ctime_ns < 20_000_000:
        pass
    os.fchmod(slave, 0o600)
    tap.ok(os.fstat(slave).st_ctime_ns > forged.st_ctime_ns, "a new mode moves ctime, too")


def the_master_names_its_terminal():
    """fdinfo of the master has the terminal's number"""
    master, slave = pty.openpty()
    with open(f"/proc/self/fdinfo/{master}", encoding="ascii") as file:
        found = re.search(r"^tty-index:\s*(\d+)$", file.read(), re.M)
    tap.equal(found and f"/dev/pts/{found.group(1)}", os.ttyname(slave),
              "tty-index is the number in /dev/pts")


def in_session(slave, child):
    """Runs child() as the leader of a session on this terminal; gives its pid and
    a descriptor that ends when it has ended."""
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup(1) ignores it
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            child(told)
        finally:
            os._exit(0)
    os.close(told)
    os.read(ready, 1)
    return pid, ready


def hanging_up():
    """what ends a session: SIGHUP ends a leader unless it ignores it; TIOCVHANGUP
    takes the terminal away from everybody, and lets who ignores SIGHUP live"""
    master, slave = open_terminal()

    def ignores(told):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.write(told, b"r")
        os.read(slave, 1)  # ends by hangup: end of file
        os.write(told, b"h")
        signal.pause()

    pid, ready = in_session(slave, ignores)
    os.kill(pid, signal.SIGHUP)
    if os.geteuid() == 0:
        fcntl.ioctl(slave, TIOCVHANGUP)
        tap.equal(os.read(ready, 1), b"h", "TIOCVHANGUP ends the read of a program that ignores SIGHUP")
        tap.equal(os.waitpid(pid, os.WNOHANG)[0], 0, "which lives on")
        try:
            os.write(slave, b"x")
            tap.ok(False, "a descriptor from before the hangup is dead")
        except OSError:
            tap.ok(True, "a descriptor from before the hangup is dead")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(master)


def a_stopped_leader():
    """a stopped leader takes SIGHUP only after SIGCONT"""
    _master, slave = open_terminal()

    def waits(told):
        os.write(told, b"r")
        signal.pause()

    pid, _ready = in_session(slave, waits)
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    os.kill(pid, signal.SIGHUP)
    tap.equal(os.waitpid(pid, os.WNOHANG)[0], 0, "a stopped leader survives SIGHUP")
    os.kill(pid, signal.SIGCONT)
    _pid, status = os.waitpid(pid, 0)
    tap.equal(os.WIFSIGNALED(status) and os.WTERMSIG(status), signal.SIGHUP, "and not SIGCONT after it")


if __name__ == "__main__":
    tap.run(reading_input_moves_atime_only, typing_that_nobody_reads_moves_nothing,
            output_moves_mtime_only, setting_times_moves_ctime, the_master_names_its_terminal,
            hanging_up, a_stopped_leader)
