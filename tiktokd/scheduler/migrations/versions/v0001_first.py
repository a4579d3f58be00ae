"""The first schema. Frozen: later versions change it by migrations of their own."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_STATES = ("pending", "downloading", "downloaded", "processing", "completed", "failed", "cancelled")


def _where(condition: str) -> dict[str, Any]:
    """Return the condition of a partial index for both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Make all tables, and one counter per state."""
    _queue()
    _queue_indexes()
    _results()
    _operations()
    counters = op.create_table(
        "counters",
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("videos", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_counters")),
    )
    op.bulk_insert(counters, [{"state": state, "videos": 0} for state in _STATES])


def _queue() -> None:
    op.create_table(
        "processing_queue",
        sa.Column("seq", _KEY, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Double(), nullable=False),
        sa.Column("enqueued_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("not_before", sa.Double(), nullable=False),
        sa.Column("download_attempts", sa.Integer(), nullable=False),
        sa.Column("processing_attempts", sa.Integer(), nullable=False),
        sa.Column("throttles", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("claim_token", sa.String(length=64), nullable=True),
        sa.Column("worker", sa.String(length=64), nullable=True),
        sa.Column("incarnation", sa.String(length=64), nullable=True),
        sa.Column("analyzers", _JSON, nullable=True),
        sa.Column("rerun", _JSON, nullable=True),
        sa.Column("media_path", sa.Text(), nullable=True),
        sa.Column("media_sha256", sa.String(length=64), nullable=True),
        sa.Column("media_bytes", sa.BigInteger(), nullable=True),
        sa.Column("spooled", sa.Boolean(), nullable=False),
        sa.Column("failure", _JSON, nullable=True),
        sa.CheckConstraint(
            "(claim_token IS NOT NULL) = (state = 'downloading' OR state = 'processing')",
            name=op.f("ck_processing_queue_token"),
        ),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state = 'completed' OR state = 'failed' OR state = 'cancelled')",
            name=op.f("ck_processing_queue_finished"),
        ),
        sa.CheckConstraint(
            "(worker IS NOT NULL) = (state = 'downloading' OR state = 'processing')",
            name=op.f("ck_processing_queue_worker"),
        ),
        sa.CheckConstraint(
            " OR ".join(f"state = '{state}'" for state in _STATES),
            name=op.f("ck_processing_queue_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('downloaded', 'processing') OR media_path IS NOT NULL",
            name=op.f("ck_processing_queue_media"),
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 10", name=op.f("ck_processing_queue_priority")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_processing_queue")),
        sa.UniqueConstraint("id", name=op.f("uq_processing_queue_id")),
        sqlite_autoincrement=True,
    )


def _queue_indexes() -> None:
    op.create_index(
        "ix_queue_delayed_downloaded",
        "processing_queue",
        ["not_before"],
        unique=False,
        **_where("state = 'downloaded' AND not_before > 0"),
    )
    op.create_index(
        "ix_queue_delayed_pending",
        "processing_queue",
        ["not_before"],
        unique=False,
        **_where("state = 'pending' AND not_before > 0"),
    )
    op.create_index(
        "ix_queue_ready_downloaded",
        "processing_queue",
        ["rank", "seq"],
        unique=False,
        **_where("state = 'downloaded' AND not_before = 0"),
    )
    op.create_index(
        "ix_queue_ready_pending",
        "processing_queue",
        ["rank", "seq"],
        unique=False,
        **_where("state = 'pending' AND not_before = 0"),
    )
    op.create_index(
        "ix_queue_spooled",
        "processing_queue",
        ["finished_at", "media_bytes"],
        unique=False,
        **_where("spooled AND media_path IS NOT NULL"),
    )
    for state in _STATES:
        op.create_index(f"ix_queue_{state}", "processing_queue", ["seq"], **_where(f"state = '{state}'"))


def _results() -> None:
    op.create_table(
        "job_events",
        sa.Column("event_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", sa.String(length=24), nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=True),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_job_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_job_events_seq"), "job_events", ["seq"], unique=False)
    op.create_table(
        "short_links",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_short_links")),
    )
    op.create_table(
        "video_analysis",
        sa.Column("seq", _KEY, autoincrement=False, nullable=False),
        sa.Column("metadata", _JSON, nullable=True),
        sa.Column("facts", _JSON, nullable=True),
        sa.Column("outputs", _JSON, nullable=True),
        sa.Column("signals", _JSON, nullable=True),
        sa.Column("timings", _JSON, nullable=True),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_video_analysis")),
    )


def _operations() -> None:
    op.create_table(
        "performance_metrics",
        sa.Column("metric_id", _KEY, autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("metric_id", name=op.f("pk_performance_metrics")),
    )
    op.create_index(op.f("ix_performance_metrics_at"), "performance_metrics", ["at"], unique=False)
    op.create_table(
        "settings",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", _JSON, nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_settings")),
    )
    op.create_table(
        "worker_status",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("video_id", sa.String(length=64), nullable=True),
        sa.Column("incarnation", sa.String(length=64), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("jobs_done", sa.Integer(), nullable=False),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("rss_mib", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker_status")),
    )
