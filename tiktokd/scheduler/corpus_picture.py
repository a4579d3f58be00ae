"""Prints of pictures: the PDQ hashes of a video's frames. First look by equal 16-bit words, then vPDQ's rule.

Of two hashes that differ in d of 256 bits, at least one of 16 words is equal in 100 % of pairs up to d = 15, in 98 % at
22, in 88 % at 31 (`copies.MATCH_BITS`), and a copy shares several frames at one offset in time. So some frames of a
video are filed, each under its words, and a minute's worth of frames of a new one is looked up. Crops and mirrored
copies are found as `copies.match` finds them, by filing and asking for the hashes of crops and mirror images too.

Copies edited beyond that are `corpus_semantic`'s.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from tiktokd.copies import QUALITY_MIN, VideoHashes, match
from tiktokd.plugins import Array
from tiktokd.scheduler.corpus_index import Entry, PostingIndex, vote
from tiktokd.scheduler.corpus_kind import CANDIDATES, Candidate, Kind, Matched, Print, Summary

FILED_FRAMES_MIN, FILED_SHARE, FILED_FRAMES_MAX = 8, 1 / 6, 24
"""Frames of a video under which it is filed, spread evenly: more of a longer one, since fewer of its are looked up."""
ASKED_FRAMES = 64
"""Frames by which a video looks for others, spread evenly."""
HITS_MAX = 12_000
VOTES_MIN = 4
"""Two frames at the very limit of 31 bits share four words on average; a usual copy shares fifty."""
WHOLE, CROP, MIRRORED = 0, 1, 2
"""What a filed hash is of; the upper bits of its keys."""
OFFSET_CELL_MS = 1000
CELL_ZERO = 1 << 20
MIRRORED_CELLS = 1 << 22
HEAD = struct.Struct("<HB")


def read(summary: Summary) -> Print | None:
    """Return the print in a result of near_duplicate_video; `None` where no frame has enough structure."""
    hashes = VideoHashes.from_json(summary["pdq"])
    if not (hashes.quality >= QUALITY_MIN).any():
        return None
    return Print(kind=KIND.name, exact=pack(hashes), entry=_entry(hashes))


def pack(hashes: VideoHashes) -> bytes:
    """Return all hashes as bytes: about 134 per frame."""
    count, views = hashes.views.shape[:2]
    arrays = (hashes.t_s.astype("<f4"), hashes.quality.astype(np.uint8), hashes.views, hashes.flipped)
    return HEAD.pack(count, views) + b"".join(array.tobytes() for array in arrays)


def unpack(raw: bytes) -> VideoHashes:
    """Return the hashes that `pack` wrote."""
    count, views = HEAD.unpack_from(raw)
    at = HEAD.size + 5 * count
    return VideoHashes(
        t_s=np.frombuffer(raw, "<f4", count, HEAD.size).astype(np.float64),
        quality=np.frombuffer(raw, np.uint8, count, HEAD.size + 4 * count).astype(np.int32),
        views=np.frombuffer(raw, np.uint8, count * views * 32, at).reshape(count, views, 32),
        flipped=np.frombuffer(raw, np.uint8, count * 32, at + count * views * 32).reshape(count, 32),
    )


def candidates(index: PostingIndex, given: Print) -> list[Candidate]:
    """Return the videos that share words with this one at one offset in time."""
    keys, t_ms, mirrored = _question(unpack(given.exact))
    hits = index.lookup(keys, HITS_MAX)
    cell = np.rint((hits.payload - t_ms[hits.row]) / OFFSET_CELL_MS).astype(np.int64) + CELL_ZERO
    cell += mirrored[hits.row] * MIRRORED_CELLS
    # The print that this one will replace is among them where a video is done again.
    found = vote(hits.revision, cell, votes_min=VOTES_MIN, limit=CANDIDATES + 1)
    return [Candidate(revision=each.revision) for each in found]


def compare(given: Print, known: Sequence[tuple[Candidate, bytes]]) -> list[tuple[int, dict[str, JsonValue]]]:
    """Return those that show what the given video shows."""
    hashes = unpack(given.exact)
    found = [(candidate.revision, match(hashes, unpack(exact))) for candidate, exact in known]
    matches = [(revision, each) for revision, each in found if each is not None]
    matches.sort(key=lambda pair: (-pair[1].matched_ratio, pair[1].median_bits))
    return [
        (
            revision,
            {"matched_ratio": each.matched_ratio, "offset_s": each.offset_s, "kind": each.kind, "cosine": None},
        )
        for revision, each in matches
    ]


def fill(found: Matched) -> dict[str, JsonValue]:
    """Return what the corpus adds to the summary."""
    return {
        "duplicate_cluster_id": found.cluster_id,
        "cluster_size": 1 + max(len(found.matches), found.cluster_size),
        "matches": [{"video_id": id_, **facts} for id_, facts in found.matches],
    }


def _entry(hashes: VideoHashes) -> Entry:
    usable = int((hashes.quality >= QUALITY_MIN).sum())
    rows = _spread(hashes, min(max(FILED_FRAMES_MIN, round(usable * FILED_SHARE)), FILED_FRAMES_MAX))
    t_ms = _ms(hashes, rows)
    parts = [(WHOLE, hashes.views[rows, 0]), (MIRRORED, hashes.flipped[rows])]
    parts += [(CROP, hashes.views[rows, view]) for view in range(1, hashes.views.shape[1])]
    keys = [_keys(part, what) for what, part in parts]
    pairs = np.concatenate(keys).astype(np.int64) << 32 | np.tile(np.repeat(t_ms, 16), len(keys))
    pairs = np.unique(pairs)
    return Entry(keys=(pairs >> 32).astype(np.uint32), payload=pairs.astype(np.uint32))


def _question(hashes: VideoHashes) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
    """Return keys, the time of the frame of each (ms), and 1 where it asks for a mirrored copy."""
    rows = _spread(hashes, ASKED_FRAMES)
    whole, flipped = hashes.views[rows, 0], hashes.flipped[rows]
    asked = [(whole, WHOLE, 0), (whole, CROP, 0), (flipped, WHOLE, 1), (flipped, CROP, 1)]
    for view in range(1, hashes.views.shape[1]):
        asked += [(hashes.views[rows, view], WHOLE, 0), (hashes.views[rows, view], MIRRORED, 1)]
    keys = np.concatenate([_keys(part, what) for part, what, _ in asked])
    t_ms = np.tile(np.repeat(_ms(hashes, rows), 16), len(asked))
    return keys, t_ms, np.repeat(np.array([m for _, _, m in asked], np.int64), 16 * len(rows))


def _spread(hashes: VideoHashes, most: int) -> NDArray[np.int64]:
    """Return up to `most` frames with enough structure, spread evenly."""
    usable = np.flatnonzero(hashes.quality >= QUALITY_MIN)
    return usable[np.unique(np.linspace(0, len(usable) - 1, most).round().astype(np.int64))]


def _ms(hashes: VideoHashes, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return (hashes.t_s[rows] * 1000).astype(np.int64)


def _keys(bits: Array, what: int) -> NDArray[np.uint32]:
    """Return the sixteen keys of each hash (n, 32): what it is of, which word, its value."""
    words = np.ascontiguousarray(bits).view("<u2").astype(np.uint32)
    return (words | (np.arange(16, dtype=np.uint32) + np.uint32(16 * what)) << np.uint32(16)).ravel()


KIND = Kind(
    name="picture", analyzer="near_duplicate_video", read=read, candidates=candidates, compare=compare, fill=fill
)
