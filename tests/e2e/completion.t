#!/usr/bin/python3
"""Completions of tmoutctl's command line, as installed, in the shells themselves: each
command and option that the program names, and what belongs behind them."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.commands import must
from host.files import write
from host.product import DROP_INS, install_files
from host.tap import tap
from host.terminal import Terminal

BASH = "/usr/share/bash-completion/completions/tmoutctl"
# Each asks for all completions of the lines that it gets, and prints END behind each line's.
# The function, as bash calls it: with the words, "=" being one.
ASK_BASH = """
source "$0"
for line; do
    read -ra COMP_WORDS <<<"$line"
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _tmoutctl
    printf '%s\\n' "${COMPREPLY[@]}" END
done
"""
ASK_FISH = "for line in $argv; complete -C $line; echo END; end"
# A zsh on a terminal, where Tab is pressed; what it offers is what compadd is called with.
ASK_ZSH = r"""
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner 'PROMPT=rea""dy: RPROMPT= LISTMAX=1000; stty -echo; setopt no_beep'
zpty -w inner 'autoload -Uz compinit; compinit -u -d /tmp/zcompdump'
zpty -w inner 'compadd() { local -a given; builtin compadd -O given "$@"; print -rl -- $given >>/tmp/offered
    builtin compadd "$@"; }'
# At the prompt the terminal takes every key as it is; before, Ctrl-U is the kernel's.
zpty -w inner "print do''ne"
zpty -r -m inner output '*done*ready:*'
for line; do
    zpty -w -n inner "$line"$'\t'
    zpty -w -n inner $'\C-u'"print END >>/tmp/offered; print do''ne"$'\n'
    zpty -r -m inner output '*done*ready:*'
done
zpty -d inner
cat /tmp/offered
"""


def bash(lines):
    return must("bash", "--norc", "-c", ASK_BASH, BASH, *lines)


def fish(lines):
    return must("fish", "-c", ASK_FISH, *lines)


def zsh(lines):
    write("/tmp/offered", "")
    return must("zsh", "-f", "-c", ASK_ZSH, "zsh", *lines)


def options_of(command):
    return [f"--{each['name']}" for each in command["options"]]


def cases():
    """(What is typed behind tmoutctl, what is offered)"""
    listed = json.loads(must("tmoutctl", "help", "--json"))
    presets = [name[:-5] for name in os.listdir("/usr/share/tmout/presets")]
    yield "", [each["name"] for each in listed["commands"]]
    yield "s", ["sessions", "shells", "show", "sshd-config", "status"]
    yield "--", options_of(listed)
    for command in listed["commands"]:
        yield f"{command['name']} --", options_of(command) + options_of(listed)
    yield "show ann", ["anna", "annette"]
    yield "show --group contr", ["contractors", "contributors"]
    yield "unlock anna", ["anna"]
    yield "--quiet attempts annet", ["annette"]
    yield "preset ", presets
    yield "audit --baseline ", presets
    yield "audit --check host-m", ["host-mac"]
    yield "edit ", ["10-site", "20-ops"]
    yield "--config /etc/passwd help sta", ["status"]
    yield "show anna ann", []
    yield "prune ", []


def completions(shell, more=()):
    every = [*cases(), *more]
    asked = shell([f"tmoutctl {typed}" for typed, _ in every])
    answers = asked.split("END\n")
    tap.equal(len(answers), len(every) + 1, f"{shell.__name__} answers each time")
    for (typed, expected), answer in zip(every, answers):
        word = typed.rpartition(" ")[2]
        got = {line.split("\t")[0].strip() for line in answer.splitlines()}
        # What does not begin as the word does, shells leave out; some add options to nothing.
        got = {name for name in got if name.startswith(word) and name
               and (word or not name.startswith("-"))}
        tap.ok(got == set(expected), f"{shell.__name__}: {typed or 'nothing'}",
               f"wrong: {got ^ set(expected)}", asked if not got else "")


def in_bash():
    """bash without bash-completion"""
    completions(bash, [("--config = /etc/security/tmout.conf edit 1", ["10-site"]),
                       ("--config = /etc/security/tmout.c", ["/etc/security/tmout.conf",
                                                             "/etc/security/tmout.conf.d"]),
                       ("show -- annet", ["annette"])])


def in_fish():
    """fish"""
    completions(fish)


def in_zsh():
    """zsh with compinit"""
    completions(zsh)


def typed():
    """bash with bash-completion, which finds the file by itself"""
    with Terminal(["bash", "--norc", "--noprofile"], {"PS1": "# ", "INPUTRC": "/dev/null"}) as shell:
        shell.type(". /usr/share/bash-completion/bash_completion; echo lo''aded")
        shell.wait("loaded")
        os.write(shell.master, b"tmoutctl prese\t")
        shell.wait("tmoutctl preset ")
        os.write(shell.master, b"cis-deb\t")
        shell.wait("cis-debian12 ")
        os.write(shell.master, b"\x15tmoutctl show annet\t")
        tap.ok(shell.wait("tmoutctl show annette "), "what was typed is completed")


install_files()
for each in "anna", "annette":
    must("useradd", "--no-create-home", each)
for each in "contractors", "contributors":
    must("groupadd", each)
for each in "10-site", "20-ops":
    write(f"{DROP_INS}/{each}.conf", "")
write(f"{DROP_INS}/README", "")
tap.run(in_bash, typed, in_fish, in_zsh)
