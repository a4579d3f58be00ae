"""Something that ends the worker of every video, for real: the queue is not failed video by video."""

from pathlib import Path
from typing import Any

import pytest

from tests.live import Live, live, until, video_id
from tests.store_fixtures import NOW, Queue
from tests.store_fixtures import queue as queue  # noqa: PLC0414  a fixture
from tiktokd.errors import Failure
from tiktokd.scheduler import store, store_mishaps
from tiktokd.scheduler.lanes import BREAKER_SETTING

VIDEOS, BREAKER = 4, 2
LANE = {"lane": "processing"}


def lane(daemon: Live) -> dict[str, Any]:
    lanes = daemon.ask("GET", "/api/status")["lanes"]
    return next(each for each in lanes if each["lane"] == "processing")


def broken(daemon: Live, stage: str) -> None:
    """Queue videos that all end the worker of one stage, and wait until the processing is paused for it."""
    daemon.ask("POST", "/api/queue/pause", LANE)
    daemon.add(*range(1, VIDEOS + 1), **{stage: "kill"})
    until(lambda: daemon.states() == {"downloaded": VIDEOS}, "all downloaded")
    daemon.ask("POST", "/api/queue/resume", LANE)
    until(lambda: "in a row" in (lane(daemon)["reason"] or ""), "paused")
    until(lambda: daemon.states() == {"downloaded": VIDEOS}, "all put back")


@pytest.mark.parametrize("stage", ["decode", "gpu"])
def test_a_machine_that_ends_every_worker_pauses_the_processing_and_loses_no_video(tmp_path: Path, stage: str) -> None:
    with live(tmp_path, more=f"breaker_videos = {BREAKER}\n") as daemon:
        broken(daemon, stage)
        reason = lane(daemon)["reason"]
        assert f"{BREAKER} different videos in a row ended their worker" in reason
        assert "SIGKILL" in reason
        assert "tiktokctl resume processing" in reason
        assert all(daemon.row(number)["crashes"] <= 1 for number in range(1, VIDEOS + 1))
        daemon.kill()
        daemon.start()
        daemon.all_up()
        assert lane(daemon)["reason"] == reason, "a restart is not the end of the trouble"
        for number in range(1, VIDEOS + 1):
            daemon.script(video_id(number))
        daemon.ask("POST", "/api/queue/resume", LANE)
        for number in range(1, VIDEOS + 1):
            daemon.reaches(number, "completed")
        assert (lane(daemon)["paused"], lane(daemon)["reason"]) == (False, None)


def end(queue: Queue, kind: str, *, deaths: int) -> None:
    """Let the next video fail, after so many deaths of workers."""
    failure = Failure(failure_class="transient", stage="decode", message="signal 9")
    for _ in range(deaths - 1):
        queue.retry(queue.process().token, failure=failure, not_before=NOW, charge=False, crash=True, now=NOW)
    last = Failure(failure_class=kind, stage="decode", message="over")  # type: ignore[arg-type]
    queue.fail(queue.process().token, failure=last, crash=deaths > 0, now=NOW)


def test_only_what_these_deaths_made_poison_is_put_back_and_one_death_stays_counted(queue: Queue) -> None:
    for id_, kind, deaths in (("a", "poison", 2), ("b", "poison", 2), ("c", "unsupported", 0), ("d", "poison", 2)):
        queue.put_files(id_)
        end(queue, kind, deaths=deaths)
    # One of the deaths of b was long ago; d is none of them.
    queue.db.write_blocking(
        store_mishaps.breaker_opened, deaths={"a": 2, "b": 1, "c": 1, "gone": 2}, reason="all die", now=NOW
    )
    assert [queue.state(id_) for id_ in "abcd"] == ["downloaded", "failed", "failed", "failed"]
    assert queue.process().crashes == 1
    assert queue.db.read_blocking(store.setting, BREAKER_SETTING) == "all die"
