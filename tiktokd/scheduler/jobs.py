"""What the dispatcher remembers: claimed videos, workers that are up, limits. Decides nothing."""

from dataclasses import dataclass, field
from math import inf
from typing import Any

from tiktokd.errors import Failure
from tiktokd.messages import AnalysisGroup
from tiktokd.model import Claim, Clip, Envelope, Signals, VideoRef
from tiktokd.protocol import Lane
from tiktokd.scheduler.breaker import Breaker
from tiktokd.scheduler.costs import Costs
from tiktokd.scheduler.refusals import Refusals
from tiktokd.slots import SlotTable
from tiktokd.worker import Kind

StepKind = str
"""`download`, `decode`, `fuse`, or an analysis group (`cpu`, `gpu`, `all`, `fallback`)."""
GROUPS: tuple[AnalysisGroup, ...] = ("cpu", "gpu", "all", "fallback")


@dataclass(slots=True)
class Step:
    """One request of a job: waiting for a worker, or in the hands of one."""

    kind: StepKind
    worker: str | None = None
    """`None`: it waits."""
    ticket: str = ""
    sent_at: float = 0.0
    not_before: float = 0.0
    """Monotonic; a GPU that has just failed gets a moment."""

    @property
    def place(self) -> Kind:
        """Which kind of worker takes it."""
        return "download" if self.kind == "download" else "gpu" if self.kind == "gpu" else "cpu"

    def reads_only(self) -> bool:
        """Return whether it leaves what it works on as it was, so that another worker can do it again."""
        return self.kind not in ("download", "decode")


@dataclass(slots=True)
class Job:
    """One claimed video, from the claim to the last write. Times are monotonic seconds."""

    claim: Claim
    lane: Lane
    claimed_at: float
    steps: list[Step] = field(default_factory=list)
    """What has to happen before the next stage; done steps are taken out."""
    slot: tuple[int, int] | None = None
    """`(slot, generation)` while it holds one."""
    clip: Clip | None = None
    """What lies in the slot; stays known after the slot is given back, for its facts."""
    features: dict[str, Any] = field(default_factory=dict)
    """As in `messages.Decoded`."""
    outputs: dict[str, Envelope] = field(default_factory=dict)
    signals: Signals = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds per stage."""
    failure: Failure | None = None
    """The job ends with it as soon as nothing is under way."""
    crashed: bool = False
    """The failure was a worker's death."""
    spared: bool = False
    """That death is not held against the video: it is put back as if it had never been claimed."""
    requests: int = 0
    """HTTP requests that the failed download made."""
    resolved: VideoRef | None = None
    """The video behind the short link that the failed download followed; `None` where there was none."""
    crashes: int = 0
    """Deaths of workers during this claim whose work was taken up again."""
    gpu_failures: int = 0
    cancelled: bool = False
    sealed: bool = False
    """The last write is on its way; nothing more can happen to it but `Stored`."""
    tickets: int = 0
    """Requests made so far; part of each ticket, so that no two are alike."""

    def goes_on(self) -> bool:
        """Return whether nothing has ended it yet."""
        return self.failure is None and not self.cancelled

    def waiting(self) -> list[Step]:
        """Return the steps that nobody works on."""
        return [step for step in self.steps if step.worker is None]

    def under_way(self) -> list[Step]:
        """Return the steps that a worker holds."""
        return [step for step in self.steps if step.worker is not None]

    def step_of(self, ticket: str) -> Step | None:
        """Return the step with this ticket, or `None` where it is an old one."""
        return next((step for step in self.steps if step.worker is not None and step.ticket == ticket), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the settings say."""

    attempts_dir: str
    """Parent of the folders of download attempts."""
    gpu_workers: int = 0
    prefetch: int = 2
    """Clips that may wait, decoded or on their way, for each GPU worker."""
    gpu_attempts: int = 3
    """Failures on a GPU before the CPU takes over."""
    gpu_gap_s: float = 0.0
    """Least time between two videos on one GPU."""
    crashes: int = 2
    """Deaths of workers that make a video poison."""
    breaker_videos: int = 10
    """Different videos in a row whose workers died that pause the processing."""


@dataclass(slots=True)
class WorkerView:
    """What the dispatcher knows of a worker that is up."""

    kind: Kind
    free: bool = True
    not_before: float = 0.0
    """Monotonic; `gpu.per_minute` spreads a GPU's videos."""


@dataclass(slots=True)
class State:
    """Everything in flight."""

    limits: Limits
    slots: SlotTable
    analyzers: tuple[str, ...] = ()
    """Those that the settings enable; known when the first worker is up."""
    workers: dict[str, WorkerView] = field(default_factory=dict)
    retired_gpus: set[str] = field(default_factory=set)
    """GPU workers that died too often."""
    jobs: dict[str, Job] = field(default_factory=dict)
    """By claim token."""
    asking: set[Lane] = field(default_factory=set)
    """Lanes with a claim under way."""
    overtaken: set[Lane] = field(default_factory=set)
    """Lanes whose claim under way was asked for before rows changed: that nothing was due may be old news."""
    cancelled_unseen: dict[Lane, set[str]] = field(default_factory=dict)
    """Ids cancelled while the lane's claim was under way: it may be for one of them."""
    ask_at: dict[Lane, float] = field(default_factory=dict)
    """Monotonic time before which asking a lane is useless; `inf`: until something changes."""
    paused: set[Lane] = field(default_factory=set)
    breaker: Breaker = field(default_factory=Breaker)
    """Of the processing."""
    draining: bool = False
    costs: Costs = field(default_factory=Costs)
    refusals: Refusals = field(default_factory=Refusals)
    wake_at: float = inf
    """Monotonic time at which `Wake` may make a difference."""

    def gpu_serves(self) -> bool:
        """Return whether a GPU worker is in service, up or about to be."""
        return self.limits.gpu_workers > len(self.retired_gpus)
