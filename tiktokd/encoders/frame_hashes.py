"""PDQ hashes of about one frame per second: of the whole picture inside its bars, mirrored, and of its middle.

Bars are left out so that a repost on a black or blurred ground hashes like its source. The hash of a 5 % crop of this
video is near the hash of a copy that was cropped by 2.5 to 7.5 %, which the whole picture's hash misses (measured: 45
bits for a 5 % crop of the whole, 4 bits for crop against crop).

Bad at: crops over 12 %, rotation by more than a few degrees, large overlays, speed changes in fast scenes.
Source: PDQ as in `tiktokd.pdq`; luma as ThreatExchange takes it from RGB (BT.601), here straight from the YUV planes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiktokd import pdq
from tiktokd.footage import CROPS, Bars, Floats, FrameHashes
from tiktokd.plugins import Array, Context, Encoder

STEP_S = 1.0
"""Spacing of the hashed frames, as in vPDQ."""
SMALLEST_PX = 16
LUMA, BLUE, RED = 255.0 / 219.0, 0.1157, 0.2232
"""BT.601 luma of full-range RGB, from BT.709 limited-range Y, Cb, Cr: 0.299 R + 0.587 G + 0.114 B with R, G, B written
out. The constant part does not matter to a hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """One video's frames to hash."""

    frames: Sequence[Array]
    """(H * 3 / 2, W) uint8 YUV 4:2:0."""
    pts: NDArray[np.float64]
    bars: Bars


def hash_all(item: Pictures) -> FrameHashes:
    """Return the hashes of one video."""
    made = [_hash_frame(frame, item.bars) for frame in item.frames]
    return FrameHashes(pts_s=item.pts, hashes=tuple(m[0] for m in made), crops=tuple(tuple(m[1:]) for m in made))


def _hash_frame(frame: Array, bars: Bars) -> list[pdq.Hashed]:
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    luma = frame[:height].astype(np.float32)
    chroma = frame[height:].reshape(2, height // 2, width // 2).astype(np.float32) - 128.0
    colour = BLUE * chroma[0] + RED * chroma[1]
    top, left = round(bars.top * height), round(bars.left * width)
    bottom, right = height - round(bars.bottom * height), width - round(bars.right * width)
    hashes = []
    for crop in (0.0, *CROPS):
        dy, dx = round((bottom - top) * crop / 2), round((right - left) * crop / 2)
        down = pdq.reducer(height, top + dy, bottom - dy)
        narrow, narrow_colour = down @ luma, _halved(down) @ colour
        smalls = []
        for mirrored in (False, True):
            across = pdq.reducer(width, left + dx, right - dx, mirrored=mirrored)
            smalls.append((LUMA * (narrow @ across.T) + narrow_colour @ _halved(across).T).astype(np.float32))
        hashes.append(pdq.hash_small(*smalls))
    return hashes


def _halved(reducer: Floats) -> Floats:
    """Return a reducer for planes of half the size, each sample standing for two."""
    return np.asarray(reducer.reshape(len(reducer), -1, 2).sum(axis=2), np.float32)


def _items(context: Context) -> list[Pictures]:
    frames = context.arrays.get("frames")
    if frames is None or not len(frames) or min(frames.shape[1] * 2 // 3, frames.shape[2]) < SMALLEST_PX:
        return []
    pts = context.arrays["frames_pts"]
    # The frame nearest to each full second: copies with another frame rate are hashed at the same moments.
    seconds = np.arange(0.0, float(pts[-1]) + STEP_S / 2, STEP_S)
    chosen = np.unique(np.abs(pts[None, :] - seconds[:, None]).argmin(axis=1))
    return [Pictures(frames=[frames[i] for i in chosen], pts=pts[chosen], bars=context.features["letterbox"])]


def _encode(_model: None, batch: Sequence[Pictures]) -> list[FrameHashes]:
    return [hash_all(item) for item in batch]


ENCODER = Encoder(
    name="frame_hashes",
    title="PDQ hashes of one frame per second, plain, mirrored and cropped",
    input="frames",
    place="cpu",
    encode=_encode,
    items=_items,
    uses=("letterbox",),
)
