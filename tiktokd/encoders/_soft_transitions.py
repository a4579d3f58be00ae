"""Fades and dissolves in a row of thumbnails: where one picture turns into another along a straight line.

During a dissolve each frame is a mix of the first and the last, `x = A + alpha (B - A)`, `alpha` rising from 0 to 1.
Three marks tell it from motion: what is left beside the line through A and B is small; A and B show different things;
and contrast dips in the middle, because two unrelated pictures at half strength have half the variance. A fade is the
same with one plain end (black, white).
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiktokd.plugins import Array

Floats = NDArray[np.float32]
LENGTHS_S = (0.3, 0.45, 0.7, 1.0, 1.35, 1.8, 2.4)
"""Windows that are tried; editors' defaults lie between 0.3 and 1 s. Longer dissolves are not looked for."""
FRAMES_MIN = 5
"""Fewer steps cannot be told from a cut with a blended frame."""
CHANGE_MIN = 10.0
"""Root mean square of B - A over pixels and planes, 0..255; frames of one calm shot 1 s apart differ by less."""
OFF_LINE_MAX = 0.06
"""Energy beside the line as a share of that of B - A, mean over the window. Known dissolves between moving shots
<= 0.02; pans, zooms and people that replace most of the picture >= 0.08."""
STEP_MAX = 0.45
"""Largest step of alpha from frame to frame; a cut makes one of 1."""
OTHER_MIN = 14.0
"""Median change that motion does not explain between A and B (`shots.residual`); known transitions >= 37."""
STOP_GAIN, STOP_SHARE, STOP_ENDS = 0.05, 0.33, 0.1
"""Less alpha than this within a third of the time is a stop: one picture into a grey one, which is shown for a while,
and that into a third are two dissolves, although the grey one lies on the line between the others. A stop so near to
A or B is what is shown before or after."""
DIP_MAX = 0.82
"""Contrast in the middle third over that of the ends; known transitions <= 0.71, motion 0.9..1.2."""
ON_PACE = 0.5
"""Share of its mean step from frame to frame by which a change must go on to be part of it."""
PLAIN_STD = 5.0
"""Standard deviation of the luma of a plain frame, 0..255."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)


class Soft(NamedTuple):
    """A fade or dissolve from thumbnail `first`, still all the old shot, to `last`, all the new one."""

    kind: Literal["fade", "dissolve"]
    first: int
    last: int
    score: float
    """0.5..1, how clean the mix is."""


def find(
    thumbs: Array, pts: NDArray[np.float64], cuts: Sequence[int], apart: Callable[[int, int], float]
) -> list[Soft]:
    """Return fades and dissolves that contain no hard cut and do not overlap, in order.

    Args:
        thumbs: `(T, 27, 48, 3)` uint8 RGB.
        pts: Their times, seconds.
        cuts: First frames after hard cuts.
        apart: Returns how different two frames are once motion is allowed for.
    """
    small, dips = shrink(thumbs), _Contrast(thumbs).dips
    rated = [
        window
        for first, end in zip([0, *cuts], [*cuts, len(thumbs)], strict=True)
        for window in _windows(small, pts, first, end)
        if dips(*window[1:])
    ]
    chosen: list[Soft] = []
    # The widest change first: a window inside a dissolve sees only a part of it.
    for _gain, start, stop in sorted(rated, reverse=True):
        first, last = _tighten(small, start, stop)
        overlaps = any(first < s.last and s.first < last for s in chosen)
        if overlaps or last - first < FRAMES_MIN - 1:
            continue
        alpha, off_line, _change = line(small, first, last)
        if off_line > OFF_LINE_MAX or _stops(alpha) or apart(first, last) < OTHER_MIN:
            continue
        first, last = _without_ends(alpha, first, last)
        lowest = max([0, *(i for i in cuts if i <= first), *(s.last for s in chosen if s.last <= first)])
        ends = (len(small), *(i for i in cuts if i > last), *(s.first + 1 for s in chosen if s.first >= last))
        first, last = _widen(small, first, last, lowest, min(ends) - 1)
        plain = min(contrast(small[first]), contrast(small[last])) < PLAIN_STD
        score = round(1.0 - off_line / OFF_LINE_MAX / 2, 3)
        chosen.append(Soft("fade" if plain else "dissolve", first, last, score))
    return sorted(chosen, key=lambda s: s.first)


def shrink(thumbs: Array) -> Floats:
    """Return `(N, 432)`: thumbnails as means of 3x3 cells, three planes, 0..255."""
    parts = [thumbs[start : start + 512] for start in range(0, len(thumbs), 512)]
    means = [p.reshape(len(p), 9, 3, 16, 3, 3).sum((2, 4), dtype=np.uint16).reshape(len(p), -1) for p in parts]
    return np.concatenate(means).astype(np.float32) / 9.0


def _windows(small: Floats, pts: NDArray[np.float64], first: int, end: int) -> list[tuple[float, int, int]]:
    """Return (change, start, stop) of windows between two cuts in which one picture turns into another."""
    found = []
    for length_s in LENGTHS_S:
        until = np.searchsorted(pts[first:end], pts[first:end] + length_s - 1e-6) + first
        stride = max(1, int(np.median(until - np.arange(first, end))) // 6)
        for start in range(first, end - 1, stride):
            stop = int(until[start - first])
            if stop >= end or stop - start < FRAMES_MIN:
                continue
            alpha, off_line, change = line(small, start, stop)
            steps = np.diff(alpha)
            if off_line <= OFF_LINE_MAX and steps.max() <= STEP_MAX and steps.min() >= -0.05:
                found.append((change, start, stop))
    return found


def line(small: Floats, start: int, stop: int) -> tuple[Floats, float, float]:
    """Return alpha per frame, the energy beside the line over that of B - A, and the size of B - A (0..255).

    alpha, 0..1 in a clean mix, is how far each frame has gone from A, frame `start`, to B, frame `stop`; it is empty
    where A and B differ by less than `CHANGE_MIN`.
    """
    way = small[stop] - small[start]
    energy = float(way @ way)
    change = float(np.sqrt(energy / way.size))
    if change < CHANGE_MIN:
        return np.zeros(0, np.float32), np.inf, change
    gone = small[start : stop + 1] - small[start]
    alpha = gone @ way / energy
    beside = np.einsum("ij,ij->i", gone, gone) / energy - alpha**2
    return alpha, float(beside[1:-1].mean()), change


class _Contrast:
    """Coarse and fine contrast of each frame, computed when it is first asked for: windows overlap many times."""

    def __init__(self, thumbs: Array) -> None:
        self._thumbs = thumbs
        self._known = np.full((2, len(thumbs)), np.nan, np.float32)

    def of(self, frames: slice) -> Floats:
        """Return (2, n): variance of the luma, and mean squared difference of neighbouring pixels."""
        found = self._known[:, frames]
        lacking = np.flatnonzero(np.isnan(found[0]))
        if len(lacking):
            luma = self._thumbs[frames][lacking].astype(np.float32) @ GREY
            across, down = (np.diff(luma, axis=axis) ** 2 for axis in (2, 1))
            found[:, lacking] = luma.var((1, 2)), across.mean((1, 2)) + down.mean((1, 2))
        return found

    def dips(self, start: int, stop: int) -> bool:
        """Return whether contrast, coarse and fine, is lower in the middle third than at the ends."""
        third = max(1, (stop - start) // 6)
        middle = (start + stop) // 2
        ends = self.of(slice(start, stop + 1, stop - start)).mean(axis=1)
        inside = self.of(slice(middle - third, middle + third + 1)).mean(axis=1)
        return bool((inside <= DIP_MAX * np.maximum(ends, 1.0)).all())


def _tighten(small: Floats, start: int, stop: int) -> tuple[int, int]:
    """Return the frames between which alpha goes from 0.02 to 0.98."""
    alpha = line(small, start, stop)[0]
    begun, done = np.nonzero(alpha > 0.02)[0], np.nonzero(alpha < 0.98)[0]
    return start + max(0, int(begun[0]) - 1), start + min(len(alpha) - 1, int(done[-1]) + 1)


def _without_ends(alpha: Floats, first: int, last: int) -> tuple[int, int]:
    """Return the frames `first..last` without what is shown before and after, where the change stands near A or B."""
    third = _third(last - first)
    begun, done = np.nonzero(alpha > STOP_ENDS)[0], np.nonzero(alpha < 1.0 - STOP_ENDS)[0]
    late, early = int(begun[0]) > third, last - first - int(done[-1]) > third
    return first + (int(begun[0]) - 1 if late else 0), first + int(done[-1]) + 1 if early else last


def _third(frames: int) -> int:
    return max(1, round(STOP_SHARE * frames))


def _stops(alpha: Floats) -> bool:
    """Return whether a change stands still on its way."""
    third = _third(len(alpha) - 1)
    before, after = alpha[:-third], alpha[third:]
    return bool(((after - before < STOP_GAIN) & (before > STOP_ENDS) & (after < 1.0 - STOP_ENDS)).any())


def _widen(small: Floats, first: int, last: int, lowest: int, highest: int) -> tuple[int, int]:
    """Return the frames, in `lowest`..`highest`, up to which the change goes on at its pace.

    Windows start at every few frames only. A cut to the middle of a fade is a step along its way, and no part of it.
    """
    way = small[last] - small[first]
    energy = float(way @ way)
    pace = ON_PACE / (last - first)

    def goes_on(before: int, after: int) -> bool:
        gone = small[after] - small[before]
        along = float(gone @ way) / energy
        return along >= pace and float(gone @ gone) / energy <= 2 * along**2

    most = (last - first) // 2
    start = first
    while start > max(lowest, first - most) and goes_on(start - 1, start):
        start -= 1
    end = last
    while end < min(highest, last + most) and goes_on(end, end + 1):
        end += 1
    return start, end


def contrast(picture: Floats) -> float:
    """Return the standard deviation of the luma of one of `shrink`'s pictures, 0..127."""
    return float((picture.reshape(-1, 3) @ GREY).std())
