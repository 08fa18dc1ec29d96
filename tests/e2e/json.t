#!/usr/bin/python3
"""--json: every command answers with one document, whatever goes wrong, and it has the
form of docs/NAME-VERSION.schema.json. What commands there are, the program says."""

import copy
import datetime
import json
import os
import pty
import subprocess
import sys

import jsonschema

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.attempts import lets_in, setup_passwords
from host.client import ssh_command
from host.commands import must
from host.files import REPOSITORY, read, write
from host.product import apply
from host.tap import tap
from host.terminal import Terminal
from host.tmoutd import tmoutd
from host.waiting import wait_until

VALID = ('default {\n    tmout = 10m\n    disconnect = 20m\n    max_attempts = 2\n'
         '    lock_time = 1h\n    max_sessions = 4\n    channel_timeout = "session:shell=10m"\n}\n'
         'user "eve" { lock_time = forever }\n')
BROKEN = "/run/broken.conf"
NOTHING = ["--config", BROKEN, "--state", "/run/nothing"]
# What to run of each command, and the kind of error that it must tell of, or None.
EXAMPLES = {
    "apply": [([], None), (["--config", BROKEN], "policy"), (["--config", "/nowhere"], "policy"),
              (["--state", "/dev/null"], "failure")],
    "attempts": [([], None), (["bob"], None), (["eve"], None), (["root"], None),
                 (["nobody"], None), (["no-such-user"], "failure"), (NOTHING, "policy"),
                 (["--fleet"], None), (["bob", "--fleet"], None)],
    "audit": [([], None), (["--patch", "--baseline", "no-such-preset"], "failure"),
              (["--check", "host-mac"], None), (["--check", "nothing"], "failure")],
    "check": [([], None), ([BROKEN], "policy"), (["/nowhere"], "failure"), (["/dev/null"], "policy"),
              (NOTHING, "policy")],
    "edit": [([], "failure"), (["/etc/passwd"], "usage")],
    "fleet": [([], None), (["--openmetrics"], None)],
    "help": [([], None), (["show"], None), (["no-such"], "usage")],
    "preset": [([], None), (["cis-debian12"], None), (["no-such-preset"], "failure"), (["../x"], "failure")],
    "prune": [([], None), (NOTHING, "policy")],
    "sessions": [([], None), (NOTHING, "policy")],
    "shells": [([], None), (["--literal"], None), (["--install"], None), (["--remove"], None),
               (["--literal", *NOTHING], "policy")],
    "show": [([], None), (["eve"], None), (["bob", "--local"], None), (["root", "--from", "192.0.2.1"], None),
             (["--group", "users"], None), (["--group", "no-such"], "failure"), (["eve", "--group", "users"], "usage"),
             (["no-such-user"], "failure"), (["eve", *NOTHING], "policy"),
             (["eve", "--from", "x"], "usage")],
    "sshd-config": [([], None), (["--check"], None), (["--openssh", "8.9"], None),
                    (["--openssh", "x"], "usage"), (NOTHING, "policy")],
    "status": [([], None), (["--openmetrics"], None), (["--output", "/run/x"], "usage"),
               (["--openmetrics", "--output", "/nowhere/x"], "failure"), (NOTHING, None)],
    "unlock": [(["eve"], None), (["eve"], None), (["54321"], None), (["no-such-user"], "failure")],
}
# Ordinary users may run the others.
FOR_ROOT = {"apply", "attempts", "audit", "edit", "fleet", "prune", "status", "unlock"}
# What takes time is not run again and again.
SLOW = {"audit", "status", "shells"}
# Bytes that are not UTF-8, a control character, and one that turns the direction of writing.
ODD = b"\xff\x1b[31m\xe2\x80\xae\xc0\xaf"


def strict(schema):
    """The schema, but keys that it does not document are wrong."""
    if isinstance(schema, dict):
        made = {name: strict(part) for name, part in schema.items() if name != "examples"}
        if isinstance(schema.get("properties"), dict):
            made["additionalProperties"] = False
        return made
    return [strict(part) for part in schema] if isinstance(schema, list) else schema


def load(name, version):
    schema = json.loads(read(f"{REPOSITORY}/docs/{name}-{version}.schema.json"))
    jsonschema.Draft7Validator.check_schema(schema)
    # What only says when another part holds must not be made strict.
    condition = schema.pop("if", None)
    made = strict(copy.deepcopy(schema))
    if condition is not None:
        schema["if"] = made["if"] = condition
    return [jsonschema.Draft7Validator(each, format_checker=jsonschema.FormatChecker())
            for each in (schema, made)]


def run(*words, zone="UTC", editor="/bin/true", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        **options):
    return subprocess.run(["tmoutctl", *words], stdin=stdin, stdout=subprocess.PIPE,
                          stderr=stderr, check=False,
                          env={"PATH": os.environ["PATH"], "TZ": zone, "EDITOR": editor}, **options)


def wrong_times(value):
    """For each key that has one, KEY_time is the same second."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    wrong = [each for part in parts for each in wrong_times(part)]
    for key, text in value.items() if isinstance(value, dict) else []:
        if key.endswith("_time") and key != "lock_time" and not isinstance(text, dict):
            seconds = value[key[:-5]]
            then = text and datetime.datetime.fromisoformat(text).timestamp()
            if then != seconds:
                wrong.append((key, text, seconds))
    return wrong


def answered(name, result, kind, title):
    """One document in the form of the command's schema, with this kind of error."""
    try:
        document = json.loads(result.stdout.decode())
    except ValueError as why:
        tap.ok(False, f"{title}: one document", why, result)
        return None
    found = [error.message for schema in SCHEMAS[name] for error in schema.iter_errors(document)]
    told = document.get("error") if isinstance(document, dict) else None
    if told is not None and told["exit_status"] != result.returncode:
        found.append(f"exit status {result.returncode}")
    if (told or {}).get("kind") != kind:
        found.append(f"expected {kind}")
    tap.ok(not found + wrong_times(document), f"{title}: {kind or 'an answer'}", *found,
           *wrong_times(document), result)
    return document


def every_command():
    """every command has a version of its form, a schema with examples, and an example here"""
    forms = dict(COMMANDS, error=1)
    error = json.loads(read(f"{REPOSITORY}/docs/error-1.schema.json"))["definitions"]["error"]
    tap.equal(sorted(EXAMPLES), sorted(COMMANDS), "the examples of this test")
    for name, version in forms.items():
        tap.ok(version > 0, f"{name}: has --json")
        schema, exact = SCHEMAS[name]
        examples = schema.schema.get("examples", [])
        wrong = [each.message for example in examples for each in exact.iter_errors(example)]
        tap.ok(examples and not wrong, f"{name}: examples in its schema", *wrong)
        tap.equal(schema.schema["definitions"]["error"], error, f"{name}: the one form of errors")
        tap.ok(not schema.is_valid({}) and not schema.is_valid("text") and
               not schema.is_valid({"version": version + 1}), f"{name}: its schema rejects others")


def examples(name, cases):
    for words, kind in cases:
        title = " ".join([name, *words])
        answered(name, run(name, *words, "--json", zone="Asia/Kathmandu"), kind, title)
        if name in SLOW and words != cases[0][0]:
            continue
        quiet = run("--json", name, "--quiet", *words)
        answered(name, quiet, kind, f"{title} --quiet")
        plain = run(name, *words)
        tap.equal(quiet.returncode, plain.returncode, f"{title}: exit status as without --json")


def each_example():
    """what each command prints"""
    for name in "bob", "eve":
        for _ in range(2):
            lets_in(name, "wrong")
    with Terminal(ssh_command("ann")) as session:
        session.wait_prompt()
        wait_until(lambda: b"ann" in run("sessions", "--json").stdout, "the login is registered")
        rows = answered("sessions", run("sessions", "--json"), None, "a login")
        tap.equal(rows[0]["ends"] - rows[0]["since"] >= 1200, True, "when it ends")
        locked = answered("attempts", run("attempts", "--json"), None, "two locks")
        tap.equal([(each["user"], each["unlock_at"] is None) for each in locked],
                  [("bob", False), ("eve", True)], "when they end")
        for name, cases in EXAMPLES.items():
            examples(name, cases)
    apply()


def wrong_usage():
    """errors of usage, also where --json comes behind them"""
    for name in COMMANDS:
        for words in ([name, "--x", "--json"], ["--json", name, "-x"], [name, "--jso", "--state"],
                      [name, "--state", "relative", "--json"], [name, "a", "b", "c", "--json"],
                      [name, "--json=1", "--json"]):
            result = run(*words)
            document = answered(name, result, "usage", " ".join(words))
            said = result.stderr.decode().splitlines()
            tap.equal(f"tmoutctl {name}: {document['error']['message']}", said[0], "as for people")
    for words in (["--json"], ["--x", "--json"], ["--x", "show", "--json"], ["audti", "--json"],
                  ["audti", "--local", "x", "--json"], ["--state", "", "show", "--json"]):
        answered("error", run(*words), "usage", " ".join(words))
    tap.equal(run("show", "--", "--json", "x").stdout, b"", "an operand is no option")
    tap.equal(run("show", "--from", "--json", "x").stdout, b"", "the value of an option is no option")
    answered("help", run("--json", "--version"), None, "--version")


def edit(text, answers=b"", expected=None):
    """Edits on a terminal that is not standard output. `text` is the editor's."""
    write("/root/editor", f"#!/bin/sh\n{text}\n", 0o755)
    ours, theirs = pty.openpty()
    os.write(ours, answers)
    result = run("edit", "--json", "10-new", stdin=theirs, stderr=theirs, editor="/root/editor")
    os.close(theirs)
    os.close(ours)
    return answered("edit", result, expected, f"an editor that says {text}")


def an_edit():
    """edits on a terminal"""
    tap.equal(edit("echo text")["saved"], False, "nothing is changed")
    done = edit("echo 'user \"ann\" { tmout = 5m }' >\"$1\"")
    tap.equal((done["saved"], done["applied"]), (True, True), "the drop-in is in force")
    done = edit("echo broken >\"$1\"", b"x\n", "policy")
    tap.equal((done["saved"], done["applied"]), (False, False), "it is not replaced")


def permission():
    """ordinary users"""
    for name in COMMANDS:
        operand = ["nobody"] if name in ("show", "unlock") else []
        result = run(name, *operand, "--json", user="nobody", group="nogroup", extra_groups=[])
        kind = "permission" if name in FOR_ROOT else None
        if kind is None and result.returncode == 2:  # sshd's keys, for example
            kind = json.loads(result.stdout)["error"]["kind"]
        answered(name, result, kind, name)
    result = run("shells", "--install", "--json", user="nobody", group="nogroup", extra_groups=[])
    answered("shells", result, "permission", "shells --install")


def odd_bytes():
    """names, paths and text that are not UTF-8, or control terminals"""
    broken, valid, state = b"/run/broken" + ODD, b"/run/valid" + ODD, b"/run/state" + ODD
    for path, text in (broken, b"default { tm" + ODD + b" = 5m }\n"), (valid, VALID.encode()):
        with open(path, "wb") as file:
            file.write(text)
    answered("apply", run("apply", "--json", "--config", valid, "--state", state), None, "a policy")
    for name in COMMANDS:
        result = run(name, "--json", ODD)
        kind = json.loads(result.stdout)["error"]["kind"]
        answered(name, result, kind, f"{name}: an operand")
        answered(name, run(name, "--json", b"--" + ODD), "usage", f"{name}: an option")
        answered(name, run(name, "--json", b"-" + ODD), "usage", f"{name}: a letter")
        operand = {"show": [b"bob"], "unlock": [b"bob"]}.get(name, [])
        for path in [valid] if name in SLOW else [broken, valid]:
            result = run(name, "--json", *operand, "--config", path, "--state", state)
            if name in ("attempts", "sessions") and result.returncode == 0:
                kind = None
            else:
                kind = json.loads(result.stdout).get("error", {}).get("kind")
            answered(name, result, kind, f"{name}: a policy's path")
    answered("error", run("--json", ODD), "usage", "a command")


def out_of_space():
    """standard output that takes nothing"""
    for name in COMMANDS.keys() - SLOW:
        operand = ["bob"] if name in ("show", "unlock") else []
        with open("/dev/full", "wb") as full:
            result = subprocess.run(["tmoutctl", name, "--json", *operand], stdout=full,
                                    stderr=subprocess.PIPE, check=False)
        tap.ok(result.returncode == 2 and b"cannot write to standard output" in result.stderr,
               f"{name}: exit status 2", result)


setup_passwords(VALID, "PasswordAuthentication yes\n", ["sshd"], {"bob": "right", "eve": "right"})
write(BROKEN, "default { tmuot = 5m\n tmout = x }\n")
apply()
user("ann")
must("tmoutctl", "shells", "--install")
tmoutd.start()
COMMANDS = {each["name"]: each["json_version"]
            for each in json.loads(must("tmoutctl", "help", "--json"))["commands"]}
SCHEMAS = {name: load(name, version) for name, version in {**COMMANDS, "error": 1}.items()}
tap.run(every_command, each_example, wrong_usage, an_edit, permission, odd_bytes, out_of_space)
