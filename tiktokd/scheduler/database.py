"""The database: opened, migrated, one writer thread with group commit, a few readers. Knows no table.

SQLite allows one writer at a time and pays one fsync per commit. So one thread owns the only connection that writes;
whatever waits at that moment shares one transaction, and nobody is told before the commit is on disk. Children never
open the file. `BEGIN IMMEDIATE`, because a transaction that reads first and then writes fails at once when somebody
else wrote in between, whatever the busy timeout says.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from tiktokd.errors import ConfigError, LocalError

P = ParamSpec("P")
R = TypeVar("R")

SCHEMA_VERSION = "0001"
"""Newest migration; a test compares it with the files."""
MAX_BATCH = 512
"""Calls per transaction: bounds how long the first of them waits for the last."""
MAX_WAITING = 8192
"""Calls waiting for the writer; more are a bug or an attack, and are refused."""
READERS = 2
READ_TIMEOUT_S = 10.0
BUSY_TIMEOUT_MS = 5000
"""Only a backup tool can hold the lock: nobody else of ours writes."""
SHUTDOWN_S = 30.0

_WRITER_PRAGMAS = (
    "PRAGMA auto_vacuum=INCREMENTAL",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA cache_size=-32768",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
)
_READER_PRAGMAS = ("PRAGMA query_only=ON", "PRAGMA cache_size=-8192", f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


class _Call:
    """One function waiting for the writer, and where its outcome goes."""

    __slots__ = ("args", "error", "fn", "future", "kwargs", "loop", "result")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.fn, self.args, self.kwargs = fn, args, kwargs
        self.result: Any = None
        self.error: BaseException | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Any] | Future[Any] | None = None

    def settle(self) -> None:
        """Hand the outcome over; a future that was cancelled meanwhile stays cancelled."""
        if self.future is None or self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Database:
    """One open database. Make it with `open`."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._reader = reader
        self._calls: queue.Queue[_Call | None] = queue.Queue(MAX_WAITING)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="tiktokd-read")
        self._closed = False
        self.last_commit_monotonic_s = time.monotonic()
        """When the last commit came back; for the watchdog and for `status`."""
        self._thread = threading.Thread(target=self._run, name="tiktokd-write", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, url: str) -> "Database":
        """Return the database at `url` (SQLAlchemy form), made or migrated to this version.

        Raises:
            ConfigError: not writable, not a database, or made by a newer version.
        """
        writer, reader = _engines(url)
        try:
            with writer.connect() as conn:
                _migrate(conn, url)
        except DBAPIError as exc:
            raise ConfigError(f"cannot use the database {_place(url)}: {exc.orig}; {_advice(url)}") from exc
        return cls(writer, reader)

    async def write(self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn(conn, …)` on the writer thread and return its result once it is committed.

        If it raises, what it wrote is undone, and the calls that share its transaction are kept.

        Raises:
            LocalError: the database could not be written: disk full, I/O error, file locked by somebody else.
        """
        call = _Call(fn, args, kwargs)
        call.loop = asyncio.get_running_loop()
        call.future = future = call.loop.create_future()
        self._submit(call)
        result: R = await future
        return result

    def write_blocking(self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what `write` does from a thread without a loop."""
        call = _Call(fn, args, kwargs)
        future: Future[R] = Future()
        call.future = future
        self._submit(call)
        return future.result()

    async def read(self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn(conn, …)` on a reader: it sees one state of the database and cannot write."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self.read_blocking(fn, *args, **kwargs))

    def read_blocking(self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what `read` does in the calling thread."""
        try:
            with self._reader.connect() as conn, conn.begin():
                return fn(conn, *args, **kwargs)
        except (OperationalError, sa.exc.TimeoutError) as exc:
            raise LocalError(f"the database could not be read: {exc}") from exc

    def close(self) -> None:
        """Finish what waits, empty the write-ahead log into the file, close. Later calls are refused."""
        if self._closed:
            return
        self._closed = True
        self._calls.put(None, timeout=SHUTDOWN_S)
        self._thread.join(SHUTDOWN_S)
        self._readers.shutdown()
        self._reader.dispose()
        self._writer.dispose()

    def _submit(self, call: _Call) -> None:
        if self._closed or not self._thread.is_alive():
            raise LocalError("the database is closed")
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            raise LocalError(f"{MAX_WAITING} writes are waiting for the disk; is it stuck?") from None

    def _run(self) -> None:
        with self._writer.connect() as conn:
            while batch := self._next_batch():
                _commit(conn, batch)
                self.last_commit_monotonic_s = time.monotonic()
                _settle(batch)

    def _next_batch(self) -> list[_Call]:
        """Wait for a call, take all that wait; empty at the end."""
        batch: list[_Call] = []
        try:
            while len(batch) < MAX_BATCH:
                call = self._calls.get(block=not batch)
                if call is None:
                    self._calls.put(None)
                    break
                batch.append(call)
        except queue.Empty:
            pass
        return batch


def _commit(conn: Connection, batch: list[_Call]) -> None:
    """Run the calls in one transaction, each behind a savepoint; where the transaction fails, all of them fail."""
    try:
        with conn.begin():
            for call in batch:
                _perform(conn, call)
    except (DBAPIError, _driver_error(conn)) as exc:
        error = LocalError(f"the database could not be written: {getattr(exc, 'orig', exc)}")
        error.__cause__ = exc
        for call in batch:
            call.error = call.error or error


def _driver_error(conn: Connection) -> type[Exception]:
    """Return the base of the driver's own errors, which calls past SQLAlchemy raise."""
    dbapi: Any = conn.dialect.dbapi
    error: type[Exception] = dbapi.Error
    return error


def _perform(conn: Connection, call: _Call) -> None:
    """Run one call; its exception is its outcome and must not end the thread or the others' transaction.

    Where the database gave up the whole transaction (disk full), undoing this call alone fails, which fails them all.
    """
    cursor = conn.connection.cursor()  # the driver's own: three statements around each call must cost nothing
    cursor.execute("SAVEPOINT one_call")
    try:
        call.result = call.fn(conn, *call.args, **call.kwargs)
    except OperationalError as exc:
        call.error = LocalError(f"the database could not be written: {exc.orig}")
        call.error.__cause__ = exc
    except Exception as exc:  # noqa: BLE001  whatever the function raises belongs to its caller
        call.error = exc
    if call.error is not None:
        cursor.execute("ROLLBACK TO SAVEPOINT one_call")
    cursor.execute("RELEASE SAVEPOINT one_call")


def _settle(batch: list[_Call]) -> None:
    """Tell everybody: one wake-up per loop, not one per call."""
    loops: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
    for call in batch:
        if call.loop is None:
            call.settle()
        else:
            loops.setdefault(call.loop, []).append(call)
    for loop, calls in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle_in_loop, calls)


def _settle_in_loop(calls: list[_Call]) -> None:
    for call in calls:
        call.settle()


def _dump(value: Any) -> str:
    """Return JSON of plain values, dataclasses and pydantic models; NaN becomes null, which JSON can say."""
    return to_json(value, inf_nan_mode="null").decode()


def _engines(url: str) -> tuple[Engine, Engine]:
    """Return the engine that writes (one connection) and the one that reads."""
    json: dict[str, Any] = {"json_serializer": _dump, "json_deserializer": from_json}
    try:
        writer = sa.create_engine(url, pool_size=1, max_overflow=0, poolclass=sa.QueuePool, **json)
        reader = sa.create_engine(url, pool_size=READERS, pool_timeout=READ_TIMEOUT_S, poolclass=sa.QueuePool, **json)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as exc:
        raise ConfigError(f"database.url: {exc}") from exc
    if writer.dialect.name == "sqlite":
        _set_up_sqlite(writer, _WRITER_PRAGMAS, "BEGIN IMMEDIATE")
        _set_up_sqlite(reader, _READER_PRAGMAS, "BEGIN")
    return writer, reader


def _set_up_sqlite(engine: Engine, pragmas: tuple[str, ...], begin: str) -> None:
    """Take transactions out of the driver's hands: it sends no BEGIN before SELECT and DDL."""

    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(pragma)

    def begun(conn: Connection) -> None:
        conn.exec_driver_sql(begin)

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)


def _migrate(conn: Connection, url: str) -> None:
    """Bring the schema to `SCHEMA_VERSION`. Alembic takes 0.3 s to import: only where there is something to do."""
    with conn.begin():
        has_table = sa.inspect(conn).has_table("alembic_version")
        found = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() if has_table else None
    if found == SCHEMA_VERSION:
        return
    if found is not None and str(found) > SCHEMA_VERSION:
        raise ConfigError(
            f"the database {_place(url)} has schema {found}, made by a newer tiktokd; this one knows up to "
            f"{SCHEMA_VERSION}: install the newer version again, or point database.url to another file"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with conn.begin():
        config.attributes["connection"] = conn
        command.upgrade(config, "head")


def _place(url: str) -> str:
    parsed = sa.make_url(url)
    return str(parsed.database) if parsed.drivername.startswith("sqlite") else parsed.render_as_string()


def _advice(url: str) -> str:
    parsed = sa.make_url(url)
    if not parsed.drivername.startswith("sqlite"):
        return "check database.url"
    return f"the directory {Path(str(parsed.database)).parent} must exist and be writable for this user"
