"""What is done every few seconds: metrics, worker rows, the status line, the watchdog. Decides nothing about work."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Connection

from tiktokd.errors import LocalError
from tiktokd.model import State
from tiktokd.protocol import RuntimeSnapshot, WorkerSnapshot
from tiktokd.scheduler import store
from tiktokd.scheduler.costs import SETTING as COSTS_SETTING
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.downloads import Downloads
from tiktokd.scheduler.feed import Feed
from tiktokd.scheduler.notify import Notifier
from tiktokd.scheduler.runtime import LiveRuntime
from tiktokd.scheduler.store_retention import cap_waits, drop_old_metrics, give_back_pages
from tiktokd.worker import resident_mib

METRICS_S = 10.0
METRICS_KEPT_S = 48 * 3600.0
METRICS_KEPT = 1_000_000
"""48 h of 16 workers and 8 GPUs are 700,000; 1,000,000 rows are 70 MiB."""
DROPPED_AT_ONCE = 200
"""More than one turn adds, so that the table shrinks after a change of `METRICS_KEPT_S`."""
PULSE_S = 2.0
"""How often worker changes are published and the watchdog is thought of."""
STALE_COMMIT_S = 3 * METRICS_S
"""The metrics alone commit every ten seconds: no commit for this long means that the writer hangs."""

_logger = logging.getLogger(__name__)


class Upkeep:
    """The periodic work of one daemon."""

    def __init__(
        self,
        *,
        runtime: LiveRuntime,
        downloads: Downloads,
        database: Database,
        feed: Feed,
        notifier: Notifier,
        longest_wait_s: float,
        clock: Callable[[], float],
        utc: Callable[[], float],
    ) -> None:
        """Args: longest_wait_s: no video may be told to wait longer than this."""
        self._longest_wait_s = longest_wait_s
        self._runtime, self._downloads, self._database = runtime, downloads, database
        self._feed, self._notifier, self._clock, self._utc = feed, notifier, clock, utc
        self._known: dict[str, WorkerSnapshot] = {}
        self._costs: dict[str, Any] = {}

    async def run(self) -> None:
        """Do it until cancelled."""
        next_metrics_at = self._clock()
        while True:
            self.pulse()
            if self._clock() >= next_metrics_at:
                next_metrics_at = self._clock() + METRICS_S
                try:
                    await self._store_metrics()
                except (LocalError, OSError) as exc:
                    _logger.warning("cannot store metrics: %s", exc)
            await asyncio.sleep(PULSE_S)

    def pulse(self) -> None:
        """Tell listeners about the workers; tell systemd that we live, unless nothing is committed any more."""
        self._publish_workers()
        if self._clock() - self._database.last_commit_monotonic_s < STALE_COMMIT_S:
            self._notifier.feed_watchdog()

    def _publish_workers(self) -> None:
        for worker in self._runtime.snapshot().workers:
            before = self._known.get(worker.name)
            if before is None or (before.state, before.pid) != (worker.state, worker.pid):
                state = before.state if before else None
                self._feed.publish("worker", id=worker.name, from_state=state, to_state=worker.state, detail=worker.id)
            self._known[worker.name] = worker

    async def _store_metrics(self) -> None:
        await self._downloads.look()
        here = self._runtime.snapshot()
        now = self._utc()
        costs = self._runtime.costs.stored()
        changed = costs if costs != self._costs else None
        counts, capped = await self._database.write(
            _store, here, costs=changed, now=now, latest=now + self._longest_wait_s
        )
        self._costs = costs
        if capped:
            _logger.warning("%d videos were to wait for a time beyond any backoff; was the clock set back?", capped)
            self._runtime.wake()
        self._notifier.status(status_line(here, counts))


def samples(here: RuntimeSnapshot) -> list[store.Sample]:
    """Return what is stored about this moment."""
    found: list[tuple[str, str, float | None]] = [
        ("downloads_per_minute", "", here.rates.downloads_per_minute),
        ("videos_per_hour", "", here.rates.videos_per_hour_1m),
        ("slots_free", "", float(here.slots_free)),
        ("rss_mib", "tiktokd", resident_mib()),
        *(("rss_mib", worker.name, worker.rss_mib) for worker in here.workers),
        *(("gpu_utilisation_ratio", gpu.device, gpu.utilisation_ratio) for gpu in here.gpus),
        *(("gpu_memory_used_mib", gpu.device, gpu.memory_used_mib) for gpu in here.gpus),
    ]
    return [
        store.Sample(name=name, subject=subject, value=value) for name, subject, value in found if value is not None
    ]


def status_line(here: RuntimeSnapshot, counts: dict[State, int]) -> str:
    """Return one line for `systemctl status`."""
    waiting = counts[State.PENDING] + counts[State.DOWNLOADED]
    hindered = "".join(f"; {lane.lane}: {lane.reason}" for lane in here.lanes if lane.reason)
    return (
        f"{waiting} waiting, {counts[State.DOWNLOADING]} downloading, {counts[State.PROCESSING]} processing, "
        f"{here.rates.videos_per_hour_10m:.0f} videos/h{hindered}"
    )


def _store(
    conn: Connection, here: RuntimeSnapshot, *, costs: dict[str, Any] | None, now: float, latest: float
) -> tuple[dict[State, int], int]:
    """Write what is known now and keep every bound; return videos per state, and how many waits were cut short."""
    store.save_workers(conn, here.workers, incarnation=here.incarnation, now=now)
    store.add_metrics(conn, samples(here), now=now)
    drop_old_metrics(conn, older_than=now - METRICS_KEPT_S, most=METRICS_KEPT, limit=DROPPED_AT_ONCE)
    if costs is not None:
        store.set_setting(conn, COSTS_SETTING, costs)
    give_back_pages(conn)
    return store.counts(conn), cap_waits(conn, latest=latest)
