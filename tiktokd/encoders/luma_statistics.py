"""Technical measurements of the picture: sharpness, exposure, noise, ITU-T P.910 SI and TI, black and frozen stretches.

Bars are left out. Luma is brought from the limited range (16..235) to 0..255.

Bad at: noise in frames that were made smaller than the video (it averages out), noise where nothing is smooth
(texture counts as noise), sharpness of pictures that are meant to be soft.
Source: ITU-T P.910 (2008) 7.3, 7.4 for SI and TI, at 160 px short side and at most 10 Hz, so comparable among results
of this program only; Pech-Pacheco et al., ICPR 2000 (variance of Laplacian); Immerkaer, CVIU 64(2), 1996 (noise).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders._frame_choice import spread
from tiktokd.footage import Bars, Floats, LumaStatistics, Shots, Stillness
from tiktokd.plugins import Array, Context, Encoder

FRAMES = 32
"""Full-size frames measured at most, spread over the video."""
NOISE_FRAMES = 8
GAP_S = 0.35
"""Neighbours in `low` further apart (thinned long videos) are two pictures and no motion."""
MIXED_S = 0.1
"""Frames this near to a fade or dissolve are still mixed."""
SHARP_SHORT_SIDE_PX = 360
"""Sharpness depends on the size; every sampled frame has at least this, unless the video is smaller."""
SI_SHORT_SIDE_PX = 160
TO_FULL = 255.0 / 219.0
"""One level of limited range in levels of full range."""
CLIPPED_LOW, CLIPPED_HIGH = 18, 233
"""Limited range: within 2 levels of black (16) and white (235)."""
NOISE_BLOCK = 16
NOISE_QUANTILE = 0.2
NOISE_KERNEL = ((1, -2, 1), (-2, 4, -2), (1, -2, 1))
"""Immerkaer's difference of two Laplacians: blind to edges of constant slope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One video's pictures and what other encoders made of them."""

    frames: Sequence[Array]
    """Luma planes (H, W) uint8, limited range."""
    frame_s: NDArray[np.float64]
    low: Array
    low_s: NDArray[np.float64]
    bars: Bars
    shots: Shots
    stillness: Stillness


def measure(item: Item) -> LumaStatistics:
    """Return the measurements of one video."""
    lumas = [_inside(frame, item.bars) for frame in item.frames]
    sharp = [_to_short_side(luma, SHARP_SHORT_SIDE_PX) for luma in lumas]
    with_noise = set(np.unique(np.linspace(0, len(lumas) - 1, min(NOISE_FRAMES, len(lumas))).round().astype(int)))
    return LumaStatistics(
        frame_s=item.frame_s,
        mean=np.array([(picture.mean() - 16.0) * TO_FULL for picture in sharp], np.float32).clip(0, 255),
        contrast=np.array([picture.std() * TO_FULL for picture in sharp], np.float32),
        sharpness=np.array([_sharpness(picture) for picture in sharp], np.float32),
        clipped=np.array([((p <= CLIPPED_LOW) | (p >= CLIPPED_HIGH)).mean() for p in sharp], np.float32),
        noise_sigma=np.array([_noise(luma) for i, luma in enumerate(lumas) if i in with_noise], np.float32),
        spatial_information=np.array([_spatial(picture) for picture in sharp], np.float32),
        temporal_information=_temporal(item),
        calm=_calm(item.frame_s, item.shots),
        black=item.stillness.black,
        frozen=item.stillness.frozen,
    )


def _inside(picture: Array, bars: Bars) -> Array:
    height, width = picture.shape
    rows = slice(round(bars.top * height), height - round(bars.bottom * height))
    return picture[rows, round(bars.left * width) : width - round(bars.right * width)]


def _to_short_side(picture: Array, side_px: int) -> Array:
    import cv2

    factor = side_px / min(picture.shape)
    if factor >= 1.0:
        return picture
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA))


def _sharpness(picture: Array) -> float:
    import cv2

    laplacian = cv2.Laplacian(np.ascontiguousarray(picture), cv2.CV_16S)
    return float(cv2.meanStdDev(laplacian)[1][0, 0] * TO_FULL) ** 2


def _spatial(picture: Array) -> float:
    import cv2

    small = np.ascontiguousarray(_to_short_side(picture, SI_SHORT_SIDE_PX))
    across, down = (cv2.Sobel(small, cv2.CV_32F, dx, 1 - dx, ksize=3) for dx in (1, 0))
    return float(cv2.meanStdDev(cv2.magnitude(across, down)[1:-1, 1:-1])[1][0, 0]) * TO_FULL


def _temporal(item: Item) -> Floats:
    """Return the deviation of the difference of neighbours, without those that a transition or a long gap parts."""
    import cv2

    able = np.diff(item.low_s) <= GAP_S
    for t in item.shots.transitions:
        able &= (item.low_s[1:] < t.start_s - 1e-6) | (item.low_s[:-1] >= t.end_s - 1e-6)
    inside = [np.ascontiguousarray(_inside(picture, item.bars)) for picture in item.low]
    apart = [cv2.subtract(inside[i + 1], inside[i], dtype=cv2.CV_16S) for i in np.flatnonzero(able)]
    return np.array([cv2.meanStdDev(d)[1][0, 0] * TO_FULL for d in apart], np.float32)


def _calm(frame_s: NDArray[np.float64], shots: Shots) -> NDArray[np.bool_]:
    calm = np.ones(len(frame_s), bool)
    for t in shots.transitions:
        if t.kind != "cut":
            calm &= (frame_s < t.start_s - MIXED_S) | (frame_s >= t.end_s + MIXED_S)
    return calm


def _noise(picture: Array) -> float:
    """Return the standard deviation of the noise where the picture is smoothest; NaN where all of it is clipped."""
    import cv2

    rows, columns = (n // NOISE_BLOCK for n in picture.shape)
    if not rows or not columns:
        return float("nan")
    picture = np.ascontiguousarray(picture[: rows * NOISE_BLOCK, : columns * NOISE_BLOCK])
    apart = np.abs(cv2.filter2D(picture, cv2.CV_16S, np.array(NOISE_KERNEL, np.float32)))

    def blocks(values: Array) -> Floats:
        tiles = values.reshape(rows, NOISE_BLOCK, columns, NOISE_BLOCK)
        return np.asarray(tiles.mean((1, 3)), np.float32)

    level, rough = blocks(picture), blocks(apart)
    usable = rough[(level > CLIPPED_LOW + 4) & (level < CLIPPED_HIGH - 4)]
    if not usable.size:
        return float("nan")
    return float(np.quantile(usable, NOISE_QUANTILE)) * float(np.sqrt(np.pi / 2)) / 6.0 * TO_FULL


def _items(context: Context) -> list[Item]:
    arrays = context.arrays
    if not all(name in arrays and len(arrays[name]) for name in ("frames", "low")):
        return []
    frames, height = arrays["frames"], arrays["frames"].shape[1] * 2 // 3
    chosen = spread(arrays["frames_pts"], FRAMES)
    return [
        Item(
            frames=[frames[i, :height] for i in chosen],
            frame_s=arrays["frames_pts"][chosen],
            low=arrays["low"],
            low_s=arrays["low_pts"],
            bars=context.features["letterbox"],
            shots=context.features["shots"],
            stillness=context.features["stillness"],
        )
    ]


def _encode(_model: None, batch: Sequence[Item]) -> list[LumaStatistics]:
    return [measure(item) for item in batch]


def signals(features: LumaStatistics) -> dict[str, Any]:
    """Return the measurements per frame as lists, `noise_sigma` as the median of known ones, `si` and `ti` as maxima.

    `black` and `frozen` are lists of (start, end); at most 500 of each.
    """
    per_frame = {
        name: [round(float(v), 4) for v in getattr(features, name)]
        for name in ("frame_s", "mean", "contrast", "sharpness", "clipped")
    }
    ti, noise = features.temporal_information, features.noise_sigma[np.isfinite(features.noise_sigma)]
    return per_frame | {
        "calm": features.calm.tolist(),
        "noise_sigma": round(float(np.median(noise)), 4) if len(noise) else None,
        "si": round(float(features.spatial_information.max()), 3),
        "ti": round(float(ti.max()), 3) if len(ti) else None,
        "black": [[round(a, 3), round(b, 3)] for a, b in features.black[:500]],
        "frozen": [[round(a, 3), round(b, 3)] for a, b in features.frozen[:500]],
    }


ENCODER = Encoder(
    name="luma_statistics",
    title="Sharpness, exposure, noise, SI and TI, black and frozen stretches",
    input="frames",
    place="cpu",
    encode=_encode,
    items=_items,
    signals=signals,
    uses=("letterbox", "shots", "stillness"),
)
