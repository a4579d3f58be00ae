"""What the latest videos measured, in memory: a new one is judged by their middle and their spread.

The latest, and not all: the median of 2,000 is off by 3 % of a spread, of 500 by 6 %, and looking at 100,000 for each
video would take longer than finding its copies. What is here is in the rows, prints of a kind of its own: what cannot
be told apart from a change of the rows is read again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from tiktokd.scheduler import store_corpus
from tiktokd.scheduler.corpus_kind import Summary
from tiktokd.scheduler.database import Database

VIDEOS_MIN = 20
"""Other videos from which on a middle and a spread mean something."""
Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one video measured."""

    kind: str
    """Of print, under which it is kept."""
    values: Vector
    """(D,); NaN where it is not known."""
    judge: Callable[[Vector], dict[str, JsonValue]]
    """Fields of the summary, by the values (n, D) of other videos, n from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A result that is judged by other videos'."""

    analyzer: str
    limit: int
    """Latest videos that are looked at."""
    read: Callable[[Summary, Mapping[str, Mapping[str, Any]]], Measured | None]
    """What is in a result and its video's signals; `None`: nothing. Raises `ValueError`, `KeyError`, `TypeError`."""


def too_few(videos: int) -> str:
    """Return why there is no z."""
    return f"corpus too small: {videos} of {VIDEOS_MIN} videos"


def to_print(measured: Measured, seq: int) -> store_corpus.NewPrint:
    """Return what is kept of the video `seq`."""
    return store_corpus.NewPrint(
        kind=measured.kind, cluster=seq, entry=b"", exact=measured.values.astype("<f4").tobytes()
    )


class _Window:
    """The latest rows, in no particular order once it is full."""

    def __init__(self, limit: int, seqs: Sequence[int], values: Vector) -> None:
        self._next = self._count = len(seqs)
        self._seqs = np.zeros(limit, np.int64)
        self._values = np.zeros((limit, values.shape[1]), np.float32)
        self._seqs[: self._count], self._values[: self._count] = seqs, values

    def __contains__(self, seq: int) -> bool:
        return bool((self._seqs[: self._count] == seq).any())

    def add(self, seq: int, values: Vector) -> None:
        """Take in the latest, in the place of the oldest; moving all of them would take longer than judging by them."""
        place = self._next % len(self._seqs)
        self._seqs[place], self._values[place] = seq, values
        self._next, self._count = self._next + 1, min(self._count + 1, len(self._seqs))

    def besides(self, seq: int) -> Vector:
        """Return (n, D) values without those of one video."""
        values = self._values[: self._count]
        return values if seq not in self else np.asarray(values[self._seqs[: self._count] != seq])


class Latest:
    """The latest values of each kind; for one thread."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def others(self, database: Database, measured: Measured, *, limit: int, besides: int) -> Vector:
        """Return (n, D) values of the up to `limit` latest videos, without those of the video `besides`."""
        window = self._windows.get(measured.kind)
        if window is None:
            rows = database.read_blocking(store_corpus.latest, measured.kind, limit=limit)
            kept = [(seq, exact) for seq, exact in rows if len(exact) == measured.values.nbytes]
            values = np.frombuffer(b"".join(exact for _, exact in kept), "<f4")
            window = _Window(limit, [seq for seq, _ in kept], values.reshape(len(kept), len(measured.values)))
            self._windows[measured.kind] = window
        return window.besides(besides)

    def stored(self, seq: int, prints: Mapping[str, bytes]) -> None:
        """Take in what has been stored of a video, kind of print to its bytes.

        What a video had before is replaced, or gone: that kind is read again.
        """
        for kind, window in list(self._windows.items()):
            if seq in window:
                del self._windows[kind]
            elif kind in prints:
                window.add(seq, np.frombuffer(prints[kind], "<f4"))
