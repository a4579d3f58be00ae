"""A media file into a frame slot, in one pass. Knows nothing of who asked or of what is done with the clip.

One thread; picture and sound in the same loop. What counts as readable: the container opens, nine tenths of the
length that it promises decode, and at most a tenth of the packets of each stream fail. A file that breaks off earlier
is refused, because half a video gives results that look right and are not; a container that says too much is
believed where that is impossible to tell apart. Frames that the decoder repaired count as decoded.

Every frame is decoded: thumbnails need each one, so FFmpeg's `skip_frame` would save nothing that may be left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tiktokd import sampling
from tiktokd.decode_audio import MIXABLE, RESTART_S, Sound
from tiktokd.decode_scale import Orientation, orientation
from tiktokd.decode_source import Source, open_source, reason
from tiktokd.decode_video import Pictures
from tiktokd.errors import CorruptMedia, UnsupportedMedia
from tiktokd.model import Clip, MediaFacts
from tiktokd.slots import SlotWriter

READABLE_SHARE = 0.9
"""Of the promised length, and of the packets, this much must decode."""
SHORT_BY_S = 0.5
"""Missing less than this at the end is rounding."""
PROGRESS_STEP = 0.01
SMALLEST_PX, LONGEST_RATIO = 16, 50
"""Of the picture as it is displayed; beyond them nothing can be seen in it, and plug-ins that make it smaller are left
without a pixel (at 8 x 8 px and at 1:125, not at 1:62)."""
LEAST_STEP_S = 0.001
"""Between two frames whose stamps are equal or step back; times in a clip always rise."""


def decode(
    path: Path,
    view: NDArray[np.uint8],
    *,
    fps: float,
    max_duration_s: float,
    slot: int,
    generation: int,
    progress: Callable[[float], None] | None = None,
) -> Clip:
    """Decode the file at `path` into the slot behind `view` and return where everything lies.

    Args:
        fps: Full-size frames per second that are wanted; long or large videos get fewer.
        max_duration_s: Longer videos are refused.
        slot: Copied into the clip, as `generation`.
        progress: Is told the share that is done, 0..1, where the container names its length.

    Raises:
        CorruptMedia: not a media file, or one that breaks off.
        UnsupportedMedia: too long, or nothing in it that can be decoded.
    """
    source = open_source(path, max_duration_s)
    with source.container:
        one = _Pass(source, view, fps, progress)
        one.read()
        return one.clip(slot, generation)


class _Pass:
    """The one loop over the packets."""

    def __init__(
        self, source: Source, view: NDArray[np.uint8], fps: float, progress: Callable[[float], None] | None
    ) -> None:
        self._source, self._slot_bytes, self._fps = source, len(view), fps
        self._writer = SlotWriter(view)
        self._sound: Sound | None = None
        if source.audio is not None:
            # Sound may come before the first picture, whose size is not known yet; its own room never depends on it.
            plan = self._plan(_Shape())
            self._sound = Sound(self._writer, plan.audio16_samples, plan.audio48_samples)
        self._pictures: Pictures | None = None
        self._shape = _Shape()
        self._clock = _Clock(1.0 / (source.video_fps or sampling.ASSUMED_FPS))
        self._progress, self._reported = progress, 0.0
        self._health = {"video": _Health(), "audio": _Health()}

    def read(self) -> None:
        """Decode everything; raises where the file is not readable to its end."""
        for packet in self._packets():
            health = self._health[packet.stream.type]
            health.packets += packet.size > 0
            try:
                frames = packet.decode()
            except av.FFmpegError as exc:
                health.note(exc)
                continue
            for frame in frames:
                health.frames += 1
                if isinstance(frame, av.VideoFrame):
                    self._see(frame)
                elif self._sound is not None and frame.layout.nb_channels in MIXABLE:
                    self._sound.add(frame)
                else:
                    health.note(UnsupportedMedia(f"{frame.layout.nb_channels} channels"))
        self._check()

    def clip(self, slot: int, generation: int) -> Clip:
        """Return where everything lies."""
        if self._pictures is not None:
            self._pictures.close()
        covers16_s, covers48_s = (0.0, 0.0) if self._sound is None else self._sound.close(self._origin_s())
        return Clip(
            slot=slot,
            generation=generation,
            blocks=dict(self._writer.blocks),
            facts=self._facts(),
            audio16_covers_s=covers16_s,
            audio48_covers_s=covers48_s,
        )

    def _packets(self) -> Iterator[av.Packet]:
        try:
            yield from self._source.container.demux(self._source.streams)
        except av.FFmpegError as exc:  # the demuxer cannot go on; whether enough was read is judged by time
            self._health["video" if self._source.video is not None else "audio"].note(exc)
        except IndexError:  # all was read; PyAV then flushes all streams, also those that have come since, and fails
            return

    def _plan(self, shape: "_Shape") -> sampling.Plan:
        return sampling.plan(
            slot_bytes=self._slot_bytes,
            width_px=shape.width_px,
            height_px=shape.height_px,
            video_fps=self._source.video_fps,
            duration_s=self._source.promised_s,
            has_audio=self._source.audio is not None,
            fps=self._fps,
        )

    def _see(self, frame: av.VideoFrame) -> None:
        if self._pictures is None:
            matrix = frame.side_data.get("DISPLAYMATRIX")
            orient = orientation(None if matrix is None else bytes(matrix))
            video = self._source.video
            aspect = video.codec_context.sample_aspect_ratio if video is not None else None
            self._shape = _Shape.of(frame, float(aspect or 1), orient)
            self._shape.refuse(self._source.path.name)
            self._pictures = Pictures(self._writer, self._plan(self._shape), orient)
        time_s = self._clock.tick(frame)
        if time_s > self._source.max_duration_s:
            raise self._source.too_long(time_s)
        self._pictures.add(frame, time_s)
        self._report(time_s)

    def _report(self, time_s: float) -> None:
        if self._progress is None or not self._source.promised_s:
            return
        ratio = min(1.0, time_s / self._source.promised_s)
        if ratio >= self._reported + PROGRESS_STEP:
            self._reported = ratio
            self._progress(ratio)

    def _check(self) -> None:
        name, promised_s, measured_s = self._source.path.name, self._promised_s(), self._measured_s()
        for kind, health in self._health.items():
            if health.errors > (1 - READABLE_SHARE) * health.packets:
                raise CorruptMedia(
                    f"{name}: {health.errors} of {health.packets} {kind} packets do not decode ({health.last_error})"
                )
        if self._source.video is not None and self._pictures is None:
            codec = self._source.video.codec.canonical_name
            raise CorruptMedia(f"{name} names a {codec} picture but holds no frame of it")
        if measured_s <= 0 and self._pictures is None:
            raise CorruptMedia(f"{name} holds neither a frame nor a sample of sound")
        if measured_s > self._source.max_duration_s:  # pictures are refused as they come, sound is not
            raise self._source.too_long(measured_s)
        if promised_s and measured_s < min(promised_s * READABLE_SHARE, promised_s - SHORT_BY_S):
            raise CorruptMedia(f"{name} breaks off: {measured_s:.1f} of {promised_s:.1f} s decode")

    def _origin_s(self) -> float:
        """Container time of second 0: the first displayed frame, or the first sample where there is no picture."""
        if self._pictures is not None:
            return self._clock.origin_s
        return (self._sound.start_s if self._sound is not None else None) or 0.0

    def _promised_s(self) -> float | None:
        """Length that the container promises, from second 0 on."""
        source = self._source
        return None if source.promised_s is None else source.promised_s - (self._origin_s() - source.start_s)

    def _measured_s(self) -> float:
        heard = self._sound is not None and self._sound.start_s is not None
        sound_s = self._sound.end_s - self._origin_s() if self._sound is not None and heard else 0.0
        return max(self._clock.end_s, sound_s)

    def _facts(self) -> MediaFacts:
        source, promised_s, measured_s = self._source, self._promised_s(), self._measured_s()
        audio = source.audio if self._health["audio"].frames else None
        bit_rate = source.container.bit_rate
        return MediaFacts(
            duration_s=promised_s if promised_s and abs(measured_s - promised_s) < SHORT_BY_S else measured_s,
            size_bytes=source.path.stat().st_size,
            container=source.container.format.name,
            bitrate_kbps=bit_rate / 1000 if bit_rate else None,
            width_px=self._shape.width_px,
            height_px=self._shape.height_px,
            fps=self._clock.mean_fps,
            frame_count=self._clock.count,
            rotation_deg=self._shape.rotation_deg,
            video_codec=source.video.codec.canonical_name if source.video is not None else None,
            audio_codec=audio.codec.canonical_name if audio is not None else None,
            audio_rate_hz=audio.rate if audio is not None else None,
            audio_channels=audio.channels if audio is not None else None,
        )


class _Clock:
    """Time stamps of frames to seconds from the first of them."""

    def __init__(self, usual_step_s: float) -> None:
        self._usual_step_s = usual_step_s
        self._last_s, self._last_length_s, self._later_s = 0.0, 0.0, 0.0
        self.origin_s = 0.0
        self.count = 0

    def tick(self, frame: av.VideoFrame) -> float:
        """Return when the frame is shown, always after the one before."""
        stamp_s = frame.time
        if self.count == 0:
            self.origin_s = stamp_s or 0.0
        next_s = self._last_s + self._usual_step_s * (self.count > 0)
        time_s = next_s if stamp_s is None else stamp_s - self.origin_s + self._later_s
        if time_s < self._last_s - RESTART_S:
            self._later_s += next_s - time_s
            time_s = next_s
        length = frame.duration
        self._last_length_s = length * float(frame.time_base) if length and frame.time_base else 0.0
        self._last_s = max(time_s, self._last_s + LEAST_STEP_S) if self.count else 0.0
        self.count += 1
        return self._last_s

    @property
    def end_s(self) -> float:
        """When the last frame disappears; where the container gives it no length, after a mean one."""
        if not self.count:
            return 0.0
        gap_s = self._last_s / (self.count - 1) if self.count > 1 else self._usual_step_s
        return self._last_s + (self._last_length_s or gap_s)

    @property
    def mean_fps(self) -> float | None:
        """Frames per second over the stream; `None` without frames."""
        if self.count > 1 and self._last_s > 0:
            return (self.count - 1) / self._last_s
        return self.count / self.end_s if self.count else None


@dataclass(slots=True)
class _Health:
    """What went wrong in one stream."""

    packets: int = 0
    frames: int = 0
    errors: int = 0
    last_error: str = ""

    def note(self, error: Exception) -> None:
        self.errors += 1
        self.last_error = reason(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """The picture as it is displayed; `None` where there is none."""

    width_px: int | None = None
    height_px: int | None = None
    rotation_deg: int = 0

    @classmethod
    def of(cls, frame: av.VideoFrame, pixel_aspect: float, orient: Orientation) -> "_Shape":
        width, height = max(1, round(frame.width * pixel_aspect)), frame.height
        if orient.transpose:
            width, height = height, width
        return cls(width_px=width, height_px=height, rotation_deg=orient.rotation_deg)

    def refuse(self, name: str) -> None:
        """Raise `UnsupportedMedia` for a picture in which nothing can be seen."""
        short, long = sorted((self.width_px or 0, self.height_px or 0))
        if short < SMALLEST_PX or long > LONGEST_RATIO * short:
            raise UnsupportedMedia(
                f"{name} shows a picture of {self.width_px} x {self.height_px} px; each side must have {SMALLEST_PX} px"
                f" and none more than {LONGEST_RATIO} times the other"
            )
