#!/usr/bin/python3
"""tmoutctl edit, on a terminal, with real editors and with scripts in their place: what
replaces a policy file and what never does."""

import os
import signal
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.commands import must, run
from host.files import read, remove, write
from host.product import DROP_INS, POLICY, STATE, apply, fresh, install_files, show
from host.tap import tap
from host.terminal import Terminal

VALID = "default {\n    tmout = 10m\n}\n"
OTHER = "default {\n    tmout = 7m\n}\n"
INVALID = "default {\n    tmuot = 5m\n    warn = soon\n}\n"
PROMPT = r"What now\? \[e: edit again, x: exit without saving\] "
OVERWRITE = r"What now\? \[e: edit again, x: exit without saving, s: save all the same\] "
held = []  # goes_on()'s descriptors: what is in the FIFO is there until it is read
FIFO, SCRIPT, ENVIRONMENT = "/root/fifo", "/root/editor", "/root/environment"


def scripted(*steps):
    """An editor that takes one step, which is shell text, each time that it is run."""
    for number, step in enumerate(steps):
        write(f"/root/step{number}", step)
    write(SCRIPT, "#!/bin/sh\nset -e\nfor step in /root/step*; do break; done\n"
                  "text=$(cat $step)\nrm $step\neval \"$text\"\n", 0o755)
    return SCRIPT


def writes(text):
    return f"cat >\"$1\" <<'END'\n{text}END\n"


def editing(editor, *words, **env):
    return Terminal(["tmoutctl", "edit", *words], {"EDITOR": editor, **env})


def edits(editor, *words, status=0, says="", **env):
    """Runs it to its end, and expects this exit status and text."""
    with editing(editor, *words, **env) as terminal:
        code = terminal.wait_end()
        tap.ok(code == status, f"{' '.join(words) or 'main file'}: exit status {status}", code,
               terminal.screen)
        tap.matches(terminal.screen, says, f"it says: {says!r}")
    nothing_is_left()


def nothing_is_left():
    """Of the copy, and beside the policy."""
    tap.ok(not os.path.exists(f"{STATE}/edit"), "no copy is left")
    tap.equal([name for name in os.listdir(DROP_INS) if not name.endswith(".conf")], [],
              "and nothing beside the policy")


def same(path, text, name="the file is as it was"):
    tap.equal(read(path), text, name)


def tmout(name="root"):
    """In force, for a user."""
    facts = show(name)
    tap.equal(facts["policy"]["state"], "in force", "the policy is in force")
    return facts["settings"]["tmout"]["value"]


def attributes(path):
    status = os.stat(path)
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def a_valid_edit():
    """a valid edit replaces the file, and is in force at once"""
    os.chmod(POLICY, 0o600)
    os.chown(POLICY, 0, 4)
    os.setxattr(POLICY, "trusted.test", b"kept")
    edits(scripted(writes(OTHER)), says=rf"applied: 1 rule from {POLICY}")
    same(POLICY, OTHER, "the file is the edited copy")
    tap.equal(tmout(), "7m", "and in force")
    tap.equal(attributes(POLICY), (0, 4, 0o600), "it keeps owner and mode")
    tap.equal(os.getxattr(POLICY, "trusted.test"), b"kept", "and its attributes")
    os.chown(POLICY, 1000, 1000)
    os.chmod(POLICY, 0o666)
    edits(scripted("true"), status=1, says="unchanged\r\n.*is not owned by root: run chown root")
    edits(scripted(writes(VALID)), says="applied: 1 rule")
    tap.equal(attributes(POLICY), (0, 1000, 0o644), "a wrong owner and mode are put right")


def drop_ins():
    """drop-ins by name"""
    first, second = f"{DROP_INS}/50-first.conf", f"{DROP_INS}/second.conf"
    os.rmdir(DROP_INS)
    os.umask(0o077)
    edits(scripted(writes(OTHER)), "50-first", says="applied: 1 rule")
    os.umask(0o022)
    same(first, OTHER, "50-first is 50-first.conf")
    tap.equal((attributes(DROP_INS), attributes(first)), ((0, 0, 0o755), (0, 0, 0o644)),
              "new ones are root's, and readable")
    tap.equal(tmout(), "7m", "in force")
    edits(scripted(writes("user \"root\" { tmout = 6m }\n")), "second.conf", says="applied: 2 rules")
    tap.equal(tmout(), "6m", "second.conf is not second.conf.conf")
    edits(scripted(writes("user \"root\" { tmout = 5m }\n")), second, says="applied: 2 rules")
    tap.equal(tmout(), "5m", "the whole path of one")
    edits(scripted("true"), "third", says="third.conf: not created\r\n")
    tap.ok(not os.path.exists(f"{DROP_INS}/third.conf"), "what was not written is not created")
    edits(scripted(writes(VALID + "\n")), "tmout.conf", says="applied: 2 rules")
    same(POLICY, VALID + "\n", "tmout.conf is the main file")
    for name, why in ("", "hidden or has no name"), (".hidden", "hidden"), (".conf", "no name"), \
            ("a/b", "another directory"), ("../x", "hidden"), ("/etc/passwd", "another directory"), \
            (f"{DROP_INS}/x", r"does not end in \.conf"), ("a\tb", "characters"), \
            ("x" * 300, "too long"):
        edits(scripted("true"), name, status=2, says=f"{why}(.|\n)*usage: tmoutctl edit")
    for path in first, second:
        os.unlink(path)
    fresh(VALID)


def real_editors():
    """real editors, with arguments"""
    with editing("ed -s") as terminal:
        for line in "2s/10m/9m/", "w", "q":
            terminal.type(line)
        tap.equal(terminal.wait_end(), 0, "ed: exit status")
    tap.equal(tmout(), "9m", "ed: in force")
    edits("vim -es -u NONE -c '%s/9m/8m/' -c \"wq\"")
    tap.equal(tmout(), "8m", "vim: in force")
    with editing("nano --ignorercfiles", "nano", TERM="vt100") as terminal:
        terminal.wait(r"nano\.conf")
        terminal.press('user "root" { tmout = 5m }\r\x0f')
        terminal.wait("File Name to Write")
        terminal.press("\r")
        terminal.wait(r"Wrote \d+ line")
        terminal.press("\x18")
        tap.equal(terminal.wait_end(), 0, "nano: exit status")
    tap.equal(tmout(), "5m", "nano: in force")
    os.unlink(f"{DROP_INS}/nano.conf")
    with editing("vim -u NONE", TERM="vt100") as terminal:
        terminal.wait("tmout.conf")
        terminal.press(":%s/8m/10m/\r:wq\r")
        tap.equal(terminal.wait_end(), 0, "vim on its screen: exit status")
    same(POLICY, VALID, "vim on its screen: saved")


def an_invalid_edit():
    """an invalid edit is not saved, and can be edited again"""
    write(f"{DROP_INS}/draft.conf", INVALID)
    expected = run("tmoutctl", "check").stderr.splitlines()[:-1]
    os.unlink(f"{DROP_INS}/draft.conf")
    editor = scripted(writes(INVALID), "grep -q tmuot \"$1\"\n" + writes(OTHER))
    with editing(editor, "draft") as terminal:
        terminal.wait(PROMPT)
        tap.equal(len(expected), 2, "check finds two errors in it")
        for line in expected:
            tap.ok(line in terminal.screen, f"as check: {line}", terminal.screen)
        tap.ok(not os.path.exists(f"{DROP_INS}/draft.conf"), "it is not there")
        terminal.type("Q")
        terminal.wait(PROMPT + rf"(.|\n)*{PROMPT}")
        terminal.type("e")
        tap.equal(terminal.wait_end(), 0, "edited again, where it was left: saved")
    tap.equal(tmout(), "7m", "in force")
    for leave in "x\r", "\x04", "\x03":
        with editing(scripted(writes(INVALID)), "draft") as terminal:
            terminal.wait(PROMPT)
            terminal.press(leave)
            status = terminal.wait_end()
            tap.ok(status not in (0, None), f"{leave!r}: exit status {status}")
        same(f"{DROP_INS}/draft.conf", OTHER)
        nothing_is_left()
    write(f"{DROP_INS}/other.conf", "default { tmout = 1x }\n")
    with editing(scripted(writes(VALID)), "draft") as terminal:
        terminal.wait(PROMPT)
        tap.matches(terminal.screen, r"other\.conf:1: tmout ", "another file is wrong: not saved")
        terminal.type("x")
        tap.equal(terminal.wait_end(), 1, "exit status 1")
    os.unlink(f"{DROP_INS}/other.conf")
    os.unlink(f"{DROP_INS}/draft.conf")
    apply()


def waits(*then):
    """An editor that says that it runs, waits, and then does something."""
    remove(FIFO)
    os.mkfifo(FIFO)
    while held:
        os.close(held.pop())
    return scripted("\n".join(("echo it runs", f"read line <{FIFO}", *then)))


def goes_on():
    """Does not wait for an editor that has not got so far, or has ended."""
    held.append(os.open(FIFO, os.O_RDWR))
    os.write(held[-1], b"go on\n")


def a_second_editor():
    """a second editor is locked out, until the first one ends in whatever way"""
    with editing(waits(writes(OTHER))) as first:
        first.wait("it runs")
        number = first.process.pid
        for words in (), ("other",):
            edits_beside(words, number)
        goes_on()
        tap.equal(first.wait_end(), 0, "the first one saves")
    same(POLICY, OTHER, "its edit")
    with editing(waits()) as first:
        first.wait("it runs")
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        tap.ok(os.path.exists(f"{STATE}/edit/tmout.conf"), "killed: the copy is still there")
        tap.equal(attributes(f"{STATE}/edit"), (0, 0, 0o700), "for root only")
        edits("", "tmout.conf", says="unchanged", VISUAL="true")
    same(POLICY, OTHER)
    edits(scripted(writes(VALID)), says="applied")


def edits_beside(words, number):
    with editing("true", *words) as second:
        tap.equal(second.wait_end(), 2, "a second one: exit status")
        tap.matches(second.screen, rf"being edited by another tmoutctl edit \(process {number}\)",
                    "it says who edits")


def interrupted():
    """signals and a lost connection leave everything as it was"""
    for name in "SIGTERM", "SIGHUP":
        with editing(waits(writes(OTHER))) as terminal:
            terminal.wait("it runs")
            os.kill(terminal.process.pid, getattr(signal, name))
            tap.equal(terminal.process.wait(), -getattr(signal, name), f"{name}: it ends")
        same(POLICY, VALID)
        nothing_is_left()
    for answered in False, True:
        editor = scripted(writes(INVALID)) if answered else waits(writes(OTHER))
        terminal = editing(editor)
        terminal.wait(PROMPT if answered else "it runs")
        os.close(terminal.master)
        tap.equal(terminal.process.wait(), -signal.SIGHUP, "the connection is lost: it ends")
        same(POLICY, VALID)
        nothing_is_left()
    with editing(waits(writes(OTHER))) as terminal:
        terminal.wait("it runs")
        os.kill(terminal.process.pid, signal.SIGINT)
        goes_on()
        tap.equal(terminal.wait_end(), 0, "SIGINT is the editor's")
    edits(scripted(writes(VALID)))
    with editing(scripted(f"stty raw -echo\n{writes(INVALID)}")) as terminal:
        terminal.wait(PROMPT)
        terminal.type("x")
        tap.equal(terminal.wait_end(), 1, "an editor that leaves the terminal raw")


def bad_editors():
    """editors that fail, and those that somebody else could replace"""
    edits(scripted(writes(OTHER) + "exit 3"), status=2, says="failed with exit status 3")
    edits(scripted(writes(OTHER) + "kill -9 $$"), status=2, says="ended by signal 9")
    edits(scripted("true"), says="unchanged\r\n")
    edits(scripted(": >\"$1\""), says="unchanged: the edited copy is empty")
    for break_it, why in ("rm \"$1\"", "No such file"), \
            ("ln -sf /etc/passwd \"$1\"", "symbolic link"), \
            ("rm \"$1\"; mkfifo \"$1\"", "not a regular file"), \
            ("truncate -s 9M \"$1\"", "too large"):
        with editing(scripted(break_it, "true")) as terminal:
            terminal.wait(PROMPT)
            tap.matches(terminal.screen, why, why)
            terminal.type("x")
            tap.equal(terminal.wait_end(), 2, f"{why}: exit status")
    nothing_is_left()
    must("install", "-d", "-o", "eve", "/srv/eve")
    must("install", "-o", "eve", "-m", "755", "/usr/bin/true", "/srv/evil")
    must("install", "-m", "775", "/usr/bin/true", "/srv/loose")
    must("install", "-m", "755", "/usr/bin/true", "/srv/eve/true")
    must("install", "-m", "644", "/usr/bin/true", "/srv/flat")
    for editor, why in ("/srv/evil", "not owned by root"), ("/srv/loose", "writable by group"), \
            ("/srv/eve/true", "not owned by root"), ("/srv/flat", "not executable"), \
            ("./true", "not an absolute path"), ("no-such-editor", "no such program"), \
            ("/no/such", "No such file"), ("'vi", "quotation mark"), (" ", "names no program"):
        for variable in "SUDO_EDITOR", "VISUAL", "EDITOR":
            edits("", status=2, says=f"the editor that {variable} names: .*{why}",
                  **{variable: editor})
    write("/srv/eve/true", "#!/bin/sh\necho evil\n", 0o755)
    edits("", "x", says="^tmoutctl: .*not created\r\n$", VISUAL="true",
          PATH="/srv/eve:" + os.environ["PATH"])
    same(POLICY, VALID)


def the_environment():
    """an editor gets nothing from a user's environment"""
    with editing(scripted(f"env >{ENVIRONMENT}; pwd >>{ENVIRONMENT}"), HOME="/srv/eve",
                 VIMINIT="!touch /evil", LD_LIBRARY_PATH="/srv/eve", TERM="vt100",
                 LC_ALL="C.UTF-8", LANGUAGE="/srv/eve") as terminal:
        tap.equal(terminal.wait_end(), 0, "exit status")
    lines = read(ENVIRONMENT).splitlines()
    for line in "HOME=/root", "TERM=vt100", "LC_ALL=C.UTF-8", "/":
        tap.ok(line in lines, line, lines)
    tap.ok("eve" not in read(ENVIRONMENT) and "VIMINIT" not in read(ENVIRONMENT), "no other")
    edits("", "x", SUDO_EDITOR="true", VISUAL="false", says="not created")
    edits("false", "x", VISUAL="true", says="not created")


def under_sudo():
    """through sudo: the host's editor, or one that only root can replace"""
    write("/etc/sudoers.d/test", "eve ALL = (root) NOPASSWD: /usr/bin/tmoutctl edit\n", 0o440)
    write("/usr/local/bin/editor", "#!/bin/sh\necho the host\\'s editor, HOME=$HOME\n", 0o755)
    write("/home/eve/evil", "#!/bin/sh\necho evil\n", 0o755)
    must("chown", "eve:", "/home/eve/evil")
    os.symlink("/usr/bin/true", "/home/eve/link")
    own = "HOME=/home/eve"
    command = ["setpriv", "--reuid=eve", "--regid=eve", "--init-groups", "env", own]

    def says(expected, editor):
        with Terminal([*command, f"EDITOR={editor}", "sudo", "tmoutctl", "edit"]) as terminal:
            terminal.wait_end()
            tap.matches(terminal.screen, expected, f"{editor}: {expected!r}")
            tap.ok("evil\r\n" not in terminal.screen.replace("/evil", ""), f"{editor}: not run")

    says("the host's editor, HOME=/root\r\n", "/home/eve/evil")
    write("/etc/sudoers.d/keep", "Defaults env_keep += \"EDITOR HOME\"\n", 0o440)
    says("EDITOR names: /home/eve/evil: the directory /home/eve is not owned by root",
         "/home/eve/evil")
    says("^tmoutctl: .*unchanged\r\n$", "/home/eve/link")
    says("the host's editor, HOME=/root\r\n", "editor")
    for path in "/etc/sudoers.d/test", "/etc/sudoers.d/keep", "/usr/local/bin/editor":
        os.unlink(path)


def changed_meanwhile():
    """a file that somebody else changes meanwhile is not overwritten unasked"""
    theirs = "default {\n    tmout = 6m\n}\n"
    by_rename = f"printf '{theirs}' >/root/theirs; mv /root/theirs {POLICY}"
    in_place = f"printf '{theirs}' >{POLICY}"
    for change, expected in (by_rename, theirs), (in_place, theirs), (f"rm {POLICY}", None):
        for answer in "x", "e", "s":
            with editing(scripted(f"{change}\n{writes(OTHER)}", writes(OTHER) + "echo >>\"$1\"")) \
                    as terminal:
                terminal.wait("somebody else has changed it while you edited it")
                terminal.wait(OVERWRITE)
                terminal.type(answer)
                if answer == "e":
                    terminal.wait(OVERWRITE + rf"(.|\n)*{OVERWRITE}")
                    terminal.type("x")
                tap.equal(terminal.wait_end(), 0 if answer == "s" else 1, f"{answer}: exit status")
            now = read(POLICY) if os.path.exists(POLICY) else None
            tap.equal(now, OTHER if answer == "s" else expected, f"{answer}: the file")
            nothing_is_left()
            write(POLICY, VALID)
    new = f"{DROP_INS}/new.conf"
    with editing(scripted(f"printf '{theirs}' >{new}\n{writes(OTHER)}"), "new") as terminal:
        terminal.wait(OVERWRITE)
        terminal.type("x")
        terminal.wait_end()
    same(new, theirs, "one that somebody else has created")
    os.unlink(new)
    apply()


def not_a_file():
    """what is no regular file is refused, and stays"""
    path = f"{DROP_INS}/odd.conf"
    for make, why in (lambda: os.symlink("/etc/passwd", path), "is a symbolic link"), \
            (lambda: os.mkfifo(path), "is not a regular file"), \
            (lambda: os.mkdir(path), "is not a regular file"):
        make()
        edits(scripted("true"), "odd", status=2, says=f"odd.conf: {why}")
        if os.path.isdir(path):
            os.rmdir(path)
        else:
            os.unlink(path)
    os.rename(DROP_INS, DROP_INS + ".real")
    os.symlink(DROP_INS + ".real", DROP_INS)
    edits(scripted("true"), "x", status=2, says="symbolic link|Not a directory")
    os.unlink(DROP_INS)
    os.rename(DROP_INS + ".real", DROP_INS)
    os.chmod(DROP_INS, 0o777)
    edits(scripted("true"), "x", status=2, says="writable by group or others")
    os.chmod(DROP_INS, 0o755)


def full_disks():
    """a full disk leaves everything as it was"""
    def fill(directory):
        # A page stays free for what is not the file: the lock, a directory.
        with open(f"{directory}/filler", "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                pass

    must("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", DROP_INS)
    write(f"{DROP_INS}/a.conf", OTHER)
    fill(DROP_INS)
    with editing(scripted(writes(VALID)), "a") as terminal:
        terminal.wait(r"a\.conf: cannot write: No space left")
        terminal.wait(PROMPT)
        terminal.type("x")
        tap.equal(terminal.wait_end(), 2, "no room for the file: exit status")
    same(f"{DROP_INS}/a.conf", OTHER)
    tap.equal(sorted(os.listdir(DROP_INS)), ["a.conf", "filler"], "nothing is left beside it")
    must("umount", DROP_INS)
    must("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", STATE)
    fill(STATE)
    with editing(scripted(writes(OTHER))) as terminal:
        tap.equal(terminal.wait_end(), 2, "no room for the copy: exit status")
        tap.matches(terminal.screen, f"cannot copy {POLICY} to .*No space left", "and why")
    same(POLICY, VALID)
    must("umount", STATE)


def no_terminal():
    """without a terminal, and for ordinary users"""
    for redirect in "</dev/null", ">/root/output":
        with Terminal(["sh", "-c", f"tmoutctl edit {redirect}"], {"EDITOR": "true"}) as terminal:
            tap.equal(terminal.wait_end(), 2, f"{redirect}: exit status")
            tap.equal(terminal.screen, "tmoutctl: must be run on a terminal: an editor needs one"
                      "\r\n", f"{redirect}: why")
    with Terminal(["setpriv", "--reuid=eve", "--clear-groups", "tmoutctl", "edit"],
                  {"EDITOR": "true"}) as terminal:
        tap.equal(terminal.wait_end(), 2, "an ordinary user: exit status")
        tap.matches(terminal.screen, "^tmoutctl: must be run as root\r\n$", "and why")


def hidden_from_the_policy():
    """while a file is edited, logins need not compile the policy"""
    apply()
    with editing(waits()) as terminal:
        terminal.wait("it runs")
        tap.equal(show("root")["policy"]["state"], "in force", "the copy is not beside it")
        goes_on()
        terminal.wait_end()


install_files()
must("useradd", "--create-home", "eve")
fresh(VALID)
tap.run(a_valid_edit, drop_ins, real_editors, an_invalid_edit, a_second_editor, interrupted,
        bad_editors, the_environment, under_sudo, changed_meanwhile, not_a_file, full_disks, no_terminal,
        hidden_from_the_policy)
