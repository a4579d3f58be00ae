"""What can happen to the dispatcher, as values. Knows neither queue nor process.

A bug report is a list of these events; a unit test is that list and the commands it must give.
"""

from dataclasses import dataclass

from tiktokd.messages import Analyzed, Decoded, Downloaded, Failed
from tiktokd.model import Claim
from tiktokd.protocol import Lane
from tiktokd.worker import Kind

Result = Downloaded | Decoded | Analyzed | Failed


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUp:
    """A worker is ready for requests."""

    worker: str
    kind: Kind
    analyzers: tuple[str, ...] = ()
    """Analyzers that the settings enable, among those that it knows; empty in a download worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDown:
    """A worker is gone, or about to go; what it held is answered next."""

    worker: str
    kind: Kind
    in_service: bool
    """True: another process of this name will follow; False: it has died too often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request has its one answer."""

    worker: str
    answer: Result
    crashed: bool = False
    """The worker ended while it held the request, and the request may be the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A request never reached a worker; it may be sent again."""

    worker: str
    ticket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Answer to a claim command."""

    lane: Lane
    claim: Claim | None
    """`None`: nothing is due."""
    again_at: float | None = None
    """Monotonic time at which asking again makes sense; `None`: after the next `Wake`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The last write of this claim is committed, or was found stale."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Look for work again."""

    rows_changed: bool = True
    """False: only a time has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Stop work on these videos; their rows say so already."""

    ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Hand out no new work in a lane, or do so again."""

    lane: Lane
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Take up nothing new any more."""


Event = WorkerUp | WorkerDown | Answered | Lost | Claimed | Stored | Wake | Cancel | Pause | Drain
