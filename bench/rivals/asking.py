"""Eight worker processes that ask over pipes and one database that answers, the way the daemon works."""

import asyncio
import functools
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from bench.rivals.crew import Crew
from tiktokd.model import Claim
from tiktokd.scheduler import store
from tiktokd.scheduler.database import Database

ROUND_LIMIT_S = 300.0
GO = b"go"


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
            one.pipe.send_bytes(GO)
        await asyncio.gather(*(one.idle.wait() for one in answers))
        seconds = time.perf_counter() - start
        for one in answers:
            loop.remove_reader(one.pipe.fileno())
        return sum(one.finished for one in answers) / seconds


class _Answers:
    """What the daemon does for one worker that has finished a job: it writes the result and claims the next job.

    Two calls of the store, as in the daemon, where neither waits for the other. The reply comes after both commits.
    """

    def __init__(self, db: Database, pipe: Pipe, number: int) -> None:
        self._db, self.pipe, self._worker = db, pipe, f"cpu-{number}"
        self.idle = asyncio.Event()
        self.finished = 0

    def readable(self) -> None:
        from bench.queue import OUTPUTS

        token, now = self.pipe.recv_bytes().decode(), time.time()
        done = None
        if token:
            results = {"outputs": OUTPUTS, "signals": {}, "facts": None, "timings": {"decode": 0.1}}
            done = self._db.submit(store.complete, token, **results, now=now)  # type: ignore[arg-type]
        claimed = self._db.submit(store.claim_processing, worker=self._worker, incarnation="b", now=now)
        claimed.add_done_callback(functools.partial(self._reply, done))

    def _reply(self, done: "asyncio.Future[bool] | None", claimed: "asyncio.Future[Claim | None]") -> None:
        """Both are committed: calls submitted one after the other are done in this order."""
        self.finished += done is not None and done.result()
        claim = claimed.result()
        self.pipe.send_bytes(b"" if claim is None else claim.token.encode())
        if claim is None:
            self.idle.set()


def _ask(pipe: Pipe) -> None:
    """A worker: say what is finished, get the next, until nothing is left; then wait for the next round."""
    pipe.send("ready")
    while pipe.recv_bytes() == GO:
        token = b""
        while True:
            pipe.send_bytes(token)
            token = pipe.recv_bytes()
            if not token:
                break
