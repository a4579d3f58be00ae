"""Rows of the store as what users see: lines of `list`, videos of the export. Knows no SQL and no HTTP."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from tiktokd.errors import Failure
from tiktokd.model import FINAL, State
from tiktokd.protocol import ItemOutcome, VideoRow
from tiktokd.scheduler.store import JobEvent, Outcome, Record, Video

KEPT = "what an earlier run found stays, see `tiktokctl show` and `export`"
TITLE_CHARS = 200
"""Of a title in a list; a caption may have 4,000. `show` and the export have all of it."""


def iso(at: float | None) -> str | None:
    """Return UTC seconds as ISO 8601 with milliseconds, `2026-01-31T12:00:00.123Z`; `None` stays `None`."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(text: str) -> float:
    """Return an ISO 8601 date or time as UTC seconds; without a zone it is UTC.

    Raises:
        ValueError: it is neither.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def error_of(failure: Failure | None) -> dict[str, Any] | None:
    """Return the failure as in the export; `None` where there is none."""
    if failure is None:
        return None
    return {"class": failure.failure_class, "stage": failure.stage, "message": failure.message}


def row_of(video: Video, title: str | None) -> VideoRow:
    """Return one line of `list`; `title` is the post's own, `None` where it has none yet."""
    local = urlsplit(video.url)
    if title is None and local.scheme == "file":
        title = unquote(local.path.rpartition("/")[2])
    waits = video.not_before > 0 and video.state in (State.PENDING, State.DOWNLOADED)
    return VideoRow(
        id=video.id,
        url=video.url,
        state=video.state.value,
        priority=video.priority,
        attempts=_attempts(video),
        enqueued_at=iso(video.enqueued_at) or "",
        finished_at=iso(video.finished_at),
        title=None if title is None else title[:TITLE_CHARS],
        not_before_at=iso(video.not_before) if waits else None,
        worker=video.worker,
        error=error_of(video.failure),
    )


def export_of(record: Record) -> dict[str, Any]:
    """Return one video of the export; the order of the keys is that of the documentation."""
    video = record.video
    return {
        "id": video.id,
        "url": video.url,
        "state": video.state.value,
        "priority": video.priority,
        "attempts": _attempts(video),
        "enqueued_at": iso(video.enqueued_at),
        "finished_at": iso(video.finished_at),
        "error": error_of(video.failure) if video.state is State.FAILED else None,
        "metadata": record.metadata.model_dump() if record.metadata else {},
        "analysis": dict(record.outputs),
        "timings": dict(record.timings),
        "facts": record.facts,
    }


def detail_of(record: Record, history: list[JobEvent]) -> dict[str, Any]:
    """Return one video with everything that a person may ask about it."""
    video = record.video
    return {
        **export_of(record),
        "error": error_of(video.failure),
        "worker": video.worker,
        "not_before_at": iso(video.not_before) if video.not_before > 0 and video.state not in FINAL else None,
        "analyzers": video.analyzers,
        "media": {"path": video.media_path, "sha256": video.media_sha256, "bytes": video.media_bytes},
        "history": [
            {"at": iso(event.at), "event": event.event, "from": event.from_state, "to": event.to_state,
             "reason": event.reason}
            for event in history
        ],
    }  # fmt: skip


def outcome_of(given: str, outcome: Outcome, done: str) -> ItemOutcome:
    """Return what a verb did to one video; `done` is the verb's past participle."""
    if outcome.state is None:
        return ItemOutcome(input=given, outcome="not_found", reason="there is no such video in the queue")
    if outcome.outcome == "unchanged":
        reason = f"it is {outcome.state.value}"
        return ItemOutcome(input=given, outcome="unchanged", id=outcome.id, state=outcome.state.value, reason=reason)
    kept = KEPT if outcome.has_results and outcome.state is State.CANCELLED else None
    return ItemOutcome(input=given, outcome=done, id=outcome.id, state=outcome.state.value, reason=kept)


def _attempts(video: Video) -> dict[str, int]:
    return {
        "download": video.download_attempts,
        "processing": video.processing_attempts,
        "crashes": video.crashes,
    }
