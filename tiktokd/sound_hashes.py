"""Landmarks of a sound and the hashes of their pairs: how a recording is written down to be found again.

Pure numpy; knows nothing of audio files, models or other sounds.

A landmark is a spectral peak (time, frequency). Pairs of near landmarks make hashes of 23 bits. A sound played r times
as fast has its landmarks at times / r and frequencies * r.

Source: Wang, An Industrial-Strength Audio Search Algorithm, ISMIR 2003.
"""

import base64
import itertools
from collections.abc import Iterator, Sequence
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
    values: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    firsts: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for first, second in _pairs(sound, time_s, freq_hz):
        low, high = (freq_hz[first] / HZ_STEP).astype(np.int64), (freq_hz[second] / HZ_STEP).astype(np.int64)
        gap = ((time_s[second] - time_s[first]) / SECONDS_STEP).astype(np.int64)
        values.append(low << 15 | high << 7 | gap)
        firsts.append(first)
    value, where = np.concatenate(values), np.concatenate(firsts)
    # In the order of their values too: whoever looks them up walks through memory and does not jump.
    order = np.argsort(sound[where] << HASH_BITS | value)
    value, where = value[order], where[order]
    edges = np.searchsorted(sound[where], np.arange(len(sounds) + 1)).tolist()
    return [Hashes(value=value[a:b], time_s=time_s[where[a:b]]) for a, b in itertools.pairwise(edges)]


def _pairs(
    sound: NDArray[np.int64], time_s: Seconds, freq_hz: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield, for each number of places ahead, the landmarks and their partners that far ahead."""
    partners = np.zeros(len(time_s), np.int64)
    open_rows = np.arange(len(time_s))
    for ahead in range(1, LOOK_AHEAD):
        open_rows = open_rows[open_rows + ahead < len(time_s)]
        gap_s = time_s[open_rows + ahead] - time_s[open_rows]
        here = (sound[open_rows + ahead] == sound[open_rows]) & (gap_s < PAIR_MAX_S)
        open_rows, gap_s = open_rows[here], gap_s[here]
        if not len(open_rows):
            return
        fits = (gap_s >= PAIR_MIN_S) & (np.abs(freq_hz[open_rows + ahead] - freq_hz[open_rows]) < PAIR_MAX_HZ)
        first = open_rows[fits]
        yield first, first + ahead
        partners[first] += 1
        open_rows = open_rows[partners[open_rows] < FAN_OUT]


def backwards(landmarks: Landmarks) -> Landmarks:
    """Return the landmarks in reverse: the same notes and rhythm, no recording."""
    end_s = float(landmarks.time_s.max()) if len(landmarks.time_s) else 0.0
    return Landmarks(time_s=(end_s - landmarks.time_s)[::-1], freq_hz=landmarks.freq_hz[::-1])
