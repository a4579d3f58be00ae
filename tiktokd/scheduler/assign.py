"""Who gets what next: waiting steps to free workers, room to claims. Deterministic, as `dispatch` is.

Back-pressure is free slots and free workers: a video is claimed only when what it needs first is free, so nothing can
pile up here.
"""

from math import inf

from tiktokd.messages import Analyze, Decode, Download, Fuse
from tiktokd.model import PRIORITY_MAX, Claim
from tiktokd.protocol import LANES, Lane
from tiktokd.scheduler.commands import AskClaim, Command, Send, Work
from tiktokd.scheduler.jobs import GROUPS, Job, State, Step
from tiktokd.worker import Kind


def assign(state: State, now: float, commands: list[Command]) -> None:
    """Give waiting steps to free workers, the most urgent first."""
    hungry = state.gpu_serves() and not any(s.kind == "gpu" for job in state.jobs.values() for s in job.waiting())
    waiting = [(job, s) for job in state.jobs.values() if job.goes_on() for s in job.waiting() if s.not_before <= now]
    waiting.sort(key=lambda pair: _urgency(*pair, hungry=hungry))
    for job, todo in waiting:
        name = _free_worker(state, todo.place, now)
        if name is None:
            continue
        worker = state.workers[name]
        worker.free = False
        if todo.kind == "gpu":
            worker.not_before = now + state.limits.gpu_gap_s
        job.tickets += 1
        todo.worker, todo.ticket, todo.sent_at = name, f"{job.claim.token}/{job.tickets}", now
        commands.append(Send(worker=name, request=_request(state, job, todo)))


def _free_worker(state: State, kind: Kind, now: float) -> str | None:
    """Return the first worker of `kind` that may take a request."""
    free = (name for name, w in state.workers.items() if w.free and w.kind == kind and w.not_before <= now)
    return next(free, None)


def _urgency(job: Job, todo: Step, *, hungry: bool) -> tuple[int, bool, float]:
    """Finishing comes before starting, because it frees slots; but a GPU without a clip goes before CPU analyses."""
    order = {"fuse": 0, "decode": 1 if hungry else 3}.get(todo.kind, 2)
    return order, job.claim.priority != PRIORITY_MAX, job.claimed_at


def _request(state: State, job: Job, todo: Step) -> Work:
    claim, ticket, clip, wanted = job.claim, todo.ticket, job.clip, _wanted(state, job.claim)
    if todo.kind == "download":
        return Download(
            ticket=ticket, id=claim.id, url=claim.url, attempt_dir=f"{state.limits.attempts_dir}/{claim.token}"
        )
    if todo.kind == "decode" and job.slot is not None:
        slot, generation = job.slot
        return Decode(
            ticket=ticket,
            id=claim.id,
            path=claim.media_path or "",
            slot=slot,
            generation=generation,
            analyzers=wanted,
            kept=_kept(claim),
            halves=state.gpu_serves(),
        )
    if clip is None:
        raise AssertionError(f"{claim.id}: {todo.kind} before decode")
    if todo.kind == "fuse":
        return Fuse(
            ticket=ticket,
            id=claim.id,
            facts=clip.facts,
            outputs={**claim.kept, **job.outputs},
            signals=job.signals,
            metadata=claim.metadata,
            analyzers=wanted,
            kept=_kept(claim),
        )
    group = next(name for name in GROUPS if name == todo.kind)
    return Analyze(
        ticket=ticket,
        id=claim.id,
        clip=clip,
        group=group,
        analyzers=wanted,
        metadata=claim.metadata,
        kept=_kept(claim),
        features=job.features,
    )


def _kept(claim: Claim) -> dict[str, str]:
    """Return analyzer → version of the results that need not be made anew.

    An error is none, and neither is one for which a model or a GPU was missing: either may be here now.
    """
    return {name: e.version for name, e in claim.kept.items() if e.status != "error" and not e.was_impossible()}


def _wanted(state: State, claim: Claim) -> tuple[str, ...]:
    return state.analyzers if claim.analyzers is None else tuple(claim.analyzers)


def ask(state: State, now: float, commands: list[Command]) -> None:
    """Claim the next video of each lane that has room; one claim at a time and lane."""
    for lane in LANES:
        if state.draining or lane in state.paused or lane in state.asking or state.ask_at.get(lane, now) > now:
            continue
        if _has_room(state, lane):
            state.asking.add(lane)
            commands.append(AskClaim(lane=lane))


def _has_room(state: State, lane: Lane) -> bool:
    """Whether the first worker that a new video of this lane needs would be free for it."""
    kind: Kind = "download" if lane == "download" else "cpu"
    if not any(worker.free and worker.kind == kind for worker in state.workers.values()):
        return False
    if lane == "download":
        return True
    if not state.slots.free_count():
        return False
    ahead = sum(any(map(_before_gpu, job.steps)) for job in state.jobs.values())
    gpus = state.limits.gpu_workers - len(state.retired_gpus)
    return gpus <= 0 or ahead < state.limits.prefetch * gpus


def next_wake(state: State, now: float) -> float:
    """Return the monotonic time at which a `Wake` may make a difference; `inf`: none."""
    times = [
        *(s.not_before for job in state.jobs.values() for s in job.waiting()),
        *(at for lane, at in state.ask_at.items() if lane not in state.paused and not state.draining),
        *(w.not_before for w in state.workers.values() if w.free),
    ]
    return min((at for at in times if at > now), default=inf)


def _before_gpu(todo: Step) -> bool:
    return todo.kind == "decode" or (todo.kind == "gpu" and todo.worker is None)
