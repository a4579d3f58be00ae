"""How the video opens: words, kinds of opening, cuts, motion and loudness of the first three seconds.

Kinds come from phrase lists in 16 languages (`data/hooks.toml`, or the user's own) and from rules over cuts and motion;
full tier: where those find nothing in a stretch of words, from its nearness to the sentences of
`data/prototypes/openings.toml` (E5; the margin is not fitted to data).
The index is descriptive, the mean of the parts below: it says how much is going on, not how many people stay; a fit on
the user's own corpus is `virality_features`. Bad at: logo intros, a black first second, irony, openings in other words
than those of the lists; posters and mirrors count as people; an unusual first frame is often a title card.
"""

import re
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal, cast, get_args

from tiktokd.analyzers._opening import unknown
from tiktokd.analyzers._unheard import untranscribed
from tiktokd.analyzers.loudness import LoudnessOutput
from tiktokd.analyzers.shot_boundaries import ShotBoundaries
from tiktokd.analyzers.vocal_delivery import VocalDeliveryOutput
from tiktokd.lettering import plain
from tiktokd.model import Output, Tier
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.text_features import TextVectors
from tiktokd.texts import OPENING_S, CallMatch, Passage, blocks, opening, passages, words

HookType = Literal[
    "question", "number_list", "curiosity_gap", "direct_address", "problem", "negative_command", "claim_result",
    "visual_surprise",
]  # fmt: skip

PROTOTYPES = "openings"
"""Of data/prototypes."""
QUESTION_MARKS = "?？؟"
LIST_WORDS_MAX = 14
"""A number opens a list where few words follow: "5 things you need", not the start of a recipe read out."""
MEASURE = re.compile(
    r"\d+(?:[.,]\d+)?\s*(?:[%°€$£¥₹]|(?:km|kg|mg|ml|cm|mm|kcal|[gm]|lbs?|oz|mph|kmh|min|mins|am|pm|eur|euros?|usd|dollars?)\b)",
    re.I,
)
"""What is measured is no list: 100% cotton, 10 km."""
COUNTED = re.compile(r"(?<=\d)(?=가지|개|단계|종류)")
"""Korean writes the word for "pieces" onto the number."""
SURPRISE_CUTS, SURPRISE_MOTION, SURPRISE_LU = 3, 2.0, 12.0
"""Cuts in three seconds, motion against the rest, rise in loudness from which an opening is a surprise."""
TYPES_FULL, JUMP_FULL_LU = 2, 12.0
"""Kinds of opening and rise in loudness that fill their part of the index."""
STILL_APART = 0.01
"""Frames that lie nearer to one another than this show one picture: no first frame is new among them."""
REST_MIN_S = 2.0
"""Shorter rests say nothing about how much moves otherwise."""


class Hook(Output):
    """Summary."""

    hook_text: str | None
    """What is shown, then what is said in the first 3 s; `None`: nothing, or see `unknown`."""
    hook_types: list[HookType]
    """Kinds of opening, in the order of the list above; visual_surprise: 3 cuts, or motion twice that of the rest
    together with a cut or a rise of 12 LU."""
    paraphrased_types: list[HookType]
    """Those of `hook_types` that were found by meaning alone; empty in the lite tier."""
    first_speech_s: float | None
    """When speech starts, anywhere in the video; `None`: none was found (no_speech), or see `unknown`."""
    first_text_s: float | None
    """When text other than a watermark first comes up, anywhere in the video; `None`: none was found, or see
    `unknown`."""
    cuts_0_3: int | None
    """Cuts from shot to shot in the first 3 s (out of a black start is none); `None`: not measured, or all is black."""
    motion_ratio: float | None
    """Mean speed in the first 3 s over that of the rest, 0 or more; `None`: not measured, or nothing moves later
    (no_motion)."""
    loudness_jump_lu: float | None
    """Largest rise within the first 3 s, LU; `None`: no sound."""
    person_facing: bool | None
    """Somebody in the first 3 s faces the camera (nose and both eyes are seen); `None`: not known."""
    first_frame_novelty: float | None
    """How unlike the rest the first frame is: its distance (1 - cosine, SigLIP2) from the mean of the others over the
    median distance of a frame; 1 is usual, 0 or more. Not part of the index. `None`: no model, or a still picture."""
    hook_index: float | None
    """0..1, mean of the known parts: how early words start, kinds of opening (2 fill it), cuts (3), motion ratio (0.5
    to 2), loudness jump (12 LU), person facing. Descriptive, not a prediction. `None`: fewer than two parts known."""
    unknown: dict[str, str]
    """Field that is null for want of knowledge → why: no_speech, no_audio, no_video, no_motion (nothing moves after the
    opening; of the first frame: a still picture), too_short, truncated, low_quality, unsupported_script, model_missing,
    cpu_fallback, no_sources (not asked for). `hook_text` and `first_text_s` have none where there is no text."""


def analyze(context: Context) -> Result:
    """Return the opening, or skipped/too_short under three seconds."""
    if context.facts.duration_s < OPENING_S:
        return skipped("too_short", f"{context.facts.duration_s:.2f} s; the opening is {OPENING_S:.0f} s")
    shown = _without_watermarks(context, passages(context))
    first = blocks(opening(shown))
    shots = context.output("shot_boundaries", ShotBoundaries)
    cuts = sum(t < OPENING_S for t in shots.cut_times_s) if shots and shots.shot_count else None
    loudness = context.output("loudness", LoudnessOutput)
    jump = loudness.opening_jump_lu if loudness else None
    motion = motion_ratio(context.signals.get("flow", {}))
    matches: Sequence[CallMatch] = context.features["hook_phrases"]
    listed = {one.text: {m.type for m in matches if m.passage.text == one.text} for one in first}
    told = {cast(HookType, kind) for kinds in listed.values() for kind in kinds}
    ruled = _types(first, told, _surprise(cuts, motion, jump))
    meant = _meant([text for text, kinds in listed.items() if not kinds], context.features.get("e5"))
    types = _types(first, {*ruled, *meant}, surprise=False)
    starts = {
        kind: [p.start_s for p in shown if p.kind == kind and p.start_s is not None] for kind in ("ocr", "speech")
    }
    text_s, speech_s = min(starts["ocr"], default=None), _first_speech(context, starts["speech"])
    facing = facing_opening(context.signals)
    words_s = min((t for t in (text_s, speech_s) if t is not None), default=None)
    # Of a voice in the opening that nothing transcribed nobody knows the kinds: they are left out, and not none.
    unheard = not first and speech_s is not None and speech_s < OPENING_S and untranscribed(context) is not None
    parts = _parts(words_s, None if unheard else types, cuts=cuts, motion=motion, jump=jump, facing=facing)
    pictures = {"siglip2", "dfine"} <= context.signals.keys() or not context.facts.has_video
    tier: Tier | None = None if pictures else "lite"
    output = Hook(
        hook_text=" ".join(passage.text for passage in first) or None,
        hook_types=types,
        paraphrased_types=[kind for kind in types if kind not in ruled],
        first_speech_s=speech_s,
        first_text_s=text_s,
        cuts_0_3=cuts,
        motion_ratio=motion,
        loudness_jump_lu=jump,
        person_facing=facing,
        first_frame_novelty=novelty(context.signals.get("siglip2", {})),
        hook_index=round(fmean(parts), 4) if len(parts) >= 2 else None,
        unknown={},
    )
    output = output.model_copy(update={"unknown": unknown(context, output.model_dump())})
    if len(parts) < 2:
        return partial(
            output, "no_sources", "too few of the analyzers that it reads have a result", calibrated=False, tier=tier
        )
    return ok(output, calibrated=False, tier=tier)


def motion_ratio(signal: dict[str, Any]) -> float | None:
    """Return the mean speed of the opening over that of the rest, from speeds per second (`None`: not measured)."""
    speeds: list[float | None] = signal.get("speed_per_s", [])
    first = [v for v in speeds[: int(OPENING_S)] if v is not None]
    rest = [v for v in speeds[int(OPENING_S) :] if v is not None]
    if not first or len(rest) < REST_MIN_S or fmean(rest) <= 1e-4:
        return None
    return round(fmean(first) / fmean(rest), 4)


def _without_watermarks(context: Context, found: Sequence[Passage]) -> list[Passage]:
    envelope = context.outputs.get("on_screen_text")
    lines = envelope.summary.get("lines") if envelope and envelope.status in ("ok", "partial") else None
    marks = {
        plain(str(line.get("text")))
        for line in (lines if isinstance(lines, list) else [])
        if isinstance(line, dict) and line.get("role") == "watermark"
    }
    return [passage for passage in found if passage.kind != "ocr" or passage.text not in marks]


def _first_speech(context: Context, starts: Sequence[float]) -> float | None:
    """Return when speech starts: where a voice was found, else where the transcript starts."""
    voice = context.output("vocal_delivery", VocalDeliveryOutput)
    if voice is not None and voice.first_speech_s is not None:
        return voice.first_speech_s
    return min(starts, default=None)


def _meant(openings: Sequence[str], vectors: TextVectors | None) -> set[HookType]:
    """Return what stretches of words without a phrase of the lists say in other words."""
    asked = [text for text in openings if not is_number_list(text) and not any(mark in text for mark in QUESTION_MARKS)]
    found = {vectors.paraphrased(text.strip(), PROTOTYPES) for text in asked} if vectors else set()
    return {cast(HookType, kind) for kind in found if kind in get_args(HookType)}


def _types(first: Sequence[Passage], told: set[HookType], surprise: bool) -> list[HookType]:
    """Return the kinds of opening in the order of their list."""
    if any(mark in passage.text for passage in first for mark in QUESTION_MARKS):
        told.add("question")
    if any(is_number_list(passage.text) for passage in first):
        told.add("number_list")
    if surprise:
        told.add("visual_surprise")
    order: tuple[HookType, ...] = (
        "question", "number_list", "curiosity_gap", "direct_address", "problem", "negative_command", "claim_result",
        "visual_surprise",
    )  # fmt: skip
    return [kind for kind in order if kind in told]


def is_number_list(text: str) -> bool:
    """Return whether a text announces a number of things: "5 ways to …", "Top 10 …", "3つの方法"."""
    found = words(COUNTED.sub(" ", text))
    if not 2 <= len(found) <= LIST_WORDS_MAX or MEASURE.match(text.strip()):
        return False
    start = found[1:3] if found[0] in ("top", "the", "die", "les", "los", "as", "os", "i", "le") else found[:2]
    digits, follows = start[0], start[1] if len(start) > 1 else ""
    number = digits.isdigit() or digits in NUMBER_WORDS
    return (
        number and int(digits if digits.isdigit() else 2) in range(2, 101) and not follows.isdigit() and bool(follows)
    )


NUMBER_WORDS = frozenset({
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "zwei", "drei", "vier", "fünf", "sechs",
    "sieben", "acht", "neun", "zehn", "deux", "trois", "quatre", "cinq", "sept", "huit", "neuf", "dix", "dos", "tres",
    "cuatro", "cinco", "siete", "ocho", "nueve", "diez", "duas", "dois", "três", "quatro", "sete", "oito", "dez",
    "due", "tre", "quattro", "cinque", "sette", "otto", "nove", "dieci", "iki", "üç", "dört", "beş", "yedi", "sekiz",
    "dwa", "trzy", "cztery", "pięć", "два", "три", "четыре", "пять", "семь", "десять", "dua", "tiga", "empat", "lima",
    "三", "四", "五", "六", "七", "八", "九", "十",
})  # fmt: skip


def _surprise(cuts: int | None, motion: float | None, jump: float | None) -> bool:
    lively = motion is not None and motion >= SURPRISE_MOTION and ((cuts or 0) >= 1 or (jump or 0.0) >= SURPRISE_LU)
    return (cuts or 0) >= SURPRISE_CUTS or lively


def facing_opening(signals: Mapping[str, Any]) -> bool | None:
    """Return whether somebody faces the camera in the opening; `None` where people are there that nobody looked at."""
    looked = [bool(faces) for t, faces in signals.get("vitpose", {}).get("facing", []) if t < OPENING_S]
    if looked:
        return any(looked)
    frames = [people for t, *people in signals.get("dfine", {}).get("people", []) if t < OPENING_S]
    return False if frames and not any(frames) else None


def novelty(signal: Mapping[str, Any]) -> float | None:
    """Return how unlike the rest the first frame is, from SigLIP2's signals."""
    ends = signal.get("ends")
    if not ends or ends["usual_apart"] < STILL_APART:
        return None
    return round(max(float(ends["first_apart"]), 0.0) / float(ends["usual_apart"]), 4)


def _parts(
    words_s: float | None,
    types: Sequence[HookType] | None,
    *,
    cuts: int | None,
    motion: float | None,
    jump: float | None,
    facing: bool | None,
) -> list[float]:
    """Return the known parts of the index, each 0..1."""
    parts = []
    if words_s is not None:
        parts.append(max(1.0 - words_s / OPENING_S, 0.0))
    if words_s is not None and types is not None:
        parts.append(min(len(types) / TYPES_FULL, 1.0))
    if cuts is not None:
        parts.append(min(cuts / SURPRISE_CUTS, 1.0))
    if motion is not None:
        parts.append(min(max((motion - 0.5) / 1.5, 0.0), 1.0))
    if jump is not None:
        parts.append(min(max(jump / JUMP_FULL_LU, 0.0), 1.0))
    if facing is not None:
        parts.append(float(facing))
    return parts


ANALYZER = Analyzer(
    name="hook",
    title="How do the first three seconds catch the eye and ear",
    group="fusion",
    output=Hook,
    analyze=analyze,
    uses=("hook_phrases",),
    optional=("e5",),
    after=(
        "on_screen_text", "speech_transcription", "vocal_delivery", "shot_boundaries", "loudness",
    ),
    signals=("flow", "siglip2", "dfine", "vitpose"),
    version="6",
)  # fmt: skip
