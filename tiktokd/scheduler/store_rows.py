"""What the store takes and gives: rows as values. Knows tables only to name their columns."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from sqlalchemy.engine import Row

from tiktokd.errors import Failure
from tiktokd.model import PRIORITY_DEFAULT, Claim, Envelope, Metadata, State
from tiktokd.scheduler.stored_json import DamagedColumn

Json = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVideo:
    """One video to queue."""

    id: str
    url: str
    priority: int = PRIORITY_DEFAULT
    """1..10; 10 is urgent."""
    analyzers: tuple[str, ...] | None = None
    """Names to run; `None`: what the configuration says."""
    media_path: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    downloaded: bool = False
    """True for a file that is here already: the row starts as `downloaded` and the file is never deleted by us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of one `NewVideo`."""

    id: str
    """The real id where a known short link was given."""
    url: str
    outcome: Literal["added", "duplicate"]
    state: State
    """Where the video stands now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a verb did to one video."""

    id: str
    outcome: Literal["done", "unchanged", "unknown"]
    """unchanged: the verb does not apply in this state; unknown: there is no such video."""
    state: State | None
    """Where the video stands now; `None` where there is none."""
    has_results: bool = False
    """A run has completed before; what it found stays until another one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """One row of the queue. Times are UTC seconds."""

    seq: int
    """Order of arrival, the cursor of lists."""
    id: str
    url: str
    state: State
    priority: int
    enqueued_at: float
    """When a person last asked for it."""
    updated_at: float
    finished_at: float | None
    not_before: float
    """0: may start now."""
    download_attempts: int
    processing_attempts: int
    crashes: int
    """Workers that died while they held it, since a person last asked for it."""
    worker: str | None
    analyzers: tuple[str, ...] | None
    media_path: str | None
    media_sha256: str | None
    media_bytes: int | None
    failure: Failure | None
    """The latest one; `None` after success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One video with everything that is known about it."""

    video: Video
    metadata: Metadata | None
    facts: Json | None
    """Fields of `MediaFacts`."""
    outputs: Json
    """Analyzer name to envelope, as JSON values."""
    signals: Json
    timings: Mapping[str, float]
    """Seconds per stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One line of a video's history."""

    event_id: int
    id: str
    at: float
    event: str
    from_state: State | None
    """`None`: the row was born."""
    to_state: State
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A finished video's file in the spool."""

    id: str
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleanup:
    """What `cleanup` removed, or would remove."""

    media: tuple[Media, ...]
    """Files that no row names any more: the caller deletes them."""
    events: int
    metrics: int
    after: int | None
    """Give it to the next call; `None`: nothing is left to remove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolUsage:
    """What the spool holds according to the queue."""

    videos: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement."""

    name: str
    value: float
    subject: str = ""
    """A worker, a GPU; empty for the whole daemon."""
    at: float = field(default=0.0)
    """UTC seconds; 0 is replaced by the time of storing."""


NO_METADATA = Metadata()
"""Of a post that was not fetched; one for all, since it is frozen."""
UNREADABLE = Failure(failure_class="bug", stage="queue", message="its stored failure cannot be read")


def failure_from(value: Any) -> Failure | None:
    """Return a stored failure; a damaged one says so."""
    try:
        return None if value is None else Failure(**value)
    except TypeError:
        return UNREADABLE


def claim_from(row: Row[Any]) -> Claim:
    """Return the claim that a row of `RETURNING` describes.

    Raises:
        DamagedColumn: what it asks for cannot be read.
    """
    column = "analyzers" if row.rerun is None else "rerun"
    return Claim(
        id=row.id,
        url=row.url,
        token=row.claim_token,
        attempts=row.attempts,
        crashes=row.crashes,
        throttles=row.throttles,
        spooled=row.spooled,
        priority=row.priority,
        analyzers=_names(column, getattr(row, column)),
        media_path=row.media_path,
        metadata=_metadata(getattr(row, "metadata", None)) or NO_METADATA,
        last_failure=failure_from(row.failure),
    )


def video_from(row: Row[Any]) -> Video:
    """Return the video that a row holds."""
    values = {name: getattr(row, name) for name in Video.__dataclass_fields__}
    values["state"] = State(row.state)
    values["analyzers"] = _if_readable(partial(_names, "analyzers"), row.analyzers)
    values["failure"] = failure_from(row.failure)
    return Video(**values)


def record_from(row: Row[Any]) -> Record:
    """Return everything that a row of the queue joined with its analysis holds."""
    return Record(
        video=video_from(row),
        metadata=_if_readable(_metadata, row.metadata),
        facts=row.facts if isinstance(row.facts, dict) else None,
        outputs=mapping(row.outputs),
        signals=mapping(row.signals),
        timings=mapping(row.timings),
    )


def _names(column: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise DamagedColumn(column, value)
    return tuple(value)


def _metadata(value: Any) -> Metadata | None:
    try:
        return None if value is None else Metadata.model_validate(value)
    except ValueError as exc:
        raise DamagedColumn("metadata", value) from exc


def mapping(value: Any) -> Json:
    """Return a stored object; nothing of a damaged one can be shown."""
    return value if isinstance(value, dict) else {}


def envelopes(value: Any) -> dict[str, Envelope]:
    """Return the stored results that can be read; what a far older version wrote may not."""
    found = {}
    for name, stored in mapping(value).items():
        with suppress(ValidationError):
            found[name] = Envelope.model_validate(stored)
    return found


def _if_readable(read: Callable[[Any], T], value: Any) -> T | None:
    try:
        return read(value)
    except DamagedColumn:
        return None
