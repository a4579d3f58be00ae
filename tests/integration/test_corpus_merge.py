"""Merging an index file while videos go on: what is found meanwhile, and what a merge that fails leaves behind."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from tests.store_fixtures import NOW
from tests.store_fixtures import queue as queue  # noqa: PLC0414  a fixture
from tiktokd.model import Metadata
from tiktokd.scheduler import store_corpus
from tiktokd.scheduler.corpus_form import POSTINGS
from tiktokd.scheduler.corpus_index import Entry
from tiktokd.scheduler.corpus_keeper import REST_S, Keeper

TAIL = 4
KIND = "sound"
WAIT_S = 20.0


class Slow:
    """Index files that are written when the test says so."""

    def __init__(self):
        self.begun, self.go_on, self.broken, self.writes = threading.Event(), threading.Event(), False, 0
        self.form = replace(POSTINGS, write=self._write)

    def _write(self, *args, **kwargs):
        self.writes += 1
        self.begun.set()
        assert self.go_on.wait(WAIT_S)
        if self.broken:
            raise OSError("the disk is full")
        POSTINGS.write(*args, **kwargs)


class Shelf:
    """Rows of prints and the keeper of their index; print n has the key n."""

    def __init__(self, queue, folder):
        self.queue, self.folder, self.slow, self.now, self.count = queue, folder, Slow(), 0.0, 0
        self.keeper = self.fresh()

    def fresh(self):
        return Keeper(self.queue.db, self.folder, clock=lambda: self.now, tail_entries=TAIL)

    def store(self, count):
        for _ in range(count):
            self.keeper.index(KIND, self.slow.form)
            self.count += 1
            entry = Entry(keys=np.array([self.count], np.uint32), payload=np.array([7], np.uint32)).pack()
            id_ = f"v{self.count}"
            self.queue.put(id_)
            self.queue.downloaded(
                self.queue.download().token,
                media_path="/x",
                sha256="0" * 64,
                size_bytes=1,
                metadata=Metadata(),
                now=NOW,
            )
            new = store_corpus.NewPrint(kind=KIND, cluster=self.count, entry=entry, exact=b"")
            token = self.queue.process().token
            compared = store_corpus.Compared(outputs={}, prints=[new])
            about = {"signals": {}, "facts": None, "timings": {}, "now": NOW}
            revision = self.queue.db.write_blocking(store_corpus.complete, token, compared=compared, **about)[0]
            self.keeper.add(KIND, [(revision, entry)])

    def found(self):
        """How often each print is found."""
        hits = self.keeper.index(KIND, self.slow.form).lookup(np.arange(self.count + 1, dtype=np.uint32), 1000)
        return np.bincount(hits.row, minlength=self.count + 1)[1:].tolist()


@pytest.fixture
def shelf(queue, tmp_path):
    shelf = Shelf(queue, tmp_path / "corpus")
    yield shelf
    shelf.slow.go_on.set()
    shelf.keeper.close()


def test_videos_are_found_and_filed_while_a_file_is_being_written(shelf):
    shelf.store(TAIL + 1)
    assert shelf.slow.begun.wait(WAIT_S)
    shelf.store(2 * TAIL)
    assert shelf.found() == [1] * shelf.count
    assert not list(shelf.folder.glob("*.index")), "nothing waited for it"
    shelf.slow.go_on.set()
    shelf.keeper.settle()
    assert shelf.found() == [1] * shelf.count
    assert (shelf.slow.writes, len(list(shelf.folder.glob("*.index")))) == (1, 1), "one merge at a time"
    shelf.store(1)
    shelf.keeper.settle()
    assert (shelf.found(), shelf.slow.writes) == ([1] * shelf.count, 2), "what came meanwhile is merged next"


def test_a_merge_that_fails_is_tried_again_later_and_loses_nothing(shelf):
    shelf.slow.broken = True
    shelf.slow.go_on.set()
    shelf.store(TAIL + 1)
    shelf.keeper.settle()
    shelf.store(1)
    assert (shelf.found(), shelf.slow.writes) == ([1] * shelf.count, 1)
    shelf.slow.broken, shelf.now = False, REST_S + 1
    shelf.store(1)
    shelf.keeper.settle()
    assert (shelf.found(), shelf.slow.writes) == ([1] * shelf.count, 2)


def test_an_index_that_is_forgotten_while_it_is_merged_is_opened_whole(shelf):
    shelf.store(TAIL + 1)
    assert shelf.slow.begun.wait(WAIT_S)
    shelf.keeper.forget(KIND)
    shelf.slow.go_on.set()
    assert shelf.found() == [1] * shelf.count
    shelf.store(1)
    assert shelf.found() == [1] * shelf.count


def test_a_daemon_that_ends_while_a_file_is_written_leaves_the_rows_to_the_next(shelf):
    shelf.store(TAIL + 1)
    assert shelf.slow.begun.wait(WAIT_S)
    closing = threading.Thread(target=shelf.keeper.close)
    closing.start()
    assert shelf.keeper.stopping.wait(WAIT_S)
    shelf.slow.go_on.set()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert list(shelf.folder.iterdir()) == [], "what was half written is gone"
    shelf.keeper = shelf.fresh()
    assert shelf.found() == [1] * shelf.count
