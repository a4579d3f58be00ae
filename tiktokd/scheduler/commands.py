"""What the dispatcher can order, as values. Knows not how any of it is done."""

from collections.abc import Mapping
from dataclasses import dataclass

from tiktokd.errors import Failure
from tiktokd.messages import Analyze, Decode, Download, Downloaded, Fuse
from tiktokd.model import Claim, Envelope, MediaFacts, Signals, VideoRef
from tiktokd.protocol import Lane

Work = Download | Decode | Analyze | Fuse
"""The requests that a worker answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskClaim:
    """Claim the next video of a lane; answered by `Claimed`."""

    lane: Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Give a request to a worker that is free; answered by `Answered` or `Lost`."""

    worker: str
    request: Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """End the worker's process; what it holds is answered `Failed`, nobody is blamed."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Move the downloaded file into the spool and say so in the row; answered by `Stored`."""

    claim: Claim
    answer: Downloaded
    download_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """Store the results; answered by `Stored`."""

    claim: Claim
    outputs: dict[str, Envelope]
    signals: Signals
    facts: MediaFacts
    timings: dict[str, float]
    """Stage → seconds: `decode_s` of wall time, `decode_cpu_s` of CPU time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Decide over a failure (retry, fail, pause) and write it; answered by `Stored`."""

    claim: Claim
    lane: Lane
    failure: Failure
    crashed: bool
    """The failure is the death of a worker."""
    crashes: int
    """Deaths counted against this video before this one."""
    spared: bool = False
    """Put it back uncharged instead: the processing is paused for these deaths."""
    requests: int = 0
    """HTTP requests that the failed download made, for the rate gate."""
    resolved: VideoRef | None = None
    """The video behind the short link that the failed download followed; `None` where there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteCrash:
    """Count a death against a video whose work goes on; not answered."""

    claim: Claim
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBreaker:
    """Pause the processing until a person resumes it, and put back what these deaths made poison; not answered."""

    deaths: Mapping[str, int]
    """Video id → deaths since a video was last completed."""
    failure: Failure
    """The latest of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Nothing of a cancelled claim is under way any more; not answered."""

    claim: Claim
    lane: Lane


Command = AskClaim | Send | Kill | Keep | Complete | Settle | NoteCrash | OpenBreaker | Dropped
