"""Small real videos, made at test time. Knows no server."""

import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

RATE_HZ = 44_100


@cache
def mp4(
    *,
    frames: int = 60,
    width: int = 144,
    height: int = 256,
    fps: int = 30,
    codec: str = "libx264",
    picture: bool = True,
    sound: bool = True,
    seed: int = 0,
) -> bytes:
    """Return an MP4 with its index in front: a moving gradient with noise, and a rising tone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.mp4"  # moving the index to the front needs a real file
        tracks = [_sounds(frames / fps) if sound else None, _pictures(frames, width, height, seed) if picture else None]
        _write(path, *tracks, size=(width, height), fps=fps, codec=codec)
        return path.read_bytes()


def _write(path: Path, sounds, pictures, *, size: tuple[int, int], fps: int, codec: str) -> None:
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        streams = []
        if pictures is not None:
            options = {"preset": "ultrafast", "x265-params": "log-level=none"}
            video = container.add_stream(codec, rate=fps, options=options)
            (video.width, video.height), video.pix_fmt = size, "yuv420p"
            streams.append((video, pictures))
        if sounds is not None:
            streams.append((container.add_stream("aac", rate=RATE_HZ, layout="mono"), sounds))
        for stream, content in streams:
            for frame in content:
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def _pictures(count: int, width: int, height: int, seed: int):
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3), np.uint8)
    ramp = np.linspace(0, 190, height)[:, None, None]
    for index in range(count):
        picture = (np.roll(noise, 3 * index, axis=1) + np.roll(ramp, 2 * index, axis=0)).astype(np.uint8)
        yield av.VideoFrame.from_ndarray(picture, format="rgb24")


def _sounds(seconds: float):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tone = (0.3 * np.sin(2 * np.pi * (220 + 40 * time_s) * time_s)).astype(np.float32)
    for start in range(0, len(tone), 1024):
        frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        yield frame


def half(data: bytes) -> bytes:
    """Return a file that breaks off: the index is whole and promises everything."""
    return data[: len(data) * 55 // 100]
