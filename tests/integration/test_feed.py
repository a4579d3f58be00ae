"""What listeners hear: every committed transition, workers and lanes; a slow one learns that it missed some."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tiktokd.protocol import Event
from tiktokd.scheduler import store
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.feed import QUEUED, Feed

NOW = 1_700_000_000.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path}/q.db")
    yield opened
    opened.close()


async def listening(feed: Feed) -> "asyncio.Queue[Event]":
    """Return a queue of what a listener hears, once it listens."""
    heard: asyncio.Queue[Event] = asyncio.Queue()

    async def listen() -> None:
        async for event in feed.subscribe():
            heard.put_nowait(event)

    task = asyncio.create_task(listen())
    heard.task = task  # type: ignore[attr-defined]  kept alive with the queue
    while not feed.listeners:
        await asyncio.sleep(0)
    return heard


async def test_a_listener_hears_what_was_committed_by_whomever(database: Database) -> None:
    await database.write(store.add, [store.NewVideo(id="1", url="u")], now=NOW)
    feed = Feed(database, utc=lambda: NOW)
    following = asyncio.create_task(feed.follow())
    heard = await listening(feed)
    while not feed.following:
        await asyncio.sleep(0)
    await database.write(store.add, [store.NewVideo(id="2", url="u")], now=NOW + 1)
    await database.write(store.cancel, ["2"], now=NOW + 2)
    async with asyncio.timeout(10):
        first, second = await heard.get(), await heard.get()
    assert (first.kind, first.id, first.from_state, first.to_state, first.at) == (
        "video",
        "2",
        None,
        "pending",
        NOW + 1,
    )
    assert (second.from_state, second.to_state) == ("pending", "cancelled")
    assert second.seq == first.seq + 1
    following.cancel()


async def test_a_listener_that_is_too_slow_hears_that_it_missed_some(database: Database) -> None:
    feed = Feed(database, utc=lambda: NOW)
    events = feed.subscribe()
    waiting = asyncio.ensure_future(anext(events))
    while not feed.listeners:
        await asyncio.sleep(0)
    for number in range(QUEUED + 2):
        feed.publish("worker", id=str(number))
    assert (await waiting).kind == "lag"
    assert (await anext(events)).id == str(QUEUED + 1)
    await events.aclose()  # type: ignore[attr-defined]
    assert not feed.listeners
