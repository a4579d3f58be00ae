"""The column of a CSV or TSV table that holds videos, cell by cell. Knows no other format.

Rows may span lines (captions do). An unclosed quote costs one row: the lines behind it are read again.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tiktokd.errors import ConfigError
from tiktokd.inputs_names import CREATOR_NAMES, ID_NAMES, LINK_NAMES, handle, is_heading, plain
from tiktokd.url import Rejected, canonical, parse

DELIMITERS = "\t;,|"
SHOWN_CHARS = 80
SHOWN_COLUMNS = 20

Cell = tuple[int, str, str | None]
"""Line number, text, problem."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a table keeps what we need."""

    column: int
    creator: int | None
    """Column of the @name where the chosen column holds bare ids; `None`: there is none."""
    has_heading: bool


def delimiter_of(head: Sequence[str]) -> str | None:
    """Return what separates the columns, or `None` where the lines are no table.

    A table has at least two columns, as many in nearly every row (in half of them under a heading that we know), and
    is not a list of links on each line.
    """
    for delimiter in DELIMITERS:
        rows = [row for row in _sample(head, delimiter) if row]
        if not rows or len(rows[0]) < 2:
            continue
        alike = sum(len(row) == len(rows[0]) for row in rows)
        wanted = 0.5 if any(is_heading(cell) for cell in rows[0]) else 0.9
        everywhere = all(_is_video(cell) for row in rows for cell in row if cell.strip())
        if alike >= wanted * len(rows) and not everywhere:
            return delimiter
    return None


def cells(lines: Iterator[tuple[int, str]], *, head: Sequence[str], column: str | None, name: str) -> Iterator[Cell]:
    """Yield the cell of each row that should hold a video.

    Raises:
        ConfigError: there is no such column, or none is given and none is found.
    """
    delimiter = delimiter_of(head) or ","
    sample = [row for row in _sample(head, delimiter) if row]
    layout = _layout(sample, column, name)
    heading_passed = not layout.has_heading
    for number, row, raw in _rows(lines, delimiter):
        if row is None:
            yield number, raw[:SHOWN_CHARS], "a quote that is opened here is not closed"
        elif any(cell.strip() for cell in row):
            if heading_passed:
                yield number, _text(row, layout), None
            heading_passed = True


def _text(row: list[str], layout: Layout) -> str:
    text = row[layout.column].strip() if layout.column < len(row) else ""
    if layout.creator is None or not text.isdecimal() or layout.creator >= len(row):
        return text
    name = handle(row[layout.creator])
    return canonical(text, name) if name else text


def _layout(sample: list[list[str]], column: str | None, name: str) -> Layout:
    heading = [] if not sample or any(_is_video(cell) for cell in sample[0]) else sample[0]
    names = [plain(cell) for cell in heading]
    body = sample[1:] if heading else sample
    chosen = _named(column, heading, sample, name) if column is not None else _found(names, body)
    if chosen is None:
        columns = _shown(heading) or f"{len(sample[0])} columns without names"
        raise ConfigError(f"{name}: no column holds TikTok URLs or ids; there are: {columns}. Say which with --column")
    creator = next((i for i, each in enumerate(names) if each in CREATOR_NAMES and i != chosen), None)
    return Layout(chosen, creator, bool(heading))


def _named(column: str, heading: list[str], sample: list[list[str]], name: str) -> int:
    width = max((len(row) for row in sample), default=0)
    wanted = column.strip().lower()
    for index, cell in enumerate(heading):
        if cell.strip().lower() == wanted:
            return index
    if wanted.isdecimal() and 1 <= int(wanted) <= width:
        return int(wanted) - 1
    if width < 2:
        raise ConfigError(
            f'{name}: there is no column "{column}"; it is no table, its links are found without --column'
        )
    known = _shown(heading) or f"1 to {width}"
    raise ConfigError(f'{name}: there is no column "{column}"; there are: {known}')


def _shown(heading: list[str]) -> str:
    """Return the names of the columns, not more than fit into a message."""
    named = ", ".join(cell.strip()[:SHOWN_CHARS] or "(no name)" for cell in heading[:SHOWN_COLUMNS])
    return named + (f" and {len(heading) - SHOWN_COLUMNS} more" if len(heading) > SHOWN_COLUMNS else "")


def _found(names: list[str], body: list[list[str]]) -> int | None:
    """Return the column with most videos in it; links before ids, well-known names before others."""
    best: tuple[float, int] = (0.0, 0)
    for index in range(max((len(row) for row in body), default=len(names))):
        filled = [row[index] for row in body if index < len(row) and row[index].strip()]
        share = sum(map(_is_video, filled)) / max(1, len(filled))
        is_link = any(_is_video(cell) and not cell.strip().isdecimal() for cell in filled)
        called = names[index] if index < len(names) else ""
        known = called in LINK_NAMES or called in ID_NAMES
        score = share + 2 * is_link + 0.5 * (known or called == "id") if share else 0.1 * known
        best = max(best, (score, -index))
    return -best[1] if best[0] else None


def _is_video(cell: str) -> bool:
    """Return whether a cell names a video, or did before a spreadsheet rounded it."""
    parsed = parse(cell)
    return not isinstance(parsed, Rejected) or parsed.kind == "rounded_id"


def _sample(head: Sequence[str], delimiter: str) -> list[list[str]]:
    return [row for _, row, _ in _rows(enumerate(head, 1), delimiter) if row is not None]


def _rows(lines: Iterator[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str] | None, str]]:
    """Yield (line number, row, first line as it stands); the row is `None` where its quotes are broken."""
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.taken.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            number, raw = feed.give_back()
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
            yield number, None, raw.strip()
            continue
        yield *feed.taken[0][:1], row, feed.taken[0][1]


class _Feed:
    """Lines for the csv module that remembers those of the row in hand, so that they can be read again."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self._again: deque[tuple[int, str]] = deque()
        self.taken: list[tuple[int, str]] = []

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        return line[1]

    def give_back(self) -> tuple[int, str]:
        """Return the first line of the row in hand; the others are read again."""
        first, *others = self.taken
        self._again.extendleft(reversed(others))
        return first
