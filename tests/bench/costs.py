"""What one login costs in instructions and system calls, which do not depend on
the day: the same cases as in the other tables, under callgrind and strace.

Instructions are those of the process, as valgrind executes them; the kernel's are
not among them. A case is run twice, with more turns the second time: the
difference leaves out what the program does once.
"""

import re
import subprocess

from tables import NAME_WIDTH

TURNS = 4, 14
CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]


def run_under(tool, case, turns):
    return subprocess.run([*tool, *case.command], input=f"{turns}\n", text=True, check=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).stderr


def per_turn(count):
    count(1)  # what is made once, such as a user's ledger, is there afterwards
    few, many = (count(turns) for turns in TURNS)
    return (many - few) / (TURNS[1] - TURNS[0])


def instructions(case):
    return per_turn(lambda turns: int(re.search(
        r"Collected : (\d+)", run_under(CALLGRIND, case, turns)).group(1)))


def system_calls(case):
    """Without those that wait for the next turn or measure it."""
    def count(turns):
        trace = run_under(["strace", "-f", "-qq", "-o", "/dev/stderr"], case, turns)
        return len(re.findall(r"(?m)^(?:\d+ +)?\w+\(", trace))
    return per_turn(count)


class Costs:
    """A table of cases, each against the peer that it should not exceed."""

    def __init__(self, cases):
        self.cases = [(case, instructions(case), system_calls(case)) for case in cases]

    def of(self, beginning):
        return next((i, s) for case, i, s in self.cases if case.name.startswith(beginning))

    def print(self, title, peer):
        peer_instructions, peer_calls = self.of(peer)
        print(f"\n{title}\n\n{'':{NAME_WIDTH}} {'instructions':>12} {'x peer':>7} "
              f"{'system calls':>13} {'x peer':>7}    peer: {peer}")
        for case, count, calls in self.cases:
            print(f"{case.name:{NAME_WIDTH}} {count:12,.0f} {count / peer_instructions:7.2f} "
                  f"{calls:13.1f} {calls / peer_calls:7.2f}")
