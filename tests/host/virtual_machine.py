"""A virtual machine, for what needs a kernel of its own.

The machine is emulated, so that it also runs where there is no KVM. Its kernel is
Debian's, from the archive; its files are an initial RAM disk, so that it needs no
drivers, and nothing that it changes outlives it.
"""

import glob
import os
import re
import shutil
import subprocess

from host.commands import must, run
from host.debian_root import own_suite
from host.files import read, write
from host.isolation import Skip
from host.waiting import BUILD_GUARD_SEC

# What makes and runs the machine.
PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "cpio", "dpkg-deb")
KERNEL = "linux-image-cloud-amd64"  # depends on the package of the newest version
MEMORY_MB = 2048  # half of it for files
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


def boot(kernel, image, directory):
    """Runs the machine to its end. Returns what its job printed, and JOB_DONE if it
    succeeded. That, and what the kernel said, is kept in the directory."""
    console, output = f"{directory}/console", f"{directory}/output"
    subprocess.run(["nice", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m",
                    str(MEMORY_MB), "-display", "none", "-no-reboot", "-nic", "none",
                    "-kernel", kernel, "-initrd", image,
                    "-append", "console=ttyS0 panic=-1 audit_backlog_limit=8192 quiet",
                    "-serial", f"file:{console}", "-serial", f"file:{output}"],
                   stdin=subprocess.DEVNULL, check=True, timeout=4 * BUILD_GUARD_SEC)
    return read(output)
