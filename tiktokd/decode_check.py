"""Whether a media file decodes from beginning to end. Keeps nothing of what it decodes; knows nothing of slots.

A file can open, show its full length, and still lack its second half: only decoding finds out.
"""

from pathlib import Path

import av

from tiktokd.decode_source import NOT_MOVING, begins, reason
from tiktokd.errors import CorruptMedia, UnsupportedMedia

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"
"""What TikTok serves (MP4), and what yt-dlp may name alike. Playlists and scripts would open other files."""
COMPLETE_SHARE = 0.9
"""Of the frames in the container's index, this much must be in the file; edit lists may hide some."""


def check(path: Path) -> None:
    """Return if the file has a picture and every packet of picture and sound decodes.

    Raises:
        CorruptMedia: not a media file, or it breaks off, or a packet does not decode.
        UnsupportedMedia: it plays, but has no picture, or one in a codec without a decoder here.
    """
    av.logging.set_level(None)  # what matters is raised; the rest is noise on stderr
    try:
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        with av.open(str(path), metadata_errors="ignore", options=options) as container:
            video = _picture(path, container)
            _decode_all(path, container, video)
    except (av.FFmpegError, EOFError) as exc:
        raise CorruptMedia(f"{path.name} cannot be read as a video: {reason(exc)}{begins(path)}") from exc


def _picture(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    streams = [stream for stream in container.streams.video if not stream.disposition & NOT_MOVING]
    playable = next((stream for stream in streams if stream.codec_context is not None), None)
    if playable is None:
        others = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UnsupportedMedia(f"{path.name} has no picture that can be decoded (it holds: {others})")
    return playable


def _decode_all(path: Path, container: av.container.InputContainer, video: av.VideoStream) -> None:
    """Decode every packet; the loop filter is left out, which saves a quarter of the time and hides no error."""
    video.codec_context.thread_count = 1  # parallel work is in other processes
    video.codec_context.options = {"skip_loop_filter": "all"}
    streams = [video, *(s for s in container.streams.audio if s.codec_context is not None)]
    packets, pictures = 0, 0
    for packet in container.demux(streams):
        try:
            frames = packet.decode()
        except av.FFmpegError as exc:
            raise CorruptMedia(_where(path, packet, pictures, video.frames, reason(exc))) from exc
        if packet.stream is video:
            packets += packet.size > 0
            pictures += len(frames)
    if not pictures:
        raise CorruptMedia(f"{path.name} names a {video.codec_context.name} picture but holds no frame of it")
    if packets < COMPLETE_SHARE * video.frames:
        raise CorruptMedia(f"{path.name} breaks off: it holds {packets} of the {video.frames} frames of its index")


def _where(path: Path, packet: av.Packet, pictures: int, promised: int, why: str) -> str:
    of = f" of {promised}" if promised else ""
    return f"{path.name}: a packet of {packet.stream.type} does not decode after {pictures}{of} frames: {why}"
