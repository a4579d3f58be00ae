"""Keeps the workers alive and makes sure that each request gets exactly one answer. Knows nothing of the queue.

A worker's end is seen by its sentinel within milliseconds, whatever ended it; what it held is answered on its behalf.
Runs on the daemon's event loop; the clock arrives through `tick`.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import get_args

from tiktokd import log, selection
from tiktokd.config import Config
from tiktokd.errors import Failure, ProtocolError, failure_of
from tiktokd.messages import Analyzed, AnalyzerFacts, Decoded, Downloaded, Failed, Heartbeat, Message, Ready, Stop
from tiktokd.scheduler.child import Child, WorkerSpec, how_it_ended
from tiktokd.scheduler.commands import Work
from tiktokd.scheduler.events import Answered, Event, Lost, Result, WorkerDown, WorkerUp
from tiktokd.scheduler.restarts import CrashLimits, Health, after_death, after_good_answer, after_intended_end
from tiktokd.scheduler.worker_state import Worker, WorkerState, stage_of, why_late
from tiktokd.worker import SharedRegion

STARTING = max(2, len(os.sched_getaffinity(0)))
"""Workers that start at the same time; more would only make the first one wait. GPU workers, which load models for a
minute, are not counted."""
LOG_LINES = 5
"""Last lines of a dead worker's log that go into the report."""
STILL_S = 10.0
"""More time than this between two ticks (twice a second) is time in which we or the whole machine stood still."""
_GIVES = {"download": Downloaded, "decode": Decoded, "analyze": Analyzed, "fuse": Analyzed}
"""Stage → what a request of it is answered with, if not with `Failed`."""

_logger = logging.getLogger(__name__)


class Supervisor:
    """The workers by name."""

    def __init__(
        self,
        specs: Sequence[WorkerSpec],
        config: Config,
        *,
        emit: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._config, self._emit, self._clock = config, emit, clock
        self.region: SharedRegion | None = None
        """The frame slots, to be set before the first `tick`; download workers never get them."""
        self._limits = CrashLimits(count=config.daemon.crash_loop_count, window_s=config.daemon.crash_loop_window_s)
        self.workers = {spec.name: Worker(spec=spec, since=clock(), health=Health(restart_at=0.0)) for spec in specs}
        self.versions: dict[str, str] = {}
        self.facts: dict[str, AnalyzerFacts] = {}
        """What the workers said about the analyzers: a GPU's where there is one, else the best tier."""
        self._gpu_told = False
        self._stopping = False
        self._ticked_at = clock()

    def send(self, name: str, request: Work) -> None:
        """Give a request to a worker; `Answered` or `Lost` follows."""
        worker = self.workers[name]
        if worker.child is None or worker.state != "idle" or worker.ended is not None:
            self._emit(Lost(worker=name, ticket=request.ticket))
            return
        try:
            worker.child.send(request)
        except ProtocolError as exc:  # too large: nobody has seen it, so the answer is ours to give
            failure = failure_of(exc, stage_of(request))
            self._emit(Answered(worker=name, answer=Failed(ticket=request.ticket, failure=failure)))
            return
        worker.request, worker.sent_at, worker.alive_at = request, self._clock(), self._clock()
        self._enter(worker, "busy")

    def kill(self, name: str, reason: str, *, blame: bool = False) -> None:
        """End a worker's process; another follows. `blame`: it counts as a crash of the video that it holds."""
        worker = self.workers[name]
        if worker.child is None or worker.ended is not None:
            return
        _logger.warning("%s is ended: %s", name, reason, extra={"video": getattr(worker.request, "id", None)})
        worker.ended, worker.blamed = reason, blame
        worker.child.kill()

    def revive(self) -> None:
        """Start workers that are out of service once more."""
        for worker in self.workers.values():
            if worker.state == "out_of_service":
                worker.health = Health(restart_at=self._clock())
                self._enter(worker, "backoff")

    def tick(self) -> None:
        """Start what is due, end what is late; call it about twice a second."""
        now = self._clock()
        self._forgive(now - self._ticked_at)
        self._ticked_at = now
        for worker in self.workers.values():
            if worker.state == "backoff" and not self._stopping:
                due = worker.health.restart_at is not None and now >= worker.health.restart_at
                if due and (worker.spec.kind == "gpu" or self._starting() < STARTING):
                    self._start(worker, now)
            elif worker.ended is None and worker.child is not None:
                self._end_if_late(worker, now)

    def _forgive(self, passed_s: float) -> None:
        """Where we stood still, nobody is late by that: their messages may lie in the pipe, unread."""
        for worker in self.workers.values() if passed_s > STILL_S else ():
            worker.started_at, worker.alive_at = worker.started_at + passed_s, worker.alive_at + passed_s
            worker.sent_at += passed_s

    async def close(self, *, grace_s: float = 0.0) -> None:
        """End every process and return when none is left; idle ones get `grace_s` seconds to go by themselves."""
        self._stopping = True
        for worker in self.workers.values():
            if worker.state == "idle" and grace_s > 0:
                self._tell_to_stop(worker)
            else:
                self.kill(worker.spec.name, "the daemon stops")
        children = [worker.child for worker in self.workers.values() if worker.child is not None]
        going = [asyncio.ensure_future(child.wait()) for child in children]
        if going:
            await asyncio.wait(going, timeout=grace_s or None)
        for worker in self.workers.values():
            self.kill(worker.spec.name, f"still there {grace_s:g} s after it was told to stop")
        await asyncio.gather(*going)

    def _starting(self) -> int:
        return sum(w.state == "starting" and w.spec.kind != "gpu" for w in self.workers.values())

    def _start(self, worker: Worker, now: float) -> None:
        worker.started_at = worker.alive_at = now
        worker.ended, worker.blamed, worker.jobs_of_process, worker.heartbeat = None, False, 0, None
        region = None if worker.spec.kind == "download" else self.region
        try:
            worker.child = Child(
                worker.spec,
                self._config,
                region,
                on_message=partial(self._on_message, worker),
                on_exit=partial(self._on_exit, worker),
            )
        except OSError as exc:
            _logger.error("cannot start %s: %s", worker.spec.name, exc)  # noqa: TRY400
            self._schedule(worker, now)
            in_service = worker.health.restart_at is not None
            self._emit(WorkerDown(worker=worker.spec.name, kind=worker.spec.kind, in_service=in_service))
            return
        self._enter(worker, "starting")

    def _end_if_late(self, worker: Worker, now: float) -> None:
        late = why_late(worker, self._config, now)
        if late is not None:
            self.kill(worker.spec.name, late.reason, blame=late.blame)

    def _on_message(self, worker: Worker, child: Child, message: Message) -> None:
        if child is not worker.child:
            return
        worker.alive_at = self._clock()
        if isinstance(message, Heartbeat):
            worker.heartbeat = message
        elif isinstance(message, Ready):
            self._on_ready(worker, message)
        elif isinstance(message, get_args(Result)) and worker.request is not None:
            if _fits(worker.request, message):
                self._on_answer(worker, message)
            else:
                self.kill(worker.spec.name, "answered a request that it does not hold", blame=True)

    def _on_ready(self, worker: Worker, ready: Ready) -> None:
        if worker.state != "starting":
            return
        self.versions |= ready.versions
        gpu = worker.spec.kind == "gpu"
        names = selection.select(self._config.analysis.analyzers, {each.name: each.group for each in ready.analyzers})
        on = selection.with_read(names, {each.name: each.reads for each in ready.analyzers})
        for fact in (replace(each, enabled=each.name in on) for each in ready.analyzers):
            known = self.facts.get(fact.name)
            # What a smaller model could do on a CPU is not what happens where there is a GPU.
            better = known is None or fact.tier == "full" or (known.tier == "none" and not self._gpu_told)
            if gpu or better:
                self.facts[fact.name] = fact
        self._gpu_told |= gpu
        self._enter(worker, "idle")
        self.tick()
        _logger.info("%s is ready, pid %d", worker.spec.name, ready.pid)
        self._emit(WorkerUp(worker=worker.spec.name, kind=worker.spec.kind, analyzers=names))

    def _on_answer(self, worker: Worker, answer: Result) -> None:
        worker.request = None
        worker.jobs_done += 1
        worker.jobs_of_process += 1
        worker.health = worker.health if isinstance(answer, Failed) else after_good_answer(worker.health)
        self._enter(worker, "idle")
        if worker.jobs_of_process >= self._config.daemon.recycle_after_jobs:
            # First, so that the dispatcher does not see a free worker for a moment.
            self._emit(WorkerDown(worker=worker.spec.name, kind=worker.spec.kind, in_service=True))
            self._tell_to_stop(worker)
        self._emit(Answered(worker=worker.spec.name, answer=answer))

    def _tell_to_stop(self, worker: Worker) -> None:
        if worker.child is not None:
            self._enter(worker, "stopping")
            worker.child.send(Stop())

    def _on_exit(self, worker: Worker, child: Child, code: int) -> None:
        if child is not worker.child:
            return
        worker.child = None
        how = worker.ended or how_it_ended(code)
        crashed = worker.blamed or (worker.ended is None and worker.state != "stopping")
        if crashed or worker.request is not None:
            _logger.warning("%s: %s", worker.spec.name, how, extra={"video": getattr(worker.request, "id", None)})
        now = self._clock()
        if crashed:
            self._schedule(worker, now)
        else:
            worker.health = after_intended_end(worker.health, now=now)
            self._enter(worker, "backoff")
        in_service = worker.health.restart_at is not None
        self._emit(WorkerDown(worker=worker.spec.name, kind=worker.spec.kind, in_service=in_service))
        if worker.request is not None:
            request, worker.request = worker.request, None
            failed = Failed(ticket=request.ticket, failure=self._obituary(worker, request, how, crashed=crashed))
            self._emit(Answered(worker=worker.spec.name, answer=failed, crashed=crashed))
        self.tick()

    def _schedule(self, worker: Worker, now: float) -> None:
        worker.restarts += 1
        worker.health = after_death(worker.health, started_at=worker.started_at, now=now, limits=self._limits)
        if worker.health.restart_at is None:
            _logger.error(
                "%s died %d times within %g s and is out of service; `tiktokctl resume` tries again",
                worker.spec.name,
                self._limits.count,
                self._limits.window_s,
            )
        self._enter(worker, "backoff" if worker.health.restart_at is not None else "out_of_service")

    def _obituary(self, worker: Worker, request: Work, how: str, *, crashed: bool) -> Failure:
        stage = stage_of(request)
        lines = log.last_lines(self._config.log_dir / f"{worker.spec.name}.log", LOG_LINES)
        last = "; last log lines: " + " | ".join(lines) if lines and crashed else ""
        doing = f" ({worker.heartbeat.detail})" if worker.heartbeat and worker.heartbeat.detail else ""
        message = f"{worker.spec.name}{doing}: {how}{last}"
        return Failure(failure_class="transient", stage=stage, message=message)

    def _enter(self, worker: Worker, state: WorkerState) -> None:
        worker.state, worker.since = state, self._clock()


def _fits(request: Work, answer: Result) -> bool:
    return answer.ticket == request.ticket and isinstance(answer, Failed | _GIVES[stage_of(request)])
