"""The tables, their rules and their indexes. Knows no statement that uses them.

Times are UTC seconds since 1970 as doubles (SQLite has no time type, and text compares badly). `seq` is the order of
arrival, the short key of the other tables and the cursor of lists; `id` is what people type. Conditions of partial
indexes and of the claims hold states as literals: a prepared statement with a parameter there may lose the index.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tiktokd.model import FINAL, IN_FLIGHT, PRIORITY_DEFAULT, PRIORITY_MAX, PRIORITY_MIN, State

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigKey = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""SQLite makes only INTEGER keys an alias of the row number."""
Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
Time = sa.Double


def _is_one_of(*states: State) -> str:
    """Return a condition. Not `state IN (…)`: of three values and more SQLite makes a table, in each UPDATE anew."""
    return " OR ".join(f"state = '{state}'" for state in states)


processing_queue = sa.Table(
    "processing_queue",
    metadata,
    sa.Column("seq", BigKey, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False, default=PRIORITY_DEFAULT),
    sa.Column("rank", Time, nullable=False),
    sa.Column("enqueued_at", Time, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.Column("finished_at", Time),
    sa.Column("not_before", Time, nullable=False, default=0.0),
    sa.Column("download_attempts", sa.Integer, nullable=False, default=0),
    sa.Column("processing_attempts", sa.Integer, nullable=False, default=0),
    sa.Column("throttles", sa.Integer, nullable=False, default=0),
    sa.Column("crashes", sa.Integer, nullable=False, default=0),
    sa.Column("claims", sa.Integer, nullable=False, default=0),
    sa.Column("claim_token", sa.String(64)),
    sa.Column("worker", sa.String(64)),
    sa.Column("incarnation", sa.String(64)),
    sa.Column("analyzers", Json),
    sa.Column("rerun", Json),
    sa.Column("media_path", sa.Text),
    sa.Column("media_sha256", sa.String(64)),
    sa.Column("media_bytes", sa.BigInteger),
    sa.Column("spooled", sa.Boolean, nullable=False, default=False),
    sa.Column("failure", Json),
    sa.CheckConstraint(_is_one_of(*State), name="state"),
    sa.CheckConstraint(f"priority BETWEEN {PRIORITY_MIN} AND {PRIORITY_MAX}", name="priority"),
    sa.CheckConstraint(f"(claim_token IS NOT NULL) = ({_is_one_of(*IN_FLIGHT)})", name="token"),
    sa.CheckConstraint(f"(worker IS NOT NULL) = ({_is_one_of(*IN_FLIGHT)})", name="worker"),
    sa.CheckConstraint(f"(finished_at IS NOT NULL) = ({_is_one_of(*FINAL)})", name="finished"),
    sa.CheckConstraint("state NOT IN ('downloaded', 'processing') OR media_path IS NOT NULL", name="media"),
    sqlite_autoincrement=True,
)
"""One row per video.

* `seq` is never used twice, even after the row of a short link is gone; `claims` counts the claims ever made of
  this row: together they make tokens that never come back.
* `not_before` is 0 for a video that may start now. A claim first sets ripe ones to 0, so that its index holds no video
  that must wait: 100,000 videos in backoff cost nothing.
* `analyzers` is what the person asked for, `rerun` what a later `requeue` asked to do again beside older results.
* `spooled`: the file is ours to delete; false for files that people keep themselves.
"""


def _partial(name: str, *columns: str, where: str) -> sa.Index:
    table = processing_queue.c
    condition = sa.text(where)
    return sa.Index(name, *(table[c] for c in columns), sqlite_where=condition, postgresql_where=condition)


READY = {state: f"state = '{state}' AND not_before = 0" for state in (State.PENDING, State.DOWNLOADED)}
"""Videos that may be claimed now, per state that a claim takes from."""
DELAYED = {state: f"state = '{state}' AND not_before > 0" for state in (State.PENDING, State.DOWNLOADED)}
"""Videos whose `not_before` has to pass first."""
IN_STATE = {state: f"state = '{state}'" for state in State}
SPOOLED = "spooled AND media_path IS NOT NULL"
"""Rows whose media lies in the spool. A query must repeat these conditions word for word to be served by the index."""

_partial("ix_queue_ready_pending", "rank", "seq", where=READY[State.PENDING])
_partial("ix_queue_ready_downloaded", "rank", "seq", where=READY[State.DOWNLOADED])
_partial("ix_queue_delayed_pending", "not_before", where=DELAYED[State.PENDING])
_partial("ix_queue_delayed_downloaded", "not_before", where=DELAYED[State.DOWNLOADED])
_partial("ix_queue_spooled", "finished_at", "media_bytes", where=SPOOLED)
for _state in State:
    # not one index (state, seq): SQLite would take its equality for a better offer than the order of the claim's index
    _partial(f"ix_queue_{_state}", "seq", where=IN_STATE[_state])

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("state", sa.String(16), primary_key=True),
    sa.Column("videos", sa.BigInteger, nullable=False),
)
"""Videos per state, kept in the transaction that moves them: counting a million rows takes 30 ms, this takes none."""

video_analysis = sa.Table(
    "video_analysis",
    metadata,
    sa.Column("seq", BigKey, primary_key=True, autoincrement=False),
    sa.Column("metadata", Json),
    sa.Column("facts", Json),
    sa.Column("outputs", Json),
    sa.Column("signals", Json),
    sa.Column("timings", Json),
    sa.Column("updated_at", Time, nullable=False),
)
"""What we know of a video: the post's metadata since its download, the rest since it was last completed. `outputs` maps
analyzer names to envelopes (errors of single analyzers are in there; the video's own is `processing_queue.failure`)."""

job_events = sa.Table(
    "job_events",
    metadata,
    sa.Column("event_id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("seq", sa.BigInteger, nullable=False, index=True),
    sa.Column("at", Time, nullable=False),
    sa.Column("event", sa.String(24), nullable=False),
    sa.Column("from_state", sa.String(16)),
    sa.Column("to_state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sqlite_autoincrement=True,
)
"""Append-only: every transition with its reason. `from_state` null: the row was born. Never reuses an `event_id`."""

worker_status = sa.Table(
    "worker_status",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("pid", sa.Integer),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("video_id", sa.String(64)),
    sa.Column("incarnation", sa.String(64), nullable=False),
    sa.Column("since", Time, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.Column("jobs_done", sa.Integer, nullable=False),
    sa.Column("restarts", sa.Integer, nullable=False),
    sa.Column("rss_mib", sa.Double),
)

performance_metrics = sa.Table(
    "performance_metrics",
    metadata,
    sa.Column("metric_id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("at", Time, nullable=False, index=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("value", sa.Double, nullable=False),
)
"""Samples over time; `subject` is a worker, a GPU, or empty for the whole daemon."""

PRINT_KINDS = ("picture", "sound")
MEANING_PREFIX, WORDS_PREFIX = "mean-", "text-"
"""Of the kinds of print that are vectors, of pictures and of words, one kind per space."""
PACE_KIND = "pace"

corpus_prints = sa.Table(
    "corpus_prints",
    metadata,
    sa.Column("revision", BigKey, primary_key=True, autoincrement=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("cluster", sa.BigInteger, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("exact", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("seq", "kind", name="uq_corpus_prints_seq_kind"),
    sa.Index("ix_corpus_prints_cluster", "kind", "cluster"),
    sa.Index("ix_corpus_prints_kind", "kind", "revision", "seq"),
    sqlite_autoincrement=True,
)
"""What finds a finished video again: `entry` is filed in the index of its kind, `exact` is compared. A print that is
written anew gets a new `revision`. `cluster` is the `seq` of the video that names its cluster."""

corpus_posts = sa.Table(
    "corpus_posts",
    metadata,
    sa.Column("seq", BigKey, primary_key=True, autoincrement=False),
    sa.Column("creator", sa.String(128)),
    sa.Column("views", sa.BigInteger),
    sa.Column("views_per_day", sa.Double, index=True),
    sa.Column("features", Json),
    sa.Index("ix_corpus_posts_creator", "creator", "seq", "views"),
)
"""How a finished video's post did when it was fetched, and what it is made of."""

short_links = sa.Table(
    "short_links",
    metadata,
    sa.Column("code", sa.String(64), primary_key=True),
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("resolved_at", Time, nullable=False),
)
"""Short codes that were resolved once: `short-<code>` to the real id."""

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", Json),
)
"""Small things that must survive a restart: pause flags, the rate gate."""
