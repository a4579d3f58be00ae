"""What happens to a claimed video: answers of workers, failures, rescue. Every function is fenced by the claim's token.

False means that nothing was written: the token is stale, the report belongs to a claim that was taken away.
Knows no policy: whether a failure is retried, when and at whose charge, comes in as arguments.
"""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from tiktokd.errors import Failure
from tiktokd.model import FINAL, IN_FLIGHT, Claim, Envelope, MediaFacts, Metadata, Signals, State
from tiktokd.scheduler import schema
from tiktokd.scheduler import store_transition as moves
from tiktokd.scheduler.prepared import Prepared
from tiktokd.scheduler.rank import rank
from tiktokd.scheduler.states import Event
from tiktokd.scheduler.store_rows import Json, mapping

_queue = schema.processing_queue
_analysis = schema.video_analysis
_short = schema.short_links
Resolved = Literal["renamed", "duplicate", "stale"]
"""What became of the row of a short link: it is its video's row now; that video has one already; the claim is over."""


def claim_download(conn: Connection, *, worker: str, incarnation: str, now: float) -> Claim | None:
    """Return the right to download the first ready video; `None` where none is ready."""
    return moves.claim(conn, Event.CLAIM_DOWNLOAD, worker=worker, incarnation=incarnation, now=now)


def claim_processing(conn: Connection, *, worker: str, incarnation: str, now: float) -> Claim | None:
    """Return the right to decode and analyze the first ready video; `None` where none is ready."""
    return moves.claim(conn, Event.CLAIM_PROCESSING, worker=worker, incarnation=incarnation, now=now)


def next_ready_at(conn: Connection, *, now: float) -> tuple[float | None, float | None]:
    """Return when the earliest delayed download and the earliest delayed processing may start (UTC seconds).

    `None`: nothing is delayed. A time that has passed is given as `now`: a claim made now would find it.
    """
    times = []
    for state in (State.PENDING, State.DOWNLOADED):
        earliest = conn.execute(sa.select(sa.func.min(_queue.c.not_before)).where(sa.text(schema.DELAYED[state])))
        at = earliest.scalar()
        times.append(None if at is None else max(float(at), now))
    return times[0], times[1]


def downloaded(
    conn: Connection,
    token: str,
    *,
    media_path: str,
    sha256: str,
    size_bytes: int,
    metadata: Metadata,
    now: float,
) -> bool:
    """Store the file and the post's metadata; the video waits for processing, with no attempt held against it."""
    values = {
        "media_path": media_path,
        "media_sha256": sha256,
        "media_bytes": size_bytes,
        "spooled": True,
        "not_before": 0.0,
        "throttles": 0,
        "failure": None,
    }
    moved = moves.transition(conn, token, Event.DOWNLOADED, now=now, values=values)
    if moved is None:
        return False
    _save(conn, moved.seq, {"metadata": metadata.model_dump(mode="json"), "updated_at": now})
    return True


def complete(
    conn: Connection,
    token: str,
    *,
    outputs: Mapping[str, Envelope],
    signals: Signals,
    facts: MediaFacts | None,
    timings: Mapping[str, float],
    now: float,
) -> bool:
    """Store the results and finish the video, in one transaction.

    Where single analyzers were asked for again, they replace their own results and leave the others' alone.
    """
    moved = moves.transition(conn, token, Event.COMPLETE, now=now, values={"failure": None}, returning=("seq", "rerun"))
    if moved is None:
        return False
    results: dict[str, Any] = {"outputs": dict(outputs), "signals": dict(signals), "timings": dict(timings)}
    if moved.rerun is not None:
        results = _merged(conn, moved.seq, results, asked=moved.rerun)
    if facts is not None:
        results["facts"] = facts
    _save(conn, moved.seq, {**results, "updated_at": now})
    return True


def retry(
    conn: Connection,
    token: str,
    *,
    failure: Failure,
    not_before: float,
    charge: bool,
    crash: bool = False,
    now: float,
) -> bool:
    """Put the video back, not to be claimed before `not_before` (UTC seconds).

    Args:
        charge: count an attempt of this stage.
        crash: count the death of a worker that held it.
    """
    throttled = failure.failure_class == "throttled" and not charge
    more = [*_charges(token, charge, crash), *(["throttles"] if throttled else [])]
    values = {"failure": failure, "not_before": max(not_before, 0.0)}
    reason = _reason(failure)
    return moves.transition(conn, token, Event.RETRY, now=now, reason=reason, values=values, more=more) is not None


def fail(conn: Connection, token: str, *, failure: Failure, crash: bool = False, now: float) -> bool:
    """Finish the video as failed, with its failure; the attempt that failed is counted."""
    more = _charges(token, not crash, crash)
    values, reason = {"failure": failure}, _reason(failure)
    return moves.transition(conn, token, Event.FAIL, now=now, reason=reason, values=values, more=more) is not None


def rescue(conn: Connection, token: str, *, reason: str, now: float) -> bool:
    """Put the video back as if it had never been claimed: drain, pause, a closed gate."""
    return moves.transition(conn, token, Event.RESCUE, now=now, reason=reason, values={}) is not None


def rescue_all(conn: Connection, *, incarnation: str, now: float) -> int:
    """Put back whatever an earlier life of the daemon had claimed; return how many. Nothing is charged."""
    query = sa.select(_queue.c.seq).where(_queue.c.incarnation != incarnation).with_for_update()
    found = [(seq, state) for state in IN_FLIGHT for seq in conn.scalars(query.where(sa.text(schema.IN_STATE[state])))]
    moves.transition_rows(conn, found, Event.RESCUE, now=now, reason="the daemon was restarted", values={})
    return len(found)


def resolve_short(conn: Connection, token: str, *, id: str, url: str, now: float) -> Resolved:
    """Give the claimed row of a short link the real `id` and remember the link for good.

    Where the real video is in the queue already, the row of the short link is dropped as its duplicate, and the video
    gets the better priority of the two: who asked for the link could not know that.
    """
    row = conn.execute(sa.select(_queue.c.id, _queue.c.seq, _queue.c.priority).where(_held(token))).first()
    if row is None:
        return "stale"
    conn.execute(sa.delete(_short).where(_short.c.code == row.id))
    conn.execute(sa.insert(_short).values(code=row.id, id=id, url=url, resolved_at=now))
    columns = (_queue.c.seq, _queue.c.state, _queue.c.priority, _queue.c.enqueued_at)
    twin = conn.execute(sa.select(*columns).where(_queue.c.id == id)).first()
    if twin is None:
        conn.execute(sa.update(_queue).where(_held(token)).values(id=id, url=url, updated_at=now))
        moves.note(conn, row.seq, State.DOWNLOADING, "resolve", f"{row.id} is {id}", now=now)
        return "renamed"
    moves.forget(conn, token)
    moves.note(conn, twin.seq, State(twin.state), "duplicate", f"{row.id} is the same video", now=now)
    if twin.state not in FINAL and row.priority > twin.priority:
        values = {"priority": row.priority, "rank": rank(row.priority, twin.enqueued_at), "updated_at": now}
        conn.execute(sa.update(_queue).where(_queue.c.seq == twin.seq).values(**values))
        moves.note(conn, twin.seq, State(twin.state), "priority", f"{twin.priority} -> {row.priority}", now=now)
    return "duplicate"


def _held(token: str) -> sa.ColumnElement[bool]:
    return sa.and_(_queue.c.seq == _seq_of(token), _queue.c.claim_token == token)


def _seq_of(token: str) -> int:
    return moves.parse(token)[1]


def _charges(token: str, charge: bool, crash: bool) -> list[str]:
    """Return the counters to raise."""
    attempts = "download_attempts" if moves.parse(token)[0] is State.DOWNLOADING else "processing_attempts"
    return [*([attempts] if charge else []), *(["crashes"] if crash else [])]


def _reason(failure: Failure) -> str:
    return f"{failure.failure_class} in {failure.stage}: {failure.message}"[:500]


_RESULTS = sa.select(_analysis.c.outputs, _analysis.c.signals, _analysis.c.timings).where(
    _analysis.c.seq == sa.bindparam("of")
)


def _merged(conn: Connection, seq: int, results: Mapping[str, Any], *, asked: Collection[str]) -> dict[str, Any]:
    """Return the results of single analyzers among those that are stored; the row is no rerun any more.

    What was asked for once more belongs to the video from now on: doing everything anew must not lose it. One that ran
    only because another reads it does not replace what is stored by the message that its model or a GPU is missing.
    """
    values: dict[str, Any] = {"rerun": None}
    wanted = conn.scalar(sa.select(_queue.c.analyzers).where(_queue.c.seq == seq))
    if isinstance(wanted, list):
        values["analyzers"] = sorted({*map(str, wanted), *results["outputs"]})
    conn.execute(sa.update(_queue).where(_queue.c.seq == seq).values(values))
    row = conn.execute(_RESULTS, {"of": seq}).first()
    stored: dict[str, Json] = {name: mapping(getattr(row, name)) if row else {} for name in results}
    vain = {n for n, e in results["outputs"].items() if n not in asked and e.was_impossible()} & _told(stored)
    new = {**results, "outputs": {n: e for n, e in results["outputs"].items() if n not in vain}}
    return {name: {**stored[name], **new[name]} for name in results}


def _told(stored: Mapping[str, Json]) -> set[str]:
    """Return the analyzers with a stored result that is no error."""
    return {name for name, each in stored["outputs"].items() if mapping(each).get("status", "error") != "error"}


@cache
def _write(columns: tuple[str, ...]) -> Prepared:
    """Make the row of an analysis, or update these columns of it. (SQLite and PostgreSQL spell this alike.)"""
    row = insert(_analysis).values({"seq": sa.bindparam("of"), **{name: sa.bindparam(name) for name in columns}})
    values = {name: row.excluded[name] for name in columns}
    return Prepared(row.on_conflict_do_update(index_elements=[_analysis.c.seq], set_=values))


def _save(conn: Connection, seq: int, values: Mapping[str, Any]) -> None:
    _write(tuple(values)).run(conn, {"of": seq, **values})
