"""Decides at which samples, and where in them, the picture is searched for text, from edges in the small luma frames.

Overlaid text has strong edges that stay where they are while it is shown, whatever moves behind it. A sample is worth
reading when edges that stand still have come up since the last one that was read, or some have taken the place of
others, and only the rows in which they came up: a static caption is read once, and of a caption that changes with every
word only its band is searched. Where that is more than a video may cost, a picture that moves is searched less often,
then edges must come up in more places. How much is found in a dozen passes over the samples. Pure numpy.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

EDGE_LEVEL = 48
"""Central difference along x or y that counts as an edge, 0..255; outlined text is above 100."""
BLOCK_PX = 8
"""Side of the blocks in which new edges are counted: about the height of a small line at 160 px width."""
BLOCK_EDGES = 9
"""New standing edge pixels that make a block new; a letter of 8 px height has about 20."""
NEW_BLOCKS = 3
"""New blocks that make a sample worth reading: the shortest useful word covers about four."""
FAINT_EDGES, FAINT_BLOCKS = 4, 2
"""The same where as many blocks lost their edges beside them: a word that takes another's place has some edges in
common with it. Of 534 words in turn at 0.4 to 0.7 s over three moving pictures, 387 of which lie in a sample, it finds
301 instead of 284; 37 other clips are searched 2 % more."""
LOOK_AGAIN_S = 2.5
"""A picture that moves is searched at least this often: text on things moves with them and never stands still."""
MOVING_LEVEL = 4.0
"""Mean absolute luma difference above which the picture moves."""
READS_PER_S = 1.0
"""Upper bound for the rate of searches, in whole pictures: 30 in 30 s are 1.5 s of CPU (0.05 s each)."""
READS_MIN, READS_MAX = 8, 60
MOVED_SHARE, AGAIN_STEP = 0.5, 1.1
"""Where that is too little, looks at a picture that moves get rarer, by this factor at a time, until they take at most
this share of it: every 2.5 s for up to 75 s, every 20 s in ten minutes. What comes up needs the rest. Of captions over
a moving picture of four minutes as many are found with any share from 0.35 to 0.8."""
MARGIN_BLOCKS = 1
"""Rows of blocks searched above and below new edges, at least: bands go on to the detector's next cell."""
WHOLE_SHARE = 0.7
"""From this share of the picture on it is searched whole: nothing is saved, and no line is cut."""
LOOK_COST = 0.05
"""What a search costs beside its area, in whole pictures."""
Places = tuple[tuple[float, float], ...]
Bits = TypeVar("Bits", np.uint8, np.bool_)


@dataclass(frozen=True, slots=True)
class Band:
    """Rows to search, shares 0..1 of the height."""

    top: float = 0.0
    bottom: float = 1.0
    news: Places = ()
    """Middles (x, y) of the blocks in which edges came up, shares 0..1 of the picture; empty: search in any case."""

    @property
    def whole(self) -> bool:
        """Everything is searched."""
        return self.bottom - self.top >= 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """One sample to search."""

    index: int
    """Of the sample."""
    bands: tuple[Band, ...] = (Band(),)
    """Top to bottom, apart from one another."""

    @property
    def cost(self) -> float:
        """In searches of a whole picture."""
        return sum(LOOK_COST + band.bottom - band.top for band in self.bands)


@dataclass(frozen=True, slots=True)
class TextLooks:
    """All samples to search of one video."""

    looks: tuple[Look, ...]
    """Ascending."""


def samples_to_read(
    low: NDArray[np.uint8], low_pts: NDArray[np.float64], sample_pts: NDArray[np.float64]
) -> list[Look]:
    """Return the samples to search for text, ascending; the first is always there, and whole.

    Args:
        low: (M, h, w) uint8 luma.
        low_pts: (M,) seconds, ascending.
        sample_pts: (N,) seconds, ascending: the full-size frames.
    """
    if len(sample_pts) == 0:
        return []
    if len(low) == 0:
        return [Look(i) for i in range(min(len(sample_pts), READS_MIN))]
    at = [int(np.abs(low_pts - t).argmin()) for t in sample_pts]
    clip = _Clip(low=low, at=at, pts=sample_pts.tolist(), standing=_standing_edges(low, at))
    span_s = clip.pts[-1] - clip.pts[0]
    most = min(max(math.ceil(span_s * READS_PER_S), READS_MIN), READS_MAX)
    settings = _settings(span_s, most, low[0].size // BLOCK_PX**2)
    chosen = _choose(clip, settings[0])
    if _fits(chosen, most):
        return chosen
    fails, fits = 0, len(settings) - 1  # the last leaves the looks at a picture that moves, and they always fit
    chosen = _choose(clip, settings[fits])
    while fits - fails > 1:
        middle = (fails + fits) // 2
        tried = _choose(clip, settings[middle])
        if _fits(tried, most):
            fits, chosen = middle, tried
        else:
            fails = middle
    return chosen


class _Setting(NamedTuple):
    """What makes a sample worth reading."""

    blocks: int
    """New ones."""
    again_s: float
    """Since the whole picture was last read, of one that moves."""


def _settings(span_s: float, most: int, blocks: int) -> list[_Setting]:
    """Return the usual setting and ever stricter ones: of a picture of `blocks` no edges count in the last.

    Looks at a picture that moves get rarer before any edges are left out, until they take `MOVED_SHARE` of `most`.
    """
    rarest_s = max(span_s / (MOVED_SHARE * most), LOOK_AGAIN_S)
    steps = math.ceil(math.log(rarest_s / LOOK_AGAIN_S, AGAIN_STEP))
    rarer = [_Setting(NEW_BLOCKS, min(LOOK_AGAIN_S * AGAIN_STEP**i, rarest_s)) for i in range(steps + 1)]
    return rarer + [_Setting(count, rarest_s) for count in range(NEW_BLOCKS + 1, max(blocks, NEW_BLOCKS) + 2)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clip:
    """What is chosen from."""

    low: NDArray[np.uint8]
    at: list[int]
    """Small frame of each sample."""
    pts: list[float]
    standing: Mapping[int, NDArray[np.uint8]]
    """Of the small frames in `at`."""


def _fits(looks: Iterable[Look], most: int) -> bool:
    return sum(look.cost for look in looks) <= most * (1 + LOOK_COST)


def _choose(clip: _Clip, setting: _Setting) -> list[Look]:
    blocks, again_s = setting
    chosen = [Look(0)]
    whole, last = 0, 0
    known = _dilate(clip.standing[clip.at[0]])
    for i in range(1, len(clip.pts)):
        now, before = clip.at[i], clip.at[last]
        if clip.pts[i] - clip.pts[whole] >= again_s and _moved(clip.low[now], clip.low[clip.at[whole]]):
            chosen.append(Look(i))
        elif now != clip.at[i - 1] and (new := _news(clip.standing[before], clip.standing[now], known, blocks)).any():
            chosen.append(Look(i, _bands(new)))
        else:
            continue
        whole, last = i if chosen[-1].bands[0].whole else whole, i
        known = _dilate(clip.standing[now])
    return chosen


def _bands(new: NDArray[np.bool_]) -> tuple[Band, ...]:
    """Return the rows with new blocks and those beside them; the whole picture where that is most of it."""
    count, across = new.shape
    wanted = np.zeros(count, bool)
    for row in np.flatnonzero(new.any(axis=1)):
        wanted[max(0, row - MARGIN_BLOCKS) : row + MARGIN_BLOCKS + 1] = True
    edges = np.flatnonzero(np.diff(wanted.astype(np.int8), prepend=0, append=0)).reshape(-1, 2).tolist()
    bands = []
    for first, after in edges:
        places = tuple(
            ((x + 0.5) / across, (y + first + 0.5) / count) for y, x in np.argwhere(new[first:after]).tolist()
        )
        bands.append(Band(first / count, after / count, places))
    return (Band(),) if Look(0, tuple(bands)).cost >= WHOLE_SHARE else tuple(bands)


def _standing_edges(low: NDArray[np.uint8], at: Iterable[int]) -> dict[int, NDArray[np.uint8]]:
    """Return the edges that are in each of these frames and in both of its neighbours, as in `_edges`."""
    seen: dict[int, NDArray[np.uint8]] = {}
    standing: dict[int, NDArray[np.uint8]] = {}
    for i in sorted(set(at)):
        beside = range(max(i - 1, 0), min(i + 2, len(low)))
        seen = {j: seen[j] if j in seen else _edges(low[j]) for j in beside}
        standing[i] = np.bitwise_and.reduce(list(seen.values()))
    return standing


def _edges(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (h, w) bits, one per direction: luma rises or falls along x, rises or falls along y."""
    luma = frame.astype(np.int16)
    across, down = luma[:, 2:] - luma[:, :-2], luma[2:] - luma[:-2]
    edges = np.zeros_like(frame)
    edges[:, 1:-1] = (across > EDGE_LEVEL) | ((across < -EDGE_LEVEL) * np.uint8(2))
    edges[1:-1] |= ((down > EDGE_LEVEL) * np.uint8(4)) | ((down < -EDGE_LEVEL) * np.uint8(8))
    return edges


def _dilate(places: NDArray[Bits]) -> NDArray[Bits]:
    """Grow each bit by one pixel: compression moves edges that much, a word covers what lies beside."""
    tall = places.copy()
    tall[1:] |= places[:-1]
    tall[:-1] |= places[1:]
    grown = tall.copy()
    grown[:, 1:] |= tall[:, :-1]
    grown[:, :-1] |= tall[:, 1:]
    return grown


def _news(
    before: NDArray[np.uint8], now: NDArray[np.uint8], known: NDArray[np.uint8], blocks: int
) -> NDArray[np.bool_]:
    """Return which blocks are worth a search: those with new edges where they are `blocks` at least, else none.

    At the usual threshold also those in which a word took the place of another.
    """
    fresh = _edges_per_block(now & ~known)
    new = fresh >= BLOCK_EDGES
    if new.sum() >= blocks:
        return new
    gone = _edges_per_block(before & ~_dilate(now)) >= BLOCK_EDGES
    replaced = (fresh >= FAINT_EDGES) & _dilate(gone)
    enough = blocks == NEW_BLOCKS and gone.sum() >= NEW_BLOCKS and replaced.sum() >= FAINT_BLOCKS
    return replaced if enough else np.zeros_like(new)


def _edges_per_block(edges: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return how many edge pixels of any direction each block holds, 0..64."""
    h, w = (n - n % BLOCK_PX for n in edges.shape)
    any_way = (edges[:h, :w] != 0).view(np.uint8).reshape(h // BLOCK_PX, BLOCK_PX, w)
    columns = any_way.sum(axis=1, dtype=np.uint8).reshape(h // BLOCK_PX, w // BLOCK_PX, BLOCK_PX)
    return np.asarray(columns.sum(axis=2, dtype=np.uint8))


def _moved(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    return float(np.abs(a.astype(np.int16) - b).mean()) > MOVING_LEVEL
