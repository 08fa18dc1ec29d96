#!/usr/bin/python3
"""Real logins to the hosts of tests/unit/tools/tmoutctl/audit/convergence_hosts.h, before
and after the audit's patch: with the right password, a wrong one, a key, and when the limit
is reached. They differ only as the policy says. Each host has an /etc of its own, and an
sshd with its files; libpam and its modules are this machine's. Here are a few hosts; make
soak plays them all."""

import base64
import contextlib
import glob
import hashlib
import hmac
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.attempts import lets_in, setup_passwords, su
from host.client import pam_tmout, ssh
from host.commands import must, run
from host.files import REPOSITORY, read, remove, write
from host.product import unlock
from host.sshd import HOST_KEY, Sshd
from host.tap import tap

RIGHT, WRONG = "right-1234", "wrong-1234"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
LIMIT = 4  # max_attempts of the hosts' policy
HOSTS = "/run/hosts"
WRITER = REPOSITORY + "/build/tests/unit/tools/tmoutctl/audit/test_convergence"
AT_ONCE = 6  # they spend their time waiting for pam_unix and pam_faildelay
# Debian twice, RHEL, and Alpine, with three styles of sshd.
FEW = (0, 40, 64, 78)


# --- on a host ---------------------------------------------------------------------

def code():
    """A one-time code as RFC 6238 has it, from ann's secret."""
    digest = hmac.new(base64.b32decode(SECRET), struct.pack(">Q", int(time.time()) // 30),
                      hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 1000000:06}"


def move_in(files):
    """Gives this mount namespace the host's /etc, and states of its own."""
    own = files + "/own"
    shutil.copytree("/etc", own + "/etc", symlinks=True)
    for path in ("pam.d", "ssh/sshd_config", "ssh/sshd_config.d", "security/tmout.conf",
                 "security/tmout.conf.d"):
        remove(f"{own}/etc/{path}")
    shutil.copytree(files + "/etc", own + "/etc", symlinks=True, dirs_exist_ok=True)
    for path in "/etc", "/var/lib/tmout", "/run/faillock", "/run/tmout":
        os.makedirs(own + path, 0o755, exist_ok=True)
        os.makedirs(path, exist_ok=True)
        must("mount", "--bind", own + path, path)
    if os.path.isdir(files + "/usr/lib/pam.d"):
        must("mount", "--bind", files + "/usr/lib/pam.d", "/usr/lib/pam.d")
    must("tmoutctl", "apply")


@contextlib.contextmanager
def listening(port):
    """The host's sshd with its own files; whether it starts."""
    process = subprocess.Popen(
        [shutil.which("sshd"), "-D", "-e", "-p", str(port), "-o", "ListenAddress=127.0.0.1",
         "-o", f"HostKey={HOST_KEY}", "-o", "PidFile=none",
         # Newer ones reject an address for a while after wrong passwords.
         *(["-o", "PerSourcePenalties=no"] if Sshd.knows("PerSourcePenalties", "no") else [])],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # Until it listens or ends; what it writes later does not fill the pipe.
    starts = any("Server listening" in line for line in process.stderr)
    try:
        yield starts
    finally:
        process.terminate()
        process.communicate()


def sees(port, right):
    """What ann finds, with the limit out of the way at first and reached at the end."""
    def by_password(text):
        return lets_in("ann", text, port=port)

    def by_key(name="ann"):
        return ssh(name, "true", options=[f"Port={port}"]).returncode == 0

    unlock("ann")
    remove_contents("/run/faillock")
    with listening(port) as starts:
        if not starts:
            return {"starts": False}
        found = {"starts": True, "right": by_password(right()), "wrong": by_password(WRONG),
                 "key": by_key()}
        found["key, password locked"] = by_key("shut")
        found["limit"] = pam_tmout("ann", options=[f"Port={port}"]) if found["key"] else None
        unlock("ann")
        found["right again"] = by_password(right())
        for _ in range(LIMIT):
            by_password(WRONG)
        found["locked"] = not by_password(right())
        found["key while locked"] = by_key()
    unlock("ann")
    remove_contents("/run/faillock")
    found["su"] = su("by", "ann", right()).returncode == 0
    found["su, wrong"] = su("by", "ann", WRONG).returncode == 0
    return found


def remove_contents(directory):
    for name in os.listdir(directory):
        remove(f"{directory}/{name}")


def audit():
    """What fails now, as IDs, and the patch."""
    report = json.loads(run("tmoutctl", "audit", "--json").stdout)
    return sorted({f["id"] for f in report["findings"] if f["status"] == "FAIL"}), report["patch"]


def patch(text, *options):
    if text:
        write("/run/tmout/audit.patch", text)
        must("patch", "-s", "-p1", "-d", "/", "-i", "/run/tmout/audit.patch", *options)


def etc_bytes():
    """Every byte, mode and owner below /etc."""
    return must("sh", "-c", "tar --sort=name --mtime=@0 -cf - -C / etc usr/lib/pam.d | cksum")


def play(number):
    """One host, in a mount namespace of its own."""
    files = f"{HOSTS}/{number}"
    move_in(files)
    right = code if "google_authenticator" in read("/etc/pam.d/sshd") else lambda: RIGHT
    port = 3000 + number
    original = etc_bytes()
    failed_before, text = audit()
    before = sees(port, right)
    patch(text)
    failed_after, second = audit()
    patch(second)
    after = sees(port, right)
    patch(second, "-R")
    patch(text, "-R")
    print(json.dumps({"name": read(files + "/name").strip(), "before": before, "after": after,
                      "failed": failed_before, "left": failed_after, "patch": text,
                      "restored": etc_bytes() == original}))


# --- all hosts ---------------------------------------------------------------------

def put_missing_modules():
    """A stub for each module of the hosts' stacks that this machine does not have."""
    directory = os.path.dirname((glob.glob("/lib/*/security/pam_tmout.so")
                                 + glob.glob("/lib*/security/pam_tmout.so"))[0])
    named = {module for where in ("pam.d", "authselect") for path in glob.glob(
        f"{HOSTS}/*/etc/{where}/*") for module in re.findall(r"\bpam_\w+\.so", read(path))}
    must("cc", "-shared", "-fPIC", "-o", "/run/pam_nobody.so",
         f"{REPOSITORY}/tests/host/pam_nobody.c")
    missing = sorted(m for m in named if not os.path.exists(f"{directory}/{m}"))
    for module in missing:
        shutil.copy("/run/pam_nobody.so", f"{directory}/{module}")
    tap.note("stubs for " + " ".join(missing))


def play_apart(number):
    result = run("unshare", "--mount", sys.executable, os.path.realpath(__file__), "--host",
                 str(number), timeout=3600)
    try:
        return json.loads(result.stdout)
    except ValueError:
        return {"name": f"host {number}", "error": result.stdout + result.stderr}


def is_limited(played):
    """Whether the audit says that sshd counts passwords."""
    return not {"sshd-use-pam", "pam-module", "pam-auth-line", "pam-auth-order",
                "pam-auth-control"} & set(played["left"])


def judge(number, played):
    """One result for a host: the patch has changed what the policy says, and nothing else."""
    before, after = played.get("before", {}), played.get("after", {})
    same = ("right", "wrong", "key", "key, password locked", "right again", "su", "su, wrong")
    wrong = []
    if "error" in played:
        wrong.append(played["error"])
    elif before["starts"]:
        wrong += [name for name in same if after.get(name) != before[name]]
    # Nobody gets in by a wrong password, and nobody's key is refused because of others' guesses.
    wrong += [name for name in ("wrong", "su, wrong") if before.get(name) or after.get(name)]
    # Without PAM, sshd takes a locked password for a locked account (docs/FACTS.md).
    if before.get("key") and before["key, password locked"] == ("sshd-use-pam" in played["failed"]):
        wrong.append("a key while the password is locked")
    if not played.get("restored"):
        wrong.append("the patch cannot be undone")
    if after and after["starts"] and not wrong:
        if after["key while locked"] != after["key"]:
            wrong.append("the lock rejects a key")
        if is_limited(played) and after["right"] and not after["locked"]:
            wrong.append("no lock after the last attempt")
        if not is_limited(played) and after["locked"] != before.get("locked", after["locked"]):
            wrong.append("a lock that is not ours")
    tap.ok(not wrong, f"host {number}: {played['name']}", *wrong,
           *(f"{key}: {value}" for key, value in played.items()))
    return bool(after.get("locked") and not before.get("locked"))


def main():
    setup_passwords("default { }\n", "", (), {"ann": RIGHT, "by": RIGHT, "shut": RIGHT})
    must("usermod", "--lock", "shut")
    write("/home/ann/.google_authenticator", f'{SECRET}\n" TOTP_AUTH\n', 0o400)
    must("chown", "ann:", "/home/ann/.google_authenticator")
    os.makedirs("/usr/lib/pam.d", exist_ok=True)
    must(WRITER, HOSTS)
    put_missing_modules()
    every = sorted(int(name) for name in os.listdir(HOSTS))
    numbers = every if os.environ.get("TMOUT_SOAK") else FEW
    with ThreadPoolExecutor(AT_ONCE) as pool:
        played = list(pool.map(play_apart, numbers))
    newly_locked = sum(judge(*one) for one in zip(numbers, played))
    tap.ok(newly_locked > 0, "hosts that count passwords only with the patch", newly_locked)
    tap.note(f"{newly_locked} of {len(numbers)} hosts")
    tap.end()


if sys.argv[1:2] == ["--host"]:
    play(int(sys.argv[2]))
else:
    main()
