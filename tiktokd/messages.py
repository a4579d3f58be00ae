"""What the daemon and its children say to each other. Knows nothing of how it travels (`wire`) or who decides.

Requests are imperatives, answers are past participles. Every request carries a `ticket` and gets exactly one answer
with the same ticket: by the child, or by the supervisor on behalf of a child that died.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from tiktokd.errors import Failure
from tiktokd.model import Clip, Envelope, MediaFacts, Metadata, Signals, VideoRef

AnalysisGroup = Literal["cpu", "gpu", "all", "fallback"]
"""Which level-1 analyzers a worker runs: the CPU group, the GPU group, both (no GPU: lightweight ones only), or the
lightweight ones of the GPU group after the GPU has failed on this video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Fetch one post."""

    ticket: str
    id: str
    url: str
    attempt_dir: str
    """Empty folder of this attempt alone; the daemon removes it whatever happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decode:
    """Decode a media file into a slot."""

    ticket: str
    id: str
    path: str
    slot: int
    generation: int
    analyzers: tuple[str, ...] = ()
    """All names that this video wants."""
    kept: dict[str, str] = field(default_factory=dict)
    """As in `Analyze`."""
    halves: bool = False
    """A GPU and a CPU worker will analyze it: compute what both of them read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyze:
    """Level 1: run one group of analyzers over a decoded clip."""

    ticket: str
    id: str
    clip: Clip
    group: AnalysisGroup
    analyzers: tuple[str, ...]
    """All names that this video wants; the worker picks those of its group."""
    metadata: Metadata
    kept: dict[str, str] = field(default_factory=dict)
    """Analyzer → version of results of an earlier run that others may read instead of having them made anew."""
    features: dict[str, Any] = field(default_factory=dict)
    """As in `Decoded`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuse:
    """Level 2: run text and fusion analyzers over what level 1 found."""

    ticket: str
    id: str
    facts: MediaFacts
    outputs: dict[str, Envelope]
    """Of level 1, and those of an earlier run."""
    signals: Signals
    metadata: Metadata
    analyzers: tuple[str, ...]
    kept: dict[str, str] = field(default_factory=dict)
    """As in `Analyze`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Finish the turn and exit 0."""

    ticket: str = "stop"


Request = Download | Decode | Analyze | Fuse | Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzerFacts:
    """What a worker found out about one analyzer while it started."""

    name: str
    title: str
    group: str
    level: int
    tier: Literal["lite", "full", "none"]
    """The tier available now; `none`: it will be skipped."""
    reason: str | None
    """Why not full: a sentence with the command that would change it."""
    encoders: tuple[str, ...]
    """Those whose features it reads."""
    lightweight: bool
    enabled: bool = True
    """`analysis.analyzers` names it, or one that reads it; a video may ask for it all the same."""
    all_encoders: tuple[str, ...] = ()
    """The same and those that work for them in turn."""
    reads: tuple[str, ...] = ()
    """Analyzers whose results it reads: they run with it."""
    cost_ms: float | None = None
    """Mean milliseconds per video of the analyzer and `all_encoders`, measured by this daemon; encoders that several
    analyzers read run once and count for each. `None`: it has not run yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The child has loaded what it needs and waits for requests."""

    pid: int
    versions: dict[str, str] = field(default_factory=dict)
    """Of the packages that matter to this kind of child."""
    analyzers: tuple[AnalyzerFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The child lives; sent between requests and, by a thread, during them."""

    ticket: str | None
    """What it is working on; `None` while idle."""
    progress_ratio: float | None = None
    """0..1 of the current request; `None` where it is not known."""
    detail: str | None = None
    """For people: `3.1 of 8.0 MiB`, `on_screen_text`."""
    rss_mib: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """One post is on disk, checked to the end."""

    ticket: str
    path: str
    """Inside the attempt's folder; the daemon moves it into the spool."""
    sha256: str
    size_bytes: int
    metadata: Metadata
    resolved: VideoRef | None = None
    """The video behind the short link that was followed; `None` where there was none."""
    requests: int = 1
    """HTTP requests made, for the rate gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The clip lies in its slot."""

    ticket: str
    clip: Clip
    wall_ms: float
    cpu_ms: float
    features: dict[str, Any] = field(default_factory=dict)
    """Encoder → its features as `portable.pack` makes them, of those that both halves of the video read."""
    encoder_ms: dict[str, float] = field(default_factory=dict)
    """Wall time of each of those encoders; not part of `wall_ms`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyzed:
    """Results of one group, or of level 2."""

    ticket: str
    outputs: dict[str, Envelope]
    signals: Signals
    wall_ms: float
    cpu_ms: float
    encoder_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The request could not be done."""

    ticket: str
    failure: Failure
    requests: int = 0
    """HTTP requests made before it failed, for the rate gate."""
    resolved: VideoRef | None = None
    """The video behind the short link that was followed before it failed."""


Answer = Ready | Heartbeat | Downloaded | Decoded | Analyzed | Failed
Message = Request | Answer
