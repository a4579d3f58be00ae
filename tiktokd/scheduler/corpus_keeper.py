"""Keeps the index of each kind of print in step with the rows: opens, catches up, merges, makes it anew.

Files are merged on a thread of their own, which takes half a minute for 100,000 videos: until then the old file and
what has come since, in memory, hold everything. Knows not what the prints mean. Blocking: for the corpus's own thread.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from tiktokd.errors import LocalError
from tiktokd.scheduler import store_corpus, store_upkeep
from tiktokd.scheduler.corpus_form import Form, Index, IndexT, Rows
from tiktokd.scheduler.corpus_header import Unusable
from tiktokd.scheduler.corpus_index import TAIL_ENTRIES
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
        self._indexes: dict[str, tuple[Form[Any], Index]] = {}
        self._rest_until: dict[str, float] = {}
        self._merging: dict[str, Future[Index]] = {}
        self._merger = ThreadPoolExecutor(1, thread_name_prefix="tiktokd-corpus-merge")
        self.stopping = threading.Event()

    def index(self, kind: str, form: Form[IndexT]) -> IndexT:
        """Return the index of a kind of print, holding all rows that were committed before this call.

        Raises:
            LocalError: it cannot be opened; the next try is made after `REST_S`.
            Stopped: the daemon ends.
        """
        if kind not in self._indexes:
            self._give_up_merge(kind)
            if self._clock() < self._rest_until.get(kind, 0.0):
                raise LocalError(f"the index {self._path(kind)} could not be opened a moment ago; see the log")
            try:
                self._indexes[kind] = form, self._open(kind, form)
            except (OSError, LocalError) as exc:
                self._rest_until[kind] = self._clock() + REST_S
                raise LocalError(f"the index {self._path(kind)} cannot be opened: {exc}") from exc
        return cast(IndexT, self._indexes[kind][1])

    def add(self, kind: str, rows: Rows) -> None:
        """File new rows (revision, entry) that have been committed."""
        if kind not in self._indexes:
            return  # it will find them when it is opened
        form, index = self._indexes[kind]
        index.add(rows)
        self._use_merged(kind)
        form, index = self._indexes[kind]
        full = index.entries_in_memory > self._tail_entries
        if full and kind not in self._merging and self._clock() >= self._rest_until.get(kind, 0.0):
            self._merging[kind] = self._merger.submit(self._merged, kind, form, index)

    def settle(self) -> None:
        """Wait for the files that are being written, and use them."""
        wait(self._merging.values())
        for kind in list(self._merging):
            self._use_merged(kind)

    def close(self) -> None:
        """Give up what is being written; the files that it would replace stay."""
        self.stopping.set()
        self._merger.shutdown(cancel_futures=True)

    def forget(self, kind: str) -> None:
        """Drop an index that may lack rows; it is opened again, with all of them, when it is needed."""
        self._indexes.pop(kind, None)

    def _use_merged(self, kind: str) -> None:
        """Put a new file, with the rows that came since it was begun, in the place of the old one."""
        if kind not in self._indexes or not (merging := self._merging.get(kind)) or not merging.done():
            return
        del self._merging[kind]
        try:
            index = merging.result()
            newest = self._database.read_blocking(store_corpus.newest, kind)
            for rows in self._batches(kind, _upto(index), newest):
                index.add(rows)
        except CancelledError:
            raise Stopped from None
        except (OSError, LocalError) as exc:
            # It goes on in memory; a restart reads the rows again.
            self._rest_until[kind] = self._clock() + REST_S
            _logger.warning("cannot save the index %s: %s", self._path(kind), exc)
        else:
            self._indexes[kind] = self._indexes[kind][0], index

    def _give_up_merge(self, kind: str) -> None:
        """Wait until nobody writes the file of an index that was forgotten."""
        if (merging := self._merging.pop(kind, None)) is not None:
            wait([merging])

    def _path(self, kind: str) -> Path:
        return self._directory / f"{kind}.index"

    def _open(self, kind: str, form: Form[IndexT]) -> IndexT:
        newest = self._database.read_blocking(store_corpus.newest, kind)
        index = self._saved(kind, form, newest)
        rows = self._entries(kind, _upto(index), newest, self._tail_entries + 1)
        if len(rows) > self._tail_entries:
            return self._merged(kind, form, index)
        index.add(rows)
        return index

    def _saved(self, kind: str, form: Form[IndexT], newest: int) -> IndexT:
        """Return what the file of a kind holds where it can be used, an empty index otherwise."""
        path = self._path(kind)
        try:
            return form.open(path, self._owner(), newest)
        except Unusable as exc:
            if path.exists():
                _logger.warning("making the index %s anew: %s", path, exc)
            return form.begin()

    def _merged(self, kind: str, form: Form[IndexT], index: IndexT) -> IndexT:
        """Write a file with everything, over the rows that the file of `index` does not hold yet; return its index."""
        upto = self._database.read_blocking(store_corpus.newest, kind)
        alive = np.zeros(upto + 1, np.bool_)
        alive[self._database.read_blocking(store_corpus.revisions, kind, upto=upto)] = True

        def keep(revisions: NDArray[np.int64]) -> NDArray[np.bool_]:
            self._check()
            return alive[revisions]

        path = self._path(kind)
        form.write(path, index, self._batches(kind, _upto(index), upto), owner=self._owner(), upto=upto, keep=keep)
        _logger.info("saved the index %s: %d videos", path, int(alive.sum()))
        return form.open(path, self._owner(), upto)

    def _batches(self, kind: str, after: int, upto: int) -> Iterator[Rows]:
        while rows := self._entries(kind, after, upto, BATCH_ENTRIES):
            self._check()
            yield rows
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


def _upto(index: Index) -> int:
    return index.file.upto if index.file is not None else 0


def _new_owner(conn: Connection, owner: str) -> str:
    store_upkeep.set_setting(conn, OWNER_SETTING, owner)
    return owner
