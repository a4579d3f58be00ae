"""One video of the export as flat rows: one per video, one per timeline segment. Knows no file format.

Column names carry the units of the fields they come from: `loudness.integrated_lufs`, `metadata.view_count`. A list, or
an object that may have any keys, becomes JSON text. What is not known is `None`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tiktokd import export_columns
from tiktokd.export_columns import ENVELOPE, ERROR, SEGMENT, SUFFIX, Columns, Kind, wider

Value = str | int | float | bool | None
Row = dict[str, Value]
INT64 = 2**63
"""Larger numbers become text: neither Parquet's int64 nor a double holds them exactly."""


def video_row(video: Mapping[str, Any]) -> Row:
    """Return one video as a flat row; the order of the columns is that of the export."""
    row: Row = {}
    known = export_columns.of_videos()
    for key, value in video.items():
        if key == "error":
            row |= {f"error.{part}": (value or {}).get(part) for part in ERROR}
        elif key != "analysis":
            _put(row, key, value, known)
    for analyzer, envelope in sorted(video["analysis"].items()):
        for part in ENVELOPE:
            row[f"{analyzer}.{part}"] = envelope.get(part)
        for field, value in envelope.get("summary", {}).items():
            _put(row, f"{analyzer}.{field}{SUFFIX if field in ENVELOPE else ''}", value, known)
    return row


def segment_rows(video: Mapping[str, Any]) -> Iterator[Row]:
    """Yield one flat row per segment of every analyzer."""
    known = export_columns.of_segments()
    for analyzer, envelope in sorted(video["analysis"].items()):
        for segment in envelope.get("segments", ()):
            row: Row = {"id": video["id"], "analyzer": analyzer}
            row |= {name: segment.get(name) for name in ("start_s", "end_s")}
            for field, value in segment.items():
                if field not in ("start_s", "end_s"):
                    _put(row, field + SUFFIX if field in SEGMENT else field, value, known)
            yield row


def kind_of(value: Value) -> Kind:
    """Return the kind of column that holds `value`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -INT64 <= value < INT64 else "str"
    return "float" if isinstance(value, float) else "str"


def fitted(value: Value, kind: Kind) -> Value:
    """Return `value` as a column of this kind holds it."""
    if value is None or kind_of(value) == kind:
        return str(value) if isinstance(value, int) and kind == "str" else value
    if kind == "float":
        return float(value)
    return json.dumps(value) if isinstance(value, bool) else str(value)


class Seen:
    """The columns of a table: those that are known before, and what the rows have besides (of another version, say)."""

    def __init__(self, known: Columns) -> None:
        self._kinds: dict[str, Kind] = dict(known.kinds)

    def see(self, row: Row) -> None:
        """Take note of a row's columns and kinds."""
        for name, value in row.items():
            self._kinds[name] = wider(self._kinds.get(name, "null"), kind_of(value))

    def ordered(self) -> dict[str, Kind]:
        """Return name → kind, each group with its columns together."""
        groups: dict[str, dict[str, Kind]] = {}
        for name, kind in self._kinds.items():
            groups.setdefault(name.partition(".")[0], {})[name] = kind
        return {name: kind for group in groups.values() for name, kind in group.items()}


def _put(row: Row, name: str, value: Any, known: Columns) -> None:
    """Write a value under its name; an object's fields under `name.field`, a list or an open object as JSON."""
    if isinstance(value, Mapping) and name not in known.maps:
        for key, inner in value.items():
            _put(row, f"{name}.{key}", inner, known)
    elif isinstance(value, Mapping | list | tuple):
        row[name] = json.dumps(value, ensure_ascii=False)
    elif value is not None or name not in known.objects:
        row[name] = value
