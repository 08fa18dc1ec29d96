"""Measuring in turns, so that all cases share whatever else the machine does."""

import statistics
import subprocess
import sys

import bench_host

ROUNDS = 50
MAX_TURNS = 1500
MIN_TURNS = 3
CASE_SEC = 2.5  # for one case: a slow one has fewer turns, but MIN_TURNS


class Case:
    """A program that measures itself, and its results. `answer` is what it prints
    first, which shows that it does what is to be measured."""

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
        # The first turns warm the caches, and show how many there is time for.
        once = statistics.median(self.measure(2)) / 1e6
        self.turns = min(MAX_TURNS, max(MIN_TURNS, int(CASE_SEC / once)))

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
        # A different order each time.
        shift = turn % len(cases)
        for case in cases[shift:] + cases[:shift]:
            case.take_turn()
    for case in cases:
        case.stop()
