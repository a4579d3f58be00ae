"""Measurements are stored, bounded, and told in one line."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from tests.toy_daemon import ToyRuntime
from tiktokd.config import Config
from tiktokd.errors import Failure
from tiktokd.model import State
from tiktokd.protocol import LaneSnapshot, Rates, RuntimeSnapshot, WorkerSnapshot
from tiktokd.scheduler import store
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.feed import Feed
from tiktokd.scheduler.notify import Notifier
from tiktokd.scheduler.policy import download_limits, longest_wait_s
from tiktokd.scheduler.store_retention import (
    FREED_AT_ONCE_PAGES,
    KEPT_FREE_PAGES,
    cap_waits,
    drop_old_metrics,
    give_back_pages,
)
from tiktokd.scheduler.upkeep import STALE_COMMIT_S, Upkeep, samples, status_line

HERE = RuntimeSnapshot(
    incarnation="x",
    started_at=0.0,
    uptime_s=1.0,
    workers=(
        WorkerSnapshot(name="cpu_worker_0", kind="cpu", pid=1, state="idle", rss_mib=100.0),
        WorkerSnapshot(name="cpu_worker_1", kind="cpu", pid=None, state="starting"),
    ),
    lanes=(LaneSnapshot(lane="download", paused=False, reason="the disk is full"),),
    rates=Rates(videos_per_hour_10m=123.4),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path}/q.db")
    yield opened
    opened.close()


def test_what_is_not_known_is_not_stored() -> None:
    stored = {(sample.name, sample.subject) for sample in samples(HERE)}
    assert ("rss_mib", "cpu_worker_0") in stored
    assert ("rss_mib", "cpu_worker_1") not in stored
    assert ("rss_mib", "tiktokd") in stored


def test_the_status_line_says_what_is_in_the_way() -> None:
    counts = dict.fromkeys(State, 0) | {State.PENDING: 3, State.DOWNLOADED: 4, State.PROCESSING: 2}
    line = status_line(HERE, counts)
    assert line == "7 waiting, 0 downloading, 2 processing, 123 videos/h; download: the disk is full"


def test_old_measurements_go_a_few_at_a_time_the_oldest_first(database: Database) -> None:
    old = [store.Sample(name="x", value=float(n), at=100.0 + n) for n in range(10)]
    database.write_blocking(store.add_metrics, old, now=0.0)
    assert database.write_blocking(drop_old_metrics, older_than=108.0, most=100, limit=5) == 5
    left = database.read_blocking(store.metrics, since=0.0)
    assert [sample.value for sample in left] == [5, 6, 7, 8, 9]
    assert database.write_blocking(drop_old_metrics, older_than=108.0, most=100, limit=5) == 3
    assert database.write_blocking(drop_old_metrics, older_than=108.0, most=100, limit=5) == 0


def test_measurements_with_a_time_to_come_are_bounded_by_their_number(database: Database) -> None:
    ahead = [store.Sample(name="x", value=float(n), at=9e9) for n in range(10)]
    database.write_blocking(store.add_metrics, ahead, now=0.0)
    assert database.write_blocking(drop_old_metrics, older_than=100.0, most=7, limit=2) == 2
    assert database.write_blocking(drop_old_metrics, older_than=100.0, most=7, limit=2) == 1
    left = database.read_blocking(store.metrics, since=0.0)
    assert [sample.value for sample in left] == [3, 4, 5, 6, 7, 8, 9]


def test_a_clock_that_was_ahead_makes_nobody_wait_longer_than_a_backoff(database: Database) -> None:
    now, year_s = 1_800_000_000.0, 365 * 86400.0
    videos = [store.NewVideo(id=id_, url="u") for id_ in ("far", "near")]
    database.write_blocking(store.add, videos, now=now)
    failure = Failure(failure_class="transient", stage="download", message="reset")
    for not_before in (now + year_s, now + 60):
        claim = database.write_blocking(store.claim_download, worker="d", incarnation="i", now=now)
        assert claim is not None
        retry = {"failure": failure, "not_before": not_before, "charge": True}
        database.write_blocking(store.retry, claim.token, **retry, now=now)  # type: ignore[arg-type]
    longest_s = longest_wait_s(download_limits(Config()))
    assert longest_s >= 86400, "a Retry-After of a day holds"
    assert database.write_blocking(cap_waits, latest=now + longest_s) == 1
    assert database.write_blocking(cap_waits, latest=now + longest_s) == 0
    waits = {video.id: video.not_before for video in database.read_blocking(store.page)}
    assert waits == {"far": now + longest_s, "near": now + 60}


def test_videos_added_while_the_clock_was_ahead_do_not_wait_behind_all_that_are_added_later(database: Database) -> None:
    now, year_s, longest_s = 1_800_000_000.0, 365 * 86400.0, 100_000.0
    database.write_blocking(store.add, [store.NewVideo(id="ahead", url="u")], now=now + year_s)
    assert database.write_blocking(cap_waits, latest=now + longest_s) == 1
    database.write_blocking(store.add, [store.NewVideo(id="later", url="u")], now=now + 2 * longest_s)
    assert database.write_blocking(cap_waits, latest=now + 3 * longest_s) == 0
    claim = database.write_blocking(store.claim_download, worker="d", incarnation="i", now=now + 2 * longest_s)
    assert claim is not None
    assert claim.id == "ahead"


def test_free_pages_go_back_to_the_file_system_a_few_at_a_time(database: Database, tmp_path: Path) -> None:
    large = "INSERT INTO corpus_prints (seq, kind, cluster, entry, exact) VALUES (1, 'x', 1, zeroblob(24000000), x'')"
    for sql in (large, "DELETE FROM corpus_prints"):
        database.write_blocking(_run, sql)
    full = database.read_blocking(_pages)
    left, turns = 1, 0
    while left > 0:
        left, turns = database.write_blocking(give_back_pages), turns + 1
    assert turns > 1
    assert full - database.read_blocking(_pages) >= (turns - 1) * FREED_AT_ONCE_PAGES
    assert database.read_blocking(_free) <= KEPT_FREE_PAGES, "the next rows find room without growing the file"
    assert database.write_blocking(give_back_pages) == 0


def _run(conn: Connection, sql: str) -> None:
    conn.exec_driver_sql(sql)


def _pages(conn: Connection) -> int:
    return int(conn.exec_driver_sql("PRAGMA page_count").scalar_one())


def _free(conn: Connection) -> int:
    return int(conn.exec_driver_sql("PRAGMA freelist_count").scalar_one())


async def test_systemd_hears_nothing_while_nothing_is_committed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        later_s = 0.0
        upkeep = Upkeep(
            runtime=ToyRuntime(), downloads=None, database=database, feed=Feed(database, utc=time.time),  # type: ignore[arg-type]
            notifier=Notifier(), longest_wait_s=1.0, clock=lambda: time.monotonic() + later_s, utc=time.time,
        )  # fmt: skip
        disk_works = threading.Event()
        hanging = asyncio.create_task(database.write(lambda _: disk_works.wait(30)))
        await asyncio.sleep(0)  # it is on its way to the writer
        upkeep.pulse()
        assert manager.recv(100) == b"WATCHDOG=1", "a write may take its time"
        later_s = STALE_COMMIT_S
        upkeep.pulse()
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        disk_works.set()
        await hanging
        later_s = 0.0
        upkeep.pulse()
        assert manager.recv(100) == b"WATCHDOG=1"
