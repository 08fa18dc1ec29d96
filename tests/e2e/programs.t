#!/usr/bin/python3
"""
A limit is for people at a prompt, never for programs. Whatever starts a shell to run
commands (ssh, cron, sudo, su), these read all that a producer writes which is slower
than the limit. And however a shell comes to a prompt, it has the limit there.
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.client import ssh, terminal
from host.commands import run
from host.files import read, write
from host.pam_stacks import wire
from host.setup import setup
from host.tap import tap
from host.terminal import Terminal
from host.waiting import wait_until

POLICY = """
default {
    tmout = 1s
    enforce = true
    sessions = all
}
group "people" {
    tmout = 5m
}
"""

# Reads two lines, the first of which takes longer than the limit, and a status.
POSIX = """{ sleep 2.5; echo one; echo two; } | while read -r x; do echo "got $x"; done
exit 7
"""
CSH = """( sleep 2.5; echo one; echo two ) | /bin/sed 's/^/got /'
exit 7
"""
FISH = """begin; sleep 2.5; echo one; echo two; end | while read x; echo "got $x"; end
exit 7
"""
PROGRAMS = {"bash": POSIX, "zsh": POSIX, "ksh93": POSIX, "mksh": POSIX, "tcsh": CSH, "dash": POSIX,
            "ash": POSIX, "fish": FISH}
# The ways of running it, all at a time. Some shells print a line about the missing
# terminal when they are called interactive: only what is read counts.
CELLS = """#!/bin/sh
shell=$1 out=$(mktemp -d) read=.
case $shell in tcsh | fish) read=source ;; esac
cell() {
    name=$1
    shift
    { "$@" </dev/null 2>"$out/err"; echo "$?"; } >"$out/$name" &
}
cell command "$shell" -c "$read /srv/$shell"
cell script "/srv/run-$shell"
cell interactive-command "$shell" -i -c "$read /srv/$shell"
[ "$shell" = tcsh ] || {
    cell login-command "$shell" -l -c "$read /srv/$shell"
    cell login-script "/srv/run-l-$shell"
    cell interactive-login-command "$shell" -l -i -c "$read /srv/$shell"
}
case $shell in tcsh | ash) ;; *) # these print their prompt before what is read
    cell interactive-script "/srv/run-i-$shell"
    { "$shell" -i <"/srv/$shell" 2>/dev/null; echo "$?"; } >"$out/interactive-input" & ;;
esac
{ "$shell" <"/srv/$shell" 2>/dev/null; echo "$?"; } >"$out/input" &
wait
for name in "$out"/*; do
    case $name in
    */err) ;;
    *) echo "${name##*/} $(grep -aE '^(got |7$)' "$name" | tr '\\n' ,)" ;;
    esac
done
"""


def reading(shell):
    """The command that runs its program."""
    return f"{'source' if shell in ('tcsh', 'fish') else '.'} /srv/{shell}"


def prepare():
    write("/srv/cells", CELLS, 0o755)
    for service in "cron", "sudo", "sudo-i", "su", "su-l":
        wire(service)
    for shell, text in PROGRAMS.items():
        user(f"p{shell}", shell)
        path = shutil.which(shell)
        write(f"/srv/{shell}", text)
        write(f"/srv/run-{shell}", f"#!{path}\n{text}", 0o755)
        write(f"/srv/run-l-{shell}", f"#!{path} -l\n{text}", 0o755)
        write(f"/srv/run-i-{shell}", f"#!{path} -i\n{text}", 0o755)


def jobs_of_cron():
    """Starts cron, with a job for each shell that runs at once."""
    os.mkdir("/srv/cron")
    os.chmod("/srv/cron", 0o1777)
    write("/etc/cron.d/cells", "PATH=/usr/local/bin:/usr/bin:/bin\n" + "".join(
        f"@reboot p{shell} printenv PAM_TMOUT >/srv/cron/{shell}.new; /srv/cells {shell} "
        f">>/srv/cron/{shell}.new; mv /srv/cron/{shell}.new /srv/cron/{shell}\n"
        for shell in PROGRAMS))
    return subprocess.Popen([shutil.which("cron"), "-f"])


def cells_of_cron(shell):
    return wait_until(lambda: os.path.exists(f"/srv/cron/{shell}") and read(f"/srv/cron/{shell}"))


# How a program is started: all its cells, by sh; and by the user's shell itself.
STARTS = {
    "ssh": lambda shell, command: ssh(f"p{shell}", command).stdout,
    "sudo": lambda shell, command: run("sudo", "-u", f"p{shell}", "/bin/sh", "-c", command).stdout,
    "su": lambda shell, command: run("su", "-s", "/bin/sh", "-c", command, f"p{shell}").stdout,
}
DIRECTLY = {
    "ssh": lambda shell, command: ssh(f"p{shell}", command),
    "sudo -i": lambda shell, command: run("sudo", "-i", "-u", f"p{shell}", command),
    "su": lambda shell, command: run("su", "-c", command, f"p{shell}"),
    "su -": lambda shell, command: run("su", "-", "-c", command, f"p{shell}"),
}


def programs_read_everything():
    """no byte is lost, and the exit status is the program's"""
    cron = jobs_of_cron()
    with concurrent.futures.ThreadPoolExecutor(99) as pool:
        cells = {("cron", shell): pool.submit(cells_of_cron, shell) for shell in PROGRAMS}
        for start, how in STARTS.items():
            for shell in PROGRAMS:
                command = f"printenv PAM_TMOUT; /srv/cells {shell}"
                cells[start, shell] = pool.submit(how, shell, command)
        direct = {(start, shell): pool.submit(how, shell, reading(shell))
                  for start, how in DIRECTLY.items() for shell in PROGRAMS
                  # sudo escapes the blank for a shell that unescapes it.
                  if start != "sudo -i"}
        for shell in PROGRAMS:
            direct["sudo -i", shell] = pool.submit(
                lambda shell=shell: run("sudo", "-i", "-u", f"p{shell}", f"/srv/run-{shell}"))
    cron.terminate()
    cron.wait()
    for (start, shell), result in cells.items():
        lines = result.result().splitlines()
        tap.equal(lines[:1], ["1 readonly"], f"{start}: {shell}: the decision is there")
        wrong = [line for line in lines[1:] if not line.endswith(" got one,got two,7,")]
        tap.equal((wrong, len(lines)), ([], {"tcsh": 5, "ash": 8}.get(shell, 10)), f"{start}: {shell}")
    for (start, shell), result in direct.items():
        done = result.result()
        tap.equal((done.stdout, done.returncode), ("got one\ngot two\n", 7),
                  f"{start}: {shell} itself")


def scripts_at_a_terminal():
    """so does a script with -i in its first line that somebody runs at a terminal"""
    shells = "bash", "ksh93", "zsh", "mksh"
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        sessions = {(shell, how): pool.submit(script_at_a_terminal, shell, command)
                    for shell in shells for how, command in
                    (("run", f"/srv/run-i-{shell}"), ("named", f"{shell} -i /srv/{shell}"),
                     ("below", f"cd /srv; {shell} -i {shell}"))}
    for (shell, how), result in sessions.items():
        tap.equal(result.result(), ["one", "two"], f"ssh -t: {shell}, {how}")


def script_at_a_terminal(shell, command):
    with terminal(f"p{shell}", command) as session:
        session.wait_end()
        return re.findall(r"^got (\w+)", session.screen, re.MULTILINE)


# Ways to a prompt, typed after ssh -t HOST, and in which shells.
WAYS = ["{s} -l", "{s} -i", "{s}", "sh -c 'exec {s} -i'", "bash -c 'exec {s} -i'",
        "bash -lc 'true; exec {s}'", "{s} -s", "env -u SHELL {s} -i", "script -qc '{s} -i' /dev/null",
        "{s} -c 'exec {s}'", "{s} -lc '{s} -i'"]
ONLY_BASH = ["bash --rcfile /dev/null -i -l", "bash --rcfile /dev/null", "bash --login", "bash +o history", "bash -s a b", "rbash"]


def prompts_have_the_limit():
    """however a shell comes to a prompt: by ssh, su and sudo"""
    user("person", "bash", ["people"])

    def ask(shell, start):
        with start() as session:
            before = session.limit(shell)
            session.type("TMOUT=0")
            return before, session.limit(shell)

    def over_ssh(command):
        return lambda: terminal("person", command)
    tries = {f"ssh -t: {way.format(s=shell)}": (shell, over_ssh(way.format(s=shell)))
             for shell, ways in (("bash", WAYS), ("ksh93", WAYS), ("zsh", WAYS[:6]))
             for way in ways}
    tries.update({f"ssh -t: {way}": ("bash", over_ssh(way)) for way in ONLY_BASH})
    for name, argv in {"su -": ["su", "-", "person"], "sudo -i": ["sudo", "-i", "-u", "person"],
                       "sudo bash": ["sudo", "-u", "person", "bash"], "su": ["su", "person"]}.items():
        tries[name] = "bash", lambda argv=argv: Terminal(argv)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        results = {name: pool.submit(ask, shell, start) for name, (shell, start) in tries.items()}
    for name, result in results.items():
        tap.equal(result.exception() or result.result(), (300, 300), name)


def panes_have_the_limit():
    """so do the shells of tmux and screen, which draw on the terminal themselves"""
    user("drawer", "bash", ["people"])
    write("/home/drawer/.screenrc", "startup_message off\n")
    os.makedirs("/run/screen", exist_ok=True)
    os.chmod("/run/screen", 0o1777)
    for pane in "tmux", "screen":
        if not shutil.which(pane):
            tap.skip(pane, "not installed")
            continue
        answer = f"/home/drawer/{pane}"
        with terminal("drawer", pane, env={"TERM": "xterm"}) as session:
            session.wait(r"\$ ")
            session.type("TMOUT=0")
            session.type(f"echo \"$TMOUT\" >{answer}.new; mv {answer}.new {answer}")
            tap.equal(wait_until(lambda path=answer: os.path.exists(path) and read(path)), "300\n",
                      pane)
            session.type("exit")
            session.wait_end()


setup(POLICY)
prepare()
tap.run(programs_read_everything, scripts_at_a_terminal, prompts_have_the_limit, panes_have_the_limit)
