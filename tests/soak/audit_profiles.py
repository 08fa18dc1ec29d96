"""Hosts of audit_profiles.t: a name, what makes the fault, and the line that is at fault."""

import os
import re

from host.commands import must
from host.files import append, read, write

D = "/etc/profile.d/"
OURS, OURS_CSH = D + "tmout.sh", D + "tmout.csh"
FAULTS = []


def fault(name, make, place=None):
    FAULTS.append((name, make, place))


def file(name, path, text, line=None, mode=0o644):
    """A file with this text; the line at fault."""
    fault(name, lambda: write(path, text, mode), (path, line) if line else None)


def raw(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(data)


def prepend(path, text):
    write(path, text + read(path))


def sed(path, expression):
    return lambda: must("sed", "-E", "-i", expression, path)


# --- scripts in profile.d, before and after ours ---
A, Z = D + "aa-site.sh", D + "zz-site.sh"
for where, path in ("before", A), ("after", Z):
    for text in ("TMOUT=600\n", "TMOUT=3600\n", "TMOUT=0\n", "export TMOUT=1200\n",
                 "typeset -xr TMOUT=900\n", "typeset -xr TMOUT=3600\n", "declare -xr TMOUT=1800\n",
                 "readonly TMOUT\n", "readonly TMOUT=600\n", "readonly TMOUT=0\n", "unset TMOUT\n",
                 "export -n TMOUT 2>/dev/null\n", "TMOUT=$((60*10))\n", "TMOUT=$((60*60))\n", "TMOUT=10m\n",
                 "TMOUT=0600\n", "TMOUT=-1\n", "TMOUT=" + "9" * 60 + "\n", "TMOUT='3600'\n", "TMOUT=\"3600\"",
                 "TMOUT=3600\r\n", "integer TMOUT=3600 2>/dev/null || TMOUT=3600\n",
                 ": ${TMOUT:=3600}\n", "TMOUT=`echo 3600`\n", "eval TMOUT=3600\n",
                 "x=TMOUT; eval $x=3600\n", "read TMOUT <<E\n3600\nE\n"):
        file(f"{where}: {text!r}", path, text)
file("if tty -s", Z, "if tty -s; then\nTMOUT=3600\nfi\n", 2)
file("[ -t 0 ]", Z, "[ -t 0 ] && TMOUT=3600\n", 1)
file("[ -t 1 ] before, readonly", A, "if [ -t 1 ]; then\n    readonly TMOUT=7200\nfi\n", 2)
file("SSH_TTY", Z, 'if [ -n "$SSH_TTY" ]; then\n  TMOUT=7200\nfi\n', 2)
file("SSH_CLIENT", Z, 'if [ "$SSH_CLIENT" ]; then\n  TMOUT=7200\nfi\n', 2)
file("not root", Z, 'if [ "$(id -u)" -ge 1000 ]; then TMOUT=7200; fi\n', 1)
file("root only", Z, 'if [ "$(id -u)" -eq 0 ]; then TMOUT=7200; fi\n')
file("a pattern of TERM", Z, 'case $TERM in xterm*|dumb|screen*) TMOUT=7200;; esac\n', 1)
file("PS1 return, readonly before", A, '[ -z "$PS1" ] && return\nreadonly TMOUT=7200\n', 2)
# (ksh93 cannot be typed to with errexit.)
file("set -e", A, '[ -n "$KSH_VERSION" ] || set -e\n')
file("set -u", A, "set -u\n")
file("set -n", A, "set -n\n")
file("set -f", A, "set -f\n")
file("set -x", A, "set -x\n")
file("set -eu after", Z, "set -eu\n")
file("exit", A, "exit 0\n", 1)
file("exit after", Z, "exit 1\n", 1)
file("exec", A, "exec true\n", 1)
file("exec bash -i", A, 'if [ -z "$AGAIN" ]; then AGAIN=1; export AGAIN; exec bash -i; fi\n')
file("exec env", A, 'if [ -z "$AGAIN" ]; then AGAIN=1; export AGAIN; exec env -u PAM_TMOUT bash -l -i; fi\n')
file("return", A, "return 0\n")
file("read one line", A, 'printf "Press Enter: "; read x </dev/tty\n')
file("read stdin", A, "printf 'Press Enter: '; read x\n")
file("cat stdin", A, "cat >/dev/null\n", 1)
file("sleep", A, "sleep 1000\n", 1)
file("sleep 2", A, "sleep 2\n")
file("a background job", A, "sleep 1000 &\n")
file("a background job that keeps printing", A, "(while sleep 0.2; do echo x; done) &\n")
file("writes a banner", A, "echo 'Your TMOUT is 15 minutes. Authorised use only.'\n")
file("writes to the terminal", A, "echo 'TMOUT is set' >/dev/tty\n")
file("trap on EXIT", A, "trap 'echo TMOUT bye' EXIT\n")
file("trap DEBUG", Z, "trap 'TMOUT=3600' DEBUG 2>/dev/null\n", 1)
file("PROMPT_COMMAND", Z, "PROMPT_COMMAND='TMOUT=3600'\n", 1)
file("precmd", "/etc/zsh/zshrc", "precmd() { TMOUT=3600; }\n", 1)
file("an alias of readonly", A, "alias readonly=:\n")
file("a function readonly", A, "readonly() { :; }\n")
file("a function unset", A, "unset() { :; }\n")
file("a function command", A, "command() { :; }\n")
file("PAM_TMOUT unset", A, "unset PAM_TMOUT\n", 1)
file("PAM_TMOUT changed", A, "PAM_TMOUT='7200 default'\n", 1)
file("PAM_TMOUT none", A, "export PAM_TMOUT=none\n", 1)
file("PAM_TMOUT readonly", A, "readonly PAM_TMOUT='7200 default'\n", 1)
file("our names readonly", A, "readonly tmout_mode=none tmout_limit=1\n", 1)
file("one name of ours readonly", A, "readonly tmout_name=X\n", 1)
file("IFS", A, "IFS=0\n")
file("umask", A, "umask 777\n")
file("ulimit", A, "ulimit -n 4\n")
file("PATH emptied", A, "PATH=\n")
file("POSIXLY_CORRECT", A, "export POSIXLY_CORRECT=1\n")
file("set -o posix", A, "set -o posix 2>/dev/null\n")
file("set -r", A, "[ -n \"$BASH_VERSION\" ] && set -r\n")
file("emulate", A, '[ -n "$ZSH_VERSION" ] && emulate sh\n')
file("syntax error", A, "if then\n")
file("syntax error after", Z, "TMOUT=3600\nif then\n", 1)
file("syntax error in ours' neighbour, readonly", A, "readonly TMOUT=3600\n((\n", 1)
file("NUL", A, "TMOUT=5\0\0\nreadonly TMOUT\n")
fault("NUL before a limit", lambda: raw(A, b"\0readonly TMOUT=3600\n"))
fault("NUL in a limit", lambda: raw(Z, b"TM\0OUT=3600\n"))
fault("BOM", lambda: raw(Z, b"\xef\xbb\xbfTMOUT=3600\n"))
fault("BOM, second line", lambda: raw(Z, b"\xef\xbb\xbf# site\nTMOUT=3600\n"), (Z, 2))
fault("latin-1", lambda: raw(Z, b"# l\xe4nger\nTMOUT=3600\n"), (Z, 2))
fault("CRLF", lambda: raw(Z, b"# site\r\nTMOUT=3600\r\nexport TMOUT\r\n"), (Z, 2))
fault("CRLF, readonly before", lambda: raw(A, b"readonly TMOUT=3600\r\n"), (A, 1))
fault("no final newline", lambda: raw(Z, b"umask 022\nTMOUT=3600"), (Z, 2))
fault("a line of 100 kB", lambda: raw(Z, b"x='" + b"y" * 100000 + b"'\nTMOUT=3600\n"), (Z, 2))
fault("a file of 5 MB", lambda: raw(Z, b"# y\n" * 1200000 + b"TMOUT=3600\n"))
for name in ("zz", "_zz", "Zz", "tmout0", "Tmout", "tmout_site", "tmout-site", "tmouT", "~", "00", "0tmout",
             "tmout.site", "TMOUT", "tm", "\u00e9"):
    for text, word in (("TMOUT=3600\n", "plain"), ("readonly TMOUT=3600\n", "readonly")):
        file(f"{name}.sh, {word}", f"{D}{name}.sh", text)
fault("a blank in the name", lambda: write(D + "z z.sh", "TMOUT=3600\n"))
fault("no .sh", lambda: write(D + "zz-site", "TMOUT=3600\n"))
fault("mode 0600", lambda: write(Z, "TMOUT=3600\n", 0o600))
fault("mode 0000", lambda: write(Z, "TMOUT=3600\n", 0))
fault("ours mode 0600", lambda: os.chmod(OURS, 0o600))
fault("profile.d mode 0700", lambda: os.chmod("/etc/profile.d", 0o700))


def link(target, path, content=None, at=None):
    def make():
        if content:
            write(at, content)
        os.symlink(target, path)
    return make


fault("a symlink", link("/etc/site/x", Z, "TMOUT=3600\n", "/etc/site/x"))
fault("a relative symlink", link("../site/x", Z, "TMOUT=3600\n", "/etc/site/x"))
fault("a dangling symlink", link("/nowhere", Z))
fault("a loop of symlinks", link("zz-site.sh", Z))
fault("a symlink to /dev/null", link("/dev/null", Z))
fault("a symlink to /dev/zero", link("/dev/zero", A))
fault("a FIFO", lambda: os.mkfifo(A, 0o644))
fault("a FIFO that nobody may read", lambda: os.mkfifo(A, 0o600))
fault("a FIFO without .sh", lambda: os.mkfifo(D + "aa", 0o644))
fault("a directory", lambda: os.mkdir(Z))
fault("a socket", lambda: __import__("socket").socket(1).bind(Z))
fault("ours is a symlink", lambda: (os.makedirs("/etc/site", exist_ok=True), os.rename(OURS, "/etc/site/tmout.sh"),
                                    os.symlink("/etc/site/tmout.sh", OURS)))
fault("ours is dangling", lambda: (os.unlink(OURS), os.symlink("/nowhere", OURS)))
fault("ours is empty", lambda: write(OURS, ""))
fault("ours is a directory", lambda: (os.unlink(OURS), os.mkdir(OURS)))
fault("ours is /dev/null", lambda: (os.unlink(OURS), os.symlink("/dev/null", OURS)))

# --- files that others read ---
for path, hook in (("/etc/site/limits", A), ("/etc/site/limits", Z), ("/etc/profile.local", "/etc/profile"),
                   (D + "sh.local", "/etc/profile"), ("/etc/site/limits", "/etc/bash.bashrc"),
                   ("/etc/bash.bashrc.d/site", "/etc/bash.bashrc"), ("/etc/bash.bashrc.local", "/etc/bash.bashrc"),
                   ("/etc/default/site", Z)):
    for text, line in (("TMOUT=3600\n", 1), ("# x\nreadonly TMOUT=3600\n", 2), ("TMOUT=300\n", 1)):
        fault(f"{text!r} in {path}, read by {hook}",
              lambda p=path, h=hook, t=text: (write(p, t), append(h, f"\n. {p}\n")),
              (path, line))
fault("a file read by a file read by a file",
      lambda: (write("/etc/site/a", ". /etc/site/b\n"), write("/etc/site/b", ". /etc/site/c\n"),
               write("/etc/site/c", "TMOUT=3600\n"), append("/etc/profile", ". /etc/site/a\n")),
      ("/etc/site/c", 1))
fault("a variable that holds the file", lambda: (write("/etc/site/a", "TMOUT=3600\n"),
      append("/etc/profile", "f=/etc/site/a; . $f\n")))
fault("a loop over a directory", lambda: (write("/etc/site/a", "TMOUT=3600\n"),
      append("/etc/profile", "for f in /etc/site/*; do . $f; done\n")), ("/etc/site/a", 1))
fault("appended to /etc/profile", lambda: append("/etc/profile", "TMOUT=3600\n"))
fault("appended to /etc/profile, readonly", lambda: append("/etc/profile", "readonly TMOUT=3600\n"))
fault("put first in /etc/profile", lambda: prepend("/etc/profile", "readonly TMOUT=3600\n"), ("/etc/profile", 1))
fault("put first in /etc/profile, not readonly", lambda: prepend("/etc/profile", "TMOUT=3600\nexport TMOUT\n"))
fault("appended to /etc/bash.bashrc", lambda: append("/etc/bash.bashrc", "TMOUT=3600\n"))
fault("put first in /etc/bash.bashrc", lambda: prepend("/etc/bash.bashrc", "readonly TMOUT=3600\n"), ("/etc/bash.bashrc", 1))
fault("RHEL's lines in /etc/bash.bashrc", lambda: append("/etc/bash.bashrc", "# CIS\nTMOUT=1800\nreadonly TMOUT\nexport TMOUT\n"))
fault("/etc/profile without profile.d", sed("/etc/profile", "s/profile[.]d/profile.x/"))
fault("/etc/profile is missing", lambda: os.unlink("/etc/profile"))
fault("/etc/profile is empty", lambda: write("/etc/profile", ""))
fault("/etc/profile returns first", lambda: prepend("/etc/profile", "return 0 2>/dev/null\n"))
fault("/etc/profile returns without PS1", lambda: prepend("/etc/profile", '[ -z "$PS1" ] && return\n'))
fault("/etc/profile reads *.sh in a subshell", sed("/etc/profile", r"s/^( *)[.] \$i/\1( . $i )/"))
fault("/etc/profile reads what is executable only", sed("/etc/profile", r"s/-r \$i/-x $i/"))
fault("/etc/profile with CRLF", sed("/etc/profile", "s/$/\\r/"))
fault("/etc/profile with a break in its loop", sed("/etc/profile", r"s/^( *)[.] \$i/\1. $i; break/"))
fault("bash.bashrc returns first", lambda: prepend("/etc/bash.bashrc", "return\n"))
fault("bash.bashrc without our line", sed("/etc/bash.bashrc", "/tmout/d"))
fault("bash.bashrc with our line commented out", sed("/etc/bash.bashrc", "s/^(.*tmout)/#\\1/"))
fault("our line within if false", sed("/etc/bash.bashrc", "s/^(.*tmout.*)$/if false; then\\n\\1\\nfi/"))
fault("our fragment is empty", lambda: write("/usr/share/tmout/shells/bashrc", ""))
fault("our fragment is changed", lambda: write("/usr/share/tmout/shells/bashrc", "TMOUT=3600\n"))
fault("our fragment is missing", lambda: os.unlink("/usr/share/tmout/shells/bashrc"))
fault("zshenv's fragment is empty", lambda: write("/usr/share/tmout/shells/zshenv", ""))
fault("csh.cshrc's fragment is empty", lambda: write("/usr/share/tmout/shells/csh.cshrc", ""))
fault("kshrc's fragment is empty", lambda: write("/usr/share/tmout/shells/kshrc", ""))

# --- zsh ---
for name in ("zshenv", "zprofile", "zshrc", "zlogin"):
    path = f"/etc/zsh/{name}"
    fault(f"{name}: appended", lambda p=path: append(p, "TMOUT=3600\n"))
    fault(f"{name}: put first, readonly", lambda p=path: prepend(p, "readonly TMOUT=3600\n"), (path, 1))
    fault(f"{name}: typeset -gr", lambda p=path: append(p, "typeset -gxr TMOUT=3600\n"))
    fault(f"{name}: a file it reads", lambda p=path: (write("/etc/site/z", "# z\nTMOUT=3600\n"),
                                                    append(p, ". /etc/site/z\n")),
          ("/etc/site/z", 2))
fault("zshenv: setopt norcs", lambda: prepend("/etc/zsh/zshenv", "setopt norcs\n"))
fault("zshenv: ZDOTDIR", lambda: (write("/etc/site/.zshrc", "TMOUT=3600\n"), prepend("/etc/zsh/zshenv", "ZDOTDIR=/etc/site\n")))
fault("zshenv: return", lambda: prepend("/etc/zsh/zshenv", "return\n"))
fault("zshrc: unset TMOUT", lambda: append("/etc/zsh/zshrc", "unset TMOUT\n"))
fault("zshrc: typeset +r", lambda: append("/etc/zsh/zshrc", "typeset +r TMOUT; TMOUT=3600\n"))
fault("zshrc: TRAPALRM", lambda: append("/etc/zsh/zshrc", "TRAPALRM() { :; }\n"))
fault("zprofile: emulate sh -c . /etc/profile", lambda: append("/etc/zsh/zprofile", "emulate sh -c 'source /etc/profile'\n"))
fault("zprofile: profile with a limit after", lambda: (append("/etc/zsh/zprofile", "emulate sh -c 'source /etc/profile'\n"), write(Z, "TMOUT=3600\n")), (Z, 1))

# --- ksh ---
fault("ksh.kshrc: appended", lambda: append("/etc/ksh.kshrc", "\nTMOUT=3600\n"))
fault("ksh.kshrc: put first", lambda: prepend("/etc/ksh.kshrc", "readonly TMOUT=3600\n"), ("/etc/ksh.kshrc", 1))
fault("mkshrc: appended", lambda: append("/etc/mkshrc", "\nTMOUT=3600\n"))
fault("ENV", lambda: (write("/etc/site/env", "TMOUT=3600\n"), write(A, "export ENV=/etc/site/env\n")))
fault("ENV, readonly", lambda: (write("/etc/site/env", "readonly TMOUT=3600\n"), write(A, "export ENV=/etc/site/env\n")))
fault("BASH_ENV", lambda: (write("/etc/site/env", "TMOUT=3600\n"), write(A, "export BASH_ENV=/etc/site/env\n")))

# --- tcsh ---
for path in ("/etc/csh.cshrc", "/etc/csh.login"):
    fault(f"{path}: appended", lambda p=path: append(p, "set autologout = 60\n"))
    fault(f"{path}: put first, readonly", lambda p=path: prepend(p, "set -r autologout = 60\n"), (path, 1))
    fault(f"{path}: unset", lambda p=path: append(p, "unset autologout\n"))
    fault(f"{path}: autologout 0", lambda p=path: append(p, "set autologout = 0\n"))
    fault(f"{path}: smaller", lambda p=path: append(p, "set autologout = 5\n"))
    fault(f"{path}: exit first", lambda p=path: prepend(p, "exit 0\n"))
for directory in ("cshrc.d", "login.d"):
    for text in ("set autologout = 99\n", "set -r autologout = 99\n", "set autologout=(99 60)\n",
                 "set autologout = 99\r\n", "unset autologout\n"):
        fault(f"csh/{directory}: {text!r}", lambda d=directory, t=text: raw(f"/etc/csh/{d}/site", t.encode()))
fault("zz-site.csh: not read on Debian", lambda: write(D + "zz-site.csh", "set autologout = 99\n"))
fault("csh.cshrc: logout", lambda: append("/etc/csh.cshrc", "logout\n"))
fault("csh.cshrc: a syntax error before ours", lambda: prepend("/etc/csh.cshrc", "if (\n"))
fault("csh.cshrc: source of a missing file", lambda: prepend("/etc/csh.cshrc", "source /nowhere\n"))
fault("csh.cshrc: an undefined variable", lambda: prepend("/etc/csh.cshrc", "echo $nowhere\n"))
fault("csh.cshrc: prompt is unset", lambda: prepend("/etc/csh.cshrc", "unset prompt\n"))

# --- hardening roles, in our script ---
ROLE = {
    "TMOUT=600 appended": lambda: append(OURS, "TMOUT=600\nreadonly TMOUT\nexport TMOUT\n"),
    "declare -xr appended": lambda: append(OURS, "declare -xr TMOUT=900\n"),
    "typeset -xr appended": lambda: append(OURS, "typeset -xr TMOUT=900\n"),
    "sed of lines with TMOUT": sed(OURS, "s/^.*TMOUT.*$/TMOUT=600/"),
    "lines with TMOUT deleted": sed(OURS, "/TMOUT/d"),
    "openscap's": sed(OURS, r"s/^(.*)TMOUT\s*=\s*(\w|\$)*(.*)$/declare -xr TMOUT=600\3/"),
    "lineinfile at the top": lambda: prepend(OURS, "TMOUT=3600\nexport TMOUT\n"),
    "lineinfile at the top, readonly": lambda: prepend(OURS, "readonly TMOUT=3600\n"),
    "blockinfile": lambda: append(OURS, "# BEGIN ANSIBLE MANAGED\nreadonly TMOUT=900\n# END\n"),
    "replaced by a template": lambda: write(OURS, "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n"),
    "replaced by a larger template": lambda: write(OURS, "TMOUT=3600\nreadonly TMOUT\nexport TMOUT\n"),
    "the number at the top": sed(OURS, "s/^tmout_limit=600/tmout_limit=86400/"),
    "the number with a unit": sed(OURS, "s/^tmout_limit=600/tmout_limit=10m/"),
    "the number is negative": sed(OURS, "s/^tmout_limit=600/tmout_limit=-1/"),
    "the number is empty": sed(OURS, "s/^tmout_limit=600/tmout_limit=/"),
    "CRLF": sed(OURS, "s/$/\\r/"),
    "CRLF in csh": sed(OURS_CSH, "s/$/\\r/"),
    "trailing blanks": sed(OURS, "s/$/  /"),
    "comments deleted": sed(OURS, "/^#/d"),
    "indented": sed(OURS, "s/^/    /"),
    "return put first": lambda: prepend(OURS, "return 0\n"),
    "return 0s deleted": sed(OURS, "/^return 0/d"),
    "truncated": lambda: write(OURS, read(OURS)[:1500]),
    "no final newline": lambda: write(OURS, read(OURS)[:-1]),
    "readonly deleted": sed(OURS, "/readonly/d"),
    "BOM": lambda: raw(OURS, b"\xef\xbb\xbf" + open(OURS, "rb").read()),
    "a NUL at the end": lambda: raw(OURS, open(OURS, "rb").read() + b"\0"),
    "csh: the number": sed(OURS_CSH, "s/set tmout_minutes = 10/set tmout_minutes = 999/"),
    "csh: appended": lambda: append(OURS_CSH, "set -r autologout = 99\n"),
    "csh: put first": lambda: prepend(OURS_CSH, "set -r autologout = 99\n"),
    "csh: exit put first": lambda: prepend(OURS_CSH, "exit 0\n"),
    "csh: no final newline": lambda: write(OURS_CSH, read(OURS_CSH)[:-1]),
    "csh: truncated": lambda: write(OURS_CSH, read(OURS_CSH)[:800]),
}
for name, make in ROLE.items():
    fault(f"ours: {name}", make)
CIS = ("readonly TMOUT=900 ; export TMOUT\n", "typeset -xr TMOUT=900\n", "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n",
       "declare -xr TMOUT=900\n", "declare -rx TMOUT=1200; export TMOUT\n")
for text in CIS:
    for name in ("cis_tmout", "tmout_cis", "autologout", "60-session", "ZZ_dev-sec"):
        file(f"{name}.sh: {text!r}", f"{D}{name}.sh", text)
for name in ("kim",):
    fault("a user's own ~/.bashrc", lambda: (write("/home/dbash/.bash_logout", "TMOUT=0\n")))
file("prints without end", A, "yes TMOUT\n", 1)
file("environ of PS1", A, "unset PS1\n")
file("PS1 without a prompt sign", A, "PS1=\n")
file("TERM changed", A, "TERM=vt100; export TERM\n")
file("stty -echo", A, "stty -echo 2>/dev/null\n")
file("mesg n", A, "mesg n\n")
file("printf to stderr about TMOUT", A, "echo 'TMOUT=900 is set by policy' >&2\n")
