"""Whisper's picture of sound, in numpy: 30 s as the logarithm of the energy in mel bands, one column per 10 ms.

For machines on which neither torch nor transformers is loaded for it. The same numbers as theirs (a test compares).
Source: Radford et al. 2022, arXiv 2212.04356; whisper/audio.py (log_mel_spectrogram); the mel scale and the height of
the bands are those of Slaney, Auditory Toolbox, 1998.
"""

import numpy as np
from numpy.typing import NDArray

from tiktokd.sound import SOUND_FULL_SCALE

RATE_HZ = 16_000
FFT, HOP = 400, 160
COLUMNS = 3000
"""30 s."""
LINEAR_HZ, LINEAR_MEL = 200.0 / 3.0, 15.0
"""Below 1 kHz a mel is so many Hz; there are 15 of them, and ..."""
LOG_STEP = np.log(6.4) / 27.0
"""... above it each is this much on a logarithmic scale: 27 up to 6.4 kHz."""
RANGE = 8.0
"""Powers of ten below the loudest that are kept."""


def filters(bands: int) -> NDArray[np.float32]:
    """Return (bands, FFT / 2 + 1) float32: triangles that overlap by half, each of area 1 over Hz."""
    top_mel = LINEAR_MEL + np.log(RATE_HZ / 2 / 1000.0) / LOG_STEP
    mel = np.linspace(0.0, top_mel, bands + 2)
    edges = np.where(mel < LINEAR_MEL, mel * LINEAR_HZ, 1000.0 * np.exp(LOG_STEP * (mel - LINEAR_MEL)))
    bins = np.linspace(0.0, RATE_HZ / 2, FFT // 2 + 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (high - low)
    return np.asarray(triangles, np.float32)


def log_mel(samples: NDArray[np.int16], bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (bands, COLUMNS) float32, about -1..1.5, of 16 kHz sound, filled up with silence or cut to 30 s."""
    sound = np.zeros(COLUMNS * HOP, np.float32)
    heard = samples[: len(sound)]
    sound[: len(heard)] = heard / np.float32(SOUND_FULL_SCALE)
    parts = np.lib.stride_tricks.sliding_window_view(np.pad(sound, FFT // 2, mode="reflect"), FFT)[::HOP][:COLUMNS]
    window = np.hanning(FFT + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(parts * window)) ** 2
    level = np.log10(np.maximum(bands @ power.T, 1e-10))
    return np.asarray((np.maximum(level, level.max() - RANGE) + 4.0) / 4.0, np.float32)
