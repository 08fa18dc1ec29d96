#!/usr/bin/python3
"""What one user's processes can do to the watch over everybody: while a trick of an
attacker is in place, an innocent terminal that is idle is hung up in time, an
innocent one that is busy survives, and the attacker's own session ends as well."""

import contextlib
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import uid, user
from host.client import ssh_command, terminal
from host.commands import must, run
from host.files import REPOSITORY, read, write
from host.product import apply, policy
from host.setup import setup
from host.syslog import syslog
from host.tap import tap
from host.tmoutd import tmoutd
from host.waiting import wait_until

LIMIT_SEC = 8
NOTTY_SEC = 6
AGE_SEC = 15
LATE_SEC = 15
# Of the attacker, by when their session has to end: helpers that they kept waiting
# are given up first.
ATTACKER_SEC = 60

POLICY = f"""
default {{
    disconnect = {LIMIT_SEC}s
    disconnect_notty = {NOTTY_SEC}s
    warn = none
}}
user "evillate" {{
    disconnect_notty = none
    max_session = {AGE_SEC}s
}}
"""
PROGRAMS = "/usr/local/lib/hostile"
PYTHON = "/usr/bin/python3"


def install_programs():
    os.makedirs(PROGRAMS, exist_ok=True)
    write(PROGRAMS + "/fuse.py", read(REPOSITORY + "/tests/host/fuse.py"))
    if not os.path.exists("/dev/fuse"):
        os.mknod("/dev/fuse", stat.S_IFCHR | 0o666, os.makedev(10, 229))
    os.chmod("/dev/fuse", 0o666)


def fuse(kind):
    return f"{PYTHON} {PROGRAMS}/fuse.py {kind}"


class Typist:
    """Keeps typing at a terminal, and knows when it was disconnected."""

    def __init__(self, name):
        user(name)
        self.session = terminal(name)
        self.session.wait_prompt()

    def is_there(self):
        self.session.press("x")
        return not self.session.ended_within(0.5)


def attack(name, lines, sign="held"):
    """A session of this user on a terminal, with the trick in place."""
    user(name)
    session = terminal(name)
    session.wait_prompt()
    for line in lines:
        session.type(line)
    if sign:
        session.wait(sign)
    return session


def stand(title, attacker_ends, name):
    """One round: the trick is in place. attacker_ends() is whether the attacker's
    session has ended by now."""
    number = stand.rounds = getattr(stand, "rounds", 0) + 1
    user(f"idle{number}")
    typist = Typist(f"busy{number}")
    idle = terminal(f"idle{number}")
    idle.wait_prompt()
    start = time.monotonic()
    ended = {}
    busy = True
    while busy and len(ended) < 2 and time.monotonic() < start + ATTACKER_SEC:
        busy = typist.is_there()
        for who, has_ended in ("idle", lambda: idle.ended_within(0)), ("attacker", attacker_ends):
            if who not in ended and has_ended():
                ended[who] = time.monotonic() - start
    tap.ok(ended.get("idle", 1000) < LIMIT_SEC + LATE_SEC,
           f"{title}: an idle terminal is hung up in time", ended,
           *syslog.since(0, "tmoutd"))
    tap.ok(busy, f"{title}: a busy one goes on")
    tap.ok("attacker" in ended, f"{title}: the attacker's session ends", ended,
           *syslog.since(0, f"tmoutd.*{name}"))
    tap.ok(tmoutd.alive(), f"{title}: tmoutd runs")
    typist.session.close()
    idle.close()


SERVER = r"held (\d+)"


def release(server, name):
    """What is left of an attacker must not disturb the next round, nor anybody else on
    this machine who lists processes: the file system goes with its server."""
    try:
        os.kill(int(server), signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended with the session
    end_of(name)


def processes_of(name):
    """Those of a user that have not ended. pgrep(1) would count zombies, whose parent may be
    this test, and wait for what cannot be read."""
    found, number = [], uid(name)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            status = read(f"/proc/{pid}/status")
        except OSError:
            continue
        if re.search(rf"(?m)^Uid:\t{number}\t", status) and "\nState:\tZ" not in status:
            found.append(int(pid))
    return found


def end_of(name):
    def all_ended():
        for pid in (left := processes_of(name)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    wait_until(all_ended, f"processes of {name} go on")


def against(kind):
    """At the attacker's own terminal, in its session; and the shell goes on to do
    nothing."""
    name = f"evil{kind}"
    session = attack(name, [fuse(kind) + " & sleep 0.1", "wait"], SERVER)
    server = re.search(SERVER, session.screen).group(1)
    try:
        stand(kind, lambda: session.ended_within(0), name)
    finally:
        session.close()
        release(server, name)


def held_exec():
    """a process in the middle of execve(2)"""
    against("exec")


def held_exec_without_a_login():
    """the same from a process that belongs to no login"""
    user("cron")
    without_a_terminal("exec without a login", "cron", lambda process: True,
                       ["setpriv", "--reuid=cron", "--regid=cron", "--init-groups", "sh", "-c",
                        f"cd /; exec setsid {fuse('exec')}"])


def held_exec_without_a_terminal():
    """a login without a terminal whose processes cannot be looked into"""
    user("evilcommand")
    without_a_terminal("exec without a terminal", "evilcommand",
                       lambda process: process.poll() is not None,
                       ssh_command("evilcommand", fuse("exec") + " & wait"))


def without_a_terminal(title, name, has_ended, command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    server = re.search(SERVER, process.stdout.readline().decode()).group(1)
    try:
        stand(title, lambda: has_ended(process), name)
    finally:
        release(server, name)
        process.kill()
        process.wait()


def held_arguments():
    """a command line that never arrives"""
    against("arguments")


def held_mmap():
    """a lock of an address space"""
    against("mmap")


def held_directory():
    """a working directory, and an open file, that never answer"""
    against("cwd")


def held_program():
    """a program that comes from such a file system"""
    against("exe")


def held_terminal():
    """a terminal in use by a writer who waits for a page"""
    against("terminal")


def held_name():
    """a file that is called like a terminal, and says nothing about itself"""
    against("name")


def held_by_many():
    """more users who do that than tmoutd has shared helpers"""
    names = [f"evilmany{i}" for i in range(8)]
    sessions = [attack(name, [fuse("exec") + " & sleep 0.1", "wait"], SERVER) for name in names]
    servers = [re.search(SERVER, session.screen).group(1) for session in sessions]
    try:
        stand("exec by eight users", lambda: all(each.ended_within(0) for each in sessions),
              "evilmany")
    finally:
        for session, server, name in zip(sessions, servers, names):
            session.close()
            release(server, name)


def stopped_processes():
    """everything of the attacker's is stopped"""
    session = attack("evilstop", ["(sleep 0.3; kill -STOP -1) & echo rea''dy"], sign="ready")
    stand("SIGSTOP", lambda: session.ended_within(0), "evilstop")
    session.close()
    end_of("evilstop")


MANY = """
import os, resource, sys, threading, time
kind, number = sys.argv[1], int(sys.argv[2])
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
threading.stack_size(65536)
for _ in range(number):
    if kind == "threads":
        threading.Thread(target=time.sleep, args=(100000,), daemon=True).start()
    elif kind == "files":
        try:
            os.open("/dev/null", os.O_RDONLY)
        except OSError:  # as many as one process may have: the rest is another's
            if os.fork() != 0:
                break
            os.closerange(3, most)
    elif os.fork() == 0:
        while True:
            time.sleep(100000)
print("held", flush=True)
time.sleep(100000)
"""


# Python would take longer than the limit.
ZOMBIES = r"""
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    for (int i = argc > 2 ? atoi(argv[2]) : 0; i > 0; i--)
        if (fork() == 0)
            _exit(0);
    return write(1, "held\r\n", 6) == 6 ? pause() : 1;
}
"""


def many(kind, number, program=f"{PYTHON} {PROGRAMS}/many.py"):
    write(PROGRAMS + "/many.py", MANY)
    name = f"evil{kind}"
    session = attack(name, [f"trap '' HUP; {program} {kind} {number}"])
    stand(f"{number} {kind}", lambda: session.ended_within(0), name)
    session.close()
    end_of(name)


def many_zombies():
    """4,000 zombies"""
    write("/root/zombies.c", ZOMBIES)
    must("cc", "-o", PROGRAMS + "/many", "/root/zombies.c")
    many("zombies", 4000, f"cd {PROGRAMS}; ./many")


def many_threads():
    """a process with 5,000 threads"""
    many("threads", 5000)


def many_files():
    """a process with 65,536 descriptors, or as many processes as it takes for these"""
    many("files", 65536)


def more_processes_than_descriptors():
    """a login without a terminal, and with more processes than tmoutd may have
    descriptors"""
    user("evilmany")
    write(PROGRAMS + "/many.py", MANY)
    must("prlimit", f"--pid={tmoutd.process.pid}", "--nofile=1024:1024")
    client = subprocess.Popen(
        ssh_command("evilmany", f"{PYTHON} {PROGRAMS}/many.py processes 1124"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    client.stdout.readline()
    mark = syslog.mark()
    stand("1,124 processes", lambda: client.poll() is not None, "evilmany")
    wait_until(lambda: not processes_of("evilmany"), "processes of the login go on")
    tap.ok(True, "all of its processes have ended")
    tap.ok(len(syslog.since(mark, "^err tmoutd")) <= 2, "the log is not flooded",
           *syslog.since(mark, "tmoutd"))
    tmoutd.start()


def helpers_that_begin_late():
    """each helper begins five seconds late, as on a host that is short of processors"""
    user("evillate")
    client = subprocess.Popen(ssh_command("evillate", "trap '' HUP; echo ready; sleep 1000"),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    client.stdout.readline()
    mark = syslog.mark()
    processes = [tmoutd.process.pid, *run("pgrep", "-P", str(tmoutd.process.pid), "-x",
                                          "tmoutd-starter").stdout.split()]
    delay = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                              "inject=prctl:delay_enter=5000000:when=1",
                              *(f"--attach={pid}" for pid in processes)])
    client.wait()
    tap.equal(len(tmoutd.cut("evillate", mark)), 1, "late helpers: the login ends")
    wait_until(lambda: not processes_of("evillate"), "processes of the login go on")
    tap.ok(True, "late helpers: so does what ran below it, although it ignores hang-ups")
    delay.terminate()
    delay.wait()
    tmoutd.start()


def more_logins_than_descriptors():
    """no descriptor is left for any login, but for helpers"""
    must("prlimit", f"--pid={tmoutd.process.pid}", "--nofile=384:384")
    mark = syslog.mark()
    for name in "fewidle", "fewpipe":
        user(name)
    typist = Typist("fewbusy")
    idle = terminal("fewidle")
    idle.wait_prompt()
    quiet = subprocess.Popen(ssh_command("fewpipe", "sleep 1000"), stdin=subprocess.DEVNULL)
    ended, busy, start = [], True, time.monotonic()
    while len(ended) < 2 and busy and time.monotonic() < start + ATTACKER_SEC:
        busy = typist.is_there()
        ended = [each for each in (idle.ended_within(0), quiet.poll() is not None) if each]
    tap.equal(len(ended), 2, "few descriptors: a terminal and a login without one are ended")
    tap.ok(time.monotonic() - start < LIMIT_SEC + LATE_SEC, "few descriptors: in time")
    tap.ok(busy, "few descriptors: a busy one goes on", *syslog.since(mark, "tmoutd"))
    tap.equal(len(syslog.since(mark, "tmoutd.*: too many logins for a limit of 384 descriptors")),
              1, "few descriptors: that is logged once")
    tap.equal(len(tmoutd.cut("fewpipe", mark)), 1, "few descriptors: so is the disconnect")
    wait_until(lambda: not processes_of("fewpipe"), "its processes go on")
    typist.session.close()
    idle.close()
    tmoutd.start()


def tmoutd_that_cannot_look_into_processes():
    """As in a unit whose CapabilityBoundingSet= lacks CAP_SYS_PTRACE: restarted so."""
    tmoutd.stop()
    program = "/usr/sbin/tmoutd" if os.path.exists("/usr/sbin/tmoutd") else REPOSITORY + "/build/tmoutd"
    tmoutd.process = subprocess.Popen(["setpriv", "--bounding-set=-sys_ptrace", program, "--foreground"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)


def hidden_processes():
    """/proc is mounted with hidepid=2, with and without the capability to see them all"""
    must("mount", "-o", "remount,hidepid=2", "/proc")
    tmoutd.start()
    user("evilhidden")
    quiet = subprocess.Popen(ssh_command("evilhidden", "sleep 1000"), stdin=subprocess.DEVNULL)
    stand("hidepid=2", lambda: quiet.poll() is not None, "evilhidden")
    for name in "seenidle", "seenquiet":
        user(name)
    typist, idle = Typist("seenbusy"), terminal("seenidle")
    idle.wait_prompt()
    quiet = subprocess.Popen(ssh_command("seenquiet", "sleep 1000"), stdin=subprocess.DEVNULL)
    wait_until(lambda: len(tmoutd.registered()) == 3)
    mark = syslog.mark()
    tmoutd_that_cannot_look_into_processes()
    line = "^err tmoutd.*cannot look at a login: .*user="
    for name in "seenidle", "seenquiet", "seenbusy":
        syslog.wait(line + name, mark)
    tap.equal(len(tmoutd.registered()), 3, "not allowed to see them: no login is taken for ended")
    tap.equal(len(syslog.settled(mark, line)), 3, "one line about each")
    tmoutd.start()
    busy, start = True, time.monotonic()
    while busy and not (idle.ended_within(0) and quiet.poll() is not None) and \
            time.monotonic() < start + ATTACKER_SEC:
        busy = typist.is_there()
    tap.ok(idle.ended_within(0) and quiet.poll() is not None, "allowed again: both are ended",
           *syslog.since(mark, "tmoutd"))
    tap.ok(busy, "and who types is not")
    typist.session.close()
    idle.close()
    must("mount", "-o", "remount,hidepid=0", "/proc")


NSS = r"""
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* Hangs, or fails, while a file says so; otherwise knows those about whom another file
   has a lie, with a name (- is none), a uid, and a gid, the only group; and nobody else. */
struct lie { char about[33], name[33]; unsigned uid, gid; };
static int find_lie(const char *about, struct lie *lie)
{
    FILE *file = fopen("/run/nss-lies", "re");
    int found = 0;
    while (file != NULL && !found && fscanf(file, "%32s %32s %u %u", lie->about, lie->name,
                                            &lie->uid, &lie->gid) == 4)
        found = strcmp(lie->about, about) == 0;
    if (file != NULL)
        fclose(file);
    return found;
}
static enum nss_status ask(int *error)
{
    while (access("/run/nss-hangs", F_OK) == 0)
        usleep(100000);
    if (access("/run/nss-fails", F_OK) == 0) {
        *error = EAGAIN;
        return NSS_STATUS_TRYAGAIN;
    }
    *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}
enum nss_status _nss_held_getpwnam_r(const char *n, struct passwd *p, char *b, size_t s, int *e);
enum nss_status _nss_held_getpwnam_r(const char *n, struct passwd *p, char *b, size_t s, int *e)
{
    struct lie lie;
    static char nothing[] = "", home[] = "/", shell[] = "/bin/bash";
    if (!find_lie(n, &lie))
        return ask(e);
    snprintf(b, s, "%s", strcmp(lie.name, "-") == 0 ? "" : lie.name);
    *p = (struct passwd){b, nothing, lie.uid, lie.gid, nothing, home, shell};
    return NSS_STATUS_SUCCESS;
}
enum nss_status _nss_held_initgroups_dyn(const char *u, gid_t g, long *start, long *size, gid_t **l,
                                         long limit, int *e);
enum nss_status _nss_held_initgroups_dyn(const char *u, gid_t g, long *start, long *size, gid_t **l,
                                         long limit, int *e)
{
    struct lie lie;
    (void)g, (void)start, (void)size, (void)l, (void)limit;
    return find_lie(u, &lie) ? NSS_STATUS_SUCCESS : ask(e);
}
"""


def install_name_service():
    write("/root/nss.c", NSS)
    must("cc", "-shared", "-fPIC", "-o", "/root/libnss_held.so.2", "/root/nss.c")
    directory = os.path.dirname(must("cc", "-print-file-name=libnss_files.so.2").strip()) or "/lib"
    if not os.path.isabs(directory):
        directory = "/usr/lib"
    must("cp", "/root/libnss_held.so.2", directory)
    write("/etc/nsswitch.conf", "passwd: held files\ngroup: files\ninitgroups: held files\n")


def powers_of_helpers():
    """The capabilities, effective and permitted, of the helpers that ask a name service:
    each has its socket open and waits."""
    found = set()
    for pid in run("pgrep", "-P", str(tmoutd.process.pid)).stdout.split():
        try:
            maps, status = read(f"/proc/{pid}/maps"), read(f"/proc/{pid}/status")
        except OSError:
            continue
        if "libnss_held" in maps:
            found |= set(re.findall(r"(?m)^Cap[EIP]\w+:\s*(\w+)", status))
    return found


def name_service_that(what):
    """Logins from before, and the policy changes: limits would have to be looked up."""
    number = f"nss{what}"
    user(f"i{number}")
    typist = Typist(f"b{number}")
    idle = terminal(f"i{number}")
    idle.wait_prompt()
    write("/run/nss-" + what, "")
    tmoutd.process.send_signal(signal.SIGHUP)
    start = time.monotonic()
    if what == "hangs":
        tap.equal(wait_until(powers_of_helpers), {"0" * 16},
                  "name service hangs: the helper that waits for it has no capabilities")
    busy = True
    while busy and not idle.ended_within(0) and time.monotonic() < start + ATTACKER_SEC:
        busy = typist.is_there()
    took = time.monotonic() - start
    tap.ok(took < LIMIT_SEC + LATE_SEC, f"name service {what}: hung up in time", took,
           *syslog.since(0, "tmoutd"))
    os.unlink("/run/nss-" + what)
    alive = True
    until = time.monotonic() + LIMIT_SEC
    while alive and time.monotonic() < until:
        alive = typist.is_there()
    tap.ok(alive, f"name service {what}, then recovers: a busy terminal goes on")
    typist.session.close()
    idle.close()


def name_services():
    """a name service that hangs, fails, and recovers"""
    install_name_service()
    tmoutd.start()
    name_service_that("hangs")
    name_service_that("fails")


def lies(names):
    """What a name service says about each of them: who they are, and whether tmoutd
    believes it, since it could be so."""
    uids, exempt = {name: uid(name) for name in (*names, "liebusy")}, uid("exempt")
    return {"lieuid": ("lieuid", uids["liebusy"], uids["liebusy"], False),
            "lieroot": ("root", 0, 0, False),
            "lieother": ("exempt", exempt, exempt, False),
            "lieempty": ("-", uids["lieempty"], uids["lieempty"], False),
            "liecase": ("LieCase", uids["liecase"], uids["liecase"], True),
            "liegroup": ("liegroup", uids["liegroup"], exempt, True)}


def lying_name_service():
    """a name service that gives users the uid, the entry, the name, or the group of
    somebody else, or none, when their limits are looked up, and recovers"""
    install_name_service()
    names = ["lieuid", "lieroot", "lieother", "lieempty", "liecase", "liegroup"]
    for name in (*names, "exempt"):
        user(name)
    typist = Typist("liebusy")
    sessions = {name: terminal(name) for name in names}
    for session in sessions.values():
        session.wait_prompt()
    told = lies(names)
    write("/run/nss-lies", "".join(f"{name} {as_name} {as_uid} {as_gid}\n" for
                                   name, (as_name, as_uid, as_gid, _) in told.items()))
    mark = syslog.mark()
    policy(POLICY + 'group "exempt" { disconnect = 1h }\n'
                    'user "exempt" { disconnect = 1h }\nuser "root" { disconnect = 1h }\n')
    apply()
    start, busy, ended = time.monotonic(), True, {}
    at_once = set(names) - {"liegroup"}
    while busy and at_once - set(ended) and time.monotonic() < start + ATTACKER_SEC:
        busy = typist.is_there()
        ended.update({name: time.monotonic() - start for name, session in sessions.items()
                      if name not in ended and session.ended_within(0)})
    for name in sorted(at_once):
        tap.ok(ended.get(name, 1000) < LIMIT_SEC + LATE_SEC,
               f"{name}: a lie does not keep an idle terminal open", ended)
    for name, (*_, believed) in told.items():
        lines = syslog.settled(mark, "^err tmoutd.*cannot look up user: the name service "
                                     f".*user={name}$")
        tap.ok(len(lines) == (0 if believed else 1),
               f"{name}: one line in the log, unless it could be true",
               *syslog.since(mark, f"tmoutd.*{name}"))
    tap.ok("liegroup" not in ended, "a group that the user is said to be in counts")
    os.unlink("/run/nss-lies")
    start = time.monotonic()
    while busy and not sessions["liegroup"].ended_within(0) and \
            time.monotonic() < start + 60 + ATTACKER_SEC:
        busy = typist.is_there()
    tap.ok(time.monotonic() - start < 60 + LIMIT_SEC + LATE_SEC,
           "until the name service recovers, which is noticed after a minute")
    tap.ok(busy, "whoever they were taken for goes on", *syslog.since(mark, "tmoutd"))
    tap.equal(tmoutd.cut("liebusy", mark), [], "and was not disconnected")
    typist.session.close()
    for session in sessions.values():
        session.close()
    policy(POLICY)
    apply()


def stalled_watch():
    """tmoutd stands still for longer than the limit: nobody is cut for what it saw
    before"""
    user("idlestall")
    typist = Typist("busystall")
    idle = terminal("idlestall")
    idle.wait_prompt()
    tmoutd.process.send_signal(signal.SIGSTOP)
    until = time.monotonic() + 3 * LIMIT_SEC
    while time.monotonic() < until:
        typist.is_there()
    tmoutd.process.send_signal(signal.SIGCONT)
    busy, until = True, time.monotonic() + LIMIT_SEC
    while busy and time.monotonic() < until:
        busy = typist.is_there()
    tap.ok(busy, "stopped and continued: a busy terminal goes on", *syslog.since(0, "tmoutd"))
    tap.ok(idle.ended_within(LATE_SEC), "an idle one is hung up")
    typist.session.close()
    idle.close()


def starved_watch():
    """tmoutd gets a moment now and then, for longer than the limit"""
    user("idlestarve")
    typist = Typist("busystarve")
    idle = terminal("idlestarve")
    idle.wait_prompt()
    ended, busy, start = False, True, time.monotonic()
    while busy and not ended and time.monotonic() < start + ATTACKER_SEC:
        tmoutd.process.send_signal(signal.SIGSTOP)
        for _ in range(4):
            busy = busy and typist.is_there()
        tmoutd.process.send_signal(signal.SIGCONT)
        ended = idle.ended_within(0.2)
    tap.ok(busy, "starved: a busy terminal goes on", *syslog.since(0, "tmoutd"))
    tap.ok(ended, "starved: an idle one is hung up")
    typist.session.close()
    idle.close()


def unread_log():
    """somebody has filled the log, and nobody reads it: whoever logs waits"""
    typist = Typist("busylog")
    names = "idlelog1", "idlelog2"
    idle = []
    for name in names:
        user(name)
        idle.append(terminal(name))
        idle[-1].wait_prompt()
        # The first disconnect is over, and to be logged, before the second is due.
        if len(idle) == 1:
            typist.session.ended_within(LIMIT_SEC / 2)
            typist.is_there()
    mark = syslog.now()
    with syslog.unread():
        start = time.monotonic()
        busy = True
        while busy and not all(session.ended_within(0) for session in idle) and \
                time.monotonic() < start + ATTACKER_SEC:
            busy = typist.is_there()
        took = time.monotonic() - start
    tap.ok(took < LIMIT_SEC + LATE_SEC, "unread log: idle terminals are hung up in time", took)
    tap.ok(busy, "unread log: a busy one goes on")
    for name in names:
        tap.ok(syslog.wait(f"tmoutd.*: disconnected, idle for too long user={name} ", mark),
               f"unread log: the line about {name} comes later")
    typist.session.close()
    for session in idle:
        session.close()


ROUNDS = [stalled_watch, starved_watch, unread_log, held_exec, held_exec_without_a_login,
          held_exec_without_a_terminal, held_arguments,
          held_mmap, held_directory, held_program, held_terminal, held_name, held_by_many,
          stopped_processes, many_zombies,
          many_threads, many_files, more_processes_than_descriptors,
          helpers_that_begin_late, more_logins_than_descriptors, hidden_processes,
          name_services, lying_name_service]

# sshd, and with it whoever logs in, has this one.
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, max(most, 70000)))
except ValueError:
    tap.note(f"the limit of descriptors cannot be raised here: {most} at the most")
setup(POLICY)
install_programs()
tmoutd.start()
# Each takes half a minute.
SAMPLE = "unread_log held_exec held_terminal more_processes_than_descriptors"
chosen = os.environ.get("ROUNDS", "" if "TMOUT_SOAK" in os.environ else SAMPLE).split()
tap.run(*[each for each in ROUNDS if not chosen or each.__name__ in chosen])
