"""How the statements run: the plans that keep them fast on a big table, and their PostgreSQL form."""

import gc

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tests.store_fixtures import NOW, TRANSIENT, Queue
from tests.store_fixtures import queue as queue  # noqa: PLC0414  a fixture
from tiktokd.model import State
from tiktokd.protocol import WorkerSnapshot
from tiktokd.scheduler import schema, store
from tiktokd.scheduler.prepared import Prepared


class Trace:
    """What SQLite is asked to run while it is in force, with the parameters filled in."""

    def __init__(self, queue):
        self.statements = []
        self._raw = []
        queue.db.write_blocking(self._listen)
        self._queue = queue

    def _listen(self, conn):
        raw = conn.connection.dbapi_connection
        raw.set_trace_callback(self.statements.append)
        self._raw.append(raw)

    def plans(self):
        """Return the plan of each distinct statement that has one."""
        for raw in self._raw:
            raw.set_trace_callback(None)
        words = ("SELECT", "UPDATE", "INSERT", "DELETE")
        wanted = list(dict.fromkeys(s for s in self.statements if s.lstrip().upper().startswith(words)))

        def explain(conn):
            return {s: [row[3] for row in conn.connection.cursor().execute("EXPLAIN QUERY PLAN " + s)] for s in wanted}

        return self._queue.db.write_blocking(explain)


def crowd(queue):
    """Some rows in each state, so that no plan is chosen for an empty table."""
    queue.put(*(f"p{n}" for n in range(20)))
    queue.put_files(*(f"f{n}" for n in range(20)))
    for _ in range(5):
        queue.has_completed(queue.process())
        queue.retry(queue.download().token, failure=TRANSIENT, not_before=NOW + 9, charge=True, now=NOW)


@pytest.fixture
def trace(queue):
    if queue.db._writer.dialect.name != "sqlite":
        pytest.skip("plans are read from SQLite")
    crowd(queue)
    return Trace(queue)


@pytest.mark.parametrize(
    ("call", "index"),
    [
        (lambda q: q.claim_download(worker="w", incarnation="i", now=NOW), "ix_queue_ready_pending"),
        (lambda q: q.claim_download(worker="w", incarnation="i", now=NOW), "ix_queue_delayed_pending"),
        (lambda q: q.claim_processing(worker="w", incarnation="i", now=NOW), "ix_queue_ready_downloaded"),
        (lambda q: q.claim_processing(worker="w", incarnation="i", now=NOW), "ix_queue_delayed_downloaded"),
        (lambda q: q.next_ready_at(now=NOW), "ix_queue_delayed_pending"),
        (lambda q: q.rescue_all(incarnation="i", now=NOW), "ix_queue_downloading"),
        (lambda q: q.rescue_all(incarnation="i", now=NOW), "ix_queue_processing"),
        (lambda q: q.page(state=State.FAILED), "ix_queue_failed"),
        (lambda q: q.page(state=State.PENDING, after=30), "ix_queue_pending"),
        (lambda q: q.export_page(state=State.COMPLETED, after=3), "ix_queue_completed"),
        (lambda q: q.evictable_media(5), "ix_queue_spooled"),
        (lambda q: q.spool_usage(), "ix_queue_spooled"),
        (lambda q: q.requeue(failed=True, now=NOW), "ix_queue_failed"),
        (lambda q: q.history("p1"), "ix_job_events_seq"),
    ],
)
def test_each_question_is_served_by_its_index(queue: Queue, trace, call, index):
    call(queue)
    assert any(index in line for plan in trace.plans().values() for line in plan)


@pytest.mark.parametrize(
    "call",
    [
        lambda q: q.claim_download(worker="w", incarnation="i", now=NOW + 99),
        lambda q: q.has_completed(q.process()),
        lambda q: q.has_downloaded(q.download()),
        lambda q: q.put("x", "y"),
        lambda q: q.cancel(["p1"], now=NOW),
        lambda q: q.page(),
        lambda q: q.page(state=State.COMPLETED),
        lambda q: q.titles([1, 2]),
        lambda q: q.export_page(after=5),
        lambda q: q.get("p1"),
        lambda q: q.history("p1"),
        lambda q: q.events(since_id=5, limit=9),
    ],
)
def test_nothing_that_happens_often_scans_or_sorts_the_queue(queue: Queue, trace, call):
    call(queue)
    plans = trace.plans()
    assert plans
    for statement, plan in plans.items():
        for line in plan:
            whole = line in ("SCAN processing_queue", "SCAN video_analysis", "SCAN job_events")
            # a page without a state walks the rows by their number, which is the order it wants
            walk = "ORDER BY processing_queue.seq" in statement and "WHERE" not in statement
            assert not whole or walk, (statement, plan)
            assert "TEMP B-TREE" not in line, (statement, plan)


def exercise(queue):
    """Call every function of the store at least once."""
    crowd(queue)
    throttled = TRANSIENT.__class__(failure_class="throttled", stage="download", message="429")
    queue.retry(queue.download().token, failure=throttled, not_before=NOW, charge=False, now=NOW)
    queue.fail(queue.download().token, failure=TRANSIENT, crash=True, now=NOW)
    queue.put("short-a", priority=10)
    queue.resolve_short(queue.download().token, id="p1", url="u", now=NOW)
    queue.put("short-b", priority=10)
    claim = queue.download()
    queue.resolve_short(claim.token, id="b", url="u", now=NOW)
    queue.has_downloaded(claim)
    queue.rescue(queue.download().token, reason="drain", now=NOW)
    queue.requeue(ids=["f0"], analyzers=["x"], now=NOW)
    queue.requeue(failed=True, now=NOW)
    queue.has_completed(queue.process(), x="y")
    queue.rescue_all(incarnation="two", now=NOW)
    queue.set_priority(["p3"], 9, now=NOW)
    queue.cancel(["p3"], now=NOW)
    for state in (None, State.PENDING):
        queue.page(state=state, after=9)
        queue.export_page(state=state, since=NOW, after=1)
    queue.titles([1])
    queue.counts(), queue.get("p1"), queue.history("p1"), queue.events(since_id=1, limit=2), queue.last_event_id()
    queue.next_ready_at(now=NOW), queue.spool_usage(), queue.evictable_media(3), queue.known_media(["x"])
    queue.follow_spool("/spool")
    queue.cleanup(older_than=NOW + 1, dry_run=True), queue.cleanup(older_than=NOW + 1, dry_run=False)
    queue.set_setting("a", 1), queue.set_setting("a", 2), queue.setting("a"), queue.known_short(["short-a"])
    queue.save_workers([WorkerSnapshot(name="c", kind="cpu", pid=1, state="idle")], incarnation="i", now=NOW)
    queue.add_metrics([store.Sample(name="n", value=1.0)], now=NOW), queue.metrics(since=NOW, name="n")


def test_every_statement_has_a_postgresql_form(queue: Queue):
    issued: list[sa.ClauseElement] = []

    def note(conn, element, *rest):
        if isinstance(element, sa.ClauseElement):
            issued.append(element)

    for engine in (queue.db._writer, queue.db._reader):
        sa.event.listen(engine, "before_execute", note)
    exercise(queue)
    prepared = [p.statement for p in gc.get_objects() if type(p) is Prepared]
    assert len(prepared) >= 12
    assert len({str(s) for s in issued}) >= 30
    claims = 0
    for statement in issued + prepared:
        sql = str(statement.compile(dialect=postgresql.dialect()))
        assert not any(word in sql.upper() for word in ("OR IGNORE", "OR REPLACE", "ROWID", "STRFTIME", "PRAGMA")), sql
        claims += "FOR UPDATE SKIP LOCKED" in sql
    assert claims == 2, "both claims skip rows that others hold"
    for table in schema.metadata.sorted_tables:
        sa.schema.CreateTable(table).compile(dialect=postgresql.dialect())
        for index in table.indexes:
            sql = str(sa.schema.CreateIndex(index).compile(dialect=postgresql.dialect()))
            assert ("WHERE" in sql) == index.name.startswith("ix_queue_")


def test_sqlite_gets_no_row_locks(queue: Queue):
    if queue.db._writer.dialect.name != "sqlite":
        pytest.skip("of SQLite")
    trace = Trace(queue)
    queue.claim_download(worker="w", incarnation="i", now=NOW)
    assert trace.statements
    assert not any("FOR UPDATE" in s for s in trace.statements)
