"""Segments as lines of time: where they lie, what kind they are, how a measure rises and falls, which colours.

Knows no analyzer: the shape of the segments decides. Foreign text is made harmless here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from tiktokd.cli._format import timeline
from tiktokd.cli._readable import number, one_line, plain_words, title, unit_of
from tiktokd.printable import shortened

Segment = Mapping[str, Any]

SPARKS = "▁▂▃▄▅▆▇█"
SPANS = {" LUFS": 4.0, " LU": 4.0, " dB": 4.0, " dBTP": 4.0}
"""Unit → least range of a curve: steps of half a decibel are hardly heard and make no mountains."""
NAME_CELLS = 22
KIND_CELLS = 14
NOTE_CELLS = 20
CELLS_MIN, CELLS_MAX = 16, 72
ROWS_MAX = 5
"""Kinds of one analysis that get a line of their own; more of them share one."""
SERIES_MIN = 6
"""Fewer segments are no curve."""
SERIES_COVER = 0.7
"""Share of the time that a curve must cover."""
SERIES_EVEN = 0.8
"""Share of its segments that must be equally long: a curve is measured at a steady pace, other segments are events."""
KINDS = ("kind", "move", "role", "type", "label", "group", "category", "source")
"""Fields that may sort segments into kinds, the best first."""
TICKS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One line of time."""

    name: str
    line: Text
    note: str


def cells_of(width: int) -> int:
    """Return how many cells a line of time has on a terminal of `width` columns."""
    return min(max(width - NAME_CELLS - NOTE_CELLS - 2, CELLS_MIN), CELLS_MAX)


def ruler(end_s: float, cells: int) -> str:
    """Return a scale of `cells` characters with the seconds of its quarters."""
    line = [" "] * (cells + 6)
    for tick in range(TICKS + 1):
        text = f"{end_s * tick / TICKS:.{0 if end_s >= 20 else 1}f}"
        start = min(cells * tick // TICKS, cells - 1)
        line[start : start + len(text) + 1] = ["|", *text]
    return "".join(line).rstrip()


def rows(name: str, segments: Sequence[Segment], end_s: float, cells: int) -> list[Row]:
    """Return the lines of time of one analysis."""
    shown = shortened(name, NAME_CELLS)
    if any(_colour(each) for each in segments):
        return [Row(shown, _swatches(segments, end_s, cells), "")]
    if (field := _series(segments, end_s)) is not None:
        return [Row(shown, Text(_spark(segments, field, end_s, cells), "cyan"), _range(segments, field))]
    kinds = _kinds(segments)
    if not 1 < len(kinds) <= ROWS_MAX:
        only = next(iter(kinds), "") if len(kinds) == 1 else ""
        return [Row(shown, Text(timeline(segments, end_s, cells), "cyan"), only)]
    found: list[Row] = []
    for kind, group in kinds.items():
        found.append(Row(shown if not found else "", Text(timeline(group, end_s, cells), "cyan"), kind))
    return found


def words(segments: Sequence[Segment]) -> Iterator[tuple[float, float, str]]:
    """Yield start, end and text of the segments that hold somebody's words."""
    for each in segments:
        if isinstance(each.get("text"), str):
            yield float(each["start_s"]), float(each["end_s"]), one_line(each["text"], 200)


def _colour(segment: Segment) -> str | None:
    first = next(iter(segment.get("colors") or ()), None)
    found = str(first.get("hex")) if isinstance(first, Mapping) else ""
    return found if re.fullmatch("#[0-9a-f]{6}", found) else None


def _swatches(segments: Sequence[Segment], end_s: float, cells: int) -> Text:
    """Return the first colour of each segment where it lies; without colours, where segments begin."""
    line = Text()
    edges = timeline(segments, end_s, cells)
    for cell, edge in enumerate(edges):
        at = (cell + 0.5) * end_s / cells
        over = [each for each in segments if float(each["start_s"]) <= at < float(each["end_s"])]
        line.append(edge, _colour(over[-1]) or "" if over else "dim")
    return line


def _series(segments: Sequence[Segment], end_s: float) -> str | None:
    """Return the field that makes a curve: many equally long segments side by side, each with its own value of it."""
    if len(segments) < SERIES_MIN or end_s <= 0:
        return None
    for field in reversed(list(segments[0])):
        measured = _measured(segments, field)
        lengths = [round(float(each["end_s"]) - float(each["start_s"]), 1) for each in measured]
        even = max((lengths.count(length) for length in set(lengths)), default=0) >= SERIES_EVEN * len(lengths)
        # Where the name has a unit it is a measure, also one that stays as it is.
        varied = len({each[field] for each in measured}) >= (1 if unit_of(field) else SERIES_MIN // 2)
        if varied and even and SERIES_COVER * end_s <= sum(lengths) <= 1.05 * end_s:
            return field
    return None


def _measured(segments: Sequence[Segment], field: str) -> list[Segment]:
    return [
        each
        for each in segments
        if not field.endswith("_s")  # moments and lengths are no curve
        and isinstance(each.get(field), int | float)
        and not isinstance(each[field], bool)
    ]


def _spark(segments: Sequence[Segment], field: str, end_s: float, cells: int) -> str:
    measured = _measured(segments, field)
    low, high = _low_high(measured, field)
    span = max(high - low, 2e-3 * abs(high), SPANS.get(unit_of(field), 0.0)) or 1.0
    line = ["·"] * cells
    for each in measured:
        level = SPARKS[round((0.5 + (each[field] - (low + high) / 2) / span) * (len(SPARKS) - 1))]
        first = min(int(float(each["start_s"]) / end_s * cells), cells - 1)
        last = min(max(round(float(each["end_s"]) / end_s * cells), first + 1), cells)
        line[first:last] = [level] * (last - first)
    return "".join(line)


def _range(segments: Sequence[Segment], field: str) -> str:
    low, high = map(number, _low_high(_measured(segments, field), field))
    unit = unit_of(field)
    scale = f"{low} to {high}{unit}" if low != high else f"{low}{unit} all along"
    return scale if unit else f"{title(field)} {scale}"


def _low_high(measured: Sequence[Segment], field: str) -> tuple[float, float]:
    values = [float(each[field]) for each in measured]
    return min(values), max(values)


def _kinds(segments: Sequence[Segment]) -> dict[str, list[dict[str, Any]]]:
    """Return kind → its segments, the kind with most time first; empty where nothing sorts them."""
    field = next((key for key in KINDS if all(isinstance(each.get(key), str) for each in segments)), None)
    if field is None:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for each in segments:
        found.setdefault(shortened(plain_words(field, each[field]), KIND_CELLS), []).append(dict(each))
    return dict(sorted(found.items(), key=lambda item: -sum(each["end_s"] - each["start_s"] for each in item[1])))
