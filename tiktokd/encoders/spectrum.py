"""What music is made of, from one short-time spectrum: mel bands, onsets, steady tones; and chroma from a longer one.

`Spectrum` in `tiktokd.sound` has units and ranges. Frames are 10 ms apart, chroma 0.1 s.
Bad at: onsets of bowed and sung notes (soft), bass below 100 Hz (windows too short to tell semitones apart), tones that
sound through the whole clip (taken for hum, not counted as tonal).

Source: onset strength after Ellis, Beat Tracking by Dynamic Programming, J. New Music Research 36(1), 2007; steady
tones follow the idea of continuous frequency activation (Seyerlehner et al., DAFx 2007), with continuity of strength.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.sound import ONLY_SILENCE, SOUND_FULL_SCALE, Spectrum, is_silent

RATE_HZ = 16_000
FFT = 1024
STEP = 160
CHUNK = 500
"""Frames per turn: 5 s, about 6 MB."""
MELS = 40
MEL_MIN_HZ, MEL_MAX_HZ = 30.0, 8000.0
LOG_GAIN = 100.0
ONSET_LAG = 2
"""Rises are taken over 20 ms, a third of the window."""
LOCAL_MEAN = 101
"""Frames (1 s) of the mean that onsets must exceed."""
SMOOTHING = np.exp(-0.5 * (np.arange(-5, 6) / 2.0) ** 2)

TONE_MIN_HZ, TONE_MAX_HZ = 200.0, 5000.0
PITCHES_PER_OCTAVE = 120
"""Grid of 10 cents."""
PITCHES = int(np.log2(TONE_MAX_HZ / TONE_MIN_HZ) * PITCHES_PER_OCTAVE) + 1
_TURNS = 2 * np.pi * np.arange(PITCHES) * 12 / PITCHES_PER_OCTAVE
IN_TUNE = np.stack((np.cos(_TURNS), np.sin(_TURNS)), axis=1).astype(np.float32)
"""(PITCHES, 2) place within a semitone, as an angle: notes of one tuning add up, gliding tones cancel."""
PEAK_RANGE_DB = 45.0
"""Peaks further below the strongest of the frame are left out."""
PEAK_FLOOR = 0.02
"""About -82 dBFS for a sine."""
PROMINENCE_DB, PROMINENCE_BINS = 9.0, 21
"""A tone stands this far above the mean of 330 Hz around; 0.1 % of the peaks of noise do."""
HOLD = 3
"""Frames of 20 ms: a tone is there 60 and 120 ms later, or earlier, or on both sides (a 16th at 120 BPM: 125 ms)."""
HOLD_FACTOR = 2.5
"""Its strength changes by less (8 dB) in 60 ms. Syllables and noise do not pass this."""
HUM_RATIO = 0.6
"""A pitch that is there for more of the time is hum."""

CHROMA_FFT, CHROMA_STEP = 4096, 1600
CHROMA_MIN_HZ, CHROMA_MAX_HZ = 80.0, 4000.0
CHROMA_CENTRE_HZ, CHROMA_OCTAVES = 300.0, 1.0
"""Melody and chords lie around here: log-normal weight, so that overtones do not pass for fifths."""
HARMONIC_SHARES = (1.0, 0.6, 0.36, 0.2, 0.13)
"""A peak may be the 1st .. 5th harmonic of a note: it also counts for those (Gomez, Tonal Description of Music Audio
Signals, 2006, 3.3: geometric shares). Right keys of 648 cadences in three registers and timbres: 83 % without this and
the weight, 99.7 % with both."""
A4_HZ, A4_CLASS = 440.0, 9

DB_PER_NEPER = 8.686

Real = NDArray[np.float32]


def mel_filters() -> Real:
    """Return triangular filters `(FFT // 2 + 1, MELS)`, each summing to 1."""

    def to_mel(hz: float) -> float:
        return float(2595.0 * np.log10(1.0 + hz / 700.0))

    edges = 700.0 * (10 ** (np.linspace(to_mel(MEL_MIN_HZ), to_mel(MEL_MAX_HZ), MELS + 2) / 2595.0) - 1.0)
    hz = np.arange(FFT // 2 + 1)[:, None] * RATE_HZ / FFT
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(filters / np.maximum(filters.sum(axis=0), 1e-9), np.float32)


def spectra(padded: NDArray[np.int16], size: int, step: int, chunk: int) -> Iterator[Real]:
    """Yield magnitude spectra `(<= chunk, size // 2 + 1)` of Hann windows that start at multiples of `step`."""
    from scipy import fft

    window = (np.hanning(size + 1)[:-1] / SOUND_FULL_SCALE).astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(padded, size)[::step]
    for first in range(0, len(views), chunk):
        yield np.abs(fft.rfft(views[first : first + chunk] * window, axis=1))


def magnitudes(samples: NDArray[np.int16], size: int, step: int, chunk: int) -> Iterator[Real]:
    """Yield the same of windows centred at multiples of `step`, silence before and after the sound."""
    return spectra(np.pad(samples, size // 2), size, step, chunk)


def onset_strength(log_mel: Real) -> Real:
    """Return how much the bands rise at each frame, above the local mean."""
    count = len(log_mel)
    rises = np.zeros(count)
    if count > ONSET_LAG:
        rises[ONSET_LAG:] = np.maximum(0.0, log_mel[ONSET_LAG:] - log_mel[:-ONSET_LAG]).mean(axis=1)
    sums = np.cumsum(np.concatenate(([0.0], rises)))
    first = np.maximum(np.arange(count) - LOCAL_MEAN // 2, 0)
    last = np.minimum(np.arange(count) + LOCAL_MEAN // 2 + 1, count)
    above = np.maximum(0.0, rises - (sums[last] - sums[first]) / (last - first))
    padded = np.pad(above, len(SMOOTHING) // 2)
    return np.convolve(padded, SMOOTHING / SMOOTHING.sum(), "valid").astype(np.float32)


def interpolated(log_magnitude: Real, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float64]:
    """Return the places of peaks between bins, by a parabola through the logarithms."""
    left, middle, right = (log_magnitude[rows, columns + k].astype(np.float64) for k in (-1, 0, 1))
    bend = left - 2.0 * middle + right
    return np.asarray(columns + 0.5 * (left - right) / np.minimum(bend, -1e-9))


def _local_mean(values: Real, width: int) -> Real:
    """Return the mean of `width` neighbours along the second axis, edges repeated."""
    half = width // 2
    sums = np.cumsum(np.pad(values, ((0, 0), (half + 1, half)), mode="edge"), axis=1, dtype=np.float64)
    return np.asarray((sums[:, width:] - sums[:, :-width]) / width, np.float32)


class Peaks(NamedTuple):
    """Spectral peaks of some frames, sorted by frame."""

    frame: NDArray[np.int64]
    pitch: NDArray[np.int64]
    """Place on the grid of 10 cents."""
    strength: Real
    prominent: NDArray[np.bool_]


def tone_peaks(magnitude: Real, first_frame: int) -> Peaks:
    """Return the spectral peaks of magnitude spectra whose first is frame `first_frame`."""
    high = int(TONE_MAX_HZ / RATE_HZ * FFT)
    levels = np.log(magnitude + 1e-6)
    rows, columns = _maxima(levels, int(TONE_MIN_HZ / RATE_HZ * FFT) + 1, high, PEAK_FLOOR)
    mean = _local_mean(levels[:, : high + PROMINENCE_BINS], PROMINENCE_BINS)
    hz = interpolated(levels, rows, columns) * RATE_HZ / FFT
    pitch = np.clip(np.round(np.log2(hz / TONE_MIN_HZ) * PITCHES_PER_OCTAVE), 0, PITCHES - 1)
    return Peaks(
        frame=rows + first_frame,
        pitch=pitch.astype(np.int64),
        strength=magnitude[rows, columns],
        prominent=(levels[rows, columns] - mean[rows, columns]) * DB_PER_NEPER > PROMINENCE_DB,
    )


def _maxima(levels: Real, low: int, high: int, floor: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of local maxima of log magnitudes between two bins that are not too weak."""
    middle = levels[:, low:high]
    enough = np.maximum(middle.max(axis=1, keepdims=True) - PEAK_RANGE_DB / DB_PER_NEPER, np.log(floor))
    is_peak = (middle > levels[:, low - 1 : high - 1]) & (middle >= levels[:, low + 1 : high + 1]) & (middle > enough)
    rows, columns = np.nonzero(is_peak)
    return rows, columns + low


def _later(values: Real, frames: int) -> Real:
    """Return the values of `frames` later (earlier if negative), 0 outside."""
    moved = np.zeros_like(values)
    if 0 < frames < len(values):
        moved[:-frames] = values[frames:]
    elif 0 < -frames < len(values):
        moved[-frames:] = values[:frames]
    return moved


def steady_tones(grid: Real, marks: NDArray[np.bool_], hum: NDArray[np.bool_]) -> Real:
    """Return `(n, 5)` as `Spectrum.tonal` has it."""
    near = np.where(marks, grid, np.float32(0.0))
    wide = near.copy()
    np.maximum(wide[:, 1:], near[:, :-1], out=wide[:, 1:])
    np.maximum(wide[:, :-1], near[:, 1:], out=wide[:, :-1])

    def holds(frames: int) -> NDArray[np.bool_]:
        then = _later(wide, frames)
        return (then < grid * HOLD_FACTOR) & (then > grid / HOLD_FACTOR)

    after, before = holds(HOLD), holds(-HOLD)
    steady = marks & ((after & holds(2 * HOLD)) | (before & holds(-2 * HOLD)) | (after & before))
    strength = np.where(hum, np.float32(0.0), grid)
    steady_strength = strength * steady
    root = np.sqrt(steady_strength)
    columns = (steady_strength.sum(axis=1), strength.sum(axis=1), root.sum(axis=1), *(root @ IN_TUNE).T)
    return np.stack(columns, axis=1)


def tonal(peaks: Peaks, count: int) -> Real:
    """Return the steady tones of all `count` frames of a clip, worked out in parts."""
    present = np.bincount(peaks.pitch[peaks.prominent], minlength=PITCHES)
    hum = np.convolve(present, np.ones(3), "same") > HUM_RATIO * count
    around, found = 2 * HOLD, []
    for start in range(0, count, CHUNK):
        first, last = max(0, start - around), min(count, start + CHUNK + around)
        some = slice(*np.searchsorted(peaks.frame, (first, last)))
        at = (peaks.frame[some] - first, peaks.pitch[some])
        grid = np.zeros((last - first, PITCHES), np.float32)
        grid[at] = peaks.strength[some]
        marks = np.zeros(grid.shape, np.bool_)
        marks[at] = peaks.prominent[some]
        found.append(steady_tones(grid, marks, hum)[start - first :][: min(CHUNK, count - start)])
    return np.concatenate(found)


def chroma_of(samples: NDArray[np.int16]) -> Real:
    """Return pitch classes `(m, 12)` from the peaks of long windows, tuned to the recording."""
    frames: list[NDArray[Any]] = []
    semitones: list[NDArray[Any]] = []
    weights: list[NDArray[Any]] = []
    low, high = int(CHROMA_MIN_HZ / RATE_HZ * CHROMA_FFT), int(CHROMA_MAX_HZ / RATE_HZ * CHROMA_FFT)
    done = 0
    for magnitude in magnitudes(samples, CHROMA_FFT, CHROMA_STEP, 50):
        levels = np.log(magnitude + 1e-6)
        rows, columns = _maxima(levels, low, high, 4 * PEAK_FLOOR)
        hz = interpolated(levels, rows, columns) * RATE_HZ / CHROMA_FFT
        frames.append(rows + done)
        semitones.append(12.0 * np.log2(hz / A4_HZ))
        # The root of the magnitude: melody and bass count, not only the loudest partial.
        register = np.exp(-0.5 * (np.log2(hz / CHROMA_CENTRE_HZ) / CHROMA_OCTAVES) ** 2)
        weights.append(np.sqrt(magnitude[rows, columns]) * register)
        done += len(magnitude)
    frame, place, weight = np.concatenate(frames), np.concatenate(semitones), np.concatenate(weights)
    # The common deviation from equal temperament at 440 Hz, as a circular mean.
    turn = np.angle(np.sum(weight * np.exp(2j * np.pi * place))) / (2 * np.pi) if len(place) else 0.0
    flat = np.zeros(done * 12)
    for harmonic, share in enumerate(HARMONIC_SHARES, start=1):
        note = np.round(place - turn - 12.0 * np.log2(harmonic)).astype(np.int64)
        flat += np.bincount(frame * 12 + (note + A4_CLASS) % 12, weights=weight * share, minlength=done * 12)
    return flat.reshape(done, 12).astype(np.float32)


def _analyze(filters: Real, samples: NDArray[np.int16]) -> Spectrum:
    bands: list[Real] = []
    peaks: list[Peaks] = []
    for number, magnitude in enumerate(magnitudes(samples, FFT, STEP, CHUNK)):
        bands.append(np.log1p(LOG_GAIN * (magnitude @ filters)))
        # CHUNK is even: every second frame of each chunk is every second frame of the clip.
        peaks.append(tone_peaks(magnitude[::2], number * CHUNK // 2))
    log_mel = np.concatenate(bands)
    return Spectrum(
        log_mel=log_mel,
        onset=onset_strength(log_mel),
        tonal=tonal(Peaks(*(np.concatenate(column) for column in zip(*peaks, strict=True))), (len(log_mel) + 1) // 2),
        chroma=chroma_of(samples),
        duration_s=len(samples) / RATE_HZ,
    )


def items(context: Context) -> list[NDArray[np.int16]]:
    """Return the 16 kHz sound; nothing for digital silence."""
    samples = context.arrays.get("audio16")
    return [] if samples is None or is_silent(samples) else [samples]


def load(_context: LoadContext) -> Real:
    """Return the mel filters."""
    return mel_filters()


def encode(model: Real, batch: Sequence[NDArray[np.int16]]) -> list[Spectrum]:
    """Analyze each track."""
    return [_analyze(model, samples) for samples in batch]


def onset_times_s(onset: Real) -> NDArray[np.float64]:
    """Return the times of distinct onsets: local maxima above a third of the 98th percentile, 50 ms apart at least."""
    if len(onset) < 3:
        return np.zeros(0)
    threshold = max(0.05, float(np.percentile(onset, 98)) / 3.0)
    peaks = 1 + np.flatnonzero((onset[1:-1] > onset[:-2]) & (onset[1:-1] >= onset[2:]) & (onset[1:-1] > threshold))
    kept: list[int] = []
    for peak in peaks.tolist():
        if not kept or peak - kept[-1] >= 5:
            kept.append(peak)
    return np.array(kept) * STEP / RATE_HZ


def signals(features: Spectrum) -> dict[str, Any]:
    """Return `onsets_per_s`: how many distinct onsets each second of the sound has (at most 3600 of them)."""
    seconds = min(3600, int(np.ceil(features.duration_s)))
    counts = np.bincount(onset_times_s(features.onset).astype(np.int64), minlength=seconds)[:seconds]
    return {"onsets_per_s": counts.tolist(), "duration_s": round(features.duration_s, 3)}


ENCODER = Encoder(
    name="spectrum",
    title="Mel bands, onset strength and steady tones per 10 ms, chroma per 0.1 s",
    input="audio16",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    nothing="no_audio",
    nothing_said=ONLY_SILENCE,
    signals=signals,
    gflop_per_item=0.5,
)
