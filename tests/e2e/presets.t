#!/usr/bin/python3
"""
The presets: each is a valid policy, sets its baseline's values and no others,
and is overridden by a site's own file. Runs as root inside tests/host/throwaway.
"""

import glob
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from host.accounts import user
from host.commands import must, run
from host.files import REPOSITORY, read, write
from host.product import DROP_INS, apply, fresh, install, show
from host.setup import clean_slate
from host.syslog import syslog
from host.tap import tap

IDLE = {"enforce": "true", "sessions": "all"}
CIS_SSHD = {"client_alive_interval": "5m", "client_alive_count_max": "3", "max_auth_tries": "4",
            "login_grace_time": "1m", "max_startups": "10:30:60", "max_sessions": "10"}
STIG = {**IDLE, "tmout": "10m", "disconnect": "10m", "max_attempts": "3", "attempt_window": "15m",
        "lock_time": "forever", "client_alive_interval": "10m", "client_alive_count_max": "1"}

# What each baseline requires, and so all that its preset may set.
FIGURES = {
    "cis-debian12": {**IDLE, **CIS_SSHD, "tmout": "15m", "max_attempts": "4", "lock_time": "15m"},
    "cis-ubuntu2404": {**IDLE, **CIS_SSHD, "tmout": "15m", "max_attempts": "4",
                       "lock_time": "15m"},
    "cis-rhel9": {**IDLE, **CIS_SSHD, "tmout": "15m", "max_attempts": "5", "lock_time": "15m",
                  "client_alive_count_max": "1"},
    "stig-rhel9": STIG,
    "stig-ubuntu2404": STIG,
    "pci-dss-4": {**IDLE, **CIS_SSHD, "tmout": "15m", "max_attempts": "10", "lock_time": "30m",
                  "client_alive_interval": "15m", "client_alive_count_max": "1",
                  "max_startups": "10:30:100"},
    "anssi-bp028": {**IDLE, "tmout": "10m", "max_attempts": "3", "attempt_window": "15m",
                    "lock_time": "15m"},
}
LOCKS_ROOT = {"stig-rhel9"}

# The form of a control's number in each baseline.
NUMBERS = {"cis": r"5\.\d+(\.\d+)+", "stig-rhel9": r"RHEL-09-\d{6}",
           "stig-ubuntu2404": r"UBTU-24-\d{6}", "pci": r"\d\.\d\.\d", "anssi": r"R\d+"}


def preset(name):
    return must("tmoutctl", "preset", name)


def the_list():
    """the command lists what is installed, and prints nothing else"""
    listed = json.loads(must("tmoutctl", "preset", "--json"))["presets"]
    tap.equal([entry["name"] for entry in listed], sorted(FIGURES), "the list")
    text = must("tmoutctl", "preset")
    for entry in listed:
        name, title = entry["name"], entry["title"]
        source = read(f"{REPOSITORY}/conf/presets/{name}.conf")
        tap.ok(re.search(rf"(?m)^{name} +{re.escape(title)}$", text), f"{name}: listed as text")
        tap.equal(source.splitlines()[0], f"# {title}", f"{name}: its title")
        tap.equal(preset(name), source, f"{name}: printed as it is")
        tap.equal(json.loads(must("tmoutctl", "preset", name, "--json")),
                  {"version": 1, "name": name, "title": title, "text": source}, f"{name}: --json")
    installed = {os.path.basename(path)[:-5] for path in glob.glob("/usr/share/tmout/presets/*")}
    tap.equal(installed, set(FIGURES), "all of them are installed, and nothing else")


def no_such_preset():
    """a name is looked up, and never opened"""
    write("/usr/share/tmout/secret.conf", "# secret\n")
    os.symlink("/etc/shadow", "/usr/share/tmout/presets/shadow.conf")
    for name in ("../secret", "./cis-debian12", "/etc/passwd", "", ".", "..", "cis-debian12.conf",
                 "cis-debian12/", "*", "%s", "cis-debian12\n"):
        result = run("tmoutctl", "preset", name)
        tap.equal((result.returncode, result.stdout), (2, ""), f"{name!r} is rejected")
        tap.matches(result.stderr, r"available: .*cis-rhel9, .*stig-ubuntu2404",
                    f"{name!r}: the known ones are named")
    tap.matches(run("tmoutctl", "preset", "cis-rhel").stderr, 'did you mean "cis-rhel9"', "a hint")
    result = run("tmoutctl", "preset", "shadow")
    tap.equal((result.returncode, result.stdout), (2, ""), "a link is not followed")
    os.unlink("/usr/share/tmout/presets/shadow.conf")
    for words in ["cis-rhel9", "pci-dss-4"], ["--nonsense"]:
        tap.equal(run("tmoutctl", "preset", *words).returncode, 2, f"{words}: usage error")


def each_is_its_baseline():
    """each is valid by itself, and sets its baseline's values and no others"""
    user("anna", "bash")
    for name, figures in FIGURES.items():
        path = f"/usr/share/tmout/presets/{name}.conf"
        checked = run("tmoutctl", "check", path)
        tap.equal((checked.returncode, checked.stderr), (0, ""), f"{name}: valid, without a message")
        fresh(preset(name))
        settings = show("anna", "--local")["settings"]
        tap.equal({key: value["value"] for key, value in settings.items() if value["file"]},
                  figures, f"{name}: what it sets")
        root = show("root", "--local")
        tap.equal(root["settings"]["max_attempts"]["rule"],
                  'user "root"' if name in LOCKS_ROOT
                  else 'root is exempt unless a rule for user "root" sets it',
                  f"{name}: root's attempts")
        tap.equal("max_attempts" in root["attempts"], name in LOCKS_ROOT,
                  f"{name}: root {'is' if name in LOCKS_ROOT else 'is not'} limited")
        number = next(pattern for key, pattern in NUMBERS.items() if name.startswith(key))
        bare = [line for line in preset(name).splitlines()
                if re.match(r"\s+\w+\s*=", line) and not re.search(rf"# {number}", line)]
        tap.equal(bare, [], f"{name}: a control's number at each value")


def root_under_the_stig():
    """no group rule loosens root's lock, and the site can disable it"""
    fresh(preset("stig-rhel9"))
    write(f"{DROP_INS}/50-site.conf", 'group "root" { max_attempts = 50   lock_time = 1m\n'
          "    attempt_window = 1m   tmout = 1h }\n")
    apply()
    settings = show("root", "--local")["settings"]
    tap.equal([settings[key]["value"] for key in ("max_attempts", "attempt_window", "lock_time")],
              ["3", "15m", "forever"], "the lock is the STIG's")
    tap.equal(settings["tmout"]["value"], "1h", "what the section does not set comes from the group")
    write(f"{DROP_INS}/60-root.conf", 'user "root" { max_attempts = none }\n')
    apply()
    tap.equal(show("root", "--local")["attempts"], {"note": "not limited", "other_locks": 0, "rejecting": None, "fleet": None},
              "the site disables it")


def below_the_site():
    """the site's file overrides the preset, setting by setting, wherever the preset is installed"""
    site = 'default { tmout = 5m }\ngroup "ops" { max_sessions = 20 }\n'
    for way, name in ("as tmout.conf", "50-site.conf"), ("as a drop-in", "50-site.conf"):
        if way == "as tmout.conf":
            fresh(preset("cis-debian12"))
        else:
            fresh("default { }\n")
            write(f"{DROP_INS}/10-preset.conf", preset("cis-debian12"))
        write(f"{DROP_INS}/{name}", site)
        apply()
        settings = show("anna")["settings"]
        tap.equal((settings["tmout"]["value"], settings["tmout"]["file"]),
                  ("5m", f"{DROP_INS}/{name}"), f"{way}: the site's own")
        tap.equal(settings["max_auth_tries"]["value"], "4", f"{way}: and the preset for the rest")
        tap.matches(run("tmoutctl", "check").stderr, r"50-site.conf:1: .*tmout",
                    f"{way}: check reports what was overridden")


if not os.path.exists("/run/throwaway"):
    sys.exit(f"start it as tests/host/throwaway {sys.argv[0]}")
syslog.start()
clean_slate()
must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/throwaway_key")
install()
tap.run(the_list, no_such_preset, each_is_its_baseline, root_under_the_stig, below_the_site)
