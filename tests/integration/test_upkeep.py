"""Measurements are stored, bounded, and told in one line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tiktokd.model import State
from tiktokd.protocol import LaneSnapshot, Rates, RuntimeSnapshot, WorkerSnapshot
from tiktokd.scheduler import store
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.store_retention import drop_old_metrics
from tiktokd.scheduler.upkeep import samples, status_line

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
    assert database.write_blocking(drop_old_metrics, older_than=108.0, limit=5) == 5
    left = database.read_blocking(store.metrics, since=0.0)
    assert [sample.value for sample in left] == [5, 6, 7, 8, 9]
    assert database.write_blocking(drop_old_metrics, older_than=108.0, limit=5) == 3
    assert database.write_blocking(drop_old_metrics, older_than=108.0, limit=5) == 0
