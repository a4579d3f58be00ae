"""How much the picture moves, and how the camera moves: pan, tilt, zoom, roll, shake, and what is left for the subject.

Speeds are per second, so that they do not depend on the frame rate: lengths in picture short sides (0.1 means a tenth
of the picture's width per second in a vertical video), zoom in relative growth, roll in degrees. `camera` holds mean
absolute speeds; directions are in the segments and name what the camera does (`pan_right`: the scene moves left).

Bad at: textureless pictures and screen content (camera `None`), a subject that fills most of the picture (taken for the
camera), digital zooms against real ones (no difference), motion faster than a fifth of the picture per 0.1 s.
Not measured across cuts and soft transitions. Videos over about 75 s are measured on thumbnails (`partial/truncated`),
over about 8 minutes not at all: their pictures are too far apart. On a GPU another engine finds the flow: on 25 real
clips its speeds were within 15 % and 0.01 of the CPU's, its moves the same in 99 % of the time that both name.

Source: dense inverse search (Kroeger et al., ECCV 2016) and a RANSAC similarity; the two `curator` statistics follow
the motion filter of NVIDIA cosmos-curate (Apache-2.0), on optical flow instead of codec motion vectors.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiktokd.analyzers._few_pictures import too_few
from tiktokd.footage import Floats, Flow
from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped

STILL = 0.01
"""Mean speed (short sides per second) under which a step is static: the noise of the flow, 0.16 px per 0.1 s."""
MOVE = 0.03
"""Speed of one kind of camera motion, as it shows at `RADIUS`, from which on it is named."""
SMOOTH_STEPS = 5
"""Steps (0.5 s at 10 Hz) over which speeds are averaged to name a move, and the camera's path to find its shake."""
SHORTEST_MOVE_S = 0.5
RADIUS = 0.5
"""Distance from the centre, in short sides, at which zoom and roll are compared with shifts."""
DOMINANT = 0.25
"""Share of the picture that must follow the camera model for it to be believed."""

FAR_APART_S = 0.3
"""Pictures further apart are not compared, as in `flow`."""
LONG_S = 60.0
"""Shorter videos are not thinned: where nothing can be compared, they have nothing to compare."""

Move = Literal[
    "static", "pan_left", "pan_right", "tilt_up", "tilt_down", "zoom_in", "zoom_out", "roll_clockwise", "roll_counter"
]


class Camera(Output):
    """Mean absolute speeds of the camera over the steps in which it is known."""

    pan: float
    """Horizontal, short sides per second, 0 or more."""
    tilt: float
    """Vertical, short sides per second, 0 or more."""
    zoom: float
    """Relative growth or shrinkage per second, 0 or more; 0.03 is a slow zoom."""
    roll: float
    """Degrees per second, 0 or more."""
    shake: float | None
    """RMS distance of the camera from its own path smoothed over 0.5 s, short sides; 0.002 is a steady hand. `None`:
    too_short, the camera is not known for 0.5 s at a stretch."""


class Curator(Output):
    """The two statistics of cosmos-curate's motion filter, for comparison with data sets made by it."""

    global_mean: float
    """Mean motion per step as a share of the picture's size, 0 or more; cosmos-curate drops clips under 0.00098."""
    patch_min_256: float
    """The same in the calmest of 256 patches, 0 or more; cosmos-curate drops clips under 0.000001."""


class Motion(Output):
    """Motion of the whole video."""

    motion_mean: float
    """Mean speed of all pixels, short sides per second, 0 or more."""
    motion_p95: float
    """95th percentile over the steps of their mean speed, short sides per second."""
    static_ratio: float
    """Share 0..1 of the measured time in which nothing moves."""
    camera: Camera | None
    """`None`: too little texture to tell the camera from the subject."""
    subject_motion: float | None
    """Mean speed of what the camera does not explain, short sides per second; `None` where the camera is `None`."""
    curator: Curator
    """Two statistics under the names of another tool."""
    unknown: dict[str, str]
    """Field that is null → why: low_quality (too little texture); `camera.shake` → too_short."""


class MoveSegment(Segment):
    """A stretch with one kind of camera motion."""

    move: Move
    """What the camera does; `static`: slower than 0.03 short sides per second."""
    speed: float
    """Mean speed: short sides per second for pan and tilt, growth per second for zoom, degrees per second for roll."""


def analyze(context: Context) -> Result:
    """Turn steps into speeds and name the camera's moves."""
    flow: Flow = context.features["flow"]
    if not len(flow.start_s):
        return _not_measured(context, flow)
    rate = (1.0 / flow.seconds).astype(np.float32)
    speed = flow.magnitude * rate
    known = np.isfinite(flow.scale) & (flow.inliers >= DOMINANT)
    weight = flow.seconds / flow.seconds.sum()
    camera = _camera(flow, known, rate) if known.any() else None
    output = Motion(
        motion_mean=_digits(float((speed * weight).sum())),
        motion_p95=_digits(float(np.quantile(speed, 0.95))),
        static_ratio=round(float(weight[speed < STILL].sum()), 4),
        camera=camera,
        subject_motion=_digits(float((flow.residual * rate)[known].mean())) if known.any() else None,
        curator=Curator(
            global_mean=round(float(flow.magnitude.mean()), 6),
            patch_min_256=round(float(flow.patches.mean(0).min()), 6),
        ),
        unknown=_unknown(camera),
    )
    segments = _moves(flow, known, rate)
    if flow.thinned:
        return partial(output, "truncated", "a long video: measured on thumbnails, fine motion is lost", segments)
    if not known.any():
        return partial(output, "low_quality", "too little texture to tell how the camera moves", segments)
    return ok(output, segments)


def _unknown(camera: Camera | None) -> dict[str, str]:
    if camera is None:
        return dict.fromkeys(("camera", "subject_motion"), "low_quality")
    return {"camera.shake": "too_short"} if camera.shake is None else {}


def _not_measured(context: Context, flow: Flow) -> Result:
    pictures = len(context.arrays["thumbs_pts"])
    if flow.too_small and pictures > 1:
        return skipped("low_quality", "the picture inside its bars is too small to measure motion in")
    if few := too_few(context.facts, FAR_APART_S):
        return skipped(*few)
    if pictures < 2 or context.facts.duration_s < LONG_S:
        return skipped("too_short", "no two neighbouring pictures of one shot to compare")
    return skipped("truncated", f"only {pictures} pictures were kept of this long video: too far apart for motion")


def _camera(flow: Flow, known: NDArray[np.bool_], rate: Floats) -> Camera:
    shift = np.abs(flow.shift[known]) * rate[known, None]
    return Camera(
        pan=_digits(float(shift[:, 0].mean())),
        tilt=_digits(float(shift[:, 1].mean())),
        zoom=_digits(float((np.abs(flow.scale[known] - 1.0) * rate[known]).mean())),
        roll=_digits(float((np.abs(np.degrees(flow.angle_rad[known])) * rate[known]).mean())),
        shake=_shake(flow, known),
    )


def _shake(flow: Flow, known: NDArray[np.bool_]) -> float | None:
    """Return the RMS distance of the camera from its smoothed path, over stretches without a gap; `None`: no such."""
    squares: list[float] = []
    for first, after in _stretches(flow, known):
        if after - first < SMOOTH_STEPS:
            continue
        path = np.cumsum(flow.shift[first:after].astype(np.float64), axis=0)
        off = (path - _smooth(path))[SMOOTH_STEPS // 2 : after - first - SMOOTH_STEPS // 2]
        squares += (off**2).sum(axis=1).tolist()
    return _digits(float(np.sqrt(np.mean(squares)))) if squares else None


def _stretches(flow: Flow, known: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first, after) of steps that follow one another in time and have a known camera."""
    joined = known[1:] & known[:-1] & (np.abs(flow.start_s[1:] - flow.end_s[:-1]) < 1e-3)
    edges = np.flatnonzero(~joined) + 1
    return [
        (int(part[0]), int(part[-1]) + 1)
        for part in np.split(np.arange(len(known)), edges)
        if len(part) and known[part[0]]
    ]


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the moving average along the first axis, the ends repeated."""
    half = SMOOTH_STEPS // 2
    padded = np.pad(values, ((half, half), *((0, 0),) * (values.ndim - 1)), mode="edge")
    total = np.cumsum(np.concatenate([np.zeros((1, *values.shape[1:])), padded]), axis=0)
    return (total[SMOOTH_STEPS:] - total[:-SMOOTH_STEPS]) / SMOOTH_STEPS  # type: ignore[no-any-return]


def _moves(flow: Flow, known: NDArray[np.bool_], rate: Floats) -> list[MoveSegment]:
    segments: list[MoveSegment] = []
    for first, after in _stretches(flow, known):
        part = slice(first, after)
        signed = np.stack(
            [
                -flow.shift[part, 0] * rate[part],
                flow.shift[part, 1] * rate[part],
                (flow.scale[part] - 1.0) * rate[part],
                np.degrees(-flow.angle_rad[part]) * rate[part],
            ],
            axis=1,
        ).astype(np.float64)
        names = [_name(row) for row in (_smooth(signed) if after - first >= SMOOTH_STEPS else signed)]
        start = 0
        for i in range(1, len(names) + 1):
            if i < len(names) and names[i] == names[start]:
                continue
            start_s, end_s = float(flow.start_s[first + start]), float(flow.end_s[first + i - 1])
            if end_s - start_s >= SHORTEST_MOVE_S - 1e-6:
                kind = _KINDS.get(names[start])
                speed = abs(float(signed[start:i, kind].mean())) if kind is not None else 0.0
                segments.append(
                    MoveSegment(
                        start_s=round(start_s, 3), end_s=round(end_s, 3), move=names[start], speed=_digits(speed)
                    )
                )
            start = i
    return segments


_NAMES: tuple[tuple[Move, Move], ...] = (
    ("pan_right", "pan_left"),
    ("tilt_up", "tilt_down"),
    ("zoom_in", "zoom_out"),
    ("roll_clockwise", "roll_counter"),
)
_KINDS: dict[Move, int] = {name: i for i, pair in enumerate(_NAMES) for name in pair}


def _name(speeds: NDArray[np.float64]) -> Move:
    """Return the largest of pan, tilt, zoom, roll by what it moves at `RADIUS` from the centre."""
    shown = np.abs(speeds) * np.array([1.0, 1.0, RADIUS, np.radians(1.0) * RADIUS])
    kind = int(shown.argmax())
    if shown[kind] < MOVE * (RADIUS if kind > 1 else 1.0):
        return "static"
    return _NAMES[kind][0 if speeds[kind] > 0 else 1]


def _digits(value: float) -> float:
    return round(value, 5)


ANALYZER = Analyzer(
    name="motion",
    title="How much moves, and what the camera does",
    group="video",
    output=Motion,
    segment=MoveSegment,
    analyze=analyze,
    uses=("flow",),
    needs=frozenset({"video"}),
    version="5",
)
