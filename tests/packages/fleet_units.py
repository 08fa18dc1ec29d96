"""tmout-fleetd on a booted host: its package, its units, its sandbox, and a real redis-server
with an ACL user and a password at a Unix socket. A scenario of booted.t.
"""
import glob
import os
import re
import types

from built import BUILD, lock
from host.attempts import lets_in
from host.commands import must
from host.debian_root import own_suite
from host.fleet import LOOK, STATUS_OF, Question
from host.files import read
from host.tap import tap
from host.waiting import BUILD_GUARD_SEC, wait_until
from sandboxed import capability_sets, judged_by_systemd, main_pid, outside

STORE = "redis-server redis-tools libhiredis0.14 libjemalloc2 liblzf1 libatomic1".split()
FETCHED = BUILD + "/hosts/store"
UNIT, SOCKET = "tmout-fleetd.service", "tmout-fleetd.socket"
UNLOCK, TIMER = "tmout-fleetd-unlock.service", "tmout-fleetd-unlock.timer"
UNLOCK_KEY = "/etc/security/tmout-fleet-unlock.key"
EXPOSURE_MAX = 2.0
CONF, PASSWORD = "/etc/security/tmout-fleet.conf", "/etc/security/tmout-fleet/password"
DROP_IN = f"/run/systemd/system/{UNIT}.d/test.conf"
SOON = f"/run/systemd/system/{TIMER}.d/test.conf"
POLICY = "default { max_attempts = 9   lock_time = 1h   fleet_attempts = 3   fleet_fallback = 1 }\n"
SERVER = """port 0
unixsocket /run/redis/test.sock
unixsocketperm 770
save ""
user default off
user bastion1 on >right ~tmout:* -@all +evalsha +script|load +time +type +info +hget +hset +hdel +del +pttl +pexpire
"""
SETTINGS = """endpoints     = {"/run/redis/test.sock"}
acl_user      = bastion1
password_file = password
host_id       = bastion1
"""
# More than systemd's limit on starts allows within its time.
CRASHES = 11


def fetch_store(suite):
    """The packages of a server, without those that each host has; none for another release than
    this machine's, which has no packages of that."""
    if suite != own_suite() or suite != "bookworm":
        return []
    with lock("store"):
        os.makedirs(FETCHED, exist_ok=True)
        found = [glob.glob(f"{FETCHED}/{name}_*.deb") for name in STORE]
        if not all(found):
            must("apt-get", "download", "-q", *STORE, cwd=FETCHED, timeout=BUILD_GUARD_SEC)
            found = [glob.glob(f"{FETCHED}/{name}_*.deb") for name in STORE]
    return [paths[0] for paths in found]


def active(host, unit):
    return host.run("systemctl", "is-active", unit).stdout.strip()


class Asked:
    """What the daemon says, through its socket."""

    def __init__(self, host):
        self.daemon = types.SimpleNamespace(socket_path=host.path("/run/tmout/fleet.sock"))

    def failures(self, name):
        """Of a user, in the store."""
        return sum(count[0] for count in Question(self.daemon, LOOK, user=name).counts().values())

    def store(self):
        return Question(self.daemon, STATUS_OF).state()["store"]


def wrong(asked, name, failures):
    """One wrong password, over ssh: the store has so many failures then."""
    tap.ok(not lets_in(name, "wrong"), f"{name}: a wrong password is rejected")
    tap.ok(wait_until(lambda: asked.failures(name) == failures), f"and the store has {failures}")


def not_configured(host):
    tap.equal(host.run("systemctl", "is-enabled", SOCKET, UNIT).stdout.split()[0], "enabled",
              "the socket is enabled")
    tap.equal((active(host, SOCKET), host.exists("/run/tmout/fleet.sock")), ("inactive", False),
              "but not open where no fleet is configured")
    tap.equal(host.must("systemctl", "--failed", "--plain", "--no-legend"), "", "no unit failed")
    tap.equal(host.must("stat", "-c", "%U %a", os.path.dirname(PASSWORD)), "root 700\n",
              "nobody else can read the directory for its files")


def configure(host):
    host.write(PASSWORD, "right\n", 0o644)
    host.write(CONF, SETTINGS, 0o600)
    checked = host.run("tmoutctl", "check")
    tap.equal((checked.returncode, "run chmod 600 on it" in checked.stderr), (1, True),
              "tmoutctl check complains about a password that others can read") or tap.note(checked.stderr)
    host.must("chmod", "600", PASSWORD)
    tap.equal(host.run("tmoutctl", "check").returncode, 0, "and then no more")
    host.write(f"/etc/systemd/system/{UNIT}.d/group.conf", "[Service]\nSupplementaryGroups=redis\n")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "restart", SOCKET)
    tap.equal([active(host, SOCKET), active(host, UNIT)], ["active", "inactive"],
              "the socket is open, and the daemon not yet started")


def confined(host):
    judged_by_systemd(host, UNIT, EXPOSURE_MAX)
    judged = host.run("systemd-analyze", "verify", "--man=no", SOCKET)
    tap.ok("tmout-fleetd" not in judged.stdout + judged.stderr, "nothing is wrong with the socket",
           judged.stdout, judged.stderr)
    status = read(f"/proc/{outside('tmout-fleetd', main_pid(host, UNIT))}/status")
    tap.equal({name: value for name, value in capability_sets(status).items() if value}, {},
              "it has no capability, nor can it have one")
    tap.matches(status, r"(?m)^NoNewPrivs:\t1\n(.*\n)*Seccomp:\t2$", "no new privileges, and a filter")
    uid = int(re.search(r"(?m)^Uid:\t(\d+)", status).group(1))
    tap.ok(61184 <= uid <= 65519, "it is a user that systemd made for it", uid)
    tap.equal(host.must("stat", "-c", "%U %a", "/run/tmout/fleet.sock"), "root 600\n",
              "nobody but root can connect to it")


def survives(host, asked):
    """It is killed, stopped and frozen between attempts, and crashes more often than a unit may."""
    host.must("systemctl", "kill", "--signal=KILL", UNIT)
    wrong(asked, "bob", 2)
    host.must("systemctl", "stop", UNIT)
    wrong(asked, "bob", 3)
    tap.ok(not lets_in("bob", "right"), "the third one locks bob, on all hosts")
    for _ in range(CRASHES):
        before = wait_until(lambda: main_pid(host, UNIT))
        host.must("kill", "-KILL", str(before))
        wait_until(lambda: main_pid(host, UNIT) not in (0, before), "it is not started again")
    tap.ok(wait_until(lambda: asked.failures("bob") == 3), f"it is there after {CRASHES} crashes")
    tap.equal(active(host, SOCKET), "active", "and so is its socket")
    host.write(DROP_IN, "[Service]\nWatchdogSec=2s\n")
    host.must("systemctl", "daemon-reload")
    host.must("systemctl", "restart", UNIT)
    before = main_pid(host, UNIT)
    host.must("kill", "-STOP", str(before))
    wait_until(lambda: main_pid(host, UNIT) not in (0, before), "one that is frozen is not replaced")
    tap.ok(wait_until(lambda: asked.failures("bob") == 3), "one that is frozen is replaced")
    host.must("rm", DROP_IN)
    host.must("systemctl", "daemon-reload")


def elsewhere(host, *command):
    """Runs it on another host: with other ledgers, the same policy, store, and key."""
    return host.run("unshare", "--mount", "sh", "-c",
                    "mount -t tmpfs -o mode=755 other /var/lib/tmout && tmoutctl apply && exec \"$@\"",
                    "sh", *command)


def unlocked_by_another_host(host, asked):
    """The timer unlocks here, in its sandbox, whom another host has unlocked on all."""
    def counted():
        return "bob" in host.must("tmoutctl", "attempts")

    host.run("systemctl", "start", TIMER)
    tap.equal(active(host, TIMER), "inactive", "without a key, nobody asks for marks")
    host.write(UNLOCK_KEY, "k" * 64 + "\n", 0o600)
    tap.ok(counted(), "bob has failed here")
    done = elsewhere(host, "tmoutctl", "unlock", "bob", "--fleet")
    tap.equal(done.returncode, 0, "another host unlocks bob on all") or tap.note(done.stdout, done.stderr)
    tap.ok(counted(), "that alone changes nothing here")
    host.write(SOON, "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/3\nAccuracySec=1ms\n")
    host.must("systemctl", "daemon-reload")
    mark = host.journal.mark()
    host.must("systemctl", "start", TIMER)
    line = host.journal.wait(r"unlocked user=bob", mark)
    tap.matches(line, r"address=fleet", "the timer unlocks bob, and the log says that it was the fleet")
    tap.ok(not counted(), "the ledger has forgotten the failures")
    tap.ok(lets_in("bob", "right"), "bob gets in")
    host.must("systemctl", "stop", TIMER, "redis-server")
    host.must("systemctl", "start", UNLOCK)
    tap.equal(host.must("systemctl", "--failed", "--plain", "--no-legend"), "",
              "while the store is away, no unit fails")
    host.must("systemctl", "start", "redis-server")
    wait_until(lambda: asked.store() == "up")
    host.must("rm", SOON, UNLOCK_KEY)
    host.must("systemctl", "daemon-reload")


def store_away(host, asked):
    mark = host.journal.mark()
    host.must("systemctl", "stop", "redis-server")
    host.journal.wait(r"tmout-fleetd\[\d+\]: the store is away: ", mark)
    tap.ok(lets_in("anna", "right"), "without the store, a right password is accepted")
    host.must("systemctl", "start", "redis-server")
    host.journal.wait(r"tmout-fleetd\[\d+\]: the store is reached; attempts admitted without it: 1$", mark)
    # What it knew of bob ended with it when it was killed: it keeps that in memory.
    tap.ok(wait_until(lambda: asked.store() == "up"), "it is reached again")


def wrong_configuration(host, asked):
    """It gives up, and nobody waits for it."""
    mark = host.journal.mark()
    host.write(CONF, SETTINGS + "prefixx = tmout\n", 0o600)
    host.run("systemctl", "restart", UNIT)
    tap.matches(host.journal.wait(r"tmout-fleetd\[\d+\]: ", mark), r"unknown setting \"prefixx\"; did you mean",
                "the log says what is wrong")
    tap.ok(lets_in("anna", "right"), "a right password is accepted")
    wait_until(lambda: active(host, SOCKET) == "failed", "the socket stays open")
    host.write(CONF, SETTINGS, 0o600)
    # An administrator takes longer than systemd's limit on starts counts.
    host.must("systemctl", "reset-failed", UNIT, SOCKET)
    wait_until(lambda: host.run("systemctl", "restart", SOCKET).returncode == 0)
    wrong(asked, "dora", 1)


def removed(host, fleet, store):
    names = [os.path.basename(path).split("_")[0] for path in [fleet, *store]]
    host.must("apt-get", "purge", "-y", *names)
    tap.equal((active(host, UNIT), active(host, SOCKET), host.exists("/run/tmout/fleet.sock")),
              ("inactive", "inactive", False), "once removed, nothing runs")
    tap.ok(host.exists(PASSWORD), "the site's password is kept")
    host.must("rm", "-r", CONF, os.path.dirname(PASSWORD), f"/etc/systemd/system/{UNIT}.d")
    tap.ok(lets_in("anna", "right"), "and logins work")


def everything(host, edit, fleet, store):
    done = host.install(fleet, *store)
    tap.equal(done.returncode, 0, "apt installs it") or tap.note(done.stdout)
    not_configured(host)
    with open(host.path("/etc/redis/redis.conf"), "a", encoding="utf-8") as file:
        file.write(SERVER)
    host.must("systemctl", "restart", "redis-server")
    edit(POLICY)
    configure(host)
    asked = Asked(host)
    wrong(asked, "bob", 1)
    confined(host)
    survives(host, asked)
    unlocked_by_another_host(host, asked)
    store_away(host, asked)
    wrong_configuration(host, asked)
    for name in "bob", "dora":
        host.must("tmoutctl", "unlock", name)
    removed(host, fleet, store)
