"""Finds the same recording in other videos: landmark hashes of spectral peaks, votes on their time offset.

Pure numpy; knows nothing of audio files, models or where the hashes of earlier videos are kept (`Postings`).

A landmark is a spectral peak (time, frequency). Pairs of near landmarks make hashes of 23 bits. A sound played r times
as fast has its landmarks at times / r and frequencies * r, so a query is tried at other speeds by scaling its
landmarks: no audio is needed again. How many votes chance gives is measured with the query itself, played backwards:
it has the same notes and rhythm but no true match.

Source: Wang, An Industrial-Strength Audio Search Algorithm, ISMIR 2003.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MIN_HZ, MAX_HZ = 250.0, 4000.0
"""What survives phones and codecs."""
HZ_STEP, SECONDS_STEP = 16.0, 0.024
"""Steps of a hash: twice the error of a peak after 48 kbit/s AAC or 0.5 % of speed."""
FAN_OUT = 4
"""Hashes per landmark, with the next landmarks that fit."""
PAIR_MIN_S, PAIR_MAX_S, PAIR_MAX_HZ = 0.08, 1.6, 1200.0
LOOK_AHEAD = 60
"""Landmarks after one that are looked at; 1.6 s hold about 32."""
BIN_S = 0.1
"""Votes whose offsets lie within two neighbouring bins agree; for long queries bins are wider, since speeds that are
off by half a step drift."""
SPEED_STEP = 0.01
SPEED_RATIOS = tuple(round(0.80 + SPEED_STEP * k, 2) for k in range(47))
"""0.80 .. 1.26: the slowed and sped-up versions that people post."""
FINE_STEP = 0.002
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

TIME_UNIT_S, HZ_UNIT = 0.004, 0.125
MAX_TIME_S = 65535 * TIME_UNIT_S
"""262 s fit into the packed form."""

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """Spectral peaks of one sound."""

    time_s: Seconds
    """(n,) rising, from the start of the video."""
    freq_hz: NDArray[np.float64]
    """(n,)"""

    def pack(self) -> str:
        """Return 4 bytes per landmark in base64: uint16 units of 4 ms, uint16 units of 1/8 Hz, little endian."""
        units = np.column_stack((self.time_s / TIME_UNIT_S, self.freq_hz / HZ_UNIT))
        return base64.b64encode(np.clip(np.round(units), 0, 65535).astype("<u2").tobytes()).decode("ascii")


def unpack(text: str) -> Landmarks:
    """Return the landmarks that `Landmarks.pack` wrote; raises `ValueError` for anything else."""
    units = np.frombuffer(base64.b64decode(text, validate=True), "<u2").reshape(-1, 2)
    return Landmarks(time_s=units[:, 0] * TIME_UNIT_S, freq_hz=units[:, 1] * HZ_UNIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashes:
    """Hashes of one sound, in no particular order."""

    value: NDArray[np.int64]
    """(m,) 23 bits."""
    time_s: Seconds
    """(m,) time of the earlier landmark."""


def hashes_of(landmarks: Landmarks, speed_ratio: float = 1.0) -> Hashes:
    """Return the hashes that the sound would have if it were played 1 / `speed_ratio` times as fast."""
    time_s, freq_hz = landmarks.time_s * speed_ratio, landmarks.freq_hz / speed_ratio
    audible = (freq_hz >= MIN_HZ) & (freq_hz < MAX_HZ)
    time_s, freq_hz = time_s[audible], freq_hz[audible]
    count = len(time_s)
    partners = np.zeros(count, np.int64)
    values: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    times: list[Seconds] = [np.zeros(0)]
    for ahead in range(1, min(LOOK_AHEAD, count)):
        gap_s = time_s[ahead:] - time_s[:-ahead]
        fits = (gap_s >= PAIR_MIN_S) & (gap_s < PAIR_MAX_S) & (partners[:-ahead] < FAN_OUT)
        fits &= np.abs(freq_hz[ahead:] - freq_hz[:-ahead]) < PAIR_MAX_HZ
        first = np.flatnonzero(fits)
        partners[first] += 1
        low = (freq_hz[first] / HZ_STEP).astype(np.int64)
        high = (freq_hz[first + ahead] / HZ_STEP).astype(np.int64)
        values.append(low << 15 | high << 7 | (gap_s[first] / SECONDS_STEP).astype(np.int64))
        times.append(time_s[first])
    return Hashes(value=np.concatenate(values), time_s=np.concatenate(times))


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
        self._value = value[order]
        self._video = np.concatenate([np.zeros(0, np.int64), *(v for v, _ in rows)])[order]
        self._time_s = np.concatenate([np.zeros(0), *(h.time_s for _, h in rows)])[order]

    def counts(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how often each hash value occurs."""
        found = np.searchsorted(self._value, values, "right") - np.searchsorted(self._value, values, "left")
        return found.astype(np.int64)

    def lookup(self, values: NDArray[np.int64]) -> Hits:
        """Return all occurrences of the hash values."""
        first = np.searchsorted(self._value, values, "left")
        found = np.searchsorted(self._value, values, "right") - first
        starts = np.cumsum(found) - found
        places = np.repeat(first - starts, found) + np.arange(int(found.sum()))
        rows = np.repeat(np.arange(len(values)), found)
        return Hits(query_row=rows, video=self._video[places], time_s=self._time_s[places])


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


def _vote(postings: Postings, query: Hashes, bin_s: float, hits_max: int) -> _Votes:
    """Return, for each video with hits, how many agree on one offset and on which."""
    query = rarest(postings, query, hits_max)
    hits = postings.lookup(query.value)
    if len(hits.video) == 0:
        return _Votes(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    offset_s = hits.time_s - query.time_s[hits.query_row]
    cell = np.floor(offset_s / bin_s).astype(np.int64)
    low = int(cell.min())
    width = int(cell.max()) - low + 2
    key, inverse, count = np.unique(hits.video * width + (cell - low), return_inverse=True, return_counts=True)
    sums = np.bincount(inverse, weights=offset_s)
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


def backwards(landmarks: Landmarks) -> Landmarks:
    """Return the landmarks in reverse: the same notes and rhythm, no recording."""
    end_s = float(landmarks.time_s.max()) if len(landmarks.time_s) else 0.0
    return Landmarks(time_s=(end_s - landmarks.time_s)[::-1], freq_hz=landmarks.freq_hz[::-1])


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
    found: dict[int, SoundMatch] = {}
    reverse = backwards(query)
    error = 0.0 if len(speed_ratios) == 1 else SPEED_STEP / 2
    bin_s = _bin_s(query, error)
    hits_max = HITS_MAX if len(speed_ratios) == 1 else HITS_MAX // 3
    chance = 0
    for ratio in speed_ratios[::CHANCE_EACH]:
        chance = max(chance, int(_vote(postings, hashes_of(reverse, ratio), bin_s, hits_max).votes.max(initial=0)))
    for ratio in speed_ratios:
        hashes = hashes_of(query, ratio)
        result = _vote(postings, hashes, bin_s, hits_max)
        shares = result.votes / max(1, len(hashes.value))
        for row in np.flatnonzero(result.votes >= MIN_VOTES).tolist():
            video, votes, share = int(result.video[row]), int(result.votes[row]), float(shares[row])
            if is_match(votes, chance, share) and (video not in found or found[video].votes < votes):
                found[video] = SoundMatch(
                    video=video,
                    offset_s=float(result.offset_s[row]),
                    votes=votes,
                    chance_votes=chance,
                    share=share,
                    speed_ratio=ratio,
                )
    if len(speed_ratios) > 1:
        found = _refined(postings, query, found)
    return sorted(found.values(), key=lambda match: -match.votes)


def _refined(postings: Postings, query: Landmarks, found: dict[int, SoundMatch]) -> dict[int, SoundMatch]:
    """Return the matches with speed and offset from a finer grid around each of their speeds."""
    best: dict[int, tuple[int, float, float]] = {}
    bin_s = _bin_s(query, FINE_STEP / 2)
    steps = round(SPEED_STEP / FINE_STEP / 2) + 1
    for ratio in sorted({match.speed_ratio for match in found.values()}):
        # From the middle outwards: of equal votes the grid's own speed stays.
        for step in sorted(range(-steps, steps + 1), key=abs):
            fine = round(ratio + step * FINE_STEP, 4)
            result = _vote(postings, hashes_of(query, fine), bin_s, HITS_MAX)
            for video, votes, offset_s in zip(result.video, result.votes, result.offset_s, strict=True):
                match = found.get(int(video))
                if match is not None and match.speed_ratio == ratio and votes > best.get(match.video, (0,))[0]:
                    best[match.video] = (int(votes), fine, float(offset_s))
    return {
        video: SoundMatch(
            video=video,
            offset_s=best[video][2] if video in best else match.offset_s,
            votes=match.votes,
            chance_votes=match.chance_votes,
            share=match.share,
            speed_ratio=best[video][1] if video in best else match.speed_ratio,
        )
        for video, match in found.items()
    }
