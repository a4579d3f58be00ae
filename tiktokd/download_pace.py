"""Keeps requests of all download workers apart on the wire. Knows no URL and no rate.

The daemon's gate decides when a worker may start on a post. What then passes until the request leaves (a commit, a
pipe, a process that wakes) differs by tenths of a second, and some posts cost two requests; so each worker also takes
a time of its own from a list that all share: one number in a file, under a lock that ends with its holder.
"""

import fcntl
from collections.abc import Callable
from pathlib import Path


class Pace:
    """Times for requests, never closer than a gap."""

    def __init__(
        self, file: Path, gap_s: float, *, clock: Callable[[], float], sleep: Callable[[float], object]
    ) -> None:
        """Share `file` with the other workers.

        Args:
            gap_s: Seconds between two requests; 0 switches the pace off.
            clock: Seconds that all processes of this machine count alike (`time.monotonic`).
            sleep: Waits some seconds.
        """
        self._file, self._gap_s, self._clock, self._sleep = file, gap_s, clock, sleep

    def wait(self) -> float:
        """Return when the next request may leave; how many seconds that took, 0 or more."""
        if self._gap_s <= 0:
            return 0.0
        wait_s = self._reserve()
        if wait_s > 0:
            self._sleep(wait_s)
        return wait_s

    def _reserve(self) -> float:
        """Take the next free time and return how far off it is; the lock is held for a read and a write only."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = self._clock()
            due = max(now, self._last(file.read(), now) + self._gap_s)
            file.truncate(0)
            file.write(f"{due!r}\n")
        return due - now

    def _last(self, text: str, now: float) -> float:
        """Return the latest time taken; one that lies too far ahead is from before this machine started."""
        try:
            last = float(text)
        except ValueError:
            return now - self._gap_s
        return last if last <= now + self._farthest_s else now - self._gap_s

    @property
    def _farthest_s(self) -> float:
        return 64 * self._gap_s  # 16 workers, each with a few requests reserved
