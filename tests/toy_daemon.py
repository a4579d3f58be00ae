"""The real store, verbs and API over a toy loop that only remembers what it was told. For tests of everything above."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tiktokd import api
from tiktokd.client import Client
from tiktokd.messages import AnalyzerFacts
from tiktokd.model import Envelope, MediaFacts, Metadata
from tiktokd.protocol import (
    Event,
    GateSnapshot,
    GpuSnapshot,
    Lane,
    LaneSnapshot,
    Rates,
    RuntimeSnapshot,
    SpoolSnapshot,
    WorkerSnapshot,
)
from tiktokd.scheduler import store
from tiktokd.scheduler.control import Control
from tiktokd.scheduler.database import Database

NOW = 1_790_000_000.0
"""UTC seconds that the clock of a toy daemon shows: 2026-09-21T14:13:20Z."""
WAIT_S = 10.0
FACTS = MediaFacts(
    duration_s=12.5,
    size_bytes=1000,
    container="mp4",
    bitrate_kbps=640.0,
    width_px=576,
    height_px=1024,
    fps=30.0,
    frame_count=375,
    rotation_deg=0,
    video_codec="h264",
    audio_codec="aac",
    audio_rate_hz=44100,
    audio_channels=2,
)


class ToyRuntime:
    """A loop without workers."""

    def __init__(self) -> None:
        self.wakes = 0
        self.cancelled: list[str] = []
        self.paused: dict[Lane, bool] = {"download": False, "processing": False}
        self.hindered: dict[Lane, str] = {}
        self.subscribed = threading.Event()
        self._queue: asyncio.Queue[Event] = asyncio.Queue()

    def wake(self) -> None:
        self.wakes += 1

    async def cancel(self, ids: Collection[str]) -> None:
        self.cancelled += ids

    async def set_paused(self, lane: Lane, paused: bool) -> None:
        self.paused[lane] = paused

    def snapshot(self) -> RuntimeSnapshot:
        return RuntimeSnapshot(
            incarnation="toy",
            started_at=NOW - 60,
            uptime_s=60.0,
            workers=(
                WorkerSnapshot(
                    name="download_worker_0", kind="download", pid=1, state="busy", id="7", stage="download",
                    progress_ratio=0.5, detail="1.0 of 2.0 MiB", rss_mib=80.0, since_at=NOW - 5,
                ),
                WorkerSnapshot(name="cpu_worker_0", kind="cpu", pid=2, state="idle", jobs_done=3),
            ),
            slots_free=3,
            slots_total=4,
            lanes=tuple(
                LaneSnapshot(
                    lane=lane, paused=paused, reason="paused by a person" if paused else self.hindered.get(lane)
                )
                for lane, paused in self.paused.items()
            ),
            rates=Rates(downloads_per_minute=12.0, videos_per_hour_10m=90.0, bottleneck="rate_gate"),
            gate=GateSnapshot(per_minute=30, configured_per_minute=30, min_gap_s=2, next_at=NOW + 2),
            gpus=(GpuSnapshot(device="cuda:0", name="H200", utilisation_ratio=0.9),),
            spool=SpoolSnapshot(videos=2, bytes=2**20, limit_videos=100, limit_bytes=2**30, free_bytes=2**35),
        )  # fmt: skip

    def analyzers(self) -> tuple[AnalyzerFacts, ...]:
        return (
            AnalyzerFacts(
                name="loudness", title="How loud is it?", group="audio", level=1, tier="full", reason=None,
                encoders=("level",), lightweight=True, cost_ms=1234.5,
            ),
        )  # fmt: skip

    async def subscribe(self) -> AsyncIterator[Event]:
        self.subscribed.set()
        while True:
            yield await self._queue.get()

    def happen(self, event: Event) -> None:
        self._queue.put_nowait(event)


class ToyDaemon:
    """What a test holds: the database, the toy loop, and a client."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket_path = directory / "s"
        self.database = Database.open(f"sqlite:///{directory / 'q.db'}")
        self.runtime = ToyRuntime()
        self.control = Control(self.database, self.runtime, log_dir=directory / "log", clock=lambda: NOW)
        self.client = Client(self.socket_path, timeout_s=WAIT_S)
        self.server: api.Server | None = None
        self.loop = asyncio.new_event_loop()

    def write(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a function of the store, now."""
        return self.database.write_blocking(fn, *args, **{"now": NOW, **kwargs})

    def call(self, fn: Callable[[], Any]) -> None:
        """Run a function on the loop."""
        self.loop.call_soon_threadsafe(fn)

    def finish(self, video_id: str, outputs: dict[str, Envelope], **metadata: Any) -> None:
        """Lead one pending video to `completed` through the store."""
        claim = self.write(store.claim_download, worker="d", incarnation="toy")
        assert claim.id == video_id
        media = self.directory / f"{video_id}.mp4"
        media.write_bytes(b"media")
        about = Metadata(**metadata)
        self.write(store.downloaded, claim.token, media_path=str(media), sha256="0" * 64, size_bytes=5, metadata=about)
        claim = self.write(store.claim_processing, worker="c", incarnation="toy")
        self.write(
            store.complete, claim.token, outputs=outputs, signals={}, facts=FACTS, timings={"download_ms": 1200.0}
        )


@contextmanager
def toy_daemon(directory: Path, *, listen: str = "") -> Iterator[ToyDaemon]:
    """Serve the real API in a thread until the block ends."""
    daemon = ToyDaemon(directory)
    up, down = threading.Event(), asyncio.Event()
    problems: list[BaseException] = []

    async def serve() -> None:
        try:
            daemon.server = await api.start(
                daemon.control, socket_path=daemon.socket_path, listen=listen, token_file=directory / "token"
            )
        except BaseException as exc:
            problems.append(exc)
            raise
        finally:
            up.set()
        await down.wait()
        await daemon.server.close()

    thread = threading.Thread(target=lambda: daemon.loop.run_until_complete(serve()))
    thread.start()
    try:
        assert up.wait(WAIT_S)
        assert not problems, problems
        yield daemon
    finally:
        daemon.client.close()
        daemon.loop.call_soon_threadsafe(down.set)
        thread.join(WAIT_S)
        daemon.loop.close()
        daemon.database.close()


def envelope(name: str, **summary: Any) -> Envelope:
    """Return a complete result with two segments."""
    return Envelope(
        analyzer=name, version="1", status="ok", tier="lite", summary=summary, wall_ms=3.5,
        segments=[{"start_s": 0.0, "end_s": 1.5, "label": "a"}, {"start_s": 1.5, "end_s": 2.0, "label": "b"}],
    )  # fmt: skip
