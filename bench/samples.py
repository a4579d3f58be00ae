"""Sample clips made on the spot: moving textures, hard cuts at known times, burnt-in text, music or noise; H.264 + AAC.

Deterministic, each clip different, well under 3 s each to make on two cores. What a clip holds is known before it is
made (`truth`). They contain no people and no speech: those cannot be made up, so analyzers of them find nothing here.
"""

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FPS = 30
SOUND_HZ = 44_100
CAPTIONS = (
    (("WAIT FOR IT", "3 easy steps"), ("STEP ONE", "cut the paper"), ("Follow for part 2", "@paper_daily")),
    (("MY MORNING ROUTINE", "coffee first"), ("50% OFF TODAY", "link in bio"), ("Save this video", "see you soon")),
    (("HOW TO PLANT A TREE", "in one minute"), ("WATER IT DAILY", "full sun"), ("comment below", "Which tree?")),
    (("BEST CITY WALKS", "number 5"), ("NUMBER ONE", "old harbour"), ("Share with a friend", "travel 2026")),
)
CHORDS_HZ = ((220.0, 277.2, 329.6), (146.8, 185.0, 220.0), (164.8, 207.7, 246.9), (185.0, 220.0, 277.2))
"""A major, D major, E major, F sharp minor: I IV V vi in A."""
TEMPOS_BPM = (120, 100, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What one clip holds."""

    cuts_s: tuple[float, ...]
    texts: tuple[tuple[float, float, tuple[str, ...]], ...]
    """(start_s, end_s, lines)."""
    tempo_bpm: int | None
    """`None`: the sound is tones in noise, without a beat."""


def truth(number: int, seconds: float) -> Truth:
    """Return what clip `number` (0…) holds when it lasts `seconds`."""
    shots = 3 + number % 3
    rng = np.random.default_rng(1000 + number)
    even = np.arange(1, shots) * seconds / shots
    cuts = np.round((even + rng.uniform(-0.15, 0.15, shots - 1) * seconds / shots) * FPS) / FPS
    captions = CAPTIONS[number % len(CAPTIONS)]
    part = seconds / len(captions)
    texts = tuple((round(i * part, 3), round((i + 0.85) * part, 3), lines) for i, lines in enumerate(captions))
    tempo = None if number % 4 == 3 else TEMPOS_BPM[number % len(TEMPOS_BPM)]
    return Truth(cuts_s=tuple(cuts.tolist()), texts=texts, tempo_bpm=tempo)


def make(
    directory: Path, *, count: int = 3, seconds: float = 12, size: tuple[int, int] = (576, 1024), sound: bool = True
) -> list[Path]:
    """Write `count` clips of `size` (width, height, both even) into `directory` and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"sample_{number:02d}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        _write(path, number, seconds, size, sound)
    return paths


def repeat(source: Path, target: Path, times: int) -> Path:
    """Write `times` copies of a clip one after another, without encoding anything again; returns `target`.

    Each stream goes on where it ended: ten minutes of a 30 s clip take half a second.
    """
    with av.open(str(source)) as shown, av.open(str(target), "w") as container:
        copies = {stream.index: container.add_stream_from_template(stream) for stream in shown.streams}
        ends = dict.fromkeys(copies, 0)
        for _ in range(times):
            shown.seek(0)
            shift: dict[int, int] = {}
            for packet in shown.demux():
                if packet.dts is None or packet.pts is None:
                    continue  # the packet that ends a stream
                index = packet.stream.index
                later = shift.setdefault(index, ends[index] - packet.dts)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                ends[index] = packet.dts + (packet.duration or 0)
                packet.stream = copies[index]
                container.mux(packet)
    return target


def _write(path: Path, number: int, seconds: float, size: tuple[int, int], sound: bool) -> None:
    known = truth(number, seconds)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "23", "threads": "2"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        context.color_range = 1
        audio = container.add_stream("aac", rate=SOUND_HZ, layout="stereo") if sound else None
        for index, picture in enumerate(_pictures(known, number, seconds, size)):
            frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            _write_sound(container, audio, _sound(known, number, seconds))


def _pictures(known: Truth, number: int, seconds: float, size: tuple[int, int]):  # noqa: ANN202 - a generator of arrays
    """Yield (H * 3 / 2, W) uint8 YUV 4:2:0 pictures."""
    starts = [0, *(round(cut * FPS) for cut in known.cuts_s)]
    layers = [_layer(lines, size) for _, _, lines in known.texts]
    for shot, (first, last) in enumerate(zip(starts, [*starts[1:], round(seconds * FPS)], strict=True)):
        rng = np.random.default_rng((number, shot))
        texture = _texture(rng, size)
        angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(1.5, 4.0)
        for index in range(first, last):
            picture = _window(texture, size, angle, speed * (index - first))
            for (start_s, end_s, _), (alpha, ink) in zip(known.texts, layers, strict=True):
                if start_s <= index / FPS < end_s:
                    rows = slice(*_rows_of(alpha))
                    picture[: size[1]][rows] = np.where(alpha[rows], ink[rows], picture[: size[1]][rows])
                    chroma = picture[size[1] :].reshape(2, size[1] // 2, size[0] // 2)
                    half = slice(rows.start // 2, rows.stop // 2)
                    chroma[:, half] = np.where(alpha[::2, ::2][half], 128, chroma[:, half])
            yield picture


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return (H', W', 3) YUV: noise of several scales in two colours with discs, larger than the picture."""
    width, height = size[0] + 256, size[1] + 256
    field = np.zeros((height, width), np.float32)
    for cells, weight in ((4, 1.0), (12, 0.6), (48, 0.35), (160, 0.2)):
        coarse = rng.standard_normal((cells * height // width + 2, cells + 2)).astype(np.float32)
        field += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    share = np.clip(0.5 + field / 3.0, 0, 1)[..., None]
    dark, light = rng.uniform(0, 110, 3), rng.uniform(130, 255, 3)
    rgb = (dark + share * (light - dark)).astype(np.uint8)
    for _ in range(8):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        cv2.circle(rgb, centre, int(rng.integers(20, 90)), colour, -1, cv2.LINE_AA)
    return _to_yuv(rgb)


def _to_yuv(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return limited-range BT.709 YUV (ITU-R BT.709-6, table 3)."""
    matrix = np.array(
        [[0.1826, 0.6142, 0.0620], [-0.1006, -0.3386, 0.4392], [0.4392, -0.3989, -0.0403]], dtype=np.float32
    )
    yuv = rgb.astype(np.float32) @ matrix.T + np.array([16, 128, 128], dtype=np.float32)
    return np.clip(np.rint(yuv), 0, 255).astype(np.uint8)


def _window(texture: NDArray[np.uint8], size: tuple[int, int], angle: float, way_px: float) -> NDArray[np.uint8]:
    """Return the part of the texture that the camera sees after it has moved `way_px` to and fro along `angle`."""
    swing = 128 - abs(way_px % 256 - 128)
    x = int(128 + swing * np.cos(angle)) // 2 * 2
    y = int(128 + swing * np.sin(angle)) // 2 * 2
    seen = texture[y : y + size[1], x : x + size[0]]
    picture = np.empty((size[1] * 3 // 2, size[0]), np.uint8)
    picture[: size[1]] = seen[..., 0]
    picture[size[1] :].reshape(2, size[1] // 2, size[0] // 2)[...] = seen[::2, ::2, 1:].transpose(2, 0, 1)
    return picture


def _layer(lines: tuple[str, ...], size: tuple[int, int]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return where the text covers the picture, and its luma: white letters with a black edge."""
    ink, alpha = np.zeros((size[1], size[0]), np.uint8), np.zeros((size[1], size[0]), np.uint8)
    font, scale = cv2.FONT_HERSHEY_DUPLEX, size[0] / 576 * 1.5
    widest = max(cv2.getTextSize(line, font, scale, 3)[0][0] for line in lines)
    scale *= min(1.0, 0.9 * size[0] / widest)
    for index, line in enumerate(lines):
        (wide, high), _ = cv2.getTextSize(line, font, scale, 3)
        at = ((size[0] - wide) // 2, int(size[1] * 0.22 + index * high * 2.2))
        thick = max(1, round(3 * size[0] / 576))
        cv2.putText(alpha, line, at, font, scale, 255, thick * 4, cv2.LINE_AA)
        cv2.putText(ink, line, at, font, scale, 235, thick, cv2.LINE_AA)
    return alpha > 127, np.maximum(ink, 16)


def _rows_of(alpha: NDArray[np.bool_]) -> tuple[int, int]:
    rows = np.flatnonzero(alpha.any(axis=1))
    return int(rows[0]) // 2 * 2, int(rows[-1]) // 2 * 2 + 2


def _sound(known: Truth, number: int, seconds: float) -> NDArray[np.float32]:
    """Return (2, n) float32 in ±0.5."""
    rng = np.random.default_rng(2000 + number)
    time = np.arange(round(seconds * SOUND_HZ)) / SOUND_HZ
    if known.tempo_bpm is None:
        tone = 0.2 * np.sin(2 * np.pi * (330 + 110 * number) * time) * (np.sin(2 * np.pi * 0.5 * time) > 0)
        return np.stack([tone, tone]).astype(np.float32) + rng.normal(0, 0.05, (2, len(time))).astype(np.float32)
    beat_s = 60 / known.tempo_bpm
    within = time % beat_s
    beat = (time / beat_s).astype(int)
    chord = np.array(CHORDS_HZ)[(beat // 4 + number) % len(CHORDS_HZ)]
    music = sum(np.sin(2 * np.pi * chord[:, i] * time) for i in range(3)) * (0.3 + 0.7 * np.exp(-3 * within)) * 0.09
    kick = np.sin(2 * np.pi * (50 * within + 8 * (1 - np.exp(-30 * within)))) * np.exp(-12 * within) * 0.35
    hat = rng.normal(0, 1, len(time)) * np.exp(-80 * ((within + beat_s / 2) % beat_s)) * 0.06
    left, right = music + kick + hat, 0.9 * music + kick - hat
    return np.clip(np.stack([left, right]), -0.9, 0.9).astype(np.float32)


def _write_sound(container: av.container.OutputContainer, stream: av.AudioStream, sound: NDArray[np.float32]) -> None:
    for start in range(0, sound.shape[1], 1024):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, start : start + 1024]), "fltp", "stereo")
        frame.sample_rate, frame.pts = SOUND_HZ, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
