"""Sounds made in numpy for tests, and the plug-ins of sound run over them. Nothing here knows an expected result."""

import io
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


def load(path: Path | io.BytesIO, rate_hz: int = 16_000, *, stereo: bool = False) -> NDArray[np.float32]:
    """Return the sound of a media file as floats, `(n,)` or `(n, 2)`."""
    with av.open(path if isinstance(path, io.BytesIO) else str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="stereo" if stereo else "mono", rate=rate_hz)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    flat = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).reshape(-1)
    return flat.reshape(-1, 2) if stereo else flat


FORMANTS_HZ = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""Of the vowels a, i, u, e, o of a man (Peterson and Barney 1952)."""


def voice(seconds: float, seed: int = 0, rate_hz: int = 16_000) -> Sound:
    """Return nonsense syllables, about four and a half a second: falling pulses through gliding formants, and hiss."""
    from scipy.signal import lfilter

    random = np.random.default_rng(seed)
    track = np.zeros(round(seconds * rate_hz))
    hiss_n, at_s = round(0.06 * rate_hz), 0.0
    while at_s < seconds - 0.3:
        n = round(random.uniform(0.12, 0.22) * rate_hz)
        share = np.linspace(0.0, 1.0, n)
        f0_hz = random.uniform(110, 150) + share * random.uniform(-50, -5)
        source = np.diff(np.floor(np.cumsum(f0_hz) / rate_hz), prepend=0.0)
        syllable = np.zeros(n)
        for weight, vowel in zip((1 - share, share), random.integers(0, len(FORMANTS_HZ), 2), strict=True):
            through = lfilter([1.0], [1.0, -0.95], source)
            for k, formant_hz in enumerate(FORMANTS_HZ[vowel]):
                pole = np.exp(-np.pi * (60 + 40 * k) / rate_hz)
                swing = 2 * pole * np.cos(2 * np.pi * formant_hz / rate_hz)
                through = lfilter([1 - swing + pole**2], [1.0, -swing, pole**2], through)
            syllable += weight * through
        syllable = np.diff(syllable, prepend=0.0) * np.minimum(1.0, np.minimum(share, 1 - share) * n / (0.03 * rate_hz))
        start = round(at_s * rate_hz)
        track[start : start + n] += syllable / np.abs(syllable).max() * random.uniform(0.5, 1.0)
        rest = track[start + n : start + n + hiss_n]
        rest += (0.08 * np.diff(random.standard_normal(hiss_n + 1)) * np.hanning(hiss_n))[: len(rest)]
        at_s += n / rate_hz + 0.06
    return np.asarray(track / np.abs(track).max() * 0.5)


def song(seed: int, seconds: float = 30.0, rate_hz: int = 16_000) -> Sound:
    """Return a made-up song: chords, bass, melody and drums; each seed has its own tempo, key, riff and timbre."""
    random = np.random.default_rng(seed)
    beat_s = 60 / random.uniform(80, 150)
    root = int(random.integers(48, 60))
    scale = np.array((0, 2, 4, 5, 7, 9, 11) if random.random() < 0.5 else (0, 2, 3, 5, 7, 8, 10))
    progression, riff = random.permutation(7)[:4], random.integers(0, 10, 16)
    partials, decay = int(random.integers(2, 7)), float(random.uniform(1, 5))
    track = np.zeros(round((seconds + 4) * rate_hz))

    def play(start_s: float, sound: Sound) -> None:
        start = round(start_s * rate_hz)
        if start < round(seconds * rate_hz):
            track[start : start + len(sound)] += sound

    def pitch_hz(degree: int, octave: int = 0) -> float:
        return float(440.0 * 2 ** ((root + scale[degree % 7] + 12 * (degree // 7 + octave) - 69) / 12))

    t = np.arange(rate_hz // 5) / rate_hz
    kick = 0.4 * np.sin(2 * np.pi * (50 + 30 * np.exp(-30 * t)) * t) * np.exp(-15 * t)
    for beat in range(int(seconds / beat_s) + 1):
        now_s, degree = beat * beat_s, int(progression[beat // 4 % 4])
        if beat % 4 == 0:
            for third in (0, 2, 4):
                play(now_s, note(pitch_hz(degree + third), 3.9 * beat_s, rate_hz, partials, 0.4 * decay))
        play(now_s, 1.5 * note(pitch_hz(degree, -1), 0.9 * beat_s, rate_hz, 3))
        for half in (0, 1):
            step = int(riff[(2 * beat + half) % 16] if random.random() < 0.7 else random.integers(0, 10))
            if random.random() < 0.8:
                hz = pitch_hz(step, 1) * 2 ** (random.normal(0, 3) / 1200)
                play(now_s + half * beat_s / 2, note(hz, 0.5 * beat_s, rate_hz, partials, decay))
        snare = 0.15 * random.standard_normal(2400) * np.exp(-np.arange(2400) / 400)
        play(now_s, kick if beat % 2 == 0 else snare)
        play(now_s + beat_s / 2, 0.06 * random.standard_normal(800) * np.exp(-np.arange(800) / 150))
    track = track[: round(seconds * rate_hz)]
    return track / np.abs(track).max() * 0.7


def sped_up(sound: NDArray[Any], ratio: float) -> Sound:
    """Return the sound played `ratio` times as fast, pitch included."""
    return np.interp(np.arange(0, len(sound) - 1, ratio), np.arange(len(sound)), sound)


def through_aac(sound: NDArray[Any], kbit_s: int = 48) -> NDArray[np.float32]:
    """Return a mono 16 kHz sound after AAC at 44.1 kHz and back."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        stream.bit_rate = kbit_s * 1000
        frame = av.AudioFrame.from_ndarray(np.asarray(sound, np.float32)[None], format="fltp", layout="mono")
        frame.rate = 16_000
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=44_100)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            for packet in stream.encode(part):
                container.mux(packet)
    memory.seek(0)
    return load(memory)
