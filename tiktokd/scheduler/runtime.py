"""The running daemon as its users see it: implements `protocol.Runtime`. Decides nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace

from tiktokd.messages import AnalyzerFacts
from tiktokd.protocol import Event, Lane, LaneSnapshot, Rates, RuntimeSnapshot, WorkerSnapshot
from tiktokd.scheduler import store
from tiktokd.scheduler.costs import Costs
from tiktokd.scheduler.database import Database
from tiktokd.scheduler.downloads import Downloads
from tiktokd.scheduler.effects import Effects
from tiktokd.scheduler.events import Pause, Wake
from tiktokd.scheduler.feed import Feed
from tiktokd.scheduler.gpus import Gpus
from tiktokd.scheduler.lanes import BREAKER_SETTING, SETTING, Lanes
from tiktokd.scheduler.loop import Loop
from tiktokd.scheduler.rates import Load, bottleneck
from tiktokd.scheduler.supervisor import Supervisor
from tiktokd.scheduler.worker_state import Worker, WorkerState
from tiktokd.worker import STAGES

_logger = logging.getLogger(__name__)


class LiveRuntime:
    """Everything that runs, behind the few questions and orders that the verbs need."""

    def __init__(
        self,
        *,
        loop: Loop,
        supervisor: Supervisor,
        effects: Effects,
        downloads: Downloads,
        lanes: Lanes,
        feed: Feed,
        gpus: Gpus,
        devices: Sequence[str],
        database: Database,
        incarnation: str,
        clock: Callable[[], float],
        utc: Callable[[], float],
    ) -> None:
        self._loop, self._supervisor, self._effects, self._downloads = loop, supervisor, effects, downloads
        self._lanes, self._feed, self._gpus, self._devices = lanes, feed, gpus, devices
        self._database, self._incarnation, self._clock, self._utc = database, incarnation, clock, utc
        self._started_at, self._started_utc = clock(), utc()
        self._pausing = asyncio.Lock()

    @property
    def costs(self) -> Costs:
        """What encoders and analyzers have cost so far."""
        return self._loop.state.costs

    def wake(self) -> None:
        """Rows have changed: look for work again."""
        self._loop.emit(Wake())

    async def cancel(self, ids: Collection[str]) -> None:
        """Stop work in flight on these videos; returns once it has stopped."""
        await self._loop.cancel(frozenset(ids))

    async def set_paused(self, lane: Lane, paused: bool) -> None:
        """Pause or resume one lane; resuming also gives workers that died too often another chance."""
        async with self._pausing:  # of two orders at once, the second must not write what the first has changed
            wanted = self._lanes.with_paused(lane, paused)
            await self._database.write(store.set_setting, SETTING, wanted)
            self._lanes.restore(wanted)
        if not paused:
            self._lanes.clear(lane)
            self._supervisor.revive()
            if lane == "download":
                await self._downloads.reopen()
            elif self._lanes.broken is not None:
                await self._database.write(store.set_setting, BREAKER_SETTING, None)
                self._lanes.broken = None
        self._loop.emit(Pause(lane=lane, paused=paused))
        self._loop.emit(Wake())
        self._feed.publish("lane", id=lane, to_state="paused" if paused else "open")
        _logger.info("lane %s: %s", lane, "paused" if paused else "resumed")

    def snapshot(self) -> RuntimeSnapshot:
        """Return the state of this moment."""
        now = self._clock()
        state = self._loop.state
        return RuntimeSnapshot(
            incarnation=self._incarnation,
            started_at=self._started_utc,
            uptime_s=now - self._started_at,
            draining=state.draining,
            workers=tuple(self._worker(worker, now) for worker in self._supervisor.workers.values()),
            slots_free=state.slots.free_count(),
            slots_total=state.slots.count,
            lanes=tuple(self._explained(lane) for lane in self._lanes.snapshot(now)),
            rates=self._rates(now),
            gate=self._downloads.gate_snapshot(),
            gpus=self._gpus.snapshot(self._devices),
            spool=self._downloads.spool_snapshot(),
            stale_results=self._effects.stale_results,
            versions=dict(self._supervisor.versions),
        )

    def analyzers(self) -> tuple[AnalyzerFacts, ...]:
        """Return what the workers said about their analyzers, and their cost; empty before the first is ready."""
        facts, refusals = self._supervisor.facts, self._loop.state.refusals
        return tuple(refusals.of(self.costs.of(facts[name])) for name in sorted(facts))

    def subscribe(self) -> AsyncIterator[Event]:
        """Return the events from now on."""
        return self._feed.subscribe()

    def _explained(self, lane: LaneSnapshot) -> LaneSnapshot:
        """Add what stands in the way without anybody having paused the lane."""
        if lane.reason is not None:
            return lane
        gate = self._downloads.gate
        kind = "download" if lane.lane == "download" else "cpu"
        states = [w.state for w in self._supervisor.workers.values() if w.spec.kind == kind]
        if not states:
            return replace(lane, reason=f"there are no {kind} workers; see {kind}.workers in the settings")
        if all(state == "out_of_service" for state in states):
            reason = f"every {kind} worker died too often; see their logs, then `tiktokctl resume {lane.lane}`"
            return replace(lane, reason=reason)
        return replace(lane, reason=gate.reason) if lane.lane == "download" and gate.reason else lane

    def _worker(self, worker: Worker, now: float) -> WorkerSnapshot:
        beat = worker.heartbeat
        busy = worker.request is not None
        about_it = beat is not None and worker.request is not None and beat.ticket == worker.request.ticket
        return WorkerSnapshot(
            name=worker.spec.name,
            kind=worker.spec.kind,
            pid=worker.child.pid if worker.child else None,
            state=seen_as(worker),
            id=worker.request.id if worker.request else None,
            stage=STAGES[type(worker.request).__name__] if busy else None,
            progress_ratio=beat.progress_ratio if beat and about_it else None,
            detail=beat.detail if beat and about_it else None,
            jobs_done=worker.jobs_done,
            restarts=worker.restarts,
            rss_mib=beat.rss_mib if beat and worker.child else None,
            since_at=self._utc() - (now - worker.since),
            device=worker.spec.device if worker.spec.kind == "gpu" else None,
        )

    def _rates(self, now: float) -> Rates:
        done = self._effects.completed
        return Rates(
            downloads_per_minute=self._effects.downloaded.per_second(now, 60.0) * 60,
            videos_per_hour_1m=done.per_second(now, 60.0) * 3600,
            videos_per_hour_10m=done.per_second(now, 600.0) * 3600,
            videos_per_hour_1h=done.per_second(now, 3600.0) * 3600,
            bottleneck=bottleneck(self._load(now)),
        )

    def _load(self, now: float) -> Load:
        state = self._loop.state
        waiting = [step for job in state.jobs.values() for step in job.waiting()]
        workers = self._supervisor.workers.values()
        return Load(
            downloads_waiting=state.ask_at.get("download", now) <= self._downloads.gate.opens_at(now),
            gate_closed=self._downloads.gate.opens_at(now) > now,
            busy={
                kind: (
                    sum(w.state == "busy" for w in workers if w.spec.kind == kind),
                    sum(w.spec.kind == kind for w in workers),
                )
                for kind in ("download", "cpu", "gpu")
            },
            slots_free=state.slots.free_count(),
            gpu_backlog=sum(step.place == "gpu" for step in waiting),
            cpu_backlog=sum(step.place == "cpu" for step in waiting),
        )


def seen_as(worker: Worker) -> WorkerState:
    """Return a worker's state for people: one that waits for its first start has not failed, it is starting."""
    return "starting" if worker.state == "backoff" and not worker.restarts else worker.state
