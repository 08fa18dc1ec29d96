"""The demo's output, and its list of what differs from the policy."""

import os
import sys

differences = []


def paint(code, text):
    """Coloured text, on a terminal."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{code}m{text}\033[0m"


def say(text=""):
    print(text, flush=True)


def title(text):
    say()
    say(paint("1", text))
    say()


def expect(who, what, seen, expected):
    """Records a difference from the policy."""
    if seen != expected:
        differences.append(f"{who}: {what} is {seen!r}, but the policy says {expected!r}")


def end(claim, difference, install):
    """Says whether the claim holds. Ends with status 1 where something differed."""
    if differences:
        title(paint("31", difference))
        for line in differences:
            say(f"  {line}")
        sys.exit(1)
    title(paint("32", claim))
    say(install)
