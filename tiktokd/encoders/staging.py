"""How a video is put together: still pictures, a standing camera, lines that divide the picture, flat surfaces.

A shot is still when one picture is repeated, or when all its motion is the zoom or pan of something flat; what fades
and dissolves at its ends is left out. Photographs that push one another out without a cut are counted one by one. A
split screen is cut along one line of pixels from edge to edge, in every frame, and its sides have nothing to do with
each other; natural edges are never that long and straight, and what lies on their two sides goes on alike. The edge of
a box of text ends before the picture does, and of a busy pattern one line is like the next.

Bad at: photographs under grain or moving stickers, flat scenes filmed with a moving camera, splits whose sides have the
same brightness along the cut, soft or decorated dividers, splits outside the middle half.
Runs where `flow` does, or flow would be computed there and here.
Source: own; measured on 50 videos.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.footage import Bars, Divide, Floats, Flow, Shot, Shots, Span, Staging, Stillness
from tiktokd.plugins import Array, Context, Encoder

FRAMES, FRAMES_SURE = 12, 3
STEP = 8
"""Difference of luma over two pixels that counts as a step."""
MIDDLE = (0.25, 0.75)
"""Where a divide is looked for."""
OFTEN = 0.25
"""Quantile over the frames: the line must be there in three of four."""
MARGIN, MARGIN_SHARE = 0.02, 0.5
"""Share of the line at either end, and share of it in which the picture must step in one of four frames: the line goes
from edge to edge (both ends of known splits 1.0); boxes of text, up to 97 % of the width, end before (0 to 0.2)."""
BESIDE, BESIDE_GAP, STANDS_OUT = 16, 2, 0.6
"""Lines on either side to compare with, those so near left out, and how far strength less likeness must lie above
their median: known splits >= 1.6, houses of a town, whose every line is as busy and as unlike the next, 0.3."""
SMALLEST_PX = 80
BLOCK, FLAT = 8, 2
STILL_RATIO = 0.8
"""Share of a shot in which one picture is repeated, or in which the camera is known."""
PHOTO_RESIDUAL, PHOTO_INLIERS, PHOTO_SPEED = 0.02, 0.9, 0.01
"""Of a photograph that is moved: motion beside the zoom or pan (short sides per second), share of points that follow
it, and its least speed: slower, and it is a camera before a calm scene."""
UNLIKE, UNLIKE_SHARE = 16, 0.5
"""Difference of luma, and share of a thumbnail that differs so, between two photographs; a line that is added to a chat
changes a tenth."""
STEADY = 0.015
"""Camera speed, short sides per second, under which it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One video's pictures and what other encoders made of them."""

    lumas: Sequence[Array]
    """(H, W) uint8 inside the bars, of one size."""
    shots: Sequence[Shot]
    mixed: Sequence[Span]
    """Soft transitions, seconds."""
    frozen: Sequence[Span]
    stills: Sequence[Array]
    """(27, 48) int16, one picture of each frozen stretch."""
    flow: Flow


def describe(item: Item) -> Staging:
    """Return how one video is put together."""
    stack = np.stack(item.lumas).astype(np.int16)
    sure = len(stack) >= FRAMES_SURE and min(stack.shape[1:]) >= SMALLEST_PX
    shown = [_without_ends(s, item.mixed) for s in item.shots if not s.black]
    still = [s for s in shown if _is_still(s, item)]
    total_s = sum(s.end_s - s.start_s for s in shown)
    return Staging(
        shown_shots=len(shown),
        still_shots=sum(_pictures(s, item) for s in still),
        still_ratio=sum(s.end_s - s.start_s for s in still) / total_s if total_s > 0 else 0.0,
        steady_ratio=_steady_ratio(item.flow),
        upright=_divide(stack) if sure else None,
        level=_divide(stack.transpose(0, 2, 1)) if sure else None,
        flat_ratio=_flat_ratio(stack),
    )


def _without_ends(shot: Shot, mixed: Sequence[Span]) -> Shot:
    """Return the part of a shot that shows nothing of its neighbours."""
    starts = [end for start, end in mixed if start < shot.start_s + 1e-6 < end]
    ends = [start for start, end in mixed if start < shot.end_s - 1e-6 < end]
    start_s, end_s = max(starts, default=shot.start_s), min(ends, default=shot.end_s)
    return replace(shot, start_s=start_s, end_s=end_s) if end_s > start_s else shot


def _pictures(shot: Shot, item: Item) -> int:
    """Return how many photographs a still shot shows: one, or those that come without a cut that was found."""
    spans = zip(item.frozen, item.stills, strict=True)
    inside = [picture for (start, end), picture in spans if shot.start_s < end and start < shot.end_s]
    return 1 + sum(float((np.abs(a - b) >= UNLIKE).mean()) >= UNLIKE_SHARE for a, b in pairwise(inside))


def _is_still(shot: Shot, item: Item) -> bool:
    frozen_s = sum(max(0.0, min(end, shot.end_s) - max(start, shot.start_s)) for start, end in item.frozen)
    return frozen_s >= STILL_RATIO * (shot.end_s - shot.start_s) or _is_moved_photo(shot, item.flow)


def _is_moved_photo(shot: Shot, flow: Flow) -> bool:
    """Return whether all motion of a shot is that of a flat picture that is zoomed or moved."""
    inside = (flow.start_s >= shot.start_s - 1e-6) & (flow.end_s <= shot.end_s + 1e-6)
    if inside.sum() < FRAMES_SURE:
        return False
    rate = 1.0 / flow.seconds[inside]
    return bool(
        np.isfinite(flow.scale[inside]).mean() >= STILL_RATIO
        and np.quantile(flow.residual[inside] * rate, 0.9) <= PHOTO_RESIDUAL
        and np.median(flow.inliers[inside]) >= PHOTO_INLIERS
        and np.median(flow.magnitude[inside] * rate) >= PHOTO_SPEED
    )


def _steady_ratio(flow: Flow) -> float | None:
    known = np.isfinite(flow.scale)
    if not len(known) or known.mean() < 0.5:
        return None
    rate = 1.0 / flow.seconds[known]
    speed = np.hypot(flow.shift[known, 0], flow.shift[known, 1]) * rate + np.abs(flow.scale[known] - 1.0) * rate / 2
    return float((speed < STEADY).mean())


def _divide(stack: NDArray[np.int16]) -> Divide | None:
    """Return the upright line of `(N, H, W)` that most looks like a cut from edge to edge; `None`: none does."""
    height, width = stack.shape[1:]
    steps = np.abs(stack[:, :, 2:] - stack[:, :, :-2]) >= STEP
    strength = np.quantile(steps.mean(1), OFTEN, axis=0)
    likeness = np.quantile(_likeness(stack), 1.0 - OFTEN, axis=0)
    side = max(2, round(height * MARGIN))
    ends = [np.quantile(part.mean(1), 1.0 - OFTEN, axis=0) for part in (steps[:, :side], steps[:, -side:])]
    unlike = strength - likeness
    first, last = (int(share * width) for share in MIDDLE)
    whole = [x for x in range(first, last) if min(ends[0][x], ends[1][x]) >= MARGIN_SHARE]
    able = [x for x in whole if unlike[x] - _beside(unlike, x) >= STANDS_OUT]
    if not able:
        return None
    x = max(able, key=lambda one: unlike[one])
    return Divide(position=(x + 1) / width, strength=float(strength[x]), likeness=float(likeness[x]))


def _beside(values: NDArray[np.float64], x: int) -> float:
    before = values[max(0, x - BESIDE_GAP - BESIDE) : max(0, x - BESIDE_GAP)]
    return float(np.median(np.concatenate([before, values[x + BESIDE_GAP + 1 : x + BESIDE_GAP + 1 + BESIDE]])))


def _likeness(stack: NDArray[np.int16]) -> Floats:
    """Return `(N, W - 2)` correlations, along the height, of the columns x and x + 2 of each picture."""
    values = stack.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    energy = (values * values).sum(axis=1)
    both = (values[:, :, :-2] * values[:, :, 2:]).sum(axis=1)
    return np.asarray(both / (np.sqrt(energy[:, :-2] * energy[:, 2:]) + 1.0), np.float32)


def _flat_ratio(stack: NDArray[np.int16]) -> float:
    shares = []
    for picture in stack[:: max(1, len(stack) // 6)]:
        rows, columns = (n // BLOCK for n in picture.shape)
        tiles = picture[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
        if tiles.size:
            shares.append(float((tiles.max((1, 3)) - tiles.min((1, 3)) <= FLAT).mean()))
    return float(np.median(shares)) if shares else 0.0


def _items(context: Context) -> list[Item]:
    frames = context.arrays.get("frames")
    if frames is None or not len(frames):
        return []
    bars: Bars = context.features["letterbox"]
    shots: Shots = context.features["shots"]
    stillness: Stillness = context.features["stillness"]
    height, width = frames.shape[1] * 2 // 3, frames.shape[2]
    rows = slice(round(bars.top * height), height - round(bars.bottom * height))
    columns = slice(round(bars.left * width), width - round(bars.right * width))
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int))
    lumas = [frames[i, :height][rows, columns] for i in chosen]
    return [
        Item(
            lumas=lumas,
            shots=shots.shots,
            mixed=[(t.start_s, t.end_s) for t in shots.transitions if t.kind != "cut"],
            frozen=stillness.frozen,
            stills=_stills(context.arrays["thumbs"], context.arrays["thumbs_pts"], stillness.frozen),
            flow=context.features["flow"],
        )
    ]


def _stills(thumbs: Array, pts: NDArray[np.float64], frozen: Sequence[Span]) -> list[Array]:
    return [thumbs[int(np.abs(pts - (start + end) / 2).argmin())].mean(-1).astype(np.int16) for start, end in frozen]


def _encode(_model: None, batch: Sequence[Item]) -> list[Staging]:
    return [describe(item) for item in batch]


def signals(features: Staging) -> dict[str, Any]:
    """Return the fields of `Staging`."""
    return asdict(features)


ENCODER = Encoder(
    name="staging",
    title="Still shots, a standing camera, lines that divide the picture, flat surfaces",
    input="frames",
    place="either",
    encode=_encode,
    items=_items,
    signals=signals,
    uses=("letterbox", "shots", "stillness", "flow"),
)
