"""The melody and strength of a voice: fundamental frequency by YIN and intensity, one value per 10 ms of 16 kHz sound.

f0 60..500 Hz, good to about 0.2 % on periodic sounds, only inside spans of speech; intensity in dBFS everywhere.

Bad at: voices under loud music (few frames pass the threshold), several voices at once, creaky voice (octave errors).

Source: de Cheveigné and Kawahara, YIN, J. Acoust. Soc. Am. 111(4), 2002, steps 1-5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.sound import SOUND_FULL_SCALE, Pitch, Span

RATE_HZ = 16_000
STEP = 160
"""Samples per frame (10 ms)."""
F0_MIN_HZ, F0_MAX_HZ = 60.0, 500.0
"""From a deep man's creak to a child's shout."""
LAG_MIN = int(RATE_HZ / F0_MAX_HZ)
LAG_MAX = int(np.ceil(RATE_HZ / F0_MIN_HZ))
WINDOW = 400
"""Samples compared per lag (25 ms, as in the paper)."""
FFT = 1024
"""At least a frame, WINDOW + LAG_MAX + 1; negative lags of the circular correlation wrap to the far end, unused."""
THRESHOLD = 0.15
"""Aperiodicity below which a frame is voiced (the paper: 0.1 to 0.15)."""
FRAMES = 500
"""Frames per turn: about 10 MB of intermediate arrays."""
SMOOTHING = np.hanning(7)[1:-1] / np.hanning(7)[1:-1].sum()
"""Intensity over about 48 ms: syllables of fast speech (8 per second) stay apart."""
VOWEL_BAND_HZ = (200.0, 2500.0)
FLOOR_DB = -120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One item."""

    samples: NDArray[np.int16]
    spans: tuple[Span, ...]


def yin(frames: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return f0 in Hz (NaN where not periodic) and aperiodicity (0..1) of frames `(n, WINDOW + LAG_MAX + 1)`."""
    from scipy import fft

    # Step 2, the difference function, as energy + energy - 2 * correlation, the latter by FFT.
    whole = fft.rfft(frames, FFT, axis=1)
    first = fft.rfft(frames[:, :WINDOW], FFT, axis=1)
    correlation = fft.irfft(whole * first.conj(), FFT, axis=1)[:, : LAG_MAX + 2]
    squares = np.cumsum(np.square(frames, dtype=np.float64), axis=1)
    squares = np.concatenate((np.zeros((len(frames), 1)), squares), axis=1)
    energy = squares[:, WINDOW : WINDOW + LAG_MAX + 2] - squares[:, : LAG_MAX + 2]
    difference = np.maximum(energy[:, :1] + energy - 2.0 * correlation, 0.0)
    # Step 3, divided by its mean over shorter lags.
    lags = np.arange(1, difference.shape[1])
    mean = np.cumsum(difference[:, 1:], axis=1) / lags
    normal = np.ones_like(difference)
    np.divide(difference[:, 1:], mean, out=normal[:, 1:], where=mean > 1e-9)
    aperiodicity = np.minimum(normal[:, LAG_MIN:].min(axis=1), 1.0).astype(np.float32)
    return _first_dips(normal), aperiodicity


def _first_dips(normal: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return f0 from the first local minimum under the threshold (step 4), placed by a parabola (step 5)."""
    middle = normal[:, 1:-1]
    is_dip = (middle < THRESHOLD) & (middle <= normal[:, :-2]) & (middle < normal[:, 2:])
    is_dip[:, : LAG_MIN - 1] = False
    lag = is_dip.argmax(axis=1) + 1
    rows = np.arange(len(normal))
    left, centre, right = normal[rows, lag - 1], normal[rows, lag], normal[rows, lag + 1]
    bend = left - 2.0 * centre + right
    shift = np.divide(0.5 * (left - right), bend, out=np.zeros_like(bend), where=bend > 1e-12)
    f0 = RATE_HZ / (lag + np.clip(shift, -0.5, 0.5))
    return np.where(is_dip.any(axis=1), f0, np.nan).astype(np.float32)


def intensity(samples: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the level per 10 ms in dBFS of samples at a clip's int16 scale."""
    count = len(samples) // STEP
    if count == 0:
        return np.zeros(0, np.float32)
    power = np.square(samples[: count * STEP]).reshape(count, STEP).mean(axis=1, dtype=np.float64)
    smooth = np.convolve(np.pad(power, len(SMOOTHING) // 2, mode="edge"), SMOOTHING, "valid")
    full = float(SOUND_FULL_SCALE) ** 2
    return (10.0 * np.log10(np.maximum(smooth / full, 10 ** (FLOOR_DB / 10)))).astype(np.float32)


def vowel_band(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the samples between 200 and 2500 Hz (second-order Butterworth)."""
    from scipy.signal import butter, sosfilt

    sections = butter(2, VOWEL_BAND_HZ, "bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(sosfilt(sections.astype(np.float32), samples), np.float32)


def _follow(voice: Voice) -> Pitch:
    sound = voice.samples.astype(np.float32)
    level_db = intensity(sound - sound.mean())
    vowel_level_db = intensity(vowel_band(sound)) if voice.spans else np.full_like(level_db, FLOOR_DB)
    f0 = np.full(len(level_db), np.nan, np.float32)
    aperiodicity = np.ones(len(level_db), np.float32)
    wanted = np.zeros(len(level_db), np.bool_)
    for start, end in voice.spans:
        wanted[int(start * RATE_HZ / STEP) : int(end * RATE_HZ / STEP)] = True
    chosen = np.flatnonzero(wanted)
    length = WINDOW + LAG_MAX + 1
    # Frame i is centred at (i + 0.5) steps.
    padded = np.pad(sound, (length // 2 - STEP // 2, length))
    views = np.lib.stride_tricks.sliding_window_view(padded, length)[::STEP]
    for first in range(0, len(chosen), FRAMES):
        some = chosen[first : first + FRAMES]
        f0[some], aperiodicity[some] = yin(views[some])
    return Pitch(f0_hz=f0, aperiodicity=aperiodicity, level_db=level_db, vowel_level_db=vowel_level_db)


def items(context: Context) -> list[Voice]:
    """Return the 16 kHz sound with the spans of speech in it."""
    samples = context.arrays.get("audio16")
    speech = context.features.get("vad")
    if samples is None or speech is None:
        return []
    return [Voice(samples=samples, spans=speech.spans)]


def load(_context: LoadContext) -> None:
    """Nothing to load: YIN has no weights."""


def encode(_model: Any, batch: Sequence[Voice]) -> list[Pitch]:
    """Follow each voice."""
    return [_follow(voice) for voice in batch]


ENCODER = Encoder(
    name="pitch",
    title="Fundamental frequency (YIN) and intensity per 10 ms of speech",
    input="audio16",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
    uses=("vad",),
)
