"""Bars around the picture: plain letterbox and pillarbox, and the blurred copy that fills the screen beside it.

A plain bar is a stretch of rows (columns) at the border that stays still and mostly of one colour, and ends in a
straight edge. A blurred fill is a stretch without detail that ends in a straight edge on both sides of the picture; of
one in the middle, part of either edge may be as dark as the fill, and one side so dark that it looks plain.
Edges are found to a pixel of the sampled frames; text inside a bar does not hide it.

Bad at: bars that come and go (only those in most sampled frames count), bars with a moving pattern, black content
right beside a black bar (the bar then looks wider where the edge shows in no frame).
Source: own; thresholds measured on 25 clips, those of blurred fills on eleven videos more.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.footage import Bars
from tiktokd.plugins import Array, Context, Encoder

FRAMES = 12
"""Pictures looked at, spread over the video."""
DARK_FRAME = 30.0
"""Mean luma (limited range, black is 16) under which a frame shows too little to find bars in."""
STILL = 8
"""Range of a pixel over time, 0..255, up to which it is still; compression moves flat areas by 2-4."""
NEAR = 10.0
"""Distance from the bar's colour."""
LINE_STILL, LINE_COLOUR, TEXT_COLOUR, WIDE_TEXT_COLOUR = 0.85, 0.5, 0.35, 0.2
"""Shares of a row's pixels that must be still, and of the bar's colour, and of it where a line of text is: one that
fills the width has less of it, and is only taken for one where the picture moves and it does not."""
EDGE = 10.0
"""Step of luma across the end of a bar."""
EDGE_SHARE = 0.4
"""Share of the columns in which it must be seen in some frame."""
SMALLEST_PX = 48
"""Short side under which an edge cannot be told from a bar: of 16 x 16 px nothing would be left inside."""
SMALLEST = 0.012
"""Bars under this share are encoder padding or nothing (12 rows of 1024)."""
LARGEST = 0.45
BLURRED = 0.3
"""Detail of a blurred fill over that of the picture."""
FILL_EDGE_SHARE = 0.55
"""Share of the columns in which the end of a blurred fill must be seen, in at least half of the frames."""
MIRROR_SHARE, MIRROR_LEAST, MIRROR_PX = 0.95, 0.25, 2
"""The same of both ends together, and of each, where they lie equally far out to so many pixels: of six landscape
videos over their blurred copies one end was seen in 0.27 to 0.58 of the columns, both together in 1.1 to 1.5."""
EVEN, ONE_COLOUR = 2.0, 0.7
"""Distance from the colour of bars that were drawn, and share of the pixels beside a picture that must be so near: the
blurred copy of a plain wall comes to 0.5 on one side at least, bars to 0.8."""
FILL_SMALLEST = 0.08
TEXT_LARGEST = 0.08
"""Height of a line of text in a bar."""
MARGIN, MARGIN_COLOUR = 0.04, 0.9
"""Share of the width at either side that text in a bar leaves free, and share of it in the bar's colour."""
PAGE = 0.8
"""Share of the rows between two bars whose margins are of the bar's colour too: a page, and not a picture."""
FILL_MARGIN, FILL_MARGIN_EDGE = 0.08, 0.25
"""Share of the width at either side in which the end of a blurred fill is seen too, and in how much of it: a box of
text does not reach that far."""
UNEVEN = 0.02
"""How much the two bars of one direction may differ where nothing moves: a plain wall or sky is still as well."""
FRAMES_SURE, MOVING = 3, 0.05
"""Frames, and the share of pixels that change, from which on a still stretch means something."""


def find(lumas: Sequence[Array]) -> Bars:
    """Return the bars around the pictures `(H, W)` uint8, all of one size, at least one."""
    if min(lumas[0].shape) < SMALLEST_PX:
        return Bars(top=0.0, bottom=0.0, left=0.0, right=0.0, fill=None)
    stack = np.stack([p for p in lumas if p.mean() >= DARK_FRAME] or [lumas[0]]).astype(np.int16)
    across = stack.transpose(0, 2, 1)
    top, bottom = _plain(stack)
    left, right = _plain(across)
    if not (left or right) and _is_page(stack, (top, bottom)):
        top = bottom = 0.0
    if not (top or bottom) and _is_page(across, (left, right)):
        left = right = 0.0
    dark_side = not (top or bottom) and _is_side_of_fill(across, left, right)
    dark_side = dark_side or (not (left or right) and _is_side_of_fill(stack, top, bottom))
    if max(top, bottom, left, right) >= SMALLEST and not dark_side:
        return Bars(top=top, bottom=bottom, left=left, right=right, fill="plain")
    top, bottom = _blurred(stack)
    left, right = _blurred(across)
    if (top or left) and len(stack) >= FRAMES_SURE:
        plain = _is_one_colour(stack, top, bottom) if top else _is_one_colour(across, left, right)
        return Bars(top=top, bottom=bottom, left=left, right=right, fill="plain" if plain else "blurred")
    return Bars(top=0.0, bottom=0.0, left=0.0, right=0.0, fill=None)


def _plain(stack: NDArray[np.int16]) -> tuple[float, float]:
    """Return the shares of the height that plain bars take at the first and last rows of `(N, H, W)`."""
    height = stack.shape[1]
    still = (stack.max(0) - stack.min(0)) <= STILL
    steps = (np.abs(np.diff(stack, axis=1)).max(0) >= EDGE).mean(1)
    moves = len(stack) >= FRAMES_SURE and float(still.mean()) < 1.0 - MOVING
    found = []
    for flip in (1, -1):
        rows = _bar_rows(stack.mean(0)[::flip][: height // 2], still[::flip][: height // 2], moves)
        # Ringing and blur hide the last rows of a bar: its end is where most columns step.
        near = steps[::flip][max(0, rows - 3) : rows + 4]
        sharp = rows > 0 and float(near.max()) >= EDGE_SHARE
        share = (max(0, rows - 3) + int(near.argmax()) + 1) / height if sharp else 0.0
        found.append(share if SMALLEST <= share <= LARGEST else 0.0)
    alike = abs(float(np.median(stack[:, :4])) - float(np.median(stack[:, -4:]))) <= NEAR
    if not moves and (abs(found[0] - found[1]) > UNEVEN or not alike):
        return 0.0, 0.0
    return found[0], found[1]


def _is_side_of_fill(stack: NDArray[np.int16], before: float, after: float) -> bool:
    """Return whether the one plain bar that was found is a blurred fill, so dark on this side that nothing is seen."""
    if bool(before) == bool(after):
        return False
    first, last = _blurred(stack)
    apart = max(abs(first - last), abs((first if before else last) - max(before, after)))
    return first > 0 and apart <= 2 * MIRROR_PX / stack.shape[1]


def _is_one_colour(stack: NDArray[np.int16], before: float, after: float) -> bool:
    """Return whether all beside the picture is of one colour but for text: bars around a still scene, which differ."""
    picture, height = stack.mean(0), stack.shape[1]
    parts = picture[: round(before * height) - 2], picture[height - round(after * height) + 2 :]
    return all(float((np.abs(part - np.median(part)) <= EVEN).mean()) >= ONE_COLOUR for part in parts)


def _is_page(stack: NDArray[np.int16], bars: tuple[float, float]) -> bool:
    """Return whether the bars' colour goes on along both sides of what lies between them."""
    picture, height = stack.mean(0), stack.shape[1]
    colour = float(np.median(picture[:4] if bars[0] else picture[-4:]))
    alike = ((stack.max(0) - stack.min(0)) <= STILL) & (np.abs(picture - colour) <= NEAR)
    return float(_margins(alike)[round(bars[0] * height) : height - round(bars[1] * height)].mean()) >= PAGE


def _bar_rows(picture: NDArray[np.float64], still: NDArray[np.bool_], moves: bool) -> int:
    """Return how many rows from the first belong to a bar; text inside it may interrupt it."""
    colour = float(np.median(picture[:4]))
    alike = (still & (np.abs(picture - colour) <= NEAR)).mean(1)
    bar = (still.mean(1) >= LINE_STILL) & (alike >= LINE_COLOUR)
    if not bar[0] or bar.all():
        return 0
    rows, text = int(np.argmin(bar)), int(len(picture) * 2 * TEXT_LARGEST)
    margins = _margins(still & (np.abs(picture - colour) <= NEAR))
    # The last row of the bar in reach: text may touch it more than once, and there may be several lines of it.
    while len(ahead := np.flatnonzero(bar[rows : rows + text])) and not bar[rows:].all():
        again = rows + int(ahead[-1]) + 1
        stands = moves and float(still[rows:again].mean(1).min()) >= LINE_STILL
        least = WIDE_TEXT_COLOUR if stands else TEXT_COLOUR
        if float(alike[rows:again].min()) < least and not margins[rows:again].all():
            break
        rows = again + (int(np.argmin(bar[again:])) if again < len(bar) and not bar[again:].all() else 0)
    return rows


def _margins(alike: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rows that are of the bar's colour at both sides, whatever stands between."""
    side = max(2, round(alike.shape[1] * MARGIN))
    return np.asarray(np.minimum(alike[:, :side].mean(1), alike[:, -side:].mean(1)) >= MARGIN_COLOUR)


def _blurred(stack: NDArray[np.int16]) -> tuple[float, float]:
    """Return the shares that a blurred fill takes before and after the picture, or zeros."""
    height = stack.shape[1]
    first, last = int(height * FILL_SMALLEST), int(height * LARGEST)
    steps = np.abs(stack[:, 2:] - stack[:, :-2])  # over two rows: an edge that fell between pixels stays whole
    side = max(2, round(stack.shape[2] * FILL_MARGIN))
    share = np.median((steps >= EDGE).mean(2), axis=0)
    margins = [np.median((m >= EDGE).mean(2), axis=0) for m in (steps[:, :, :side], steps[:, :, -side:])]
    detail = np.abs(np.diff(stack, n=2, axis=2)).mean((0, 2))
    for ends in (
        _mirrored_ends(np.where(np.maximum(*margins) >= FILL_MARGIN_EDGE, share, 0.0), first, last),
        _wide_ends(np.where(np.minimum(*margins) >= FILL_MARGIN_EDGE, share, 0.0), first, last),
    ):
        if ends is not None and _is_fill(detail, *ends):
            return (ends[0] + 1) / height, (height - ends[1] - 1) / height
    return 0.0, 0.0


def _is_fill(detail: NDArray[np.float64], before: int, after: int) -> bool:
    """Return whether there is far less detail outside two rows than between them."""
    inside = float(np.median(detail[before + 3 : after]))
    outside = max(float(np.median(detail[: before - 2])), float(np.median(detail[after + 4 :])))
    return outside <= BLURRED * inside


def _wide_ends(share: NDArray[np.float64], first: int, last: int) -> tuple[int, int] | None:
    """Return the first and last row of a picture whose ends both show along most of the width."""
    before = first + int(np.argmax(share[first:last]))
    after = len(share) - last + int(np.argmax(share[len(share) - last : len(share) - first]))
    return (before, after) if min(share[before], share[after]) >= FILL_EDGE_SHARE else None


def _mirrored_ends(share: NDArray[np.float64], first: int, last: int) -> tuple[int, int] | None:
    """Return the first and last row of a picture that was put into the middle, where its ends show in part only.

    Where the picture is as dark as its blurred copy, the end between them is not seen; but both lie equally far out.
    """
    near = np.max([np.roll(share, shift) for shift in range(-MIRROR_PX, MIRROR_PX + 1)], axis=0)[::-1]
    both = np.where(np.minimum(share, near) >= MIRROR_LEAST, share + near, 0.0)
    # The outermost: the picture itself may have edges from side to side, its blurred copy has none.
    outer = np.flatnonzero(both[first:last] >= MIRROR_SHARE)
    if not len(outer):
        return None
    before = first + int(outer[0])
    before += int(np.argmax(both[before : before + MIRROR_PX]))
    opposite = len(share) - 1 - before
    return before, opposite - MIRROR_PX + int(np.argmax(share[opposite - MIRROR_PX : opposite + MIRROR_PX + 1]))


def _items(context: Context) -> list[list[Array]]:
    frames = context.arrays.get("frames")
    if frames is None or not len(frames):
        return []
    height = frames.shape[1] * 2 // 3
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int))
    return [[frames[i, :height] for i in chosen]]


def _encode(_model: None, batch: Sequence[Sequence[Array]]) -> list[Bars]:
    return [find(pictures) for pictures in batch]


def signals(features: Bars) -> dict[str, Any]:
    """Return `top`, `bottom`, `left`, `right` and `fill` as in `Bars`."""
    return asdict(features)


ENCODER = Encoder(
    name="letterbox",
    title="Bars around the picture, plain or blurred",
    input="frames",
    place="cpu",
    encode=_encode,
    items=_items,
    signals=signals,
    portable=Bars,
)
