"""Where a video is black and where it stands still, to the frame, from a thumbnail of every frame.

A frozen picture is not a still scene: a camera always adds a little noise, an encoder repeats a frozen picture without
any. So nearly all changes must be zero, and the last picture must equal the first. Overlays that pop up for a moment
do not end a freeze, nor do key frames, which draw the same picture afresh.

Bad at: still scenes from which strong compression took all noise (taken for frozen), pictures that an encoder draws bit
by bit over more than five frames (the freeze starts up to 0.2 s late).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tiktokd.footage import Span, Stillness
from tiktokd.plugins import Array, Context, Encoder

BLACK = 25.5
"""Brightness under which 98 % of a dark picture lie (0.1 of full scale, as in ffmpeg's blackdetect)."""
BLACK_RISE = 3.0
"""How far the frames of a black stretch may rise above its typical level: cuts off the first frames of a fade."""
BLACK_S = 0.1
FROZEN_S = 1.0
"""A shorter stop is a pause; ffmpeg's freezedetect asks for 2 s."""
FROZEN_CHANGE = 0.05
"""Mean |change| per frame, 0..255, up to which it repeats: frozen pictures after H.264 <= 0.037, a static camera
0.05-0.2."""
FROZEN_TYPICAL = 0.015
"""The same for the median over the stretch: frozen <= 0.003, the calmest static camera 0.02."""
FROZEN_DRIFT = 0.3
"""Mean |last - first| over the calmest 85 % of the picture: frozen <= 0.05, a slow zoom or a static camera >= 0.5."""
POP_FRAMES = 4
"""Frames without change that must lie on both sides of an overlay's or a key frame's change."""
REFRESH = 1.5
"""Largest mean |change| of a key frame within a frozen picture (x264 at CRF 23: 0.5-0.75), and from the first picture
to the last with key frames between them; a cut to another picture is 30 and more."""
SETTLE_FRAMES, SETTLE, MOTION = 5, 0.2, 0.5
"""An encoder may take this many frames, of at most this mean |change| each, to draw a picture that froze after motion
of this much: they belong to the freeze."""
CHUNK = 256


def black_spans(thumbs: Array, pts: NDArray[np.float64], end_s: float) -> tuple[Span, ...]:
    """Return stretches of black in `(T, 27, 48, 3)` uint8 RGB thumbnails, T >= 1."""
    level = np.concatenate([np.quantile(part.max(-1).reshape(len(part), -1), 0.98, axis=1) for part in _chunks(thumbs)])
    dark = level <= BLACK
    for first, after in _runs(dark):
        dark[first:after] &= level[first:after] <= np.median(level[first:after]) + BLACK_RISE
    return _spans(_runs(dark), pts, end_s, BLACK_S)


def frozen_spans(
    thumbs: Array, pts: NDArray[np.float64], end_s: float, black: tuple[Span, ...], *, every: bool = True
) -> tuple[Span, ...]:
    """Return stretches in which one picture is repeated or held, without those that are black.

    Args:
        every: There is a thumbnail of each picture of the video; else nobody knows how long one was held.
    """
    found = _repeated(thumbs, pts, end_s)
    if every:
        held = _spans([(i, i + 1) for i in range(len(thumbs))], pts, end_s, FROZEN_S)
        found += tuple(h for h in held if not any(a < h[1] and h[0] < b for a, b in found))
    return tuple(sorted(s for s in found if not any(b[0] < s[1] and s[0] < b[1] for b in black)))


def _repeated(thumbs: Array, pts: NDArray[np.float64], end_s: float) -> tuple[Span, ...]:
    if len(thumbs) < 2:
        return ()
    change, wide = _changes(thumbs)
    still = change <= FROZEN_CHANGE
    bridged = still.copy()
    for i in np.flatnonzero(~still & (~wide | (change <= REFRESH))):
        beside = np.concatenate([still[max(0, i - POP_FRAMES) : i], still[i + 1 : i + 1 + POP_FRAMES]])
        bridged[i] = len(beside) == 2 * POP_FRAMES and bool(beside.all())
    runs = []
    for first, after in _runs(bridged):
        # Change i lies between thumbnails i and i + 1: the run shows pictures first..after.
        if np.median(change[first:after]) <= FROZEN_TYPICAL and _stays(thumbs, first, after, ~still & wide):
            runs.append((first, after + 1))
    sure = [run for run in runs if _spans([run], pts, end_s, FROZEN_S)]
    return _spans([(_settled(change, first), after) for first, after in sure], pts, end_s, FROZEN_S)


def _stays(thumbs: Array, first: int, after: int, afresh: NDArray[np.bool_]) -> bool:
    """Return whether the pictures `first..after` show one thing, also where key frames drew it afresh."""
    ends = [first, *(i for i in range(first, after) if afresh[i]), after]
    parts = [(a if a == first else a + 1, b) for a, b in pairwise(ends)]
    return _drift(thumbs, first, after) <= (REFRESH if len(parts) > 1 else FROZEN_DRIFT) and all(
        _drift(thumbs, a, b) <= FROZEN_DRIFT for a, b in parts
    )


def _drift(thumbs: Array, first: int, last: int) -> float:
    apart = np.abs(thumbs[last].astype(np.int16) - thumbs[first]).mean(-1).ravel()
    return float(np.sort(apart)[: int(0.85 * apart.size)].mean())


def _settled(change: NDArray[np.float32], first: int) -> int:
    """Return the first picture of a freeze, those included in which the encoder still worked on it."""
    for i in range(first - 1, max(first - 2 - SETTLE_FRAMES, -1), -1):
        if change[i] > SETTLE:
            return i + 1 if change[i] >= MOTION else first
    return first


def _changes(thumbs: Array) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the mean |change| of each frame but the first, and whether it touches more than a fifth of the picture."""
    change, wide = np.zeros(len(thumbs) - 1, np.float32), np.zeros(len(thumbs) - 1, bool)
    for start in range(0, len(thumbs) - 1, CHUNK):
        part = thumbs[start : start + CHUNK + 1].astype(np.int16)
        apart = np.abs(np.diff(part, axis=0))
        change[start : start + CHUNK] = apart.mean((1, 2, 3), dtype=np.float32)
        wide[start : start + CHUNK] = (apart.max(-1) > 1).mean((1, 2)) > 0.2
    return change, wide


def _chunks(thumbs: Array) -> list[Array]:
    return [thumbs[start : start + CHUNK] for start in range(0, len(thumbs), CHUNK)]


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first, after) of each stretch of True."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return [(int(first), int(after)) for first, after in edges]


def _spans(runs: list[tuple[int, int]], pts: NDArray[np.float64], end_s: float, least_s: float) -> tuple[Span, ...]:
    """Return the times of runs of frames that last: a frame is shown until the next one comes."""
    until = np.append(pts[1:], max(end_s, float(pts[-1])))
    spans = [(float(pts[first]), float(until[after - 1])) for first, after in runs if after > first]
    return tuple(s for s in spans if s[1] - s[0] >= least_s - 1e-6)


def _items(context: Context) -> list[tuple[Array, NDArray[np.float64], float, bool]]:
    """Return the thumbnails, their times, the video's end and whether there is one of every picture."""
    thumbs = context.arrays.get("thumbs")
    if thumbs is None or not len(thumbs):
        return []
    every = len(thumbs) >= context.facts.frame_count
    return [(thumbs, context.arrays["thumbs_pts"], context.facts.duration_s, every)]


def _encode(_model: None, batch: Sequence[tuple[Array, NDArray[np.float64], float, bool]]) -> list[Stillness]:
    found = []
    for thumbs, pts, end_s, every in batch:
        black = black_spans(thumbs, pts, end_s)
        found.append(Stillness(black=black, frozen=frozen_spans(thumbs, pts, end_s, black, every=every)))
    return found


ENCODER = Encoder(
    name="stillness",
    title="Stretches of black and of one repeated picture",
    input="thumbs",
    place="cpu",
    encode=_encode,
    items=_items,
    portable=Stillness,
)
