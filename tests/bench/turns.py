"""Measuring in turns: whatever else the machine does meets all cases alike."""

import statistics
import subprocess
import sys

import bench_host

ROUNDS = 50
MOST_TURNS = 1500
FEWEST_TURNS = 3
CASE_SEC = 2.5  # for one case: a slow one has fewer turns, but FEWEST_TURNS


class Case:
    """One program, which measures itself, and what it measured. `answer` is
    what it says first: what was done was what should be measured."""

    def __init__(self, name, program, *arguments, answer):
        self.name, self.answer = name, answer
        self.command = [f"{bench_host.PROGRAMS}/{program}", bench_host.SERVICES, *arguments]
        self.times, self.turns, self.due, self.process = [], 0, 0.0, None

    @property
    def median(self):
        return statistics.median(self.times)

    def start(self):
        self.process = subprocess.Popen(self.command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        answer = self.process.stdout.readline().strip()
        if answer != self.answer:
            sys.exit(f"bench: {self.name}: {answer!r}, expected {self.answer!r}")
        # The first turns warm the caches and tell how many can be afforded.
        once = statistics.median(self.measure(2)) / 1e6
        self.turns = min(MOST_TURNS, max(FEWEST_TURNS, int(CASE_SEC / once)))

    def measure(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return [float(self.process.stdout.readline()) for _ in range(count)]

    def take_turn(self):
        self.due += self.turns / ROUNDS
        count = int(self.due + 1e-6)
        self.due -= count
        self.times += self.measure(count) if count else []

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def measure(cases):
    for case in cases:
        case.start()
    for turn in range(ROUNDS):
        # Not always the same neighbour before it.
        shift = turn % len(cases)
        for case in cases[shift:] + cases[:shift]:
            case.take_turn()
    for case in cases:
        case.stop()
