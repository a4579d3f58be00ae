"""Made-up clips without a codec: the odd videos on which no plug-in may raise or invent a number."""

from collections.abc import Callable

import numpy as np

from tests.sounds import voice
from tiktokd.model import Clip, MediaFacts
from tiktokd.plugins import Array, ClipArrays

RATE = 16384
"""int16 full scale of the sound blocks."""


def facts(*, duration_s: float, frames: int, audio: bool, size: tuple[int, int] = (576, 1024)) -> MediaFacts:
    """Return container facts for a clip of this length; `frames` 0: no picture."""
    return MediaFacts(
        duration_s=duration_s,
        size_bytes=100_000,
        container="mov,mp4,m4a,3gp,3g2,mj2",
        bitrate_kbps=800.0,
        width_px=size[0] if frames else None,
        height_px=size[1] if frames else None,
        fps=frames / duration_s if frames else None,
        frame_count=frames,
        rotation_deg=0,
        video_codec="h264" if frames else None,
        audio_codec="aac" if audio else None,
        audio_rate_hz=48000 if audio else None,
        audio_channels=2 if audio else None,
    )


def pictures(frames: int, duration_s: float, luma: Callable[[int], Array], size: tuple[int, int]) -> dict[str, Array]:
    """Return the picture blocks of a grey clip; `luma(i)` is an (H, W) uint8 picture."""
    width, height = size
    times = np.arange(frames) / frames * duration_s
    chosen = np.unique(np.linspace(0, frames - 1, max(1, min(frames, int(2 * duration_s) or 1))).astype(int))
    low_chosen = np.unique(np.linspace(0, frames - 1, max(1, min(frames, int(10 * duration_s) or 1))).astype(int))
    grey = np.full((height // 2, width), 128, np.uint8)
    step = max(1, min(width, height) // 160)
    rows, columns = np.linspace(0, height - 1, 27).astype(int), np.linspace(0, width - 1, 48).astype(int)
    small = [luma(i)[np.ix_(rows, columns)] for i in range(frames)]
    return {
        "frames": np.stack([np.concatenate([luma(i), grey]) for i in chosen]),
        "frames_pts": times[chosen],
        "low": np.stack([luma(i)[::step, ::step] for i in low_chosen]),
        "low_pts": times[low_chosen],
        "thumbs": np.repeat(np.stack(small)[..., None], 3, axis=3),
        "thumbs_pts": times,
    }


def sound(samples: Array) -> dict[str, Array]:
    """Return the sound blocks for mono float samples at 48 kHz, full scale 1.0."""
    wide = (np.clip(samples, -1.99, 1.99) * RATE).astype(np.int16)
    return {"audio48": np.stack([wide, wide], axis=1), "audio16": wide[::3].copy()}


def clip_of(media: MediaFacts, arrays: dict[str, Array]) -> tuple[Clip, ClipArrays]:
    """Return a clip whose arrays lie in no slot."""
    covers = len(arrays["audio16"]) / 16000 if "audio16" in arrays else 0.0
    return (
        Clip(slot=0, generation=1, blocks={}, facts=media, audio48_covers_s=covers, audio16_covers_s=covers),
        ClipArrays(arrays),
    )


def _noise(frame: int, size: tuple[int, int]) -> Array:
    return np.random.default_rng(frame).integers(16, 235, (size[1], size[0]), np.uint8)


def _flat(level: int, size: tuple[int, int]) -> Callable[[int], Array]:
    return lambda _i: np.full((size[1], size[0]), level, np.uint8)


def odd_clips() -> dict[str, tuple[Clip, ClipArrays]]:
    """Return name → clip: black, white, static, noise, one frame, one second, square, silent, no sound, sound only …"""
    tall, square = (144, 256), (160, 160)
    silence = np.zeros(3 * 48000)
    hiss = np.random.default_rng(0).normal(0, 0.1, 3 * 48000)
    still = _noise(7, tall)
    made = {
        "black": (3.0, 90, _flat(16, tall), tall, silence),
        "white": (3.0, 90, _flat(235, tall), tall, silence),
        "static_picture": (3.0, 90, lambda _i: still, tall, hiss),
        "moving_noise": (3.0, 60, lambda i: _noise(i, tall), tall, hiss),
        "no_sound": (3.0, 90, lambda _i: still, tall, None),
        "one_frame": (0.04, 1, lambda _i: still, tall, None),
        "one_frame_with_sound": (0.04, 1, lambda _i: still, tall, hiss[:1920]),
        "one_second": (1.0, 30, lambda i: _noise(i // 10, tall), tall, hiss[:48000]),
        "square": (2.0, 30, lambda i: _noise(i // 5, square), square, hiss[:96000]),
    }
    clips = {}
    for name, (duration_s, frames, luma, size, samples) in made.items():
        arrays = pictures(frames, duration_s, luma, size) | ({} if samples is None else sound(samples))
        media = facts(duration_s=duration_s, frames=frames, audio=samples is not None, size=size)
        clips[name] = clip_of(media, arrays)
    clips["sound_only"] = clip_of(facts(duration_s=3.0, frames=0, audio=True), sound(hiss))
    clips["silence_only"] = clip_of(facts(duration_s=3.0, frames=0, audio=True), sound(silence))
    clips["sound_of_one_sample"] = clip_of(facts(duration_s=0.01, frames=0, audio=True), sound(hiss[:3]))
    return clips


def talk() -> tuple[Clip, ClipArrays]:
    """Return three seconds of pictures and nonsense speech."""
    arrays = pictures(30, 3.0, lambda i: _noise(i // 10, (144, 256)), (144, 256)) | sound(voice(3.0, rate_hz=48_000))
    return clip_of(facts(duration_s=3.0, frames=30, audio=True, size=(144, 256)), arrays)


def padded(duration_s: float, samples: Array) -> tuple[Clip, ClipArrays]:
    """Return a clip with this sound, which ends 20 ms after the pictures, as AAC pads it."""
    size, frames = (144, 256), round(duration_s * 30)
    heard = np.concatenate([samples[: int(duration_s * 48000)], samples[:960]])
    arrays = pictures(frames, duration_s, lambda i: _noise(i // 10, size), size)
    return clip_of(facts(duration_s=duration_s, frames=frames, audio=True, size=size), arrays | sound(heard))


def chord(duration_s: float) -> Array:
    """Return C major at 48 kHz."""
    times = np.arange(int(duration_s * 48000)) / 48000
    return np.sin(2 * np.pi * np.array([[261.6], [329.6], [392.0]]) * times).sum(axis=0) * 0.15
