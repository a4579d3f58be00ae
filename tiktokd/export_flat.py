"""One video of the export as flat rows: one per video, one per timeline segment. Knows no file format.

Column names carry the units of the fields they come from: `loudness.integrated_lufs`, `metadata.view_count`. A list or
an object inside becomes JSON text. What is not known is `None`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Value = str | int | float | bool | None
Row = dict[str, Value]
Kind = Literal["null", "bool", "int", "float", "str"]

ENVELOPE = ("status", "tier", "reason", "version")
"""Of an envelope itself; a field of the summary with such a name gets the suffix `_value`."""
SEGMENT = ("id", "analyzer", "start_s", "end_s")
"""First columns of the segments' table; a field of a segment with the name of the first two gets the suffix."""
SUFFIX = "_value"
INT64 = 2**63
"""Larger numbers become text: neither Parquet's int64 nor a double holds them exactly."""


def video_row(video: Mapping[str, Any]) -> Row:
    """Return one video as a flat row; the order of the columns is that of the export."""
    row: Row = {}
    for key, value in video.items():
        if key == "analysis":
            continue
        if key == "error":
            for part in ("class", "stage", "message"):
                row[f"error.{part}"] = (value or {}).get(part)
        else:
            _put(row, key, value)
    for analyzer, envelope in sorted(video["analysis"].items()):
        for part in ENVELOPE:
            row[f"{analyzer}.{part}"] = envelope.get(part)
        for field, value in envelope.get("summary", {}).items():
            _put(row, f"{analyzer}.{field}{SUFFIX if field in ENVELOPE else ''}", value)
    return row


def segment_rows(video: Mapping[str, Any]) -> Iterator[Row]:
    """Yield one flat row per segment of every analyzer."""
    for analyzer, envelope in sorted(video["analysis"].items()):
        for segment in envelope.get("segments", ()):
            row: Row = {"id": video["id"], "analyzer": analyzer}
            row |= {name: segment.get(name) for name in ("start_s", "end_s")}
            for field, value in segment.items():
                if field not in ("start_s", "end_s"):
                    _put(row, field + SUFFIX if field in SEGMENT else field, value)
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


def wider(one: Kind, other: Kind) -> Kind:
    """Return the kind of column that holds values of both kinds."""
    if other in (one, "null"):
        return one
    if one == "null":
        return other
    return "float" if {one, other} == {"int", "float"} else "str"


def fitted(value: Value, kind: Kind) -> Value:
    """Return `value` as a column of this kind holds it."""
    if value is None or kind_of(value) == kind:
        return str(value) if isinstance(value, int) and kind == "str" else value
    if kind == "float":
        return float(value)
    return json.dumps(value) if isinstance(value, bool) else str(value)


class Columns:
    """The columns of a table, found row by row."""

    def __init__(self) -> None:
        self._kinds: dict[str, Kind] = {}

    def see(self, row: Row) -> None:
        """Take note of a row's columns and kinds."""
        for name, value in row.items():
            self._kinds[name] = wider(self._kinds.get(name, "null"), kind_of(value))

    def ordered(self) -> dict[str, Kind]:
        """Return name → kind: groups in the order of their first row, each with its columns together."""
        groups: dict[str, dict[str, Kind]] = {}
        for name, kind in self._kinds.items():
            groups.setdefault(name.partition(".")[0], {})[name] = kind
        return {name: kind for group in groups.values() for name, kind in group.items()}


def _put(row: Row, name: str, value: Any) -> None:
    """Write a value under its name; an object's fields under `name.field`, a list as JSON."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _put(row, f"{name}.{key}", inner)
    elif isinstance(value, list | tuple):
        row[name] = json.dumps(value, ensure_ascii=False)
    else:
        row[name] = value
