"""An inverted index in one memory-mapped file: for each 22-bit key, the 64-bit postings that were filed under it.

Knows no videos. A header, `uint32[KEYS + 2]` offsets, `uint64[n]` postings in the order of their keys. A file is never
changed: a new one is written beside it, synced and renamed, so a crash leaves the old one. What the header says about
size and checksum is proved when a file is opened; a file that fails is rebuilt by its owner, for it holds nothing that
the database does not.
"""

import json
import mmap
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEY_BITS = 22
KEYS = 1 << KEY_BITS
MAGIC = "tiktokd corpus 1"
HEADER_BYTES = 4096
OFFSETS_BYTES = 4 * (KEYS + 2)
"""One offset more than needed, so that the postings are aligned."""
POSTINGS_MAX = 2**32 - 1
RUN_POSTINGS = 1 << 20
"""Postings per turn when a file is read from end to end: 8 MiB."""
READ_BYTES = 1 << 22

Keys = NDArray[np.uint32]
Postings = NDArray[np.uint64]
Run = tuple[Keys, Postings]
"""Keys (n,), rising, and the posting of each."""


class Unusable(Exception):
    """The file is missing, torn, or belongs to another database; the message says which."""


class PostingFile:
    """One open file, read only."""

    def __init__(self, path: Path, owner: str, newest: int) -> None:
        """Open and prove a file that `build` wrote for the same `owner`, with entries up to `newest` at most.

        Raises:
            Unusable: it cannot be used.
        """
        try:
            with path.open("rb") as file:
                header = _read_header(file.read(HEADER_BYTES))
                _prove(header, owner, newest, os.fstat(file.fileno()).st_size)
                if _checksum(file) != header["crc"]:
                    raise Unusable("its checksum is wrong")
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as exc:
            raise Unusable(str(exc)) from exc
        self.upto: int = header["upto"]
        """What its writer called the newest entry in it."""
        self._offsets = np.frombuffer(self._map, np.uint32, KEYS + 1, HEADER_BYTES)
        self._postings = np.frombuffer(self._map, np.uint64, header["postings"], HEADER_BYTES + OFFSETS_BYTES)

    def __len__(self) -> int:
        return len(self._postings)

    def spans(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return, per key, the first of its places and the one after the last."""
        return self._offsets[keys].astype(np.int64), self._offsets[keys + np.uint32(1)].astype(np.int64)

    def at(self, places: NDArray[np.int64]) -> Postings:
        """Return the postings at these places."""
        return np.asarray(self._postings[places])

    def runs(self) -> Iterator[Run]:
        """Yield everything in the order of the keys, in parts of about `RUN_POSTINGS`."""
        edges = np.searchsorted(self._offsets, np.arange(RUN_POSTINGS, len(self) + RUN_POSTINGS, RUN_POSTINGS))
        first = 0
        for edge in np.unique(np.minimum(edges, KEYS)).tolist():
            offsets = self._offsets[first : edge + 1].astype(np.int64)
            keys = np.repeat(np.arange(first, edge, dtype=np.uint32), np.diff(offsets))
            yield keys, self._postings[int(offsets[0]) : int(offsets[-1])]
            first = edge
            self.release()

    def release(self) -> None:
        """Give the pages that were touched back to the page cache: they no longer count as our memory."""
        self._map.madvise(mmap.MADV_DONTNEED)


def build(path: Path, *, owner: str, upto: int, runs: Callable[[], Iterator[Run]]) -> None:
    """Write the file with the postings of all runs; `runs` is called twice and must give the same both times.

    Takes 48 MiB and one run of memory, however many postings there are.
    """
    counts = np.zeros(KEYS + 2, np.uint32)
    total = 0
    for keys, _ in runs():
        first, length = _groups(keys)
        counts[keys[first] + 1] += length.astype(np.uint32)
        total += len(keys)
    if total > POSTINGS_MAX:
        raise ValueError(f"{total} postings are more than a file can hold, {POSTINGS_MAX}")
    offsets = np.cumsum(counts, dtype=np.uint32)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb+") as file:
            file.truncate(HEADER_BYTES + OFFSETS_BYTES + 8 * total)
            file.seek(HEADER_BYTES)
            file.write(offsets.data)
            file.flush()
            if total:
                _fill(file.fileno(), offsets, total, runs())
            header = {"magic": MAGIC, "owner": owner, "upto": upto, "postings": total, "crc": _checksum(file)}
            file.seek(0)
            file.write(json.dumps(header).encode().ljust(HEADER_BYTES))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _fill(descriptor: int, offsets: NDArray[np.uint32], total: int, runs: Iterator[Run]) -> None:
    """Put each posting in its place; `offsets` is used up."""
    with mmap.mmap(descriptor, 0) as mapped:
        out = np.frombuffer(mapped, np.uint64, total, HEADER_BYTES + OFFSETS_BYTES)
        for keys, postings in runs:
            first, length = _groups(keys)
            rank = np.arange(len(keys)) - np.repeat(first, length)
            out[offsets[keys] + rank] = postings
            offsets[keys[first]] += length.astype(np.uint32)
            mapped.madvise(mmap.MADV_DONTNEED)
        del out
        mapped.flush()


def _groups(keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each distinct key of a run begins, and how often it occurs."""
    if not len(keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return first, np.diff(first, append=len(keys))


def _checksum(file: Any) -> int:
    file.seek(HEADER_BYTES)
    crc = 0
    while part := file.read(READ_BYTES):
        crc = zlib.crc32(part, crc)
    return crc


def _read_header(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except ValueError as exc:
        raise Unusable("its header is not ours") from exc
    if not isinstance(header, dict) or header.get("magic") != MAGIC:
        raise Unusable(f"it is not of the form {MAGIC!r}")
    return header


def _prove(header: dict[str, Any], owner: str, newest: int, size: int) -> None:
    if header.get("owner") != owner:
        raise Unusable("it belongs to another database")
    if not all(isinstance(header.get(key), int) for key in ("upto", "postings", "crc")):
        raise Unusable("its header is not ours")
    if header["upto"] > newest:
        raise Unusable("it knows entries that the database does not")
    expected = HEADER_BYTES + OFFSETS_BYTES + 8 * header["postings"]
    if size != expected:
        raise Unusable(f"it has {size} bytes instead of {expected}")


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
