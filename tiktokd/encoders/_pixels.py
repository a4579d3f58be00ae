"""YUV 4:2:0 planes from a slot to what picture models eat, in torch, on the device. Knows no model.

Conversion is ITU-R BT.709 limited range, which is what `decode` writes.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

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


def to_rgb(planes: Sequence[Array], device: str) -> Any:
    """Return (N, 3, H, W) float32 RGB 0..1 for N pictures (H*3/2, W) uint8 of the same size."""
    import torch

    stack = torch.from_numpy(np.stack(planes)).to(device)
    height = stack.shape[1] * 2 // 3
    width = stack.shape[2]
    chroma = stack[:, height:].reshape(len(planes), 2, height // 2, width // 2).float()
    y = (stack[:, :height].float() - 16.0) / 219.0
    u, v = torch.nn.functional.interpolate((chroma - 128.0) / 224.0, size=(height, width), mode="nearest").unbind(1)
    # BT.709: Kr = 0.2126, Kb = 0.0722 (ITU-R BT.709-6, table 3)
    rgb = torch.stack([y + 1.5748 * v, y - 0.1873 * u - 0.4681 * v, y + 1.8556 * u], dim=1)
    return rgb.clamp_(0.0, 1.0)


def squares(planes: Sequence[Array], size: int, device: str) -> Any:
    """Return (N, 3, size, size) float32 RGB 0..1, each picture stretched; pictures may differ in size.

    Stretched one size at a time, and each picture alone comes out the same as in any batch.
    """
    import torch

    out = torch.empty((len(planes), 3, size, size), device=device)
    for shape in {p.shape for p in planes}:
        where = [i for i, p in enumerate(planes) if p.shape == shape]
        rgb = to_rgb([planes[i] for i in where], device)
        out[where] = torch.nn.functional.interpolate(
            rgb, size=(size, size), mode="bilinear", antialias=True, align_corners=False
        ).clamp_(0.0, 1.0)
    return out


def seen(context: Context, limit: int, *, evenly: bool = False) -> tuple[list[Array], list[float]]:
    """Return at most `limit` of the clip's pictures (H*3/2, W) uint8 and their times in seconds.

    None where all of those show one flat colour: what a model says of black is invented.

    Args:
        evenly: spread evenly whatever they show, for what looks at movement; else as `chosen` says.
    """
    frames, pts = context.arrays.get("frames"), context.arrays.get("frames_pts")
    if frames is None or pts is None:
        return [], []
    indices = spread(len(frames), limit) if evenly else chosen(context.arrays, limit)
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
    frames = arrays["frames"]
    if len(frames) <= limit:
        return np.arange(len(frames))
    opening = int((arrays["frames_pts"] < HOOK_S).sum()) if limit >= DENSE_FROM else 0
    first = _spread_dense(len(frames), limit, opening)
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
    return np.array([i for s, own, n in parts for i in (own if len(own) == n else _within(s, n, len(frames)))])


def _spread_dense(count: int, limit: int, opening: int) -> Array:
    """Return `limit` of `count` indices spread evenly, but densely over the first `opening` of them."""
    even = spread(count, limit)
    if not 0 < opening < count:
        return even
    dense = min(opening, max(int(limit * OPENING_SHARE), DENSER * int((even < opening).sum())))
    first = (np.arange(dense) * opening / dense).astype(int)
    return np.concatenate([first, opening + spread(count - opening, limit - dense)])


def _scenes(frames: Array, opening: int) -> list[range]:
    """Return the runs of frames that look alike; one that is cut off by the end of the opening is two."""
    small = frames[:, : frames.shape[1] * 2 // 3 : 8, ::8].astype(np.float32)
    changed = np.abs(np.diff(small, axis=0)).mean((1, 2)) >= OTHER_SCENE
    starts = sorted({0, opening, len(frames), *(int(i) + 1 for i in np.flatnonzero(changed))})
    return [range(a, b) for a, b in itertools.pairwise(starts)]


def _within(scene: range, count: int, total: int) -> list[int]:
    """Return `count` frames spread over a scene; of one, the middle, but the clip's own ends at its ends."""
    if count > 1:
        return [scene[int(i)] for i in spread(len(scene), count)]
    if scene.start == 0:
        return [0]
    return [total - 1 if scene.stop == total else scene[len(scene) // 2]]


def _is_flat(planes: Array) -> bool:
    # Every fourth pixel of every fourth row: a caption of 1 % of the picture still shows.
    return float(planes[: len(planes) * 2 // 3 : 4, ::4].std()) < FLAT_STD


def spread(count: int, limit: int) -> Array:
    """Return at most `limit` indices spread evenly over 0..count-1."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int)) if count else np.arange(0)
