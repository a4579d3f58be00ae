"""An inverted index in one file: for each 22-bit key, the 64-bit postings that were filed under it. Knows no videos.

A header, `uint32[KEYS + 2]` offsets (16 MiB, held in memory), `uint64[n]` postings in the order of their keys (read one
by one: 0.6 µs each, no slower than through a mapping, which would count up to 400 MiB of touched pages as ours and
would end the process where the file is cut short).
"""

import itertools
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tiktokd.scheduler.corpus_header import HEADER_BYTES, proven, seal, written

KEY_BITS = 22
KEYS = 1 << KEY_BITS
MAGIC = "tiktokd corpus 1"
OFFSETS_BYTES = 4 * (KEYS + 2)
"""One offset more than needed, so that the postings are aligned."""
POSTINGS_MAX = 2**32 - 1
RANGE_KEYS = KEYS // 256
"""Keys per turn when a file is written."""
Keys = NDArray[np.uint32]
Postings = NDArray[np.uint64]
Spans = tuple[NDArray[np.int64], NDArray[np.int64]]
"""First place and the one after the last, each (n,)."""
Run = tuple[Keys, Postings]
"""Keys (n,), rising, and the posting of each."""


class PostingFile:
    """One open file, read only."""

    upto: int
    """What its writer called the newest entry in it."""

    def __init__(self, path: Path, owner: str, newest: int) -> None:
        """Open and prove a file that `build` wrote for the same `owner`, with entries up to `newest` at most.

        Raises:
            Unusable: it cannot be used.
        """
        with proven(path, magic=MAGIC, owner=owner, newest=newest) as (file, self.upto):
            self._offsets = np.frombuffer(file.read(OFFSETS_BYTES), np.uint32)[: KEYS + 1]
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return int(self._offsets[-1])

    def spans(self, keys: Keys) -> Spans:
        """Return, per key, the place of its first posting and the one after its last."""
        return self._offsets[keys].astype(np.int64), self._offsets[keys + np.uint32(1)].astype(np.int64)

    def take(self, spans: Spans) -> Postings:
        """Return the postings at these places, one span after the other; raises `OSError`."""
        first, last = spans
        sizes, starts = (8 * (last - first)).tolist(), (HEADER_BYTES + OFFSETS_BYTES + 8 * first).tolist()
        raw = b"".join(map(os.pread, itertools.repeat(self._descriptor), sizes, starts))
        if len(raw) != sum(sizes):
            raise OSError(f"the index ends before {len(raw)} bytes of {sum(sizes)} that were asked for")
        return np.frombuffer(raw, np.uint64)

    def between(self, first: int, last: int) -> Run:
        """Return the postings of the keys first <= key < last, in order."""
        offsets = self._offsets[first : last + 1].astype(np.int64)
        keys = np.repeat(np.arange(first, last, dtype=np.uint32), np.diff(offsets))
        return keys, self.take((offsets[:1], offsets[-1:]))


class _Spool:
    """Runs on disk, to be read again by ranges of keys."""

    def __init__(self, file: BinaryIO, runs: Iterable[Run]) -> None:
        self._file = file
        self._runs: list[tuple[int, NDArray[np.int64]]] = []
        edges = np.arange(0, KEYS + RANGE_KEYS, RANGE_KEYS)
        for keys, postings in runs:
            self._runs.append((file.tell(), np.searchsorted(keys, edges)))
            file.write(keys.astype("<u4").tobytes())
            file.write(postings.astype("<u8").tobytes())

    def part(self, number: int) -> list[Run]:
        """Return what each run has in the `number`-th range of keys."""
        return [self._read(at, places, number) for at, places in self._runs if places[number] < places[number + 1]]

    def _read(self, at: int, places: NDArray[np.int64], number: int) -> Run:
        first, last, total = int(places[number]), int(places[number + 1]), int(places[-1])
        self._file.seek(at + 4 * first)
        keys = np.frombuffer(self._file.read(4 * (last - first)), "<u4")
        self._file.seek(at + 4 * total + 8 * first)
        return keys, np.frombuffer(self._file.read(8 * (last - first)), "<u8")


def build(
    path: Path,
    *,
    owner: str,
    upto: int,
    runs: Iterable[Run],
    base: PostingFile | None = None,
    keep: Callable[[Postings], NDArray[np.bool_]] = lambda postings: np.ones(len(postings), np.bool_),
) -> None:
    """Write a file with what `keep` keeps of the postings of `base` and of `runs`.

    Takes one run, or 48 MiB and a 256th of all postings, of memory, however many there are: everything is written and
    read in stretches, for a posting put in its place here and there would touch every page of the file.
    """
    with written(path) as file, tempfile.TemporaryFile(dir=path.parent) as spooled:
        spool = _Spool(spooled, runs)
        counts = np.zeros(KEYS + 2, np.uint32)
        file.seek(HEADER_BYTES + OFFSETS_BYTES)
        total = 0
        for place in range(KEYS // RANGE_KEYS):
            first = place * RANGE_KEYS
            parts = spool.part(place)
            if base is not None:
                parts.insert(0, base.between(first, first + RANGE_KEYS))
            keys, postings = _joined(parts, keep)
            counts[first + 1 : first + 1 + RANGE_KEYS] = np.bincount(keys - np.uint32(first), minlength=RANGE_KEYS)
            file.write(postings.data)
            total += len(postings)
        if total > POSTINGS_MAX:
            raise ValueError(f"{total} postings are more than a file can hold, {POSTINGS_MAX}")
        file.seek(HEADER_BYTES)
        file.write(np.cumsum(counts, dtype=np.uint32, out=counts).data)
        seal(file, magic=MAGIC, owner=owner, upto=upto)


def _joined(parts: list[Run], keep: Callable[[Postings], NDArray[np.bool_]]) -> Run:
    """Return the parts as one run."""
    keys = np.concatenate([np.zeros(0, np.uint32), *(k for k, _ in parts)])
    postings = np.concatenate([np.zeros(0, np.uint64), *(p for _, p in parts)])
    kept = keep(postings)
    keys, postings = keys[kept], postings[kept]
    order = rising(keys)
    return keys[order], postings[order]


def rising(keys: Keys) -> NDArray[np.int64]:
    """Return the places of the keys in rising order, of equal ones the first first.

    Sorts the numbers (key, place) by themselves: NumPy does that with the processor's vectors, and `argsort` that keeps
    the order of equal keys took half of the time in which a file was made.
    """
    numbers = keys.astype(np.int64) << 32 | np.arange(len(keys))
    numbers.sort()
    return numbers & 0xFFFFFFFF
