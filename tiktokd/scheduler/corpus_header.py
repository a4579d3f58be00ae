"""How the index files of the corpus are written and proved. Knows not what is in them.

A file is never changed: a new one is written beside it, synced and renamed, so a crash leaves the old one. It starts
with a header in JSON; what that says about owner, age, size and checksum is proved when a file is opened. A file that
fails is made anew by its owner, for it holds nothing that the database does not.
"""

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

HEADER_BYTES = 4096
READ_BYTES = 1 << 22


class Unusable(Exception):
    """The file is missing, torn, or belongs to another database; the message says which."""


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` in the end; it must be sealed before."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    try:
        with fresh.open("wb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    _sync_directory(path.parent)


def seal(file: BinaryIO, *, magic: str, owner: str, upto: int) -> None:
    """Write the header, over everything that comes after it.

    Args:
        owner: the database.
        upto: what the writer calls the newest entry in it.
    """
    size = max(file.seek(0, os.SEEK_END), HEADER_BYTES)
    header = {"magic": magic, "owner": owner, "upto": upto, "bytes": size, "crc": _checksum(file)}
    file.seek(0)
    file.write(json.dumps(header).encode().ljust(HEADER_BYTES))


@contextmanager
def proven(path: Path, *, magic: str, owner: str, newest: int) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file of this form and owner, after its header, with its `upto`, which is `newest` at most.

    Raises:
        Unusable: it cannot be used.
    """
    try:
        with path.open("rb") as file:
            header = _read(file.read(HEADER_BYTES), magic)
            if header.get("owner") != owner:
                raise Unusable("it belongs to another database")
            if header["upto"] > newest:
                raise Unusable("it knows entries that the database does not")
            size = os.fstat(file.fileno()).st_size
            if size != header["bytes"]:
                raise Unusable(f"it has {size} bytes instead of {header['bytes']}")
            if _checksum(file) != header["crc"]:
                raise Unusable("its checksum is wrong")
            file.seek(HEADER_BYTES)
            yield file, header["upto"]
    except OSError as exc:
        raise Unusable(str(exc)) from exc


def _read(raw: bytes, magic: str) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except ValueError as exc:
        raise Unusable("its header is not ours") from exc
    if not isinstance(header, dict) or header.get("magic") != magic:
        raise Unusable(f"it is not of the form {magic!r}")
    if not all(isinstance(header.get(key), int) for key in ("upto", "bytes", "crc")):
        raise Unusable("its header is not ours")
    return header


def _checksum(file: BinaryIO) -> int:
    file.seek(HEADER_BYTES)
    crc = 0
    while part := file.read(READ_BYTES):
        crc = zlib.crc32(part, crc)
    return crc


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
