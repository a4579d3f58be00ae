"""Eight processes that each open the database file, and claim and finish with the same statements of the store."""

import multiprocessing
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from types import TracebackType
from typing import Any


class OwnFiles:
    """The processes; started once, asked for round after round."""

    def __init__(self, file: Path, clients: int) -> None:
        context = multiprocessing.get_context("spawn")
        ends = [context.Pipe() for _ in range(clients)]
        self._pipes = [ours for ours, _ in ends]
        self._processes = [context.Process(target=_work, args=(file, theirs), daemon=True) for _, theirs in ends]
        for process in self._processes:
            process.start()

    def __enter__(self) -> "OwnFiles":
        for pipe in self._pipes:
            pipe.recv()  # imported and open
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(20)

    def round(self) -> float:
        """Let them empty the queue; return claim + finish pairs per second."""
        start = time.perf_counter()
        for pipe in self._pipes:
            pipe.send("go")
        done = sum(pipe.recv() for pipe in self._pipes)
        return done / (time.perf_counter() - start)


def _work(file: Path, pipe: Pipe) -> None:
    from bench.queue import OUTPUTS
    from tiktokd.scheduler import store
    from tiktokd.scheduler.database import Database

    db = Database.open(f"sqlite:///{file}")
    pipe.send("ready")
    try:
        while pipe.recv():
            done = 0
            while claim := _patient(db, store.claim_processing, worker="w", incarnation="b", now=time.time()):
                results = {"outputs": OUTPUTS, "signals": {}, "facts": None, "timings": {"decode": 0.1}}
                done += _patient(db, store.complete, claim.token, **results, now=time.time())
            pipe.send(done)
    except (EOFError, OSError):
        db.close()


def _patient(db: Any, fn: Any, *args: Any, **kwargs: Any) -> Any:
    """Try again where the file stayed locked for the whole busy timeout: such a process would have to."""
    while True:
        try:
            return db.write_blocking(fn, *args, **kwargs)
        except Exception as exc:
            if "locked" not in str(exc):
                raise
