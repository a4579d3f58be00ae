"""How a video is made: slideshow, split screen, letterboxed repost, static shot, text-heavy, screen recording.

The lite tier's labels come from rules over what the picture encoders measured; the score is the measurement that the
rule rests on, not a probability. With SigLIP2 the labels of data/prompts/formats.toml join them (`zero_shot`), and with
D-FINE the share of time with one person who speaks. A plain video has no label.

Bad at: templates that mix formats, photo slideshows with strong animated zooms or moving overlays, split screens with a
decorated divider or equal brightness on both sides, screen recordings of videos, animation on a plain ground (looks
like a screen recording).

Source: own rules; thresholds measured on 50 videos.
"""

from itertools import pairwise
from typing import Any, Literal

import numpy as np

from tiktokd.footage import Bars, Divide, Flow, Layout, LumaStatistics, Shots
from tiktokd.model import Output
from tiktokd.pictures import FrameDetections, ImageEmbeddings, rank
from tiktokd.plugins import Analyzer, Context, Result, ok, skipped
from tiktokd.sound import Speech
from tiktokd.texts import OcrFeatures

SHORTEST_S = 1.0
STILL_RATIO, SLIDES_MIN = 0.8, 2
"""Share of the shown time without motion, and number of still shots, from which on a video is a slideshow."""
SLIDE_RESIDUAL = 0.02
"""Motion beside a zoom or pan, short sides per second, up to which a shot may be a photograph that is moved."""
SLIDE_INLIERS, SLIDE_SPEED = 0.9, 0.01
"""Share of points that follow the zoom or pan, and its least speed: slower, and it is a camera before a calm scene."""
SPLIT_STRENGTH, SPLIT_UNLIKE = 0.55, 0.2
"""Of a cut through the picture: share of its length, and that less the likeness of its sides (unrelated pictures have
0.34-1.2, 49 unsplit videos <= 0.08)."""
REPOST_RATIO = 0.85
"""Share of the picture inside the bars up to which it counts as letterboxed."""
STEADY, STEADY_RATIO = 0.015, 0.9
"""Camera speed (short sides per second), and share of the time below it, of a static shot."""
TEXT_COVER, TEXT_TIME = 0.12, 0.5
"""Share of the picture under text while there is any, and share of the time with text, of a text-heavy video."""
FLAT_RATIO, SCREEN_LINES, SCREEN_NOISE = 0.5, 6, 0.15
"""A drawn screen: flat blocks, lines of text at a time, noise (levels of 255; cameras have more)."""
PERSON_AREA = 0.08
"""Smallest share of the picture of somebody who talks to the camera."""


class Format(Output):
    """One way of making a video."""

    label: str
    """slideshow, split_screen, letterboxed, static_shot, text_heavy, screen_recording, or an id of formats.toml."""
    score: float
    """0..1; for rules the measurement behind it, for zero_shot the share among all labels. Not a probability."""
    source: Literal["rule", "zero_shot"]
    """Where the label comes from."""


class ProductionFormat(Output):
    """How the video is made."""

    formats: list[Format]
    """Best first; empty for a plain video."""
    talking_head_ratio: float | None
    """0..1, share of the looked-at frames with exactly one large person while somebody speaks; `None` without D-FINE,
    or without sound."""
    text_cover_ratio: float | None
    """0..1, mean share of the picture under text, over the whole time; `None`: text was not looked for."""


def analyze(context: Context) -> Result:
    """Ask each rule."""
    if context.facts.duration_s < SHORTEST_S:
        return skipped("too_short", f"{context.facts.duration_s:.2f} s; formats are told from {SHORTEST_S:g} s on")
    ocr: OcrFeatures | None = context.features.get("ocr")
    cover = _text_cover(ocr, context.facts.duration_s)
    scores = {
        "slideshow": _slideshow(context),
        "split_screen": _split(context.features["layout"]),
        "letterboxed": _letterboxed(context.features["letterbox"]),
        "static_shot": _static_shot(context),
        "text_heavy": _text_heavy(cover),
        "screen_recording": _screen_recording(context, ocr),
    }
    found = [Format(label=k, score=round(v, 4), source="rule") for k, v in scores.items() if v is not None]
    images: ImageEmbeddings | None = context.features.get("siglip2")
    if images is not None and "formats" in images.taxonomies:
        ranked = rank(images.taxonomies["formats"])
        found += [Format(label=r.label.id, score=round(r.score, 4), source="zero_shot") for r in ranked]
    output = ProductionFormat(
        formats=sorted(found, key=lambda f: -f.score),
        talking_head_ratio=_talking_head(context),
        text_cover_ratio=None if cover is None else round(cover[0], 4),
    )
    return ok(output, calibrated=False)


def _slideshow(context: Context) -> float | None:
    """Return the share of the shown time in which nothing moves by itself, for two still shots or more."""
    shots: Shots = context.features["shots"]
    flow: Flow | None = context.features.get("flow")
    luma: LumaStatistics = context.features["luma_statistics"]
    shown = [s for s in shots.shots if not s.black]
    still_s, slides = 0.0, 0
    for shot in shown:
        length_s = shot.end_s - shot.start_s
        frozen_s = sum(max(0.0, min(end, shot.end_s) - max(start, shot.start_s)) for start, end in luma.frozen)
        if frozen_s >= STILL_RATIO * length_s or (flow is not None and _moved_photo(flow, shot.start_s, shot.end_s)):
            still_s += length_s
            slides += 1
    total_s = sum(s.end_s - s.start_s for s in shown)
    share = still_s / total_s if total_s > 0 else 0.0
    return share if slides >= SLIDES_MIN and share >= STILL_RATIO else None


def _moved_photo(flow: Flow, start_s: float, end_s: float) -> bool:
    """Return whether all motion of a shot is that of a flat picture that is zoomed or moved."""
    inside = (flow.start_s >= start_s - 1e-6) & (flow.end_s <= end_s + 1e-6)
    if inside.sum() < 3:
        return False
    rate = 1.0 / flow.seconds[inside]
    known = np.isfinite(flow.scale[inside])
    return bool(
        known.mean() >= STILL_RATIO
        and np.quantile(flow.residual[inside] * rate, 0.9) <= SLIDE_RESIDUAL
        and np.median(flow.inliers[inside]) >= SLIDE_INLIERS
        and np.median(flow.magnitude[inside] * rate) >= SLIDE_SPEED
    )


def _split(layout: Layout) -> float | None:
    strengths = [d.strength for d in (layout.upright, layout.level) if d is not None and _is_split(d)]
    return max(strengths) if strengths else None


def _is_split(divide: Divide) -> bool:
    return divide.strength >= SPLIT_STRENGTH and divide.strength - divide.likeness >= SPLIT_UNLIKE


def _letterboxed(bars: Bars) -> float | None:
    return 1.0 - bars.content_ratio if bars.content_ratio <= REPOST_RATIO else None


def _static_shot(context: Context) -> float | None:
    """Return the share of the time in which the camera stands, for a single shot that is no still picture."""
    shots: Shots = context.features["shots"]
    flow: Flow | None = context.features.get("flow")
    luma: LumaStatistics = context.features["luma_statistics"]
    frozen_s = sum(end - start for start, end in luma.frozen)
    if flow is None or sum(not s.black for s in shots.shots) != 1 or frozen_s > 0.5 * context.facts.duration_s:
        return None
    known = np.isfinite(flow.scale)
    if known.mean() < 0.5:
        return None
    rate = 1.0 / flow.seconds[known]
    speed = np.hypot(flow.shift[known, 0], flow.shift[known, 1]) * rate + np.abs(flow.scale[known] - 1.0) * rate / 2
    share = float((speed < STEADY).mean())
    return share if share >= STEADY_RATIO else None


def _text_cover(ocr: OcrFeatures | None, duration_s: float) -> tuple[float, float, float] | None:
    """Return the mean share of the picture under text: over all time, while there is text; and that time's share."""
    if ocr is None:
        return None
    edges = sorted({0.0, duration_s, *(min(duration_s, t) for line in ocr.lines for t in (line.start_s, line.end_s))})
    covered_s = text_s = 0.0
    for start_s, end_s in pairwise(edges):
        middle = (start_s + end_s) / 2
        area = sum(line.box[2] * line.box[3] for line in ocr.lines if line.start_s <= middle < line.end_s)
        covered_s += min(1.0, area) * (end_s - start_s)
        text_s += (end_s - start_s) if area > 0 else 0.0
    return covered_s / duration_s, covered_s / text_s if text_s > 0 else 0.0, text_s / duration_s


def _text_heavy(cover: tuple[float, float, float] | None) -> float | None:
    if cover is None or cover[1] < TEXT_COVER or cover[2] < TEXT_TIME:
        return None
    return min(1.0, cover[0] / (2 * TEXT_COVER))


def _screen_recording(context: Context, ocr: OcrFeatures | None) -> float | None:
    """Return how flat the picture is, where it is drawn: flat, without noise, with many lines of text at a time."""
    layout: Layout = context.features["layout"]
    luma: LumaStatistics = context.features["luma_statistics"]
    if ocr is None or layout.flat_ratio < FLAT_RATIO or float(np.median(luma.noise_sigma)) > SCREEN_NOISE:
        return None
    lines_s = sum(line.end_s - line.start_s for line in ocr.lines)
    return layout.flat_ratio if lines_s / context.facts.duration_s >= SCREEN_LINES else None


def _talking_head(context: Context) -> float | None:
    detections: Any = context.features.get("dfine")
    speech: Speech | None = context.features.get("vad")
    if detections is None or speech is None or not len(detections):
        return None
    frames: list[FrameDetections] = list(detections)
    talking = 0
    for frame in frames:
        people = [d for d in frame.found if d.label.lower() == "person" and d.box[2] * d.box[3] >= PERSON_AREA]
        talking += len(people) == 1 and any(start <= frame.pts_s < end for start, end in speech.spans)
    return round(talking / len(frames), 4)


ANALYZER = Analyzer(
    name="production_format",
    title="How the video is made: slideshow, split screen, repost with bars, static shot, screen recording",
    group="video",
    output=ProductionFormat,
    analyze=analyze,
    uses=("shots", "letterbox", "luma_statistics", "layout"),
    optional=("flow", "ocr", "vad", "siglip2", "dfine"),
    needs=frozenset({"video"}),
)
