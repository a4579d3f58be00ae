"""Which of a clip's frames picture models look at. Knows no model."""

import itertools
from collections.abc import Mapping

import numpy as np

from tiktokd.plugins import Array, Context
from tiktokd.sampling import HOOK_S

FLAT_STD = 2.0
"""Standard deviation of the luma (levels of 255) below which a picture shows one flat colour; encoders add about 1."""
OTHER_SCENE = 25.0
"""Mean change of the luma (levels of 255) between neighbouring samples from which on they count as other scenes: over
cuts of 35 clips 95 % have more than 22 and half more than 42; within shots 90 % have less than 26. One too many only
moves a sample."""
DENSE_FROM = 16
"""Samples of fewer frames are too thin for an opening of its own: what they give to it would be missed elsewhere."""
DENSER, OPENING_SHARE = 2, 3 / 16
"""The opening gets this many times the frames of an even spread, and no smaller share than this of all: of 32 frames of
half a minute 6, two a second, and 26 for the rest, one a second."""
BLANK = "every sampled picture is black or one flat colour"


def seen(context: Context, limit: int, *, evenly: bool = False) -> tuple[list[Array], list[float]]:
    """Return at most `limit` of the clip's pictures (H*3/2, W) uint8 and their times in seconds.

    None where all of those show one flat colour: what a model says of black is invented.

    Args:
        evenly: spread evenly whatever they show, for what looks at movement; else as `chosen` says.
    """
    frames, pts = context.arrays.get("frames"), context.arrays.get("frames_pts")
    if frames is None or pts is None:
        return [], []
    indices = spread(pts, limit) if evenly else chosen(context.arrays, limit)
    if all(_is_flat(frames[i]) for i in indices):
        return [], []
    return [frames[i] for i in indices], [float(pts[i]) for i in indices]


def chosen(arrays: Mapping[str, Array], limit: int) -> Array:
    """Return the indices of at most `limit` frames: spread evenly, then some moved into scenes that were passed over.

    From `DENSE_FROM` frames on the first `HOOK_S` are sampled more densely, and give nothing away. Scenes are runs of
    samples that look alike, told from the pictures alone: every reader of a clip gets the same frames. The longest of
    those passed over come first; a scene gives away at most half of its frames, so that none stands for much more time
    than the others. The first and the last frame are always among two or more.
    """
    frames, pts = arrays["frames"], arrays["frames_pts"]
    if len(frames) <= limit:
        return np.arange(len(frames))
    opening = int((pts < HOOK_S).sum()) if limit >= DENSE_FROM else 0
    opening = opening if opening < len(frames) else 0
    first = _spread_dense(pts, limit, opening) if opening else spread(pts, limit)
    scenes = _scenes(frames, opening)
    kept = [[int(i) for i in first if i in scene] for scene in scenes]
    counts = [len(own) for own in kept]
    spare = [0 if scene.start < opening else count // 2 for scene, count in zip(scenes, counts, strict=True)]
    for i in sorted((i for i, count in enumerate(counts) if not count), key=lambda i: -len(scenes[i])):
        giver = int(np.argmax(spare))
        if not spare[giver]:
            break
        spare[giver] -= 1
        counts[giver] -= 1
        counts[i] = 1
    parts = zip(scenes, kept, counts, strict=True)
    return np.array([i for s, own, n in parts for i in (own if len(own) == n else _within(pts, s, n))])


def _spread_dense(pts: Array, limit: int, opening: int) -> Array:
    """Return `limit` indices: more than their share of the first `opening` frames, and the others spread evenly."""
    rest = len(pts) - opening
    even = round(limit * HOOK_S / max(float(pts[-1]), HOOK_S))
    dense = min(max(int(limit * OPENING_SHARE), DENSER * even), max(limit // 2, even), limit - min(2, rest))
    dense = max(min(dense, opening), limit - rest)
    first = (np.arange(dense) * opening / dense).astype(int)
    return np.concatenate([first, opening + spread(pts[opening:], limit - dense)])


def _scenes(frames: Array, opening: int) -> list[range]:
    """Return the runs of frames that look alike; one that is cut off by the end of the opening is two."""
    small = frames[:, : frames.shape[1] * 2 // 3 : 8, ::8].astype(np.float32)
    changed = np.abs(np.diff(small, axis=0)).mean((1, 2)) >= OTHER_SCENE
    starts = sorted({0, opening, len(frames), *(int(i) + 1 for i in np.flatnonzero(changed))})
    return [range(a, b) for a, b in itertools.pairwise(starts)]


def _within(pts: Array, scene: range, count: int) -> list[int]:
    """Return `count` frames spread over a scene; of one, the middle, but the clip's own ends at its ends."""
    if count > 1:
        return [scene[int(i)] for i in spread(pts[scene.start : scene.stop], count)]
    if scene.start == 0:
        return [0]
    return [len(pts) - 1 if scene.stop == len(pts) else scene[len(scene) // 2]]


def _is_flat(planes: Array) -> bool:
    # Every fourth pixel of every fourth row: a caption of 1 % of the picture still shows.
    return float(planes[: len(planes) * 2 // 3 : 4, ::4].std()) < FLAT_STD


def spread(pts: Array, limit: int) -> Array:
    """Return at most `limit` indices of rising times, spread evenly over the time, the first and the last among them.

    Where frames are too far apart for their share the next ones stand in: none is taken twice, and none is missing.
    """
    count = len(pts)
    if count <= limit:
        return np.arange(count)
    wanted = np.interp(np.linspace(pts[0], pts[-1], limit), pts, np.arange(count)).round().astype(int)
    order = np.arange(limit)
    # Rising by one at least: from the left as far as it must, from the right as far as there is room.
    rising = np.maximum.accumulate(wanted - order) + order
    return np.minimum(rising, count - limit + order)
