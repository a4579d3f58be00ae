"""What the daemon tells those who ask, as values; and what the verbs need of the running daemon. Knows no transport.

Standard library only: `tiktokctl` imports this file on every start. Times called `…_at` are UTC seconds since 1970;
`None` always means "not known" or "none", as the field says. Fields may be added, never renamed or removed.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from tiktokd.messages import AnalyzerFacts

API_VERSION = 1
"""Raised when an answer changes in a way that an older client would misread."""
HOST = "tiktokd"
"""The one Host that the socket accepts: a browser that was led to it by a name sends another."""
MAX_TEXT_CHARS = 8192
"""Of one URL or path: Linux allows paths of 4096 bytes, and share links stay below 1000 characters."""
API_HEADER = "X-Tiktokd-Api"
VERSION_HEADER = "X-Tiktokd-Version"

Lane = Literal["download", "processing"]
LANES: tuple[Lane, ...] = ("download", "processing")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSnapshot:
    """One worker process."""

    name: str
    """`download_worker_0`: also the name of its log file."""
    kind: str
    """download, cpu or gpu."""
    pid: int | None
    """`None` while there is no process: starting, or out of service."""
    state: str
    """starting, idle, busy, stopping, backoff (waits before a restart) or out_of_service."""
    id: str | None = None
    """The video it holds; of several, the oldest."""
    stage: str | None = None
    """download, decode, analyze or fuse; `None` while idle."""
    progress_ratio: float | None = None
    """0..1 of the request in hand."""
    detail: str | None = None
    """For people: `3.1 of 8.0 MiB`, `on_screen_text`."""
    jobs_done: int = 0
    """Requests answered since the daemon started, over all processes of this name."""
    restarts: int = 0
    rss_mib: float | None = None
    since_at: float | None = None
    """When it entered this state."""
    device: str | None = None
    """`cuda:0`; `None` for workers without a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSnapshot:
    """Whether new work is handed out in one lane."""

    lane: Lane
    paused: bool
    reason: str | None = None
    """Who paused it, or what is in the way (disk full, breaker open, no downloader); `None` where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSnapshot:
    """The rate gate of the downloads."""

    per_minute: float
    """Requests per minute allowed now, slow-downs included."""
    configured_per_minute: float
    min_gap_s: float
    next_at: float | None = None
    """When the next download may start; `None`: now."""
    slowdown_ratio: float = 1.0
    """1 = full speed; 0.25 = a quarter, after throttling."""
    breaker: str | None = None
    """Why the circuit breaker is open; `None` while it is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How fast work gets done."""

    downloads_per_minute: float = 0.0
    """Over the last minute."""
    videos_per_hour_1m: float = 0.0
    """Videos completed, over the last minute, as a rate per hour."""
    videos_per_hour_10m: float = 0.0
    videos_per_hour_1h: float = 0.0
    bottleneck: str | None = None
    """The stage that holds the others up: download, rate_gate, decode, cpu or gpu; `None` while idle or not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSnapshot:
    """One GPU."""

    device: str
    """`cuda:0`."""
    name: str | None = None
    utilisation_ratio: float | None = None
    """NVML's share of time with any kernel running, 0..1."""
    sm_ratio: float | None = None
    """GPM: share of multiprocessors busy, 0..1; `None` before Hopper."""
    tensor_ratio: float | None = None
    dram_ratio: float | None = None
    memory_used_mib: float | None = None
    memory_total_mib: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    starved_s: float | None = None
    """Seconds in which no batch could be formed, since the worker started."""
    blocked_s: float | None = None
    batch_fill_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolSnapshot:
    """Media files kept on disk."""

    videos: int
    bytes: int
    limit_videos: int
    limit_bytes: int
    free_bytes: int | None = None
    """Free room on its file system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSnapshot:
    """What only the running loop knows, at one moment."""

    incarnation: str
    """Differs for each start of the daemon."""
    started_at: float
    uptime_s: float
    draining: bool = False
    workers: tuple[WorkerSnapshot, ...] = ()
    slots_free: int = 0
    slots_total: int = 0
    lanes: tuple[LaneSnapshot, ...] = ()
    rates: Rates = field(default_factory=Rates)
    gate: GateSnapshot | None = None
    gpus: tuple[GpuSnapshot, ...] = ()
    spool: SpoolSnapshot | None = None
    stale_results: int = 0
    """Reports of replaced claims that were dropped."""
    versions: dict[str, str] = field(default_factory=dict)
    """Package → version, from the workers' `Ready`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. The kinds: video (a transition), worker, lane, lag (some were missed: ask again)."""

    seq: int
    """Counts up by one from 1 within one incarnation."""
    at: float
    kind: str
    id: str | None = None
    """The video, or the worker's name, or the lane."""
    from_state: str | None = None
    to_state: str | None = None
    detail: str | None = None


class Runtime(Protocol):
    """What the verbs need of the running loop."""

    def wake(self) -> None:
        """Rows have changed: look for work again."""

    async def cancel(self, ids: Collection[str]) -> None:
        """Stop work in flight on these videos; returns once it has stopped."""

    async def set_paused(self, lane: Lane, paused: bool) -> None:
        """Pause or resume one lane, over restarts too; returns once it holds."""

    def snapshot(self) -> RuntimeSnapshot:
        """Return the state of this moment."""

    def analyzers(self) -> "tuple[AnalyzerFacts, ...]":
        """Return what the workers said about their analyzers; empty before the first is ready."""

    def subscribe(self) -> AsyncIterator[Event]:
        """Return the events from now on; bounded, a reader that is too slow gets one of kind `lag`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome:
    """What became of one item of a request, in the order of the request."""

    input: str
    """As sent."""
    outcome: str
    """added, duplicate or invalid; cancelled, requeued, reanalyzed, updated, unchanged or not_found."""
    id: str | None = None
    url: str | None = None
    state: str | None = None
    """State of the row after the request."""
    reason: str | None = None
    """Why it was not done; of what was done, what else there is to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Answer to every request that names videos."""

    items: tuple[ItemOutcome, ...]
    counts: dict[str, int]
    """Outcome → number of items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer(RuntimeSnapshot):
    """`GET /api/status`."""

    counts: dict[str, int]
    """Videos per state; every state is there."""
    next_download_at: float | None
    """When the next pending video is due: the gate and the earliest backoff; `None`: now, or nothing waits."""
    version: str
    api_version: int
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRow:
    """One line of `list`."""

    id: str
    url: str
    state: str
    priority: int
    attempts: dict[str, int]
    """Failed attempts by stage: download, processing; and crashes."""
    enqueued_at: str
    """ISO 8601 UTC, as in the export."""
    finished_at: str | None = None
    title: str | None = None
    """The post's title, its beginning only, or a local file's name; `None` before the download."""
    not_before_at: str | None = None
    """It waits until then before the next attempt; `None`: it does not."""
    worker: str | None = None
    error: dict[str, Any] | None = None
    """`{"class", "stage", "message"}` of the last failure; `None` where it completed or has not failed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`GET /api/videos`."""

    videos: tuple[VideoRow, ...]
    next: str | None
    """Send it back as `after` for the next page; `None` on the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupAnswer:
    """`POST /api/cleanup`."""

    dry_run: bool
    media_files: int
    media_bytes: int
    events: int
    metrics: int
    logs: int
