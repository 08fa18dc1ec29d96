"""Where the attempts of a service are counted, and what the log says of them."""

import contextlib
import re
import subprocess

from host.attempts import counts, su, sudo
from host.syslog import syslog
from host.tap import tap
from host.waiting import wait_until


def addresses(name):
    """What the log gives as the origin of a user's failed logins."""
    lines = syslog.settled(0, rf"pam_tmout\(.* failed login user={name} ")
    return {re.search(r" address=(\S+)", line).group(1) for line in lines}


def network(name, service, address, let_in):
    """Locks a user through a service: network attempts, with the address."""
    tap.ok(let_in(name, "right"), f"{service}: the correct password works")
    for _ in range(3):
        tap.ok(not let_in(name, "wrong"), f"{service}: a wrong password is rejected")
    tap.equal(counts(name), {"network": 3}, f"{service}: counted as from the network")
    tap.equal(addresses(name), {address}, f"{service}: the log names the address")
    tap.ok(not let_in(name, "right"), f"{service}: locked")
    tap.equal(su("by", name, "right").returncode, 0, f"{service}: su accepts the password")
    tap.equal(sudo(name, "right").returncode, 0, f"{service}: so does sudo")


@contextlib.contextmanager
def running(*argv, **options):
    """A daemon, ended with the block: saslauthd signals its whole process group."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True,
                          **options) as process:
        try:
            yield
        finally:
            process.terminate()


def accepts(let_in, name, password):
    """Whether a daemon that is starting lets a user in; not before it listens."""
    def attempt():
        try:
            return [let_in(name, password)]
        except ConnectionRefusedError:
            return None

    return wait_until(attempt, "the service does not listen")[0]
