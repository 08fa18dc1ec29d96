"""Results for the test runner, in the Test Anything Protocol."""

import re
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor


class Tap:
    """Results in the Test Anything Protocol."""

    def __init__(self):
        self.log = None  # its last lines are shown when a scenario fails
        self.count = 0
        self.failed = 0
        self.lock = threading.Lock()
        self.scenario = threading.local()

    def _say(self, passed, text):
        """Prints a result. Where scenarios run in parallel, it is kept until this
        thread's scenario has ended, so that their results do not mix."""
        kept = getattr(self.scenario, "kept", None)
        if kept is not None:
            kept.append((passed, text))
            return
        if passed is not None:
            self.count += 1
            self.failed += not passed
            text = f"{'ok' if passed else 'not ok'} {self.count} - {text}"
        print(text, flush=True)

    def ok(self, passed, name, *why):
        """Reports a result, and `why` if it failed."""
        self._say(bool(passed), name.replace("#", "\\#"))
        if not passed:
            self.note(*why)
        return passed

    def equal(self, got, expected, name):
        return self.ok(got == expected, name, f"got      {got!r}", f"expected {expected!r}")

    def matches(self, text, pattern, name):
        return self.ok(re.search(pattern, text or ""), name, f"got      {text!r}",
                       f"expected {pattern!r}")

    def skip(self, name, reason):
        self._say(True, f"{name} # SKIP {reason}")

    def note(self, *lines):
        for line in lines:
            for part in str(line).splitlines():
                self._say(None, f"# {part}")

    def _play(self, scenario):
        mark = self.log.mark() if self.log else 0
        start = time.monotonic()
        try:
            self.note(scenario.__doc__ or scenario.__name__)
            scenario()
        except Exception:  # the other scenarios still run
            self.ok(False, f"{scenario.__name__} ran to completion", traceback.format_exc(),
                    *(self.log.since(mark)[-10:] if self.log else []))
        seconds = time.monotonic() - start
        if seconds >= 1:
            self.note(f"that took {seconds:.1f} s")

    def _play_beside_others(self, scenario):
        self.scenario.kept = []
        self._play(scenario)
        kept, self.scenario.kept = self.scenario.kept, None
        with self.lock:
            for result in kept:
                self._say(*result)

    def in_parallel(self, scenarios, how_many):
        """Runs independent scenarios, `how_many` at a time: for those that spend
        their time waiting. Only a scenario's own thread may report results."""
        with ThreadPoolExecutor(how_many) as pool:
            list(pool.map(self._play_beside_others, scenarios))

    def run(self, *scenarios):
        """Runs all scenarios one after the other, even if some fail, and exits."""
        for scenario in scenarios:
            self._play(scenario)
        self.end()

    def end(self):
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed else 0)


tap = Tap()
