"""The database thread and the file: group commit, isolation of calls, migration, refusal, and what a SIGKILL leaves."""

import asyncio
import importlib.util
import multiprocessing
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from tests.nobody import owner_of
from tests.store_fixtures import NOW
from tiktokd.errors import ConfigError, LocalError
from tiktokd.scheduler import migrations, schema, store
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.engines import SCHEMA_VERSION
from tiktokd.scheduler.store import NewVideo


@pytest.fixture
def db(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path / 'tiktokd.db'}")
    yield database
    database.close()


def put(conn, key):
    store.set_setting(conn, key, 1)


def keys(conn):
    return set(conn.scalars(sa.select(schema.settings.c.key)))


class Hold:
    """A call that keeps the writer busy until it is let go."""

    def __init__(self):
        self.entered, self.go = threading.Event(), threading.Event()

    def __call__(self, conn):
        self.entered.set()
        assert self.go.wait(10)


async def test_calls_that_wait_together_share_one_commit(db, tmp_path):
    commits = []
    sa.event.listen(db._writer, "commit", commits.append)
    hold = Hold()
    first = asyncio.create_task(db.write(hold))
    await asyncio.to_thread(hold.entered.wait, 10)
    rest = [asyncio.create_task(db.write(put, str(n))) for n in range(20)]
    await asyncio.sleep(0)
    hold.go.set()
    await asyncio.gather(first, *rest)
    assert len(commits) == 2
    assert await db.read(keys) == {str(n) for n in range(20)}


async def test_a_call_that_raises_does_not_take_the_others_along(db):
    def broken(conn):
        put(conn, "half")
        raise KeyError("mine alone")

    hold = Hold()
    first = asyncio.create_task(db.write(hold))
    await asyncio.to_thread(hold.entered.wait, 10)
    calls = [asyncio.create_task(db.write(*call)) for call in ((put, "before"), (broken,), (put, "after"))]
    await asyncio.sleep(0)
    hold.go.set()
    await first
    before, failed, after = await asyncio.gather(*calls, return_exceptions=True)
    assert (before, after) == (None, None)
    assert isinstance(failed, KeyError)
    assert await db.read(keys) == {"before", "after"}


async def test_nobody_is_told_before_the_commit(db, tmp_path):
    seen_by_others = []

    def look(conn):
        other = sqlite3.connect(tmp_path / "tiktokd.db")
        seen_by_others.append(other.execute("SELECT count(*) FROM settings").fetchone()[0])
        other.close()

    sa.event.listen(db._writer, "commit", look)
    await db.write(put, "x")
    assert seen_by_others == [0]
    assert await db.read(keys) == {"x"}


async def test_a_caller_that_gives_up_does_not_stop_the_writer(db):
    hold = Hold()
    first = asyncio.create_task(db.write(hold))
    await asyncio.to_thread(hold.entered.wait, 10)
    abandoned = asyncio.create_task(db.write(put, "abandoned"))
    await asyncio.sleep(0)
    abandoned.cancel()
    hold.go.set()
    await first
    await db.write(put, "next")
    assert await db.read(keys) == {"abandoned", "next"}


async def test_a_reader_cannot_write(db):
    with pytest.raises(LocalError, match="readonly"):
        await db.read(put, "x")


async def test_a_closed_database_refuses_calls(db):
    db.close()
    with pytest.raises(LocalError, match="closed"):
        await db.write(put, "x")


async def test_what_waits_at_the_end_is_still_committed(db, tmp_path):
    hold = Hold()
    first = asyncio.create_task(db.write(hold))
    await asyncio.to_thread(hold.entered.wait, 10)
    last = asyncio.create_task(db.write(put, "last"))
    await asyncio.sleep(0)
    hold.go.set()
    await asyncio.to_thread(db.close)
    await asyncio.gather(first, last)
    again = Database.open(f"sqlite:///{tmp_path / 'tiktokd.db'}")
    assert again.read_blocking(keys) == {"last"}
    again.close()


async def test_the_time_of_the_last_commit_moves(db):
    before = db.last_commit_monotonic_s
    await db.write(put, "x")
    assert db.last_commit_monotonic_s > before


def test_a_full_disk_fails_the_call_and_leaves_the_queue_working(db):
    def limit(conn, pages):
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    used = db.write_blocking(lambda conn: conn.exec_driver_sql("PRAGMA page_count").scalar())
    db.write_blocking(limit, used + 2)
    many = [NewVideo(id=str(n), url="u" * 1000) for n in range(1000)]
    with pytest.raises(LocalError, match="full"):
        db.write_blocking(store.add, many, now=NOW)
    db.write_blocking(limit, 1_000_000)
    assert set(db.read_blocking(store.counts).values()) == {0}
    assert len(db.write_blocking(store.add, many, now=NOW)) == 1000


def test_the_file_is_durable_and_ready_for_incremental_vacuum(db):
    def pragmas(conn):
        return [conn.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("synchronous", "journal_mode", "auto_vacuum")]

    assert db.write_blocking(pragmas) == [2, "wal", 2]


def test_the_migrations_make_the_schema_that_the_code_uses(db, tmp_path):
    direct = sa.create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    schema.metadata.create_all(direct)

    def described(conn):
        rows = conn.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%'").all()
        return {name: sorted(" ".join((sql or "").split()).replace(" ,", ",").split(", ")) for name, sql in rows}

    with direct.connect() as conn:
        expected = described(conn)
    direct.dispose()
    assert db.read_blocking(described) == expected


def test_the_version_in_the_code_is_the_newest_migration():
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [SCHEMA_VERSION]


def test_a_second_start_finds_everything_and_migrates_nothing(db, tmp_path):
    db.write_blocking(put, "kept")
    db.close()
    again = Database.open(f"sqlite:///{tmp_path / 'tiktokd.db'}")
    assert again.read_blocking(keys) == {"kept"}
    again.close()


def test_a_database_from_a_newer_version_is_refused_and_left_alone(db, tmp_path):
    db.close()
    file = tmp_path / "tiktokd.db"
    raw = sqlite3.connect(file)
    raw.execute("UPDATE alembic_version SET version_num = '0999'")
    raw.commit()
    raw.close()
    with pytest.raises(ConfigError, match="schema 0999, made by a newer tiktokd; this one knows up to"):
        Database.open(f"sqlite:///{file}")


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "x.db").write_bytes(b"<html>" * 1000)
    with pytest.raises(ConfigError, match="not a database"):
        Database.open(f"sqlite:///{tmp_path / 'x.db'}")


def test_a_directory_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere must exist, be writable"):
        Database.open(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}")


def test_an_url_that_is_no_database_is_refused():
    with pytest.raises(ConfigError, match=r"database\.url.*expected something like sqlite:///"):
        Database.open("tiktokd.db")


@pytest.mark.skipif(importlib.util.find_spec("psycopg") is not None, reason="the driver is there")
def test_a_database_whose_driver_is_missing_says_what_to_install():
    with pytest.raises(ConfigError, match=r"postgresql\+psycopg needs the package psycopg; pip install psycopg"):
        Database.open("postgresql+psycopg://someone:secret@localhost/q")


def test_a_directory_that_is_not_writable_is_refused(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    with owner_of(place):
        place.chmod(stat.S_IRUSR | stat.S_IXUSR)
        assert list(place.iterdir()) == [], "it can be reached"
        with pytest.raises(ConfigError, match="must exist, be writable"):
            Database.open(f"sqlite:///{place / 'x.db'}")


def test_a_file_that_is_not_writable_is_refused(db, tmp_path):
    db.close()
    file = tmp_path / "tiktokd.db"
    uri = f"sqlite:///file:{file}?mode=ro&uri=true"  # what a read-only mount looks like, for root too
    with pytest.raises(ConfigError, match="readonly"):
        Database.open(uri)


def _write_until_killed(url, pipe):
    """Add one video per transaction and say which ones are acknowledged."""
    db = Database.open(url)
    for n in range(1_000_000):
        added = db.write_blocking(store.add, [NewVideo(id=str(n), url="u")], now=NOW)
        pipe.send(added[0].id)


def test_sigkill_of_the_writer_loses_no_acknowledged_row(tmp_path):
    url = f"sqlite:///{tmp_path / 'tiktokd.db'}"
    context = multiprocessing.get_context("spawn")
    acknowledged = []
    for _ in range(2):
        ours, theirs = context.Pipe(duplex=False)
        writer = context.Process(target=_write_until_killed, args=(url, theirs))
        writer.start()
        theirs.close()
        mine = [ours.recv() for _ in range(25)]
        writer.kill()
        writer.join(10)
        try:
            while True:
                mine.append(ours.recv())
        except EOFError:
            acknowledged.append(mine)
    db = Database.open(url)
    stored = set(db.read_blocking(lambda conn: conn.scalars(sa.select(schema.processing_queue.c.id)).all()))
    assert all(set(mine) <= stored for mine in acknowledged)
    assert db.read_blocking(store.counts)["pending"] == len(stored)
    assert db.read_blocking(lambda conn: conn.exec_driver_sql("PRAGMA quick_check").scalar()) == "ok"
    db.close()
