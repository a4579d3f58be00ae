"""What is remembered of a worker over all its processes, and whether it is late with something. Pure."""

from dataclasses import dataclass, field
from typing import Literal

from tiktokd.config import Config
from tiktokd.messages import Heartbeat
from tiktokd.scheduler.child import Child, WorkerSpec
from tiktokd.scheduler.commands import Work
from tiktokd.scheduler.restarts import Health
from tiktokd.worker import STAGES

WorkerState = Literal["starting", "idle", "busy", "stopping", "backoff", "out_of_service"]
STOP_S = 10.0
"""A child that was told to stop and is still there after this long is killed."""


@dataclass(slots=True)
class Worker:
    """One worker over all its processes. Times are monotonic seconds."""

    spec: WorkerSpec
    state: WorkerState = "backoff"
    since: float = 0.0
    child: Child | None = None
    started_at: float = 0.0
    alive_at: float = 0.0
    """Last message of this process."""
    request: Work | None = None
    """What it holds."""
    sent_at: float = 0.0
    heartbeat: Heartbeat | None = None
    health: Health = field(default_factory=Health)
    jobs_done: int = 0
    jobs_of_process: int = 0
    restarts: int = 0
    ended: str | None = None
    """Why we ended the process ourselves; `None`: we did not."""
    blamed: bool = False
    """The end that we brought about counts against the video and against the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """Why a process is to be ended."""

    reason: str
    blame: bool
    """It counts as a crash: of the worker, and of the video that it holds."""


def why_late(worker: Worker, config: Config, now: float) -> Late | None:
    """Return why a process that runs must be ended, or `None`. `now` is monotonic seconds."""
    limits = config.daemon
    if worker.state == "starting":
        # It shows no life before its imports are done; the one limit is for all of that.
        if now - worker.started_at > limits.start_timeout_s:
            return Late(reason=f"not ready after {limits.start_timeout_s:g} s", blame=True)
        return None
    if worker.state == "stopping" and now - worker.since > STOP_S:
        return Late(reason=f"still there {STOP_S:g} s after it was told to stop", blame=False)
    deadline_s = config.download.timeout_s if worker.spec.kind == "download" else config.analysis.timeout_s
    if worker.state == "busy" and worker.request is not None and now - worker.sent_at > deadline_s:
        stage = stage_of(worker.request)
        return Late(reason=f"no result of {stage} within {deadline_s:g} s", blame=stage != "download")
    if now - worker.alive_at > limits.stall_s:
        return Late(reason=f"no sign of life for {limits.stall_s:g} s", blame=True)
    return None


def stage_of(request: Work) -> str:
    """Return the stage that a failure of this request names."""
    return STAGES[type(request).__name__]
