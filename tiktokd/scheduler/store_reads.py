"""Questions to the queue: counts, lists, one video, exports, history. Writes nothing, so it runs on the readers.

Lists walk by `seq` (keyset paging): page 10,000 costs as much as page 1, and memory does not grow with the table.
"""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiktokd.model import State
from tiktokd.scheduler import schema
from tiktokd.scheduler.store_rows import JobEvent, Record, Video, mapping, record_from, video_from

_queue = schema.processing_queue
_analysis = schema.video_analysis
_events = schema.job_events
_counters = schema.counters

_VIDEO = tuple(_queue.c[name] for name in Video.__dataclass_fields__)
_RECORD = (*_VIDEO, *(_analysis.c[name] for name in ("metadata", "facts", "outputs", "signals", "timings")))
_JOINED = _queue.outerjoin(_analysis, _analysis.c.seq == _queue.c.seq)


def counts(conn: Connection) -> dict[State, int]:
    """Return how many videos stand in each state; all states are there."""
    stored = {row.state: int(row.videos) for row in conn.execute(sa.select(_counters.c.state, _counters.c.videos))}
    return {state: stored.get(state, 0) for state in State}


def startable(conn: Connection) -> tuple[bool, bool]:
    """Return whether a video waits that could be claimed now for download, and one for processing."""
    found = [
        conn.execute(sa.select(_queue.c.seq).where(sa.text(schema.READY[state])).limit(1)).first() is not None
        for state in (State.PENDING, State.DOWNLOADED)
    ]
    return found[0], found[1]


def page(conn: Connection, *, state: State | None = None, limit: int = 50, after: int | None = None) -> list[Video]:
    """Return up to `limit` videos, the newest first; `after` is the `seq` of the last one of the page before."""
    query = sa.select(*_VIDEO).order_by(_queue.c.seq.desc()).limit(limit)
    if state is not None:
        query = query.where(sa.text(schema.IN_STATE[state]))
    if after is not None:
        query = query.where(_queue.c.seq < after)
    return [video_from(row) for row in conn.execute(query)]


def titles(conn: Connection, seqs: Collection[int]) -> dict[int, str]:
    """Return the titles of those posts that are known: after their download."""
    # read here and not by the database, which refuses the whole list for one damaged row
    rows = conn.execute(sa.select(_analysis.c.seq, _analysis.c.metadata).where(_analysis.c.seq.in_(seqs)))
    found = {row.seq: mapping(row.metadata).get("title") for row in rows}
    return {seq: title for seq, title in found.items() if isinstance(title, str) and title}


def get(conn: Connection, id: str) -> Record | None:
    """Return everything about one video; `None` where there is none. A resolved short link finds its video."""
    real = conn.scalar(sa.select(schema.short_links.c.id).where(schema.short_links.c.code == id))
    row = conn.execute(sa.select(*_RECORD).select_from(_JOINED).where(_queue.c.id == (real or id))).first()
    return None if row is None else record_from(row)


def history(conn: Connection, id: str, *, limit: int = 200) -> list[JobEvent]:
    """Return the latest events of one video, oldest first."""
    query = _event_query().where(_queue.c.id == id).order_by(_events.c.event_id.desc()).limit(limit)
    return [_event(row) for row in reversed(conn.execute(query).all())]


def events(conn: Connection, *, since_id: int, limit: int) -> list[JobEvent]:
    """Return up to `limit` events after `since_id`, oldest first."""
    query = _event_query().where(_events.c.event_id > since_id).order_by(_events.c.event_id).limit(limit)
    return [_event(row) for row in conn.execute(query)]


def last_event_id(conn: Connection) -> int:
    """Return the newest event's id, 0 where there is none: from where a new listener starts."""
    return int(conn.scalar(sa.select(sa.func.max(_events.c.event_id))) or 0)


def export_page(
    conn: Connection,
    *,
    state: State | None = None,
    since: float | None = None,
    after: int | None = None,
    limit: int = 200,
) -> list[Record]:
    """Return up to `limit` videos with all results, the oldest first; `after` is the `seq` of the last one before.

    Args:
        since: only videos that changed at or after this time (UTC seconds).
    """
    query = sa.select(*_RECORD).select_from(_JOINED).order_by(_queue.c.seq).limit(limit)
    if state is not None:
        query = query.where(sa.text(schema.IN_STATE[state]))
    if since is not None:
        query = query.where(_queue.c.updated_at >= since)
    if after is not None:
        query = query.where(_queue.c.seq > after)
    return [record_from(row) for row in conn.execute(query)]


def _event_query() -> sa.Select[Any]:
    names = ("event_id", "at", "event", "from_state", "to_state", "reason")
    return sa.select(*(_events.c[name] for name in names), _queue.c.id).join_from(
        _events, _queue, _queue.c.seq == _events.c.seq
    )


def _event(row: sa.Row[Any]) -> JobEvent:
    return JobEvent(
        event_id=row.event_id,
        id=row.id,
        at=row.at,
        event=row.event,
        from_state=None if row.from_state is None else State(row.from_state),
        to_state=State(row.to_state),
        reason=row.reason,
    )
