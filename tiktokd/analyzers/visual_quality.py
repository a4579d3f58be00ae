"""Technical quality of the picture, stretches of black and of frozen picture, bars, and the best frame for a cover.

Full tier: an aesthetic score from antonym prompts ("a good photo" against "a bad photo") on SigLIP2. It follows the
taste of the people whose captions trained the model, is not calibrated, and says nothing about worth.

Bad at: intended blur and bokeh (count as unsharp), grain filters (count as noise), dark scenes (count as crushed),
noise in videos larger than the sampled frames (understated), freezes under 1 s, still scenes from which strong
compression took all noise (taken for frozen: each picture repeats the one before), plain margins of a scrolled page
(taken for bars at the sides).
SI and TI are measured at 160 px and at most 10 Hz: compare them among results of this program only.

Source: ITU-T P.910; Pech-Pacheco 2000; Immerkaer 1996; CLIP-IQA (Wang et al., AAAI 2023), own prompts in
data/prompts/aesthetics.toml.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiktokd.analyzers._few_pictures import too_few
from tiktokd.model import Output, Reason, Segment, Tier
from tiktokd.pictures import shares
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped

Floats = NDArray[np.float64]
NOT_BLACK = 12.0
"""Mean luma (0..255) under which a frame shows nothing."""
FAR_APART_S = 0.35
"""Pictures further apart show no motion, as in `luma_statistics`."""


class Letterbox(Output):
    """Bars around the picture, in pixels of the displayed video; 0: none on that side."""

    top_px: int
    """0 or more."""
    bottom_px: int
    """0 or more."""
    left_px: int
    """0 or more."""
    right_px: int
    """0 or more."""
    fill: Literal["plain", "blurred"] | None
    """One colour, or a blurred copy of the picture; `None`: no bars."""


class VisualQuality(Output):
    """Technical quality; statistics are taken inside the bars."""

    width_px: int | None
    """Displayed width, rotation applied."""
    height_px: int | None
    """Displayed height."""
    fps: float | None
    """Mean frames per second."""
    bitrate_kbps: float | None
    """Of the container; `None` where it does not say."""
    sharpness: float | None
    """Median variance of the Laplacian at 360 px short side: 0 flat, tens soft, hundreds crisp. `None`: all black."""
    si: float
    """Spatial information, 0..about 250: maximum over frames of the standard deviation of the Sobel gradient."""
    ti: float | None
    """Temporal information, 0..about 128: maximum over neighbours (10 Hz) without cuts. `None`: none are near."""
    exposure_clip_ratio: float | None
    """Share 0..1 of pixels that are fully black or white, mean over frames that are not black. `None`: all black."""
    noise_sigma: float | None
    """Standard deviation of the noise in smooth areas, levels of 255. `None`: all of it is black or white."""
    black_ratio: float
    """Share 0..1 of the time."""
    frozen_ratio: float
    """Share 0..1 of the time in which one picture is repeated for 1 s or longer; slideshows are near 1, one picture
    under minutes of sound is 1."""
    letterbox: Letterbox
    """All 0 where the picture fills the frame."""
    aesthetic: float | None
    """0..1, higher is nearer to "a good photo"; not a probability. `None` without SigLIP2."""
    cover_frame_s: float | None
    """The sharpest well exposed frame (the nicest of the sharp ones, with SigLIP2). `None`: all black."""
    unknown: dict[str, str]
    """Field that is null → why: low_quality (black, or nothing but black and white; `ti`: less than three pictures a
    second), too_short (one picture or two), truncated (`ti` of a long video, whose pictures were kept far apart),
    no_sources (the container does not say), model_missing or cpu_fallback (`aesthetic`)."""


class QualitySegment(Segment):
    """A stretch without moving picture."""

    kind: Literal["black", "frozen"]
    """Black, or one picture repeated."""


def analyze(context: Context) -> Result:
    """Put the statistics together, leave black frames out of them, pick the cover."""
    luma = context.signals.get("luma_statistics")
    if luma is None:
        return skipped("too_short", "no picture was kept to measure")
    shown = np.array(luma["mean"]) >= NOT_BLACK
    aesthetic = _aesthetic(context.signals.get("siglip2", {}))
    noise = luma["noise_sigma"] if shown.any() else None
    duration_s = max(context.facts.duration_s, 1e-3)
    output = VisualQuality(
        width_px=context.facts.width_px,
        height_px=context.facts.height_px,
        fps=_rounded(context.facts.fps, 3),
        bitrate_kbps=_rounded(context.facts.bitrate_kbps, 1),
        sharpness=_over(np.median, luma["sharpness"], shown, 2),
        si=luma["si"],
        ti=luma["ti"],
        exposure_clip_ratio=_over(np.mean, luma["clipped"], shown, 4),
        noise_sigma=noise,
        black_ratio=_share(luma["black"], duration_s),
        frozen_ratio=_share(luma["frozen"], duration_s),
        letterbox=_letterbox(context),
        aesthetic=None if aesthetic is None else _over_time(*aesthetic, duration_s),
        cover_frame_s=_cover(luma, shown, aesthetic),
        unknown={},
    )
    output = output.model_copy(update={"unknown": _unknown(output, context)})
    segments = [_segment(s, "black") for s in luma["black"]] + [_segment(s, "frozen") for s in luma["frozen"]]
    segments.sort(key=lambda s: s.start_s)
    tier: Tier = "lite" if aesthetic is None else "full"
    calibrated = None if aesthetic is None else False
    why = _what_is_missing(context, shown, output.ti)
    if why is not None:
        return partial(output, *why, segments, calibrated=calibrated, tier=tier)
    return ok(output, segments, calibrated=calibrated, tier=tier)


def _unknown(output: VisualQuality, context: Context) -> dict[str, str]:
    """Return each null field with its reason."""
    no_model: tuple[Reason, str] = context.lack("siglip2") or ("low_quality", "no frame was embedded")
    why: dict[str, str] = {"ti": _no_motion(context)[0], "aesthetic": no_model[0]}
    why |= dict.fromkeys(("width_px", "height_px", "fps", "bitrate_kbps"), "no_sources")
    nulls = [name for name in type(output).model_fields if getattr(output, name) is None]
    return {name: why.get(name, "low_quality") for name in nulls}


def _what_is_missing(context: Context, shown: NDArray[np.bool_], ti: float | None) -> tuple[Reason, str] | None:
    if not shown.any():
        return "low_quality", "the picture is black throughout: nothing to measure in it"
    if ti is None:
        return _no_motion(context)
    return None


def _no_motion(context: Context) -> tuple[Reason, str]:
    """Return why no change between pictures is known, which takes neighbours of one shot."""
    kept = "no two of the kept pictures are close enough in time to see motion between them"
    return too_few(context.facts, FAR_APART_S) or ("truncated", kept)


def _over(what: Any, values: Sequence[float], shown: NDArray[np.bool_], digits: int) -> float | None:
    return round(float(what(np.array(values)[shown])), digits) if shown.any() else None


def _aesthetic(signal: dict[str, Any]) -> tuple[Floats, Floats] | None:
    """Return times and the score 0..1 of each embedded frame; `None`: no model looked."""
    frames = signal.get("aesthetic")
    return (np.array(frames["pts_s"]), np.array(frames["score"])) if frames and frames["score"] else None


def _over_time(times_s: Floats, values: Floats, duration_s: float) -> float:
    return round(float(np.array(shares(times_s.tolist(), duration_s)) @ values), 4)


def _cover(luma: dict[str, Any], shown: NDArray[np.bool_], aesthetic: tuple[Floats, Floats] | None) -> float | None:
    """Return the time of the best frame: sharp, with contrast, not clipped, not mixed; nice, where known."""
    usable = shown & np.array(luma["calm"])
    usable = usable if usable.any() else shown
    if not usable.any():
        return None
    times_s = np.array(luma["frame_s"])
    # Sharpness spans decades, and text drives it up: its logarithm keeps one caption from deciding.
    score = np.log1p(luma["sharpness"]) * (1.0 - np.array(luma["clipped"])) * np.sqrt(luma["contrast"])
    if aesthetic is not None:
        nearest = np.abs(aesthetic[0][None, :] - times_s[:, None]).argmin(1)
        score = score * aesthetic[1][nearest]
    return round(float(times_s[int(np.where(usable, score, -np.inf).argmax())]), 3)


def _letterbox(context: Context) -> Letterbox:
    bars = context.signals.get("letterbox", {})
    width, height = context.facts.width_px or 0, context.facts.height_px or 0
    return Letterbox(
        top_px=round(bars.get("top", 0.0) * height),
        bottom_px=round(bars.get("bottom", 0.0) * height),
        left_px=round(bars.get("left", 0.0) * width),
        right_px=round(bars.get("right", 0.0) * width),
        fill=bars.get("fill"),
    )


def _segment(span: Sequence[float], kind: Literal["black", "frozen"]) -> QualitySegment:
    return QualitySegment(start_s=span[0], end_s=span[1], kind=kind)


def _share(spans: Sequence[Sequence[float]], duration_s: float) -> float:
    return round(min(1.0, sum(end_s - start_s for start_s, end_s in spans) / duration_s), 4)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


ANALYZER = Analyzer(
    name="visual_quality",
    title="Sharpness, exposure, noise, motion and detail, black and frozen stretches, bars, best cover frame",
    group="fusion",
    output=VisualQuality,
    segment=QualitySegment,
    analyze=analyze,
    signals=("luma_statistics", "letterbox", "siglip2"),
    needs=frozenset({"video"}),
    version="5",
)
