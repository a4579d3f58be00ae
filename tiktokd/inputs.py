"""Candidates for `url.parse` out of the files that people have: text, CSV, TSV, JSON, JSONL. Knows no queue.

The format is told by the content, never by the file's name. Text, tables and JSONL are read line by line; a JSON
document is held whole. Damaged bytes and lines are reported with their number and do not lose the rest.
"""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO

from tiktokd import inputs_json, inputs_table
from tiktokd.errors import ConfigError
from tiktokd.inputs_names import is_heading

CHUNK_BYTES = 2**16
HEAD_LINES = 50
"""Lines that are looked at before the format is decided."""
HEAD_CHARS = 2**22
MAX_LINE_CHARS = 2**26
"""A longer line is cut there: one JSONL record of 64 Mi characters is no record of a video."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FOREIGN = (
    (b"PK\x03\x04", "a spreadsheet or a zip archive; save it as CSV, or unpack it"),
    (b"\x1f\x8b", "compressed with gzip; unpack it"),
    (b"%PDF", "a PDF; copy its links into a text file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file; save it as CSV or text"),
    (b"SQLite format 3", "a database; export the links as CSV"),
)
_COMMENT = re.compile(r"(?:^|\s)#.*")
_LINK = re.compile(r"(?:https?://|(?:[a-z0-9-]+\.)*tiktokv?\.com/)[^\s,;\"'<>|]+", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s,;|]+")
_BRACKETS = "[](){}<>\"'`"
"""What is left of a list that was pasted: a line of nothing else names nothing."""
_IDS = re.compile(r"[0-9]{15,20}")
_EXPORT_LINK = re.compile(r"Link: *https?://")
_EXPORT_FIELD = re.compile(r"[A-Z][A-Za-z ()/]{0,30}:(?: .*)?")

Numbered = Iterator[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One candidate, and where it stood."""

    number: int
    """Line of the file, from 1."""
    text: str
    """For `url.parse`; one line with several URLs gives several candidates."""
    problem: str | None = None
    """Why the line could not be read at all, for people; `text` then shows its beginning and names no video."""


def read(source: Path | str | IO[bytes], *, name: str, column: str | None = None) -> Iterator[Line]:
    """Yield every candidate of a file or binary stream, in order, good and bad alike.

    Args:
        source: A path, or a stream that need not be seekable.
        name: What to call the source in messages.
        column: Name or number (from 1) of the column that holds URLs or ids; `None`: found by content.

    Raises:
        ConfigError: unreadable, not text, or a table without such a column; on the first `next`.
    """
    if not isinstance(source, Path | str):
        yield from _read(source, name, column)
        return
    with _open(Path(source), name) as stream:
        yield from _read(stream, name, column)


def links(text: str) -> list[str]:
    """Return the candidates in one line of text: its URLs, else its ids, else the line itself where it has neither."""
    if found := _LINK.findall(text):
        return found
    words = [word for word in _SEPARATORS.split(text) if word.strip(_BRACKETS)]
    if len(words) > 1 and all(_IDS.fullmatch(word) for word in words):
        return words
    return [text.strip()] if words else []


def _open(path: Path, name: str) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as exc:
        raise ConfigError(f"cannot read {name}: {exc.strerror}") from exc


def _read(stream: IO[bytes], name: str, column: str | None) -> Iterator[Line]:
    lines = enumerate(_lines(stream, name), 1)
    head = _head(lines)
    numbered = chain(head, lines)
    texts = [text for _, text in head if text.strip()]
    if (
        texts
        and texts[0].lstrip()[0] in "{["
        and (not _IDS.match(texts[0].lstrip(" [{")) or inputs_json.is_json(texts))
    ):
        if column is not None:
            raise ConfigError(f"{name} is JSON, which has no columns; its links are found without --column")
        records = inputs_json.is_jsonl(texts)
        for number, text, problem in inputs_json.records(numbered) if records else inputs_json.document(numbered, name):
            yield Line(number, text, problem)
    elif column is not None or inputs_table.delimiter_of([text for _, text in head]):
        for number, text, problem in inputs_table.cells(
            numbered, head=[text for _, text in head], column=column, name=name
        ):
            if problem is None or not _LINK.search(text):
                yield Line(number, text, problem)
            else:
                yield from (Line(number, link) for link in links(text))
    else:
        yield from _text(numbered, is_export=any(_EXPORT_LINK.match(text) for text in texts))


def _text(lines: Numbered, *, is_export: bool) -> Iterator[Line]:
    """Read plain text; `is_export`: TikTok's own text export, whose other fields (`Date: …`) are no candidates."""
    first = True
    for number, raw in lines:
        text = _COMMENT.sub("", raw).strip(" \t\r\n\ufeff")
        if not text:
            continue
        skipped = (first and is_heading(text)) or (
            is_export and _EXPORT_FIELD.fullmatch(text) and not _LINK.search(text)
        )
        first = False
        if not skipped:
            yield from (Line(number, candidate) for candidate in links(text))


def _head(lines: Numbered) -> list[tuple[int, str]]:
    head, size = [], 0
    for number, text in islice(lines, HEAD_LINES):
        head.append((number, text))
        size += len(text)
        if size > HEAD_CHARS:
            break
    return head


def _lines(stream: IO[bytes], name: str) -> Iterator[str]:
    r"""Yield decoded lines, each with its `\n`, without the byte order mark."""
    start = stream.read(CHUNK_BYTES)
    mark, encoding = next(((bom, codec) for bom, codec in _BOMS if start.startswith(bom)), (b"", "utf-8"))
    start = start[len(mark) :]
    if encoding == "utf-8":
        _refuse_foreign(start, name)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors="replace"), translate=True)
    parts: list[str] = []
    for chunk in chain([start], iter(lambda: stream.read(CHUNK_BYTES), b"")):
        ended, newline, rest = decoder.decode(chunk).rpartition("\n")
        if newline:
            parts.append(ended)
            yield from (line + "\n" for line in "".join(parts).split("\n"))
            parts = []
        parts.append(rest)
        if sum(map(len, parts)) > MAX_LINE_CHARS:
            yield "".join(parts)
            parts = []
    parts.append(decoder.decode(b"", final=True))
    yield from "".join(parts).splitlines(keepends=True)


def _refuse_foreign(start: bytes, name: str) -> None:
    for magic, what in _FOREIGN:
        if start.startswith(magic):
            raise ConfigError(f"{name} is {what}")
    if b"\0" in start:
        raise ConfigError(
            f"{name} is not text (it has NUL bytes); give plain text, CSV, JSON or JSONL in UTF-8 or UTF-16"
        )
    if re.match(rb"\s*<(?:!doctype|html)", start, re.IGNORECASE):
        raise ConfigError(f"{name} is a web page; copy its links into a text file")
