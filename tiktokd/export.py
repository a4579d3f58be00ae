"""An export into a file: JSON, JSONL, CSV, Parquet. Knows no daemon: it takes the stream and writes.

A file appears whole or not at all: it is written beside its place under another name and renamed at the end.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tiktokd import export_table
from tiktokd.errors import ConfigError

FORMATS = ("json", "jsonl", "csv", "parquet")
TABLES = ("csv", "parquet")
STDOUT = "-"
Progress = Callable[[int], None]


def stream_form(form: str) -> str:
    """Return which stream of the daemon a format is made from."""
    return "json" if form == "json" else "jsonl"


def line_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of one line of JSONL, a video, from that of the whole export."""
    kept = {key: schema[key] for key in ("$schema", "$defs")}
    return {
        **kept,
        "title": "tiktokd export, one line of JSONL",
        "$ref": schema["properties"]["videos"]["items"]["$ref"],
    }


def segments_name(target: str) -> str:
    """Return where the segments go when only the videos' file was named: `out.csv` → `out.segments.csv`.

    Raises:
        ConfigError: the videos go to standard output.
    """
    if target == STDOUT:
        raise ConfigError("--segments needs a file name where the videos go to standard output: --segments FILE")
    path = Path(target)
    return str(path.with_name(f"{path.stem}.segments{path.suffix}"))


def write(pieces: Iterator[bytes], target: str, form: str, *, segments: str | None, progress: Progress) -> None:
    """Write the export.

    Args:
        pieces: the daemon's stream, in the form that `stream_form` names.
        target: a path, or `-` for standard output.
        segments: where the table of segments goes (CSV and Parquet); `None`: nowhere.
        progress: is told how many videos have arrived.

    Raises:
        ConfigError: the file cannot be written, or pyarrow is missing.
    """
    if form == "parquet":
        export_table.require_parquet()
    if form in TABLES:
        _write_tables(pieces, target, form, segments, progress)
        return
    count = 0
    with replaced(target) as out:
        for piece in pieces:
            out.write(piece)
            count += piece.count(b"\n")  # each video ends its line
            progress(count)


def _write_tables(pieces: Iterator[bytes], target: str, form: str, segments: str | None, progress: Progress) -> None:
    # Beside the target and not in /tmp, which may be memory: a spool of 100,000 videos takes gigabytes.
    beside = None if target == STDOUT or _is_special(target) else str(Path(target).absolute().parent)
    try:
        spool = tempfile.TemporaryFile(dir=beside)  # noqa: SIM115  closed by the `with` below
    except OSError as exc:
        raise ConfigError(f"cannot write {target}: {exc.strerror}") from exc
    with spool:
        survey = export_table.Survey(spool)
        survey.take(pieces, progress)
        with replaced(target) as out:
            export_table.write_videos(survey, out, form)
        if segments is not None:
            with replaced(segments) as out:
                export_table.write_segments(survey, out, form)


def _is_special(target: str) -> bool:
    """Return whether a path is a device or a pipe: as root, a rename would put a file in the place of /dev/null."""
    path = Path(target)
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def replaced(target: str) -> Iterator[IO[bytes]]:
    """Yield a file to write; it takes the place of `target` once the block has ended well.

    Raises:
        ConfigError: it cannot be written.
    """
    if target == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if _is_special(target):
        with Path(target).open("wb") as out:
            yield out
        return
    path = Path(target).resolve()  # a link stays, and what it points to is replaced
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as exc:
        raise ConfigError(f"cannot write {target}: {exc.strerror or exc}") from exc
    finally:
        part.unlink(missing_ok=True)
