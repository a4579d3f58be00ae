"""Eight worker processes that ask over pipes and one database that answers, the way the daemon works."""

import asyncio
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from bench.rivals.crew import Crew
from tiktokd.scheduler import store
from tiktokd.scheduler.database import Database

ROUND_LIMIT_S = 300.0


class Asking(Crew):
    """Our workers."""

    def __init__(self, clients: int) -> None:
        super().__init__(clients, _ask)

    def round(self, file: Path) -> float:
        """Let them empty the queue in `file`; return claim + finish pairs per second."""
        db = Database.open(f"sqlite:///{file}")
        try:
            return asyncio.run(asyncio.wait_for(self._serve(db), ROUND_LIMIT_S))
        finally:
            db.close()

    async def _serve(self, db: Database) -> float:
        loop = asyncio.get_running_loop()
        answers = [_Answers(db, pipe, number) for number, pipe in enumerate(self.pipes)]
        start = time.perf_counter()
        for one in answers:
            loop.add_reader(one.pipe.fileno(), one.readable)
            one.pipe.send("go")
        await asyncio.gather(*(one.idle.wait() for one in answers))
        seconds = time.perf_counter() - start
        for one in answers:
            loop.remove_reader(one.pipe.fileno())
        return sum(one.finished for one in answers) / seconds


class _Answers:
    """What the daemon does for one worker: each message is one write, each reply comes after its commit."""

    def __init__(self, db: Database, pipe: Pipe, number: int) -> None:
        self._db, self.pipe, self._worker = db, pipe, f"cpu-{number}"
        self.idle = asyncio.Event()
        self.finished = 0
        self._task: asyncio.Task[None] | None = None

    def readable(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._answer(self.pipe.recv()))

    async def _answer(self, message: str) -> None:
        from bench.queue import OUTPUTS

        if message == "claim":
            claim = await self._db.write(store.claim_processing, worker=self._worker, incarnation="b", now=time.time())
            self.pipe.send("" if claim is None else claim.token)
            if claim is None:
                self.idle.set()
            return
        results = {"outputs": OUTPUTS, "signals": {}, "facts": None, "timings": {"decode": 0.1}}
        ok = await self._db.write(store.complete, message, **results, now=time.time())  # type: ignore[arg-type]
        self.finished += ok
        self.pipe.send(ok)


def _ask(pipe: Pipe) -> None:
    """A worker: claim, finish at once, until nothing is left; then wait for the next round."""
    pipe.send("ready")
    while pipe.recv():
        while True:
            pipe.send("claim")
            token = pipe.recv()
            if not token:
                break
            pipe.send(token)
            pipe.recv()
