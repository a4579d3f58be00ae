"""Whatever is killed, in whatever order: a random history of people's orders and deaths against real processes."""

import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.live import Live, alive, holders, until, video_id

STEPS = 24
DEADLY = ("kill", "kill*1", "exit*1 3", "fail*1 transient", "fail*1 bug", "fail resource")
ORDINARY = 20
"""So many scripts are ordinary for all the deadly ones."""
STAGES = ("download", "decode", "cpu", "gpu", "fuse")


class History:
    """One daemon and what has happened to it."""

    def __init__(self, daemon: Live, seed: int) -> None:
        self.daemon, self.chance = daemon, random.Random(seed)
        self.queued: list[int] = []
        self.touched: set[int] = set()
        """Cancelled or asked for again: these may end more than once."""

    def some(self) -> list[str]:
        chosen = self.chance.sample(self.queued, min(3, len(self.queued)))
        self.touched |= set(chosen)
        return [video_id(number) for number in chosen]

    def add(self) -> None:
        first = len(self.queued) + 1
        for number in range(first, first + 4):
            words = ("ok",) * ORDINARY + DEADLY
            self.daemon.add(number, **{stage: self.chance.choice(words) for stage in STAGES})
            self.queued.append(number)

    def cancel(self) -> None:
        self.daemon.ask("POST", "/api/queue/cancel", {"ids": self.some()})

    def requeue(self) -> None:
        self.daemon.ask("POST", "/api/queue/requeue", {"ids": self.some()})

    def pause(self) -> None:
        self.daemon.ask("POST", "/api/queue/pause", {"lane": self.chance.choice(["download", "processing"])})

    def resume(self) -> None:
        self.daemon.ask("POST", "/api/queue/resume", {"lane": "all"})

    def kill_a_worker(self) -> None:
        pids = [worker["pid"] for worker in self.daemon.workers().values() if worker["pid"]]
        with suppress(ProcessLookupError):  # it went by itself
            os.kill(self.chance.choice(pids or [0x7FFFFFFF]), signal.SIGKILL)

    def kill_the_daemon(self) -> None:
        slots = self.daemon.slots()
        children = self.daemon.kill()
        until(lambda: not any(map(alive, children)), "no orphan", timeout_s=5)
        assert holders(slots) == []
        self.daemon.start()

    def restart(self) -> None:
        assert self.daemon.terminate() == 0
        in_flight = "SELECT COUNT(*) FROM processing_queue WHERE state IN ('downloading', 'processing')"
        assert self.daemon.sql(in_flight) == [(0,)], "a drain puts everything back"
        self.daemon.start()


def test_every_acknowledged_url_ends_once_whatever_dies(tmp_path: Path) -> None:
    seed = int(os.environ.get("HISTORY_SEED", "1"))
    daemon = Live(tmp_path, loop=1000, drain=1)
    history = History(daemon, seed)
    often: list[Callable[[], None]] = [history.add, history.cancel, history.requeue, history.kill_a_worker]
    seldom = [history.pause, history.resume, history.kill_the_daemon, history.restart]
    steps = history.chance.sample([*often * 5, *seldom * 2], STEPS)
    try:
        daemon.start()
        history.add()
        for step in steps:
            step()
        history.resume()
        final = {"completed", "failed", "cancelled"}
        until(lambda: daemon.states().keys() <= final, f"an end of all, seed {seed}", timeout_s=100)

        assert sum(daemon.states().values()) == len(history.queued)
        counted = {state: count for state, count in daemon.sql("SELECT state, videos FROM counters") if count}
        assert counted == daemon.states()
        for number in history.queued:
            moves, state = daemon.moves(number), daemon.row(number)["state"]
            ends = [move for move in moves if move in ("complete", "fail", "cancel")]
            assert ends[-1:] == [{"completed": "complete", "failed": "fail", "cancelled": "cancel"}[state]], moves
            assert len(ends) == 1 or number in history.touched, (number, moves)
            if state == "completed":
                assert set(daemon.outputs(number)) == {"toy_cpu", "toy_gpu", "toy_fuse"}
        until(lambda: daemon.ask("GET", "/api/status")["slots_free"] == 3, "all slots free")
        until(lambda: list((daemon.state / "tmp").iterdir()) == [], "no folder of an attempt left")
        kept = daemon.sql("SELECT media_path FROM processing_queue WHERE media_path IS NOT NULL")
        assert {str(path) for path in (daemon.state / "spool").glob("*/*")} == {path for (path,) in kept}
        log = "".join(path.read_text() for path in (daemon.state / "log").glob("tiktokd.log*"))
        assert "bug while" not in log
        assert daemon.terminate() == 0
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
