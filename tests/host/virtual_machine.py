"""A virtual machine, for what needs a kernel of its own.

The machine is emulated, so that it also runs where there is no KVM. Its kernel is
Debian's, from the archive, and nothing that it changes outlives it. Its files are an
initial RAM disk, so that it needs no drivers; or, where they need labels of SELinux,
which a RAM disk cannot have, a disk from which systemd starts.
"""

import glob
import os
import re
import shutil
import socket
import tempfile
import threading

from host.commands import must, run
from host.debian_root import own_suite
from host.files import read, remove, write
from host.isolation import Skip, isolate
from host.tap import tap
from host.waiting import BUILD_GUARD_SEC

# What makes and runs the machine.
PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "cpio", "dpkg-deb")
KERNEL = "linux-image-cloud-amd64"  # depends on the package of the newest version
MEMORY_MB = 2048  # half of it for files
DISK_MEMORY_MB = 1024
# What nothing there uses.
UNUSED = ("boot/*", "usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*", "var/lib/apt/*",
          "var/cache/*/*")
# What process 1 prints if the job succeeded.
JOB_DONE = "job ended with status 0"
# Process 1. When it ends, so does the machine: the kernel panics and "reboots".
# What the job prints goes to the second serial line, without the kernel's messages.
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 shm /dev/shm
hostname vm
exec </dev/null >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 -opost
sh /job
echo "job ended with status $?"
stty -F /dev/ttyS1 -opost # waits until all of it is sent
"""


def download_kernel(directory):
    """Fetches Debian's kernel into a new directory. Returns its path. Raises Skip
    where there is none."""
    packages = re.findall(r"(?m)^ *Depends: (linux-image-\S+)$",
                          run("apt-cache", "depends", KERNEL).stdout)
    if not packages:
        raise Skip(f"{own_suite()} has no {KERNEL}")
    os.mkdir(directory)
    must("apt-get", "-o", "APT::Sandbox::User=root", "download", "-q", packages[0], cwd=directory,
         timeout=BUILD_GUARD_SEC)
    must("dpkg-deb", "--extract", *glob.glob(f"{directory}/*.deb"), directory)
    return glob.glob(f"{directory}/boot/vmlinuz-*")[0]


def pack(root, image):
    """Makes the initial RAM disk of a root directory, which has the machine's job in
    /job, a shell script. Takes out what nothing there uses."""
    for path in [path for pattern in UNUSED for path in glob.glob(f"{root}/{pattern}")]:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    write(f"{root}/init", INIT, 0o755)
    must("sh", "-c", 'find . -xdev | cpio --quiet -o -H newc >"$0"', image, cwd=root)


def boot(kernel, image, directory, *parameters):
    """Runs the machine to its end, with more parameters for the kernel. Returns what its
    job printed, and JOB_DONE if it succeeded. That, and what the kernel said, is kept in
    the directory."""
    console, output = f"{directory}/console", f"{directory}/output"
    more = " ".join(("console=ttyS0 panic=-1 audit_backlog_limit=8192 quiet", *parameters))
    must(*emulator(kernel, image, more),
         "-serial", f"file:{console}", "-serial", f"file:{output}", timeout=4 * BUILD_GUARD_SEC)
    return read(output)


def emulator(kernel, image, parameters, memory_mb=MEMORY_MB):
    """The command that runs a machine with this RAM disk, without its serial lines."""
    return ["nice", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", str(memory_mb),
            "-display", "none", "-no-reboot", "-nic", "none", "-kernel", kernel,
            "-initrd", image, "-append", parameters]


# --- machines with a disk --------------------------------------------------------

# Mounts the disk and starts systemd from it.
DISK_INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod "$module"; done
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
"""
# The job, as the superuser of the console would run it.
JOB_UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
SELinuxContext=unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023
ExecStart=/bin/sh -c 'stty -F /dev/ttyS1 -opost; sh /job; echo "job ended with status $$?"'
ExecStopPost=+/bin/systemctl --no-block poweroff
StandardOutput=file:/dev/ttyS1
StandardError=inherit
TimeoutStartSec=infinity
"""
# What starts by itself, and has nothing to do here.
IDLE_UNITS = ("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer",
              "dpkg-db-backup.timer", "systemd-timesyncd.service", "e2scrub_reap.service")


def kernel_of(root):
    """The kernel that is installed in a root directory."""
    return glob.glob(f"{root}/boot/vmlinuz-*")[0]


def pack_loader(root, image):
    """Makes the RAM disk that starts systemd from a disk with this root directory: it
    needs busybox-static and a kernel in there."""
    version = os.listdir(f"{root}/lib/modules")[0]
    directory = image + ".files"
    for name in "bin", "dev", "root", "modules":
        os.makedirs(f"{directory}/{name}")
    shutil.copy(f"{root}/usr/bin/busybox", f"{directory}/bin/busybox")
    listed = []
    for module in "virtio_pci", "virtio_blk", "ext4":
        needed = must("chroot", root, "modprobe", "-S", version, "--show-depends", module)
        listed += re.findall(r"(?m)^insmod (\S+)", needed)
    for number, path in enumerate(dict.fromkeys(listed)):
        shutil.copy(f"{root}{path}", f"{directory}/modules/{number:02}-{os.path.basename(path)}")
    write(f"{directory}/init", DISK_INIT, 0o755)
    must("sh", "-c", 'find . | cpio --quiet -o -H newc >"$0"', image, cwd=directory)
    shutil.rmtree(directory)


def pack_disk(root, image, size_mb, contexts):
    """Makes a disk of a root directory, which has the machine's job in /job. Its files get
    their SELinux labels from a file of contexts, but for those below /dev and the like."""
    unit = f"{root}/etc/systemd/system"
    write(f"{unit}/job.service", JOB_UNIT)
    os.makedirs(f"{unit}/multi-user.target.wants", exist_ok=True)
    for path, target in [(f"{unit}/multi-user.target.wants/job.service", "../job.service"),
                         *((f"{unit}/{name}", "/dev/null") for name in IDLE_UNITS)]:
        if not os.path.lexists(path):
            os.symlink(target, path)
    write(f"{root}/etc/fstab", "/dev/vda / ext4 defaults 0 0\n")
    must("setfiles", "-F", "-r", root, contexts, root, timeout=BUILD_GUARD_SEC)
    remove(image)
    must("mke2fs", "-q", "-t", "ext4", "-d", root, image, f"{size_mb}M", timeout=BUILD_GUARD_SEC)


class Console:
    """The machine's first serial line: what is printed there goes into a file, and what a
    script says is typed when its prompt has come."""

    def __init__(self, path, log, script):
        self.log, self.script = log, list(script)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self):
        line, _ = self.socket.accept()
        seen = b""
        with open(self.log, "wb", buffering=0) as log:
            while data := line.recv(4096):
                log.write(data)
                seen += data
                while self.script and self.script[0][0].encode() in seen:
                    prompt, text = self.script.pop(0)
                    seen = seen.split(prompt.encode(), 1)[1]
                    line.sendall(text.encode())


def boot_disk(root_image, loader, kernel, directory, *parameters, script=()):
    """Runs a machine with a copy of this disk to its end. Returns what its job printed, and
    JOB_DONE if it succeeded. script: pairs of a prompt on the console, and what is
    then typed there."""
    output = f"{directory}/output"
    # While it computes, its clock is as slow as it is: no timeout there depends on this host.
    clock = ["-icount", "shift=0"]
    with tempfile.TemporaryDirectory() as short:  # a socket's path has little room
        Console(f"{short}/line", f"{directory}/console", script)
        must(*emulator(kernel, loader, " ".join(("root=/dev/vda rw console=ttyS0 panic=-1 audit=1",
                                                 "audit_backlog_limit=8192 quiet loglevel=1",
                                                 *parameters)), DISK_MEMORY_MB), *clock,
             "-drive", f"file={root_image},format=raw,if=virtio,snapshot=on,cache=unsafe",
             "-chardev", f"socket,id=console,path={short}/line", "-serial", "chardev:console",
             "-serial", f"file:{output}", timeout=8 * BUILD_GUARD_SEC)
    return read(output)


def play(test, scenario, directory, parts, programs=PROGRAMS):
    """Runs the scenario of a test in a new directory, and ends the test. The directory's
    parts are removed then; what the machine has printed stays."""
    try:
        isolate(*programs)
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        scenario()
    except Skip as why:
        tap.skip(test, why)
    finally:
        for name in parts:
            remove(f"{directory}/{name}")
    tap.end()
