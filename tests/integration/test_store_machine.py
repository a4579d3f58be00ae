"""Random histories of the queue against a plain model, on a real SQLite file: the rules that hold after each step."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.store_fixtures import NOW, TRANSIENT, Queue
from tiktokd.errors import Failure
from tiktokd.model import FINAL, IN_FLIGHT, State
from tiktokd.scheduler import schema, store
from tiktokd.scheduler.policy import Fail, Limits, Retry, decide
from tiktokd.scheduler.rank import rank
from tiktokd.scheduler.states import TRANSITIONS, WAITING, Event

LIMITS = Limits()
THROTTLED = Failure(failure_class="throttled", stage="download", message="HTTP 429", retry_after_s=10)
IDS = st.sampled_from([f"v{n}" for n in range(6)])
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""A real file without the wait for a real disk: what a power cut leaves is another test's matter."""


@dataclass
class Known:
    """What the model knows of one acknowledged video."""

    state: State
    priority: int
    enqueued_at: float
    seq: int
    media: bool = False
    own: bool = False
    not_before: float = 0.0
    attempts: dict[str, int] = field(default_factory=lambda: {"download": 0, "processing": 0})
    crashes: int = 0
    throttles: int = 0
    finished_at: float | None = None


class QueueMachine(RuleBasedStateMachine):
    """People, workers and power cuts, in any order."""

    template: Path

    @initialize(first=st.lists(st.tuples(IDS, st.integers(1, 10)), min_size=2, max_size=6))
    def start(self, first):
        self.folder = Path(tempfile.mkdtemp(prefix="tiktokd-machine-", dir=MEMORY))
        shutil.copy(self.template, self.folder / "tiktokd.db")
        self.queue = Queue(f"sqlite:///{self.folder / 'tiktokd.db'}")
        self.now = NOW
        self.life = 1
        self.videos: dict[str, Known] = {}
        self.live: dict[str, str] = {}  # id -> token
        self.stale: list[str] = []
        self.seq = 0
        for n, (id_, priority) in enumerate(first):
            self.now = NOW + 300 * n
            self.add([id_], priority, n % 2 == 1)

    def teardown(self):
        if hasattr(self, "queue"):
            self.queue.db.close()
            shutil.rmtree(self.folder)

    # --- people ---

    @rule(ids=st.lists(IDS, min_size=1, max_size=5), priority=st.integers(1, 10), files=st.booleans())
    def add(self, ids, priority, files):
        put = self.queue.put_files if files else self.queue.put
        for added in put(*ids, now=self.now, priority=priority):
            assert (added.outcome == "duplicate") == (added.id in self.videos)
            if added.id not in self.videos:
                self.seq += 1
                state = State.DOWNLOADED if files else State.PENDING
                self.videos[added.id] = Known(state, priority, self.now, self.seq, media=files, own=files)

    @rule(ids=st.lists(IDS, min_size=1, max_size=3))
    def cancel(self, ids):
        for outcome in self.queue.cancel(ids, now=self.now):
            video = self.videos.get(outcome.id)
            assert (outcome.outcome == "done") == (video is not None and video.state not in FINAL)
            if outcome.outcome == "done":
                self._drop_claim(outcome.id)
                self._finish(video, State.CANCELLED)

    @rule(ids=st.lists(IDS, min_size=1, max_size=3), failed=st.booleans())
    def requeue(self, ids, failed):
        for outcome in self.queue.requeue(ids=ids, failed=failed, now=self.now):
            video = self.videos.get(outcome.id)
            able = video is not None and (video.state is State.FAILED if failed else video.state in FINAL)
            assert (outcome.outcome == "done") == able
            if able:
                video.state = State.DOWNLOADED if video.media else State.PENDING
                video.attempts = {"download": 0, "processing": 0}
                video.crashes = video.throttles = 0
                video.not_before, video.enqueued_at, video.finished_at = 0.0, self.now, None

    @rule(ids=st.lists(IDS, min_size=1, max_size=3), priority=st.integers(1, 10))
    def set_priority(self, ids, priority):
        for outcome in self.queue.set_priority(ids, priority, now=self.now):
            if outcome.outcome == "done":
                self.videos[outcome.id].priority = priority

    @rule(age=st.sampled_from([0, 50, 400]))
    def cleanup(self, age):
        removed = {media.id for media in self.queue.cleanup(older_than=self.now - age, dry_run=False).media}
        due = {
            id_
            for id_, v in self.videos.items()
            if v.state in FINAL and v.media and not v.own and v.finished_at < self.now - age
        }
        assert removed == due
        for id_ in removed:
            self.videos[id_].media = False

    # --- workers ---

    @rule()
    def claim_download(self):
        self._claim("download", Event.CLAIM_DOWNLOAD)

    @rule()
    def claim_processing(self):
        self._claim("processing", Event.CLAIM_PROCESSING)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def finish(self, data):
        id_, token = self._pick(data)
        video = self.videos[id_]
        claim = type("Held", (), {"id": id_, "token": token})
        if video.state is State.DOWNLOADING:
            assert self.queue.has_downloaded(claim, now=self.now)
            video.state, video.media, video.not_before, video.throttles = State.DOWNLOADED, True, 0.0, 0
        else:
            assert self.queue.has_completed(claim, now=self.now, loudness="x")
            self._finish(video, State.COMPLETED)
        self._drop_claim(id_)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), kind=st.sampled_from(["transient", "throttled", "crash"]), random=st.floats(0, 0.99))
    def break_down(self, data, kind, random):
        """A failure goes the way that the policy decides."""
        id_, token = self._pick(data)
        video = self.videos[id_]
        lane = "download" if video.state is State.DOWNLOADING else "processing"
        failure, crashed = (THROTTLED if kind == "throttled" else TRANSIENT), kind == "crash"
        counted = {"attempts": video.attempts[lane], "crashes": video.crashes, "throttles": video.throttles}
        decision = decide(failure, stage=lane, limits=LIMITS, now=self.now, random=random, crashed=crashed, **counted)
        self._drop_claim(id_)
        if isinstance(decision, Retry):
            charge, crash = decision.charge, decision.crash
            assert self.queue.retry(
                token, failure=failure, not_before=decision.at, charge=charge, crash=crash, now=self.now
            )
            video.state = State.PENDING if lane == "download" else State.DOWNLOADED
            video.not_before = decision.at
            video.throttles += kind == "throttled"
        else:
            assert isinstance(decision, Fail)
            charge, crash = not decision.crash, decision.crash
            assert self.queue.fail(token, failure=decision.failure, crash=crash, now=self.now)
            self._finish(video, State.FAILED)
        video.attempts[lane] += charge
        video.crashes += crash

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def pause(self, data):
        """A drain or a pause puts one video back, uncharged."""
        id_, token = self._pick(data)
        assert self.queue.rescue(token, reason="paused", now=self.now)
        self._drop_claim(id_)
        self._put_back(self.videos[id_])

    @precondition(lambda self: self.stale)
    @rule(data=st.data(), how=st.sampled_from(["downloaded", "complete", "retry", "fail", "rescue"]))
    def report_late(self, data, how):
        """Somebody whose claim was taken away reports all the same."""
        token = data.draw(st.sampled_from(self.stale))
        claim = type("Held", (), {"id": "v0", "token": token})
        reports = {
            "downloaded": lambda: self.queue.has_downloaded(claim, now=self.now),
            "complete": lambda: self.queue.has_completed(claim, now=self.now, loudness="late"),
            "retry": lambda: self.queue.retry(token, failure=TRANSIENT, not_before=0, charge=True, now=self.now),
            "fail": lambda: self.queue.fail(token, failure=TRANSIENT, now=self.now),
            "rescue": lambda: self.queue.rescue(token, reason="late", now=self.now),
        }
        assert reports[how]() is False

    # --- the world ---

    @rule(seconds=st.sampled_from([1, 20, 700, -300]))
    def time_passes(self, seconds):
        """Also backwards: a clock may be set back."""
        self.now += seconds

    @rule()
    def restart(self):
        """The daemon dies with everything in flight, and starts again."""
        self.queue.db.close()
        self.queue = Queue(self.queue.url)
        self.life += 1
        assert self.queue.rescue_all(incarnation=str(self.life), now=self.now) == len(self.live)
        for id_ in list(self.live):
            self._drop_claim(id_)
            self._put_back(self.videos[id_])

    # --- what always holds ---

    @invariant()
    def the_rows_are_the_model(self):
        if not hasattr(self, "queue"):
            return
        rows = self.queue.db.read_blocking(lambda c: c.execute(sa.select(schema.processing_queue)).all())
        assert {row.id: row.state for row in rows} == {id_: v.state for id_, v in self.videos.items()}
        for row in rows:
            video = self.videos[row.id]
            assert row.priority == video.priority
            assert abs(row.rank - rank(video.priority, video.enqueued_at)) < 1e-3
            assert (row.download_attempts, row.processing_attempts) == tuple(video.attempts.values())
            assert row.download_attempts <= LIMITS.attempts
            assert row.processing_attempts <= LIMITS.attempts
            assert row.crashes == video.crashes <= LIMITS.crashes
            assert row.claim_token == (self.live[row.id] if row.state in IN_FLIGHT else None)
            assert (row.media_path is not None) == video.media

    @invariant()
    def the_counters_are_the_counts(self):
        if hasattr(self, "queue"):
            found = dict.fromkeys(State, 0)
            for video in self.videos.values():
                found[video.state] += 1
            assert self.queue.db.read_blocking(store.counts) == found

    @invariant()
    def the_history_leads_to_the_present(self):
        if not hasattr(self, "queue"):
            return
        latest: dict[str, str] = {}
        for event in self.queue.events(since_id=0, limit=1_000_000):
            before = latest.get(event.id)
            assert before is None or event.from_state == before, "a step is missing"
            if event.event in set(Event):
                assert TRANSITIONS[Event(event.event)][State(event.from_state)] == event.to_state
            latest[event.id] = event.to_state
        for id_, state in latest.items():
            assert state == self.videos[id_].state

    # --- the model's own steps ---

    def _claim(self, lane, event):
        function = getattr(self.queue, event.value)
        claim = function(worker=f"{lane}-0", incarnation=str(self.life), now=self.now)
        ready = [v for v in self.videos.values() if v.state is WAITING[event] and v.not_before <= self.now]
        if not ready:
            assert claim is None
            return
        first = min(ready, key=lambda v: (rank(v.priority, v.enqueued_at), v.seq))
        assert claim is not None
        assert self.videos[claim.id] is first
        assert claim.id not in self.live, "two live claims on one video"
        assert claim.token not in self.stale
        assert claim.attempts == first.attempts[lane]
        # once ripe it stays ready, even when the clock is set back
        for video in ready:
            video.not_before = 0.0
        first.state = TRANSITIONS[event][first.state]
        self.live[claim.id] = claim.token

    def _pick(self, data):
        return data.draw(st.sampled_from(sorted(self.live.items())))

    def _drop_claim(self, id_):
        if id_ in self.live:
            self.stale.append(self.live.pop(id_))

    def _put_back(self, video):
        video.state = State.PENDING if video.state is State.DOWNLOADING else State.DOWNLOADED

    def _finish(self, video, state):
        video.state, video.finished_at = state, self.now


def test_random_histories_keep_every_rule(tmp_path):
    template = Queue(f"sqlite:///{tmp_path / 'template.db'}")
    template.db.close()
    QueueMachine.template = tmp_path / "template.db"
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(max_examples=40, stateful_step_count=60, suppress_health_check=slow),
    )
