"""History and counts are written once per commit, whole and in order, whatever becomes of the calls that share it."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.store_fixtures import NOW
from tiktokd.scheduler import engines, ledger, schema, store
from tiktokd.scheduler.database import Database


def _video(name: str) -> store.NewVideo:
    return store.NewVideo(id=name, url=f"https://www.tiktok.com/@_/video/{name}")


def _added(conn: Connection, name: str) -> None:
    store.add(conn, [_video(name)], now=NOW)


def _added_and_broken(conn: Connection, name: str) -> None:
    _added(conn, name)
    raise ValueError(name)


async def _told(db: Database) -> list[str]:
    """Every event's video in the order of the history."""
    return [line.id for line in await db.read(store.events, since_id=0, limit=100)]


async def test_calls_that_share_a_commit_leave_their_history_in_their_order(db: Database):
    calls = [db.submit(_added, str(number)) for number in range(20)]
    for call in calls:
        await call
    assert await _told(db) == [str(number) for number in range(20)]
    assert (await db.read(store.counts))["pending"] == 20


async def test_a_call_that_raises_owes_nothing_and_the_others_pay(db: Database):
    calls = [db.submit(_added, "1"), db.submit(_added_and_broken, "2"), db.submit(_added, "3")]
    await calls[0]
    with pytest.raises(ValueError, match="2"):
        await calls[1]
    await calls[2]
    assert await _told(db) == ["1", "3"]
    assert (await db.read(store.counts))["pending"] == 2


async def test_history_that_cannot_be_written_undoes_the_move_that_it_tells_of(db: Database):
    def refuse(conn: Connection) -> None:
        conn.exec_driver_sql(
            "CREATE TEMP TRIGGER no BEFORE INSERT ON job_events BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )

    def allow(conn: Connection) -> None:
        conn.exec_driver_sql("DROP TRIGGER no")

    await db.write(refuse)
    with pytest.raises(sa.exc.IntegrityError, match="no room"):
        await db.write(_added, "1")
    await db.write(allow)
    assert await _told(db) == []
    assert (await db.read(store.counts))["pending"] == 0
    await db.write(_added, "1")
    assert await _told(db) == ["1"]


def _lost(conn: Connection) -> None:
    conn.invalidate()
    raise ValueError("the server went away")


async def test_a_connection_that_is_lost_fails_its_call_with_its_own_reason_and_the_next_one_writes(db: Database):
    async with asyncio.timeout(10):
        with pytest.raises(ValueError, match="the server went away"):
            await db.write(_lost)
        await db.write(_added, "1")
    assert await _told(db) == ["1"]
    assert (await db.read(store.counts))["pending"] == 1


def test_an_engine_that_keeps_no_ledger_is_refused_instead_of_losing_history(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'queue.db'}"
    Database.open(url).close()
    with sa.create_engine(url).connect() as conn, conn.begin(), pytest.raises(KeyError):
        _added(conn, "1")


def test_a_transaction_that_is_undone_owes_nothing_to_the_next(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'queue.db'}"
    Database.open(url).close()
    writer, _ = engines.engines(url)
    with writer.connect() as conn:
        with pytest.raises(ValueError, match="1"), conn.begin():
            _added_and_broken(conn, "1")
        with conn.begin():
            _added(conn, "2")
            assert len(ledger.of(conn).events) == 1
        with conn.begin():
            assert conn.scalar(sa.select(sa.func.count()).select_from(schema.job_events)) == 1
    writer.dispose()


@pytest.fixture
def db(tmp_path: Path):
    database = Database.open(f"sqlite:///{tmp_path / 'queue.db'}")
    yield database
    database.close()
