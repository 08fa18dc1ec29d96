#!/usr/bin/python3
"""The systemd units, as systemd-analyze judges them: no warning, and tmoutd's sandbox.
Needs no root, and starts nothing. Results in the Test Anything Protocol."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from host.files import REPOSITORY, read
from host.tap import tap

EXPOSURE_MAX = 3.0
UNITS = ["tmoutd.service", "tmout-apply.service", "tmout-apply.path", "tmout-prune.service",
         "tmout-prune.timer", "tmout-metrics.service", "tmout-metrics.timer"]


def analyze(*arguments, **options):
    return subprocess.run(["systemd-analyze", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          **options)


def install_below(root):
    """The units and what they name, in a directory."""
    units = f"{root}/etc/systemd/system"
    os.makedirs(units)
    for name in UNITS:
        source = f"{REPOSITORY}/conf/{name}"
        text = read(source if os.path.exists(source) else source + ".in")
        with open(f"{units}/{name}", "w", encoding="utf-8") as unit:
            # Manual pages are looked for on this machine, where they may not be installed.
            text = re.sub(r"(?m)^Documentation=.*\n", "", text)
            unit.write(re.sub("@(S?)BINDIR@", lambda found: f"/usr/{found[1].lower()}bin", text))
    for program, place in ("tmoutd", f"{root}/usr/sbin"), ("tmoutctl", f"{root}/usr/bin"):
        os.makedirs(place)
        shutil.copy(f"{REPOSITORY}/build/{program}", place)
    return units


def setting(text, name):
    return re.findall(rf"(?m)^{name}=(.*)$", text)


def the_units():
    """systemd-analyze finds nothing wrong"""
    with tempfile.TemporaryDirectory() as root:
        units = install_below(root)
        for name in UNITS:
            # Units of the distribution, which are not in this directory, are not our business.
            said = analyze("verify", "--recursive-errors=no", f"{units}/{name}",
                           env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}).stdout
            lines = [line for line in said.splitlines() if name in line
                     and "is not executable: No such file" not in line]
            tap.equal(lines, [], f"{name}: nothing to complain about")
        path = f"{units}/tmoutd.service"
        said = analyze("security", "--offline=true", path).stdout
        exposure = float(re.search(r"exposure level for tmoutd\.service: (\d+\.\d+)", said).group(1))
        tap.ok(exposure <= EXPOSURE_MAX, f"tmoutd.service: an exposure of at most {EXPOSURE_MAX}", said)


def stops_and_restarts():
    """tmoutd.service ends whatever state tmoutd is in, and waits for no helper"""
    text = read(f"{REPOSITORY}/conf/tmoutd.service.in")
    for name, value in {"WatchdogSignal": "SIGKILL", "KillMode": "process", "Restart": "always",
                        "StartLimitIntervalSec": "0"}.items():
        tap.equal(setting(text, name), [value], f"{name}={value}")


tap.run(the_units, stops_and_restarts)
