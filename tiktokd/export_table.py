"""Tables out of an export: CSV and Parquet, in two passes over a file and bounded memory.

Knows no daemon: it takes lines of JSON. The columns are those of the schema (`export_columns`), but a daemon of another
version may know more, and a value may not fit: so the first pass writes the lines to a temporary file and looks at
their columns, the second writes the rows.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import IO, Any

from tiktokd.errors import ConfigError
from tiktokd.export_columns import Kind, of_segments, of_videos
from tiktokd.export_flat import Row, Seen, Value, fitted, segment_rows, video_row

BATCH_ROWS = 1000
"""Rows per row group of a Parquet file: 500 columns of them take some 10 MiB."""
TIME_COLUMNS = ("enqueued_at", "finished_at")
"""ISO 8601 text in CSV, timestamps in Parquet."""


class Survey:
    """The first pass: what columns there are."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self.videos, self.segments = Seen(of_videos()), Seen(of_segments())
        self.count = 0

    def take(self, pieces: Iterator[bytes], progress: Callable[[int], None]) -> None:
        """Write the lines in `pieces` to the spool and note their columns; tells `progress` how many there were."""
        for line in lines_of(pieces):
            self._spool.write(line + b"\n")
            video = json.loads(line)
            self.videos.see(video_row(video))
            for row in segment_rows(video):
                self.segments.see(row)
            self.count += 1
            progress(self.count)

    def rows(self, make: Callable[[Mapping[str, Any]], Iterator[Row]]) -> Iterator[list[Row]]:
        """Yield the second pass's rows, some at a time."""
        self._spool.seek(0)
        batch: list[Row] = []
        for line in self._spool:
            for row in make(json.loads(line)):
                batch.append(row)
                if len(batch) == BATCH_ROWS:
                    yield batch
                    batch = []
        if batch:
            yield batch


def write_videos(survey: Survey, out: IO[bytes], form: str) -> None:
    """Write one row per video."""
    _write(survey.rows(lambda video: iter([video_row(video)])), survey.videos.ordered(), out, form)


def write_segments(survey: Survey, out: IO[bytes], form: str) -> None:
    """Write one row per segment."""
    _write(survey.rows(segment_rows), survey.segments.ordered(), out, form)


def lines_of(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines in a stream of pieces, without their ends."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line for line in lines if line.strip())
    if rest.strip():
        yield rest


def require_parquet() -> None:
    """Check that Parquet can be written, before anything is fetched.

    Raises:
        ConfigError: pyarrow is missing.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as exc:
        raise ConfigError("Parquet needs pyarrow: pip install 'tiktokd[parquet]', or use --format csv") from exc


def _write(batches: Iterator[list[Row]], columns: Mapping[str, Kind], out: IO[bytes], form: str) -> None:
    writer = _Parquet(out, columns) if form == "parquet" else _Csv(out, columns)
    for batch in batches:
        writer.rows(batch)
    writer.close()


class _Csv:
    """UTF-8, a header line, RFC 4180 quoting; unknown is empty, truth is `true` and `false`."""

    def __init__(self, out: IO[bytes], columns: Mapping[str, Kind]) -> None:
        self._columns = columns
        self._text = io.TextIOWrapper(out, "utf-8", errors="backslashreplace", newline="", write_through=True)
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow(columns)

    def rows(self, rows: list[Row]) -> None:
        """Append rows."""
        self._writer.writerows([_cell(row.get(name), kind) for name, kind in self._columns.items()] for row in rows)

    def close(self) -> None:
        """Leave the file to its owner."""
        self._text.flush()
        self._text.detach()


class _Parquet:
    """zstd, one row group per batch."""

    def __init__(self, out: IO[bytes], columns: Mapping[str, Kind]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "str": pa.string(), "null": pa.string()}
        moment = pa.timestamp("ms", "UTC")
        fields = [(name, moment if name in TIME_COLUMNS else types[kind]) for name, kind in columns.items()]
        self._pa, self._columns, self._schema = pa, columns, pa.schema(fields)
        self._writer = parquet.ParquetWriter(out, self._schema, compression="zstd")

    def rows(self, rows: list[Row]) -> None:
        """Append rows as one row group."""
        arrays = [
            self._pa.array([_timed(row.get(name), name, kind) for row in rows], self._schema.field(name).type)
            for name, kind in self._columns.items()
        ]
        self._writer.write_batch(self._pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


def _cell(value: Value, kind: Kind) -> Value:
    fitting = fitted(value, kind)
    return ("true" if fitting else "false") if isinstance(fitting, bool) else fitting


def _timed(value: Value, name: str, kind: Kind) -> Any:
    if name in TIME_COLUMNS and isinstance(value, str):
        return datetime.fromisoformat(value)
    fitting = fitted(value, kind)
    # Half of a surrogate pair may stand in foreign text, and Parquet takes valid UTF-8 only.
    return fitting.encode("utf-8", "backslashreplace").decode() if isinstance(fitting, str) else fitting
