"""A media file into a frame slot, in one pass. Knows nothing of who asked or of what is done with the clip.

One thread, picture and sound in the same loop. What counts as readable: the container opens, at least nine tenths of
the length that it promises decode, and at most a tenth of the packets do not. A file that breaks off earlier is
refused, because half a video gives results that look right and are not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from tiktokd import sampling
from tiktokd.decode_audio import Sound
from tiktokd.decode_video import Orientation, Pictures, orientation
from tiktokd.errors import CorruptMedia, UnsupportedMedia
from tiktokd.model import Clip, MediaFacts
from tiktokd.slots import SlotWriter

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,asf,ogg,wav"
"""Demuxers that may open a file. Playlists and scripts (hls, concat, dash) would read other files; raw streams (mp3,
h264) are recognised in random bytes."""
READABLE_SHARE = 0.9
"""Of the promised length, and of the packets, this much must decode."""
SHORT_BY_S = 0.5
"""Missing less than this at the end is rounding."""
PROGRESS_STEP = 0.01


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
        progress: Is told the share that is done, 0..1.

    Raises:
        CorruptMedia: not a media file, or one that breaks off.
        UnsupportedMedia: too long, or nothing in it that can be decoded.
    """
    av.logging.set_level(None)  # what matters is raised; the rest is noise on stderr
    try:
        container = av.open(
            str(path),
            metadata_errors="ignore",
            options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file"},
        )
    except (av.FFmpegError, OSError) as exc:
        raise CorruptMedia(f"{path.name} cannot be opened as a video: {_reason(exc)}") from exc
    with container:
        source = _Source.of(path, container, max_duration_s)
        run = _Pass(source, view, fps, progress)
        run.read()
        return run.clip(slot, generation)


@dataclass(slots=True, kw_only=True)
class _Source:
    """The streams that are read, and what the container says about them."""

    path: Path
    container: av.container.InputContainer
    video: av.VideoStream | None
    audio: av.AudioStream | None
    duration_s: float | None
    max_duration_s: float

    @classmethod
    def of(cls, path: Path, container: av.container.InputContainer, max_duration_s: float) -> "_Source":
        video = _first([s for s in container.streams.video if not _is_cover(s)])
        audio = _first(list(container.streams.audio))
        if video is None and audio is None:
            found = ", ".join(
                f"{s.type} {s.codec.name if s.codec_context else '(no decoder)'}" for s in container.streams
            )
            kind = UnsupportedMedia if found else CorruptMedia
            raise kind(f"{path.name} has no picture or sound that can be decoded: {found or 'no streams'}")
        duration_s = container.duration / av.time_base if container.duration and container.duration > 0 else None
        if duration_s is not None and duration_s > max_duration_s:
            raise _too_long(path, duration_s, max_duration_s)
        for stream in (video, audio):
            if stream is not None:
                stream.codec_context.thread_count = 1  # parallel work is in other processes
        return cls(
            path=path,
            container=container,
            video=video,
            audio=audio,
            duration_s=duration_s,
            max_duration_s=max_duration_s,
        )


class _Pass:
    """The one loop over the packets."""

    def __init__(
        self, source: _Source, view: NDArray[np.uint8], fps: float, progress: Callable[[float], None] | None
    ) -> None:
        self._source, self._view, self._fps, self._progress = source, view, fps, progress
        self._writer = SlotWriter(view)
        self._sound = self._plan_sound()
        self._pictures: Pictures | None = None
        self._shape = _Shape()
        self._origin_s = 0.0
        self._last_s = 0.0
        self._last_length_s: float | None = None
        self._reported = 0.0
        self._health = {"video": _Health(), "audio": _Health()}

    def read(self) -> None:
        """Decode everything; raises where the file is not readable to its end."""
        streams = [s for s in (self._source.video, self._source.audio) if s is not None]
        packets = self._source.container.demux(streams)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as exc:
                self._health["video" if self._source.video else "audio"].note(exc)
                break
            if packet is None:
                break
            self._decode(packet)
        self._check()

    def clip(self, slot: int, generation: int) -> Clip:
        """Return where everything lies."""
        if self._pictures is not None:
            self._pictures.close()
        covers16 = covers48 = 0.0
        if self._sound is not None:
            origin_s = self._origin_s if self._pictures else (self._sound.start_s or 0.0)
            covers16, covers48 = self._sound.close(origin_s)
        return Clip(
            slot=slot,
            generation=generation,
            blocks=dict(self._writer.blocks),
            facts=self._facts(),
            audio16_covers_s=covers16,
            audio48_covers_s=covers48,
        )

    def _plan_sound(self) -> Sound | None:
        audio = self._source.audio
        if audio is None:
            return None
        plan = self._plan(None, None, None)
        return Sound(self._writer, plan.audio16_samples, plan.audio48_samples)

    def _plan(self, width_px: int | None, height_px: int | None, video_fps: float | None) -> sampling.Plan:
        return sampling.plan(
            slot_bytes=len(self._view),
            width_px=width_px,
            height_px=height_px,
            video_fps=video_fps,
            duration_s=self._source.duration_s,
            has_audio=self._source.audio is not None,
            fps=self._fps,
        )

    def _decode(self, packet: av.Packet) -> None:
        health = self._health[packet.stream.type]
        health.packets += packet.size > 0
        try:
            frames = packet.decode()
        except av.FFmpegError as exc:
            health.note(exc)
            return
        for frame in frames:
            health.frames += 1
            if isinstance(frame, av.VideoFrame):
                self._see(frame)
            elif self._sound is not None:
                self._sound.add(frame)

    def _see(self, frame: av.VideoFrame) -> None:
        if self._pictures is None:
            self._pictures = self._first_picture(frame)
        rate = self._source.video.average_rate if self._source.video else None
        step_s = float(1 / rate) if rate else 1 / sampling.ASSUMED_FPS
        time_s = self._last_s + step_s if frame.time is None else float(frame.time) - self._origin_s
        self._last_s = time_s = max(time_s, self._last_s)  # a step back in time is a broken stamp
        length = frame.duration * frame.time_base if frame.duration and frame.time_base else None
        self._last_length_s = None if length is None else float(length)
        if time_s > self._source.max_duration_s:
            raise _too_long(self._source.path, time_s, self._source.max_duration_s)
        self._pictures.add(frame, time_s)
        self._report(time_s)

    def _first_picture(self, frame: av.VideoFrame) -> Pictures:
        video = self._source.video
        matrix = frame.side_data.get("DISPLAYMATRIX")
        orient = orientation(bytes(matrix) if matrix is not None else None)
        aspect = video.codec_context.sample_aspect_ratio if video is not None else None
        self._origin_s = 0.0 if frame.time is None else float(frame.time)
        self._shape = _Shape.of(frame, float(aspect) if aspect else 1.0, orient)
        rate = video.average_rate if video is not None else None
        video_fps = float(rate) if rate and 1 <= rate <= 240 else None
        plan = self._plan(self._shape.width_px, self._shape.height_px, video_fps)
        return Pictures(self._writer, plan, orient)

    def _report(self, time_s: float) -> None:
        if self._progress is None or not self._source.duration_s:
            return
        ratio = min(1.0, time_s / self._source.duration_s)
        if ratio >= self._reported + PROGRESS_STEP:
            self._reported = ratio
            self._progress(ratio)

    def _check(self) -> None:
        name = self._source.path.name
        for kind, health in self._health.items():
            if health.errors and (health.errors > (1 - READABLE_SHARE) * health.packets or not health.frames):
                raise CorruptMedia(
                    f"{name}: {health.errors} of {health.packets} {kind} packets do not decode ({health.last_error})"
                )
        if self._source.video is not None and self._pictures is None:
            raise CorruptMedia(f"{name} names a {self._source.video.codec.name} picture but holds no frame of it")
        measured_s, promised_s = self._measured_s(), self._source.duration_s
        if measured_s == 0.0 and self._pictures is None:
            raise CorruptMedia(f"{name} holds no frame and no sound")
        if promised_s and measured_s < min(promised_s * READABLE_SHARE, promised_s - SHORT_BY_S):
            raise CorruptMedia(f"{name} breaks off: {measured_s:.1f} of {promised_s:.1f} s decode")

    def _measured_s(self) -> float:
        sound_s = 0.0
        if self._sound is not None and self._sound.start_s is not None:
            origin_s = self._origin_s if self._pictures else self._sound.start_s
            sound_s = self._sound.end_s - origin_s
        return max(self._picture_s(), sound_s)

    def _picture_s(self) -> float:
        if self._pictures is None:
            return 0.0
        count = self._pictures.count
        gap_s = self._last_s / (count - 1) if count > 1 else 0.0
        return self._last_s + (self._last_length_s or gap_s)

    def _facts(self) -> MediaFacts:
        container, video, audio = self._source.container, self._source.video, self._source.audio
        count = self._pictures.count if self._pictures else 0
        heard = audio is not None and self._health["audio"].frames > 0
        picture_s = self._picture_s()
        fps = (count - 1) / self._last_s if count > 1 and self._last_s else count / picture_s if picture_s else None
        return MediaFacts(
            duration_s=self._source.duration_s or self._measured_s(),
            size_bytes=self._source.path.stat().st_size,
            container=container.format.name,
            bitrate_kbps=container.bit_rate / 1000 if container.bit_rate else None,
            width_px=self._shape.width_px,
            height_px=self._shape.height_px,
            fps=fps,
            frame_count=count,
            rotation_deg=self._shape.rotation_deg,
            video_codec=video.codec.name if video is not None else None,
            audio_codec=audio.codec.name if audio is not None and heard else None,
            audio_rate_hz=audio.rate if audio is not None and heard else None,
            audio_channels=audio.channels if audio is not None and heard else None,
        )


@dataclass(slots=True)
class _Health:
    """What went wrong in one stream."""

    packets: int = 0
    frames: int = 0
    errors: int = 0
    last_error: str = ""

    def note(self, error: Exception) -> None:
        self.errors += 1
        self.last_error = _reason(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """The picture as it is displayed; `None` where there is none."""

    width_px: int | None = None
    height_px: int | None = None
    rotation_deg: int = 0

    @classmethod
    def of(cls, frame: av.VideoFrame, pixel_aspect: float, orient: Orientation) -> "_Shape":
        width = max(1, round(frame.width * pixel_aspect))
        height = frame.height
        if orient.transpose:
            width, height = height, width
        return cls(width_px=width, height_px=height, rotation_deg=orient.rotation_deg)


def _first(streams: list[Any]) -> Any:
    usable = [s for s in streams if s.codec_context is not None]
    return next((s for s in usable if s.disposition & Disposition.default), usable[0] if usable else None)


def _is_cover(stream: av.VideoStream) -> bool:
    cover = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    return bool(stream.disposition & cover)


def _too_long(path: Path, duration_s: float, limit_s: float) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"{path.name} lasts {duration_s:.0f} s, longer than analysis.max_duration_s = {limit_s:g}; raise it to analyze"
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
