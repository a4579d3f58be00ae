"""What people do to the queue: add, cancel, requeue, change priority. Knows no worker and no socket.

Every verb answers for each id, so that one bad line of a thousand does not hide what became of the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from tiktokd.model import PRIORITY_MAX, PRIORITY_MIN, State, VideoRef
from tiktokd.scheduler import schema
from tiktokd.scheduler import store_transition as moves
from tiktokd.scheduler.rank import head_start_s, rank
from tiktokd.scheduler.states import Event, sources
from tiktokd.scheduler.store_rows import Added, NewVideo, Outcome

_queue = schema.processing_queue
_short = schema.short_links
_analysis = schema.video_analysis
_T = TypeVar("_T")

SHORT_PREFIX = "short-"
"""Of the id of a short link, until its video is known (`url.ShortLink`)."""
CHUNK = 500
"""Ids per statement: below the 999 parameters that old SQLite allows."""


def add(conn: Connection, items: Sequence[NewVideo], *, now: float) -> list[Added]:
    """Queue videos; one answer per item, in order. An id that is here already is a duplicate and is left as it is.

    But for the place of a person's file: the same bytes have just been read at the new one.

    Raises:
        ValueError: a priority outside 1..10, or a file without its path; nothing was added.
    """
    for item in items:
        if not PRIORITY_MIN <= item.priority <= PRIORITY_MAX:
            raise ValueError(f"{item.id}: priority {item.priority} is not between {PRIORITY_MIN} and {PRIORITY_MAX}")
        if item.downloaded and not item.media_path:
            raise ValueError(f"{item.id}: a downloaded video needs media_path")
    added: list[Added] = []
    for chunk in _chunks(items):
        added += _add_chunk(conn, chunk, now)
    return added


def known_short(conn: Connection, codes: Sequence[str]) -> dict[str, VideoRef]:
    """Return the real videos behind those ids `short-<code>` that were resolved before."""
    known: dict[str, VideoRef] = {}
    for chunk in _chunks(codes):
        rows = conn.execute(sa.select(_short.c.code, _short.c.id, _short.c.url).where(_short.c.code.in_(chunk)))
        known |= {row.code: VideoRef(id=row.id, url=row.url) for row in rows}
    return known


def cancel(conn: Connection, ids: Sequence[str], *, now: float) -> list[Outcome]:
    """Cancel videos that are not finished; a claim on one of them is void from now on."""

    def move(rows: list[Row[Any]]) -> dict[int, State]:
        return _move(conn, rows, Event.CANCEL, now=now, reason="cancelled by a person", values={})

    return _for_ids(conn, ids, move)


def requeue(
    conn: Connection,
    *,
    ids: Sequence[str] | None = None,
    failed: bool = False,
    analyzers: Sequence[str] | None = None,
    now: float,
) -> list[Outcome]:
    """Queue finished videos again, with fresh attempts; those whose media is still here are not downloaded again.

    Args:
        ids: which; `None` with `failed`: all failed ones.
        failed: only failed ones.
        analyzers: run these and keep the other results; `None`: everything anew.
    """
    values = {
        "download_attempts": 0,
        "processing_attempts": 0,
        "throttles": 0,
        "crashes": 0,
        "not_before": 0.0,
        "rerun": None if analyzers is None else list(analyzers),
        "enqueued_at": now,
        "rank": sa.literal(now) - _head_start(),
    }

    def move(rows: list[Row[Any]]) -> dict[int, State]:
        moved: dict[int, State] = {}
        for event, chosen in (
            (Event.REQUEUE, [row for row in rows if row.media_path is None]),
            (Event.REANALYZE, [row for row in rows if row.media_path is not None]),
        ):
            wanted = [row for row in chosen if not failed or row.state == State.FAILED]
            moved |= _move(conn, wanted, event, now=now, reason="requeued by a person", values=values)
        return moved

    if ids is None:
        where = sa.text(schema.IN_STATE[State.FAILED])
        ids = list(conn.scalars(sa.select(_queue.c.id).where(where).order_by(_queue.c.seq))) if failed else []
    return _for_ids(conn, ids, move)


def set_priority(conn: Connection, ids: Sequence[str], priority: int, *, now: float) -> list[Outcome]:
    """Change the priority (1..10) of videos that are not finished; their waiting so far still counts.

    Raises:
        ValueError: a priority outside 1..10.
    """
    head_start = head_start_s(priority)

    def move(rows: list[Row[Any]]) -> dict[int, State]:
        open_rows = [row for row in rows if row.state in sources(Event.CANCEL) and row.priority != priority]
        seqs = [row.seq for row in open_rows]
        values = {"priority": priority, "rank": _queue.c.enqueued_at - head_start, "updated_at": now}
        conn.execute(sa.update(_queue).where(_queue.c.seq.in_(seqs)).values(**values))
        for row in open_rows:
            reason = f"{row.priority} -> {priority}"
            moves.note(conn, row.seq, State(row.state), "priority", reason, now=now)
        return {row.seq: State(row.state) for row in open_rows}

    return _for_ids(conn, ids, move)


def _add_chunk(conn: Connection, items: Sequence[NewVideo], now: float) -> list[Added]:
    refs = known_short(conn, [item.id for item in items if item.id.startswith(SHORT_PREFIX)])
    real = [refs.get(item.id, VideoRef(id=item.id, url=item.url)) for item in items]
    rows = conn.execute(sa.select(_queue.c.id, _queue.c.state).where(_queue.c.id.in_({ref.id for ref in real})))
    here = {row.id: State(row.state) for row in rows}
    new: dict[str, Mapping[str, Any]] = {}
    added = []
    for item, ref in zip(items, real, strict=True):
        duplicate = ref.id in here
        if duplicate and item.downloaded:
            place = sa.update(_queue).where(_queue.c.id == ref.id, _queue.c.media_path != item.media_path)
            conn.execute(place.values(media_path=item.media_path, url=item.url))
        if not duplicate:
            new[ref.id] = _row(item, ref, now)
            here[ref.id] = new[ref.id]["state"]
        added.append(Added(id=ref.id, url=ref.url, outcome="duplicate" if duplicate else "added", state=here[ref.id]))
    moves.insert(conn, list(new.values()), now=now)
    return added


def _row(item: NewVideo, ref: VideoRef, now: float) -> dict[str, Any]:
    return {
        "id": ref.id,
        "url": ref.url,
        "state": State.DOWNLOADED if item.downloaded else State.PENDING,
        "priority": item.priority,
        "rank": rank(item.priority, now),
        "enqueued_at": now,
        "updated_at": now,
        "analyzers": None if item.analyzers is None else list(item.analyzers),
        "media_path": item.media_path,
        "media_sha256": item.sha256,
        "media_bytes": item.size_bytes,
    }


def _for_ids(conn: Connection, ids: Sequence[str], move: Any) -> list[Outcome]:
    """Read the rows of `ids`, let `move` change those it applies to, and answer for each id in order.

    A short link that was resolved means its video, under whose id the answer comes.
    """
    real = known_short(conn, [id_ for id_ in ids if id_.startswith(SHORT_PREFIX)])
    outcomes = []
    for chunk in _chunks(list(dict.fromkeys(real[id_].id if id_ in real else id_ for id_ in ids))):
        columns = (_queue.c.seq, _queue.c.id, _queue.c.state, _queue.c.priority, _queue.c.media_path, _has_results())
        rows = {
            row.id: row for row in conn.execute(sa.select(*columns).where(_queue.c.id.in_(chunk)).with_for_update())
        }
        moved: dict[int, State] = move([rows[id_] for id_ in chunk if id_ in rows])
        for id_ in chunk:
            row = rows.get(id_)
            if row is None:
                outcomes.append(Outcome(id=id_, outcome="unknown", state=None))
            elif row.seq in moved:
                outcomes.append(Outcome(id=id_, outcome="done", state=moved[row.seq], has_results=row.has_results))
            else:
                outcomes.append(Outcome(id=id_, outcome="unchanged", state=State(row.state)))
    return outcomes


def _move(
    conn: Connection, rows: Sequence[Row[Any]], event: Event, *, now: float, reason: str, values: Mapping[str, Any]
) -> dict[int, State]:
    """Move those rows that stand in a source state of `event`; return where they stand now."""
    able = [(row.seq, State(row.state)) for row in rows if row.state in sources(event)]
    return moves.transition_rows(conn, able, event, now=now, reason=reason, values=values)


def _has_results() -> sa.ColumnElement[bool]:
    where = (_analysis.c.seq == _queue.c.seq, _analysis.c.outputs.is_not(None))
    return sa.exists().where(*where).label("has_results")


def _head_start() -> sa.ColumnElement[float]:
    """`rank.head_start_s` of the row's own priority, as SQL."""
    steps = {priority: head_start_s(priority) for priority in range(PRIORITY_MIN, PRIORITY_MAX + 1)}
    return sa.case(steps, value=_queue.c.priority)


def _chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
