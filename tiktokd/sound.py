"""What the sound encoders hand to the analyzers of sound: one value type per encoder, and when a track is silent.

Knows no model and no clip. Times are seconds from the start of the sound, levels are relative to full scale (±1.0).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Span = tuple[float, float]
"""Start and end in seconds."""

SOUND_FULL_SCALE = 16384
"""The int16 value of 1.0 in a clip's sound (`model.Clip`)."""
SILENCE_PEAK = round(SOUND_FULL_SCALE * 10 ** (-70 / 20))
"""A track whose samples all stay below -70 dBFS has nothing to measure: BS.1770-4's absolute gate is -70 LUFS."""
ONLY_SILENCE = "the sound track holds only silence"
"""What analyzers of sound say of such a track, beside `no_audio`."""

CUT_SLACK_S = 0.2
"""Resamplers and containers differ by so much at the end."""
LONG_SOUND_S = 60.0
"""Less always fits (`sampling`)."""


def is_silent(samples: NDArray[np.int16]) -> bool:
    """Return whether int16 samples of a clip (see `model.Clip`) hold nothing but silence, or nothing at all."""
    if samples.size == 0:
        return True
    return max(int(samples.max()), -int(samples.min())) <= SILENCE_PEAK


def cut_off_at(covers_s: float, other_covers_s: float, video_s: float) -> float | None:
    """Return up to where a clip's sound was looked at if its rest did not fit into the slot, else `None`.

    The other rate holding more proves it. Sound may also end before the picture does; since a slot holds minutes of
    16 kHz sound, only a long track that stops before the video's end counts as cut.
    """
    cut = other_covers_s > covers_s + CUT_SLACK_S or (covers_s >= LONG_SOUND_S and video_s > covers_s + 1.0)
    return covers_s if cut else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """Features of encoder `level`, from 48 kHz stereo (one channel where the file is mono)."""

    power: NDArray[np.float64]
    """(n,) K-weighted mean square of each whole 0.1 s, summed over channels (BS.1770-4)."""
    true_peak_dbtp: float | None
    """`None` where all samples are zero."""
    clip_ratio: float
    """0..1, share of samples at or beyond -0.1 dBFS."""
    correlation: float | None
    """-1..1, Pearson's between left and right; `None` for mono and where a channel is constant."""
    silent: bool


LEVEL_STEP_S = 0.02
"""Resolution of `SoundLevel`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundLevel:
    """Features of encoder `sound_level`, from 48 kHz stereo (one channel where the file is mono)."""

    db: NDArray[np.float64]
    """(n,) unweighted RMS of the louder channel per 20 ms, dBFS, -120 where there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Features of encoder `vad`, from 16 kHz mono."""

    probability: NDArray[np.float32]
    """(n,) 0..1 per 32 ms."""
    spans: tuple[Span, ...]
    """Where somebody speaks, in order, not overlapping."""
    duration_s: float
    """Length of the sound that was looked at."""

    @property
    def total_s(self) -> float:
        """Seconds of speech."""
        return sum(end - start for start, end in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pitch:
    """Features of encoder `pitch`, one value per 10 ms; frame i is centred at (i + 0.5) * 10 ms."""

    f0_hz: NDArray[np.float32]
    """(n,) fundamental frequency 60..500, NaN where unvoiced or outside speech."""
    aperiodicity: NDArray[np.float32]
    """(n,) 0 periodic .. 1 noise; 1 outside speech."""
    level_db: NDArray[np.float32]
    """(n,) intensity over 48 ms, dBFS, -120 where there is nothing."""
    vowel_level_db: NDArray[np.float32]
    """(n,) the same of 200..2500 Hz, where vowels are strong and hiss and rumble are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """Features of encoder `spectrum`, from 16 kHz mono. Frame i is centred at i * 10 ms."""

    log_mel: NDArray[np.float32]
    """(n, 40) log(1 + 100 * mean magnitude) of mel bands, 0 silence .. about 9."""
    onset: NDArray[np.float32]
    """(n,) onset strength, 0..about 2: how much the bands rise, above its mean of 1 s around."""
    tonal: NDArray[np.float32]
    """(n // 2, 5) per 20 ms: magnitude of spectral peaks that hold pitch and strength; of all peaks; root of
    the former; and that root as a vector (two columns) whose angle is the place between two semitones."""
    chroma: NDArray[np.float32]
    """(m, 12) strength of the pitch classes C, C sharp .. B per 0.1 s, tuned to the recording."""
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Beats:
    """Features of encoder `beats`."""

    times_s: tuple[float, ...]
    """Beats, rising; empty where nothing has an onset."""
    tempo_bpm: float | None
    """Slope of the line through them; `None` with fewer than 4."""
    candidates_bpm: tuple[float, ...]
    """Half, whole and double of it, those within 30..300: the metrical level is a matter of taste."""
    strength: float
    """0..1, autocorrelation of onset strength over one, two or four beats: speech and noise stay below 0.3."""
    music: tuple[Span, ...]
    """Where tones hold their pitch as in music."""
    music_ratio: float
    """0..1, share of time of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One spoken word of a transcript."""

    text: str
    start_s: float
    end_s: float
    p: float
    """0..1, the model's own probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One stretch of a transcript, as the model divides it."""

    start_s: float
    end_s: float
    text: str
    avg_logprob: float
    """Mean natural logarithm of the tokens' probabilities; near 0 is sure, below -1 is a guess."""
    no_speech_prob: float
    """0..1."""
    words: tuple[Word, ...]
    temperature: float = 0.0
    """0: greedy decoding; above: what came of decoding again with chance."""


UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages written without spaces (whisper/tokenizer.py): what a transcriber calls a word is a token of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Features of encoder `whisper`."""

    words: tuple[Word, ...]
    """In languages of `UNSPACED` one or more characters each, and no words of the language."""
    sentences: tuple[Sentence, ...] = ()
    dropped: int = 0
    """Sentences left out because they look invented."""
    language: str = "und"
    """BCP-47, of most of the speech."""
    language_prob: float = 0.0
    """0..1, the model's own."""
    no_speech_prob: float = 0.0
    """0..1, of the most certain window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundScores:
    """Features of encoder `ast`."""

    labels: tuple[str, ...]
    """AudioSet's display names."""
    windows_s: tuple[Span, ...]
    """In order; they do not overlap, and long sounds have gaps between them."""
    scores: NDArray[np.float32]
    """(windows, labels), 0..1, each class by itself."""


def spans_of(mask: NDArray[Any], step_s: float) -> list[Span]:
    """Return the runs of true values of a mask whose elements are `step_s` apart, as spans."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(float(a * step_s), float(b * step_s)) for a, b in edges.reshape(-1, 2)]
