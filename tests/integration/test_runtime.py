"""Orders to the running daemon hold once they are stored, and not before."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiktokd.config import Config
from tiktokd.errors import LocalError
from tiktokd.scheduler import store
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.feed import Feed
from tiktokd.scheduler.gpus import Gpus
from tiktokd.scheduler.jobs import Limits, State
from tiktokd.scheduler.lanes import SETTING, Lanes
from tiktokd.scheduler.loop import Loop
from tiktokd.scheduler.runtime import LiveRuntime
from tiktokd.scheduler.supervisor import Supervisor
from tiktokd.slots import SlotTable


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path}/q.db")
    yield opened
    opened.close()


def runtime(database: Database, lanes: Lanes) -> LiveRuntime:
    """A daemon without workers."""
    loop = Loop(State(limits=Limits(attempts_dir=""), slots=SlotTable(1)), clock=time.monotonic)
    return LiveRuntime(
        loop=loop,
        supervisor=Supervisor([], Config(), emit=loop.emit, clock=time.monotonic),
        effects=None,  # type: ignore[arg-type]  # neither is asked by a pause
        downloads=None,  # type: ignore[arg-type]
        lanes=lanes,
        feed=Feed(database, utc=time.time),
        gpus=Gpus(),
        devices=(),
        database=database,
        incarnation="i",
        clock=time.monotonic,
        utc=time.time,
    )


async def test_a_pause_that_cannot_be_stored_is_no_pause(database: Database) -> None:
    lanes = Lanes()
    running = runtime(database, lanes)
    database.close()
    with pytest.raises(LocalError):
        await running.set_paused("download", True)
    assert lanes.paused == set()


async def test_two_pauses_at_once_are_both_stored(database: Database) -> None:
    lanes = Lanes()
    running = runtime(database, lanes)
    await asyncio.gather(running.set_paused("download", True), running.set_paused("processing", True))
    assert lanes.paused == {"download", "processing"}
    assert database.read_blocking(store.setting, SETTING) == ["download", "processing"]
