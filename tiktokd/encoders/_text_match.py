"""How much of a line of text is found again in small luma frames, as a whole and letter by letter. Pure."""

import numpy as np
from numpy.typing import NDArray

PRESENT = 0.5
"""Share of a line's gradient energy that must be found again. Measured on burnt-in captions: shown 0.8..1.0, another
text at the same place 0.0..0.4."""
PART_PRESENT = 0.3
"""The same of each part of a line, about as wide as a letter: other words at the same place, in the same font, keep
half of the whole by chance, but not in each part; nor does a line that has only begun to be written."""
LEAST_PART_PX = 4
FAINT_PART = 0.3
"""A part with less than this share of the mean energy of the parts is a space between words."""
CHANGED = 0.65
"""Below this for half a second, a letter may have become another one: worth reading again. Letters that stay have
more, whatever moves behind them."""
CHANGED_FRAMES = 5
CHUNK_FRAMES = 64
FLAT = 4.0
"""Standard deviation of the luma inside a box below which there is nothing to follow."""


def gradients_of(patch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, 2, h-1, w-1) differences along x and y."""
    values = patch.astype(np.float32)
    return np.stack((np.diff(values, axis=2)[:, :-1], np.diff(values, axis=1)[:, :, :-1]), axis=1)


def scores(gradients: NDArray[np.float32], template: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much of the template is found in each frame, about 0 (nothing) to 1 (all of it).

    A frame that lacks one part of the template gets `PRESENT` at most.
    """
    whole, lowest = _found(gradients, template)
    return np.asarray(np.where(lowest > PART_PRESENT, whole, np.minimum(whole, PRESENT)), np.float32)


def intact(gradients: NDArray[np.float32], template: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which frames show all of the template, letter by letter."""
    whole, lowest = _found(gradients, template)
    return (whole > PRESENT) & (lowest >= CHANGED)


def changed_from(patches: NDArray[np.uint8], shown: int, template: NDArray[np.float32]) -> int | None:
    """Return the first of the frames, (n, h, w) luma, from which on a letter may be another one; `None`: none is.

    Args:
        patches: the frames from that of the reading on.
        shown: so many of them show the line.
        template: its gradients.
    """
    parts = [
        _found(gradients_of(patches[i : min(i + CHUNK_FRAMES, shown)]), template)[1]
        for i in range(0, shown, CHUNK_FRAMES)
    ]
    low = np.concatenate(parts) < CHANGED
    if len(low) >= CHANGED_FRAMES:
        lasting = np.lib.stride_tricks.sliding_window_view(low, CHANGED_FRAMES).sum(axis=1) >= CHANGED_FRAMES - 1
        first = np.flatnonzero(lasting & low[: len(lasting)])
        if len(first):
            return int(first[0])
    after = patches[shown : shown + CHANGED_FRAMES]
    if len(after) == CHANGED_FRAMES and np.median(_found(gradients_of(after), template)[0]) > PRESENT:
        return shown  # it ended for a letter, and the others stay
    return None


def _found(
    gradients: NDArray[np.float32], template: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how much of the whole template, and of its worst part, is found in each frame."""
    height, width = template.shape[1:]
    part = max(height // 2, LEAST_PART_PX)
    parts = np.arange(0, max(width - part // 2, 1), part)
    energy = np.add.reduceat((template * template).sum(axis=(0, 1)), parts)
    found = np.add.reduceat(np.einsum("ncyx,cyx->nx", gradients, template), parts, axis=1)
    whole = np.asarray(found.sum(axis=1) / max(float(energy.sum()), 1e-6), np.float32)
    strokes = energy >= FAINT_PART * max(float(energy.mean()), 1e-6)
    if energy.sum() < 1e-6:
        return whole, whole
    return whole, np.asarray((found[:, strokes] / energy[strokes]).min(axis=1), np.float32)


def lowest_match(patch: NDArray[np.uint8], template: NDArray[np.uint8]) -> float:
    """Return the normalised correlation, -1..1, of the part of a line (about two letters) that is found worst."""
    height, width = patch.shape
    lowest = 1.0
    for left in range(0, max(width - height // 2, 1), height):
        right = width if left + 1.5 * height > width else left + height
        a, b = (one[:, left:right].astype(np.float32) for one in (patch, template))
        a, b = a - a.mean(), b - b.mean()
        if b.std() >= FLAT:
            lowest = min(lowest, float((a * b).sum() / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-6)))
    return lowest
