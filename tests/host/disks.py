"""The ledgers on file systems that are full, read-only, or lose their disk: a login is
counted, or rejected with a line in the log, and no program dies of it."""

import contextlib
import os
import re
import subprocess

from host.accounts import uid
from host.attempts import lets_in, setup_passwords, state, su
from host.commands import mounted, must, run
from host.files import remove
from host.product import LEDGERS, errors, unlock
from host.sshd import sshd
from host.syslog import syslog
from host.tap import tap

POLICY = "default { max_attempts = 3 }\n"
EXT4 = ["mkfs.ext4", "-q", "-m", "0"]
# How each is made. overlay is one on top of ext4.
KINDS = {"btrfs": ["mkfs.btrfs", "-q", "--mixed"], "xfs": ["mkfs.xfs", "-q"], "ext4": EXT4,
         "ext2": ["mkfs.ext2", "-q", "-m", "0"], "overlay": EXT4}
IMAGE_SIZE = 320 << 20
IMAGES = "/run/images"


def ledger(name):
    return f"{LEDGERS}/{uid(name)}"


@contextlib.contextmanager
def loop_device(image):
    """A loop device, whose node the host's /dev does not have."""
    if not os.path.exists("/dev/loop-control"):
        must("mknod", "-m", "600", "/dev/loop-control", "c", "10", "237")
    # The kernel names one that was free a moment ago.
    for _ in range(20):
        number = subprocess.run(["losetup", "--find"], capture_output=True, text=True,
                                check=True).stdout.strip()
        node = number if number.startswith("/dev/loop") else f"/dev/loop{number}"
        if not os.path.exists(node):
            must("mknod", "-m", "600", node, "b", "7", re.sub(r"\D", "", node))
        if subprocess.run(["losetup", node, image], check=False).returncode == 0:
            break
    else:
        raise RuntimeError("there is no loop device")
    try:
        yield node
    finally:
        must("losetup", "--detach", node)


@contextlib.contextmanager
def file_system(kind, image):
    """A new file system of this kind in the ledgers' place."""
    with open(image, "wb") as file:
        file.truncate(IMAGE_SIZE)
    with loop_device(image) as device, contextlib.ExitStack() as mounts:
        must(*KINDS[kind], device)
        if kind == "overlay":
            below = image + ".below"
            os.mkdir(below)
            mounts.enter_context(mounted(device, below))
            for directory in "lower", "upper", "work":
                os.mkdir(f"{below}/{directory}")
            mounts.enter_context(mounted(
                "-t", "overlay", "-o", f"lowerdir={below}/lower,upperdir={below}/upper,"
                f"workdir={below}/work", "overlay", LEDGERS))
        else:
            mounts.enter_context(mounted(device, LEDGERS))
        os.chmod(LEDGERS, 0o755)
        yield


def fill(path):
    """Takes all space that there is, to the last byte."""
    for number, size in enumerate((1 << 20, 4096, 512, 1)):
        with contextlib.suppress(OSError), open(f"{path}/filler{number}", "wb", 0) as file:
            while file.write(b"x" * size):
                pass
    os.sync()


ADVICE = {"No space left on device": "free up space on the file system of",
          "Input/output error": "fails: check it"}


def is_advised(line):
    """Does a line about an error say what helps against that one?"""
    return all(advice in line for error, advice in ADVICE.items() if error in line)


def attempt(name, password):
    """One su and what became of it: "in", "counted" or "rejected". Anything else
    fails the test: that it died, or that nothing tells why it was rejected."""
    mark = syslog.now()
    result = su("other", name, password)
    checked = len(syslog.settled(mark, rf"pam_tmout\(su:auth\): failed login user={name} "))
    said = [line for line in errors(mark) if re.search(rf" user={name}\b", line)]
    locked = syslog.settled(mark, rf"pam_tmout\(su:auth\): rejected: locked user={name} ")
    if not all(map(is_advised, said)):
        return "\n".join(said)
    if result.returncode not in (0, 1):
        return f"status {result.returncode}"
    if result.returncode == 0:
        return "in"
    return "counted" if checked else "rejected" if said or locked else "no reason in the log"


def on_a_full_one(kind):
    def scenario():
        full, fresh, copied = kind + "full", kind + "fresh", kind + "copied"
        with file_system(kind, f"{IMAGES}/{kind}full"):
            tap.equal(attempt(full, "wrong"), "counted", f"{kind}: wrong")
            tap.equal(attempt(copied, "wrong"), "counted", f"{kind}: wrong")
            # A copy without the flag that the ledger has: where the file system copies on
            # write, changing it needs space.
            must("cp", ledger(copied), ledger(copied) + ".copy")
            must("chmod", "600", ledger(copied) + ".copy")
            os.rename(ledger(copied) + ".copy", ledger(copied))
            fill(LEDGERS)
            tap.equal(attempt(full, "wrong"), "counted", f"{kind}, full: wrong, counted")
            tap.equal(state(full), (2, False), f"{kind}, full: two failures")
            tap.equal(attempt(full, "right"), "in", f"{kind}, full: right, in")
            tap.equal([attempt(full, "wrong") for _ in range(4)], ["counted"] * 3 + ["rejected"],
                      f"{kind}, full: locked")
            tap.ok(not lets_in(fresh, "right"), f"{kind}, full: no ledger yet, rejected")
            mark = syslog.now()
            tap.equal(attempt(fresh, "right"), "rejected", f"{kind}, full: by su, too")
            tap.ok(any("No space left on device" in line for line in errors(mark)),
                   f"{kind}, full: the log says why", *errors(mark))
            outcomes = [attempt(copied, "wrong") for _ in range(5)]
            if kind == "btrfs" and outcomes[0] == "rejected":
                for verb in "show", "attempts":
                    shown = run("tmoutctl", verb, copied)
                    tap.ok("rejecting passwords: " in shown.stdout and
                           "free up space" in shown.stdout, f"{kind}, full: {verb} says so", shown)
            tap.ok(set(outcomes) <= {"counted", "rejected"} and outcomes.count("counted") <= 2,
                   f"{kind}, full, a ledger that is copied on write: no third one is checked",
                   outcomes)
            for name in os.listdir(LEDGERS):
                if name.startswith("filler"):
                    remove(f"{LEDGERS}/{name}")
            os.sync()
            unlock(copied)
            tap.equal(attempt(copied, "right"), "in", f"{kind}, space again: in")
            tap.equal(attempt(fresh, "right"), "in", f"{kind}, space again: in")

    scenario.__doc__ = f"a full {kind}"
    return scenario


def without_a_disk(kind, what, take_away):
    """The disk fails while a ledger is in use."""
    def scenario():
        name = kind + what
        with mounted("-t", "tmpfs", "-o", "size=400m,mode=700", "throwaway", f"{IMAGES}/{what}"):
            image = f"{IMAGES}/{what}/{kind}"
            with file_system(kind, image):
                tap.equal(attempt(name, "wrong"), "counted", f"{kind}, {what}: wrong")
                os.sync()
                take_away(image)
                descriptor = os.open(ledger(name), os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)
                outcomes = []
                for _ in range(3):
                    outcomes += [attempt(name, "wrong"), attempt(name, "wrong")]
                    os.sync()
                tap.ok(set(outcomes) <= {"counted", "rejected"},
                       f"{kind}, {what}: each is counted, or rejected with a reason", outcomes)
                tap.ok(outcomes.count("counted") <= 2 and outcomes[-1] == "rejected",
                       f"{kind}, {what}: no fourth one is checked", outcomes)
                tap.ok(attempt(name, "right") != "in", f"{kind}, {what}: not even the right one")
                tap.ok(not lets_in(name, "right") or outcomes.count("rejected") < 6,
                       f"{kind}, {what}: sshd lets nobody in uncounted")
        tap.ok(sshd.alive(), f"{kind}, {what}: sshd is alive")

    scenario.__doc__ = f"{kind} on a disk that is {what}"
    return scenario


def on_a_read_only_one(kind):
    """The file system becomes read-only while attempts are in progress."""
    def scenario():
        name = kind + "readonly"
        with file_system(kind, f"{IMAGES}/{kind}readonly"):
            tap.equal(attempt(name, "wrong"), "counted", f"{kind}: wrong")
            must("mount", "-o", "remount,ro", LEDGERS)
            for password in "wrong", "right":
                mark = syslog.now()
                tap.equal(attempt(name, password), "rejected", f"{kind}, read-only: {password}")
                said = [line for line in errors(mark) if f" user={name}" in line]
                tap.ok(len(said) == 1 and "is read-only: mount it for writing" in said[0],
                       f"{kind}, read-only: one line says why, and what helps", *said)
            must("mount", "-o", "remount,rw", LEDGERS)
            tap.equal(state(name), (1, False), f"{kind}, writable again: nothing is lost")
            tap.equal(attempt(name, "right"), "in", f"{kind}, writable again: in")

    scenario.__doc__ = f"{kind} that becomes read-only"
    return scenario


def no_space_below(image):
    """The file system has room, but what it is on has none: writing is an I/O error."""
    fill(os.path.dirname(image))


def nothing_below(image):
    """Reading what is not in memory is an I/O error, and so is writing."""
    fill(os.path.dirname(image))
    os.truncate(image, 0)
    fill(os.path.dirname(image))


def setup_disks(kinds):
    """A host whose ledgers can be put on these kinds of file systems."""
    people = ["other"] + [f"{kind}{what}" for kind in kinds
                          for what in ("full", "fresh", "copied", "thin", "lost", "readonly")]
    setup_passwords(POLICY, "PasswordAuthentication yes\n", ["sshd", "su"],
                    dict.fromkeys(people, "right"))
    for directory in ("", "/thin", "/lost"):
        os.makedirs(IMAGES + directory, exist_ok=True)
    lets_in("other", "wrong")


def scenarios(kinds):
    """All of them, on each of the kinds."""
    return [scenario for kind in kinds
            for scenario in (on_a_full_one(kind), on_a_read_only_one(kind),
                             without_a_disk(kind, "thin", no_space_below),
                             without_a_disk(kind, "lost", nothing_below))]
