"""The queue's statements on a real database: adding, claiming, finishing, and what stale actors may not do."""

import json
import math

import pytest
import sqlalchemy as sa

from tests.store_fixtures import NOW, TRANSIENT, Queue, envelope
from tests.store_fixtures import queue as queue  # noqa: PLC0414  a fixture
from tiktokd.errors import Failure
from tiktokd.model import Envelope, MediaFacts, Metadata, State, VideoRef
from tiktokd.protocol import WorkerSnapshot
from tiktokd.scheduler import schema, store, store_mishaps, store_transition
from tiktokd.scheduler.records import outcome_of
from tiktokd.scheduler.store import NewVideo, Sample

# --- adding ---


def test_a_video_added_twice_is_one_row_and_the_second_is_told_so(queue: Queue):
    assert [a.outcome for a in queue.put("1", "2", "1")] == ["added", "added", "duplicate"]
    claim = queue.download()
    assert queue.put(claim.id)[0].state is State.DOWNLOADING
    assert queue.counts()[State.PENDING] == 1


def test_ten_thousand_videos_are_added_in_one_call_and_answered_in_order(queue: Queue):
    ids = [str(n) for n in range(10_000)]
    added = queue.put(*ids)
    assert [a.id for a in added] == ids
    assert queue.counts()[State.PENDING] == 10_000


@pytest.mark.parametrize("priority", [0, 11])
def test_a_wrong_priority_adds_nothing_of_the_call(queue: Queue, priority):
    items = [NewVideo(id="1", url="u"), NewVideo(id="2", url="u", priority=priority)]
    with pytest.raises(ValueError, match=f"2: priority {priority} is not between 1 and 10"):
        queue.add(items, now=NOW)
    assert queue.counts()[State.PENDING] == 0


def test_a_file_that_is_here_already_is_not_downloaded(queue: Queue):
    queue.put_files("file-1")
    assert queue.claim_download(worker="w", incarnation="one", now=NOW) is None
    assert queue.process().media_path == "/videos/own.mp4"


def test_a_file_that_has_moved_is_found_where_it_was_added_again(queue: Queue):
    queue.put_files("file-1")
    moved = store.NewVideo(id="file-1", url="file:///new/own.mp4", media_path="/new/own.mp4", downloaded=True)
    (again,) = queue.add([moved], now=NOW)
    assert (again.outcome, again.url) == ("duplicate", "file:///new/own.mp4")
    assert queue.process().media_path == "/new/own.mp4"


# --- order ---


def test_urgent_videos_go_first_and_the_oldest_of_them_before_the_others(queue: Queue):
    queue.put("old", now=NOW, priority=9)
    queue.put("urgent-1", now=NOW + 1, priority=10)
    queue.put("urgent-2", now=NOW + 2, priority=10)
    assert [queue.download(NOW + 3).id for _ in range(3)] == ["urgent-1", "urgent-2", "old"]


def test_a_low_priority_overtakes_a_higher_one_that_came_ten_minutes_later_per_step(queue: Queue):
    queue.put("low", now=NOW, priority=1)
    queue.put("just before", now=NOW + 599, priority=2)
    queue.put("just after", now=NOW + 601, priority=2)
    assert [queue.download(NOW + 700).id for _ in range(3)] == ["just before", "low", "just after"]


def test_a_new_priority_counts_from_when_the_video_was_added_and_survives_the_daemon(queue: Queue):
    queue.put("first", now=NOW)
    queue.put("second", now=NOW + 60)
    queue.set_priority(["first", "second"], 6, now=NOW + 120)
    queue.set_priority(["nobody"], 6, now=NOW)
    queue.db.close()
    again = Queue(queue.url)
    assert [again.download(NOW + 200).id for _ in range(2)] == ["first", "second"]
    assert again.get("first").video.priority == 6
    again.db.close()


def test_a_finished_video_keeps_its_priority(queue: Queue):
    queue.put("1")
    queue.cancel(["1"], now=NOW)
    assert queue.set_priority(["1", "2"], 9, now=NOW) == [
        store.Outcome(id="1", outcome="unchanged", state=State.CANCELLED),
        store.Outcome(id="2", outcome="unknown", state=None),
    ]


# --- the way of a video ---


def test_a_video_goes_from_url_to_results_and_its_history_says_how(queue: Queue):
    queue.put("1", analyzers=("loudness",))
    claim = queue.download()
    assert queue.has_downloaded(claim, title="a cat")
    claim = queue.process()
    assert (claim.metadata.title, claim.media_path, claim.analyzers) == ("a cat", "/spool/1.mp4", ("loudness",))
    facts = MediaFacts(
        duration_s=math.nan, size_bytes=1, container="mp4", bitrate_kbps=None, width_px=None, height_px=None, fps=None,
        frame_count=0, rotation_deg=0, video_codec=None, audio_codec=None, audio_rate_hz=None, audio_channels=None,
    )  # fmt: skip
    outputs = {"loudness": envelope("loudness", "quiet")}
    signals = {"beats": {"times_s": [0.5]}}
    assert queue.complete(claim.token, outputs=outputs, signals=signals, facts=facts, timings={"decode": 2.0}, now=NOW)
    record = queue.get("1")
    assert record.outputs["loudness"]["summary"] == {"text": "quiet"}
    assert record.signals == signals
    assert record.timings == {"decode": 2.0}
    assert record.facts["container"] == "mp4"
    assert record.facts["duration_s"] is None, "JSON has no NaN"
    assert [(e.event, e.from_state, e.to_state) for e in queue.history("1")] == [
        ("add", None, "pending"),
        ("claim_download", "pending", "downloading"),
        ("downloaded", "downloading", "downloaded"),
        ("claim_processing", "downloaded", "processing"),
        ("complete", "processing", "completed"),
    ]


def test_each_claim_reads_the_metadata_of_its_own_post(queue: Queue):
    queue.put("1", "2")
    for title in ("one", "two"):
        queue.has_downloaded(queue.download(), title=title)
    assert {c.id: c.metadata.title for c in (queue.process(), queue.process())} == {"1": "one", "2": "two"}


def test_a_retry_waits_for_its_time_and_counts_one_attempt(queue: Queue):
    queue.put("1")
    assert queue.retry(queue.download().token, failure=TRANSIENT, not_before=NOW + 30, charge=True, now=NOW)
    assert queue.claim_download(worker="w", incarnation="one", now=NOW + 29) is None
    assert queue.next_ready_at(now=NOW) == (NOW + 30, None)
    claim = queue.download(NOW + 30)
    assert (claim.attempts, claim.crashes, claim.last_failure) == (1, 0, TRANSIENT)


def test_a_time_that_has_passed_is_given_as_now(queue: Queue):
    queue.put_files("1")
    queue.retry(queue.process().token, failure=TRANSIENT, not_before=NOW + 30, charge=True, now=NOW)
    assert queue.next_ready_at(now=NOW + 100) == (None, NOW + 100)


def test_a_ripe_retry_takes_its_old_place_in_the_order(queue: Queue):
    queue.put("first", now=NOW)
    queue.put("second", now=NOW + 1)
    queue.retry(queue.download(NOW + 2).token, failure=TRANSIENT, not_before=NOW + 5, charge=True, now=NOW + 2)
    assert queue.download(NOW + 10).id == "first"


def test_throttled_answers_and_crashes_are_counted_apart_from_attempts(queue: Queue):
    queue.put("1")
    throttled = Failure(failure_class="throttled", stage="download", message="429", retry_after_s=5.0, http_status=429)
    queue.retry(queue.download().token, failure=throttled, not_before=NOW, charge=False, now=NOW)
    queue.retry(queue.download().token, failure=TRANSIENT, not_before=NOW, charge=False, crash=True, now=NOW)
    claim = queue.download()
    assert (claim.attempts, claim.throttles, claim.crashes) == (0, 1, 1)


def test_a_crash_while_downloading_is_still_known_while_processing(queue: Queue):
    queue.put("1")
    queue.retry(queue.download().token, failure=TRANSIENT, not_before=NOW, charge=False, crash=True, now=NOW)
    queue.has_downloaded(queue.download())
    assert queue.process().crashes == 1


def test_a_failed_video_keeps_its_failure_and_says_so_in_its_history(queue: Queue):
    queue.put("1")
    gone = Failure(failure_class="permanent", stage="download", message="deleted", http_status=404)
    assert queue.fail(queue.download().token, failure=gone, now=NOW + 5)
    video = queue.get("1").video
    assert (video.state, video.failure, video.download_attempts, video.finished_at) == ("failed", gone, 1, NOW + 5)
    assert queue.history("1")[-1].reason == "permanent in download: deleted"


@pytest.mark.parametrize("stage", ["download", "processing"])
def test_a_rescued_video_is_as_if_it_had_never_been_claimed(queue: Queue, stage):
    claim = (queue.put("1"), queue.download())[1] if stage == "download" else (queue.put_files("1"), queue.process())[1]
    assert queue.rescue(claim.token, reason="drain", now=NOW)
    again = queue.download() if stage == "download" else queue.process()
    assert (again.attempts, again.crashes, again.throttles) == (0, 0, 0)
    assert again.token != claim.token


def test_a_restart_puts_back_what_earlier_lives_had_claimed_and_nothing_of_its_own(queue: Queue):
    queue.put("1", "2")
    queue.put_files("3", "4")
    queue.download()
    queue.process()
    own = queue.claim_download(worker="d", incarnation="two", now=NOW)
    assert queue.rescue_all(incarnation="two", now=NOW) == 2
    counts = queue.counts()
    assert (counts[State.PENDING], counts[State.DOWNLOADING], counts[State.DOWNLOADED]) == (1, 1, 2)
    assert queue.has_downloaded(own)


# --- the four stale actors ---


def test_a_late_result_of_a_rescued_claim_is_dropped(queue: Queue):
    queue.put_files("1")
    stale = queue.process()
    queue.rescue_all(incarnation="two", now=NOW)
    assert not queue.has_completed(stale, loudness="late")
    fresh = queue.process()
    assert not queue.has_completed(stale, loudness="late")
    assert queue.has_completed(fresh, loudness="right")
    assert queue.get("1").outputs["loudness"]["summary"] == {"text": "right"}


def test_a_result_that_is_reported_twice_is_recorded_once(queue: Queue):
    queue.put_files("1")
    claim = queue.process()
    assert queue.has_completed(claim, loudness="first")
    assert not queue.has_completed(claim, loudness="second")
    assert queue.get("1").outputs["loudness"]["summary"] == {"text": "first"}
    assert [e.event for e in queue.history("1")].count("complete") == 1
    assert queue.counts()[State.COMPLETED] == 1


def test_a_stale_release_does_not_hand_out_a_video_that_another_worker_holds(queue: Queue):
    queue.put("1")
    stale = queue.download()
    queue.rescue(stale.token, reason="drain", now=NOW)
    fresh = queue.download()
    assert not queue.rescue(stale.token, reason="drain", now=NOW)
    assert not queue.retry(stale.token, failure=TRANSIENT, not_before=0, charge=True, now=NOW)
    assert queue.claim_download(worker="w", incarnation="one", now=NOW) is None
    assert queue.has_downloaded(fresh)


def test_a_rescue_that_lost_to_the_finisher_does_not_undo_the_finish(queue: Queue):
    queue.put_files("1")
    claim = queue.process()
    queue.has_completed(claim)
    assert queue.rescue_all(incarnation="two", now=NOW) == 0
    assert not queue.fail(claim.token, failure=TRANSIENT, now=NOW)
    assert not queue.rescue(claim.token, reason="restart", now=NOW)
    assert queue.state("1") == "completed"


@pytest.mark.parametrize("token", ["", "x", "pending.1.1", "processing.1", "processing.1.2", "downloading.1.1", "..."])
def test_a_token_that_was_never_given_out_changes_nothing(queue: Queue, token):
    queue.put_files("1")
    queue.process()
    assert not queue.complete(token, outputs={}, signals={}, facts=None, timings={}, now=NOW)
    assert queue.state("1") == "processing"


def test_a_result_of_a_cancelled_video_is_dropped(queue: Queue):
    queue.put("1")
    claim = queue.download()
    assert queue.cancel(["1"], now=NOW)[0].outcome == "done"
    assert not queue.has_downloaded(claim)
    assert queue.state("1") == "cancelled"


def test_a_download_claim_cannot_report_an_analysis(queue: Queue):
    queue.put("1")
    assert not queue.has_completed(queue.download())
    assert queue.state("1") == "downloading"


# --- mishaps ---


def test_a_worker_death_is_counted_while_the_claim_goes_on(queue: Queue):
    queue.put_files("1")
    claim = queue.process()
    assert queue.db.write_blocking(store_mishaps.crashed, claim.token, failure=TRANSIENT, now=NOW)
    assert queue.get("1").video.crashes == 1
    assert queue.history("1")[-1].event == "crash"
    assert queue.has_completed(claim)
    assert not queue.db.write_blocking(store_mishaps.crashed, claim.token, failure=TRANSIENT, now=NOW)


def test_a_video_whose_file_has_vanished_is_downloaded_again_uncharged(queue: Queue):
    queue.put("1")
    queue.has_downloaded(queue.download())
    stale = queue.process()
    assert queue.db.write_blocking(store_mishaps.media_gone, stale.token, failure=TRANSIENT, now=NOW)
    assert not queue.db.write_blocking(store_mishaps.media_gone, stale.token, failure=TRANSIENT, now=NOW)
    claim = queue.download()
    assert (claim.id, claim.attempts, claim.media_path) == ("1", 0, None)
    assert queue.spool_usage().videos == 0
    assert queue.counts()[State.DOWNLOADING] == 1


# --- verbs of people ---


def test_every_id_of_a_cancel_gets_its_answer(queue: Queue):
    queue.put("1", "2")
    queue.cancel(["1"], now=NOW)
    outcomes = {o.id: (o.outcome, o.state) for o in queue.cancel(["1", "2", "3", "2"], now=NOW)}
    assert outcomes == {
        "1": ("unchanged", State.CANCELLED),
        "2": ("done", State.CANCELLED),
        "3": ("unknown", None),
    }


def test_requeue_downloads_again_only_what_is_gone_and_forgives_the_past(queue: Queue):
    queue.put("gone", "here")
    queue.fail(queue.download().token, failure=TRANSIENT, crash=True, now=NOW)
    queue.has_downloaded(queue.download())
    queue.fail(queue.process().token, failure=TRANSIENT, now=NOW)
    outcomes = queue.requeue(failed=True, now=NOW + 9)
    assert [(o.id, o.state) for o in outcomes] == [("gone", State.PENDING), ("here", State.DOWNLOADED)]
    for claim in (queue.download(NOW + 9), queue.process(NOW + 9)):
        assert (claim.attempts, claim.crashes) == (0, 0)
    assert [e.event for e in queue.history("here")][-2] == "reanalyze"


def test_a_requeued_video_takes_its_place_behind_those_that_wait(queue: Queue):
    queue.put("old", now=NOW)
    queue.cancel(["old"], now=NOW)
    queue.put("new", now=NOW + 5)
    queue.requeue(ids=["old"], now=NOW + 10)
    assert [queue.download(NOW + 20).id for _ in range(2)] == ["new", "old"]


def test_requeue_failed_leaves_completed_videos_alone_even_when_named(queue: Queue):
    queue.put_files("1")
    queue.has_completed(queue.process())
    assert queue.requeue(ids=["1"], failed=True, now=NOW)[0].outcome == "unchanged"
    assert queue.requeue(now=NOW) == []


def test_analyzers_that_are_asked_for_again_replace_their_results_and_leave_the_others(queue: Queue):
    queue.put_files("1", analyzers=("loudness", "motion"))
    queue.has_completed(queue.process(), loudness="old", motion="old")
    queue.requeue(ids=["1"], analyzers=["motion", "entities"], now=NOW)
    claim = queue.process()
    assert claim.analyzers == ("motion", "entities")
    assert {name: each.summary["text"] for name, each in claim.kept.items()} == {"loudness": "old", "motion": "old"}
    queue.has_completed(claim, motion="new", entities="new")
    texts = {name: result["summary"]["text"] for name, result in queue.get("1").outputs.items()}
    assert texts == {"loudness": "old", "motion": "new", "entities": "new"}
    queue.requeue(ids=["1"], now=NOW)
    claim = queue.process()
    assert claim.analyzers == ("entities", "loudness", "motion"), "everything anew means all that was asked for"
    assert claim.kept == {}
    queue.has_completed(claim, loudness="newer", motion="newer", entities="newer")
    assert set(queue.get("1").outputs) == {"loudness", "motion", "entities"}


def test_what_ran_only_to_be_read_does_not_replace_a_result_by_a_missing_model(queue: Queue):
    queue.put_files("1", analyzers=("speech", "sounds", "words", "hook"))
    gone = {"status": "skipped", "tier": "lite", "reason": "model_missing", "version": "2"}
    first = {name: envelope(name, "old") for name in ("speech", "words", "hook")}
    first["sounds"] = Envelope(analyzer="sounds", **gone | {"version": "1"})
    queue.complete(queue.process().token, outputs=first, signals={}, facts=None, timings={}, now=NOW)
    queue.requeue(ids=["1"], analyzers=["hook", "words"], now=NOW)
    claim = queue.process()
    outputs = {name: Envelope(analyzer=name, **gone) for name in ("speech", "sounds", "words")}
    outputs["hook"] = Envelope(analyzer="hook", version="2", status="ok", tier="lite")
    assert queue.complete(claim.token, outputs=outputs, signals={}, facts=None, timings={}, now=NOW)
    found = {name: (each["status"], each["version"]) for name, each in queue.get("1").outputs.items()}
    assert found.pop("words") == ("skipped", "2"), "they were asked for"
    assert found == {"speech": ("ok", "1"), "sounds": ("skipped", "1"), "hook": ("ok", "2")}


def test_results_far_larger_than_any_run_makes_are_not_told_to_workers(queue: Queue, monkeypatch):
    queue.put_files("1")
    queue.has_completed(queue.process(), loudness="old")
    queue.requeue(ids=["1"], analyzers=["hook"], now=NOW)
    monkeypatch.setattr(store_transition, "KEPT_CHARS_MAX", 10)
    assert queue.process().kept == {}


def test_a_stored_result_that_cannot_be_read_is_no_result(queue: Queue):
    queue.put_files("1")
    queue.has_completed(queue.process(), loudness="old", motion="old")
    stored = queue.get("1").outputs
    del stored["motion"]["tier"]
    damage(queue, "video_analysis", "outputs", json.dumps(stored), "1")
    queue.requeue(ids=["1"], analyzers=["pacing"], now=NOW)
    assert set(queue.process().kept) == {"loudness"}


def test_a_cancelled_requeue_keeps_the_earlier_results_and_says_so(queue: Queue):
    queue.put_files("1", "2")
    queue.has_completed(queue.process(), loudness="old")
    queue.requeue(ids=["1"], now=NOW)
    outcomes = queue.cancel(["1", "2"], now=NOW)
    assert [(o.id, o.state, o.has_results) for o in outcomes] == [
        ("1", State.CANCELLED, True), ("2", State.CANCELLED, False),
    ]  # fmt: skip
    assert queue.get("1").outputs["loudness"]["summary"]["text"] == "old"
    assert "earlier run" in (outcome_of("1", outcomes[0], "cancelled").reason or "")
    assert outcome_of("2", outcomes[1], "cancelled").reason is None
    queue.requeue(ids=["1"], now=NOW)
    queue.fail(queue.process().token, failure=TRANSIENT, now=NOW)
    assert (queue.state("1"), set(queue.get("1").outputs)) == ("failed", {"loudness"})


# --- short links ---


def test_a_short_link_becomes_its_video_and_is_remembered(queue: Queue):
    queue.put("short-abc")
    claim = queue.download()
    assert queue.resolve_short(claim.token, id="77", url="https://www.tiktok.com/@a/video/77", now=NOW) == "renamed"
    assert queue.has_downloaded(claim)
    assert queue.state("77") == "downloaded"
    assert queue.get("short-abc").video.id == "77"
    assert queue.known_short(["short-abc", "short-x"]) == {
        "short-abc": VideoRef(id="77", url="https://www.tiktok.com/@a/video/77")
    }
    added = queue.put("short-abc")[0]
    assert (added.id, added.outcome) == ("77", "duplicate")


def test_every_verb_finds_the_video_of_a_resolved_short_link(queue: Queue):
    queue.put("short-abc", "short-new")
    claim = queue.download()
    queue.resolve_short(claim.token, id="77", url="https://www.tiktok.com/@a/video/77", now=NOW)
    done = [
        *queue.set_priority(["short-abc"], 9, now=NOW),
        *queue.cancel(["short-abc", "77", "short-new"], now=NOW),
        *queue.requeue(ids=["short-abc"], now=NOW),
    ]
    assert [(each.id, each.outcome) for each in done] == [
        ("77", "done"), ("77", "done"), ("short-new", "done"), ("77", "done"),
    ]  # fmt: skip


def test_a_short_link_of_a_known_video_is_dropped_as_its_duplicate(queue: Queue):
    queue.put("77", "short-abc")
    queue.has_downloaded(queue.download())
    claim = queue.download()
    assert queue.resolve_short(claim.token, id="77", url="u", now=NOW) == "duplicate"
    assert not queue.has_downloaded(claim)
    assert queue.counts() == {state: int(state is State.DOWNLOADED) for state in State}
    assert queue.history("77")[-1].reason == "short-abc is the same video"


def test_a_token_of_a_dropped_row_never_fits_a_later_one(queue: Queue):
    queue.put("77", "short-abc")
    queue.download()
    stale = queue.download()
    queue.resolve_short(stale.token, id="77", url="u", now=NOW)
    queue.put("78")
    assert queue.download().token != stale.token
    assert not queue.has_downloaded(stale)


def test_a_stale_claim_cannot_rename_a_row(queue: Queue):
    queue.put("short-abc")
    claim = queue.download()
    queue.rescue(claim.token, reason="drain", now=NOW)
    assert queue.resolve_short(claim.token, id="77", url="u", now=NOW) == "stale"
    assert queue.state("short-abc") == "pending"


def test_an_urgent_short_link_of_a_known_video_makes_that_one_urgent_and_a_lesser_one_changes_nothing(queue: Queue):
    queue.put("first", "77", "78")
    queue.put("short-abc", "short-def", priority=10)
    for claim, id_ in [(queue.download(), "77"), (queue.download(), "78")]:
        assert queue.resolve_short(claim.token, id=id_, url="u", now=NOW) == "duplicate"
    assert [e.event for e in queue.history("77")] == ["add", "duplicate", "priority"]
    queue.put("short-low", priority=1)
    assert [queue.download().id for _ in range(3)] == ["77", "78", "first"], "they went before those that were first"
    claim = queue.download()
    queue.resolve_short(claim.token, id="77", url="u", now=NOW)
    assert queue.get("77").video.priority == 10


# --- damaged rows ---


def damage(queue: Queue, table: str, column: str, text: str, id_: str = "bad") -> None:
    if queue.url.startswith("postgresql"):
        pytest.skip("PostgreSQL checks JSON when it is written")
    sql = f"UPDATE {table} SET {column} = :text WHERE seq = (SELECT seq FROM processing_queue WHERE id = :id)"
    assert queue.db.write_blocking(lambda conn: conn.execute(sa.text(sql), {"text": text, "id": id_}).rowcount) == 1


@pytest.mark.parametrize("text", ['["loud', "17", '[{"a": 1}]'])
@pytest.mark.parametrize("column", ["analyzers", "rerun"])
def test_a_video_whose_wishes_cannot_be_read_fails_and_the_others_go_on(queue: Queue, column, text):
    queue.put("bad", "good")
    damage(queue, "processing_queue", column, text)
    assert queue.download().id == "good"
    record = queue.get("bad")
    assert record.video.state is State.FAILED
    assert f"its stored {column} cannot be read" in record.video.failure.message
    assert queue.history("bad")[-1].event == "fail"
    assert [video.id for video in queue.page()] == ["good", "bad"]
    queue.requeue(ids=["bad"], now=NOW)
    assert queue.download().id == "bad", "what was damaged is gone"


@pytest.mark.parametrize("text", ["{not json", "[]", '{"view_count": "many"}'])
def test_a_video_whose_metadata_cannot_be_read_fails_and_the_others_go_on(queue: Queue, text):
    queue.put("bad", "good")
    for _ in range(2):
        queue.has_downloaded(queue.download(), title="a film")
    damage(queue, "video_analysis", "metadata", text)
    assert queue.process().id == "good"
    assert "its stored metadata cannot be read" in queue.get("bad").video.failure.message
    queue.requeue(ids=["bad"], now=NOW)
    assert queue.process().id == "bad"


def test_damaged_columns_stop_neither_lists_nor_exports_nor_a_second_analysis(queue: Queue):
    queue.put("bad", "good")
    for _ in range(2):
        queue.has_downloaded(queue.download(), title="a film")
        queue.has_completed(queue.process(), loudness="first")
    for column in ("metadata", "facts", "outputs", "signals", "timings"):
        damage(queue, "video_analysis", column, '{"half')
    damage(queue, "processing_queue", "failure", '{"half')
    damage(queue, "processing_queue", "analyzers", '{"half')
    bad, good = queue.export_page()
    assert (bad.video.id, bad.outputs, bad.metadata, good.metadata.title) == ("bad", {}, None, "a film")
    assert bad.video.failure.message == "its stored failure cannot be read"
    assert queue.titles([bad.video.seq, good.video.seq]) == {good.video.seq: "a film"}
    damage(queue, "video_analysis", "metadata", "null")
    queue.requeue(ids=["bad"], analyzers=["loudness"], now=NOW)
    assert queue.has_completed(queue.process(), loudness="second")
    assert queue.get("bad").outputs["loudness"]["summary"] == {"text": "second"}


# --- reading ---


def test_pages_walk_through_everything_once_newest_first(queue: Queue):
    queue.put(*(str(n) for n in range(7)))
    seen, after = [], None
    while page := queue.page(limit=3, after=after):
        seen += [video.id for video in page]
        after = page[-1].seq
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]
    queue.cancel(["2", "5"], now=NOW)
    assert [video.id for video in queue.page(state=State.CANCELLED)] == ["5", "2"]


def test_an_export_walks_through_everything_once_oldest_first(queue: Queue):
    queue.put("1", "2", "3", now=NOW)
    queue.has_downloaded(queue.download(NOW + 1), now=NOW + 2, title="one")
    first = queue.export_page(limit=2)
    rest = queue.export_page(limit=2, after=first[-1].video.seq)
    assert [r.video.id for r in first + rest] == ["1", "2", "3"]
    assert first[0].metadata == Metadata(title="one")
    assert (first[1].metadata, first[1].outputs) == (None, {})
    assert [r.video.id for r in queue.export_page(since=NOW + 2)] == ["1"]
    assert [r.video.id for r in queue.export_page(state=State.DOWNLOADED)] == ["1"]


def test_events_after_an_id_come_in_order_and_bounded(queue: Queue):
    queue.put("1", "2", "3")
    assert [e.id for e in queue.events(since_id=0, limit=2)] == ["1", "2"]
    last = queue.last_event_id()
    queue.download()
    assert [(e.id, e.event, e.reason) for e in queue.events(since_id=last, limit=9)] == [
        ("1", "claim_download", "download-0")
    ]


def test_an_unknown_video_is_none(queue: Queue):
    assert queue.get("nobody") is None
    assert queue.history("nobody") == []


# --- housekeeping ---


def test_cleanup_takes_old_media_events_and_metrics_and_leaves_results_and_own_files(queue: Queue):
    queue.put("old", now=NOW)
    queue.put_files("own", now=NOW)
    queue.has_downloaded(queue.download())
    for _ in range(2):
        queue.has_completed(queue.process(), now=NOW, loudness="kept")
    queue.put("waiting", now=NOW)
    queue.add_metrics([Sample(name="rss_mib", value=1.0, at=NOW)], now=NOW)
    queue.put("new", now=NOW + 100)
    queue.cancel(["new"], now=NOW + 100)
    planned = queue.cleanup(older_than=NOW + 50, dry_run=True)
    assert queue.spool_usage() == store.SpoolUsage(videos=1, size_bytes=10)
    done = queue.cleanup(older_than=NOW + 50, dry_run=False)
    assert done == planned
    assert [m.path for m in done.media] == ["/spool/old.mp4"]
    assert (done.events, done.metrics) == (8, 1)
    assert queue.spool_usage() == store.SpoolUsage(videos=0, size_bytes=0)
    assert queue.get("own").video.media_path == "/videos/own.mp4"
    assert set(queue.get("old").outputs) == {"loudness"}
    assert [e.event for e in queue.history("waiting")] == ["add"]
    assert queue.requeue(ids=["old", "own"], now=NOW)[0].state is State.PENDING


def test_cleanup_tears_no_hole_into_a_history_over_which_the_clock_was_set_back(queue: Queue):
    queue.put("v", now=NOW)
    queue.cancel(["v"], now=NOW - 400)
    queue.cleanup(older_than=NOW - 400, dry_run=False)
    assert [e.event for e in queue.history("v")] == ["add", "cancel"]
    queue.cleanup(older_than=NOW - 300, dry_run=False)
    assert queue.history("v") == []


def test_cleanup_goes_in_bounded_steps_until_nothing_is_left(queue: Queue):
    queue.put(*(str(n) for n in range(30)), now=NOW)
    queue.cancel([str(n) for n in range(25)], now=NOW)
    queue.add_metrics([Sample(name="x", value=1.0, at=NOW)] * 45, now=NOW)
    events, metrics, after, calls = 0, 0, 0, 0
    while after is not None:
        done = queue.cleanup(older_than=NOW + 1, dry_run=False, after=after, limit=20)
        events, metrics, after, calls = events + done.events, metrics + done.metrics, done.after, calls + 1
        assert done.events <= 20
        assert done.metrics <= 20
    assert (events, metrics, calls) == (50, 45, 3)
    assert {e.id for e in queue.events(since_id=0, limit=99)} == {str(n) for n in range(25, 30)}


def test_only_media_of_finished_videos_may_be_evicted_oldest_first(queue: Queue):
    queue.put("1", "2", "3")
    for _ in range(3):
        queue.has_downloaded(queue.download())
    for at in (NOW + 2, NOW + 1):
        queue.has_completed(queue.process(), now=at)
    assert [m.id for m in queue.evictable_media(5)] == ["2", "1"]
    assert queue.forget_media(["1", "2", "3"]) == ["/spool/1.mp4", "/spool/2.mp4"]
    assert queue.process().media_path == "/spool/3.mp4"
    assert queue.known_media(["/spool/1.mp4", "/spool/3.mp4", "/spool/x.mp4"]) == {"/spool/3.mp4"}


def test_settings_keep_their_json(queue: Queue):
    assert queue.setting("paused") is None
    queue.set_setting("paused", {"download": True, "why": None})
    queue.set_setting("paused", {"download": False})
    assert queue.setting("paused") == {"download": False}


def test_worker_rows_are_replaced_as_a_whole(queue: Queue):
    row = WorkerSnapshot(name="cpu-0", kind="cpu", pid=1, state="busy", id="7", since_at=NOW)
    queue.save_workers([row], incarnation="one", now=NOW)
    queue.save_workers([row], incarnation="two", now=NOW + 1)
    rows = queue.db.read_blocking(lambda conn: conn.execute(sa.select(schema.worker_status)).all())
    assert [(r.name, r.video_id, r.incarnation, r.since, r.updated_at) for r in rows] == [
        ("cpu-0", "7", "two", NOW, NOW + 1)
    ]


def test_metrics_come_back_oldest_first_and_the_latest_where_there_are_too_many(queue: Queue):
    queue.add_metrics([Sample(name="rate", value=n, at=NOW + n) for n in range(5)], now=NOW)
    queue.add_metrics([Sample(name="other", value=9.0, subject="gpu-0")], now=NOW + 9)
    assert [s.value for s in queue.metrics(since=NOW, name="rate", limit=3)] == [2, 3, 4]
    assert queue.metrics(since=NOW + 9) == [Sample(name="other", value=9.0, subject="gpu-0", at=NOW + 9)]


@pytest.mark.parametrize(
    "change",
    [
        {"state": "processing"},
        {"state": "completed"},
        {"finished_at": NOW},
        {"claim_token": "x"},
        {"worker": "w"},
        {"priority": 0},
        {"priority": 11},
        {"state": "lost"},
        {"state": "downloaded"},
    ],
)
def test_the_database_itself_refuses_rows_that_break_the_rules(queue: Queue, change):
    queue.put("1")
    with pytest.raises(sa.exc.IntegrityError):
        queue.db.write_blocking(lambda conn: conn.execute(sa.update(schema.processing_queue).values(**change)))
