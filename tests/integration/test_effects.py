"""What the dispatcher orders, done on a real database and real files, without processes."""

import random
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tiktokd.config import Config
from tiktokd.errors import Failure
from tiktokd.model import Claim, State
from tiktokd.scheduler import store
from tiktokd.scheduler.commands import AskClaim, Dropped, Settle
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.downloads import Downloads
from tiktokd.scheduler.effects import Effects
from tiktokd.scheduler.events import Claimed, Event, Stored, Wake
from tiktokd.scheduler.lanes import Lanes
from tiktokd.scheduler.spool import Spool


class Files(ThreadPoolExecutor):
    """A thread for files; `before` is what somebody else does just before it sets to work."""

    before: Callable[[], object] | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.before is not None:
            self.before()
        return super().submit(fn, *args, **kwargs)


class Bench:
    """Effects over a database of their own, on a clock that tests move."""

    def __init__(self, home: Path) -> None:
        config = Config.model_validate({"daemon": {"state_dir": str(home)}, "download": {"min_gap_s": 0}})
        self.database = Database.open(config.database_url)
        self.events: list[Event] = []
        self.later_s = 0.0
        self.lanes, self.files = Lanes(), Files(1)
        spool = Spool(home)
        spool.make()
        shared: dict[str, Any] = {"files": self.files, "clock": self.clock, "utc": self.utc, "random": random.random}
        self.downloads = Downloads(config, self.database, spool, self.lanes, **shared)
        mine: dict[str, Any] = {"corpus": None, "incarnation": "me", "emit": self.events.append}  # nothing completes
        self.effects = Effects(config, self.database, spool, self.lanes, self.downloads, **mine, **shared)

    def clock(self) -> float:
        return time.monotonic() + self.later_s

    def utc(self) -> float:
        return time.time() + self.later_s

    def add(self, *ids: str, path: str | None = None) -> None:
        """Queue videos; with `path` as files of a person."""
        new = [store.NewVideo(id=id, url="u", media_path=path, downloaded=path is not None) for id in ids]
        self.database.write_blocking(store.add, new, now=self.utc())

    async def ask(self, lane: str) -> Claimed:
        """Ask for a claim and return the answer."""
        await self.effects.perform(AskClaim(lane=lane))  # type: ignore[arg-type]
        answer = self.events.pop()
        assert isinstance(answer, Claimed)
        return answer

    async def claim(self, lane: str) -> Claim:
        """Ask for a claim and return it."""
        claim = (await self.ask(lane)).claim
        assert claim is not None
        return claim

    def state(self, id: str) -> State:
        """Return where a video stands."""
        record = self.database.read_blocking(store.get, id)
        assert record is not None
        return record.video.state

    def close(self) -> None:
        self.files.shutdown()
        self.database.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


async def test_a_file_that_cannot_be_looked_at_does_not_leave_its_video_claimed_for_ever(bench: Bench) -> None:
    bench.add("v", path="/" + "x" * 300)
    assert (await bench.claim("processing")).id == "v", "the decoder says what is wrong with it"


async def test_a_claim_that_holds_although_it_was_dropped_is_put_back(bench: Bench) -> None:
    bench.add("v")
    claim = await bench.claim("download")
    bench.database.write_blocking(store.cancel, ["v"], now=bench.utc())
    await bench.effects.perform(Dropped(claim=claim, lane="download"))
    assert (bench.state("v"), bench.events) == (State.CANCELLED, [])
    bench.database.write_blocking(store.requeue, ids=["v"], now=bench.utc())
    claim = await bench.claim("download")
    await bench.effects.perform(Dropped(claim=claim, lane="download"))
    assert (bench.state("v"), bench.events) == (State.PENDING, [Wake()])


async def test_after_a_local_failure_another_video_is_tried_first(bench: Bench) -> None:
    bench.add("first", "second")
    claim = await bench.claim("download")
    assert claim.id == "first"
    full = Failure(failure_class="local", stage="download", message="no route to host")
    await bench.effects.perform(Settle(claim=claim, lane="download", failure=full, crashed=False, crashes=0))
    assert bench.events.pop() == Stored(token=claim.token)
    resting = await bench.ask("download")
    assert resting.claim is None
    bench.later_s = (resting.again_at or 0.0) - time.monotonic()
    assert (await bench.claim("download")).id == "second", "one video's trouble does not stop the lane"
    bench.later_s += 60
    again = await bench.claim("download")
    assert (again.id, again.attempts) == ("first", 0)


async def test_while_the_download_rests_nobody_is_told_that_the_next_one_starts_now(bench: Bench) -> None:
    assert bench.downloads.gate_snapshot().next_at is None
    bench.lanes.hinder("download", "no network", bench.clock() + 60.0)
    assert bench.downloads.gate_snapshot().next_at == pytest.approx(bench.utc() + 60.0, abs=5.0)
    bench.later_s = 61.0
    assert bench.downloads.gate_snapshot().next_at is None


async def test_a_lane_whose_only_ready_video_is_taken_away_at_the_last_moment_asks_again(bench: Bench) -> None:
    bench.add("v", "delayed")
    claim = await bench.claim("download")
    slow = Failure(failure_class="transient", stage="download", message="reset")
    values = {"failure": slow, "not_before": bench.utc() + 100, "charge": True}
    bench.database.write_blocking(store.retry, claim.token, now=bench.utc(), **values)  # type: ignore[arg-type]
    bench.files.before = lambda: bench.database.write_blocking(store.cancel, ["delayed"], now=bench.utc())
    answer = await bench.ask("download")
    assert (answer.claim, answer.again_at is None) == (None, False), "asked again, not told to sleep"
    answer = await bench.ask("download")
    assert answer.again_at is not None
    assert 90 < answer.again_at - bench.clock() <= 100
