"""How loud the sound is over time: K-weighted power, true peak, clipping, stereo correlation.

Works at 48 kHz, where the filters of the standard are defined; at 16 kHz the error of the loudness doubles. A mono file
counts as one channel, as BS.1770-4 has it: played on two loudspeakers it is 3 dB louder than the number says.

Bad at: more than two channels (they were mixed down while decoding); sources clipped before they were encoded, whose
flat tops the codec rounds off.

Source: ITU-R BS.1770-4 (10/2015), annexes 1 and 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.sound import SOUND_FULL_SCALE, Loudness, is_silent

RATE_HZ = 48_000
BLOCK = 4_800
"""Samples per 0.1 s: the hop of both gating blocks (0.4 s, 75 % overlap) and short-term windows (3 s)."""
CHUNK = 100 * BLOCK
"""10 s at a time: a long clip needs no more memory than a short one."""
K_WEIGHTING = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621),
)
"""Second-order sections: head shelf and high pass (BS.1770-4, annex 1, tables 1 and 2)."""
_PHASE_0 = (
    0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875, 0.1373291015625,
    0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500,
)  # fmt: skip
_PHASE_1 = (
    -0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500, 0.4650878906250,
    0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375,
)  # fmt: skip
OVERSAMPLING = np.array([_PHASE_0, _PHASE_1, _PHASE_1[::-1], _PHASE_0[::-1]], np.float32)
"""(4, 12) interpolation filter of the true-peak meter (BS.1770-4, annex 2)."""
OVERSHOOT = float(np.abs(OVERSAMPLING).sum(axis=1).max())
"""No interpolated value exceeds the samples around it by more than this factor (about 2)."""
TAPS = OVERSAMPLING.shape[1]
PEAK_BLOCK = 48
"""Samples (1 ms) that are interpolated or left out together."""
CLIPPED = 10 ** (-0.1 / 20)
"""-0.1 dBFS: codecs move clipped tops by about that much."""


def _peak_kernel() -> NDArray[np.float32]:
    """Return the filter as one matrix `(PEAK_BLOCK + TAPS - 1, 4 * PEAK_BLOCK)`: a block in, its values between out."""
    kernel = np.zeros((PEAK_BLOCK + TAPS - 1, 4, PEAK_BLOCK), np.float32)
    for column in range(PEAK_BLOCK):
        kernel[column : column + TAPS, :, column] = OVERSAMPLING.T
    return kernel.reshape(len(kernel), -1)


PEAK_KERNEL = _peak_kernel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One item: int16 samples `(n, channels)`, channels 1 or 2."""

    samples: NDArray[np.int16]


def oversampled_peak(signal: NDArray[np.float32], known: float = 0.0) -> float:
    """Return the largest absolute value between and at `(n,)` samples, oversampled four times, or `known` if larger.

    Only stretches whose samples could reach the largest value so far are interpolated; the result is exact. The first
    and last 11 samples are only looked at as neighbours: put zeros there where the sound starts or ends.
    """
    padded = np.pad(signal, (0, -len(signal) % PEAK_BLOCK + PEAK_BLOCK))
    tops = np.abs(padded).reshape(-1, PEAK_BLOCK).max(axis=1)
    best = max(known, float(tops.max()))
    # The windows that start in a block also read the one after it.
    reach = np.maximum(tops[:-1], tops[1:]) * OVERSHOOT
    starts = np.flatnonzero(reach > best) * PEAK_BLOCK
    if len(starts) == 0:
        return best
    windows = np.lib.stride_tricks.sliding_window_view(padded, PEAK_BLOCK + TAPS - 1)[starts]
    return max(best, float(np.abs(windows @ PEAK_KERNEL).max()))


class _Meter:
    """The running sums of one track. Rows are channels: neighbouring samples lie next to one another."""

    def __init__(self, channels: int, sosfilt: Any) -> None:
        self._sosfilt = sosfilt
        self._sections = np.array(K_WEIGHTING)
        self._state = np.zeros((len(K_WEIGHTING), channels, 2))
        self._tail = np.zeros((channels, TAPS - 1), np.float32)
        self._moments = np.zeros(5)
        self.power: list[NDArray[np.float64]] = []
        self.peak = 0.0
        self.clipped = 0

    def add(self, chunk: NDArray[np.float32]) -> None:
        """Take the next samples `(channels, n)`; all chunks but the last are whole blocks long."""
        weighted, self._state = self._sosfilt(self._sections, chunk, axis=1, zi=self._state)
        self.power.append(_mean_squares(weighted).sum(axis=0))
        self.clipped += int(np.count_nonzero(np.abs(chunk) >= CLIPPED))
        self._between(chunk)
        if len(chunk) == 2:
            left, right = chunk
            sums = (left.sum(), right.sum(), np.dot(left, left), np.dot(right, right), np.dot(left, right))
            self._moments += np.array(sums, np.float64)

    def _between(self, chunk: NDArray[np.float32]) -> None:
        joined = np.concatenate((self._tail, chunk), axis=1)
        for channel in joined:
            self.peak = oversampled_peak(channel, self.peak)
        self._tail = joined[:, -(TAPS - 1) :]

    def finish(self) -> None:
        """Let the filters ring out after the last sample."""
        self._between(np.zeros_like(self._tail))

    def correlation(self, count: int) -> float | None:
        """Return Pearson's correlation of the two channels over `count` samples."""
        left, right, left2, right2, both = self._moments / max(1, count)
        spread = (left2 - left**2) * (right2 - right**2)
        if spread <= 1e-20:
            return None
        return float(np.clip((both - left * right) / np.sqrt(spread), -1.0, 1.0))


def _mean_squares(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean square of each whole block of columns, `(channels, n // BLOCK)`."""
    whole = values.shape[1] // BLOCK
    blocks = values[:, : whole * BLOCK].reshape(len(values), whole, BLOCK)
    return np.asarray(np.einsum("cbk,cbk->cb", blocks, blocks) / BLOCK, np.float64)


def _measure(track: Track, sosfilt: Any) -> Loudness:
    samples = track.samples
    meter = _Meter(samples.shape[1], sosfilt)
    for start in range(0, len(samples), CHUNK):
        part = np.ascontiguousarray(samples[start : start + CHUNK].T)
        meter.add(part.astype(np.float32) / np.float32(SOUND_FULL_SCALE))
    meter.finish()
    return Loudness(
        power=np.concatenate(meter.power),
        true_peak_dbtp=None if meter.peak == 0.0 else float(20.0 * np.log10(meter.peak)),
        clip_ratio=meter.clipped / samples.size,
        correlation=meter.correlation(len(samples)) if samples.shape[1] == 2 else None,
        silent=is_silent(samples),
    )


def items(context: Context) -> list[Track]:
    """Return the 48 kHz sound, one channel of it where the file is mono."""
    samples = context.arrays.get("audio48")
    if samples is None or len(samples) == 0:
        return []
    return [Track(samples=samples[:, :1] if context.facts.audio_channels == 1 else samples)]


def load(_context: LoadContext) -> Any:
    """Return the filter function: scipy is loaded here and not where specifications are read."""
    from scipy.signal import sosfilt

    return sosfilt


def encode(model: Any, batch: Sequence[Track]) -> list[Loudness]:
    """Measure each track."""
    return [_measure(track, model) for track in batch]


ENCODER = Encoder(
    name="level",
    title="K-weighted power per 0.1 s, true peak, clipping, stereo correlation",
    input="audio48",
    place="cpu",
    load=load,
    encode=encode,
    items=items,
)
