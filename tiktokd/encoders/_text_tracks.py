"""Follows lines of text through the small luma frames and joins what is the same line. Pure: reads no letters itself.

A line is followed by the gradients inside its box: while it is shown they correlate with those at the moment it was
read, whatever moves behind it. So its start and end are known to the step of the small frames (0.1 s), not to that of
the full-size samples (0.5 s).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders._text_match import (
    CHUNK_FRAMES,
    FLAT,
    PRESENT,
    changed_from,
    gradients_of,
    intact,
    lowest_match,
    scores,
)
from tiktokd.likeness import similarity, squeezed
from tiktokd.pictures import iou
from tiktokd.texts import Box, TextLine

GAP_FRAMES = 2
"""So many frames in a row may miss (a flash, a broken frame) before a line counts as gone."""
SAME_BOX_IOU = 0.5
SAME_TEXT = 0.75
"""Least similarity (1 - edit distance / longer length) of two readings of one line, at one time."""
SAME_LATER = 0.8
"""The same of readings after one another, which may be of other words: "step one: mix", "step two: mix" have 0.77."""
STILL_S = 1.2
"""Followed at least this long, a line is laid over the picture; what stands on things that move is lost sooner."""
JOIN_GAP_S = 0.35
"""Laid-over lines with the same words and less than this between them are one line."""
LOST_GAP_S = 2.6
"""For text on things, which is lost and found again: just above `LOOK_AGAIN_S` of the gate."""
DRIFT = 0.25
"""Text on things moves between two readings by at most this share of the picture."""
PART_LETTERS = 3
"""Letters that a part of a line needs to be taken for it."""
SEARCH_PX = 12
"""Text moves by at most this much between two small frames (0.1 s): 0.75 of the width in a second."""
MATCH = 0.65
"""Least normalised correlation, -1..1, at which moving text counts as found again."""
PART_MATCH = 0.4
"""The same for each part of it: below 0.3 where other words came up over the same texture, above 0.8 where it moved."""
STEP_S = 0.15
"""A longer reading that starts at least this much later is a line that has grown."""
SHRUNK_S = 0.15
"""A part of a line that is shown for less than this beside the whole is a line of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """When a line is shown, and where."""

    start_s: float
    end_s: float
    """Moment of the first frame without it."""
    box: Box
    """Where it was read."""
    changed_s: float | None = None
    """From here on one of its letters may be another one; `None`: all stay."""
    path: tuple[tuple[float, float, float], ...] = ()
    """(time in seconds, x, y) of a line that moves; empty for one that stays where it is."""

    @property
    def still(self) -> bool:
        """It stays where it is."""
        return not self.path

    def box_at(self, t_s: float) -> Box:
        """Return where it is at a moment at which it is shown."""
        if not self.path:
            return self.box
        _, x, y = min(self.path, key=lambda place: abs(place[0] - t_s))
        return x, y, self.box[2], self.box[3]


def follow(low: NDArray[np.uint8], low_pts: NDArray[np.float64], box: Box, at_s: float, step_s: float) -> Followed:
    """Return from when to when, and where, the picture shows what it shows inside `box` at `at_s`.

    Without small frames: one sampling step around `at_s`.
    """
    if len(low) < 2:
        return Followed(start_s=max(at_s - step_s / 2, 0.0), end_s=at_s + step_s / 2, box=box)
    h, w = low.shape[1:]
    x0, x1 = _span(box[0], box[2], w)
    y0, y1 = _span(box[1], box[3], h)
    here = int(np.abs(low_pts - at_s).argmin())
    template = gradients_of(low[here : here + 1, y0:y1, x0:x1])[0]
    near = gradients_of(low[max(here - 10, 0) : here + 11, y0:y1, x0:x1])
    alike = intact(near, template)
    if alike.sum() > 1:  # the mean over a second keeps the letters and loses what moves behind them
        template = near[alike].mean(axis=0)
    first = _walk(low[:, y0:y1, x0:x1], template, here, -1)
    last = _walk(low[:, y0:y1, x0:x1], template, here, +1)
    changed = changed_from(low[here:, y0:y1, x0:x1], last + 1 - here, template)
    path: list[tuple[int, int, int]] = []
    if low_pts[last] - low_pts[first] < STILL_S:
        back, on = (_chase(low, (y0, y1, x0, x1), here, direction) for direction in (-1, +1))
        if len(back) + len(on) > last - first + GAP_FRAMES:
            path = [*reversed(back), (here, y0, x0), *on]
            first, last, changed = min(first, path[0][0]), max(last, path[-1][0]), None
    gap = float(np.median(np.diff(low_pts)))
    return Followed(
        start_s=float(low_pts[first]),
        end_s=float(low_pts[last + 1]) if last + 1 < len(low_pts) else float(low_pts[-1]) + gap,
        box=box,
        changed_s=None if changed is None else float(low_pts[here + changed]),
        path=tuple((float(low_pts[i]), box[0] + (x - x0) / w, box[1] + (y - y0) / h) for i, y, x in path),
    )


def join(lines: list[TextLine]) -> list[TextLine]:
    """Return the lines with repeated and growing readings joined, by start, then top to bottom, left to right."""
    joined: list[TextLine] = []
    for line in sorted(lines, key=lambda one: (one.start_s, one.end_s)):
        for i, other in enumerate(joined):
            if _same(other, line):
                joined[i] = _merge(other, line)
                break
        else:
            joined.append(line)
    return sorted(joined, key=lambda one: (round(one.start_s, 1), one.box[1], one.box[0]))


def contains(outer: Box, inner: Box) -> bool:
    """Return whether nine tenths of `inner` lie inside `outer`."""
    return _shared(outer, inner) >= 0.9 * inner[2] * inner[3]


def replaces(new: TextLine, old: TextLine, place: Box) -> bool:
    """Return whether `new` says something else at the `place` of `old`, and is not the line that this has grown to."""
    a, b = squeezed(old.text), squeezed(new.text)
    grown = b.startswith(a) or _is_part(a, b) or a in new.text.lower().split()
    covered = _shared(new.box, place) >= 0.5 * place[2] * place[3]
    return covered and not grown and similarity(a, b) < SAME_TEXT


def same_words(a: str, b: str) -> bool:
    """Return whether two readings of one place, one after the other, say the same: "Step 1" and "Step 2" do not."""
    return similarity(a, b) >= SAME_LATER and _digits(a) == _digits(b)


def _digits(text: str) -> list[str]:
    return [char for char in text if char.isdigit()]


def _same(a: TextLine, b: TextLine) -> bool:
    """Return whether two readings, `a` from the earlier start, are of one line."""
    gap_s = b.start_s - a.end_s
    alike = same_words(a.text, b.text) if gap_s >= -SHRUNK_S else similarity(a.text, b.text) >= SAME_TEXT
    still = a.still and b.still
    if iou(a.box, b.box) >= 0.3 or contains(a.box, b.box) or contains(b.box, a.box):
        return (alike and gap_s <= (JOIN_GAP_S if still else LOST_GAP_S)) or (gap_s <= 0.2 and _grows(a, b))
    if still:
        return False
    if gap_s <= 0:  # both are chased over the picture, so their places at their first readings say nothing
        one, two = _digits(a.text), _digits(b.text)
        items = one and two and one != two  # of a list that scrolls by; an I read as 1 is no number
        return (alike and not items) or (not a.still and not b.still and _is_part(a.text, b.text))
    moved = max(abs(a.box[0] - b.box[0]), abs(a.box[1] - b.box[1]))
    return alike and gap_s <= LOST_GAP_S and moved <= DRIFT


def _is_part(a: str, b: str) -> bool:
    """Return whether one reading is a part of the other, and long enough to mean it: an O is in many words."""
    short, long = sorted((squeezed(a), squeezed(b)), key=len)
    return len(short) >= PART_LETTERS and short in long


def _grows(first: TextLine, second: TextLine) -> bool:
    """Return whether two readings at one place are of a caption that grows word by word."""
    a, b = squeezed(first.text), squeezed(second.text)
    if not a or not b:
        return False
    together = first.end_s - second.start_s > SHRUNK_S
    return b.startswith(a) or (together and (a.startswith(b) or _is_part(first.text, second.text)))


def _merge(a: TextLine, b: TextLine) -> TextLine:
    """Return two readings of one line, `a` from the earlier start, as one."""
    best = b if b.score > a.score else a
    short, long = sorted((squeezed(a.text), squeezed(b.text)), key=len)
    part = short in long and short != long
    if part:
        best = max(a, b, key=lambda one: len(one.text))
    grown = part and best is b and b.whole_s - a.start_s >= STEP_S
    return replace(
        best,
        start_s=min(a.start_s, b.start_s),
        end_s=best.end_s if part and a.still and b.still else max(a.end_s, b.end_s),
        still=a.still and b.still,
        samples=a.samples + b.samples if b.start_s >= a.end_s else max(a.samples, b.samples),
        steps=_steps(a, b) if grown else a.steps if best is a else (),
    )


def _steps(a: TextLine, b: TextLine) -> tuple[tuple[float, str], ...]:
    """Return what of the grown line `b` was shown when, `a` being its beginning."""
    steps: list[tuple[float, str]] = []
    for start_s, text in (*(a.steps or ((a.start_s, a.text),)), *(b.steps or ((b.start_s, b.text),))):
        if not steps or len(squeezed(text)) > len(squeezed(steps[-1][1])):
            steps.append((start_s, text))
    return tuple(steps)


def _shared(a: Box, b: Box) -> float:
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(w, 0.0) * max(h, 0.0)


def _span(start: float, length: float, size: int) -> tuple[int, int]:
    """Return the pixels that a box covers along one axis, at least four of them."""
    first = min(max(int(start * size), 0), max(size - 4, 0))
    return first, max(min(int(np.ceil((start + length) * size)), size), min(first + 4, size))


def _walk(patches: NDArray[np.uint8], template: NDArray[np.float32], here: int, direction: int) -> int:
    """Return the last frame index from `here` on, in one direction, that shows the template."""
    last, missed = here, 0
    i = here
    while missed <= GAP_FRAMES:
        stop = i + direction * CHUNK_FRAMES
        indices = np.arange(i + direction, stop + direction, direction)
        indices = indices[(indices >= 0) & (indices < len(patches))]
        if len(indices) == 0:
            break
        for index, score in zip(indices, scores(gradients_of(patches[indices]), template), strict=True):
            missed = 0 if score > PRESENT else missed + 1
            if missed > GAP_FRAMES:
                break
            if score > PRESENT:
                last = int(index)
        i = stop
    return last


def _chase(
    low: NDArray[np.uint8], box: tuple[int, int, int, int], here: int, direction: int
) -> list[tuple[int, int, int]]:
    """Return frame index, top and left of what is inside `box` as long as it is found again nearby, from `here` on."""
    import cv2

    y0, y1, x0, x1 = box
    template = low[here, y0:y1, x0:x1]
    found_at: list[tuple[int, int, int]] = []
    for i in range(here + direction, len(low) if direction > 0 else -1, direction):
        top, left = max(y0 - SEARCH_PX, 0), max(x0 - SEARCH_PX, 0)
        around = low[i, top : y1 + SEARCH_PX, left : x1 + SEARCH_PX]
        if around.shape[0] < template.shape[0] or around.shape[1] < template.shape[1] or template.std() < FLAT:
            break
        _, found, _, place = cv2.minMaxLoc(cv2.matchTemplate(around, template, cv2.TM_CCOEFF_NORMED))
        y0, x0 = top + place[1], left + place[0]
        y1, x1 = y0 + template.shape[0], x0 + template.shape[1]
        if found < MATCH or lowest_match(low[i, y0:y1, x0:x1], template) < PART_MATCH:
            break
        template = low[i, y0:y1, x0:x1]  # it turns and grows: compare with how it looked a moment ago
        found_at.append((i, y0, x0))
    return found_at
