"""Technical quality of the picture, stretches of black and of frozen picture, bars, and the best frame for a cover.

Full tier: an aesthetic score from antonym prompts ("a good photo" against "a bad photo") on SigLIP2. It follows the
taste of the people whose captions trained the model, is not calibrated, and says nothing about worth.

Bad at: intended blur and bokeh (count as unsharp), grain filters (count as noise), dark scenes (count as crushed),
noise in videos larger than the sampled frames (understated), freezes under 1 s.
SI and TI are measured at 160 px and at most 10 Hz: compare them among results of this program only.

Source: ITU-T P.910; Pech-Pacheco 2000; Immerkaer 1996; CLIP-IQA (Wang et al., AAAI 2023), own prompts in
data/prompts/aesthetics.toml.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiktokd.footage import Bars, LumaStatistics, Shots
from tiktokd.model import Output, Reason, Segment
from tiktokd.pictures import ImageEmbeddings
from tiktokd.plugins import Analyzer, Context, Result, ok, partial

NOT_BLACK = 12.0
"""Mean luma (0..255) under which a frame shows nothing."""
COVER_MARGIN_S = 0.1
"""A cover is not taken from within a transition, nor this near to one: frames there are mixed or blurred."""
PAIR_S = 0.35
"""Neighbours in `low` further apart (thinned long videos) are two pictures and no motion."""


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
    """Temporal information, 0..about 128: maximum over neighbours (10 Hz) without cuts. `None`: only one picture."""
    exposure_clip_ratio: float | None
    """Share 0..1 of pixels that are fully black or white, mean over frames that are not black. `None`: all black."""
    noise_sigma: float | None
    """Standard deviation of the noise in smooth areas, levels of 255. `None`: all black."""
    black_ratio: float
    """Share 0..1 of the time."""
    frozen_ratio: float
    """Share 0..1 of the time in which one picture is repeated for 1 s or longer; slideshows are near 1."""
    letterbox: Letterbox
    """All 0 where the picture fills the frame."""
    aesthetic: float | None
    """0..1, higher is nearer to "a good photo"; not a probability. `None` without SigLIP2."""
    cover_frame_s: float | None
    """The sharpest well exposed frame (the nicest of the sharp ones, with SigLIP2). `None`: all black."""


class QualitySegment(Segment):
    """A stretch without moving picture."""

    kind: Literal["black", "frozen"]
    """Black, or one picture repeated."""


def analyze(context: Context) -> Result:
    """Put the statistics together, leave black frames and cuts out of them, pick the cover."""
    luma: LumaStatistics = context.features["luma_statistics"]
    shots: Shots = context.features["shots"]
    duration_s = max(context.facts.duration_s, 1e-3)
    shown = luma.mean >= NOT_BLACK
    aesthetic = _aesthetic(context.features.get("siglip2"))
    ti = _temporal(luma, shots)
    output = VisualQuality(
        width_px=context.facts.width_px,
        height_px=context.facts.height_px,
        fps=_rounded(context.facts.fps, 3),
        bitrate_kbps=_rounded(context.facts.bitrate_kbps, 1),
        sharpness=round(float(np.median(luma.sharpness[shown])), 2) if shown.any() else None,
        si=round(float(luma.spatial_information.max()), 2),
        ti=ti,
        exposure_clip_ratio=round(float(luma.clipped[shown].mean()), 4) if shown.any() else None,
        noise_sigma=round(float(np.median(luma.noise_sigma)), 3) if shown.any() else None,
        black_ratio=_share(luma.black, duration_s),
        frozen_ratio=_share(luma.frozen, duration_s),
        letterbox=_letterbox(context),
        aesthetic=None if aesthetic is None else round(float(aesthetic[1].mean()), 4),
        cover_frame_s=_cover(luma, shots, shown, aesthetic),
    )
    segments = [_segment(span, "black") for span in luma.black] + [_segment(span, "frozen") for span in luma.frozen]
    segments.sort(key=lambda s: s.start_s)
    why = _what_is_missing(shown, ti)
    if why is not None:
        return partial(output, *why, segments, calibrated=None if aesthetic is None else False)
    return ok(output, segments, calibrated=None if aesthetic is None else False)


def _what_is_missing(shown: NDArray[np.bool_], ti: float | None) -> tuple[Reason, str] | None:
    if not shown.any():
        return "low_quality", "the picture is black throughout: nothing to measure in it"
    if ti is None:
        return "too_short", "no two pictures close enough in time to see motion between them"
    return None


def _temporal(luma: LumaStatistics, shots: Shots) -> float | None:
    near = luma.pair_s[:, 1] - luma.pair_s[:, 0] <= PAIR_S
    for t in shots.transitions:
        near &= (luma.pair_s[:, 1] < t.start_s - 1e-6) | (luma.pair_s[:, 0] > t.end_s - 1e-6)
    return round(float(luma.temporal_information[near].max()), 2) if near.any() else None


def _aesthetic(images: ImageEmbeddings | None) -> tuple[NDArray[np.float64], NDArray[np.float32]] | None:
    """Return times and the score 0..1 of each embedded frame, after CLIP-IQA: good against bad at the model's scale."""
    if images is None or "aesthetics" not in images.taxonomies:
        return None
    prompts = images.taxonomies["aesthetics"]
    column = {label.id: i for i, label in enumerate(prompts.labels)}
    if not {"good", "bad"} <= column.keys() or not len(prompts.cosine):
        return None
    apart = prompts.cosine[:, column["good"]] - prompts.cosine[:, column["bad"]]
    return images.pts_s, np.asarray(1.0 / (1.0 + np.exp(-prompts.scale * apart)), np.float32)


def _cover(
    luma: LumaStatistics,
    shots: Shots,
    shown: NDArray[np.bool_],
    aesthetic: tuple[NDArray[np.float64], NDArray[np.float32]] | None,
) -> float | None:
    """Return the time of the best frame: sharp, with contrast, not clipped, not in a transition; nice, where known."""
    calm = shown.copy()
    for t in shots.transitions:
        margin_s = COVER_MARGIN_S if t.kind != "cut" else 0.0
        calm &= (luma.frame_s < t.start_s - margin_s) | (luma.frame_s >= t.end_s + margin_s)
    usable = calm if calm.any() else shown
    if not usable.any():
        return None
    # Sharpness spans decades, and text drives it up: its logarithm keeps one caption from deciding.
    score = np.log1p(luma.sharpness) * (1.0 - luma.clipped) * np.sqrt(luma.contrast)
    if aesthetic is not None:
        nearest = np.abs(aesthetic[0][None, :] - luma.frame_s[:, None]).argmin(1)
        score = score * aesthetic[1][nearest]
    return round(float(luma.frame_s[int(np.where(usable, score, -np.inf).argmax())]), 3)


def _letterbox(context: Context) -> Letterbox:
    bars: Bars = context.features["letterbox"]
    width, height = context.facts.width_px or 0, context.facts.height_px or 0
    return Letterbox(
        top_px=round(bars.top * height),
        bottom_px=round(bars.bottom * height),
        left_px=round(bars.left * width),
        right_px=round(bars.right * width),
        fill=bars.fill,
    )


def _segment(span: tuple[float, float], kind: Literal["black", "frozen"]) -> QualitySegment:
    return QualitySegment(start_s=round(span[0], 3), end_s=round(span[1], 3), kind=kind)


def _share(spans: tuple[tuple[float, float], ...], duration_s: float) -> float:
    return round(min(1.0, sum(end_s - start_s for start_s, end_s in spans) / duration_s), 4)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


ANALYZER = Analyzer(
    name="visual_quality",
    title="Sharpness, exposure, noise, motion and detail, black and frozen stretches, bars, best cover frame",
    group="video",
    output=VisualQuality,
    analyze=analyze,
    uses=("luma_statistics", "letterbox", "shots"),
    optional=("siglip2",),
    needs=frozenset({"video"}),
)
