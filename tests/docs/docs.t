#!/usr/bin/python3
"""The documents are right: pages are well-formed, examples are valid policies,
and what they refer to exists."""
import glob
import json
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.commands import run
from host.files import REPOSITORY, read
from host.tap import tap


def check_policy(text, name):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as draft:
        draft.write(text)
        draft.flush()
        done = run("build/tmoutctl", "check", draft.name)
    tap.ok(done.returncode == 0, name, done.stderr + text)


def policies(text):
    """The policies among a document's blocks."""
    for block in re.findall(r"^(?:```|\.Bd .*)\n(.*?)^(?:```|\.Ed)$", text, re.M | re.S):
        if re.search(r'^(default|group|user)\b.*\{', block, re.M):
            yield block


# What a page of each section of the manual has, in this order.
SECTIONS = {"5": ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"],
            "7": ["NAME", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"],
            "8": ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]}


def check_manual(page):
    done = run("mandoc", "-T", "lint", page)
    # Which other pages this machine has is not the page's fault.
    found = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    tap.equal(found, [], f"{page} is well-formed")
    text = read(page)
    headings = re.findall(r"^\.Sh (.*)$", text, re.M)
    wanted = SECTIONS[page[-1]]
    tap.equal([heading for heading in headings if heading in wanted], wanted,
              f"{page} has the sections of its kind")
    ours = {os.path.basename(path) for path in glob.glob("build/man/*.[1-9]")}
    named = {f"{name}.{section}" for name, section in re.findall(r"^\.Xr (\S+) (\d)", text, re.M)}
    missing = [name for name in named if "tmout" in name and name not in ours]
    tap.equal(missing, [], f"{page}: the pages of ours that it refers to exist")
    related = re.findall(r"^\.Xr (\S+ \d)", text.split(".Sh SEE ALSO")[1].split("\n.Sh ")[0], re.M)
    tap.equal(related, sorted(related, key=lambda name: (name[-1], name)), f"{page}: SEE ALSO is sorted")


def check_formatted(page):
    for device, locale in ("utf8", "C.UTF-8"), ("ascii", "C"):
        done = run("man", "--warnings", "--local-file", f"-T{device}", page,
                   env={**os.environ, "LC_ALL": locale, "MANWIDTH": "80"})
        tap.ok(done.returncode == 0 and done.stderr == "" and done.stdout, f"{page}: man formats it for {device}",
               done.stderr)


def check_lock(path):
    """A preset that locks without an end says so in its title, and what else can be set."""
    text = read(path)
    if not re.search(r"(?m)^\s*lock_time\s*=\s*forever", text):
        return
    title, _newline, rest = text.partition("\n")
    tap.matches(title, "locks until an administrator unlocks", f"{path}: its title tells of the lock")
    remarks = re.sub(r"\n\s*# ?", " ", rest)
    tap.matches(remarks, "the network can cause it", f"{path}: it tells who can cause the lock")
    instead = re.findall(r"`((?:default|user)[^`]*\})`", remarks)
    for setting in "lock_time = 15m", "count_by = source":
        tap.ok(any(setting in policy for policy in instead), f"{path}: it suggests {setting}", remarks)
    for policy in instead:
        check_policy(policy, f"{path}: `{policy}` is valid")


def check_verbs(path):
    """Every `tmoutctl VERB` that a document shows is one."""
    usage = run("build/tmoutctl", "--help").stdout
    known = set(re.findall(r"^  (\S+)", usage, re.M))
    shown = set(re.findall(r"^(?:sudo |# )?tmoutctl ([a-z-]+)", read(path), re.M))
    tap.ok(shown <= known, f"{path}: its verbs exist", f"unknown: {shown - known}")


def check_layers():
    """The README's table of layers says what tests/e2e/layers.t and the booted host find."""
    expected = json.loads(read("tests/e2e/layers.json"))
    chapter = read("README.md").split("## Which layer ends which idle session\n")[1].split("\n## ")[0]
    table = [[cell.strip().replace("**", "") for cell in line.strip("|").split("|")]
             for line in chapter.splitlines() if line.startswith("|")]
    heads = ["", *expected["situations"].values()]
    tap.ok(table[0] == heads, "README: the situations of its table of layers", f"{table[0]}\n{heads}")
    rows = [[row["name"], *(row["cells"][name] for name in expected["situations"])]
            for row in expected["layers"].values()]
    for number in range(max(len(rows), len(table) - 2)):
        shown = table[2 + number] if 2 + number < len(table) else None
        wanted = rows[number] if number < len(rows) else None
        tap.ok(shown == wanted, f"README: {(wanted or shown)[0]} is what the tests find",
           f"README {shown}\ntests  {wanted}")


def named_tests(text):
    """The names that follow `tests/run` in a document's commands."""
    for names in re.findall(r"`[^`]*tests/run\s+([^`]+)`", text):
        yield from names.split()


def check_paths(path):
    """The files of the repository that a document names are there."""
    folders = "lib|pam_module|tools|tests|conf|packaging|profile\\.d|man|docs"
    named = set(re.findall(rf"(?<![\w/.])((?:{folders})/[\w./-]*\w/?)", read(path)))
    missing = [name for name in sorted(named) if not os.path.exists(name) and "NAME" not in name]
    tap.ok(not missing, f"{path}: the files that it names exist", "\n".join(missing))


def check_targets(path):
    """The make targets that a document names are there."""
    makefile = read("Makefile")
    named = set(re.findall(r"^(?:sudo )?make ([a-z][a-z-]*)", read(path), re.M))
    named |= set(re.findall(r"`(?:sudo )?make\s+([a-z][a-z-]*)", read(path)))
    missing = [name for name in sorted(named)
               if not re.search(rf"^(?:[\w-]+ )*{name}\b[\w -]*:", makefile, re.M)
               and not name.startswith("dependencies-")]
    tap.ok(not missing, f"{path}: the make targets that it names exist", "\n".join(missing))


def check_metrics(path):
    """The metrics that a document names exist, and all are named."""
    named = set(re.findall(r"`(tmout_[a-z_]+)[{`]", read(path)))
    printed = set(re.findall(r'"(tmout_[a-z_]+)"', read("tools/tmoutctl/status/metrics.c")))
    tap.ok(bool(named) and named <= printed, f"{path}: the metrics that it names exist",
           f"{named - printed}")


def check_facts():
    """docs/FACTS.md names tests that exist, and all those in tests/facts."""
    named = set(named_tests(read("docs/FACTS.md")))
    missing = []
    for name in sorted(named):
        folder, _slash, base = name.rpartition("/")
        if not glob.glob(f"tests/{name}*") and not glob.glob(f"tests/{folder}/test_{base}*"):
            missing.append(name)
    tap.ok(bool(named) and not missing, "docs/FACTS.md: its tests exist", "\n".join(missing))
    facts = {path[len("tests/"):-2] for path in glob.glob("tests/facts/*.t")}
    tap.ok(facts <= named, "docs/FACTS.md: names every test of facts", f"{facts - named}")


def manuals():
    """the manual pages are well-formed, and list every setting"""
    for page in sorted(glob.glob("build/man/*.[1-9]")):
        for program, check in ("mandoc", check_manual), ("man", check_formatted):
            if shutil.which(program):
                check(page)
            else:
                tap.skip(f"{page} is well-formed", f"{program} is not installed")
    settings = set(re.findall(r'\.name = "([^"]+)"', read("lib/policy/settings.c")))
    manual = set(re.findall(r"^\.It Cm (\S+)$", read("build/man/tmout.conf.5"), re.M))
    tap.ok(bool(settings) and settings == manual, "tmout.conf(5) lists every setting",
           f"{settings ^ manual}")


def examples():
    """every policy that is shown or installed is valid"""
    for path in ["README.md", "man/tmout.conf.5.in", "man/tmout-recovery.7"]:
        for number, block in enumerate(policies(read(path)), 1):
            check_policy(block, f"{path}: policy {number} is valid")
    installed = read("conf/tmout.conf")
    check_policy(installed, "the installed policy is valid")
    check_policy(re.sub(r"^# (?=(group|user|    tmout|    enforce|\}))", "", installed, flags=re.M),
                 "the installed policy is valid with its examples uncommented")
    for path in sorted(glob.glob("conf/presets/*.conf")):
        check_policy(read(path), f"{path} is valid")
        check_lock(path)


def references():
    """the commands, files, tables and tests that the documents name exist"""
    check_verbs("README.md")
    for page in sorted(glob.glob("man/*.[1-9]*")):
        check_verbs(page)
    check_layers()
    for path in ["README.md", "SECURITY.md", *sorted(glob.glob("docs/*.md"))]:
        check_paths(path)
        check_targets(path)
    check_metrics("docs/ROLLOUT.md")
    check_facts()


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    tap.run(manuals, examples, references)
