"""Refusals of open(2), as fapolicyd has them: the kernel asks, through fanotify(7)."""

import contextlib
import ctypes
import os
import re
import select
import struct
import threading

from host.files import read

FAN_CLASS_CONTENT, FAN_MARK_ADD, FAN_OPEN_PERM, FAN_ALLOW, FAN_DENY = 4, 1, 0x10000, 1, 2
EVENT = "=IBBHQii"  # struct fanotify_event_metadata
CURRENT_DIRECTORY = -100
libc = ctypes.CDLL(None, use_errno=True)


def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def answer(listener):
    """Refuses it to a process whose real uid is not 0."""
    *_, fd, pid = struct.unpack(EVENT, os.read(listener, struct.calcsize(EVENT)))
    try:
        real_uid = int(re.search(r"(?m)^Uid:\t(\d+)", read(f"/proc/{pid}/status")).group(1))
    except FileNotFoundError:
        real_uid = 0
    os.write(listener, struct.pack("=iI", fd, FAN_DENY if real_uid else FAN_ALLOW))
    os.close(fd)


def serve(listener, stop):
    """Answers until there is nothing more to be read from stop."""
    while stop not in select.select([listener, stop], [], [])[0]:
        answer(listener)


@contextlib.contextmanager
def refused_to_users(path):
    """Meanwhile, no process that a user has started can open the file, not even as root."""
    listener = called(libc.fanotify_init(FAN_CLASS_CONTENT, os.O_RDONLY | os.O_CLOEXEC))
    called(libc.fanotify_mark(listener, FAN_MARK_ADD, ctypes.c_uint64(FAN_OPEN_PERM),
                              CURRENT_DIRECTORY, os.fsencode(path)))
    stop, stopped = os.pipe()
    thread = threading.Thread(target=serve, args=(listener, stop))
    thread.start()
    try:
        yield
    finally:
        os.close(stopped)
        thread.join()
        os.close(listener)
        os.close(stop)
