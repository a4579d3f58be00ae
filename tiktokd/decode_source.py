"""Opens a media file and picks the streams that are worth decoding. Decodes nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from av.stream import Disposition

from tiktokd.decode_kinds import LOOKED_AT_BYTES, PICTURES, kind_of
from tiktokd.errors import CorruptMedia, TiktokdError, UnsupportedMedia

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,asf,ogg,wav"
"""Demuxers that may open a file. Playlists and scripts (hls, concat, dash) would read other files; raw streams (mp3,
h264) are recognised in random bytes."""
NOT_MOVING = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Pictures that are not the video: cover art, previews."""
StreamT = TypeVar("StreamT", av.VideoStream, av.AudioStream)


@dataclass(slots=True, kw_only=True)
class Source:
    """An open file, its one picture and its one sound stream, and what the container promises."""

    path: Path
    container: InputContainer
    video: av.VideoStream | None
    audio: av.AudioStream | None
    promised_s: float | None
    """Length; `None` where the container does not say."""
    start_s: float
    """Container time from which `promised_s` counts."""
    max_duration_s: float

    @property
    def streams(self) -> list[av.VideoStream | av.AudioStream]:
        """The streams to demux."""
        return [stream for stream in (self.video, self.audio) if stream is not None]

    @property
    def video_fps(self) -> float | None:
        """Mean frame rate that the container names; `None` where it names none that is possible."""
        rate = self.video.average_rate if self.video is not None else None
        return float(rate) if rate and 1 <= rate <= 240 else None

    def too_long(self, duration_s: float) -> TiktokdError:
        """Return the refusal of a file of this length."""
        return UnsupportedMedia(
            f"{self.path.name} lasts {duration_s:.0f} s, more than analysis.max_duration_s = {self.max_duration_s:g};"
            " raise that to analyze it"
        )


def open_source(path: Path, max_duration_s: float) -> Source:
    """Return the opened file; the caller closes `container`.

    Raises:
        CorruptMedia: not a media file.
        UnsupportedMedia: too long, or nothing in it for which there is a decoder.
    """
    av.logging.set_level(None)  # what matters is raised; the rest is noise on stderr
    try:
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        container = av.open(str(path), metadata_errors="ignore", options=options)
    except (av.FFmpegError, OSError, ValueError) as exc:
        raise CorruptMedia(f"{path.name} cannot be opened as a video: {reason(exc)}; {beginning(path)}") from exc
    try:
        return _chosen(path, container, max_duration_s)
    except BaseException:
        container.close()
        raise


def _chosen(path: Path, container: InputContainer, max_duration_s: float) -> Source:
    if container.metadata.get("major_brand", "").encode() in PICTURES:  # FFmpeg opens them, some tile by tile
        raise UnsupportedMedia(f"{path.name} is a still picture (HEIF), not a video")
    moving = [s for s in container.streams.video if not s.disposition & NOT_MOVING]
    duration, start = container.duration, container.start_time
    source = Source(
        path=path,
        container=container,
        video=_first(moving),
        audio=_first(container.streams.audio),
        promised_s=duration / av.time_base if duration and duration > 0 else None,
        # Matroska's length counts from 0, even where nothing begins there.
        start_s=0.0 if start is None or "matroska" in container.format.name else start / av.time_base,
        max_duration_s=max_duration_s,
    )
    if not source.streams or (moving and source.video is None):
        found = ", ".join(_describe(stream) for stream in container.streams)
        kind = UnsupportedMedia if found else CorruptMedia
        what = "picture" if moving else "picture or sound"
        raise kind(f"{path.name} has no {what} that can be decoded here; it holds {found or 'no streams'}")
    if source.promised_s is not None and source.promised_s > max_duration_s:
        raise source.too_long(source.promised_s)
    for stream in source.streams:
        stream.codec_context.thread_count = 1  # parallel work is in other processes
    return source


def _first(streams: Sequence[StreamT]) -> StreamT | None:
    """Return the default stream, else the first, of those that have a decoder."""
    usable = [stream for stream in streams if stream.codec_context is not None]
    return next((s for s in usable if s.disposition & Disposition.default), usable[0] if usable else None)


def _describe(stream: av.stream.Stream) -> str:
    cover = " (a still picture)" if stream.disposition & NOT_MOVING else ""
    name = stream.codec.canonical_name if getattr(stream, "codec_context", None) is not None else "of unknown codec"
    return f"{stream.type} {name}{cover}"


def beginning(path: Path) -> str:
    """Return what a file is by how it begins, for people who wonder."""
    try:
        with path.open("rb") as file:
            return kind_of(file.read(LOOKED_AT_BYTES))
    except OSError as exc:
        return f"it cannot be read: {exc.strerror}"


def reason(error: BaseException) -> str:
    """Return FFmpeg's or the system's words without the path that it repeats."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
