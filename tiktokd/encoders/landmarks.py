"""Spectral peaks of the sound, about 20 per second: what the same recording has in common after any re-encoding.

Times in seconds (good to 5 ms), frequencies 250..4000 Hz (good to 3 Hz on steady tones).

Bad at: sounds with no peaks of their own (hiss), covers and live versions (another recording, other landmarks).

Source: Wang, An Industrial-Strength Audio Search Algorithm, ISMIR 2003.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import spectrum
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.sound_hashes import MAX_HZ, MAX_TIME_S, MIN_HZ, Landmarks

RATE_HZ = 16_000
FFT, STEP = 2048, 256
"""128 ms every 16 ms. With half the window 6 dB of speech over the music cost a third of the votes."""
CHUNK = 940
"""Frames per turn: 15 s, 8 MB per array."""
REACH_FRAMES, REACH_BINS = 5, 7
"""A landmark is the strongest within 80 ms and 55 Hz to each side."""
PER_SECOND = 20
RANGE_DB, RANGE_FRAMES = 30.0, 31
"""... and no weaker than this below the strongest within half a second: codecs invent peaks further down."""
FLOOR = 0.05
"""About -80 dBFS for a sine."""
DB_PER_NEPER = 8.686

Real = NDArray[np.float32]


def running_maximum(values: Real, reach: int) -> Real:
    """Return the maximum of each row and those up to `reach` before and after, by doubling."""
    width = 2 * reach + 1
    best = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    done = 1
    while 2 * done <= width:
        best = np.maximum(best[:-done], best[done:])
        done *= 2
    return np.maximum(best[: len(values)], best[width - done :][: len(values)])


def _peaks(levels: Real) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return frames and bins of peaks of log magnitudes."""
    low, high = int(MIN_HZ / RATE_HZ * FFT), int(MAX_HZ / RATE_HZ * FFT)
    band = levels[:, low:high]
    top = running_maximum(running_maximum(band, REACH_FRAMES).T, REACH_BINS).T
    loudest = running_maximum(band.max(axis=1, keepdims=True), RANGE_FRAMES)
    enough = np.maximum(loudest - RANGE_DB / DB_PER_NEPER, np.log(FLOOR))
    frames, bins = np.nonzero((band == top) & (band > enough))
    return frames, bins + low


def _between(levels: Real, frames: NDArray[np.int64], bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the frames of peaks with fractions, by a parabola through the neighbours in time."""
    left = levels[np.maximum(frames - 1, 0), bins].astype(np.float64)
    right = levels[np.minimum(frames + 1, len(levels) - 1), bins].astype(np.float64)
    bend = left - 2.0 * levels[frames, bins] + right
    return np.asarray(frames + np.clip(0.5 * (left - right) / np.minimum(bend, -1e-6), -0.5, 0.5))


def _strongest(time_s: NDArray[np.float64], strength: Real) -> NDArray[np.int64]:
    """Return the indices of the strongest peaks of each second, in order of time."""
    second = time_s.astype(np.int64)
    order = np.lexsort((-strength, second))
    rank = np.arange(len(order)) - np.searchsorted(second[order], second[order])
    kept = order[rank < PER_SECOND]
    return kept[np.argsort(time_s[kept], kind="stable")]


def landmarks_of(samples: NDArray[np.int16]) -> Landmarks:
    """Return the landmarks of at most the first 262 s."""
    times: list[NDArray[np.float64]] = []
    freqs: list[NDArray[np.float64]] = []
    strengths: list[Real] = []
    samples = samples[: int(MAX_TIME_S * RATE_HZ)]
    # Neighbouring parts share frames, so that peaks at the borders see both sides.
    margin = RANGE_FRAMES + REACH_FRAMES
    count = 1 + len(samples) // STEP
    for start in range(0, count, CHUNK):
        first = max(0, start - margin)
        last = min(count, start + CHUNK + margin)
        part = samples[max(0, first * STEP - FFT // 2) : (last - 1) * STEP + FFT // 2]
        lead = max(0, FFT // 2 - first * STEP)
        levels = np.log(_frames(part, lead, last - first) + 1e-4)
        frames, bins = _peaks(levels)
        mine = (frames >= start - first) & (frames < min(start + CHUNK, count) - first)
        frames, bins = frames[mine], bins[mine]
        times.append((_between(levels, frames, bins) + first) * STEP / RATE_HZ)
        freqs.append(spectrum.interpolated(levels, frames, bins) * RATE_HZ / FFT)
        strengths.append(levels[frames, bins])
    time_s, freq_hz, strength = np.concatenate(times), np.concatenate(freqs), np.concatenate(strengths)
    time_s = np.maximum(time_s, 0.0)
    kept = _strongest(time_s, strength)
    return Landmarks(time_s=time_s[kept], freq_hz=freq_hz[kept])


def _frames(part: NDArray[np.int16], lead: int, count: int) -> Real:
    """Return `count` magnitude spectra of a part that begins `lead` samples after the first window does."""
    needed = (count - 1) * STEP + FFT
    padded = np.zeros(needed, np.int16)
    padded[lead : lead + len(part)] = part[: needed - lead]
    return np.concatenate(list(spectrum.spectra(padded, FFT, STEP, CHUNK)))


def items(context: Context) -> list[NDArray[np.int16]]:
    """Return the 16 kHz sound."""
    samples = context.arrays.get("audio16")
    return [] if samples is None or len(samples) == 0 else [samples]


def load(_context: LoadContext) -> None:
    """Nothing to load: no weights."""


def encode(_model: Any, batch: Sequence[NDArray[np.int16]]) -> list[Landmarks]:
    """Find the landmarks of each track."""
    return [landmarks_of(samples) for samples in batch]


ENCODER = Encoder(
    name="landmarks",
    title="Spectral peaks that identify a recording",
    input="audio16",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
)
