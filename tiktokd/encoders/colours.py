"""The colours of a video: sampled pixels in CIELAB and their palette by k-means, over the video and per shot.

K-means runs on pixels that were first counted in cells of 2 units, from a fixed start, so that a video always gives
the same palette. Clusters that look alike are joined: six clusters of four colours are four colours.

Bad at: thin lines and small things (one pixel in 600 is looked at), gradients (cut into bands), HDR beyond what the
decoder's conversion leaves.
Source: ITU-R BT.709 (YUV to RGB), `tiktokd.colour`; Lloyd's k-means with the k-means++ start.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiktokd.colour import lab_from_rgb
from tiktokd.encoders._frame_choice import spread
from tiktokd.footage import Bars, Colour, Colours, Floats, Shots
from tiktokd.plugins import Array, Context, Encoder

FRAMES, PIXELS = 16, 1500
"""Frames looked at, spread over the video, and pixels of each: 24,000 pixels tell shares to under 1 %."""
FRAMES_PER_SHOT = 2
CLUSTERS, ROUNDS = 6, 20
CELL = 2.0
"""Pixels are counted in cells of this side before clustering; a fifth of a just visible step in most of the space."""
ALIKE = 12.0
"""Distance (delta-E 76) under which two clusters are one colour; shades of one thing lie within."""
SHARE_MIN = 0.015
"""Smaller clusters are what lies between two colours (edges, compression) and are given to the nearest."""
BLACK_FRAME = 12.0
"""Mean of R, G and B, 0..255, under which a frame is left out, unless all are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """One video's frames and shots."""

    frames: Sequence[Array]
    """(H * 3 / 2, W) uint8 YUV 4:2:0."""
    pts: NDArray[np.float64]
    bars: Bars
    shots: Shots


def describe(item: Pictures) -> Colours:
    """Return the colours of one video."""
    samples = [_sample(frame, item.bars) for frame in item.frames]
    shown = [i for i, pixels in enumerate(samples) if float(pixels.mean()) >= BLACK_FRAME]
    used = shown or list(range(len(samples)))
    rgb = np.concatenate([samples[i] for i in used])
    labs = {i: lab_from_rgb(samples[i]) for i in used}
    shots = []
    for shot in item.shots.shots:
        inside = [labs[i] for i in used if shot.start_s - 1e-6 <= item.pts[i] < shot.end_s]
        if inside and not shot.black:
            shots.append((shot.start_s, shot.end_s, palette(np.concatenate(inside))))
    lab = np.concatenate([labs[i] for i in used])
    return Colours(lab=lab, rgb=rgb, palette=palette(lab), shots=tuple(shots))


def palette(lab: Floats) -> tuple[Colour, ...]:
    """Return at most six colours of the pixels `(N, 3)`, N >= 1, most frequent first; their shares sum to 1."""
    # One number per cell: sorting numbers is ten times as fast as sorting rows.
    cell = np.round(lab / CELL).astype(np.int64) + 512
    cells, member, count = np.unique(
        (cell[:, 0] << 20) | (cell[:, 1] << 10) | cell[:, 2], return_inverse=True, return_counts=True
    )
    weights = count.astype(np.float64)
    points = np.stack([np.bincount(member, lab[:, k], len(cells)) for k in range(3)], axis=1) / weights[:, None]
    centres = _k_means(points, weights)
    owner = _nearest(points, centres)
    share = np.bincount(owner, weights, len(centres)) / weights.sum()
    centres, share = _join(centres, share)
    order = np.argsort(-share, kind="stable")
    found = [(*centres[i].tolist(), float(share[i])) for i in order]
    return tuple(Colour(lab=(lightness, a, b), share=part) for lightness, a, b, part in found)


def _k_means(points: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return at most `CLUSTERS` centres of weighted points."""
    random = np.random.default_rng(0)
    centres = points[[int(weights.argmax())]]
    while len(centres) < min(CLUSTERS, len(points)):
        nearest = ((points[:, None] - centres[None]) ** 2).sum(-1).min(1)
        chance = nearest * weights
        if chance.sum() <= 0:
            break
        centres = np.concatenate([centres, points[[random.choice(len(points), p=chance / chance.sum())]]])
    for _ in range(ROUNDS):
        owner = _nearest(points, centres)
        total = np.bincount(owner, weights, len(centres))
        sums = np.stack([np.bincount(owner, weights * points[:, k], len(centres)) for k in range(3)], axis=1)
        moved = np.where(total[:, None] > 0, sums / np.maximum(total, 1e-9)[:, None], centres)
        if np.abs(moved - centres).max() < 0.05:
            break
        centres = moved
    return centres


def _nearest(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the index of each point's nearest centre; |p|^2 is the same for all of them and left out."""
    return np.asarray(((centres**2).sum(1)[None, :] - 2.0 * points @ centres.T).argmin(axis=1), np.intp)


def _join(centres: NDArray[np.float64], share: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the clusters with those that look alike joined, and those that are too small given to the nearest."""
    centres, share = centres[share > 0], share[share > 0]
    while len(centres) > 1:
        apart = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(-1))
        np.fill_diagonal(apart, np.inf)
        small = int(share.argmin())
        tiny = share[small] < SHARE_MIN
        a, b = (small, int(apart[small].argmin())) if tiny else np.unravel_index(int(apart.argmin()), apart.shape)
        if not tiny and apart[a, b] >= ALIKE:
            break
        if not tiny:
            centres[b] = (centres[a] * share[a] + centres[b] * share[b]) / (share[a] + share[b])
        share[b] += share[a]
        centres, share = np.delete(centres, a, axis=0), np.delete(share, a)
    return centres, share


def _sample(frame: Array, bars: Bars) -> Floats:
    """Return sRGB `(n, 3)`, 0..255, of about `PIXELS` pixels inside the bars, on an even grid."""
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    blue, red = frame[height:].reshape(2, height // 2, width // 2)
    top, bottom = int(np.ceil(bars.top * height / 2)), height // 2 - int(np.ceil(bars.bottom * height / 2))
    left, right = int(np.ceil(bars.left * width / 2)), width // 2 - int(np.ceil(bars.right * width / 2))
    step = max(1, int(np.sqrt((bottom - top) * (right - left) / PIXELS)))
    rows, columns = np.arange(top + step // 2, bottom, step), np.arange(left + step // 2, right, step)
    grid = np.ix_(rows, columns)
    corner = frame[np.ix_(2 * rows, 2 * columns)].astype(np.float32) - 16.0
    y, cb, cr = corner * 1.16438, blue[grid].astype(np.float32) - 128.0, red[grid].astype(np.float32) - 128.0
    rgb = np.stack([y + 1.79274 * cr, y - 0.21325 * cb - 0.53291 * cr, y + 2.11240 * cb], axis=-1)
    return np.asarray(np.clip(rgb, 0, 255).reshape(-1, 3), np.float32)


def _items(context: Context) -> list[Pictures]:
    frames = context.arrays.get("frames")
    if frames is None or not len(frames):
        return []
    pts, shots = context.arrays["frames_pts"], context.features["shots"]
    chosen = set(spread(pts, FRAMES).tolist())
    for shot in shots.shots:
        inside = np.flatnonzero((pts >= shot.start_s - 1e-6) & (pts < shot.end_s))
        missing = FRAMES_PER_SHOT - len(chosen.intersection(inside.tolist()))
        if len(inside) and missing > 0:
            chosen.update(inside[np.linspace(0, len(inside) - 1, missing + 2).round().astype(int)[1:-1]].tolist())
    used = sorted(chosen)
    return [Pictures(frames=[frames[i] for i in used], pts=pts[used], bars=context.features["letterbox"], shots=shots)]


def _encode(_model: None, batch: Sequence[Pictures]) -> list[Colours]:
    return [describe(item) for item in batch]


ENCODER = Encoder(
    name="colours",
    title="Sampled pixels and their palette, over the video and per shot",
    input="frames",
    place="cpu",
    encode=_encode,
    items=_items,
    uses=("letterbox", "shots"),
)
