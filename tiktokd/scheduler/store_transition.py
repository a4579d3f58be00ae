"""Every change of a video's state: the move, its line in `job_events` and the counters, in one place.

No other file writes `state`; WHERE and SET come from the table in `states`. Knows no policy and reads no clock.

A claim's token is `<state>.<seq>.<n-th claim of this row>`. It is never used twice, finds its row by the short key, and
says in which state it is valid, so that a report on a claim needs no read first. Zero rows changed = a stale report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiktokd.errors import Failure
from tiktokd.model import FINAL, IN_FLIGHT, Claim, Envelope, State
from tiktokd.scheduler import ledger, schema
from tiktokd.scheduler.prepared import Prepared
from tiktokd.scheduler.states import TRANSITIONS, WAITING, Event, target
from tiktokd.scheduler.store_rows import claim_from, envelopes
from tiktokd.scheduler.stored_json import DamagedColumn

_queue = schema.processing_queue
_events = schema.job_events
_analysis = schema.video_analysis

KEPT_CHARS_MAX = 8 * 2**20
"""Of stored results that a worker is to be told: half of a message. A run over ten minutes stays below 2 MiB."""
_NO_CLAIM = {"claim_token": None, "worker": None, "incarnation": None}
_RETURNED = (
    *("seq", "id", "url", "priority", "claim_token", "analyzers", "rerun"),
    *("media_path", "spooled", "failure", "crashes", "throttles"),
)
_ATTEMPTS = {Event.CLAIM_DOWNLOAD: _queue.c.download_attempts, Event.CLAIM_PROCESSING: _queue.c.processing_attempts}


def claim(conn: Connection, event: Event, *, worker: str, incarnation: str, now: float) -> Claim | None:
    """Give the first ready video of a lane to `worker`; `None` where none is ready. The lane is `event`'s.

    A row that is damaged fails and makes way for the next one.
    """
    _ripen(event).run(conn, {"at": now})
    before = WAITING[event]
    after = TRANSITIONS[event][before]
    while (row := _claim(event).first(conn, {"by": worker, "life": incarnation, "at": now})) is not None:
        _record(conn, [(row.seq, event, before, after, worker)], now)
        _count(conn, {before: -1, after: 1})
        try:
            given = claim_from(row)
            single = row.rerun is not None and event is Event.CLAIM_PROCESSING
            return replace(given, kept=_results(conn, row.seq)) if single else given
        except DamagedColumn as exc:
            _fail_damaged(conn, row.claim_token, exc, now)
    return None


def _results(conn: Connection, seq: int) -> dict[str, Envelope]:
    """Return the results of a video's last run; none where they are far larger than any run makes them."""
    size = sa.func.length(sa.cast(_analysis.c.outputs, sa.String)) <= KEPT_CHARS_MAX
    return envelopes(conn.scalar(sa.select(_analysis.c.outputs).where(_analysis.c.seq == seq, size)))


def _fail_damaged(conn: Connection, token: str, damaged: DamagedColumn, now: float) -> None:
    """Finish a video whose row cannot be read as failed; without the damaged value it can be asked for again."""
    message = f"{damaged} and was dropped: the database was damaged or edited; `tiktokctl requeue` does without it"
    failure = Failure(failure_class="permanent", stage="queue", message=message)
    in_queue = damaged.column in _queue.c
    values = {"failure": failure, **({damaged.column: None} if in_queue else {})}
    failed = transition(conn, token, Event.FAIL, now=now, reason=message, values=values)
    if not in_queue:
        conn.execute(sa.update(_analysis).where(_analysis.c.seq == failed.seq).values({damaged.column: None}))


def transition(
    conn: Connection,
    token: str,
    event: Event,
    *,
    now: float,
    reason: str | None = None,
    values: Mapping[str, Any],
    more: Sequence[str] = (),
    returning: tuple[str, ...] = ("seq",),
) -> Any:
    """Move the video of a claim; `values` are further columns to set, `more` are counters to raise by one.

    Returns: the columns `returning` of its row as they are now, or `None` where the token is stale or `event` cannot
    happen in its state: nothing was written.
    """
    before, seq = parse(token)
    after = None if before is None else target(before, event)
    if before is None or after is None:
        return None
    changes = {**_NO_CLAIM, **_stamp(after, now), **values}
    statement = _move(after, tuple(changes), tuple(more), returning)
    moved = statement.first(conn, {"of": seq, "held": token, **changes})
    if moved is None:
        return None
    _record(conn, [(seq, event, before, after, reason)], now)
    _count(conn, {before: -1, after: 1})
    return moved


def transition_rows(
    conn: Connection,
    rows: Sequence[tuple[int, State]],
    event: Event,
    *,
    now: float,
    reason: str,
    values: Mapping[str, Any],
) -> dict[int, State]:
    """Move videos that the caller has read and locked in this transaction: `(seq, state)`, each a source of `event`.

    Returns: where each `seq` stands now.
    """
    reached: dict[int, State] = {}
    for before in dict.fromkeys(state for _, state in rows):
        after = TRANSITIONS[event][before]
        moved = [seq for seq, state in rows if state is before]
        statement = (
            sa.update(_queue)
            .where(_queue.c.seq == sa.bindparam("of"), _queue.c.state == before)
            .values(state=after, **_NO_CLAIM, **_stamp(after, now), **values)
        )
        conn.execute(statement, [{"of": seq} for seq in moved])
        _record(conn, [(seq, event, before, after, reason) for seq in moved], now)
        _count(conn, {before: -len(moved), after: len(moved)})
        reached |= dict.fromkeys(moved, after)
    return reached


def insert(conn: Connection, rows: Sequence[Mapping[str, Any]], *, now: float) -> None:
    """Give birth to rows; each carries its initial `state`."""
    if not rows:
        return
    _insert(tuple(rows[0])).run_many(conn, rows)
    born = {row["id"]: State(row["state"]) for row in rows}
    found = conn.execute(sa.select(_queue.c.id, _queue.c.seq).where(_queue.c.id.in_(list(born)))).all()
    _record(conn, [(seq, "add", None, born[id_], None) for id_, seq in sorted(found, key=lambda r: r.seq)], now)
    counts: dict[State, int] = {}
    for state in born.values():
        counts[state] = counts.get(state, 0) + 1
    _count(conn, counts)


def forget(conn: Connection, token: str) -> bool:
    """Delete the row of a claim with its history; False where the token is stale."""
    before, seq = parse(token)
    where = (_queue.c.seq == seq, _queue.c.claim_token == token)
    if before is None or conn.execute(sa.delete(_queue).where(*where)).rowcount != 1:
        return False
    ledger.pay(conn)
    conn.execute(sa.delete(_events).where(_events.c.seq == seq))
    _count(conn, {before: -1})
    return True


def note(conn: Connection, seq: int, state: State, event: str, reason: str, *, now: float) -> None:
    """Write a line of history that moves nothing."""
    _record(conn, [(seq, event, state, state, reason)], now)


def parse(token: str) -> tuple[State | None, int]:
    """Return the state and the row of a token; `(None, 0)` where it is not one of ours."""
    state, _, rest = token.partition(".")
    seq, _, _ = rest.partition(".")
    if state not in IN_FLIGHT or not seq.isdigit():
        return None, 0
    return State(state), int(seq)


def _stamp(after: State, now: float) -> dict[str, Any]:
    return {"updated_at": now, "finished_at": now if after in FINAL else None}


@cache
def _move(after: State, columns: tuple[str, ...], more: tuple[str, ...], returning: tuple[str, ...]) -> Prepared:
    """The fence: a claim that was taken away matches no row."""
    held = (_queue.c.seq == sa.bindparam("of"), _queue.c.claim_token == sa.bindparam("held"))
    values = {**{name: sa.bindparam(name) for name in columns}, **{name: _queue.c[name] + 1 for name in more}}
    move = sa.update(_queue).where(*held).values(state=sa.literal_column(f"'{after}'"), **values)
    return Prepared(move.returning(*(_queue.c[name] for name in returning)))


@cache
def _insert(columns: tuple[str, ...]) -> Prepared:
    """A row with these columns given; the others have the defaults of the schema."""
    defaults: dict[str, Any] = {c.name: c.default for c in _queue.c if c.default is not None}
    values = {name: sa.literal(default.arg) for name, default in defaults.items()}
    return Prepared(sa.insert(_queue).values({**values, **{name: sa.bindparam(name) for name in columns}}))


@cache
def _ripen(event: Event) -> Prepared:
    """Videos whose time has come join the ready ones; each does so once per delay."""
    where = sa.text(schema.DELAYED[WAITING[event]])
    return Prepared(sa.update(_queue).where(where, _queue.c.not_before <= sa.bindparam("at")).values(not_before=0))


@cache
def _claim(event: Event) -> Prepared:
    """One statement, so that nobody else can take the same row; on PostgreSQL others skip it instead of waiting."""
    before = WAITING[event]
    after = TRANSITIONS[event][before]
    first = (
        sa.select(_queue.c.seq)
        .where(sa.text(schema.READY[before]))
        .order_by(_queue.c.rank, _queue.c.seq)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    number = _queue.c.claims + 1
    token = (
        sa.literal(f"{after}.").concat(sa.cast(_queue.c.seq, sa.String)).concat(".").concat(sa.cast(number, sa.String))
    )
    returned = [*(_queue.c[name] for name in _RETURNED), _ATTEMPTS[event].label("attempts")]
    if event is Event.CLAIM_PROCESSING:
        # as text: SQLAlchemy drops table names in RETURNING, and `seq = seq` would match any video
        same = sa.text("video_analysis.seq = processing_queue.seq")
        returned.append(sa.select(_analysis.c.metadata).where(same).scalar_subquery().label("metadata"))
    return Prepared(
        sa.update(_queue)
        .where(_queue.c.seq == first)
        .values(
            state=sa.literal_column(f"'{after}'"),
            claims=number,
            claim_token=token,
            worker=sa.bindparam("by"),
            incarnation=sa.bindparam("life"),
            updated_at=sa.bindparam("at"),
        )
        .returning(*returned)
    )


def _record(conn: Connection, moves: Sequence[tuple[int, str, State | None, State, str | None]], now: float) -> None:
    """Append `(seq, event, from, to, reason)` to the history."""
    # plain text: the driver asks each member of an enumeration anew how to store it
    ledger.of(conn).events.extend(
        {
            "seq": seq,
            "event": str(event),
            "from_state": before and str(before),
            "to_state": str(after),
            "reason": reason,
            "at": now,
        }
        for seq, event, before, after, reason in moves
    )


def _count(conn: Connection, changes: Mapping[State, int]) -> None:
    videos = ledger.of(conn).videos
    for state, more in changes.items():
        videos[str(state)] = videos.get(str(state), 0) + more
