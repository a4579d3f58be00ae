"""Shots: exact times of hard cuts, fades and dissolves, found on a 48x27 thumbnail of every frame.

A hard cut must (1) change most of the picture, so that a caption, a sticker or a QR code that appears is none, (2) be
left over after each part of the picture may have moved, so that a pan is none, (3) stand out from the changes around
it, so that a hand before the lens is none, (4) leave no part of the picture moving on as before, so that a picture laid
over half of it is none, (5) not return to what was before within 0.4 s, so that a flash is none.
Fades and dissolves are in `_soft_transitions`.

Bad at: shots shorter than four frames (taken for flashes), cuts that keep the whole picture but one small thing,
dissolves longer than 2 s or between two moving cameras, changes confined to less than half of the picture (picture
in picture, one half of a split screen), strobe light.
Source: idea of comparing each change with its neighbours from PySceneDetect's AdaptiveDetector (BSD-3; no code taken);
thresholds measured on 25 clips with 93 known cuts, and 60 more in made variations of real footage, see each constant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _picture_change as differ
from tiktokd.encoders import _soft_transitions as soft
from tiktokd.footage import Shot, Shots, Transition
from tiktokd.plugins import Array, Context, Encoder

Floats = NDArray[np.float32]
CHANGE_MIN = 8.0
"""Mean |change| over the picture below which nothing is a cut; the weakest known cut has 15.8, encoder noise < 1."""
SPREAD_MIN = 5.0
"""Median |change| of the cells of the picture: captions that appear have <= 2.4, the weakest known cut 8.9."""
RESIDUAL_MIN = 9.5
"""Median over blocks of the change that motion does not explain; most known cuts >= 10.3."""
RESIDUAL_FAINT, STANDOUT_CALM = 6.5, 5.0
"""The same where it stands out this far: one person after another in one room left 8.4 over 0.3, an empty road at
another hour 7.3 over 1.4."""
STANDOUT_MIN = 1.9
"""Residual of a cut over the largest one around it: known cuts >= 2.1, a man walking past the lens 1.2."""
STANDOUT_FAINT = 1.5
"""The same where the colours changed as well (histogram overlap under `HISTOGRAM_OTHER`)."""
STANDOUT_GAP, CALM_SHARE = 3.0, 0.2
"""Where frames were dropped, motion may have made a change that stands out: then the calmest fifth of the picture must
stand out as well; known cuts >= 3.5, a face that sweeps past the lens 2.3."""
GOING_ON, GOING_ON_MIN, GOING_ON_SHARE = 1.3, 1.0, 0.25
"""Blocks that move (by the second) before and after, and change by no more than 1.3 times as much, go on. So do >= 0.33
of them where a picture or a large caption was laid over a moving one, <= 0.17 at known cuts."""
HISTOGRAM_OTHER = 0.6
SAME_STRUCTURE = 0.75
"""Correlation of the gradients from which on two frames show the same thing in another light; known cuts <= 0.62."""
SAME_STRUCTURE_SOFT = 0.5
"""The same for the two ends of a fade or dissolve: known ones <= 0.1, a man who walks up to the lens 0.7."""
AROUND_FRAMES, AROUND_S = 3, 0.12
"""What counts as around: three frames, or 0.12 s at high frame rates."""
ALIKE_GAP, STEPS_MOST = 0.75, 4
"""Share of a step's length from which on two frames are as far apart; and how many steps may make up one."""
FLASH_S = 0.4
BLACK_LUMA = 24.0
"""A frame whose brightest cells are darker is black: video black is 0 after decoding, compression adds a few levels."""


def find(thumbs: Array, pts: NDArray[np.float64], end_s: float) -> Shots:
    """Return the shots of one video from `(T, 27, 48, 3)` uint8 RGB thumbnails, T >= 1, that end at `end_s`."""
    picture = differ.Pictures(thumbs, differ.active_cells(thumbs))
    change, spread = differ.changes(thumbs, picture.active, at_least=CHANGE_MIN)
    cuts = _hard_cuts(thumbs, pts, picture, change, spread)
    found = [_hard(pts, i, change) for i in cuts]

    def apart(i: int, k: int) -> float:
        if picture.gradient_correlation(i, k) >= SAME_STRUCTURE_SOFT:
            return 0.0
        plain = min(float(picture[n][..., 0].std()) for n in (i, k)) < soft.PLAIN_STD
        return picture.residual(i, k, in_any_light=not plain)

    for kind, first, last, score in soft.find(thumbs, pts, cuts, apart):
        found.append(Transition(kind=kind, start_s=float(pts[first]), end_s=float(pts[last]), score=score))
    found.sort(key=lambda t: t.start_s)
    return Shots(transitions=tuple(found), shots=split(thumbs, pts, found, end_s), change=change, pts=pts)


def _hard_cuts(
    thumbs: Array, pts: NDArray[np.float64], picture: differ.Pictures, change: Floats, spread: Floats
) -> list[int]:
    steady = np.flatnonzero(~_plain_flashes(thumbs, pts))
    if len(steady) < len(thumbs):
        thumbs, pts = thumbs[steady], pts[steady]
        picture = differ.Pictures(thumbs, picture.active)
        change, spread = differ.changes(thumbs, picture.active, at_least=CHANGE_MIN)
    cuts = [i for i in _candidates(change, spread, pts) if _is_cut(picture, pts, i)]
    return [int(steady[i]) for i in _without_returns(picture, pts, cuts)]


def _plain_flashes(thumbs: Array, pts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which frames are of one colour, for at most `FLASH_S` and in the middle of the video."""
    plain = np.concatenate([p[..., 1].reshape(len(p), -1).std(1) for p in _chunks(thumbs)]) < soft.PLAIN_STD
    edges = np.flatnonzero(np.diff(plain.astype(np.int8), prepend=0, append=0))
    for first, after in edges.reshape(-1, 2):
        if first == 0 or after == len(thumbs) or pts[after] - pts[first] > FLASH_S:
            plain[first:after] = False
    return plain


def _chunks(thumbs: Array) -> list[Array]:
    return [thumbs[start : start + differ.CHUNK] for start in range(0, len(thumbs), differ.CHUNK)]


def _around(pts: NDArray[np.float64], i: int) -> list[int]:
    """Return the changes around change `i`, without it and without the first frame, which has none."""
    first, last = i, i
    while first > 1 and (i - first < AROUND_FRAMES or pts[i] - pts[first - 1] < AROUND_S):
        first -= 1
    while last < len(pts) - 1 and (last - i < AROUND_FRAMES or pts[last + 1] - pts[i] < AROUND_S):
        last += 1
    return [k for k in range(first, last + 1) if k != i]


def _candidates(change: Floats, spread: Floats, pts: NDArray[np.float64]) -> list[int]:
    """Return frames whose change is large, wide and larger than those around: cheap, and lets every cut through."""
    able = np.nonzero((change >= CHANGE_MIN) & (spread >= SPREAD_MIN))[0]
    return [int(i) for i in able if all(change[i] >= 1.2 * change[k] for k in _around(pts, int(i)))]


def _is_cut(picture: differ.Pictures, pts: NDArray[np.float64], i: int) -> bool:
    left_over = picture.residual(i - 1, i)
    if left_over < RESIDUAL_FAINT or picture.gradient_correlation(i - 1, i) >= SAME_STRUCTURE:
        return False
    other = picture.histogram_overlap(i - 1, i) < HISTOGRAM_OTHER
    standout = STANDOUT_FAINT if other else STANDOUT_MIN
    limit = left_over / (standout if left_over >= RESIDUAL_MIN else STANDOUT_CALM)
    steps = _steps_around(pts, i)
    if any(picture.residual_is_above(limit, a, b) for a, b in steps) or _goes_on(picture, i, steps):
        return False
    calm = picture.residual(i - 1, i, share=CALM_SHARE) / STANDOUT_GAP
    calm_moves = any(picture.residual_is_above(calm, a, b, share=CALM_SHARE) for a, b in steps)
    return not (calm_moves and _may_be_motion(picture, pts, i, limit))


def _goes_on(picture: differ.Pictures, i: int, steps: Sequence[tuple[int, int]]) -> bool:
    """Return whether a part of the picture moves before and after change `i`, and in it no more than that."""
    sides = [step for step in steps if step[1] < i], [step for step in steps if step[0] >= i]
    if not all(sides):
        return False
    changed = picture.unexplained(i - 1, i)

    def share(moved: Callable[[int, int], Floats]) -> float:
        before, after = (np.max([moved(a, b) for a, b in side], axis=0) for side in sides)
        moves = np.minimum(before, after) >= GOING_ON_MIN
        return float((moves & (changed <= GOING_ON * np.maximum(before, after))).mean())

    return share(picture.unmoved) >= GOING_ON_SHARE and share(picture.unexplained) >= GOING_ON_SHARE


def _may_be_motion(picture: differ.Pictures, pts: NDArray[np.float64], i: int, limit: float) -> bool:
    """Return whether motion may have made change `i` where frames were dropped: it went further in that one step."""
    gap_s = pts[i] - pts[i - 1]
    for k in _around(pts, i):
        wider = float(np.clip(gap_s / max(pts[k] - pts[k - 1], 1e-3), 1.0, STEPS_MOST))
        if picture.residual_is_above(limit / wider, k - 1, k):
            return True
    return False


def _steps_around(pts: NDArray[np.float64], i: int) -> list[tuple[int, int]]:
    """Return pairs of frames around change `i`, each on one side of it and about as far apart as the two beside it.

    Where frames were dropped at a cut, motion goes further in that one step than in the whole ones around it.
    """
    gap_s = ALIKE_GAP * (pts[i] - pts[i - 1])
    pairs = []
    for k in _around(pts, i):
        a, b = k - 1, k
        while k < i and pts[b] - pts[a] < gap_s and a > 0 and k - a < STEPS_MOST:
            a -= 1
        while k > i and pts[b] - pts[a] < gap_s and b < len(pts) - 1 and b - a < STEPS_MOST:
            b += 1
        pairs.append((a, b))
    return pairs


def _without_returns(picture: differ.Pictures, pts: NDArray[np.float64], cuts: Sequence[int]) -> list[int]:
    """Return the cuts without pairs that leave a picture for a moment and come back to it."""
    kept: list[int] = []
    for i in cuts:
        near = kept and pts[i] - pts[kept[-1]] <= FLASH_S
        if near and comes_back(picture, kept[-1] - 1, (kept[-1] + i) // 2, i):
            kept.pop()
        else:
            kept.append(i)
    return kept


def comes_back(picture: differ.Pictures, before: int, inside: int, after: int) -> bool:
    """Return whether the video shows the same before and after, and something else in between: a flash."""
    away = min(picture.residual(before, inside), picture.residual(inside, after))
    left_over = picture.residual(before, after)
    # Two calm pictures are nearer to one another than to a busy one between them: no return where the colours changed.
    same = left_over < RESIDUAL_MIN or picture.histogram_overlap(before, after) >= HISTOGRAM_OTHER
    return same and left_over < 0.5 * away


def _hard(pts: NDArray[np.float64], i: int, change: Floats) -> Transition:
    beside = max((float(change[k]) for k in _around(pts, i)), default=0.0)
    score = round(1.0 - beside / float(change[i]), 3) if change[i] > beside else 0.0
    return Transition(kind="cut", start_s=float(pts[i]), end_s=float(pts[i]), score=score)


def split(thumbs: Array, pts: NDArray[np.float64], found: Sequence[Transition], end_s: float) -> tuple[Shot, ...]:
    """Return the stretches between transitions, cut in the middle of each; a fade belongs to the shot that it hides."""
    bounds = [_boundary(t, thumbs, pts) for t in found]
    first = sorted({0, *(int(np.searchsorted(pts, b - 1e-6)) for b in bounds)} - {len(pts)})
    shots = []
    for start, after in zip(first, [*first[1:], len(pts)], strict=True):
        until_s = float(pts[after]) if after < len(pts) else max(end_s, float(pts[-1]))
        brightest = thumbs[start:after].max(-1).astype(np.float32)
        black = bool((np.quantile(brightest.reshape(after - start, -1), 0.98, axis=1) < BLACK_LUMA).mean() > 0.8)
        shots.append(
            Shot(
                first=start,
                last=after - 1,
                start_s=float(pts[start]),
                end_s=until_s,
                keyframe_s=float(pts[_keyframe(thumbs, start, after)]),
                black=black,
            )
        )
    return tuple(shots)


def _boundary(transition: Transition, thumbs: Array, pts: NDArray[np.float64]) -> float:
    if transition.kind != "fade":
        return transition.t_s
    first, last = np.searchsorted(pts, [transition.start_s - 1e-6, transition.end_s - 1e-6])
    from_plain = float(thumbs[first].std()) < float(thumbs[min(last, len(thumbs) - 1)].std())
    return transition.start_s if from_plain else transition.end_s


def _keyframe(thumbs: Array, start: int, after: int) -> int:
    """Return the frame nearest to the mean of the inner 80 % of a shot: typical, and not in a transition."""
    margin = (after - start) // 10
    inner = np.arange(start + margin, after - margin)[:: max(1, (after - start) // 60)]
    pictures = soft.shrink(thumbs[inner])
    return int(inner[int(((pictures - pictures.mean(0)) ** 2).sum(1).argmin())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnails:
    """One video's item for `encode`."""

    thumbs: Array
    pts: NDArray[np.float64]
    end_s: float


def _items(context: Context) -> list[Thumbnails]:
    thumbs = context.arrays.get("thumbs")
    if thumbs is None or not len(thumbs):
        return []
    return [Thumbnails(thumbs=thumbs, pts=context.arrays["thumbs_pts"], end_s=context.facts.duration_s)]


def _encode(_model: None, batch: Sequence[Thumbnails]) -> list[Shots]:
    return [find(item.thumbs, item.pts, item.end_s) for item in batch]


ENCODER = Encoder(
    name="shots",
    title="Cuts, fades and dissolves at exact frame times, and the shots between them",
    input="thumbs",
    place="cpu",
    encode=_encode,
    items=_items,
    portable=Shots,
)
