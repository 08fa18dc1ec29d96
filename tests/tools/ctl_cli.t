#!/usr/bin/python3
"""The command line of tmoutctl: each command with each option, right and wrong.

Runs the program itself, as a plain user and on a policy and state of its own,
so that nothing of this machine is read or changed. Results in the Test
Anything Protocol.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.files import REPOSITORY, read, write
from host.tap import tap

NOBODY = 65534

# Every command: its usage line, its operand in capitals, and its own options
# with what their value is called, None for those that take none. A group is a
# set of options of which only one may be given.
COMMANDS = {
    "apply": {"usage": "apply [--quiet]"},
    "attempts": {"usage": "attempts [--fleet] [USER]", "operand": "USER",
                 "options": {"fleet": None}},
    "audit": {"usage": "audit [--baseline NAME] [--check ID] [--patch]",
              "options": {"baseline": "NAME", "check": "ID", "patch": None}},
    "check": {"usage": "check [FILE]", "operand": "FILE"},
    "edit": {"usage": "edit [NAME]", "operand": "NAME"},
    "fleet": {"usage": "fleet [--openmetrics]", "options": {"openmetrics": None}},
    "help": {"usage": "help [COMMAND]", "operand": "COMMAND"},
    "preset": {"usage": "preset [NAME]", "operand": "NAME"},
    "prune": {"usage": "prune [--quiet]"},
    "sessions": {"usage": "sessions [--watch]", "options": {"watch": None}},
    "shells": {"usage": "shells [--install | --remove | --literal]",
               "options": {"install": None, "remove": None, "literal": None},
               "group": ["install", "remove", "literal"]},
    "show": {"usage": "show [USER | --group GROUP] [--from ADDR] [--local]", "operand": "USER",
             "options": {"from": "ADDR", "group": "GROUP", "local": None},
             "group": ["from", "local"]},
    "sshd-config": {"usage": "sshd-config [--check | --openssh X.Y]",
                    "options": {"check": None, "openssh": "X.Y"}, "group": ["check", "openssh"]},
    "status": {"usage": "status [--openmetrics [--output FILE]]",
               "options": {"openmetrics": None, "output": "FILE"}},
    "unlock": {"usage": "unlock USER [--fleet] | --from-fleet", "operand": "USER", "required": True,
               "options": {"fleet": None, "from-fleet": None}},
}
PROGRAM_USAGE = "[OPTION]... COMMAND [ARGUMENT]..."

class Host:
    """The program, a policy and a state directory, all of a plain user."""

    def __init__(self, directory):
        self.directory = directory
        self.program = f"{directory}/tmoutctl"
        self.policy = f"{directory}/tmout.conf"
        self.state = f"{directory}/state"
        shutil.copy(f"{REPOSITORY}/build/tmoutctl", self.program)
        os.chmod(self.program, 0o755)
        write(self.policy, "default { tmout = 5m\n max_attempts = 3\n count_by = source\n"
                                " max_sessions = 4\n channel_timeout = \"session:shell=10m\" }\n")
        os.mkdir(self.state, 0o755)
        os.chmod(directory, 0o755)
        if os.geteuid() == 0:
            for path in directory, self.policy, self.state:
                os.chown(path, NOBODY, NOBODY)

    def __call__(self, *words):
        other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.run([self.program, *words], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env={"LC_ALL": "C"}, cwd="/", **other)

    def here(self, *words):
        """With the policy and the state of the test."""
        return self("--config", self.policy, "--state", self.state, *words)


def succeeds(host, words, first_line):
    """Exit status 0, nothing on standard error, and this first line."""
    result = host(*words)
    tap.ok((result.returncode, result.stderr) == (0, "") and
       result.stdout.split("\n")[0] == first_line, " ".join(words) + ": answered", result)
    return result.stdout


def wrong(host, words, message, command=None):
    """The one form of usage error: status 2, on standard error, two lines."""
    name, usage = "tmoutctl", PROGRAM_USAGE
    if command is not None:
        name, usage = f"tmoutctl {command}", COMMANDS[command]["usage"]
    result = host(*words)
    expected = f"{name}: {message}\nusage: tmoutctl {usage}\n"
    said = result.stdout
    if "--json" in words[:words.index("--")] if "--" in words else "--json" in words:
        error = json.loads(said)["error"]
        said = "" if (error["kind"], error["message"]) == ("usage", message) else said
    tap.ok((result.returncode, said, result.stderr) == (2, "", expected),
       f"{' '.join(words) or 'nothing'}: {message}", f"expected {expected!r}\n{result}")


def program(host):
    """in front of a command"""
    version = succeeds(host, ["--version"], "tmoutctl " + version_of_make())
    help_text = succeeds(host, ["--help"], f"usage: tmoutctl {PROGRAM_USAGE}")
    for words in ["-h"], ["help"], ["--he"], ["--json", "-h"], ["-h", "--x"], ["-h", "audti"]:
        tap.ok(host(*words).stdout == help_text, f"{' '.join(words)}: the same help")
    for words in ["-V"], ["--vers"], ["-V", "--x"]:
        tap.ok(host(*words).stdout == version, f"{' '.join(words)}: the same version")
    listed = re.findall(r"^  ([a-z]\S*)", help_text, re.M)
    tap.ok(listed == list(COMMANDS), "help lists all commands, and this test has a row for each",
           listed)
    wrong(host, [], "missing command; tmoutctl --help lists them")
    wrong(host, ["--json"], "missing command; tmoutctl --help lists them")
    wrong(host, ["--"], "missing command; tmoutctl --help lists them")
    wrong(host, ["audti"], 'unknown command "audti"; did you mean "audit"?')
    wrong(host, ["Show", "-h"], 'unknown command "Show"; did you mean "show"?')
    wrong(host, ["help", "audti"], 'unknown command "audti"; did you mean "audit"?')
    wrong(host, ["sho"], 'unknown command "sho"; did you mean "show"?')
    wrong(host, [""], 'unknown command ""; tmoutctl --help lists them')
    wrong(host, ["xyzzyxyzzy"], 'unknown command "xyzzyxyzzy"; tmoutctl --help lists them')
    wrong(host, ["--x", "show"], "unrecognized option '--x'")
    wrong(host, ["-x", "show"], "invalid option -- 'x'")
    wrong(host, ["--local", "show", "nobody"], "unrecognized option '--local'")
    wrong_values(host, [])
    succeeds(host, ["--", "show", "-h"],
             "usage: tmoutctl show [USER | --group GROUP] [--from ADDR] [--local]")


def version_of_make():
    return re.search(r"^VERSION\s*:?=\s*(\S+)", read(f"{REPOSITORY}/Makefile"), re.M).group(1)


def wrong_values(host, before):
    """of the options that all commands have"""
    command = before[0] if before else None
    for option in "config", "state":
        wrong(host, [*before, f"--{option}"], f"option '--{option}' requires an argument", command)
        for path in "relative", "", "./x":
            message = f"invalid argument '{path}' for '--{option}': must be an absolute path"
            wrong(host, [*before, f"--{option}={path}"], message, command)
            wrong(host, [*before, f"--{option}", path], message, command)
    for option in "json", "quiet", "help":
        wrong(host, [*before, f"--{option}=1"], f"option '--{option}' doesn't allow an argument",
              command)


def each_command(host, name, command):
    """what holds for every command alike"""
    usage = f"usage: tmoutctl {command['usage']}"
    help_text = succeeds(host, [name, "--help"], usage)
    for words in ([name, "-h"], [name, "--hel"], ["help", name], [name, "-h", "--x"],
                  [name, "--json", "-h"], ["--quiet", name, "-h", "a", "b"]):
        tap.ok(host(*words).stdout == help_text, f"{' '.join(words)}: the same help")
    for option, value in command.get("options", {}).items():
        form = f"--{option} {value}" if value else f"--{option}"
        tap.ok(re.search(rf"^  {re.escape(form)} {{2,}}\S", help_text, re.M),
               f"{name}: help has {form}",
           help_text)
    for words in [name, "-V"], [name, "--version"], [name, "--vers"], [name, "-V", "--x"]:
        tap.ok(host(*words).stdout == host("-V").stdout, f"{' '.join(words)}: the version")
    wrong(host, [name, "--x"], "unrecognized option '--x'", name)
    wrong(host, [name, "--x", "-h"], "unrecognized option '--x'", name)
    wrong(host, [name, "--x=-h"], "unrecognized option '--x=-h'", name)
    wrong(host, [name, "-x"], "invalid option -- 'x'", name)
    wrong_values(host, [name])


def operands(host, name, command):
    """too many, too few"""
    if "operand" not in command:
        wrong(host, [name, "one"], "extra operand 'one'", name)
        wrong(host, [name, "--", "--json"], "extra operand '--json'", name)
        wrong(host, [name, ""], "extra operand ''", name)
        return
    wrong(host, [name, "one", "two"], "extra operand 'two'", name)
    wrong(host, [name, "one", "two", "three"], "extra operand 'two'", name)
    wrong(host, [name, "--", "one", "--json"], "extra operand '--json'", name)
    if command.get("required"):
        for words in [name], [name, "--json"], [name, "--"]:
            wrong(host, words, f"missing operand {command['operand']}", name)


def own_options(host, name, command):
    """missing values, values too many, options that exclude each other"""
    operand = ["nobody"] if "operand" in command else []
    example = {"ADDR": "192.0.2.1", "FILE": "/nowhere/x", "GROUP": "nogroup", "ID": "host-mac",
               "NAME": "name", "X.Y": "9.2"}
    given = {option: [f"--{option}"] + ([example[value]] if value else [])
             for option, value in command.get("options", {}).items()}
    for option, value in command.get("options", {}).items():
        if value:
            wrong(host, [name, *operand, f"--{option}"],
                  f"option '--{option}' requires an argument",
                  name)
        else:
            wrong(host, [name, *operand, f"--{option}=1"],
                  f"option '--{option}' doesn't allow an argument", name)
    for first in command.get("group", []):
        for second in command["group"]:
            message = f"options '--{first}' and '--{second}' are mutually exclusive"
            if first == second:
                result = host.here(name, *operand, *given[first], *given[first])
                tap.ok("mutually" not in result.stderr, f"{name}: --{first} twice is no conflict",
                       result)
                continue
            wrong(host, [name, *operand, *given[first], *given[second]], message, name)
            wrong(host, [name, *given[first], *operand, "--json", *given[second]], message, name)
            # Abbreviations, and --option=value.
            short = [f"--{first[:3]}"] + given[first][1:]
            glued = ["=".join(given[second])]
            wrong(host, [name, *operand, *short, *glued], message, name)


def common_options(host):
    """--json, --quiet, --config and --state, before the command and after it"""
    valid = f"{host.policy}: valid, 1 rule\n"
    for words in (["--config", host.policy, "check"], [f"--config={host.policy}", "check"],
                  ["check", "--config", host.policy], ["check", f"--config={host.policy}"],
                  ["--conf", host.policy, "check"], ["check", "--c", host.policy],
                  ["--config", "/nowhere", "check", "--config", host.policy],
                  ["--config", "/nowhere", "--config", host.policy, "check"]):
        result = host(*words)
        tap.ok((result.returncode, result.stdout) == (0, valid), " ".join(words), result)
    for words in ["--quiet", "check"], ["check", "--quiet"], ["--q", "check"], ["check", "--qui"]:
        result = host.here(*words)
        tap.ok((result.returncode, result.stdout, result.stderr) == (0, "", ""), " ".join(words),
               result)
    for words in ["--json", "check"], ["check", "--json"], ["--j", "check"], ["check", "--js"]:
        result = host.here(*words)
        tap.ok(result.returncode == 0 and json.loads(result.stdout)["valid"], " ".join(words),
               result)
    for number, words in enumerate((["--state", "STATE", "apply"], ["--state=STATE", "apply"],
                                    ["apply", "--state", "STATE"], ["apply", "--stat=STATE"])):
        state = f"{host.state}/{number}"
        result = host("--config", host.policy, *[word.replace("STATE", state) for word in words])
        tap.ok(result.returncode == 0 and os.path.exists(f"{state}/policy.v1"), " ".join(words),
               result)


def says(host, words, status, stdout, stderr=""):
    result = host.here(*words)
    tap.ok(result.returncode == status and re.search(stdout, result.stdout) and
       re.search(stderr, result.stderr), " ".join(words), result)
    return result


def operands_in_use(host):
    """each operand arrives, before options and after them, and behind --"""
    draft = f"{host.directory}/draft"
    write(draft, "default { tmuot = 5m }\n")
    says(host, ["check", draft], 1, "^$", rf"^{draft}:1: unknown setting")
    says(host, ["check", "--", draft], 1, "^$", rf"^{draft}:1: unknown setting")
    says(host, ["check", "--quiet", draft, "--json"], 1, '"valid": false')
    says(host, ["check", host.policy], 0, "valid, 1 rule")
    says(host, ["check", "--", "--json"], 2, "^$", "--json")
    says(host, ["check", "-"], 2, "^$", "^-: ")
    for command in "show", "attempts", "unlock":
        for words in [command, "--", "--json"], [command, "--quiet", "--", "--json"]:
            says(host, words, 2, "^$", r'^tmoutctl: unknown user "--json"\n$')
        says(host, [command, "nobody"], 0, "nobody")
        says(host, [command, "--quiet", "--", "nobody"], 0, "")
        says(host, [command, ""], 2, "^$", 'unknown user ""')
        says(host, ["--state", host.state, command, "no-such-user"], 2, "^$", "no-such-user")
    says(host, ["unlock", "54321"], 0, "^54321 was not locked\n$")
    says(host, ["unlock", "nobody", "--quiet"], 0, "^$")
    says(host, ["attempts"], 0, "^no user has failed logins that count\n$")
    says(host, ["attempts", "--json"], 0, r"^\[\]\n$")
    says(host, ["attempts", "--json", "nobody"], 0, '"user": "nobody"')
    says(host, ["preset", "--", "--nonsense"], 2, "^$", "nonsense|presets: No such file")
    says(host, ["sessions"], 0, "^no logins are registered\n$")
    says(host, ["sessions", "--json"], 0, r"^\[\]\n$")


def apply_and_check(host):
    """what they say of a policy that is new, in force, rejected or missing"""
    here = ["--state", f"{host.state}/life"]
    for _ in "first", "again":
        says(host, [*here, "apply"], 0, r"^applied: 1 rule from ", "^$")
    says(host, [*here, "apply", "--quiet"], 0, "^$", "^$")
    valid = read(host.policy)
    write(host.policy, "default { tmout = wrong }\n")
    says(host, ["check"], 1, "^$", f"^{host.policy}:1: tmout ")
    for _ in "first", "again":
        says(host, [*here, "apply"], 1, "^$", f"{host.policy}:1: tmout ")
    says(host, [*here, "apply", "--quiet"], 1, "^$", "^$")
    write(host.policy, valid)
    for command, status in ("check", 2), ("apply", 1):
        result = host("--state", f"{host.state}/none", "--config", "/nowhere", command)
        tap.ok(result.returncode == status and result.stdout == "" and
               result.stderr.startswith("/nowhere: is missing"), f"{command}: no policy", result)


def show(host):
    """--from and --local"""
    by_source = '"note": "counted by address: use --from ADDR"'
    counted = '"failures": 0'
    says(host, ["show", "nobody", "--json"], 0, f'"login": "ssh"(.|\n)*{by_source}')
    says(host, ["show", "--local", "nobody", "--json"], 0, f'"login": "local"(.|\n)*{counted}')
    says(host, ["show", "nobody", "--lo", "--json"], 0, f'"login": "local"(.|\n)*{counted}')
    for words in (["--from", "192.0.2.1"], ["--from=192.0.2.1"], ["--f", "192.0.2.1"],
                  ["--from", "2001:db8::1"], ["--from", "nonsense", "--from", "192.0.2.1"]):
        says(host, ["show", "nobody", *words, "--json"], 0, f'"login": "ssh"(.|\n)*{counted}')
        says(host, ["show", *words, "--json", "nobody"], 0, f'"login": "ssh"(.|\n)*{counted}')
    for address in "nonsense", "", "192.0.2", "--local", "network":
        for words in [f"--from={address}"], ["--from", address]:
            wrong(host, ["show", "nobody", *words],
                  f"invalid argument '{address}' for '--from': not an IP address", "show")


def sshd_config(host):
    """--openssh, its older spelling, and --check"""
    known, unknown = r"(?m)^ *ChannelTimeout ", r"# ChannelTimeout is left out"
    for option in "openssh", "version":
        for words in [f"--{option}", "9.2"], [f"--{option}=9.2"], [f"--{option[:3]}", "9.2"]:
            says(host, ["sshd-config", *words], 0, known, "^$")
        says(host, ["sshd-config", f"--{option}", "8.9"], 0, unknown, "has no ChannelTimeout")
        says(host, ["sshd-config", "--quiet", f"--{option}", "8.9"], 0, unknown, "^$")
        for version in "9", "9.", "nine", "9.2x", "":
            for words in [f"--{option}={version}"], [f"--{option}", version]:
                wrong(host, ["sshd-config", *words], f"invalid argument '{version}' for "
                      f"'--{option}': not a version of OpenSSH such as 9.2", "sshd-config")
        wrong(host, ["sshd-config", f"--{option}", "9.2", "9.3"], "extra operand '9.3'",
              "sshd-config")
        wrong(host, ["sshd-config", f"--{option}=9.2", "--check"],
              f"options '--{option}' and '--check' are mutually exclusive", "sshd-config")
        says(host, ["sshd-config", "--json", f"--{option}=9.2"], 0, '"text": ', "^$")
    wrong(host, ["sshd-config", "--openssh", "-1"], "invalid argument '-1' for '--openssh': not a "
          "version of OpenSSH such as 9.2", "sshd-config")
    wrong(host, ["sshd-config", "--openssh=9.2", "--version=9.3"],
          "options '--openssh' and '--version' are mutually exclusive", "sshd-config")
    wrong(host, ["sshd-config", "--c"],
          "option '--c' is ambiguous; possibilities: '--check' '--config'", "sshd-config")
    result = host.here("sshd-config", "--version", "--check")
    tap.ok(result.stdout == host("-V").stdout, "--version without a value is about tmoutctl",
           result)
    result = host.here("sshd-config", "--json", "--check")
    tap.ok("requires" not in result.stderr and "usage" not in result.stderr, "--json --check",
           result)


def root_only(host):
    """what a plain user may not ask, after the words were understood"""
    must = "^tmoutctl: must be run as root\n$"
    for words in (["audit"], ["audit", "--baseline", "x"], ["audit", "--base=x", "--json"],
                  ["audit", "--baseline", "--x"], ["shells", "--install"], ["shells", "--ins"],
                  ["shells", "--remove"], ["shells", "--re", "--json"], ["shells", "--literal"],
                  ["shells", "--lit", "--quiet"]):
        told = '"kind": "permission"' if "--json" in words else "^$"
        says(host, words, 2, told, must)
    own = ["--config", host.policy, "--state", "/"]
    for words in ["attempts"], ["attempts", "nobody"], ["unlock", "nobody"], ["prune"]:
        result = host(*own, *words)
        tap.ok((result.returncode, result.stdout) == (2, "") and
           result.stderr.startswith("tmoutctl: must be run as root"), " ".join(words), result)
    says(host, ["--config", host.policy, "sshd-config", "--check"], 2, "^$", must)
    for words in ["show", "--state", host.state], ["show", "--json"], ["show", "--local"]:
        says(host, words, 0, "nobody", "^$")
    says(host, ["sessions", "--watch", "--json"], 2, '"kind": "usage"', "mutually exclusive")
    says(host, ["sessions", "--watch"], 2, "^$", "needs a terminal: standard output is not one")


def without_standard_descriptors(host):
    """what is printed with closed descriptors ends up in no file of ours"""
    broken = f"{host.directory}/broken.conf"
    write(broken, "default { tmuot = 15m }\n")
    for closed in ">&-", "2>&-", "<&- >&- 2>&-":
        for policy, status in (host.policy, 0), (broken, 1):
            state = tempfile.mkdtemp(dir=host.directory)
            os.chmod(state, 0o755)
            os.chown(state, *[NOBODY if os.geteuid() == 0 else -1] * 2)
            os.chmod(policy, 0o644)
            os.chown(policy, *[NOBODY if os.geteuid() == 0 else -1] * 2)
            shell = f'exec "$0" "$@" {closed}'
            program, host.program = host.program, "/bin/sh"
            result = host("-c", shell, program, "--config", policy, "--state", state, "apply")
            host.program = program
            name = f"apply {closed} of {os.path.basename(policy)}"
            tap.equal(read(f"{state}/apply.lock"), "", f"{name}: the lock file stays empty")
            tap.ok(result.returncode in (status, 2), f"{name}: exit status", result)


def run_all(host):
    program(host)
    for name, command in COMMANDS.items():
        each_command(host, name, command)
        operands(host, name, command)
        own_options(host, name, command)
    for scenario in (common_options, operands_in_use, apply_and_check, show, sshd_config,
                     root_only, without_standard_descriptors):
        tap.note(scenario.__doc__)
        scenario(host)


def main():
    directory = tempfile.mkdtemp(prefix="tmoutctl-", dir="/tmp")
    try:
        run_all(Host(directory))
    finally:
        shutil.rmtree(directory)
    tap.end()


if __name__ == "__main__":
    main()
