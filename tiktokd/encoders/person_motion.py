"""How much moves where people are, 20 times a second: the movement that `dance_sync` compares with the beats.

Keypoints of 16 frames cannot show a rhythm, so this reads the thumbnails, which are there for every frame: the change
of brightness inside the person boxes of D-FINE (between two samples the boxes of both, grown as for poses), less the
change outside of them, which is the camera's and the light's. Levels of 255 per second; steps across a change of shot,
and stretches in which neither neighbouring sample shows a person, are unknown.

Bad at people who fill the picture under a moving camera (nothing outside to compare with), people who leave their box
between two samples, small people (48 x 27 pixels for the picture), crowds (movements add up), flashing light on people.
Source: own; frame differences, the coarsest measure of motion energy there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.footage import Shots
from tiktokd.pictures import FrameDetections
from tiktokd.plugins import Array, Context, Encoder, LoadContext

STEP_S = 0.05
"""Of the curve: eight values per beat at 150 beats per minute."""
CELLS_MAX = 1200
"""The first minute: 8 KiB of signals."""
SPACING_MAX_S = 0.1
"""Thumbnails further apart (videos over about three minutes) cannot show a rhythm."""
GROWN = 1.25
"""Boxes grow by it, as `vitpose` does: arms reach out of them."""
OUTSIDE_MIN = 0.1
"""Share of the picture outside the people without which there is nothing to compare with."""
PERSON = "person"
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One clip's thumbnails, and where its people are."""

    thumbs: Array
    """(T, h, w, 3) uint8."""
    pts: NDArray[np.float64]
    """(T,) seconds."""
    looks: tuple[FrameDetections, ...]
    """The frames that D-FINE looked at, in order."""
    cuts: tuple[tuple[float, float], ...]
    """Start and end of each change of shot, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One clip's curve."""

    start_s: float
    """Time at which the first cell begins."""
    energy: NDArray[np.float64]
    """(C,) mean change per second inside the people less that outside, levels of 255; NaN: not known. Empty where the
    thumbnails are too far apart to show a rhythm."""


def items(context: Context) -> list[Item]:
    """Return the thumbnails and boxes; nothing where nobody is seen."""
    thumbs, pts = context.arrays.get("thumbs"), context.arrays.get("thumbs_pts")
    looks: tuple[FrameDetections, ...] = context.features.get("dfine", ())
    shots: Shots | None = context.features.get("shots")
    if thumbs is None or pts is None or shots is None or len(pts) < 2 or not any(_people(look) for look in looks):
        return []
    cuts = tuple((t.start_s, t.end_s) for t in shots.transitions)
    return [Item(thumbs=thumbs, pts=np.asarray(pts, np.float64), looks=looks, cuts=cuts)]


def _people(look: FrameDetections) -> list[Box]:
    return [found.box for found in look.found if found.label == PERSON]


def curve(item: Item) -> Movement:
    """Return the movement of the people, on a grid of `STEP_S`."""
    if float(np.median(np.diff(item.pts))) > SPACING_MAX_S:
        return Movement(start_s=float(item.pts[0]), energy=np.zeros(0))
    end_s = item.pts[0] + CELLS_MAX * STEP_S
    pts = item.pts[item.pts <= end_s + STEP_S]
    change = np.full(len(pts) - 1, np.nan)
    for first, after, boxes in _stretches(item, pts):
        if boxes and after > first:
            thumbs = item.thumbs[first : after + 1].astype(np.int16)
            # Four times the brightness, near enough and ten times cheaper than a mean over the colours.
            grey = thumbs[..., 0] + 2 * thumbs[..., 1] + thumbs[..., 2]
            change[first:after] = apart(np.abs(np.diff(grey, axis=0)) / 4.0, boxes)
    for start_s, stop_s in item.cuts:
        change[(pts[1:] >= start_s - 1e-6) & (pts[:-1] < stop_s - 1e-6)] = np.nan
        change[(pts[:-1] < start_s) & (pts[1:] >= start_s - 1e-6)] = np.nan
    return Movement(start_s=float(pts[0]), energy=per_cell(pts, change))


def apart(changes: NDArray[np.float64], boxes: Sequence[Box]) -> NDArray[np.float64]:
    """Return (S,) the mean change inside the boxes less that outside, 0 or more, of (S, h, w) changes."""
    height, width = changes.shape[1:]
    inside = np.zeros((height, width), np.bool_)
    for x, y, w, h in boxes:
        cx, cy, half_w, half_h = x + w / 2, y + h / 2, w * GROWN / 2, h * GROWN / 2
        rows = slice(max(0, int((cy - half_h) * height)), max(1, int(np.ceil((cy + half_h) * height))))
        inside[rows, max(0, int((cx - half_w) * width)) : max(1, int(np.ceil((cx + half_w) * width)))] = True
    people: NDArray[np.float64] = changes[:, inside].mean(axis=1)
    if inside.mean() > 1.0 - OUTSIDE_MIN:
        return people
    still: NDArray[np.float64] = np.maximum(people - changes[:, ~inside].mean(axis=1), 0.0)
    return still


def _stretches(item: Item, pts: NDArray[np.float64]) -> list[tuple[int, int, list[Box]]]:
    """Return (first, after, boxes) of steps between two looks: the boxes of both where both show people."""
    times = [look.pts_s for look in item.looks]
    edges = [0, *(int(np.searchsorted(pts, t, "left")) for t in times), len(pts) - 1]
    people = [_people(look) for look in item.looks]
    pairs = [people[0], *((a + b if a and b else []) for a, b in pairwise(people)), people[-1]]
    return [
        (min(a, len(pts) - 1), min(b, len(pts) - 1), boxes)
        for a, b, boxes in zip(edges[:-1], edges[1:], pairs, strict=True)
    ]


def per_cell(pts: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (C,) change per second in cells of `STEP_S`; NaN where less than half of a cell is known.

    Args:
        pts: (T,) seconds.
        change: (T - 1,) between neighbours; NaN: not known.
    """
    count = min(CELLS_MAX, int((pts[-1] - pts[0]) / STEP_S))
    edges = pts[0] + np.arange(count + 1) * STEP_S
    known = np.isfinite(change)
    # By running sums, so that every frame rate gives the same curve.
    total = np.concatenate(([0.0], np.cumsum(np.where(known, change, 0.0))))
    seen = np.concatenate(([0.0], np.cumsum(np.diff(pts) * known)))
    change_in, seen_in = np.diff(np.interp(edges, pts, total)), np.diff(np.interp(edges, pts, seen))
    rate: NDArray[np.float64] = np.where(seen_in >= STEP_S / 2, change_in / np.maximum(seen_in, 1e-9), np.nan)
    return rate


def load(_context: LoadContext) -> None:
    """Nothing to load: no weights."""


def encode(_model: Any, batch: Sequence[Item]) -> list[Movement]:
    """Return the curve of each clip."""
    return [curve(item) for item in batch]


def signals(features: Movement) -> dict[str, Any]:
    """Return `{"start_s", "step_s", "energy": [levels per second, null: not known]}`; empty: too far apart."""
    return {
        "start_s": round(features.start_s, 3),
        "step_s": STEP_S,
        "energy": [None if np.isnan(v) else round(float(v), 1) for v in features.energy],
    }


ENCODER = Encoder(
    name="person_motion",
    title="How much moves where people are, 20 times a second",
    input="thumbs",
    place="gpu",
    load=load,
    items=items,
    nothing="no_people",
    nothing_said="no person was found in the sampled frames",
    encode=encode,
    signals=signals,
    uses=("dfine", "shots"),
)
