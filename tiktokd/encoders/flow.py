"""Optical flow between neighbours of the 10 Hz luma pictures, and the camera's part in it.

Dense inverse search gives the flow; a similarity transform (shift, zoom, roll) fitted to textured points by RANSAC is
the camera, what it leaves is the subject. Bars are left out; pairs across a cut, within a transition or more than
0.3 s apart are not measured. Videos over about 75 s, whose luma pictures are further apart, are measured on thumbnails.

Bad at: textureless pictures and screen content (reported as unknown), a subject that fills most of the picture (taken
for the camera), steps of more than a fifth of the picture per 0.1 s, parallax (one plane is assumed).

Two engines: OpenCV's DIS on a CPU; on any other device torch (`_batched_flow`), many pairs at a time, with the camera's
fit, a fifth of the time. They do not give the same flow, but nearly always the same moves.
It runs on the GPU where there is one, because processor time runs out first: 0.5 to 1.0 s per 30 s clip are taken off
the CPU workers. In return the GPU worker looks for bars and freezes again (0.2 to 0.3 s; shots it finds anyway), and
`staging` moves along (0.04 to 0.2 s), since it reads every pair and features do not cross processes. `bench.flow`
measures these on a CPU; what the host spends on a CUDA device has not been measured.
Source: Kroeger et al., ECCV 2016 (DIS).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders._batched_flow import (
    FINEST_SCALE,
    GRID_PX,
    INLIER_PX,
    INLIERS_MIN,
    MARGIN_PX,
    PATCHES,
    POINTS_MIN,
    REGIONS_MIN,
    STANDING_MAX,
    STANDING_PX,
    STRIDE,
    TEXTURE_STD,
    Batched,
)
from tiktokd.footage import Bars, Floats, Flow, Shots
from tiktokd.plugins import Array, Context, Encoder, LoadContext

GAP_S = 0.3
"""Largest step between two pictures; a variable frame rate makes some of 0.23 s."""
STEP_S, THUMB_SHORT_SIDE_PX = 0.1, 80
"""Where a long video's luma pictures are further apart, thumbnails take their place."""
SIGNAL_SECONDS = 1200
"""Length of the curve that level 2 may read: 10 KiB."""
SMALLEST_PX = 40
"""Pictures must be larger inside their bars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """One video's pictures and which neighbours to compare."""

    pictures: Sequence[Array]
    """(H, W) uint8 luma inside the bars, all of one size."""
    pts: NDArray[np.float64]
    first: NDArray[np.intp]
    """(P,) index of the first picture of each pair; the second is the next."""
    thinned: bool = False
    too_small: bool = False


def pairs_between(pts: NDArray[np.float64], shots: Shots) -> NDArray[np.intp]:
    """Return the indices i for which pictures i and i + 1 are near in time and of one shot."""
    able = np.diff(pts) <= GAP_S
    for t in shots.transitions:
        # A cut lies between the last picture before its time and the first at or after it.
        able &= (pts[1:] < t.start_s - 1e-6) | (pts[:-1] >= t.end_s - 1e-6)
    return np.flatnonzero(able)


def measure(engine: Any, item: Pairs) -> Flow:
    """Return the motion of every pair; the engine is OpenCV's DIS or `Batched`."""
    if isinstance(engine, Batched) and len(item.first):
        found = engine.measure(item.pictures, item.first)
    else:
        found = _one_by_one(engine, item)
    shift, scale, angle, magnitude, residual, inliers, patches = found
    return Flow(
        start_s=item.pts[item.first],
        end_s=item.pts[item.first + 1],
        shift=shift,
        scale=scale,
        angle_rad=angle,
        magnitude=magnitude,
        residual=residual,
        inliers=inliers,
        patches=patches,
        thinned=item.thinned,
        too_small=item.too_small,
    )


def _one_by_one(engine: Any, item: Pairs) -> tuple[Floats, ...]:
    """Return what `Batched.measure` does, by OpenCV."""
    count, side = len(item.first), min(item.pictures[0].shape)
    shift, scale, angle = np.full((count, 2), np.nan, np.float32), *np.full((2, count), np.nan, np.float32)
    magnitude, residual, inliers = np.zeros((3, count), np.float32)
    patches = np.zeros((count, PATCHES, PATCHES), np.float32)
    for k, i in enumerate(item.first):
        flow = pair_flow(engine, item.pictures[i], item.pictures[i + 1])
        sparse = flow[::STRIDE, ::STRIDE]
        length = _length(sparse)
        magnitude[k] = residual[k] = length.mean() / side
        patches[k] = _patch_means(length) / side
        camera = _camera(item.pictures[i], flow)
        if camera is not None:
            matrix, inliers[k] = camera
            centre = np.array([(n - 1) / 2 for n in flow.shape[1::-1]])
            shift[k] = (matrix[:, :2] @ centre + matrix[:, 2] - centre) / side
            scale[k] = np.hypot(matrix[0, 0], matrix[1, 0])
            angle[k] = np.arctan2(matrix[1, 0], matrix[0, 0])
            residual[k] = _length(sparse - _field(matrix, flow.shape)).mean() / side
    return shift, scale, angle, magnitude, residual, inliers, patches


def pair_flow(engine: Any, before: Array, after: Array) -> Floats:
    """Return (H, W, 2) float32 pixels: where each pixel of `before` went."""
    if np.array_equal(before, after):  # a frozen picture
        return np.zeros((*before.shape, 2), np.float32)
    engine.setFinestScale(FINEST_SCALE)  # a picture of 40 px or less lowers it, for all that come after it too
    return np.asarray(engine.calc(np.ascontiguousarray(before), np.ascontiguousarray(after), None), np.float32)


def _length(flow: Floats) -> Floats:
    return np.sqrt(flow[..., 0] * flow[..., 0] + flow[..., 1] * flow[..., 1])


def _camera(picture: Array, flow: Floats) -> tuple[NDArray[np.float64], float] | None:
    """Return the 2x3 similarity matrix that most textured points follow, and their share; `None`: cannot be told."""
    import cv2

    ys, xs = _textured_points(picture)
    if len(xs) < POINTS_MIN:
        return None
    height, width = picture.shape
    source = np.stack([xs, ys], axis=1).astype(np.float32)
    # OpenCV's RANSAC draws from its own generator: with a fixed seed a video gives the same result each time.
    cv2.setRNGSeed(0)
    matrix, found = cv2.estimateAffinePartial2D(
        source, source + flow[ys, xs], method=cv2.RANSAC, ransacReprojThreshold=INLIER_PX, maxIters=300
    )
    if matrix is None or found.mean() < INLIERS_MIN:
        return None
    inlier = found.ravel() > 0
    regions = np.unique((ys[inlier] * 4 // height) * 4 + xs[inlier] * 4 // width)
    moved_px = float(np.median(_length(flow[ys[inlier], xs[inlier]])))
    standing = float((_length(flow[::GRID_PX, ::GRID_PX]) < STANDING_PX).mean())
    if len(regions) < REGIONS_MIN or (moved_px > 2 * STANDING_PX and standing > STANDING_MAX):
        return None
    return np.asarray(matrix, np.float64), float(found.mean())


def _textured_points(picture: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the centres of grid cells with enough contrast, away from the border."""
    rows, columns = (n // GRID_PX for n in picture.shape)
    cells = picture[: rows * GRID_PX, : columns * GRID_PX].astype(np.float32)
    contrast = _cell_sums(cells * cells) / GRID_PX**2 - (_cell_sums(cells) / GRID_PX**2) ** 2
    edge = MARGIN_PX // GRID_PX
    contrast[:edge], contrast[rows - edge :], contrast[:, :edge], contrast[:, columns - edge :] = 0, 0, 0, 0
    ys, xs = np.nonzero(contrast > TEXTURE_STD**2)
    return ys * GRID_PX + GRID_PX // 2, xs * GRID_PX + GRID_PX // 2


def _cell_sums(values: Floats) -> Floats:
    """Return (H / 6, W / 6) sums over the cells of the grid: whole rows are added first, five times as quick as `sum`
    over two short axes. Exact below 2^24, so the order does not matter to squares of 8-bit values."""
    down = np.add.reduce([values[offset::GRID_PX] for offset in range(GRID_PX)])
    return np.asarray(np.add.reduce([down[:, offset::GRID_PX] for offset in range(GRID_PX)]), np.float32)


def _field(matrix: NDArray[np.float64], shape: tuple[int, ...]) -> Floats:
    """Return the flow that a camera motion makes, at every `STRIDE`-th row and column of an (H, W) picture."""
    y = np.arange(0, shape[0], STRIDE, dtype=np.float32)[:, None]
    x = np.arange(0, shape[1], STRIDE, dtype=np.float32)[None, :]
    (a, b, c), (d, e, f) = matrix.astype(np.float32)
    return np.stack([(a - 1) * x + b * y + c, d * x + (e - 1) * y + f], axis=-1)


def _patch_means(length: Floats) -> Floats:
    import cv2

    return np.asarray(cv2.resize(length, (PATCHES, PATCHES), interpolation=cv2.INTER_AREA), np.float32)


def _items(context: Context) -> list[Pairs]:
    arrays = context.arrays
    if "low" not in arrays or not len(arrays["low"]):
        return []
    pictures, pts = arrays["low"], arrays["low_pts"]
    thinned = len(pts) > 1 and float(np.median(np.diff(pts))) > GAP_S
    if thinned:
        pictures, pts = _from_thumbs(arrays["thumbs"], arrays["thumbs_pts"], pictures.shape[1:])
    inside = _inside(pictures, context.features["letterbox"])
    first = pairs_between(pts, context.features["shots"])
    too_small = min(inside.shape[1:]) < SMALLEST_PX // (2 if thinned else 1)
    pairs = first[:0] if too_small else first
    return [Pairs(pictures=list(inside), pts=pts, first=pairs, thinned=thinned, too_small=too_small)]


def _from_thumbs(thumbs: Array, pts: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[Array, NDArray[np.float64]]:
    """Return the luma of thumbnails about 0.1 s apart, in the shape of the picture at a short side of 80 px.

    Measured against 160 px pictures: speeds agree to 5 %, shifts to 0.1 % of the short side.
    """
    import cv2

    chosen, last_s = [], -np.inf
    for i, time_s in enumerate(pts):
        if time_s - last_s >= STEP_S - 1e-3:
            chosen.append(i)
            last_s = time_s
    factor = THUMB_SHORT_SIDE_PX / min(shape)
    size = (round(shape[1] * factor), round(shape[0] * factor))
    grey = np.array([0.299, 0.587, 0.114], np.float32)
    made = [
        cv2.resize(np.round(thumbs[i] @ grey).astype(np.uint8), size, interpolation=cv2.INTER_CUBIC) for i in chosen
    ]
    return np.stack(made), pts[chosen]


def _inside(pictures: Array, bars: Bars) -> Array:
    height, width = pictures.shape[1:]
    rows = slice(round(bars.top * height), height - round(bars.bottom * height))
    return pictures[:, rows, round(bars.left * width) : width - round(bars.right * width)]


def on_device(device: str) -> Batched:
    """Return the torch engine of a device; on "cpu" it is ten times as slow as OpenCV and there for comparison."""
    return Batched(device)


def _load(context: LoadContext) -> Any:
    if context.device != "cpu":
        return on_device(context.device)
    import cv2

    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)


def _encode(engine: Any, batch: Sequence[Pairs]) -> list[Flow]:
    return [measure(engine, item) for item in batch]


def _signals(flow: Flow) -> dict[str, Any]:
    """Return `{"speed_per_s": [mean speed per second of the video, short sides per second, None: not measured]}`, for
    fusion; at most 20 minutes of it."""
    speed, at = flow.magnitude / flow.seconds, flow.start_s.astype(int)
    known = np.isfinite(speed) & (at < SIGNAL_SECONDS)
    speeds: list[float | None] = [None] * (int(at[known].max()) + 1 if known.any() else 0)
    for second in np.unique(at[known]):
        speeds[int(second)] = round(float(speed[known & (at == second)].mean()), 4)
    return {"speed_per_s": speeds}


ENCODER = Encoder(
    name="flow",
    title="Optical flow at 10 Hz, split into camera and subject",
    input="low",
    place="either",
    load=_load,
    encode=_encode,
    items=_items,
    signals=_signals,
    uses=("shots", "letterbox"),
)
