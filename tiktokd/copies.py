"""Whether one video shows another, from the PDQ hashes of their frames. Knows no database; the corpus asks.

The rule is vPDQ's (Meta ThreatExchange): frames within 31 bits are the same. Added to it: they must agree on one offset
in time, crops are compared with whole pictures, and mirrored copies are found by the flipped hashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiktokd.pdq import distances
from tiktokd.plugins import Array

MATCH_BITS = 31
"""Distance up to which two frames show the same (vPDQ's default)."""
EXACT_BITS = 12
"""Median distance of the matched frames up to which a copy is called exact: re-encodes up to CRF 32 stay within."""
QUALITY_MIN = 50
RATIO_MIN, FRAMES_MIN = 0.3, 2
"""Share and number of comparable frames that must match, at one offset in time. Where one video is so short that it has
one frame, and the other has two at most, that one: no longer video is found by a picture that many show."""
OFFSET_S = 0.75
"""Frames are sampled up to this much apart: two of one content agree within it."""
CELL_S = 0.25
REACH_CELLS = round(OFFSET_S / CELL_S)

Kind = Literal["exact", "edited"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoHashes:
    """All hashes of one video; N frames."""

    t_s: NDArray[np.float64]
    quality: NDArray[np.int32]
    views: Array
    """(N, V, 32) uint8: the picture inside its bars, then the middle of it at smaller and smaller crops."""
    flipped: Array
    """(N, 32) uint8: the first view mirrored."""

    @classmethod
    def from_json(cls, entries: Sequence[Mapping[str, Any]]) -> "VideoHashes":
        """Return the hashes in `summary["pdq"]` of the analyzer near_duplicate_video."""
        views = "".join("".join((e["hash_hex"], *e["cropped_hex"])) for e in entries)
        flipped = "".join(e["flipped_hex"] for e in entries)
        return cls(
            t_s=np.array([e["t_s"] for e in entries], np.float64),
            quality=np.array([e["quality"] for e in entries], np.int32),
            views=np.frombuffer(bytes.fromhex(views), np.uint8).reshape(len(entries), -1, 32),
            flipped=np.frombuffer(bytes.fromhex(flipped), np.uint8).reshape(-1, 32),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How much of one video another one holds."""

    matched_ratio: float
    """0..1, share of the first video's comparable frames that the second shows."""
    offset_s: float
    """Where the first video's start lies in the second; negative where the second starts later."""
    kind: Kind
    """Edited: cropped, mirrored, overlaid, or otherwise changed."""
    mirrored: bool
    median_bits: float
    """Median distance of the matched frames, 0..31."""


def match(a: VideoHashes, b: VideoHashes) -> Match | None:
    """Return how video `b` shows video `a`, or `None` where it does not.

    Frames with too little structure are left out: black and plain pictures look like one another. A crop is found in
    either video by comparing each one's crops with the other's whole picture; a mirrored copy by the flipped hashes.
    """
    first, second = a.quality >= QUALITY_MIN, b.quality >= QUALITY_MIN
    lengths = sorted((len(first), len(second)))
    least = 1 if lengths[0] == 1 and lengths[1] <= FRAMES_MIN else FRAMES_MIN
    if first.sum() < least or second.sum() < least:
        return None
    times = b.t_s[second][None, :] - a.t_s[first][:, None]
    best: Match | None = None
    for mirrored, tables in _tables(a, b, first, second):
        bits = np.minimum.reduce(tables)
        found = _aligned(bits, times, least, plain=tables[0], mirrored=mirrored)
        if found and (best is None or found.matched_ratio > best.matched_ratio):
            best = found
    return best


def _tables(
    a: VideoHashes, b: VideoHashes, first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> list[tuple[bool, list[NDArray[np.int32]]]]:
    """Return the distance tables of the ways in which one video may be a copy of the other; the plain one first."""
    one, two = a.views[first], b.views[second]
    upright = [distances(one[:, v], two[:, 0]) for v in range(one.shape[1])]
    upright += [distances(one[:, 0], two[:, v]) for v in range(1, two.shape[1])]
    turned = [distances(a.flipped[first], two[:, v]) for v in range(two.shape[1])]
    turned += [distances(one[:, v], b.flipped[second]) for v in range(1, one.shape[1])]
    return [(False, upright), (True, turned)]


def _aligned(
    bits: NDArray[np.int32], times: NDArray[np.float64], least: int, *, plain: NDArray[np.int32], mirrored: bool
) -> Match | None:
    """Return the match at the offset in time at which most frames agree, `least` of them or more."""
    rows, columns = np.nonzero(bits <= MATCH_BITS)
    if not len(rows):
        return None
    offsets = times[rows, columns]
    near = np.abs(offsets - _best_offset_s(rows, offsets, bits.shape[0])) <= OFFSET_S
    matched = len(np.unique(rows[near]))
    ratio = matched / bits.shape[0]
    if matched < least or ratio < RATIO_MIN:
        return None
    distance = float(np.median(bits[rows[near], columns[near]]))
    untouched = float(np.median(plain[rows[near], columns[near]])) <= EXACT_BITS and not mirrored
    return Match(
        matched_ratio=round(ratio, 4),
        offset_s=round(float(np.median(offsets[near])), 2),
        kind="exact" if untouched else "edited",
        mirrored=mirrored,
        median_bits=distance,
    )


def _best_offset_s(rows: NDArray[np.intp], offsets: NDArray[np.float64], frames: int) -> float:
    """Return the offset around which most of the `frames` have a hit; of equal ones that with most hits.

    One table for all offsets: a still picture of some minutes agrees with itself at each pair of frames.
    """
    cells = np.rint(offsets / CELL_S).astype(np.int64)
    low, width = int(cells.min()) - REACH_CELLS, 2 * REACH_CELLS + 1
    table = np.zeros((frames, int(cells.max()) - low + width + 1), np.int32)
    np.add.at(table, (rows, cells - low + REACH_CELLS + 1), 1)
    sums = np.cumsum(table, axis=1)
    around = sums[:, width:] - sums[:, :-width]
    total = around.sum(axis=0)
    return float(low + int(np.argmax((around > 0).sum(axis=0) * (int(total.max()) + 1) + total))) * CELL_S
