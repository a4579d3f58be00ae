"""Decides what follows from what happened. Deterministic: the same events give the same commands; no clock, no I/O.

`step` takes one event, notes it in `State`, and returns the commands that follow. A bug report is a list of events.
"""

from math import inf
from typing import assert_never

from tiktokd.errors import Failure
from tiktokd.messages import Analyzed, Decoded, Downloaded, Failed
from tiktokd.scheduler.assign import ask, assign, next_wake
from tiktokd.scheduler.commands import Command, Complete, Dropped, Keep, Kill, NoteCrash, OpenBreaker, Settle
from tiktokd.scheduler.events import (
    Answered,
    Cancel,
    Claimed,
    Drain,
    Event,
    Lost,
    Pause,
    Stored,
    Wake,
    WorkerDown,
    WorkerUp,
)
from tiktokd.scheduler.jobs import Job, State, Step, WorkerView

GPU_REST_S = 2.0
"""Wait before a GPU tries a video again; out of memory passes when a neighbour's batch is done. The clip stays in its
slot, so this must be short: the queue's own backoff (30 s and more) would hold the memory for nothing."""
GPU_REST_FACTOR = 4.0


def step(state: State, event: Event, now: float) -> list[Command]:
    """Note `event` in `state` and return what to do, in order. `now` is monotonic seconds."""
    commands: list[Command] = []
    match event:
        case WorkerUp():
            state.workers[event.worker] = WorkerView(kind=event.kind)
            state.retired_gpus.discard(event.worker)
            state.refusals.said.clear()  # it may have found other files; the next video tells
            state.analyzers = event.analyzers or state.analyzers
        case WorkerDown():
            _worker_down(state, event)
        case Answered():
            commands += _answered(state, event, now)
        case Lost():
            _lost(state, event)
        case Claimed():
            _claimed(state, event, now)
        case Stored():
            state.jobs.pop(event.token, None)
            _rows_changed(state)
        case Wake():
            _wake(state, event, now)
        case Cancel():
            commands += _cancel(state, event.ids)
        case Pause():
            _pause(state, event)
        case Drain():
            state.draining = True
        case _:
            assert_never(event)
    commands += _close_finished(state)
    assign(state, now, commands)
    ask(state, now, commands)
    state.wake_at = next_wake(state, now)
    return commands


def _wake(state: State, event: Wake, now: float) -> None:
    """Rows changed: ask every lane again. A time came: only those whose time it is."""
    if event.rows_changed:
        _rows_changed(state)
    else:
        state.ask_at = {lane: at for lane, at in state.ask_at.items() if at > now}


def _rows_changed(state: State) -> None:
    state.ask_at.clear()
    state.overtaken |= state.asking


def _pause(state: State, event: Pause) -> None:
    (state.paused.add if event.paused else state.paused.discard)(event.lane)
    if event.lane == "processing" and not event.paused:
        state.breaker.close()


def _worker_down(state: State, event: WorkerDown) -> None:
    state.workers.pop(event.worker, None)
    if event.kind == "gpu" and not event.in_service:
        state.retired_gpus.add(event.worker)
        for job in state.jobs.values():
            for waiting in job.waiting():
                _wait_again(state, waiting)


def _claimed(state: State, event: Claimed, now: float) -> None:
    state.asking.discard(event.lane)
    overtaken = event.lane in state.overtaken
    state.overtaken.discard(event.lane)
    cancelled = state.cancelled_unseen.pop(event.lane, set())
    claim = event.claim
    if claim is None:
        if not overtaken:
            state.ask_at[event.lane] = inf if event.again_at is None else event.again_at
        return
    job = Job(claim=claim, lane=event.lane, claimed_at=now, cancelled=claim.id in cancelled)
    state.jobs[claim.token] = job
    if job.cancelled:
        return
    if event.lane == "download":
        job.steps.append(Step(kind="download"))
        return
    job.slot = state.slots.lease(claim.id)
    if job.slot is None:
        # `ask` saw a free slot, and nothing else takes one meanwhile.
        raise AssertionError(f"{claim.id} was claimed without a free slot")
    job.steps.append(Step(kind="decode"))


def _answered(state: State, event: Answered, now: float) -> list[Command]:
    worker = state.workers.get(event.worker)
    if worker is not None:
        worker.free = True
    found = _find(state, event.answer.ticket)
    if found is None:
        return []
    job, done = found
    match event.answer:
        case Failed():
            return _failed(state, job, done, event.answer, crashed=event.crashed, now=now)
        case Downloaded():
            return _downloaded(job, done, event.answer, now)
        case Decoded():
            return _decoded(state, job, done, event.answer)
        case Analyzed():
            return _analyzed(state, job, done, event.answer, now)
        case _:
            assert_never(event.answer)


def _downloaded(job: Job, done: Step, answer: Downloaded, now: float) -> list[Command]:
    job.steps.remove(done)
    if not job.goes_on():
        return []
    job.sealed = True
    return [Keep(claim=job.claim, answer=answer, download_s=now - done.sent_at)]


def _decoded(state: State, job: Job, done: Step, answer: Decoded) -> list[Command]:
    job.steps.remove(done)
    _time(job, "decode", answer.wall_ms, answer.cpu_ms)
    job.clip, job.features = answer.clip, answer.features
    state.costs.note_encoders(answer.encoder_ms)
    if answer.encoder_ms:
        job.timings["shared_s"] = round(sum(answer.encoder_ms.values()) / 1000, 4)
    if job.slot is not None:
        state.slots.ready(*job.slot)
    if job.goes_on():
        job.steps.extend(Step(kind=group) for group in (("gpu", "cpu") if state.gpu_serves() else ("all",)))
    return []


def _analyzed(state: State, job: Job, done: Step, answer: Analyzed, now: float) -> list[Command]:
    job.steps.remove(done)
    _time(job, "fuse" if done.kind == "fuse" else f"analyze_{done.kind}", answer.wall_ms, answer.cpu_ms)
    state.costs.note(answer)
    state.refusals.note(answer.outputs)
    job.outputs |= answer.outputs
    job.signals |= answer.signals
    if not job.goes_on() or job.steps or job.clip is None:
        return []
    if done.kind != "fuse":
        _free_slot(state, job)
        job.steps.append(Step(kind="fuse"))
        return []
    job.timings["total_s"] = round(now - job.claimed_at, 4)
    job.sealed = True
    state.breaker.completed()
    return [
        Complete(claim=job.claim, outputs=job.outputs, signals=job.signals, facts=job.clip.facts, timings=job.timings)
    ]


def _time(job: Job, stage: str, wall_ms: float, cpu_ms: float) -> None:
    job.timings[f"{stage}_s"] = round(wall_ms / 1000, 4)
    job.timings[f"{stage}_cpu_s"] = round(cpu_ms / 1000, 4)


def _failed(state: State, job: Job, done: Step, answer: Failed, *, crashed: bool, now: float) -> list[Command]:
    """The clip survives those who only read it; any other failure ends this claim."""
    if not job.goes_on():
        job.steps.remove(done)
        return []
    opened = _died(state, job, answer.failure) if crashed and job.lane == "processing" else []
    again = crashed and done.reads_only() and not job.spared
    if again and job.claim.crashes + job.crashes + 1 < state.limits.crashes:
        job.crashes += 1
        _wait_again(state, done)
        return [NoteCrash(claim=job.claim, failure=answer.failure)]
    if done.kind == "gpu" and not crashed:
        job.gpu_failures += 1
        done.not_before = now + GPU_REST_S * GPU_REST_FACTOR ** (job.gpu_failures - 1)
        if job.gpu_failures >= state.limits.gpu_attempts:
            done.kind, done.not_before = "fallback", now
        _wait_again(state, done)
        return []
    job.steps.remove(done)
    job.failure, job.crashed, job.requests, job.resolved = answer.failure, crashed, answer.requests, answer.resolved
    return opened


def _died(state: State, job: Job, failure: Failure) -> list[Command]:
    """Note that a video has ended its worker; where too many in a row did, all go back and none is taken up."""
    opens = state.breaker.died(job.claim.id, state.limits.breaker_videos)
    job.spared = state.breaker.is_open
    if not opens:
        return []
    state.paused.add("processing")
    for other in state.jobs.values():
        if other.lane == "processing" and other.goes_on() and not other.sealed:
            other.failure, other.spared = failure, True
    return [OpenBreaker(deaths=dict(state.breaker.deaths), failure=failure)]


def _wait_again(state: State, failed: Step) -> None:
    """Let the step wait for a worker; a GPU's share goes to the CPU where no GPU is left."""
    failed.worker = None
    if failed.kind == "gpu" and not state.gpu_serves():
        failed.kind = "fallback"


def _lost(state: State, event: Lost) -> None:
    state.workers.pop(event.worker, None)
    found = _find(state, event.ticket)
    if found is not None:
        _wait_again(state, found[1])


def _cancel(state: State, ids: frozenset[str]) -> list[Command]:
    """A GPU worker may finish its turn: its models take minutes to load again, a turn takes seconds."""
    commands: list[Command] = []
    for lane in state.asking:
        state.cancelled_unseen.setdefault(lane, set()).update(ids)
    for job in state.jobs.values():
        if job.claim.id not in ids or job.sealed:
            continue
        job.cancelled = True
        commands.extend(
            Kill(worker=busy.worker, reason=f"{job.claim.id} was cancelled")
            for busy in job.under_way()
            if busy.worker is not None and busy.place != "gpu"
        )
    return commands


def _close_finished(state: State) -> list[Command]:
    """End the jobs that have failed or were cancelled, once no worker touches their slot any more."""
    commands: list[Command] = []
    for token, job in list(state.jobs.items()):
        if job.goes_on() or job.sealed or job.under_way():
            continue
        job.steps.clear()
        _free_slot(state, job)
        if job.cancelled or job.failure is None:
            del state.jobs[token]
            commands.append(Dropped(claim=job.claim, lane=job.lane))
            continue
        job.sealed = True
        commands.append(
            Settle(
                claim=job.claim,
                lane=job.lane,
                failure=job.failure,
                crashed=job.crashed,
                crashes=job.claim.crashes + job.crashes,
                spared=job.spared,
                requests=job.requests,
                resolved=job.resolved,
            )
        )
    return commands


def _free_slot(state: State, job: Job) -> None:
    if job.slot is not None:
        state.slots.free(*job.slot)
        job.slot = None


def _find(state: State, ticket: str) -> tuple[Job, Step] | None:
    job = state.jobs.get(ticket.rpartition("/")[0])
    found = job.step_of(ticket) if job else None
    return (job, found) if job and found else None
