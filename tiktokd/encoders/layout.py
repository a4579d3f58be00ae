"""How the picture is divided up: straight lines through it that stay, and how much of it is flat.

A split screen is cut along one line of pixels from edge to edge, in every frame, and its sides have nothing to do with
each other. Natural edges are never that long and straight, and what lies on their two sides goes on alike.

Bad at: sides of the same brightness along the cut, soft or decorated dividers, splits outside the middle half.
Source: own; measured on 50 videos.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tiktokd.footage import Bars, Divide, Floats, Layout
from tiktokd.plugins import Array, Context, Encoder, LoadContext

FRAMES, FRAMES_SURE = 12, 3
STEP = 8
"""Difference of luma over two pixels that counts as a step."""
MIDDLE = (0.25, 0.75)
"""Where a divide is looked for."""
OFTEN = 0.25
"""Quantile over the frames: the line must be there in three of four."""
SMALLEST_PX = 80
BLOCK, FLAT = 8, 2


def describe(lumas: Sequence[Array]) -> Layout:
    """Return the layout of the pictures `(H, W)` uint8 of one video, inside the bars, all of one size."""
    stack = np.stack(lumas).astype(np.int16)
    sure = len(stack) >= FRAMES_SURE and min(stack.shape[1:]) >= SMALLEST_PX
    return Layout(
        upright=_divide(stack) if sure else None,
        level=_divide(stack.transpose(0, 2, 1)) if sure else None,
        flat_ratio=_flat_ratio(stack),
    )


def _divide(stack: NDArray[np.int16]) -> Divide:
    """Return the upright line of `(N, H, W)` that most looks like a cut."""
    width = stack.shape[2]
    strength = np.quantile((np.abs(stack[:, :, 2:] - stack[:, :, :-2]) >= STEP).mean(1), OFTEN, axis=0)
    likeness = np.quantile(_likeness(stack), 1.0 - OFTEN, axis=0)
    first, last = (int(share * width) for share in MIDDLE)
    x = first + int((strength - likeness)[first:last].argmax())
    return Divide(position=(x + 1) / width, strength=float(strength[x]), likeness=float(likeness[x]))


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


def _items(context: Context) -> list[list[Array]]:
    frames = context.arrays.get("frames")
    if frames is None or not len(frames):
        return []
    bars: Bars = context.features["letterbox"]
    height, width = frames.shape[1] * 2 // 3, frames.shape[2]
    rows = slice(round(bars.top * height), height - round(bars.bottom * height))
    columns = slice(round(bars.left * width), width - round(bars.right * width))
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int))
    return [[frames[i, :height][rows, columns] for i in chosen]]


def _load(_context: LoadContext) -> None:
    """There is nothing to load."""


def _encode(_model: None, batch: Sequence[Sequence[Array]]) -> list[Layout]:
    return [describe(lumas) for lumas in batch]


ENCODER = Encoder(
    name="layout",
    title="Lines that divide the picture, and how much of it is flat",
    input="frames",
    place="cpu",
    load=_load,
    encode=_encode,
    items=_items,
    uses=("letterbox",),
)
