"""Decides at which samples, and where in them, the picture is searched for text, from edges in the small luma frames.

Overlaid text has strong edges that stay where they are while it is shown, whatever moves behind it. A sample is worth
reading when edges that stand still have come up since the last one that was read, or some have taken the place of
others, and only the rows in which they came up: a static caption is read once, and of a caption that changes with every
word only its band is searched. Pure numpy.
"""

import math
from dataclasses import dataclass

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
MARGIN_BLOCKS = 1
"""Rows of blocks searched above and below new edges, at least: bands go on to the detector's next cell."""
WHOLE_SHARE = 0.7
"""From this share of the picture on it is searched whole: nothing is saved, and no line is cut."""
LOOK_COST = 0.05
"""What a search costs beside its area, in whole pictures."""
Places = tuple[tuple[float, float], ...]


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
    at = np.array([int(np.abs(low_pts - t).argmin()) for t in sample_pts])
    standing = [_standing_edges(low, int(i)) for i in at]
    span_s = float(sample_pts[-1] - sample_pts[0])
    most = min(max(math.ceil(span_s * READS_PER_S), READS_MIN), READS_MAX)
    blocks = NEW_BLOCKS
    while True:
        chosen = _choose(low, at, standing, sample_pts, blocks)
        if sum(look.cost for look in chosen) <= most * (1 + LOOK_COST):
            return chosen
        blocks += 1
        if blocks > low[0].size // BLOCK_PX**2:
            keep = np.linspace(0, len(chosen) - 1, min(most, len(chosen))).round().astype(int)
            return [chosen[i] for i in keep]


def _choose(
    low: NDArray[np.uint8],
    at: NDArray[np.intp],
    standing: list[NDArray[np.bool_]],
    pts: NDArray[np.float64],
    blocks: int,
) -> list[Look]:
    chosen = [Look(0)]
    whole, last = 0, 0
    known = _dilate(standing[0])
    for i in range(1, len(pts)):
        new = _news(standing[last], standing[i], known, blocks)
        late = pts[i] - pts[whole] >= LOOK_AGAIN_S
        if late and _moved(low[at[i]], low[at[whole]]):
            chosen.append(Look(i))
        elif new.any():
            chosen.append(Look(i, _bands(new)))
        else:
            continue
        whole, last = i if chosen[-1].bands[0].whole else whole, i
        known = _dilate(standing[i])
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


def _standing_edges(low: NDArray[np.uint8], i: int) -> NDArray[np.bool_]:
    """Return the (4, h, w) edges, one plane per direction, that are in the frame and in both neighbours."""
    edges = _edges(low[i])
    for j in (max(i - 1, 0), min(i + 1, len(low) - 1)):
        if j != i:
            edges &= _edges(low[j])
    return edges


def _edges(frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where luma rises or falls along x, rises or falls along y."""
    luma = frame.astype(np.int16)
    across, down = np.zeros_like(luma), np.zeros_like(luma)
    across[:, 1:-1] = luma[:, 2:] - luma[:, :-2]
    down[1:-1] = luma[2:] - luma[:-2]
    return np.stack((across > EDGE_LEVEL, across < -EDGE_LEVEL, down > EDGE_LEVEL, down < -EDGE_LEVEL))


def _dilate(places: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Grow by one in the last two axes: compression moves edges by a pixel, a word covers what lies beside."""
    tall = places.copy()
    tall[..., 1:, :] |= places[..., :-1, :]
    tall[..., :-1, :] |= places[..., 1:, :]
    grown = tall.copy()
    grown[..., 1:] |= tall[..., :-1]
    grown[..., :-1] |= tall[..., 1:]
    return grown


def _news(
    before: NDArray[np.bool_], now: NDArray[np.bool_], known: NDArray[np.bool_], blocks: int
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


def _edges_per_block(edges: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many edge pixels of any direction each block holds."""
    any_way = np.asarray(edges.any(axis=0))
    h, w = (n - n % BLOCK_PX for n in any_way.shape)
    counts = any_way[:h, :w].reshape(h // BLOCK_PX, BLOCK_PX, w // BLOCK_PX, BLOCK_PX).sum(axis=(1, 3))
    return np.asarray(counts, np.int64)


def _moved(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    return float(np.abs(a.astype(np.int16) - b).mean()) > MOVING_LEVEL
