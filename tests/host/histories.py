"""Random histories of login attempts, through two counts that have to agree."""

from host.attempts_script import ADMITTED, BUSY, LOCKED
from host.store import Refused
from host.tap import tap


class Differ(Exception):
    """The two do not agree."""


def shortened(fails, steps):
    """The steps without those that are not needed for the failure."""
    size = len(steps) // 2
    while size > 0:
        at = 0
        while at < len(steps):
            fewer = steps[:at] + steps[at + size:]
            if fails(fewer):
                steps = fewer
            else:
                at += size
        size //= 2
    return steps


def try_histories(seeds, write, play, what):
    """write(seed) returns the limits, what else play() needs, and steps. play(limits, ..., steps) returns
    the answers that it has seen, or raises Differ. what: all of them do so. The shortest history that
    shows a difference is printed."""
    seen = set()

    def difference(about, steps):
        try:
            seen.update(play(*about, steps))
            return None
        except (Differ, Refused) as error:
            return f"{type(error).__name__}: {error}"

    for seed in seeds:
        *about, steps = write(seed)
        if difference(about, steps) is None:
            continue
        shorter = shortened(lambda some, known=about: difference(known, some), steps)
        tap.ok(False, f"history {seed}: {what}",
               f"limits (max_attempts, window_ms, lock_ms, by_source), and more: {about}", *shorter,
               difference(about, shorter))
        return
    tap.ok(True, f"{len(seeds)} histories: {what}")
    tap.equal(seen, {ADMITTED, BUSY, LOCKED}, "they contain every answer")
