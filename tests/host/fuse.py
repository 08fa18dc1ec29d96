#!/usr/bin/python3
"""Processes that no one can look into, by a file system that never answers. Run by
an ordinary user:

    fuse.py exec          in the middle of execve(2), for ever: the kernel waits for
                          the file system to close a file
    fuse.py arguments     its command line is in a page that never arrives
    fuse.py mmap          waits for such a page, and holds what it can of its own
                          address space's lock
    fuse.py cwd           its working directory is there, and so is an open file
    fuse.py exe           its program is there
    fuse.py terminal      writes to its terminal from such a page
    fuse.py name          has a file open whose name is that of a terminal, and whose
                          attributes never arrive

Prints `held SERVER` once it is in place, and stays. Whoever reads its files in /proc
waits, too: everything ends when the process SERVER is killed.
"""

import ctypes
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long]
PAGE = 4096
SIZE = 64 * PAGE
INIT, LOOKUP, FORGET, GETATTR, OPEN, READ, FLUSH, BATCH_FORGET = 26, 1, 2, 3, 14, 15, 25, 42
NOTIFY_INVAL_INODE = 2
MAP_FIXED = 0x10


def attributes(inode):
    mode = 0o40755 if inode == 1 else 0o100755
    return struct.pack("<QQQQQQIIIIIIIIII", inode, SIZE, SIZE // 512, 0, 0, 0, 0, 0, 0, mode, 1,
                       os.getuid(), os.getgid(), 0, PAGE, 0)


class FileSystem:
    """A directory with one file, by any name: its first page is that of a program, the
    others never arrive, and neither does the answer to FLUSH while holds_flush."""

    def __init__(self, holds_flush, options="rw"):
        self.holds_flush = holds_flush
        with open(shutil.which("sleep"), "rb") as program:
            self.content = program.read()
        self.path = tempfile.mkdtemp(prefix="held")
        ours, theirs = socket.socketpair()
        subprocess.run(["fusermount3", "-o", options, "--", self.path], check=True,
                       env=dict(os.environ, _FUSE_COMMFD=str(theirs.fileno())),
                       pass_fds=[theirs.fileno()])
        self.device = socket.recv_fds(ours, 16, 1)[1][0]
        os.set_inheritable(self.device, False)
        self.file = self.path + "/x"

    def answer(self, operation, node, body):
        """The answer's content; None if there is none."""
        if operation == INIT:
            return struct.pack("<IIIIHHIIHHI7I", 7, 31, PAGE, 0, 12, 12, 65536, 1, 0, 0, 0, *[0] * 7)
        if operation == GETATTR:
            if self.is_forgotten and node != 1:
                return None
            return struct.pack("<QII", 1000, 0, 0) + attributes(node)
        if operation == LOOKUP:
            return struct.pack("<QQQQII", 2, 0, 1000, 1000, 0, 0) + attributes(2)
        if operation == OPEN:
            return struct.pack("<QII", 1, 0, 0)
        if operation == READ:
            _, offset, size = struct.unpack("<QQI", body[:20])
            return self.content[offset:offset + size] if self.reads else None
        if operation in (FORGET, BATCH_FORGET) or (operation == FLUSH and self.holds_flush):
            return None
        return b""

    reads = False  # whether pages arrive
    holds_attributes = False  # once the file is open
    is_forgotten = False

    def forget_attributes(self):
        """The kernel is to ask for them again."""
        self.is_forgotten = True
        os.write(self.device, struct.pack("<IiQQqq", 40, NOTIFY_INVAL_INODE, 0, 2, -1, 0))

    def serve(self):
        """In a process of its own, so that it is not stopped by what it holds."""
        self.server = os.fork()
        if self.server == 0:
            while True:
                request = os.read(self.device, 1 << 20)
                _, operation, unique, node = struct.unpack("<IIQQ", request[:24])
                answer = self.answer(operation, node, request[40:])
                if answer is not None:
                    os.write(self.device, struct.pack("<IiQ", 16 + len(answer), 0, unique) + answer)
                if operation == OPEN and self.holds_attributes:
                    self.forget_attributes()
        os.close(self.device)
        return self

    def page(self, at=None, flags=0):
        """The address of a page that never arrives."""
        fd = os.open(self.file, os.O_RDONLY)
        address = LIBC.mmap(at, PAGE, mmap.PROT_READ, mmap.MAP_PRIVATE | flags, fd, 16 * PAGE)
        assert address not in (None, 2 ** 64 - 1), os.strerror(ctypes.get_errno())
        return address


def held(system):
    os.write(1, b"held %d\r\n" % system.server)


def hold_exec():
    system = FileSystem(True).serve()
    os.set_inheritable(os.open(system.file, os.O_RDONLY | os.O_CLOEXEC), False)
    held(system)
    os.execv(shutil.which("sleep"), ["sleep", "100000"])


def hold_arguments():
    system = FileSystem(False).serve()
    with open("/proc/self/stat", encoding="ascii") as file:
        start = int(file.read().rsplit(")", 1)[1].split()[45])
    # Afterwards this process may wait as well: the page can be one that it uses itself.
    held(system)
    system.page(start & ~(PAGE - 1), MAP_FIXED)
    time.sleep(100000)


def hold_mmap():
    system = FileSystem(False).serve()
    page = system.page()

    def fault():
        LIBC.strlen(ctypes.c_void_p(page))

    def lock():
        LIBC.mlock(ctypes.c_void_p(page), PAGE)

    held(system)
    for hold in fault, lock, lambda: LIBC.mmap(None, PAGE, 3, 0x22, -1, 0):
        threading.Thread(target=hold, daemon=True).start()
    time.sleep(100000)


def hold_directory():
    system = FileSystem(True).serve()
    os.chdir(system.path)
    os.open("x", os.O_RDONLY)
    held(system)
    time.sleep(100000)


def hold_program():
    system = FileSystem(True)
    system.reads = True
    system.serve()
    held(system)
    os.execv(system.file, ["sleep", "100000"])


def hold_terminal():
    system = FileSystem(False).serve()
    page = system.page()
    terminal = os.open(os.ttyname(0), os.O_RDWR)
    held(system)
    LIBC.write(terminal, ctypes.c_void_p(page), PAGE)
    time.sleep(100000)


def hold_name():
    system = FileSystem(False)
    system.holds_attributes = True
    system.serve()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.open(system.path + "/tty1", os.O_RDONLY)
    held(system)
    time.sleep(100000)


if __name__ == "__main__":
    {"exec": hold_exec, "arguments": hold_arguments, "mmap": hold_mmap, "cwd": hold_directory,
     "exe": hold_program, "terminal": hold_terminal, "name": hold_name}[sys.argv[1]]()
