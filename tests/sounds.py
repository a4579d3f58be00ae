"""Sounds made in numpy for tests, and the plug-ins of sound run over them. Nothing here knows an expected result."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tiktokd import graph, plugins
from tiktokd.model import Envelope, MediaFacts, Metadata
from tiktokd.plugins import ClipArrays, Context, LoadContext
from tiktokd.runner import Runner
from tiktokd.sound import SOUND_FULL_SCALE

Sound = NDArray[np.float64]


def to_int16(sound: NDArray[Any]) -> NDArray[np.int16]:
    """Return floats of full scale 1.0 as a clip holds them."""
    return np.clip(np.round(np.asarray(sound) * SOUND_FULL_SCALE), -32768, 32767).astype(np.int16)


def sine(freq_hz: float, level_db: float, seconds: float, rate_hz: int = 48_000, phase: float = 0.0) -> Sound:
    """Return a sine whose peak is `level_db` below full scale."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * freq_hz * t + phase)


def noise(seconds: float, level_db: float = -20.0, rate_hz: int = 16_000, seed: int = 0) -> Sound:
    """Return white noise of that RMS level."""
    return 10 ** (level_db / 20) * np.random.default_rng(seed).standard_normal(round(seconds * rate_hz))


def note(freq_hz: float, seconds: float, rate_hz: int = 16_000, partials: int = 6, decay: float = 3.0) -> Sound:
    """Return a plucked note with harmonics."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = sum(0.7**k * np.sin(2 * np.pi * freq_hz * (k + 1) * t) for k in range(partials))
    return np.asarray(0.1 * wave * np.exp(-decay * t) * np.minimum(1.0, t / 0.005))


def chord(midi: Sequence[int], seconds: float, rate_hz: int = 16_000, decay: float = 1.0) -> Sound:
    """Return several notes at once; 69 is A at 440 Hz."""
    return np.sum([note(440.0 * 2 ** ((m - 69) / 12), seconds, rate_hz, decay=decay) for m in midi], axis=0)


def context_of(
    *,
    audio16: NDArray[Any] | None = None,
    audio48: NDArray[Any] | None = None,
    channels: int = 2,
    duration_s: float | None = None,
    metadata: Metadata | None = None,
) -> Context:
    """Return a context with these sounds, floats of full scale 1.0."""
    arrays = {}
    if audio16 is not None:
        arrays["audio16"] = to_int16(audio16)
    if audio48 is not None:
        arrays["audio48"] = to_int16(audio48 if np.ndim(audio48) == 2 else np.stack((audio48, audio48), axis=1))
    covers48 = len(arrays.get("audio48", ())) / 48_000
    covers16 = len(arrays["audio16"]) / 16_000 if audio16 is not None else covers48
    facts = MediaFacts(
        duration_s=duration_s or max(covers16, covers48),
        size_bytes=1,
        container="mp4",
        bitrate_kbps=None,
        width_px=None,
        height_px=None,
        fps=None,
        frame_count=0,
        rotation_deg=0,
        video_codec=None,
        audio_codec="aac" if arrays else None,
        audio_rate_hz=48_000,
        audio_channels=channels,
    )
    return Context(
        facts=facts,
        arrays=ClipArrays(arrays),
        audio48_covers_s=covers48,
        audio16_covers_s=covers16,
        metadata=metadata or Metadata(),
    )


def runner_of(*analyzers: str) -> Runner:
    """Return a runner that knows these analyzers and what they use, nothing else."""
    specs = {name: plugins.analyzer(name) for name in analyzers}
    found: dict[str, plugins.Encoder] = {}
    names = [name for spec in specs.values() for name in spec.uses]
    while names:
        name = names.pop()
        if name not in found:
            found[name] = plugins.encoder(name)
            names += found[name].uses
    return Runner(LoadContext(), graph.Catalogue(encoders=found, analyzers=specs))


def analyze(name: str, context: Context) -> Envelope:
    """Return the result of one analyzer of sound."""
    return runner_of(name).level1([name], "all", context, lambda _name: None).outputs[name]


def load(path: Path, rate_hz: int = 16_000, *, stereo: bool = False) -> NDArray[np.float32]:
    """Return the sound of a media file as floats, `(n,)` or `(n, 2)`."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="stereo" if stereo else "mono", rate=rate_hz)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    flat = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).reshape(-1)
    return flat.reshape(-1, 2) if stereo else flat
