"""Keeps requests of all download workers apart, as the other side sees them. Knows no URL and no rate.

The daemon's gate decides when a worker may start on a post. What then passes until the request leaves (a commit, a
pipe, a process that wakes, a connection) differs by tenths of a second, and some posts cost two requests. So all
workers share one file: when the latest request left, and when its answer came. A request reached the other side between
the two, and the next may leave a gap after the later one; so no two arrive closer than the gap, however late a busy
machine or network is.
"""

import fcntl
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

UNANSWERED_S = 5.0
"""A request without an answer holds the others back no longer: its worker may have died, its page may hang."""
LOOK_S = 0.05
"""How often a worker looks whether the answer that it waits for has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The request that left last; the file's content."""

    left_s: float
    """When it left."""
    answered_s: float | None
    """When its answer began, or it failed; `None`: it is on the way."""

    def text(self) -> str:
        """Return the file's one line."""
        return f"{self.left_s!r} {'-' if self.answered_s is None else repr(self.answered_s)}\n"

    @classmethod
    def read(cls, text: str) -> "Latest | None":
        """Return what a file says; `None` where there is none, or it is damaged."""
        try:
            left, answered = text.split()
            found = cls(left_s=float(left), answered_s=None if answered == "-" else float(answered))
        except ValueError:
            return None
        return found if math.isfinite(found.left_s) and math.isfinite(found.answered_s or 0.0) else None

    def next_s(self, gap_s: float) -> float:
        """Return when the next may leave, as far as is known now."""
        return gap_s + (self.left_s + UNANSWERED_S if self.answered_s is None else self.answered_s)


class Pace:
    """Turns for requests, never closer than a gap."""

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

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until a request may leave; inside, send it and wait for the head of its answer and no longer."""
        if self._gap_s <= 0:
            yield
            return
        left_s = self._leave()
        try:
            yield
        finally:
            self._answered(left_s)

    def _leave(self) -> float:
        while True:
            with self._locked() as file:
                now, latest = self._clock(), Latest.read(file.read())
                wait_s = 0.0 if latest is None else latest.next_s(self._gap_s) - now
                if wait_s <= 0 or wait_s > self._farthest_s:  # so far ahead: from before this machine started
                    _write(file, Latest(left_s=now, answered_s=None))
                    return now
            on_the_way = latest is not None and latest.answered_s is None
            self._sleep(min(wait_s, LOOK_S) if on_the_way else wait_s)

    def _answered(self, left_s: float) -> None:
        with self._locked() as file:
            latest = Latest.read(file.read())
            if latest is not None and latest.left_s == left_s:  # else it took so long that another has left meanwhile
                _write(file, Latest(left_s=left_s, answered_s=self._clock()))

    @property
    def _farthest_s(self) -> float:
        return UNANSWERED_S + self._gap_s

    @contextmanager
    def _locked(self) -> Iterator[TextIO]:
        """Open the file at its start under a lock that ends with its holder, held for a read and a write only."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield file


def _write(file: TextIO, latest: Latest) -> None:
    file.truncate(0)
    file.write(latest.text())
