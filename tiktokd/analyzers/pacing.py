"""How fast a video is: cuts, motion, sound events and words, over the video and second by second.

Put together from what shot_boundaries, motion, music_analysis, vocal_delivery and speech_transcription found; each may
be missing, its part is then `None` and left out of the index.

`pace_index` compares with the user's own corpus and is filled in once the video is finished: the mean of robust
z-scores of the known parts among those of the latest 2,000 videos; 0 for a video as fast as the middle one, 1 for one
that is a usual distance faster. It wants 20 other videos, and stays what it was when the video was finished.
Until then, and for comparing beyond one's own videos, there is `pace_level`, a fixed scale (`level_formula`) whose four
speeds are chosen, not fitted (`calibrated: false`). Neither says what is good.

Bad at: single takes (their pace is motion and speech alone), a beat grid at half or double tempo (cuts on every second
beat still count as on the beat, on every half beat not), onsets under loud speech (syllables count as onsets).

Source: own combination; the +-100 ms window of beat synchrony is about where people stop hearing two events as one.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from tiktokd.analyzers import _pace_speech
from tiktokd.analyzers._pace_level import FAST_WORDS_PER_S, LEVEL_FORMULA, has_beat, per_second, talk
from tiktokd.analyzers._pace_level import beat_sync as _beat_sync
from tiktokd.analyzers._pace_level import level as level_of
from tiktokd.analyzers.motion import Motion
from tiktokd.analyzers.music_analysis import MusicAnalysisOutput
from tiktokd.analyzers.shot_boundaries import ShotBoundaries
from tiktokd.model import Output, Reason, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.sound import cut_off_at

SHORTEST_S = 3.0
SECONDS_MAX = 1500
FORMULA = (
    "mean of z of pace_parts; spread = 1.4826 * median |x - median|, or 1.2533 * mean |x - median| where that is 0"
)


class PacePart(BaseModel):
    """One part of the index: this video among the user's others."""

    model_config = ConfigDict(frozen=True)

    name: Literal["cuts_per_min", "motion", "onsets_per_s", "words_per_s", "syllables_per_s"]
    """Field of the summary."""
    value: float
    """Of this video."""
    median: float
    """Of the others, where it is known."""
    spread: float
    """Of the others, above 0; a standard deviation where they are normal."""
    z: float
    """(value - median) / spread."""


class Pacing(Output):
    """Pace of the whole video."""

    cuts_per_min: float | None
    """60 / mean shot length; 0 for a single shot. `None`: cuts are not known, or all is black."""
    shot_mean_s: float | None
    """Mean shot length; `None` as above."""
    shot_median_s: float | None
    """Median shot length; `None` as above."""
    shot_cv: float | None
    """Standard deviation of the shot lengths over their mean, 0 for an even rhythm; `None`: one shot."""
    motion: float | None
    """Mean speed of all pixels, short sides per second, as in `motion`; `None`: not measured."""
    onsets_per_s: float | None
    """Beginnings of sounds per second; `None`: no sound, or only silence."""
    words_per_s: float | None
    """Words per second of the video; 0 where nobody speaks; `None`: no transcript, no sound, or a language without
    spaces, of which a transcript has characters (Chinese, Japanese, Thai …)."""
    syllables_per_s: float | None
    """Syllables per second of the video; 0 where nobody speaks; `None`: no sound."""
    beat_sync_ratio: float | None
    """0..1, share of the cuts within 100 ms of a beat; `None`: no steady beat, or no cut."""
    pace_index: float | None
    """Mean robust z against the user's corpus, by `pace_formula`; 0: as fast as its middle; `None`: `unknown` says why,
    "corpus too small: n of 20 videos" for the first ones."""
    pace_parts: list[PacePart]
    """What the index is made of; empty: not compared (yet). Syllables take the place of words without a transcript."""
    pace_videos: int
    """Other videos that it was compared with, at most 2,000; 0: none (yet)."""
    pace_level: float
    """0..1 by `level_formula`, whatever is in the corpus."""
    unknown: dict[str, str]
    """Field that is null → why: no_audio, no_speech, no_music, no_beat (music without a steady one), no_cuts (one shot;
    of the beats, no hard cut), low_quality (black or small), no_spaces (of words), too_short, truncated (nothing was
    heard around the cuts), model_missing, cpu_fallback, no_sources (not asked for); of the index in words."""
    pace_formula: str
    """The formula of the index, for people."""
    level_formula: str
    """The formula of the level, for people; syllables take the place of words (6 per second) without a transcript."""


class PaceSegment(Segment):
    """One second."""

    cuts: int | None
    """Shots that begin in this second, by a cut or softly, the first of all left out; `None`: not known, or all is
    black."""
    motion: float | None
    """Mean speed, short sides per second; `None`: not measured."""
    onsets: int | None
    """Beginnings of sounds; `None`: no sound, or this second of it was not listened to."""
    words: int | None
    """Words that start in this second; `None`: no transcript, a language without spaces, or not listened to."""
    pace: float | None
    """0..1 by `level_formula` over the known parts of this second; `None`: nothing is known of it, or it was not
    listened to: beside seconds that were it would be a drop that is none."""


def analyze(context: Context) -> Result:
    """Put the parts together."""
    duration_s = context.facts.duration_s
    if duration_s < SHORTEST_S:
        return skipped("too_short", f"{duration_s:.2f} s; pace is judged from {SHORTEST_S:g} s on")
    shots = context.output("shot_boundaries", ShotBoundaries)
    motion = context.output("motion", Motion)
    speeds: list[float | None] = context.signals.get("flow", {}).get("speed_per_s", [])
    onsets: list[int] | None = context.signals.get("spectrum", {}).get("onsets_per_s")
    words, syllables = _pace_speech.words(context), _pace_speech.syllables(context)
    # Of a long video the first minutes of sound alone fit into the slot: what was not heard is not silence.
    cut_s = cut_off_at(context.signals.get("spectrum", {}).get("duration_s", duration_s), 0.0, duration_s)
    heard_s = duration_s if cut_s is None else cut_s
    spans = _shot_spans(context)
    lengths = [end_s - start_s for start_s, end_s in spans]
    cuts_per_min = _cuts_per_min(shots, lengths)
    speed = motion.motion_mean if motion else None
    onset_rate = sum(onsets) / heard_s if onsets is not None else None
    word_rate = len(words) / heard_s if words is not None else None
    level = level_of(cuts_per_min, speed, onset_rate, talk(word_rate, syllables))
    if level is None:
        return skipped("no_sources", "neither cuts, motion nor sound of this video are known")
    output = Pacing(
        cuts_per_min=_rounded(cuts_per_min),
        shot_mean_s=shots.mean_shot_s if shots else None,
        shot_median_s=shots.median_shot_s if shots else None,
        shot_cv=_rounded(float(np.std(lengths) / np.mean(lengths))) if len(lengths) > 1 else None,
        motion=speed,
        onsets_per_s=_rounded(onset_rate),
        words_per_s=_rounded(word_rate),
        syllables_per_s=_rounded(syllables),
        beat_sync_ratio=_beat_sync(shots, context.output("music_analysis", MusicAnalysisOutput), heard_s),
        pace_index=None,
        pace_parts=[],
        pace_videos=0,
        pace_level=round(level, 4),
        unknown={},
        pace_formula=FORMULA,
        level_formula=LEVEL_FORMULA,
    )
    output = output.model_copy(update={"unknown": unknown(context, output)})
    begun = [start_s for start_s, _end_s in spans[1:]] if shots and shots.shot_count else None
    segments = _seconds(duration_s, begun, speeds, onsets, words, heard_s=heard_s)
    if onset_rate is None:
        reason: Reason = "no_audio" if _is_soundless(context) else "no_sources"
        return partial(output, reason, "pictures only: nothing is known of the sound", segments, calibrated=False)
    unheard = f"only {cut_s:.1f} s of sound were heard" if cut_s is not None else ""
    for name, said in (("cuts_per_min", "cuts"), ("motion", "motion")):
        if getattr(output, name) is None:
            message = "; ".join(filter(None, (f"not known of this video: {said}", unheard)))
            return partial(output, _why(context, name), message, segments, calibrated=False)
    if unheard:
        return partial(output, "truncated", unheard, segments, calibrated=False)
    return ok(output, segments, calibrated=False)


MEASURED_BY = {
    "cuts_per_min": "shot_boundaries",
    "shot_mean_s": "shot_boundaries",
    "shot_median_s": "shot_boundaries",
    "shot_cv": "shot_boundaries",
    "motion": "motion",
    "onsets_per_s": "music_analysis",
    "words_per_s": "speech_transcription",
    "syllables_per_s": "vocal_delivery",
    "beat_sync_ratio": "music_analysis",
}
"""Field → the analyzer whose reason is the field's."""


def unknown(context: Context, found: Pacing) -> dict[str, str]:
    """Return the fields that are null, each with its reason."""
    nulls = [name for name in MEASURED_BY if getattr(found, name) is None]
    why: dict[str, str] = {name: _why(context, name) for name in nulls}
    if found.cuts_per_min == 0.0:
        why["shot_cv"] = "no_cuts"
    if found.beat_sync_ratio is None:
        why["beat_sync_ratio"] = _why_unsynced(context)
    if found.words_per_s is None and _pace_speech.is_unspaced(context):
        why["words_per_s"] = "no_spaces"
    return why | {"pace_index": "corpus_unavailable"}


def _why(context: Context, name: str) -> Reason:
    if MEASURED_BY[name] not in ("shot_boundaries", "motion") and _is_soundless(context):
        return "no_audio"
    if name == "onsets_per_s":
        return (context.lack("spectrum") or ("no_sources", ""))[0]
    envelope = context.outputs.get(MEASURED_BY[name])
    if envelope is None or envelope.status == "error":
        return "no_sources"
    return envelope.reason or "low_quality"


def _why_unsynced(context: Context) -> str:
    """Return why nobody knows whether the cuts are on the beat: first what is lacking of cuts, then of beats."""
    shots = context.output("shot_boundaries", ShotBoundaries)
    music = context.output("music_analysis", MusicAnalysisOutput)
    if shots is None or not shots.shot_count:
        return _why(context, "cuts_per_min")
    if not shots.cut_times_s:
        return "no_cuts"
    if music is None:
        return _why(context, "beat_sync_ratio")
    return "truncated" if has_beat(music) else "no_beat"


def _cuts_per_min(shots: ShotBoundaries | None, lengths: Sequence[float]) -> float | None:
    if shots is None or not shots.shot_count or not shots.mean_shot_s:
        return None
    mean_s = float(np.mean(lengths)) if lengths else shots.mean_shot_s  # the summary's is rounded
    return 60.0 / mean_s if shots.shot_count > 1 else 0.0


def _shot_spans(context: Context) -> list[tuple[float, float]]:
    envelope = context.outputs.get("shot_boundaries")
    return [(float(str(s["start_s"])), float(str(s["end_s"]))) for s in (envelope.segments if envelope else ())]


def _is_soundless(context: Context) -> bool:
    """Return whether there is no track, or one of silence."""
    music = context.outputs.get("music_analysis")
    return not context.facts.has_audio or (music is not None and music.reason == "no_audio")


def _seconds(
    duration_s: float,
    begun_s: Sequence[float] | None,
    speeds: Sequence[float | None],
    onsets: Sequence[int] | None,
    words: Sequence[float] | None,
    *,
    heard_s: float,
) -> list[PaceSegment]:
    count = min(SECONDS_MAX, math.ceil(duration_s - 1e-6))
    cuts = per_second(begun_s, count) if begun_s is not None else None
    spoken = per_second(words, count) if words is not None else None
    made = []
    for i in range(count):
        end_s = min(float(i + 1), duration_s)
        speed = speeds[i] if i < len(speeds) else None
        unheard = end_s > heard_s
        heard = None if onsets is None or unheard else onsets[i] if i < len(onsets) else 0
        said = None if spoken is None or unheard else spoken[i]
        rate = 1.0 / (end_s - i)
        told = level_of(
            None if cuts is None else cuts[i] * rate * 60.0,
            speed,
            None if heard is None else heard * rate,
            None if said is None else min(1.0, said * rate / FAST_WORDS_PER_S),
        )
        made.append(
            PaceSegment(
                start_s=float(i),
                end_s=round(end_s, 3),
                cuts=None if cuts is None else cuts[i],
                motion=speed,
                onsets=heard,
                words=said,
                pace=None if unheard else _rounded(told),
            )
        )
    return made


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


ANALYZER = Analyzer(
    name="pacing",
    title="How fast the video is: cuts, motion, sounds and words, second by second",
    group="fusion",
    output=Pacing,
    segment=PaceSegment,
    analyze=analyze,
    after=("shot_boundaries", "motion", "music_analysis", "vocal_delivery", "speech_transcription"),
    signals=("flow", "spectrum"),
    version="7",
)
