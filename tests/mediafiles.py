"""Small media files with known content, one trait each: four coloured quarters, a moving bar, beeps at known times."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (40, 40, 220), (225, 225, 225)
"""Top left, top right, bottom left, bottom right."""


def quarters(width: int, height: int, shift: int = 0) -> NDArray[np.uint8]:
    """Return (H, W, 3) RGB in four colours; `shift` moves a black line down, so that frames differ."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, WHITE
    picture[shift % height] = 0
    return picture


def write(
    path: Path,
    *,
    times_s: Sequence[float] | None = None,
    seconds: float = 1.0,
    fps: int = 30,
    size: tuple[int, int] = (64, 96),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    tags: dict[str, int] | None = None,
    aspect: Fraction | None = None,
    picture: NDArray[np.uint8] | None = None,
    sound: NDArray[np.float32] | None = None,
    sound_rate: int = 48_000,
    sound_codec: str = "aac",
    sound_layout: str | None = None,
    sound_start_s: float = 0.0,
    video: bool = True,
) -> Path:
    """Write one file; the container follows from the suffix.

    Args:
        times_s: When each frame is shown; default: `seconds` at `fps`.
        tags: colorspace, color_primaries, color_trc, color_range as FFmpeg numbers them; default: limited BT.709.
        picture: One (H, W, 3) RGB picture for all frames instead of the quarters.
        sound: (channels, n) float32, ±1.0 is full scale.
    """
    tags = {"colorspace": 1, "color_range": 1} if tags is None else tags
    with av.open(str(path), "w", options=muxer or {}) as container:
        if video:
            stream = container.add_stream(codec, rate=fps, options=options or {})
            stream.width, stream.height, stream.pix_fmt = *size, pixels
            stream.codec_context.time_base = Fraction(1, 1000 if times_s is not None else fps)
            if aspect is not None:
                stream.codec_context.sample_aspect_ratio = aspect
            for name, number in tags.items():
                setattr(stream.codec_context, name, number)
        if sound is not None:
            layout = sound_layout or ("mono" if len(sound) == 1 else "stereo")
            heard = container.add_stream(sound_codec, rate=sound_rate, layout=layout)
        if video:
            write_pictures(container, stream, times_s, seconds, fps, picture, tags)
        if sound is not None:
            _write_sound(container, heard, sound, layout, sound_start_s)
    return path


def write_pictures(container, stream, times_s, seconds, fps, picture=None, tags=None) -> None:
    """Encode and mux one video stream."""
    stamps = range(round(seconds * fps)) if times_s is None else [round(t * 1000) for t in times_s]
    for index, stamp in enumerate(stamps):
        rgb = quarters(stream.width, stream.height, index) if picture is None else picture
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
        tagged = {name: number for name, number in (tags or {}).items() if name in ("colorspace", "color_range")}
        frame = frame.reformat(
            format=stream.pix_fmt,
            dst_colorspace=5 if tagged.get("colorspace") in (5, 6) else 9 if tagged.get("colorspace") == 9 else 1,
            dst_color_range=tagged.get("color_range", 1),
        )
        for name, number in (tags or {}).items():
            setattr(frame, name, number)
        frame.pts, frame.time_base = stamp, Fraction(1, 1000 if times_s is not None else fps)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _write_sound(container, stream, sound: NDArray[np.float32], layout: str, start_s: float) -> None:
    rate, kind = stream.rate, stream.codec_context.format.name
    step = stream.codec_context.frame_size or rate
    for start in range(0, sound.shape[1], step):
        part = np.ascontiguousarray(sound[:, start : start + step])
        if kind == "flt" or len(part) > 7:  # PyAV 18 writes no more than seven planes; the encoder takes them apart
            frame = av.AudioFrame.from_ndarray(part.T.reshape(1, -1).copy(), "flt", layout)
        else:
            frame = av.AudioFrame.from_ndarray(part, "fltp", layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = start + round(start_s * rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def beep(seconds: float, at_s: float, *, rate: int = 48_000, channels: int = 1, level: float = 0.5):
    """Return (channels, n) float32: silence with 50 ms of 1 kHz at `at_s`."""
    sound = np.zeros((channels, round(seconds * rate)), np.float32)
    start, length = round(at_s * rate), round(0.05 * rate)
    sound[:, start : start + length] = level * np.sin(2 * np.pi * 1000 * np.arange(length) / rate)
    return sound


def tone(seconds: float, level: float, *, rate: int = 48_000, channels: int = 1, hz: float = 440.0):
    """Return (channels, n) float32: a sine with peaks at `level`."""
    wave = level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


def set_display_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write the first track's display matrix (units: 1) into an MP4 file, as a phone does."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # ISO/IEC 14496-12, 8.3.2.2, version 0
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path
