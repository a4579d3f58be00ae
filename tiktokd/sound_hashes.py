"""Landmarks of a sound and the hashes of their pairs: how a recording is written down to be found again.

Pure numpy; knows nothing of audio files, models or other sounds.

A landmark is a spectral peak (time, frequency). Pairs of near landmarks make hashes of 23 bits. A sound played r times
as fast has its landmarks at times / r and frequencies * r.

Source: Wang, An Industrial-Strength Audio Search Algorithm, ISMIR 2003.
"""

import base64
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_HZ, MAX_HZ = 250.0, 4000.0
"""What survives phones and codecs."""
HZ_STEP, SECONDS_STEP = 16.0, 0.024
"""Steps of a hash: twice the error of a peak after 48 kbit/s AAC or 0.5 % of speed."""
HASH_BITS = 23
FAN_OUT = 4
"""Hashes per landmark, with the next landmarks that fit."""
PAIR_MIN_S, PAIR_MAX_S, PAIR_MAX_HZ = 0.08, 1.6, 1200.0
LOOK_AHEAD = 60
"""Landmarks after one that are looked at; 1.6 s hold about 32."""
PAIRS_AT_ONCE = 4096
"""Pairs that are looked at in one turn: with fewer most of the time is not spent on numbers, with more the caches of a
processor are left."""
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
    return hashes_of_each([slowed(landmarks, speed_ratio)])[0]


def slowed(landmarks: Landmarks, ratio: float) -> Landmarks:
    """Return the landmarks of the sound played 1 / `ratio` times as fast."""
    return Landmarks(time_s=landmarks.time_s * ratio, freq_hz=landmarks.freq_hz / ratio)


def hashes_of_each(sounds: Sequence[Landmarks]) -> list[Hashes]:
    """Return the hashes of several sounds, in one pass: for one sound most of the time is not spent on numbers."""
    sound = np.repeat(np.arange(len(sounds)), [len(each.time_s) for each in sounds])
    time_s = np.concatenate([np.zeros(0), *(each.time_s for each in sounds)])
    freq_hz = np.concatenate([np.zeros(0), *(each.freq_hz for each in sounds)])
    audible = (freq_hz >= MIN_HZ) & (freq_hz < MAX_HZ)
    sound, time_s, freq_hz = sound[audible], time_s[audible], freq_hz[audible]
    ends = np.cumsum(np.bincount(sound, minlength=len(sounds)))[sound]
    near = partners(
        time_s, freq_hz, ends, gap_min_s=PAIR_MIN_S, gap_max_s=PAIR_MAX_S, apart_max=PAIR_MAX_HZ, most=FAN_OUT
    )
    where, column = np.nonzero(near >= 0)
    second, pitch = near[where, column], (freq_hz / HZ_STEP).astype(np.int64)
    gap = ((time_s[second] - time_s[where]) / SECONDS_STEP).astype(np.int64)
    value = pitch[where] << 15 | pitch[second] << 7 | gap
    # In the order of their values too: whoever looks them up walks through memory and does not jump.
    order = np.argsort(sound[where] << HASH_BITS | value)
    value, where = value[order], where[order]
    edges = np.searchsorted(sound[where], np.arange(len(sounds) + 1)).tolist()
    return [Hashes(value=value[a:b], time_s=time_s[where[a:b]]) for a, b in itertools.pairwise(edges)]


def partners(
    time_s: Seconds,
    height: NDArray[np.float64],
    ends: NDArray[np.int64],
    *,
    gap_min_s: float,
    gap_max_s: float,
    apart_max: float,
    most: int,
) -> NDArray[np.int64]:
    """Return (n, most), for each landmark the next ones neither too near nor too far; -1 where there are fewer.

    Args:
        height: (n,) frequencies in any unit, that of `apart_max`.
        ends: (n,), for each the place after the last landmark of its sound; within a sound `time_s` rises.
    """
    near, found = np.full((len(time_s), most), -1, np.int64), np.zeros(len(time_s), np.int64)
    rows, ahead = np.arange(len(time_s)), 1
    while len(rows) and ahead < LOOK_AHEAD:
        last = min(ahead + max(1, PAIRS_AT_ONCE // len(rows)), LOOK_AHEAD)
        there, ahead = rows[:, None] + np.arange(ahead, last), last
        here = there < ends[rows, None]
        there = np.minimum(there, len(time_s) - 1)
        gap_s = time_s[there] - time_s[rows, None]
        here &= gap_s < gap_max_s
        fits = here & (gap_s >= gap_min_s) & (np.abs(height[there] - height[rows, None]) < apart_max)
        upto = np.cumsum(fits, axis=1, dtype=np.int64) + found[rows, None]
        new = np.flatnonzero(fits & (upto <= most))
        near[rows[new // fits.shape[1]], upto.ravel()[new] - 1] = there.ravel()[new]
        found[rows] = upto[:, -1]
        rows = rows[here[:, -1] & (upto[:, -1] < most)]
    return near


def backwards(landmarks: Landmarks) -> Landmarks:
    """Return the landmarks in reverse: the same notes and rhythm, no recording."""
    end_s = float(landmarks.time_s.max()) if len(landmarks.time_s) else 0.0
    return Landmarks(time_s=(end_s - landmarks.time_s)[::-1], freq_hz=landmarks.freq_hz[::-1])
