"""How the demo talks, and how it keeps what was seen apart from what was promised."""

import os
import sys

differences = []


def paint(code, text):
    """Text in colour, where somebody is looking."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{code}m{text}\033[0m"


def say(text=""):
    print(text, flush=True)


def title(text):
    say()
    say(paint("1", text))
    say()


def expect(who, what, seen, said):
    """Notes where something is not as the policy promises it."""
    if seen != said:
        differences.append(f"{who}: {what} is {seen!r}, but the policy says {said!r}")
