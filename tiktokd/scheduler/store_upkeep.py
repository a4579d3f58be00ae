"""Housekeeping: the spool's bookkeeping, cleanup, settings, worker rows, metrics. Deletes rows, never files."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiktokd.model import FINAL
from tiktokd.protocol import WorkerSnapshot
from tiktokd.scheduler import schema
from tiktokd.scheduler.store_rows import Cleanup, Media, Sample, SpoolUsage
from tiktokd.scheduler.stored_json import Damaged

_queue = schema.processing_queue
_events = schema.job_events
_metrics = schema.performance_metrics
_spooled = sa.text(schema.SPOOLED)
CLEANUP_LIMIT = 20_000
"""Events, and metrics, per call of `cleanup`: about 0.1 s of the writer."""
CHUNK = 500
"""Values per statement: below the 999 parameters that old SQLite allows."""


def evictable_media(conn: Connection, limit: int) -> list[Media]:
    """Return media in the spool of finished videos, the longest finished first: a cache that may go."""
    query = _media_query().order_by(_queue.c.finished_at).limit(limit)
    return [Media(id=row.id, path=row.media_path, size_bytes=row.media_bytes or 0) for row in conn.execute(query)]


def forget_media(conn: Connection, ids: Sequence[str]) -> list[str]:
    """Unlink finished videos from their spooled media and return the paths: the caller deletes the files afterwards.

    In this order, so that a crash in between leaves a file without a row (swept at the next start), never a row that
    promises a file that is gone.
    """
    paths: list[str] = []
    for start in range(0, len(ids), CHUNK):
        which = (_queue.c.id.in_(ids[start : start + CHUNK]), _queue.c.state.in_(FINAL), _spooled)
        paths += conn.scalars(sa.select(_queue.c.media_path).where(*which))
        conn.execute(sa.update(_queue).where(*which).values(media_path=None, media_bytes=None, spooled=False))
    return paths


def spool_usage(conn: Connection) -> SpoolUsage:
    """Return how many media files the queue keeps in the spool, and their bytes."""
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_queue.c.media_bytes), 0)).where(_spooled)
    videos, size = conn.execute(query).one()
    return SpoolUsage(videos=int(videos), size_bytes=int(size))


def known_media(conn: Connection, paths: Sequence[str]) -> set[str]:
    """Return those of `paths` that a row keeps in the spool; the rest are left-overs of a crash."""
    query = sa.select(_queue.c.media_path).where(_spooled)
    return set(conn.scalars(query)) & set(paths)


def follow_spool(conn: Connection, media_dir: str) -> int:
    """Let every row whose media lies in the spool name it below `media_dir`; return how many did not.

    Paths are stored as they are found, absolute. Where the state directory was moved, or restored from a backup at
    another place, its rows follow it here, at the next start: `<media_dir>/<last two of the id>/<id>.mp4`.
    """
    rows = conn.execute(sa.select(_queue.c.seq, _queue.c.media_path).where(_spooled)).all()
    moved = [(row.seq, PurePath(row.media_path)) for row in rows]
    moved = [(seq, path) for seq, path in moved if path.parent.parent != PurePath(media_dir)]
    for seq, path in moved:
        here = str(PurePath(media_dir, *path.parts[-2:]))
        conn.execute(sa.update(_queue).where(_queue.c.seq == seq).values(media_path=here))
    return len(moved)


def cleanup(
    conn: Connection, *, older_than: float, dry_run: bool, after: int = 0, limit: int = CLEANUP_LIMIT
) -> Cleanup:
    """Remove media, events and metrics of videos finished before `older_than` (UTC seconds); results stay.

    One call removes a bounded part, so that nobody waits long for the writer: call again with the answer's `after`
    until it is `None`. A dry run counts everything at once, on a reader.
    """
    media = _old_media(conn, older_than)
    if dry_run:
        events = conn.scalar(sa.select(sa.func.count()).select_from(_events).where(_old_events(older_than)))
        metrics = conn.scalar(sa.select(sa.func.count()).select_from(_metrics).where(_metrics.c.at < older_than))
        return Cleanup(media=media, events=int(events or 0), metrics=int(metrics or 0), after=None)
    forget_media(conn, [item.id for item in media])
    first = _next_event(conn, after) or after + 1
    window = _events.c.event_id.between(first, first + limit - 1)
    events = conn.execute(sa.delete(_events).where(window, _old_events(older_than))).rowcount
    metrics = conn.execute(
        sa.delete(_metrics).where(_metrics.c.metric_id.in_(_old_metrics(older_than, limit)))
    ).rowcount
    further = _next_event(conn, first + limit - 1) is not None or metrics == limit
    return Cleanup(media=media, events=events, metrics=metrics, after=first + limit - 1 if further else None)


def setting(conn: Connection, key: str) -> Any:
    """Return the JSON value stored under `key`; `None` where there is none that can be read."""
    value = conn.scalar(sa.select(schema.settings.c.value).where(schema.settings.c.key == key))
    return None if isinstance(value, Damaged) else value


def set_setting(conn: Connection, key: str, value: Any) -> None:
    """Store a JSON value under `key`."""
    if conn.execute(sa.update(schema.settings).where(schema.settings.c.key == key).values(value=value)).rowcount == 0:
        conn.execute(sa.insert(schema.settings).values(key=key, value=value))


def save_workers(conn: Connection, workers: Sequence[WorkerSnapshot], *, incarnation: str, now: float) -> None:
    """Replace the rows of all workers."""
    conn.execute(sa.delete(schema.worker_status))
    if workers:
        alike = ("name", "kind", "pid", "state", "jobs_done", "restarts", "rss_mib")
        more = {"incarnation": incarnation, "updated_at": now}
        rows = [
            {**{name: getattr(w, name) for name in alike}, "video_id": w.id, "since": w.since_at or now, **more}
            for w in workers
        ]
        conn.execute(sa.insert(schema.worker_status), rows)


def add_metrics(conn: Connection, samples: Sequence[Sample], *, now: float) -> None:
    """Append measurements."""
    if samples:
        rows = [{"at": s.at or now, "name": s.name, "subject": s.subject, "value": s.value} for s in samples]
        conn.execute(sa.insert(_metrics), rows)


def metrics(conn: Connection, *, since: float, name: str | None = None, limit: int = 10_000) -> list[Sample]:
    """Return the latest measurements at or after `since` (UTC seconds), oldest first."""
    table = schema.performance_metrics
    query = (
        sa.select(table).where(table.c.at >= since).order_by(table.c.at.desc(), table.c.metric_id.desc()).limit(limit)
    )
    if name is not None:
        query = query.where(table.c.name == name)
    rows = conn.execute(query).all()
    return [Sample(name=row.name, value=row.value, subject=row.subject, at=row.at) for row in reversed(rows)]


def _old_media(conn: Connection, older_than: float) -> tuple[Media, ...]:
    rows = conn.execute(_media_query().where(_queue.c.finished_at < older_than))
    return tuple(Media(id=row.id, path=row.media_path, size_bytes=row.media_bytes or 0) for row in rows)


def _old_events(older_than: float) -> sa.ColumnElement[bool]:
    """All events of videos that finished before; the others keep theirs.

    Not those of that age: where the clock was set back, an earlier event has a later time, and the history a hole.
    """
    return sa.select(_queue.c.seq).where(_queue.c.seq == _events.c.seq, _queue.c.finished_at < older_than).exists()


def _next_event(conn: Connection, after: int) -> int | None:
    found: int | None = conn.scalar(sa.select(sa.func.min(_events.c.event_id)).where(_events.c.event_id > after))
    return found


def _old_metrics(older_than: float, limit: int) -> sa.Select[tuple[int]]:
    return sa.select(_metrics.c.metric_id).where(_metrics.c.at < older_than).limit(limit)


def _media_query() -> sa.Select[tuple[str, str, int]]:
    finished = _queue.c.finished_at.is_not(None)
    return sa.select(_queue.c.id, _queue.c.media_path, _queue.c.media_bytes).where(_spooled, finished)
