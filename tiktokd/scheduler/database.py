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
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from tiktokd.errors import ConfigError, LocalError
from tiktokd.scheduler import ledger
from tiktokd.scheduler.engines import READERS, advice, engines, migrate, place

P = ParamSpec("P")
R = TypeVar("R")

MAX_BATCH = 512
"""Calls per transaction: bounds how long the first of them waits for the last."""
MAX_WAITING = 8192
"""Calls waiting for the writer; more are a bug or an attack, and are refused."""
LINGER_S = 0.0001
"""Where calls come together, the writer waits this long for more of them: they share a commit, and the loop that brings
them has the interpreter to itself. Measured with eight callers: a sixth to a quarter less processor time per call."""
SHUTDOWN_S = 30.0


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
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="tiktokd-read")
        self._came_together = 0
        """Calls in the batch before: where it was one, nobody waits for another."""
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
        writer, reader = engines(url)
        try:
            with writer.connect() as conn:
                migrate(conn, url)
        except DBAPIError as exc:
            raise ConfigError(f"cannot use the database {place(url)}: {exc.orig}; {advice(url)}") from exc
        return cls(writer, reader)

    async def write(self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn(conn, …)` on the writer thread and return its result once it is committed.

        If it raises, what it wrote is undone, and the calls that share its transaction are kept. It may be run twice,
        the first time in vain: it must do nothing but read and write the database.

        Raises:
            LocalError: the database could not be written: disk full, I/O error, file locked by somebody else.
        """
        return await self.submit(fn, *args, **kwargs)

    def submit(
        self, fn: Callable[Concatenate[Connection, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Do what `write` does, and return what to await: calls submitted one after the other run in this order.

        Raises:
            LocalError: the database is closed, or too many calls wait.
        """
        call = _Call(fn, args, kwargs)
        call.loop = asyncio.get_running_loop()
        call.future = future = call.loop.create_future()
        self._submit(call)
        return future

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
        self._calls.put(None)
        self._thread.join(SHUTDOWN_S)
        self._readers.shutdown()
        self._reader.dispose()
        self._writer.dispose()

    def _submit(self, call: _Call) -> None:
        if self._closed or not self._thread.is_alive():
            raise LocalError("the database is closed")
        if self._calls.qsize() >= MAX_WAITING:
            raise LocalError(f"{MAX_WAITING} writes are waiting for the disk; is it stuck?")
        self._calls.put(call)

    def _run(self) -> None:
        with self._writer.connect() as conn:
            while batch := self._next_batch():
                _commit(conn, batch)
                self.last_commit_monotonic_s = time.monotonic()
                _settle(batch)

    def _next_batch(self) -> list[_Call]:
        """Wait for a call, take all that wait; empty at the end."""
        batch: list[_Call] = []
        call = self._calls.get()
        if self._came_together > 1:
            time.sleep(LINGER_S)
        while call is not None:
            batch.append(call)
            if len(batch) == MAX_BATCH or self._calls.empty():
                break
            call = self._calls.get()
        else:
            self._calls.put(None)
        self._came_together = len(batch)
        return batch


def _commit(conn: Connection, batch: list[_Call]) -> None:
    """Run the calls in one transaction. Where one raises, all is undone and done again with each behind a savepoint.

    Hardly any call raises, and a savepoint costs as much as a statement and a copy of each page that follows it.
    """
    try:
        with conn.begin():
            for call in batch:
                call.result = call.fn(conn, *call.args, **call.kwargs)
    except Exception:  # noqa: BLE001  told apart by the second run, in which it happens again or not at all
        _commit_apart(conn, batch)


def _commit_apart(conn: Connection, batch: list[_Call]) -> None:
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
        ledger.pay(conn)
    except OperationalError as exc:
        call.error = LocalError(f"the database could not be written: {exc.orig}")
        call.error.__cause__ = exc
    except Exception as exc:  # noqa: BLE001  whatever the function raises belongs to its caller
        call.error = exc
    if call.error is not None:
        cursor.execute("ROLLBACK TO SAVEPOINT one_call")
        ledger.cancel(conn)
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
