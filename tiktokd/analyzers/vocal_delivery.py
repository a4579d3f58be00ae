"""How somebody speaks: share of speech, pauses, pace in syllables and words, melody and dynamics of the voice.

Ratios 0..1, pitch in Hz and semitones, levels in dB. Pace is per second (minute) of *speech*, pauses left out.

Bad at: singing and rap count as speech; music within 5 dB of the voice hides some of the speech, and loud music pauses,
syllables and pitch (`voiced_ratio` falls below about 0.3; where it does, the pitch may be that of the music); echo
costs a third of the syllables; the pitch of voices played 1.4 times as fast comes out up to 10 % low, for above 500 Hz
it is not followed; several speakers are not told apart; synthetic voices look like any other. Says nothing of who
speaks: no identity, no gender, no emotion.

Validity: 1 s of speech; with less only how much and when, with none `skipped/no_speech`.

Source: silero-vad (speech), YIN (pitch), de Jong and Wempe, Behavior Research Methods 41(2), 2009 (syllable nuclei).
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.sound import UNSPACED, Pitch, Span, Speech, Transcript, cut_off_at

MIN_SPEECH_S = 1.0
PAUSE_MIN_S = 0.25
"""Shorter gaps belong to articulation (Goldman-Eisler 1968)."""
PAUSE_MAX_S = 5.0
"""Longer ones part two passages and are no pauses of a speaker."""
STEP_S = 0.01
"""Of pitch and intensity."""
SYLLABLE_RANGE_DB = 25.0
"""A syllable's peak is at most so far below the loud ones (de Jong and Wempe: the 99th percentile) ..."""
SYLLABLE_DIP_DB = 3.0
"""... and at least so far above the dip before the next peak. 3 dB in the vowel band instead of the paper's 2 dB of the
whole sound: with it the counts of 15 recordings (446 syllables, English, French, Mandarin) are 6.6 % off, weighted
root mean square, instead of 33 %."""
SYLLABLE_APERIODICITY = 0.35
"""Vowels under noise still have this; twice what a trustworthy pitch needs."""
SPEECH_FLOOR_DB = 40.0
"""Frames further below the loudest speech are breath and room, not voice."""


MEASURED = (
    "pause_count", "pause_mean_s", "syllables_per_s", "words_per_min", "f0_median_hz", "f0_iqr_st", "voiced_ratio",
    "energy_range_db",
)  # fmt: skip
"""Fields that need `MIN_SPEECH_S`."""


class VocalDeliveryOutput(Output):
    """The delivery of all speech in the video together."""

    speech_ratio: float = Field(ge=0, le=1)
    """Share of the sound's length."""
    first_speech_s: float
    """When speech starts."""
    pause_count: int | None = Field(ge=0)
    """Gaps of 0.25..5 s between stretches of speech; `None`: too little speech."""
    pause_mean_s: float | None
    """Mean length of those; `None` where there is none, or too little speech."""
    syllables_per_s: float | None
    """Syllable nuclei per second of speech, pauses left out; about 3..7 in conversation, 15 % off at times. `None`: too
    little speech."""
    words_per_min: float | None
    """Words per minute of speech; `None` without a transcript, and in languages written without spaces (Chinese,
    Japanese, Thai …), whose transcripts have no words to count: there the syllables tell the pace."""
    f0_median_hz: float | None
    """60..500; `None` where too few frames are voiced."""
    f0_iqr_st: float | None
    """Semitones between the quartiles of pitch: monotonous below 2, lively above 5."""
    voiced_ratio: float | None = Field(ge=0, le=1)
    """Share of speech frames with a clear pitch; low under music: then trust pitch and syllables less."""
    energy_range_db: float | None
    """Between the 5th and 95th percentile of level in speech."""
    unknown: dict[str, str]
    """Field that is null → why: too_short (all but how much and when), low_quality (of pitch: too few voiced frames);
    of the words model_missing, cpu_fallback, no_sources (the model failed), no_words (none was understood), no_spaces.
    `pause_mean_s` is null without one where there is no pause."""


class SpeechSegment(Segment):
    """A stretch of speech without a pause."""

    probability: float
    """0..1, mean of the detector's."""


def within(times_s: NDArray[np.floating[Any]], spans: tuple[Span, ...]) -> NDArray[np.bool_]:
    """Return which times lie inside one of the spans."""
    inside = np.zeros(len(times_s), np.bool_)
    for start, end in spans:
        inside |= (times_s >= start) & (times_s < end)
    return inside


def pauses_s(spans: tuple[Span, ...]) -> list[float]:
    """Return the lengths of the pauses between spans."""
    gaps = (b[0] - a[1] for a, b in itertools.pairwise(spans))
    return [gap for gap in gaps if PAUSE_MIN_S <= gap <= PAUSE_MAX_S]


def syllable_frames(
    level_db: NDArray[np.float32], voiced: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the frames of syllable nuclei: voiced peaks of intensity in speech with a dip after each."""
    peaks = 1 + np.flatnonzero((level_db[1:-1] > level_db[:-2]) & (level_db[1:-1] >= level_db[2:]))
    loud = float(np.percentile(level_db[inside], 99)) if inside.any() else 0.0
    peaks = peaks[inside[peaks] & (level_db[peaks] > loud - SYLLABLE_RANGE_DB)]
    nuclei: list[int] = []
    for number, peak in enumerate(peaks):
        after = peaks[number + 1] if number + 1 < len(peaks) else len(level_db)
        dip = level_db[peak] - level_db[peak:after].min()
        if dip >= SYLLABLE_DIP_DB and voiced[max(0, peak - 1) : peak + 2].any():
            nuclei.append(int(peak))
    return np.array(nuclei, np.int64)


def words_per_minute(transcript: Transcript | None, spoken_s: float) -> float | None:
    """Return words per minute of speech, `None` without a transcript, or where its words are none."""
    if transcript is None or not transcript.words or transcript.language in UNSPACED:
        return None
    return round(len(transcript.words) / spoken_s * 60.0, 1)


def _melody(f0_hz: NDArray[np.float32]) -> tuple[float | None, float | None]:
    """Return median in Hz and distance of the quartiles in semitones of voiced frames."""
    if len(f0_hz) * STEP_S < 0.2 * MIN_SPEECH_S:
        return None, None
    low, middle, high = np.percentile(f0_hz, (25, 50, 75))
    return round(float(middle), 1), round(float(12.0 * np.log2(high / low)), 2)


def _summary(speech: Speech, pitch: Pitch, transcript: Transcript | None) -> VocalDeliveryOutput:
    pauses = pauses_s(speech.spans)
    inside = within((np.arange(len(pitch.level_db)) + 0.5) * STEP_S, speech.spans)
    voiced = np.isfinite(pitch.f0_hz)
    levels = pitch.level_db[inside]
    heard = levels[levels > levels.max() - SPEECH_FLOOR_DB]
    nuclei = syllable_frames(pitch.vowel_level_db, pitch.aperiodicity < SYLLABLE_APERIODICITY, inside)
    median_hz, iqr_st = _melody(pitch.f0_hz[voiced & inside])
    low, high = np.percentile(heard, (5, 95))
    return VocalDeliveryOutput(
        speech_ratio=_ratio(speech),
        first_speech_s=round(speech.spans[0][0], 2),
        pause_count=len(pauses),
        pause_mean_s=round(float(np.mean(pauses)), 2) if pauses else None,
        syllables_per_s=round(len(nuclei) / speech.total_s, 2),
        words_per_min=words_per_minute(transcript, speech.total_s),
        f0_median_hz=median_hz,
        f0_iqr_st=iqr_st,
        voiced_ratio=round(float(voiced[inside].mean()), 3),
        energy_range_db=round(float(high - low), 1),
        unknown={},
    )


def _unknown(context: Context, output: VocalDeliveryOutput) -> dict[str, str]:
    """Return the fields that are null, each with its reason."""
    transcript: Transcript | None = context.features.get("whisper")
    unspaced = transcript is not None and transcript.language in UNSPACED
    why = {"words_per_min": (context.lack("whisper") or ("no_spaces" if unspaced else "no_words", ""))[0]}
    why |= dict.fromkeys(("f0_median_hz", "f0_iqr_st"), "low_quality")
    return {name: reason for name, reason in why.items() if getattr(output, name) is None}


def _only_when(speech: Speech) -> VocalDeliveryOutput:
    return VocalDeliveryOutput(
        speech_ratio=_ratio(speech),
        first_speech_s=round(speech.spans[0][0], 2),
        pause_count=None,
        pause_mean_s=None,
        syllables_per_s=None,
        words_per_min=None,
        f0_median_hz=None,
        f0_iqr_st=None,
        voiced_ratio=None,
        energy_range_db=None,
        unknown=dict.fromkeys(MEASURED, "too_short"),
    )


def _ratio(speech: Speech) -> float:
    return round(min(1.0, speech.total_s / speech.duration_s), 3)


def _segments(speech: Speech) -> list[SpeechSegment]:
    found = []
    for start, end in speech.spans:
        part = speech.probability[int(start / 0.032) : max(int(start / 0.032) + 1, int(end / 0.032))]
        found.append(SpeechSegment(start_s=start, end_s=end, probability=round(float(part.mean()), 3)))
    return found


def analyze(context: Context) -> Result:
    """Sum up speech, pitch and intensity."""
    speech: Speech = context.features["vad"]
    cut_s = cut_off_at(context.audio16_covers_s, context.audio48_covers_s, context.facts.duration_s)
    if not speech.spans:
        return skipped("no_speech", "nobody speaks" if cut_s is None else f"nobody speaks in the first {cut_s:.1f} s")
    if speech.total_s < MIN_SPEECH_S:
        message = f"{speech.total_s:.2f} s of speech; pace and melody need {MIN_SPEECH_S:.0f} s"
        return partial(_only_when(speech), "too_short", message, _segments(speech), calibrated=False)
    output = _summary(speech, context.features["pitch"], context.features.get("whisper"))
    output = output.model_copy(update={"unknown": _unknown(context, output)})
    if cut_s is not None:
        return partial(
            output,
            "truncated",
            f"only the first {cut_s:.1f} s of sound were looked at",
            _segments(speech),
            calibrated=False,
        )
    return ok(output, _segments(speech), calibrated=False)


ANALYZER = Analyzer(
    name="vocal_delivery",
    title="How much is spoken, how fast, with which pauses, melody and dynamics?",
    group="audio",
    output=VocalDeliveryOutput,
    segment=SpeechSegment,
    analyze=analyze,
    uses=("vad", "pitch"),
    optional=("whisper",),
    needs=frozenset({"audio"}),
    version="5",
)
