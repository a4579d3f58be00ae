"""Measurements that are too old to keep, a few at a time, so that the table stays bounded without anybody's cleanup."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiktokd.scheduler import schema

_metrics = schema.performance_metrics


def drop_old_metrics(conn: Connection, *, older_than: float, limit: int) -> int:
    """Delete up to `limit` measurements from before `older_than` (UTC seconds), the oldest first; return how many."""
    oldest = sa.select(_metrics.c.metric_id).where(_metrics.c.at < older_than).order_by(_metrics.c.at).limit(limit)
    return conn.execute(sa.delete(_metrics).where(_metrics.c.metric_id.in_(oldest))).rowcount
