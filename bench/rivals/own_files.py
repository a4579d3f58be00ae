"""Eight processes that each open the database file, and claim and finish with the same statements of the store."""

import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.exc import OperationalError

from bench.rivals.crew import Crew
from tiktokd.model import Claim
from tiktokd.scheduler import ledger, store


class OwnFiles(Crew):
    """Workers without a daemon."""

    def __init__(self, file: Path, clients: int, *, together: bool = False) -> None:
        """Start them. `together`: a finish and the claim of the next job share a transaction, hence a sync."""
        super().__init__(clients, _work, file, together)

    def round(self) -> float:
        """Let them empty the queue; return claim + finish pairs per second."""
        start = time.perf_counter()
        for pipe in self.pipes:
            pipe.send("go")
        done = sum(pipe.recv() for pipe in self.pipes)
        rate: float = done / (time.perf_counter() - start)
        return rate


def _work(pipe: Pipe, file: Path, together: bool) -> None:
    engine = _open(file)
    pipe.send("ready")
    with engine.connect() as conn:
        while pipe.recv():
            done = 0
            claim = _patient(conn, _claim)
            while claim is not None:
                if together:
                    claim = _patient(conn, _finish_and_claim, claim.token)
                else:
                    _patient(conn, _finish, claim.token)
                    claim = _patient(conn, _claim)
                done += 1
            pipe.send(done)


def _claim(conn: sa.Connection) -> Claim | None:
    return store.claim_processing(conn, worker="w", incarnation="b", now=time.time())


def _finish(conn: sa.Connection, token: str) -> None:
    from bench.queue import OUTPUTS

    store.complete(conn, token, outputs=OUTPUTS, signals={}, facts=None, timings={"decode": 0.1}, now=time.time())


def _finish_and_claim(conn: sa.Connection, token: str) -> Claim | None:
    _finish(conn, token)
    return _claim(conn)


def _open(file: Path) -> sa.Engine:
    """Return an engine as durable as the daemon's: WAL, fsync at each commit, no transaction that starts by reading."""
    engine = sa.create_engine(f"sqlite:///{file}", json_serializer=lambda value: to_json(value).decode())

    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            connection.execute(f"PRAGMA {pragma}")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))
    ledger.keep(engine)
    return engine


def _patient(conn: sa.Connection, fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Try again where the file stayed locked for the whole busy timeout: such a process would have to."""
    while True:
        try:
            with conn.begin():
                return fn(conn, *args, **kwargs)
        except OperationalError as exc:
            if "locked" not in str(exc):
                raise
