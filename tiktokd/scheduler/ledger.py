"""What a transaction owes: its lines of history and its counts, gathered while it runs and written before it commits.

A claim and its finish are two lines and four counts. Written one by one they cost more than the moves that they tell
of; written together, the hundred calls of a group commit share two statements. Nobody reads either inside the
transaction that writes it. Knows no state and no policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tiktokd.scheduler import schema
from tiktokd.scheduler.prepared import Prepared

_KEY = "tiktokd.ledger"
_events = schema.job_events
_counters = schema.counters


@dataclass(slots=True)
class Ledger:
    """What the running transaction owes."""

    events: list[Mapping[str, Any]] = field(default_factory=list)
    """Rows of `job_events`, in the order in which they happened."""
    videos: dict[str, int] = field(default_factory=dict)
    """State → how many videos more stand in it; negative: fewer."""


def keep(engine: Engine) -> None:
    """Have every transaction of an engine begin without debts and pay before it commits.

    One that is undone needs nothing: a connection that was lost can give no ledger, and asking for it would hide why.
    """

    def begun(conn: Connection) -> None:
        conn.info[_KEY] = Ledger()

    def ending(conn: Connection) -> None:
        try:
            pay(conn)
        except BaseException:
            conn.connection.rollback()  # SQLAlchemy takes a transaction for ended whose commit has begun
            raise

    sa.event.listen(engine, "begin", begun)
    sa.event.listen(engine, "commit", ending)


def of(conn: Connection) -> Ledger:
    """Return the ledger of the running transaction.

    Raises:
        KeyError: the connection's engine was not given to `keep`: what it owed would be lost.
    """
    ledger: Ledger = conn.info[_KEY]
    return ledger


def pay(conn: Connection) -> None:
    """Write what is owed now."""
    ledger = of(conn)
    conn.info[_KEY] = Ledger()
    if ledger.events:
        _INSERT_EVENT.run_many(conn, ledger.events)
    changes = [{"of": state, "more": more} for state, more in ledger.videos.items() if more]
    if changes:
        _ADD_COUNT.run_many(conn, changes)


def cancel(conn: Connection) -> None:
    """Owe nothing: what was written since the last payment is undone."""
    conn.info[_KEY] = Ledger()


_INSERT_EVENT = Prepared(
    sa.insert(_events).values({c.name: sa.bindparam(c.name) for c in _events.c if c.name != "event_id"})
)
_ADD_COUNT = Prepared(
    sa.update(_counters)
    .where(_counters.c.state == sa.bindparam("of"))
    .values(videos=_counters.c.videos + sa.bindparam("more"))
)
