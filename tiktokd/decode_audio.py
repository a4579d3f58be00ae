"""Decoded sound of one video into a slot: mono 16 kHz and stereo 48 kHz, in step with the picture.

Knows nothing of files and streams. Samples stay floats until the end, so that the overshoots of lossy codecs survive
in the 6 dB above full scale; more than two channels are mixed down, mono goes to both channels. Where the two channels
would cancel each other, mono is the left one: some posts turn one over so that their sound is not recognised.
"""

import av
import numpy as np
from av.audio.resampler import AudioResampler

from tiktokd.plugins import Array
from tiktokd.slots import SlotWriter

FULL_SCALE = 16384.0
"""int16 value of 0 dBFS (`model.Clip`)."""
GAP_S = 0.1
"""Smaller holes and overlaps between time stamps are rounding of the container, not missing sound."""
MIXABLE = frozenset((*range(1, 9), 12, 16, 24))
"""Numbers of channels of which libswresample knows where they stand; broken AAC claims others, up to 48."""
POINTERS = 8
"""Planes from which on `AudioFrame.planes` reads past their list (PyAV 18: it looks for an empty one at its end, and
libavutil's list has eight places). The process dies of it."""
RESTART_S = 1.0
"""Stamps that step back further begin anew, as where two recordings were joined: what follows is later all the same."""
MIX_DOWN = {"rematrix_maxval": "1.0"}
"""libswresample: scale the mix so that it cannot exceed full scale; without it, mono of two equal channels is +3 dB."""

CANCELS = 0.01
"""Two channels whose sum has less than this share of their power cancel; unrelated ones keep all of it, equal ones
twice as much."""
EVERY = 4
"""Samples of which one is looked at for that."""


class Sound:
    """Takes frames in order and lays them out by time."""

    def __init__(self, writer: SlotWriter, samples16: int, samples48: int) -> None:
        self._tracks = (
            _Track(writer, "audio16", samples16, 16_000, 1),
            _Track(writer, "audio48", samples48, 48_000, 2),
        )
        self._batch = _Batch()
        self.start_s: float | None = None
        """Container time of the first sample."""
        self.end_s = 0.0
        """Container time after the last sample."""
        self._later_s = 0.0
        """What is added to time stamps that began anew."""

    def add(self, frame: av.AudioFrame) -> None:
        """Append one frame; holes in the time stamps become silence, what is already there is skipped."""
        time_s = self.end_s if frame.time is None else float(frame.time) + self._later_s
        if self.start_s is None:
            self.start_s = self.end_s = time_s
        if time_s < self.end_s - RESTART_S:
            self._later_s += self.end_s - time_s
            time_s = self.end_s
        gap_s = time_s - self.end_s
        if gap_s < -GAP_S or frame.samples == 0:
            return
        if gap_s > GAP_S:
            self._drain()
            for track in self._tracks:
                track.skip(gap_s)
            self.end_s = time_s
        for part in _packed(frame):
            if not self._batch.fits(part):
                self._drain()
            self._batch.add(part)
        self.end_s += frame.samples / frame.sample_rate
        if self._batch.is_full:
            self._feed()

    def close(self, origin_s: float) -> tuple[float, float]:
        """Shift everything so that second 0 is container time `origin_s`; return the seconds held at 16 and 48 kHz."""
        self._drain()
        shift_s = 0.0 if self.start_s is None else self.start_s - origin_s
        covers16, covers48 = (track.close(shift_s) for track in self._tracks)
        return covers16, covers48

    def _feed(self) -> None:
        frame = self._batch.take()
        if frame is not None:
            mono, stereo = self._tracks
            mono.add(_audible(frame))
            stereo.add(frame)

    def _drain(self) -> None:
        self._feed()
        for track in self._tracks:
            track.drain()


class _Batch:
    """Joins frames of one kind into one of about a second: a call of the resampler costs as much as 5,000 samples."""

    def __init__(self) -> None:
        self._kind: tuple[str, str, int] | None = None
        self._parts: list[Array] = []
        self._samples = 0

    @property
    def is_full(self) -> bool:
        return self._kind is not None and self._samples >= self._kind[2]

    def fits(self, frame: av.AudioFrame) -> bool:
        """Return False where the format has changed since the last frame."""
        return self._kind in (None, _kind(frame))

    def add(self, frame: av.AudioFrame) -> None:
        self._kind = _kind(frame)
        self._parts.append(frame.to_ndarray())
        self._samples += frame.samples

    def take(self) -> av.AudioFrame | None:
        if self._kind is None or not self._parts:
            return None
        sample, layout, rate = self._kind
        joined = av.AudioFrame.from_ndarray(np.concatenate(self._parts, axis=1), sample, layout)
        joined.sample_rate = rate
        self._parts, self._samples = [], 0
        return joined


def _packed(frame: av.AudioFrame) -> list[av.AudioFrame]:
    """Return the frame, or, where it has too many planes to be read, its samples side by side in one."""
    if not frame.format.is_planar or frame.layout.nb_channels < POINTERS:
        return [frame]
    return AudioResampler(frame.format.packed, frame.layout, frame.sample_rate).resample(frame)


def _audible(frame: av.AudioFrame) -> av.AudioFrame:
    """Return the frame, or one with the left channel twice where its two would cancel in the mix to mono."""
    if frame.layout.nb_channels != 2:
        return frame
    samples = frame.to_ndarray()
    channels = samples if frame.format.is_planar else samples.reshape(-1, 2).T
    seen = channels[:, ::EVERY].astype(np.float32)
    seen -= seen.mean(axis=1, keepdims=True)
    left, right = seen
    if float(np.square(left + right).sum()) >= CANCELS * float(np.square(seen).sum()):
        return frame
    channels[1] = channels[0]
    twice = av.AudioFrame.from_ndarray(samples, frame.format.name, frame.layout.name)
    twice.sample_rate = frame.sample_rate
    return twice


def _kind(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


class _Track:
    """One rate."""

    def __init__(self, writer: SlotWriter, name: str, samples: int, rate_hz: int, channels: int) -> None:
        self._writer, self._name, self._rate_hz, self._channels = writer, name, rate_hz, channels
        shape = (samples,) if channels == 1 else (samples, channels)
        self._out = writer.reserve(name, shape, "int16")
        self._resampler: AudioResampler | None = None
        self._end = 0

    def add(self, frame: av.AudioFrame) -> None:
        if self._end >= len(self._out):
            return
        if self._resampler is None:
            layout = "stereo" if self._channels == 2 and frame.layout.nb_channels > 1 else "mono"
            self._resampler = AudioResampler("flt", layout, self._rate_hz, options=MIX_DOWN)
        for piece in self._resampler.resample(frame):
            self._append(piece)

    def drain(self) -> None:
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                self._append(piece)
            self._resampler = None

    def skip(self, seconds: float) -> None:
        end = min(len(self._out), self._end + round(seconds * self._rate_hz))
        self._out[self._end : end] = 0
        self._end = end

    def close(self, shift_s: float) -> float:
        shift = round(shift_s * self._rate_hz)
        first, last = max(0, shift), max(0, min(len(self._out), self._end + shift))
        if shift and last > first:
            self._out[first:last] = self._out[first - shift : last - shift].copy()
        self._out[: min(first, last)] = 0
        self._writer.truncate(self._name, last)
        return last / self._rate_hz

    def _append(self, piece: av.AudioFrame) -> None:
        samples: Array = piece.to_ndarray().reshape(piece.samples, -1)
        samples = samples[: len(self._out) - self._end]
        scaled = np.clip(np.rint(samples * FULL_SCALE), -32768, 32767)
        self._out[self._end : self._end + len(samples)] = scaled[:, 0] if self._channels == 1 else scaled
        self._end += len(samples)
