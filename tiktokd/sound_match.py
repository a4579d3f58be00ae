"""Finds the same recording in other videos: hashes of landmarks that both have, votes on their time offset.

Pure numpy; knows nothing of where the hashes of earlier videos are kept (`Postings`).

A sound at another speed is looked for by scaling the query's landmarks: no audio is needed again. How many votes chance
gives is measured with the query itself, played backwards: it has the same notes and rhythm but no true match.

Source: Wang, An Industrial-Strength Audio Search Algorithm, ISMIR 2003.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tiktokd.sound_hashes import Hashes, Landmarks, Seconds, backwards, hashes_of_each, slowed

BIN_S = 0.1
"""Votes whose offsets lie within two neighbouring bins agree; for long queries bins are wider, since speeds that are
off by half a step drift."""
SPEED_STEP = 0.01
SPEED_RATIOS = tuple(round(0.80 + SPEED_STEP * k, 2) for k in range(47))
"""0.80 .. 1.26: the slowed and sped-up versions that people post."""
LINE_WITHIN_S, LINE_MIN_S = (10.0, 0.1, 0.04), 2.0
"""How near to the line through the others an occurrence must lie to count for its next turn; twice the error of a
landmark in the end. What spans less time says nothing about the speed."""
CHANCE_EACH = 4
"""Chance is measured at each fourth speed: neighbours say the same."""
HITS_MAX = 150_000
"""Occurrences that are looked at (a third of them per speed where many are tried). With more, in a corpus of thousands,
only the rarest hashes of a query vote: they tell most, and a query takes the same 40 ms however large the corpus is. A
seventh of all occurrences still finds 10 of 10 excerpts, also under speech."""
MIN_VOTES = 16
CLEAR_RATIO = 3.0
"""Votes against what chance gives: 39 foreign queries reached 2.4; music 6 dB under speech has 4.2, clean music 11."""
LIKELY_RATIO, LIKELY_SHARE = 1.8, 0.10
"""Repetitive music also matches itself backwards; then a tenth of all hashes must agree (foreign ones: 0.04)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Where the hashes of a query occur; one row per occurrence."""

    query_row: NDArray[np.int64]
    video: NDArray[np.int64]
    """Number of the video, chosen by the keeper of the hashes."""
    time_s: Seconds
    """In that video."""


class Postings(Protocol):
    """Whoever keeps the hashes of earlier videos: arrays, a memory-mapped file, a table."""

    def counts(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how often each hash value occurs."""

    def lookup(self, values: NDArray[np.int64]) -> Hits:
        """Return all occurrences of the hash values."""


class SoundIndex:
    """Postings in sorted arrays."""

    def __init__(self, sounds: Iterable[tuple[int, Hashes]]) -> None:
        """Take (video number, hashes) of each sound."""
        rows = [(np.full(len(h.value), video, np.int64), h) for video, h in sounds]
        value = np.concatenate([np.zeros(0, np.int64), *(h.value for _, h in rows)])
        order = np.argsort(value, kind="stable")
        value = value[order]
        starts = np.flatnonzero(np.diff(value, prepend=-1))
        self._values, self._starts = value[starts], np.append(starts, [len(value), len(value)])
        """Each value once, and where its rows start; one more for values beyond the last."""
        self._video = np.concatenate([np.zeros(0, np.int64), *(v for v, _ in rows)])[order]
        self._time_s = np.concatenate([np.zeros(0), *(h.time_s for _, h in rows)])[order]

    def counts(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how often each hash value occurs."""
        return self._spans(values)[1]

    def lookup(self, values: NDArray[np.int64]) -> Hits:
        """Return all occurrences of the hash values."""
        first, found = self._spans(values)
        starts = np.cumsum(found) - found
        places = np.repeat(first - starts, found) + np.arange(int(found.sum()))
        rows = np.repeat(np.arange(len(values)), found)
        return Hits(query_row=rows, video=self._video[places], time_s=self._time_s[places])

    def _spans(self, values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first row of each value and how many there are."""
        place = np.searchsorted(self._values, values)
        first = self._starts[place]
        known = np.append(self._values, -1)[place] == values
        return first, (self._starts[place + 1] - first) * known


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundMatch:
    """The same sound in another video."""

    video: int
    offset_s: float
    """Where in the other video the start of this one lies: its time = offset + speed_ratio * time here."""
    votes: int
    """Hashes that agree on the offset."""
    chance_votes: int
    """The most that the same query has backwards, in any video."""
    share: float
    """0..1, votes per hash of the query."""
    speed_ratio: float
    """How much faster this video plays the sound than the other."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """Occurrences of a query's hashes; one row each."""

    video: NDArray[np.int64]
    here_s: Seconds
    """In the query, at the speed at which it was asked."""
    offset_s: Seconds


@dataclass(frozen=True, slots=True)
class _Votes:
    """The best offset of each video."""

    video: NDArray[np.int64]
    votes: NDArray[np.int64]
    offset_s: Seconds


def rarest(postings: Postings, query: Hashes, hits_max: int) -> Hashes:
    """Return the hashes that occur, rarest first, as many as have `hits_max` occurrences in all."""
    counts = postings.counts(query.value)
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] > 0]
    kept = order[np.cumsum(counts[order]) <= hits_max]
    return Hashes(value=query.value[kept], time_s=query.time_s[kept])


def _seen(postings: Postings, query: Hashes, hits_max: int) -> _Seen:
    query = rarest(postings, query, hits_max)
    hits = postings.lookup(query.value)
    here_s = query.time_s[hits.query_row]
    return _Seen(hits.video, here_s, hits.time_s - here_s)


def _vote(seen: _Seen, bin_s: float) -> _Votes:
    """Return, for each video with hits, how many agree on one offset and on which."""
    if not len(seen.video):
        return _Votes(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    cell = np.floor(seen.offset_s / bin_s).astype(np.int64)
    low = int(cell.min())
    width = int(cell.max()) - low + 2
    key = seen.video * width + (cell - low)
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    count, sums = np.diff(first, append=len(key)), np.add.reduceat(seen.offset_s[order], first)
    key = key[first]
    # A video's last cell is never occupied, so the next key with difference 1 is the next cell of the same video.
    both, total = count.copy(), sums.copy()
    joined = np.flatnonzero(np.diff(key) == 1)
    both[joined] += count[joined + 1]
    total[joined] += sums[joined + 1]
    video = key // width
    order = np.lexsort((both, video))
    best = order[np.append(np.diff(video[order]) != 0, True)]
    return _Votes(video[best], both[best], total[best] / both[best])


def _bin_s(landmarks: Landmarks, speed_error: float) -> float:
    length_s = float(landmarks.time_s[-1] - landmarks.time_s[0]) if len(landmarks.time_s) else 0.0
    return max(BIN_S, speed_error * length_s)


def is_match(votes: int, chance_votes: int, share: float) -> bool:
    """Return whether so many votes mean the same recording."""
    ratio = votes / max(1, chance_votes)
    return votes >= MIN_VOTES and (ratio >= CLEAR_RATIO or (ratio >= LIKELY_RATIO and share >= LIKELY_SHARE))


def find(postings: Postings, query: Landmarks, speed_ratios: Sequence[float] = (1.0,)) -> list[SoundMatch]:
    """Return the videos that hold the query's sound, best first.

    Args:
        speed_ratios: Tried one after another; `(1.0,)` finds unchanged sound, `SPEED_RATIOS` also the rest, at 30 times
            the cost. Ratios off the grid are found to 0.5 % and then refined to 0.2 %.
    """
    speeds = list(speed_ratios)
    several = speeds != [1.0]
    bin_s = _bin_s(query, SPEED_STEP / 2 if several else 0.0)
    hits_max = HITS_MAX // 3 if several else HITS_MAX
    chance_speeds = speeds[:: CHANCE_EACH if len(speeds) > CHANCE_EACH else 1]
    reverse = backwards(query)
    hashes = hashes_of_each([slowed(query, r) for r in speeds] + [slowed(reverse, r) for r in chance_speeds])
    backward = [_vote(_seen(postings, each, hits_max), bin_s) for each in hashes[len(speeds) :]]
    chance = max((int(each.votes.max(initial=0)) for each in backward), default=0)
    found: dict[int, SoundMatch] = {}
    for ratio, mine in zip(speeds, hashes, strict=False):
        seen = _seen(postings, mine, hits_max)
        for match in _matches(_vote(seen, bin_s), len(mine.value), chance, ratio):
            if match.video not in found or found[match.video].votes < match.votes:
                found[match.video] = _refined(match, seen, bin_s) if several else match
    return sorted(found.values(), key=lambda match: -match.votes)


def _matches(votes: _Votes, asked: int, chance: int, ratio: float) -> Iterator[SoundMatch]:
    for row in np.flatnonzero(votes.votes >= MIN_VOTES).tolist():
        count, share = int(votes.votes[row]), int(votes.votes[row]) / max(1, asked)
        if is_match(count, chance, share):
            yield SoundMatch(
                video=int(votes.video[row]),
                offset_s=float(votes.offset_s[row]),
                votes=count,
                chance_votes=chance,
                share=share,
                speed_ratio=ratio,
            )


def _refined(match: SoundMatch, seen: _Seen, bin_s: float) -> SoundMatch:
    """Return the match with speed and offset from a line through the occurrences that voted for it.

    Where the speed asked for is a little wrong, the offset drifts along the query: its slope is what is wrong.
    """
    rows = np.flatnonzero((seen.video == match.video) & (np.abs(seen.offset_s - match.offset_s) < bin_s))
    here_s, offset_s = seen.here_s[rows], seen.offset_s[rows]
    slope, start_s = 0.0, match.offset_s
    for within_s in LINE_WITHIN_S:
        near = np.abs(offset_s - start_s - slope * here_s) < within_s
        if near.sum() < MIN_VOTES // 2 or np.ptp(here_s[near]) < LINE_MIN_S:
            break
        x, y = here_s[near] - here_s[near].mean(), offset_s[near]
        slope = float((x * y).sum() / (x * x).sum())
        start_s = float(y.mean()) - slope * float(here_s[near].mean())
    if abs(slope) > SPEED_STEP:
        return match
    return replace(match, speed_ratio=match.speed_ratio * (1.0 + slope), offset_s=start_s)
