"""Keeps the index of each kind of print in step with the rows: opens, catches up, merges, makes it anew.

Knows not what the prints mean. Blocking: for the corpus's own thread.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from tiktokd.errors import LocalError
from tiktokd.scheduler import store_corpus, store_upkeep
from tiktokd.scheduler.corpus_file import PostingFile, Postings, Run, build
from tiktokd.scheduler.corpus_header import Unusable
from tiktokd.scheduler.corpus_index import TAIL_ENTRIES, PostingIndex, entry_run
from tiktokd.scheduler.database import Database

OWNER_SETTING = "corpus"
BATCH_ENTRIES = 256
"""Entries per read while a file is made: 2 MiB, 16 MiB while they are put in order."""
REST_S = 60.0
"""An index that could not be opened or saved is tried again after this long."""
_logger = logging.getLogger(__name__)


class Stopped(Exception):
    """The daemon ends while a file is being made."""


class Keeper:
    """The indexes of one database."""

    def __init__(
        self,
        database: Database,
        directory: Path,
        *,
        clock: Callable[[], float],
        tail_entries: int = TAIL_ENTRIES,
    ) -> None:
        """Args:
        directory: of the files.
        clock: monotonic seconds.
        tail_entries: entries in memory before they are merged into a file.
        """
        self._database, self._directory, self._clock, self._tail_entries = database, directory, clock, tail_entries
        self._indexes: dict[str, PostingIndex] = {}
        self._rest_until: dict[str, float] = {}
        self.stopping = threading.Event()

    def index(self, kind: str) -> PostingIndex:
        """Return the index of a kind of print, holding all rows that were committed before this call.

        Raises:
            LocalError: it cannot be opened; the next try is made after `REST_S`.
            Stopped: the daemon ends.
        """
        if kind not in self._indexes:
            if self._clock() < self._rest_until.get(kind, 0.0):
                raise LocalError(f"the index {self._path(kind)} could not be opened a moment ago; see the log")
            try:
                self._indexes[kind] = self._open(kind)
            except (OSError, LocalError) as exc:
                self._rest_until[kind] = self._clock() + REST_S
                raise LocalError(f"the index {self._path(kind)} cannot be opened: {exc}") from exc
        return self._indexes[kind]

    def add(self, kind: str, rows: Sequence[tuple[int, bytes]]) -> None:
        """File new rows (revision, entry) that have been committed."""
        index = self._indexes.get(kind)
        if index is None:
            return  # it will find them when it is opened
        index.add(rows)
        if index.entries_in_memory > self._tail_entries and self._clock() >= self._rest_until.get(kind, 0.0):
            try:
                self._indexes[kind] = self._merged(kind, index.file)
            except (OSError, LocalError) as exc:
                # It goes on in memory; a restart reads the rows again.
                self._rest_until[kind] = self._clock() + REST_S
                _logger.warning("cannot save the index %s: %s", self._path(kind), exc)

    def forget(self, kind: str) -> None:
        """Drop an index that may lack rows; it is opened again, with all of them, when it is needed."""
        self._indexes.pop(kind, None)

    def _path(self, kind: str) -> Path:
        return self._directory / f"{kind}.index"

    def _open(self, kind: str) -> PostingIndex:
        newest = self._database.read_blocking(store_corpus.newest, kind)
        file = self._file(kind, newest)
        after = file.upto if file is not None else 0
        rows = self._entries(kind, after, newest, self._tail_entries + 1)
        if len(rows) > self._tail_entries:
            return self._merged(kind, file)
        index = PostingIndex(file)
        index.add(rows)
        return index

    def _file(self, kind: str, newest: int) -> PostingFile | None:
        """Return the file of a kind where it can be used."""
        path = self._path(kind)
        try:
            return PostingFile(path, self._owner(), newest)
        except Unusable as exc:
            if path.exists():
                _logger.warning("making the index %s anew: %s", path, exc)
            return None

    def _merged(self, kind: str, file: PostingFile | None) -> PostingIndex:
        """Write a file with everything, over the rows that `file` does not hold yet, and return its index."""
        upto = self._database.read_blocking(store_corpus.newest, kind)
        alive = np.zeros(upto + 1, np.bool_)
        alive[self._database.read_blocking(store_corpus.revisions, kind, upto=upto)] = True

        def keep(postings: Postings) -> NDArray[np.bool_]:
            self._check()
            return alive[(postings >> np.uint64(32)).astype(np.int64)]

        path = self._path(kind)
        runs = self._runs(kind, file.upto if file is not None else 0, upto)
        build(path, owner=self._owner(), upto=upto, runs=runs, base=file, keep=keep)
        _logger.info("saved the index %s: %d videos", path, int(alive.sum()))
        return PostingIndex(PostingFile(path, self._owner(), upto))

    def _runs(self, kind: str, after: int, upto: int) -> Iterator[Run]:
        while rows := self._entries(kind, after, upto, BATCH_ENTRIES):
            self._check()
            yield entry_run(rows)
            after = rows[-1][0]

    def _entries(self, kind: str, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        return self._database.read_blocking(store_corpus.entries, kind, after=after, upto=upto, limit=limit)

    def _owner(self) -> str:
        """Return what tells this database from others."""
        known = self._database.read_blocking(store_upkeep.setting, OWNER_SETTING)
        return str(known or self._database.write_blocking(_new_owner, uuid.uuid4().hex))

    def _check(self) -> None:
        if self.stopping.is_set():
            raise Stopped


def _new_owner(conn: Connection, owner: str) -> str:
    store_upkeep.set_setting(conn, OWNER_SETTING, owner)
    return owner
