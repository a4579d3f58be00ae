"""The two forms of an index: postings of keys, and sketches of vectors. What the keeper needs of each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tiktokd.scheduler import corpus_file, corpus_sketch
from tiktokd.scheduler.corpus_file import PostingFile
from tiktokd.scheduler.corpus_index import PostingIndex, entry_run
from tiktokd.scheduler.corpus_sketch import SketchFile, SketchIndex

Rows = Sequence[tuple[int, bytes]]
"""(revision, entry), revisions rising."""
Keep = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Which of these revisions are still there."""


class File(Protocol):
    """An index file that has been opened."""

    upto: int
    """The newest revision in it."""


class Index(Protocol):
    """All entries of one kind."""

    @property
    def file(self) -> File | None:
        """What has been saved of it."""

    @property
    def entries_in_memory(self) -> int:
        """How many entries wait to be merged into the file."""

    def add(self, rows: Rows, /) -> None:
        """File entries under their revisions."""


IndexT = TypeVar("IndexT", bound=Index)
Old_contra = TypeVar("Old_contra", bound=Index, contravariant=True)


class Write(Protocol[Old_contra]):
    """Writes a file with what is kept of the file of `old` and of `batches`."""

    def __call__(
        self, path: Path, old: Old_contra, batches: Iterable[Rows], *, owner: str, upto: int, keep: Keep
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[IndexT]):
    """How an index is opened, begun and saved."""

    open: Callable[[Path, str, int], IndexT]
    """Of a path, an owner and the newest revision; raises `Unusable`."""
    begin: Callable[[], IndexT]
    write: Write[IndexT]


def _write_postings(
    path: Path, old: PostingIndex, batches: Iterable[Rows], *, owner: str, upto: int, keep: Keep
) -> None:
    corpus_file.build(
        path,
        owner=owner,
        upto=upto,
        runs=map(entry_run, batches),
        base=old.file,
        keep=lambda postings: keep((postings >> np.uint64(32)).astype(np.int64)),
    )


def _write_sketches(
    path: Path, old: SketchIndex, batches: Iterable[Rows], *, owner: str, upto: int, keep: Keep
) -> None:
    corpus_sketch.build(path, owner=owner, upto=upto, batches=batches, base=old.file, keep=keep)


POSTINGS = Form(
    open=lambda path, owner, newest: PostingIndex(PostingFile(path, owner, newest)),
    begin=PostingIndex,
    write=_write_postings,
)
SKETCHES = Form(
    open=lambda path, owner, newest: SketchIndex(SketchFile(path, owner, newest)),
    begin=SketchIndex,
    write=_write_sketches,
)
