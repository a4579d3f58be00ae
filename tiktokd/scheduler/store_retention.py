"""Bounds that hold without anybody's cleanup: of measurements, of waits, of free pages in the file."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiktokd.model import State
from tiktokd.scheduler import schema

_metrics = schema.performance_metrics
_queue = schema.processing_queue
KEPT_FREE_PAGES = 4096
"""16 MiB of free pages stay in the file: the next rows want them."""
FREED_AT_ONCE_PAGES = 512
"""2 MiB, moved and cut off in about 10 ms of the writer."""


def drop_old_metrics(conn: Connection, *, older_than: float, most: int, limit: int) -> int:
    """Delete up to `limit` measurements, the oldest first; return how many.

    Args:
        older_than: those from before this time (UTC seconds) go;
        most: and those that more than so many came after. A clock that was once ahead makes measurements that do not
            get old for years.
    """
    oldest = sa.select(_metrics.c.metric_id).where(_metrics.c.at < older_than).order_by(_metrics.c.at).limit(limit)
    dropped = conn.execute(sa.delete(_metrics).where(_metrics.c.metric_id.in_(oldest))).rowcount
    newest = int(conn.scalar(sa.select(sa.func.max(_metrics.c.metric_id))) or 0)
    first = sa.select(_metrics.c.metric_id).where(_metrics.c.metric_id <= newest - most)
    surplus = first.order_by(_metrics.c.metric_id).limit(limit - dropped)
    return dropped + conn.execute(sa.delete(_metrics).where(_metrics.c.metric_id.in_(surplus))).rowcount


def cap_waits(conn: Connection, *, latest: float) -> int:
    """Let no video wait beyond `latest` (UTC seconds), nor behind those that come after it; return how many did.

    Retries and ranks are stored as times. Where the clock was ahead when they were stored and has been set right
    since, they would wait for as long as it was wrong: behind each video that is added meanwhile.
    """
    capped = 0
    for state in (State.PENDING, State.DOWNLOADED):
        beyond = (sa.text(schema.DELAYED[state]), _queue.c.not_before > latest)
        capped += conn.execute(sa.update(_queue).where(*beyond).values(not_before=latest)).rowcount
        behind = (sa.text(schema.READY[state]), _queue.c.rank > latest)
        capped += conn.execute(sa.update(_queue).where(*behind).values(rank=latest)).rowcount
    return capped


def give_back_pages(conn: Connection) -> int:
    """Cut free pages off the file of an SQLite database, a few at a time; return how many are left to cut off."""
    if conn.dialect.name != "sqlite":
        return 0
    free = int(conn.exec_driver_sql("PRAGMA freelist_count").scalar() or 0) - KEPT_FREE_PAGES
    if free > 0:
        cursor = conn.connection.cursor()
        for _ in range(min(free, FREED_AT_ONCE_PAGES)):
            # Whatever number is asked for: Python's driver takes one step of a statement without columns, one page.
            cursor.execute("PRAGMA incremental_vacuum(1)")
        cursor.close()
    return max(free - FREED_AT_ONCE_PAGES, 0)
