"""How a video is made: slideshow, split screen, letterboxed repost, static shot, text-heavy, screen recording.

The lite tier's labels come from rules over what the picture encoders measured; the score is the measurement that the
rule rests on, not a probability. With SigLIP2 the labels of data/prompts/formats.toml join them (`zero_shot`), and with
D-FINE the share of time with one person who speaks, and voice-overs: speech while nobody large is seen. ViTPose++
tells who lies from who stands or sits, AST singing from speech. A plain video has no label.

Bad at: templates that mix formats, photo slideshows with strong animated zooms, moving overlays, zooms under 3 % a
second or wipes between photos that move, split screens with a decorated divider or equal brightness on both sides,
screen recordings of videos, animation on a plain ground (looks like a screen recording), cuts between pictures with a
straight edge at one height, such as a shelf or a wall's end (may look split), singing in the music (without AST
taken for a voice-over).

Source: own rules; thresholds measured on 50 videos.
"""

from itertools import pairwise
from typing import Any, Literal

import numpy as np

from tiktokd.analyzers import _talking
from tiktokd.analyzers.on_screen_text import OnScreenText, ShownLine
from tiktokd.model import Output, Reason
from tiktokd.pictures import Z_STANDS_OUT
from tiktokd.plugins import Analyzer, Context, Result, ok, skipped

SHORTEST_S = 1.0
SLIDES_MIN, STILL_RATIO = 2, 0.8
"""Still shots, and share of the shown time that they take, of a slideshow."""
SPLIT_STRENGTH, SPLIT_UNLIKE = 0.55, 0.2
"""Of a cut through the picture: share of its length, and that less the likeness of its sides (unrelated pictures have
0.34-1.2, 49 unsplit videos <= 0.08)."""
REPOST_RATIO = 0.85
"""Share of the picture inside the bars up to which it counts as letterboxed."""
STEADY_RATIO = 0.9
"""Share of the time in which the camera of a static shot stands."""
TEXT_COVER, TEXT_TIME = 0.12, 0.5
"""Share of the picture under text while there is any, and share of the time with text, of a text-heavy video."""
FLAT_RATIO, SCREEN_LINES, SCREEN_NOISE = 0.5, 6, 0.15
"""A drawn screen: flat blocks, lines of text at a time, noise (levels of 255; cameras have more)."""
NO_MODEL = ("model_missing", "cpu_fallback", "no_sources")
"""Reasons for which a result is of tier lite; what the video lacks is no loss."""
VOICE_OVER = 0.5
"""Share of the time in which somebody speaks and nobody is seen to, of a voice-over."""
ZERO_SHOT_MAX = 3


class Format(Output):
    """One way of making a video."""

    label: str
    """slideshow, split_screen, letterboxed, static_shot, text_heavy, screen_recording, voice_over (with D-FINE), or an
    id of formats.toml."""
    score: float
    """0..1; for rules the measurement behind it, for zero_shot how far it stands out. Not a probability."""
    source: Literal["rule", "zero_shot"]
    """Where the label comes from."""


class ProductionFormat(Output):
    """How the video is made."""

    formats: list[Format]
    """Best first; empty for a plain video."""
    talking_head_ratio: float | None
    """0..1, share of the time, to the sampling step, with exactly one large person, upright, while somebody speaks;
    `None` without D-FINE, or without sound. Without ViTPose++ who lies counts too, without AST who sings."""
    text_cover_ratio: float | None
    """0..1, mean share of the picture under text, over the whole time; `None`: text was not looked for."""
    unknown: dict[str, str]
    """What is not known → why: a field that is null, `zero_shot` where only rules named formats, `posture` and
    `singing` where the one who speaks may lie or sing (model_missing, cpu_fallback, low_quality, no_audio,
    no_sources)."""


def analyze(context: Context) -> Result:
    """Ask each rule."""
    duration_s = context.facts.duration_s
    if duration_s < SHORTEST_S:
        return skipped("too_short", f"{duration_s:.2f} s; formats are told from {SHORTEST_S:g} s on")
    staging = context.signals.get("staging")
    if staging is None:
        return skipped("no_sources", "the pictures were not measured")
    if not staging["shown_shots"]:
        return skipped("low_quality", "the picture is black throughout: it has no format")
    lines = _lines(context)
    cover = None if lines is None else _text_cover(lines, duration_s)
    scores = {
        "slideshow": _slideshow(staging),
        "split_screen": _split(staging),
        "letterboxed": _letterboxed(context.signals.get("letterbox", {})),
        "static_shot": _static_shot(staging),
        "text_heavy": _text_heavy(cover),
        "screen_recording": _screen_recording(context, staging, lines or []),
        "voice_over": _voice_over(context),
    }
    found = [Format(label=k, score=round(v, 4), source="rule") for k, v in scores.items() if v is not None]
    seen = context.signals.get("siglip2")
    found += _zero_shot((seen or {}).get("labels", {}).get("formats", {}))
    talking = _talking.talking_head(context)
    lacking = _lacking(context, talking)
    if cover is None:
        lacking["text_cover_ratio"] = _no_text(context)
    output = ProductionFormat(
        formats=sorted(found, key=lambda f: -f.score),
        talking_head_ratio=talking,
        text_cover_ratio=None if cover is None else round(cover[0], 4),
        unknown={name: reason for name, (reason, _message) in lacking.items()},
    )
    models = [reason for name, (reason, _message) in lacking.items() if name != "text_cover_ratio"]
    return ok(output, calibrated=False, tier="lite" if any(reason in NO_MODEL for reason in models) else "full")


def _lacking(context: Context, talking: float | None) -> dict[str, tuple[Reason, str]]:
    """Return what models do not tell → why; who is not there needs no posture, and no sound is sung."""
    silent: tuple[Reason, str] = ("no_audio", "no sound")
    of_talk = {"posture": context.lack("vitpose"), "singing": context.lack("ast")}
    if talking is None:
        of_talk = {"talking_head_ratio": context.lack("dfine") or context.lack("vad") or silent}
    found = {"zero_shot": context.lack("siglip2")} | of_talk
    nobody = {"posture": "no_people", "singing": "no_audio"}
    return {name: lack for name, lack in found.items() if lack and lack[0] != nobody.get(name)}


def _no_text(context: Context) -> tuple[Reason, str]:
    envelope = context.outputs.get("on_screen_text")
    return (envelope.reason if envelope and envelope.reason else "no_sources"), "text was not looked for"


def _slideshow(staging: dict[str, Any]) -> float | None:
    enough = staging["still_shots"] >= SLIDES_MIN and staging["still_ratio"] >= STILL_RATIO
    return staging["still_ratio"] if enough else None


def _split(staging: dict[str, Any]) -> float | None:
    cuts = [
        d["strength"]
        for d in (staging["upright"], staging["level"])
        if d and d["strength"] >= SPLIT_STRENGTH and d["strength"] - d["likeness"] >= SPLIT_UNLIKE
    ]
    return max(cuts, default=None)


def _letterboxed(bars: dict[str, Any]) -> float | None:
    if not bars:
        return None
    inside = (1.0 - bars["top"] - bars["bottom"]) * (1.0 - bars["left"] - bars["right"])
    return 1.0 - inside if inside <= REPOST_RATIO else None


def _static_shot(staging: dict[str, Any]) -> float | None:
    """Return the share of the time in which the camera stands, for a single shot that is no still picture."""
    steady = staging["steady_ratio"]
    single = staging["shown_shots"] == 1 and not staging["still_shots"]
    return steady if single and steady is not None and steady >= STEADY_RATIO else None


def _lines(context: Context) -> list[ShownLine] | None:
    """Return the lines of text; `None`: they were not looked for."""
    text = context.output("on_screen_text", OnScreenText)
    if text is not None:
        return text.lines
    envelope = context.outputs.get("on_screen_text")
    return [] if envelope is not None and envelope.reason == "no_text" else None


def _text_cover(lines: list[ShownLine], duration_s: float) -> tuple[float, float, float]:
    """Return the mean share of the picture under text: over all time, while there is text; and that time's share."""
    edges = sorted({0.0, duration_s, *(min(duration_s, t) for line in lines for t in (line.start_s, line.end_s))})
    covered_s = text_s = 0.0
    for start_s, end_s in pairwise(edges):
        middle = (start_s + end_s) / 2
        area = sum(line.box[2] * line.box[3] for line in lines if line.start_s <= middle < line.end_s)
        covered_s += min(1.0, area) * (end_s - start_s)
        text_s += (end_s - start_s) if area > 0 else 0.0
    return covered_s / duration_s, covered_s / text_s if text_s > 0 else 0.0, text_s / duration_s


def _text_heavy(cover: tuple[float, float, float] | None) -> float | None:
    if cover is None or cover[1] < TEXT_COVER or cover[2] < TEXT_TIME:
        return None
    return min(1.0, cover[0] / (2 * TEXT_COVER))


def _screen_recording(context: Context, staging: dict[str, Any], lines: list[ShownLine]) -> float | None:
    """Return how flat the picture is, where it is drawn: flat, without noise, with many lines of text at a time."""
    noise = context.signals.get("luma_statistics", {}).get("noise_sigma")
    drawn = staging["flat_ratio"] >= FLAT_RATIO and noise is not None and noise <= SCREEN_NOISE
    lines_s = sum(line.end_s - line.start_s for line in lines)
    return staging["flat_ratio"] if drawn and lines_s / context.facts.duration_s >= SCREEN_LINES else None


def _zero_shot(scores: dict[str, Any]) -> list[Format]:
    """Return the labels that stand out among the clip's mean cosines and beat every background prompt."""
    cosine: dict[str, float] = scores.get("cosine", {})
    if not cosine:
        return []
    values = np.array(list(cosine.values()))
    spread = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    z = (values - np.median(values)) / spread if spread > 1e-6 else np.zeros_like(values)
    floor = scores.get("floor")
    order = np.argsort(-values)[:ZERO_SHOT_MAX]
    names = list(cosine)
    return [
        Format(label=names[i], score=round(float(np.clip(z[i] / (2 * Z_STANDS_OUT), 0.0, 1.0)), 4), source="zero_shot")
        for i in order
        if z[i] >= Z_STANDS_OUT and (floor is None or values[i] > floor)
    ]


def _voice_over(context: Context) -> float | None:
    share = _talking.voice_over(context)
    return share if share is not None and share >= VOICE_OVER else None


ANALYZER = Analyzer(
    name="production_format",
    title="How the video is made: slideshow, split screen, repost with bars, static shot, screen recording",
    group="fusion",
    output=ProductionFormat,
    analyze=analyze,
    after=("on_screen_text",),
    signals=("staging", "letterbox", "luma_statistics", "siglip2", "dfine", "vitpose", "vad", "ast"),
    needs=frozenset({"video"}),
    version="5",
)
