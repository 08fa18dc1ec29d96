#!/usr/bin/python3
"""
`tmoutctl shells` on a host: the lines that it adds and removes, their effect in
each shell, and its findings. Runs as root inside tests/host/throwaway.
"""

import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile

from shells import REPOSITORY, environment, installed, run, tap
from host.commands import must
from host.files import append, read, read_bytes, remove, write
from host.product import install
from host.terminal import Terminal
from host.waiting import GUARD_SEC

RC_FILES = {"bash": "/etc/bash.bashrc", "zsh": "/etc/zsh/zshenv", "ksh93": "/etc/ksh.kshrc",
            "mksh": "/etc/mkshrc", "tcsh": "/etc/csh.cshrc"}
SSH = "192.0.2.1 50000 192.0.2.2 22"
MARK = "# tmoutctl shells"


def tmoutctl(*words, **options):
    """Runs `tmoutctl shells`. Returns its output, standard error and exit status."""
    result = subprocess.run(["tmoutctl", "shells", *words], capture_output=True, text=True,
                            check=False, timeout=GUARD_SEC, **options)
    return result.stdout, result.stderr, result.returncode


def listing():
    """The document and the exit status of `tmoutctl shells --json`."""
    out, _, status = tmoutctl("--json")
    return json.loads(out), status


def look(path):
    """Everything about a file that must be restored, None if there is no file."""
    try:
        status = os.stat(path)
        return (read_bytes(path), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid,
                {name: os.getxattr(path, name) for name in os.listxattr(path)})
    except FileNotFoundError:
        return None


def looks():
    return {path: look(path) for path in RC_FILES.values()}


def there_and_back(name):
    """--install, run twice, adds one line to each file; --remove restores every byte."""
    before = looks()
    tap.equal(tmoutctl("--install")[1:], ("", 0), f"{name}: --install")
    after = looks()
    for path in before:
        text = read(path)
        tap.equal(text.count(MARK), 1, f"{name}: {path} has the line once")
        tap.ok(text.startswith((before[path] or (b"",))[0].decode()),
               f"{name}: {path} is otherwise unchanged")
        tap.equal(after[path][1:], before[path][1:] if before[path] else (0o644, 0, 0, {}),
                  f"{name}: {path} keeps mode, owner and attributes")
    tap.equal(tmoutctl("--install")[1:], ("", 0), f"{name}: --install again")
    tap.equal(looks(), after, f"{name}: which changed nothing")
    tap.equal(tmoutctl("--remove")[1:], ("", 0), f"{name}: --remove")
    tap.equal(looks(), before, f"{name}: which restored everything")
    tap.equal(tmoutctl("--remove")[1:], ("", 0), f"{name}: --remove again")
    tap.equal(looks(), before, f"{name}: which changed nothing")
    for path in before:
        directory = os.listdir(os.path.dirname(path))
        tap.equal([file for file in directory if file.startswith(os.path.basename(path) + ".")], [],
                  f"{name}: nothing left next to {path}")


def lines():
    """the line is added and removed, and the file is as before"""
    tmoutctl("--remove")
    tap.equal(looks(), BEFORE, "the files are as before the installation")
    there_and_back("as shipped")
    saved = looks()
    for name, content in {"empty": "", "without a last newline": "# mine\nexport A=1",
                          "a comment last": "# mine", "one empty line": "\n"}.items():
        for path in RC_FILES.values():
            write(path, content)
        there_and_back(name)
    for path in RC_FILES.values():
        write(path, "# mine\n", 0o640)
        os.chown(path, 1, 2)
        try:
            os.setxattr(path, "user.note", b"kept\0")
        except OSError:
            tap.skip(f"an attribute of {path}", "not on this file system")
    there_and_back("another mode and owner")
    for path, old in saved.items():
        remove(path)
        if old:
            write(path, old[0].decode())


def later_edits():
    """text that was added after our line is kept"""
    path = RC_FILES["zsh"]
    saved = read(path)
    for before in "# mine", "# mine\n":
        write(path, before)
        tmoutctl("--install")
        append(path, "export B=2\n")
        tmoutctl("--remove")
        tap.equal(read(path), "# mine\nexport B=2\n", f"after {before!r}")
    write(path, saved)
    path = RC_FILES["ksh93"]
    remove(path)
    tmoutctl("--install")
    append(path, "# theirs\n")
    tmoutctl("--remove")
    tap.equal(read(path), "# theirs\n", "a file that tmoutctl created and others added to is kept")
    remove(path)


def strange_files():
    """unusual files are not changed, and reported"""
    path = RC_FILES["zsh"]
    saved = read(path)

    def rejected(name, pattern):
        _, err, status = tmoutctl("--install")
        tap.equal(status, 2, f"{name}: status")
        tap.matches(err, f"^tmoutctl: {path}: .*{pattern}", f"{name}: message")
        tap.equal(read(RC_FILES["bash"]).count(MARK), 1, f"{name}: the others have their line")
        tmoutctl("--remove")
        remove(path)

    os.rename(path, "/etc/zsh/elsewhere")
    os.symlink("elsewhere", path)
    tap.equal(tmoutctl("--install")[2], 0, "a link within /etc")
    tap.ok(os.path.islink(path) and MARK in read("/etc/zsh/elsewhere"), "is followed, and kept")
    tap.equal(tmoutctl("--remove")[2], 0, "--remove")
    tap.equal(read("/etc/zsh/elsewhere"), saved, "restores every byte")

    remove(path)
    write("/srv/elsewhere", "# theirs\n")
    os.symlink("/srv/elsewhere", path)
    rejected("a link out of /etc", "outside /etc")
    tap.equal(read("/srv/elsewhere"), "# theirs\n", "which is unchanged")

    os.symlink("/etc/nowhere", path)
    rejected("a dangling link", "No such file")
    os.mkfifo(path)
    rejected("a pipe", "Invalid argument")
    os.link("/etc/zsh/elsewhere", path)
    rejected("another hard link", "more than one hard link; not changed")
    write(path, "# a\0b\n")
    rejected("a NUL", "not a text file; not changed")
    write(path, "#" * (1 << 20) + "\n")
    rejected("a huge file", "too large")
    write(path, saved)
    remove("/etc/zsh/elsewhere")


def full_disk():
    """on a full disk the old file stays intact"""
    path = RC_FILES["zsh"]
    saved = read(path)
    must("mount", "-t", "tmpfs", "-o", "size=64k", "none", "/etc/zsh")
    write(path, saved)
    try:
        with open("/etc/zsh/filler", "wb", buffering=0) as filler:
            while filler.write(b"x" * 512):
                pass
    except OSError:
        pass
    _, err, status = tmoutctl("--install")
    tap.equal(status, 2, "status")
    tap.matches(err, "No space left", "message")
    tap.equal((read(path), sorted(os.listdir("/etc/zsh"))), (saved, ["filler", "zshenv"]),
              "nothing changed")
    must("umount", "/etc/zsh")
    tmoutctl("--remove")


def rejections():
    """it needs root, its own files, and valid options"""
    _, err, status = tmoutctl("--install", user="nobody", group="nogroup", extra_groups=[])
    tap.equal(status, 2, "not root: status")
    tap.matches(err, "must be run as root", "not root: message")
    for words in ["--installed"], ["--install", "--remove"], ["x"]:
        tap.equal(tmoutctl(*words)[2], 2, f"shells {' '.join(words)}")
    before = looks()
    os.rename("/usr/share/tmout/shells/zshenv", "/usr/share/tmout/shells/away")
    _, err, status = tmoutctl("--install")
    os.rename("/usr/share/tmout/shells/away", "/usr/share/tmout/shells/zshenv")
    tap.equal((status, looks()), (2, before), "a fragment is missing: nothing changed")
    tap.matches(err, "/usr/share/tmout/shells/zshenv: No such file", "and which one it is")


def login(shell, *options, **variables):
    """Starts a shell on a terminal, with these variables."""
    home = tempfile.mkdtemp()
    write(f"{home}/.zshrc", "")
    settings = [f"{name}={value}" for name, value in
                environment(**{"TERM": "dumb", "HOME": home, **variables}).items()]
    return Terminal(["env", "-i", *settings, shell, *options])


def interactive():
    """login shells and others apply the limit"""
    tap.equal(tmoutctl("--install")[2], 0, "--install")
    for shell in RC_FILES:
        if not installed(shell):
            tap.skip(shell, "not installed")
            continue
        for options in [["-l"], ["-i"]] if shell != "tcsh" else [["-l"], []]:
            name = " ".join([shell, *options])
            more = {}
            if name == "mksh -i":  # reads the system's file from the user's
                more = {"ENV": "/etc/skel/.mkshrc"}
            for value in "900 readonly", "900 default":
                with login(shell, *options, PAM_TMOUT=value, **more) as terminal:
                    tap.equal(terminal.limit(shell), 900, f"{name}: {value}")
                    terminal.type("set autologout=0" if shell == "tcsh" else "TMOUT=0")
                    tap.equal(terminal.limit(shell), 900 if "readonly" in value else None,
                              f"{name}: {value}, changed")
            with login(shell, *options, SSH_CONNECTION=SSH, **more) as terminal:
                tap.equal(terminal.limit(shell), 600, f"{name}: fallback")
            with login(shell, *options, **more) as terminal:
                tap.equal(terminal.limit(shell), None, f"{name}: not over SSH")
    for shell in "dash", "busybox ash", "posh", "yash", "fish":
        if not installed(shell):
            tap.skip(shell, "not installed")
            continue
        home = tempfile.mkdtemp()
        for given in {"PAM_TMOUT": "900 readonly"}, {"SSH_CONNECTION": SSH}:
            tap.equal(run(f"{shell} -l", 'echo "fine$TMOUT"', HOME=home, **given), ("fine\n", "", 0),
                      f"{shell} -l: works, without a limit")


def commands():
    """a command without a prompt gets no TMOUT from an rc file"""
    # bash reads its rc file for a command where it believes that sshd started it.
    seen = {"PAM_TMOUT": "900 readonly", "SSH_CLIENT": "192.0.2.1 50000 22",
            "SSH_CONNECTION": SSH, "SSH2_CLIENT": "x"}
    for shell in RC_FILES:
        if installed(shell):
            question = "echo $?autologout" if shell == "tcsh" else 'echo "${TMOUT:-0}"'
            tap.equal(run(shell, question, **seen), ("0\n", "", 0), f"{shell} -c")
    # Not every host's rc file keeps scripts out itself.
    for shell, fragment in ("bash", "bashrc"), ("zsh", "zshenv"), ("ksh93", "kshrc"):
        if installed(shell):
            question = f'. /usr/share/tmout/shells/{fragment}; echo "${{TMOUT:-0}}"'
            tap.equal(run(shell, question, **seen)[0], "0\n", f"{fragment} in a script")


def the_way_of_rhel():
    """RHEL's /etc/bashrc reads profile.d itself, also for `ssh HOST COMMAND`"""
    write("/etc/bashrc", """
if ! shopt -q login_shell; then
    for i in /etc/profile.d/*.sh; do
        if [ -r "$i" ]; then
            if [ "$PS1" ]; then . "$i"; else . "$i" >/dev/null; fi
        fi
    done
fi
""")
    tmoutctl("--remove")
    os.rename("/etc/bash.bashrc", "/etc/away")
    tap.equal(tmoutctl("--install")[2], 0, "--install")
    tap.ok(MARK not in read("/etc/bashrc"), "there it needs no line")
    rows = {row["kind"]: row for row in listing()[0]["shells"]}
    tap.equal(rows["bash"]["rc"], "/etc/bashrc", "and is listed")
    given = {"PAM_TMOUT": "900 readonly", "SSH_CONNECTION": SSH}
    command = '. /etc/bashrc; echo "${TMOUT-no}"'
    tap.equal(run("bash", command, **given)[0], "no\n", "a command over SSH has no TMOUT")
    with login("bash", "--rcfile", "/etc/bashrc", "-i", **given) as terminal:
        tap.equal(terminal.limit("bash"), 900, "an interactive shell has")
    os.rename("/etc/away", "/etc/bash.bashrc")
    remove("/etc/bashrc")
    tmoutctl("--install")


def without_the_package():
    """the lines are silent if the file that they read is missing"""
    tmoutctl("--install")
    os.rename("/usr/share/tmout", "/usr/share/tmout.away")
    os.rename("/etc/profile.d/tmout.sh", "/etc/profile.d/tmout.away")
    for shell, path in RC_FILES.items():
        if not installed(shell):
            continue
        if shell == "tcsh":
            got = run("tcsh", "echo fine", HOME="/nonexistent")
        else:
            # mksh's own file does not work with `set -u`; our line is its last.
            line = read(path).splitlines()[-1]
            got = run(shell, f"set -eu\n{line}\necho fine")
        tap.equal(got, ("fine\n", "", 0), shell)
    document, status = listing()
    tap.equal(status, 1, "and `tmoutctl shells` exits with 1")
    tap.equal([row for row in document["shells"] if row["limit"] and row["ok"]], [],
              "of every shell")
    os.rename("/usr/share/tmout.away", "/usr/share/tmout")
    os.rename("/etc/profile.d/tmout.away", "/etc/profile.d/tmout.sh")


def the_list():
    """each program once, with its kind of limit and the file that sets it"""
    tmoutctl("--install")
    document, status = listing()
    tap.equal((document["findings"], status), ([], 0), "no findings")
    rows = document["shells"]
    programs = [row["shell"] for row in rows]
    tap.equal(len(programs), len(set(programs)), "no program is listed twice")
    expected = {
        "bash": ("yes", "/etc/profile.d/tmout.sh", "/etc/bash.bashrc"),
        "zsh": ("yes", "/etc/zsh/zshenv", "/etc/zsh/zshenv"),
        "ksh93": ("yes, +60 s", "/etc/profile.d/tmout.sh", "/etc/ksh.kshrc"),
        "mksh": ("yes", "/etc/profile.d/tmout.sh", "/etc/mkshrc"),
        "tcsh": ("whole minutes", "/etc/csh.cshrc", "/etc/csh.cshrc"),
        **{kind: (None, None, None) for kind in ("dash", "ash", "fish", "yash", "posh")},
    }
    for kind, row in {row["kind"]: row for row in rows}.items():
        if kind in expected:
            tap.equal((row["limit"], row["login"], row["rc"], row["ok"]), (*expected[kind], True),
                      kind)
    tmoutctl("--remove")
    document, status = listing()
    tap.equal(status, 1, "without the lines: status")
    missing = {row["kind"] for row in document["shells"] if not row["ok"]}
    tap.equal(missing, {kind for kind in ("bash", "zsh", "ksh93", "tcsh") if installed(kind)},
              "without the lines: who lacks one")
    out, _, status = tmoutctl()
    tap.matches(out, r"(?m)^/usr/bin/bash +bash +yes +/etc/profile.d/tmout.sh +missing$", "as text")
    tap.equal(tmoutctl("--install", "--quiet"), ("", "", 0), "--quiet --install")
    tap.equal(tmoutctl("--quiet"), ("", "", 0), "--quiet")


def other_shells():
    """shells that are not of Bourne's family are listed as such that take no limit"""
    saved = read("/etc/shells")
    kinds = {"nu": "nushell", "pwsh": "powershell", "pwsh-preview": "powershell", "osh": "osh",
             "elvish": "elvish", "xonsh": "other"}
    for name in kinds:
        if not installed(name):
            write(f"/opt/{name}", "#!/bin/sh\n", 0o755)
            append("/etc/shells", f"/opt/{name}\n")
    rows = {os.path.basename(row["shell"]): row for row in listing()[0]["shells"]}
    out, _, status = tmoutctl()
    tap.equal(status, 0, "they are no fault")
    for name, kind in kinds.items():
        row = rows[name]
        tap.equal((row["kind"], row["limit"], row["login"], row["rc"], row["ok"]),
                  (kind, None, None, None, True), name)
        tap.matches(out, rf"(?m)^\S*/{name} +{kind} +no timeout +- +-$", f"{name}, as text")
    write("/etc/shells", saved)
    if not installed("elvish"):
        tap.skip("elvish", "not installed")
        return
    for value in "1 readonly", "none":
        home = tempfile.mkdtemp()
        tap.equal(run("elvish", "echo fine", HOME=home, PAM_TMOUT=value, SSH_CONNECTION=SSH),
                  ("fine\n", "", 0), f"elvish works: {value}")


def our_script_changed():
    """what others do to our script is a finding, and whether it has an effect"""
    path = "/etc/profile.d/tmout.sh"
    saved = read(path)
    lines = saved.count("\n")
    for name, text, line, conflict in (
            ("appended", saved + "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n", lines + 1, False),
            ("deleted", re.sub(r"(?m)^.*TMOUT.*\n", "", saved), None, False),
            ("remediated", re.sub(r"(?m)^(.*)TMOUT\s*=\s*(\w|\$)*(.*)$", r"declare -xr TMOUT=600\3",
                                  saved), None, False),
            ("put first", "TMOUT=900\n" + saved, 1, True),
            ("code changed", saved.replace("tmout_mode=none ;; #", "tmout_mode= ;; #"), None, True)):
        write(path, text)
        document, status = listing()
        got = [(f["file"], f["conflict"]) for f in document["findings"]]
        tap.equal((got, status), ([(path, conflict)], int(conflict)), name)
        if line:
            tap.equal(document["findings"][0]["line"], line, f"{name}: the line")
        tap.matches(tmoutctl()[0], rf"(?m)^{path}:\d+: .*\n    not as packaged", f"{name}, as text")
    write(path, saved)
    tap.equal(listing()[0]["findings"], [], "and none as packaged")


def findings():
    """other scripts that set a limit, and their effect"""
    tmoutctl("--install")
    for place, path in (("before", "/etc/profile.d/aaa.sh"), ("after", "/etc/profile.d/zzz.sh"),
                        ("after", "/etc/zsh/zlogin"), ("before", "/etc/csh/cshrc.d/site"),
                        ("after", "/etc/csh/login.d/site")):
        saved = look(path)
        csh = "csh" in path
        cases = {
            "set -r autologout=99": ("99", True, True), "set autologout = 5": ("5", False, False),
            "set -r autologout=5": ("5", True, False),
        } if csh else {
            "TMOUT=900; readonly TMOUT": ("900", True, True),
            "readonly TMOUT=300": ("300", True, False),
            "TMOUT=0 ; readonly TMOUT": ("0", True, True),
            "declare -xr TMOUT=600": ("600", True, False),
            "typeset -xr TMOUT=\"601\"": ("601", True, True),
            "TMOUT=$(cat /etc/limit)\nreadonly TMOUT": (None, True, True),
            "export TMOUT=900": ("900", False, False), "unset TMOUT": (None, False, False),
            ": ${TMOUT:=900}": ("900", False, False),
            "if true; then\n    TMOUT=77 # mine\nfi": ("77", False, False),
        }
        for text, (value, readonly, conflict) in cases.items():
            write(path, text + "\n")
            document, status = listing()
            conflict = conflict or place == "after"
            got = [(f["file"], f["value"], f["readonly"], f["conflict"])
                   for f in document["findings"]]
            tap.equal((got, status),
                      ([(path, value and int(value), readonly, conflict)], int(conflict)),
                      f"{path}: {text!r}")
        remove(path)
        if saved:
            write(path, saved[0].decode())
    write("/etc/profile.d/aaa.sh", "# TMOUT=9\necho \"$TMOUT\" MYTMOUT=3 #TMOUT=1\n"
          "[ \"$TMOUT\" = 5 ] || PAM_TMOUT=none\n")
    tap.equal(listing()[0]["findings"], [], "only assignments are findings")
    remove("/etc/profile.d/aaa.sh")


def findings_by_line():
    """in a file that reads ours, the position of the line matters"""
    for path in "/etc/profile", "/etc/bash.bashrc":
        saved = read(path)
        write(path, f"TMOUT=300\n{saved}export TMOUT=400\n")
        got = [(f["line"], f["text"], f["conflict"]) for f in listing()[0]["findings"]]
        last = len(saved.splitlines()) + 2
        tap.equal(got, [(1, "TMOUT=300", False), (last, "export TMOUT=400", True)], path)
        out, _, status = tmoutctl()
        tap.equal(status, 1, f"{path}: status")
        tap.matches(out, rf"(?m)^{path}:{last}: export TMOUT=400\n    read after tmout.sh", "as text")
        write(path, saved)


def a_script_of_theirs():
    """another script with the same name is not mistaken for ours"""
    saved = read("/etc/profile.d/tmout.sh")
    write("/etc/profile.d/tmout.sh", "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n")
    document, status = listing()
    tap.equal(status, 1, "status")
    tap.equal([(f["file"], f["conflict"]) for f in document["findings"]],
              [("/etc/profile.d/tmout.sh", True)], "it is a finding")
    tap.equal([row["kind"] for row in document["shells"] if row["login"] and row["kind"] != "tcsh"],
              [], "and no shell takes the limit from it")
    write("/etc/profile.d/tmout.sh", saved)


def literal():
    """the number that scanners read follows a stricter policy, only on request"""
    scripts = {"/etc/profile.d/tmout.sh": "600", "/etc/profile.d/tmout.csh": "10"}
    policy_file = "/etc/security/tmout.conf"
    saved = read(policy_file)
    for path in scripts:
        os.chmod(path, 0o640)
        os.chown(path, 0, 5)
        os.setxattr(path, "user.note", b"mine")
    before = {path: look(path) for path in scripts}

    def numbers():
        return [re.findall(r"(?m)^ *(?:declare -xr TMOUT|TMOUT|tmout_limit|set tmout_minutes) ?= ?"
                           r"(\d+)$", read(path)) for path in scripts]

    def found():
        return [(row["file"], row["value"], row["conflict"]) for row in listing()[0]["findings"]]

    # The default of the policy, then what the two scripts get.
    for limit, seconds, minutes in (("5m", "300", "5"), ("90s", "90", "1"), ("7s", "7", "1"),
                                    ("9m59s", "599", "9"), ("10m", "600", "10"),
                                    ("2m", "120", "2"), ("1h", "600", "10"),
                                    ("1m", "60", "1"), ("none", "600", "10")):
        write(policy_file, f"default {{ tmout = {limit} }}\ngroup \"g\" {{ tmout = 3s }}\n")
        stale = numbers()
        larger = [int(old[0]) > int(new) for old, new in zip(stale, (seconds, minutes))]
        tap.equal(found(), [(path, int(old[0]), False) for path, old, is_larger
                            in zip(scripts, stale, larger) if is_larger],
                  f"{limit}: the list says where a number is larger")
        tap.equal(numbers(), stale, f"{limit}: and changes none")
        out, err, status = tmoutctl("--literal", "--json")
        tap.equal((err, status), ("", 0), f"{limit}: --literal")
        files = json.loads(out)["files"]
        tap.equal([(row["file"], row["seconds"]) for row in files],
                  list(zip(scripts, (int(seconds), int(minutes) * 60))), f"{limit}: it says which")
        tap.equal(numbers(), [[seconds] * 3, [minutes]], f"{limit}: all of them are changed")
        tap.equal([row["result"] for row in files],
                  ["unchanged" if old[0] == new else "changed"
                   for old, new in zip(stale, (seconds, minutes))], f"{limit}: and what it did")
        tap.equal([look(path)[1:] for path in scripts], [before[path][1:] for path in scripts],
                  f"{limit}: mode, owner and attributes stay")
        inodes = [os.stat(path).st_ino for path in scripts]
        out, _, _ = tmoutctl("--literal")
        tap.equal([out.count(", unchanged\n"), [os.stat(path).st_ino for path in scripts]],
                  [2, inodes], f"{limit}: a second time changes nothing")
        tap.equal(found(), [], f"{limit}: no findings")
    tap.equal({path: look(path) for path in scripts}, before, "and every byte is restored")

    write(policy_file, "default { tmout = 5m }\n")
    tmoutctl("--install")
    tmoutctl("--literal")
    for shell in "bash", "mksh", "ksh93", "tcsh":
        if installed(shell):
            with login(shell, "-l", SSH_CONNECTION=SSH) as terminal:
                tap.equal(terminal.limit(shell), 300, f"{shell}: a login without a decision uses it")
    literal_refusals(scripts)
    write(policy_file, saved)
    for path in scripts:
        content, mode, owner, group, _ = before[path]
        write(path, content.decode(), 0o644)
        os.removexattr(path, "user.note")
        os.chown(path, 0, 0)


def literal_refusals(scripts):
    """Neither script is changed if one of them cannot be."""
    script, other = scripts
    good = {path: read(path) for path in scripts}
    write("/etc/security/tmout.conf", "default { tmout = 4m }\n")
    for what, text in (("a site's own script", "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n"),
                       ("one like ours", good[script].replace("tmout_mode", "their_mode")),
                       ("one that only mentions PAM_TMOUT", "# PAM_TMOUT\nTMOUT=900\n"),
                       ("an edited one", good[script].replace("TMOUT=300", "TMOUT=$((300))")),
                       ("a number twice", good[script] + "TMOUT=300\n"),
                       ("an empty one", "")):
        write(script, text)
        left = {path: look(path) for path in scripts}
        out, err, status = tmoutctl("--literal")
        tap.equal((out, status), ("", 2), f"{what} is rejected")
        tap.matches(err, rf"^tmoutctl: {script}: .*not changed", f"{what}: the message gives the reason")
        tap.equal({path: look(path) for path in scripts}, left, f"{what}: both are unchanged")
    write(script, good[script])
    os.link(script, "/etc/profile.d/second-name")
    tap.equal(tmoutctl("--literal")[2], 2, "a script with a second hard link is rejected")
    os.unlink("/etc/profile.d/second-name")
    os.rename(script, "/root/tmout.sh")
    os.symlink("/root/tmout.sh", script)
    tap.equal((tmoutctl("--literal")[2], read("/root/tmout.sh")), (2, good[script]),
              "a link is not followed")
    os.rename("/root/tmout.sh", script)
    write("/etc/security/tmout.conf", "default { tmout = 4m \n")
    tap.equal((tmoutctl("--literal")[2], read(script)), (2, good[script]), "no policy, no change")
    write("/etc/security/tmout.conf", "default { tmout = 4m }\n")
    tap.equal(tmoutctl("--literal", user="nobody")[2], 2, "it must be run as root")
    os.rename(other, "/root/tmout.csh")
    tap.equal(tmoutctl("--literal")[1:], ("", 0), "without the script for csh, the other changes")
    os.rename("/root/tmout.csh", other)


if socket.gethostname() != "throwaway":  # never on a real host
    here = os.path.join(REPOSITORY, "tests/host/throwaway")
    os.execv(here, [here, sys.executable, *sys.argv])
BEFORE = looks()
install()
tap.run(lines, later_edits, strange_files, full_disk, rejections, interactive, commands,
        the_way_of_rhel, without_the_package, the_list, other_shells,
        our_script_changed, findings, findings_by_line,
        a_script_of_theirs, literal)
