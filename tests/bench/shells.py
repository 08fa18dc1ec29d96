"""What the start of a shell costs with profile.d/tmout.sh, compared with the script that
CIS recommends, and with none. The shells take turns, so that they share whatever else
the machine does; and system calls do not depend on it."""

import os
import re
import shutil
import statistics
import subprocess
import time

from bench_host import HOME, REPOSITORY, write
from tables import NAME_WIDTH

SHELLS = {"bash": ["bash", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"], "ksh93": ["ksh93", "-i"],
          "mksh": ["mksh", "-i"]}
TURNS = 60
CIS = f"{HOME}/cis.sh"
SCRIPTS = {"none": "/dev/null", "CIS": CIS, "ours": f"{REPOSITORY}/profile.d/tmout.sh"}
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PAM_TMOUT": "900 readonly"}


def start(argv, script):
    """Starts a shell at a terminal, where it is told to read the script and to end.
    Returns the microseconds."""
    master, slave = os.openpty()
    os.write(master, f". {script}\nexit\n".encode())
    since = time.monotonic_ns()
    subprocess.run(argv, stdin=slave, env=ENVIRONMENT, check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    taken = (time.monotonic_ns() - since) / 1000
    os.close(slave)
    os.close(master)
    return taken


def calls(argv, script):
    """How many system calls that makes, and how many processes are started."""
    trace = f"{HOME}/trace"
    start(["strace", "-f", "-qq", "-o", trace, *argv], script)
    with open(trace, encoding="utf-8") as file:
        text = file.read()
    return (len(re.findall(r"(?m)^(?:\d+ +)?\w+\(", text)),
            len(re.findall(r"\b(?:clone3?|v?fork)\(", text)))


def compare():
    write(CIS, "TMOUT=900\nreadonly TMOUT\nexport TMOUT\n")
    print(f"\nThe start of a shell at a prompt, in microseconds and system calls, by script\n\n"
          f"{'':{NAME_WIDTH}} {'none':>9} {'CIS':>9} {'ours':>9} {'x CIS':>6} "
          f"{'calls: CIS':>11} {'ours':>6} {'processes':>10}")
    for shell, argv in SHELLS.items():
        if not shutil.which(shell):
            print(f"{shell:{NAME_WIDTH}} not installed")
            continue
        times = {name: [] for name in SCRIPTS}
        for _ in range(TURNS):
            for name, script in SCRIPTS.items():
                times[name].append(start(argv, script))
        none, cis, ours = (statistics.median(times[name]) for name in SCRIPTS)
        theirs, mine = calls(argv, CIS), calls(argv, SCRIPTS["ours"])
        print(f"{shell:{NAME_WIDTH}} {none:9,.0f} {cis:9,.0f} {ours:9,.0f} {ours / cis:6.2f} "
              f"{theirs[0]:11} {mine[0]:6} {mine[1] - theirs[1]:+10}")
