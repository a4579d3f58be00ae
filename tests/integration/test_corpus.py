"""The corpus on a real database: what is found again, and what requeue, removal, restarts and torn files do to it."""

import asyncio
import os
import random
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from tests.corpus_fixtures import PICTURE, REACH, SOUND, Frames, Library, both, ids, outputs_of, played, tune
from tests.store_fixtures import NOW
from tests.store_fixtures import queue as queue  # noqa: PLC0414  a fixture
from tiktokd.analyzers.near_duplicate_video import NearDuplicateVideo
from tiktokd.analyzers.sound_fingerprint import SoundFingerprintOutput
from tiktokd.analyzers.virality_features import ViralityFeatures
from tiktokd.model import Metadata
from tiktokd.scheduler import corpus_index, corpus_keeper, corpus_reach, schema, store, store_corpus
from tiktokd.virality_fit import percentile

BARE = ("status", "reason")


@pytest.fixture
def library(queue, tmp_path):
    library = Library(tmp_path, queue)
    yield library
    library.corpus.close()


def model(kind, found):
    """The summary as the analyzer's own type, which refuses what it does not know."""
    return kind.model_validate({name: value for name, value in found.items() if name not in BARE})


async def test_the_first_video_matches_nothing(library):
    found = await library.finish("a", picture=Frames.made_up(1), sound=tune(1))
    picture, sound = model(NearDuplicateVideo, found[PICTURE]), model(SoundFingerprintOutput, found[SOUND])
    assert (picture.duplicate_cluster_id, picture.cluster_size, picture.matches) == ("a", 1, [])
    assert (sound.sound_cluster_id, sound.reuse_count, sound.matches) == ("a", 0, [])
    assert (picture.unknown, sound.unknown) == ({"embedding_space": "no_sources"}, {}), "what is filled in is known"
    assert {each["status"] for each in found.values()} == {"ok"}


@pytest.mark.parametrize(
    ("copy", "ratio", "offset_s", "kind"),
    [
        (lambda video: video, 1.0, 0.0, "exact"),
        (lambda video: video.encoded_again(12), 1.0, 0.0, "exact"),
        (lambda video: video.encoded_again(31), 1.0, 0.0, "edited"),
        (lambda video: video.mirrored(), 1.0, 0.0, "edited"),
        (lambda video: video.mirrored().encoded_again(20), 1.0, 0.0, "edited"),
        (lambda video: video.cropped().encoded_again(8), 1.0, 0.0, "edited"),
        (lambda video: video.trimmed(8, 16), 1.0, 8.0, "exact"),
    ],
)
async def test_a_copy_of_the_picture_is_found_among_others(library, copy, ratio, offset_s, kind):
    for number in range(8):
        await library.finish(f"other{number}", picture=Frames.made_up(100 + number))
    await library.finish("original", picture=Frames.made_up(1))
    found = model(NearDuplicateVideo, (await library.finish("copy", picture=copy(Frames.made_up(1))))[PICTURE])
    assert [(m.video_id, m.matched_ratio, m.offset_s, m.kind) for m in found.matches] == [
        ("original", ratio, offset_s, kind)
    ]
    assert found.duplicate_cluster_id == "original"


async def test_all_copies_name_one_cluster_the_earliest_too(library):
    for id_ in "abc":
        await library.finish(id_, picture=Frames.made_up(1), sound=tune(1))
    stored = {id_: library.queue.get(id_).outputs for id_ in "abc"}
    picture, sound = ({id_: found[name]["summary"] for id_, found in stored.items()} for name in (PICTURE, SOUND))
    assert {id_: (p["duplicate_cluster_id"], p["cluster_size"]) for id_, p in picture.items()} == {
        "a": ("a", 1), "b": ("a", 2), "c": ("a", 3),
    }  # fmt: skip
    assert {id_: (s["sound_cluster_id"], s["reuse_count"]) for id_, s in sound.items()} == {
        "a": ("a", 0), "b": ("a", 1), "c": ("a", 2),
    }  # fmt: skip


async def test_copies_name_one_cluster_where_the_one_that_was_queued_later_was_finished_first(library):
    claims = {id_: library.claim(id_) for id_ in "ab"}
    outputs = outputs_of(Frames.made_up(1), tune(1))
    for id_ in "ba":
        assert await library.complete(claims[id_], outputs)
    await library.finish("c", picture=Frames.made_up(1), sound=tune(1))
    library.queue.requeue(ids=["b"], now=NOW)
    await library.finish("b", picture=Frames.made_up(1), sound=tune(1))
    for analyzer, field in ((PICTURE, "duplicate_cluster_id"), (SOUND, "sound_cluster_id")):
        assert [library.stored(id_)[analyzer][field] for id_ in "abc"] == ["b", "b", "b"]


async def test_a_minute_out_of_a_long_video_is_found(library):
    await library.finish("long", picture=Frames.made_up(1, 180))
    part = Frames.made_up(1, 180).trimmed(61, 121).encoded_again(14)
    found = model(NearDuplicateVideo, (await library.finish("part", picture=part))[PICTURE])
    assert [(m.video_id, m.matched_ratio, m.offset_s) for m in found.matches] == [("long", 1.0, 61.0)]


async def test_a_crop_that_came_first_is_found_by_the_whole_picture(library):
    await library.finish("crop", picture=Frames.made_up(1).cropped())
    assert ids((await library.finish("whole", picture=Frames.made_up(1)))[PICTURE]) == ["crop"]


async def test_of_the_shortest_videos_their_one_frame_tells_and_no_longer_video_is_found_by_it(library):
    shot = Frames.made_up(1, seconds=1)
    longer = Frames(np.concatenate([shot.bits, Frames.made_up(2, seconds=9).bits]))
    await library.finish("long", picture=longer)
    first = await library.finish("short", picture=shot)
    again = await library.finish("again", picture=shot.encoded_again(8))
    other = await library.finish("other", picture=Frames.made_up(3, seconds=1))
    by_two = Frames(np.concatenate([shot.bits, Frames.made_up(4, seconds=1).bits]))
    two = model(NearDuplicateVideo, (await library.finish("two", picture=by_two))[PICTURE])
    assert {m.video_id for m in two.matches} == {"short", "again"}, "a frame more at its end is no other video"
    found = {name: model(NearDuplicateVideo, each[PICTURE]) for name, each in
             {"first": first, "again": again, "other": other}.items()}  # fmt: skip
    assert [m.video_id for m in found["first"].matches] == []
    assert [(m.video_id, m.matched_ratio, m.kind) for m in found["again"].matches] == [("short", 1.0, "exact")]
    assert (found["again"].cluster_size, found["other"].cluster_size) == (2, 1)


async def test_a_picture_too_far_away_is_no_copy(library):
    await library.finish("original", picture=Frames.made_up(1))
    found = await library.finish("other", picture=Frames.made_up(1).encoded_again(60))
    assert ids(found[PICTURE]) == []


@pytest.mark.parametrize(
    ("change", "ratio", "start_s"),
    [
        (lambda sound: sound, 1.0, 0.0),
        (lambda sound: played(sound, 1.0, 7.0, 12.0), 1.0, 7.0),
        (lambda sound: both(played(sound, 1.0, 5.0, 15.0), tune(77, 15.0)), 1.0, 5.0),
        (lambda sound: played(sound, 0.985, 3.0), 0.985, 3.0),
        (lambda sound: played(sound, 1.007, 6.0, 15.0), 1.007, 6.0),
        (lambda sound: played(sound, 1.1, 2.0), 1.1, 2.0),
        (lambda sound: played(sound, 0.83, 4.0, 18.0), 0.83, 4.0),
        (lambda sound: played(sound, 1.255, 1.0), 1.255, 1.0),
    ],
)
async def test_a_sound_is_found_again_with_its_offset_and_speed(library, change, ratio, start_s):
    for number in range(15):
        await library.finish(f"other{number}", sound=tune(100 + number))
    await library.finish("first", sound=tune(1))
    found = model(SoundFingerprintOutput, (await library.finish("again", sound=change(tune(1))))[SOUND])
    assert [match.video_id for match in found.matches or ()] == ["first"]
    assert found.matches[0].speed_ratio == pytest.approx(ratio, abs=0.004)
    assert found.matches[0].offset_s == pytest.approx(start_s, abs=0.1)
    assert (found.sound_cluster_id, found.reuse_count) == ("first", 1)


async def test_copies_at_many_speeds_are_all_found(library):
    speeds = {"slowed": 0.85, "slower": 0.92, "as it is": 1.0, "faster": 1.06, "fast": 1.115, "nightcore": 1.2}
    for name, ratio in speeds.items():
        await library.finish(name, sound=played(tune(1), ratio))
    found = model(SoundFingerprintOutput, (await library.finish("again", sound=played(tune(1), 1.03)))[SOUND])
    assert {match.video_id: match.speed_ratio for match in found.matches or ()} == {
        name: pytest.approx(1.03 / ratio, abs=0.004) for name, ratio in speeds.items()
    }


async def test_a_video_with_two_sounds_does_not_make_them_one(library):
    await library.finish("a", sound=tune(1))
    await library.finish("b", sound=tune(2))
    mixed = (await library.finish("mixed", sound=both(tune(1), tune(2))))[SOUND]
    assert (set(ids(mixed)), mixed["sound_cluster_id"], mixed["reuse_count"]) == ({"a", "b"}, "a", 2)
    again = (await library.finish("b again", sound=tune(2)))[SOUND]
    assert (set(ids(again)), again["sound_cluster_id"]) == ({"b", "mixed"}, "b")


async def test_more_copies_than_are_listed_are_counted(library):
    for number in range(corpus_index.FRESH_ENTRIES // 3):
        await library.finish(f"v{number}", sound=tune(1))
    last = (await library.finish("last", sound=tune(1)))[SOUND]
    assert last["reuse_count"] == corpus_index.FRESH_ENTRIES // 3
    assert len(last["matches"]) < last["reuse_count"]
    assert last["sound_cluster_id"] == "v0"


async def test_of_two_copies_that_finish_at_the_same_moment_one_finds_the_other(library):
    claims = [library.claim("a"), library.claim("b")]
    outputs = outputs_of(Frames.made_up(1), tune(1))
    assert await asyncio.gather(*(library.complete(claim, outputs) for claim in claims)) == [True, True]
    for analyzer in (PICTURE, SOUND):
        assert [ids(library.stored(id_)[analyzer]) for id_ in "ab"] == [[], ["a"]]


async def test_requeue_replaces_what_is_known_of_a_video(library):
    await library.finish("a", picture=Frames.made_up(1), sound=tune(1))
    library.queue.requeue(ids=["a"], now=NOW)
    again = await library.finish("a", picture=Frames.made_up(2))
    assert ids(again[PICTURE]) == [], "it is no copy of itself"
    found = await library.finish("b", picture=Frames.made_up(1), sound=tune(1))
    assert (ids(found[PICTURE]), ids(found[SOUND])) == ([], []), "its old picture is gone, its sound was not made again"
    assert ids((await library.finish("c", picture=Frames.made_up(2)))[PICTURE]) == ["a"]


async def test_requeue_of_single_analyzers_keeps_the_other_prints(library):
    await library.finish("a", picture=Frames.made_up(1), sound=tune(1))
    library.queue.requeue(ids=["a"], analyzers=[SOUND], now=NOW)
    await library.finish("a", sound=tune(2))
    found = await library.finish("b", picture=Frames.made_up(1), sound=tune(2))
    assert (ids(found[PICTURE]), ids(found[SOUND])) == (["a"], ["a"])


async def test_the_earliest_copy_stays_the_earliest_when_it_is_done_again(library):
    await library.finish("a", picture=Frames.made_up(1))
    await library.finish("b", picture=Frames.made_up(1))
    library.queue.requeue(ids=["a"], now=NOW)
    again = (await library.finish("a", picture=Frames.made_up(1)))[PICTURE]
    assert (ids(again), again["duplicate_cluster_id"]) == (["b"], "a")


async def test_a_removed_video_is_not_found_and_its_copies_go_on_without_it(library):
    for id_ in "ab":
        await library.finish(id_, picture=Frames.made_up(1), sound=tune(1))
    queue = schema.processing_queue
    library.queue.db.write_blocking(lambda conn: conn.execute(sa.delete(queue).where(queue.c.id == "a")))
    found = await library.finish("c", picture=Frames.made_up(1), sound=tune(1))
    assert [(ids(found[PICTURE]), found[PICTURE]["duplicate_cluster_id"])] == [(["b"], "b")]
    assert (ids(found[SOUND]), found[SOUND]["reuse_count"]) == (["b"], 1)


async def test_cleanup_of_media_keeps_videos_findable(library):
    await library.finish("a", picture=Frames.made_up(1))
    assert library.queue.cleanup(older_than=NOW + 10, dry_run=False).media
    assert ids((await library.finish("b", picture=Frames.made_up(1)))[PICTURE]) == ["a"]


async def test_a_stale_claim_leaves_no_print(library):
    claim = library.claim("a")
    library.queue.rescue(claim.token, reason="drain", now=NOW)
    assert not await library.complete(claim, outputs_of(Frames.made_up(1)))
    library.queue.cancel(["a"], now=NOW)
    assert ids((await library.finish("b", picture=Frames.made_up(1)))[PICTURE]) == []


async def test_results_without_prints_pass_by(library):
    assert await library.complete(library.claim("a"), {})
    assert list(library.files()) == []


@pytest.fixture
def small(queue, tmp_path):
    """Files are written after six videos and not after a thousand."""
    library = Library(tmp_path, queue, tail_entries=5)
    yield library
    library.corpus.close()


async def fill(library, count=8):
    for number in range(count):
        await library.finish(f"v{number}", picture=Frames.made_up(number), sound=tune(number))


async def finds_all(library, count=8):
    for number in range(count):
        name = f"copy{number}.{library.now}"
        found = await library.finish(name, picture=Frames.made_up(number).encoded_again(9), sound=tune(number))
        assert (ids(found[PICTURE])[0], found[SOUND]["sound_cluster_id"]) == (f"v{number}", f"v{number}")


async def test_what_was_merged_into_files_is_found_with_what_came_since(small):
    await fill(small)
    assert [path.name for path in small.files()] == ["picture.index", "sound.index"]
    await finds_all(small)


def tear(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 8)


def spoil(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\x55" * 50)


HARM = {
    "nothing": lambda _path: None,
    "missing": lambda path: path.unlink(),
    "torn": tear,
    "spoiled": spoil,
    "foreign": lambda path: path.write_bytes(b"something else"),
}


@pytest.mark.parametrize("harm", HARM)
async def test_after_a_restart_everything_is_found_whatever_became_of_the_files(small, harm):
    await fill(small)
    for path in small.files():
        HARM[harm](path)
    small.restart()
    await finds_all(small, 3)


async def test_files_that_are_gone_are_made_anew_before_a_video_wants_them(small):
    await fill(small)
    for path in small.files():
        path.unlink()
    small.restart()
    await asyncio.wrap_future(small.corpus.warm())
    assert [path.name for path in small.files()] == ["picture.index", "sound.index"]
    await finds_all(small, 3)


async def test_files_of_a_newer_state_than_the_database_are_made_anew(small):
    """A backup of the database was put back."""
    await fill(small)
    small.queue.db.write_blocking(lambda conn: conn.execute(sa.delete(schema.corpus_prints)))
    small.restart()
    found = await small.finish("copy", picture=Frames.made_up(3))
    assert ids(found[PICTURE]) == []


async def test_merging_leaves_out_what_was_replaced(small):
    await fill(small, 6)
    sizes = [path.stat().st_size for path in small.files()]
    for _ in range(6):
        small.queue.requeue(ids=["v0"], now=NOW)
        await small.finish("v0", picture=Frames.made_up(0), sound=tune(0))
    assert [path.stat().st_size for path in small.files()] == sizes


async def test_a_video_completes_although_its_comparison_fails_and_is_found_once_that_is_over(library):
    library.database.sick = True
    failed = (await library.finish("a", picture=Frames.made_up(1)))[PICTURE]
    assert (failed["status"], failed["reason"], failed["matches"]) == ("partial", "corpus_unavailable", [])
    assert "the disk is gone" in library.queue.get("a").outputs[PICTURE]["message"]
    library.database.sick = False
    assert (await library.finish("b", picture=Frames.made_up(1)))[PICTURE]["status"] == "partial", "it rests a minute"
    library.now += corpus_keeper.REST_S + 1
    assert set(ids((await library.finish("c", picture=Frames.made_up(1)))[PICTURE])) == {"a", "b"}


async def test_an_index_that_cannot_be_saved_goes_on_in_memory(small):
    (small.folder / "corpus").touch()
    await fill(small)
    assert (small.folder / "corpus").is_file()
    await finds_all(small, 3)


async def test_malformed_results_do_not_stop_a_video(library):
    outputs = outputs_of(Frames.made_up(1), tune(1))
    outputs[PICTURE].summary["pdq"] = [{"t_s": 0.0}]
    outputs[SOUND].summary["landmarks"] = "not base64!"
    assert await library.complete(library.claim("a"), outputs)
    stored = library.stored("a")
    assert {stored[name]["reason"] for name in (PICTURE, SOUND)} == {"corpus_unavailable"}


def post(views, creator="@me", days=10.0):
    return Metadata(view_count=views, channel_id=creator, created_at_s=NOW - days * 86_400, fetched_at_s=NOW)


def reach(metadata, **features):
    per_day = metadata.view_count / ((metadata.fetched_at_s - metadata.created_at_s) / 86_400)
    known = {"sound_fingerprint.reuse_count": None, **features}
    numbers = dict.fromkeys(("engagement_rate", "share_rate", "save_rate", "outlier_z", "percentile", "model"))
    return {**numbers, "views_per_day": per_day, "features": known}


async def posted(library, id_, views, creator="@me", sound=None, **features):
    about = post(views, creator)
    found = await library.finish(id_, metadata=about, sound=sound, reach=reach(about, **features))
    return model(ViralityFeatures, found[REACH])


async def test_a_post_is_ranked_among_those_before_it(library):
    first = await posted(library, "v0", 1000)
    assert (first.percentile, first.outlier_z) == (None, None)
    for number, views in enumerate((900, 1100, 950, 1050, 1020, 980, 1010), start=1):
        await posted(library, f"v{number}", views)
    usual = await posted(library, "usual", 1000)
    assert usual.percentile == pytest.approx((3 + 0.5) / 8)
    assert usual.outlier_z == pytest.approx(0.0, abs=0.3)
    viral = await posted(library, "viral", 1_000_000)
    assert viral.percentile == 1.0
    assert viral.outlier_z > 10
    stranger = await posted(library, "stranger", 1_000_000, creator="@you")
    assert (stranger.outlier_z, stranger.percentile) == (None, 0.95)


async def test_a_post_is_not_ranked_against_itself_when_it_is_done_again(library):
    await posted(library, "a", 10)
    await posted(library, "b", 20)
    library.queue.requeue(ids=["b"], now=NOW)
    again = await posted(library, "b", 20)
    assert again.percentile == 1.0


def drop_post(conn, id_):
    of = sa.select(schema.processing_queue.c.seq).where(schema.processing_queue.c.id == id_)
    conn.execute(sa.delete(schema.corpus_posts).where(schema.corpus_posts.c.seq.in_(of)))


async def test_a_rank_is_that_among_the_rows_whatever_was_added_done_again_and_deleted(library):
    rng, ranked, known = random.Random(5), {}, set()
    for turn in range(60):
        id_, views = f"v{rng.randrange(12)}", rng.choice((10, 20, 30, 40))
        if id_ in ranked and turn % 5 == 0:
            library.queue.db.write_blocking(drop_post, id_)
            del ranked[id_]
            continue
        if id_ in known:
            library.queue.requeue(ids=[id_], now=NOW)
        others = [other for each, other in ranked.items() if each != id_]
        found = await posted(library, id_, views, creator=id_)
        assert found.percentile == percentile(views, others)
        ranked[id_] = views
        known.add(id_)
    assert len(known) == 12


async def test_reuse_of_the_sound_becomes_a_feature(library):
    await posted(library, "a", 10, sound=tune(1))
    assert (await posted(library, "b", 10, sound=tune(1))).features["sound_fingerprint.reuse_count"] == 1.0


async def test_views_are_fitted_once_there_are_enough_posts(library):
    posts = [
        {
            "seq": number, "creator": f"@{number % 20}", "views": 10 ** (number % 7), "views_per_day": 1.0,
            "features": {"a": float(number % 7), "b": float(number % 3)},
        }
        for number in range(10_000, 10_199)
    ]  # fmt: skip
    library.queue.db.write_blocking(lambda conn: conn.execute(sa.insert(schema.corpus_posts), posts))
    assert (await posted(library, "early", 100, a=2.0)).model is None
    model = (await posted(library, "late", 100, a=2.0)).model
    assert model.cv_spearman > 0.9
    assert 0.5 < model.cv_r2 <= 1
    assert next(iter(model.importance)) == "a"
    assert model.importance["a"] > 0.5
    assert library.queue.db.read_blocking(store.setting, corpus_reach.SETTING)["posts"] == 200


async def test_no_fit_explains_views_by_what_was_divided_by_them(library):
    random = np.random.default_rng(3)
    posts = [
        {
            "seq": number, "creator": f"@{number % 20}", "views": 10 ** (number % 7), "views_per_day": 1.0,
            "features": {"like_rate": 10.0 ** -(number % 7), "comment_rate": -float(number % 7), "a": random.uniform()},
        }
        for number in range(10_000, 10_200)
    ]  # fmt: skip
    library.queue.db.write_blocking(lambda conn: conn.execute(sa.insert(schema.corpus_posts), posts))
    of_earlier_version = {"fitted": True, "cv_spearman": 0.9, "n": 200, "importance": {"like_rate": 0.9}}
    library.queue.db.write_blocking(store.set_setting, "virality_model", {"posts": 200, "model": of_earlier_version})
    await posted(library, "before", 100, a=0.5)
    model = (await posted(library, "after", 100, a=0.5)).model
    assert not {"like_rate", "comment_rate"} & model.importance.keys()
    assert abs(model.cv_spearman) < 0.3


@pytest.mark.parametrize(
    ("ask", "plan"),
    [
        (lambda c: store_corpus.newest(c, "sound"), "COVERING INDEX ix_corpus_prints_kind (kind=?)"),
        (
            lambda c: store_corpus.entries(c, "sound", after=1, upto=9, limit=5),
            "INDEX ix_corpus_prints_kind (kind=? AND revision>? AND revision<?)",
        ),
        (
            lambda c: store_corpus.revisions(c, "sound", upto=9),
            "COVERING INDEX ix_corpus_prints_kind (kind=? AND revision<?)",
        ),
        (
            lambda c: store_corpus.cluster_size(c, "sound", 1, 2),
            "INDEX ix_corpus_prints_cluster (kind=? AND cluster=?)",
        ),
        (lambda c: store_corpus.heads(c, "sound", [1, 2]), "(seq=? AND kind=?)"),
        (
            lambda c: store_corpus.views_of(c, "@me", besides=1, limit=9),
            "COVERING INDEX ix_corpus_posts_creator (creator=?)",
        ),
        (lambda c: store_corpus.rated(c, besides=1), "INDEX ix_corpus_posts_views_per_day (views_per_day=?)"),
        (store_corpus.views_per_day, "INDEX ix_corpus_posts_views_per_day (views_per_day>?)"),
    ],
)
async def test_each_question_is_served_by_its_index(library, ask, plan):
    if library.queue.db.write_blocking(lambda conn: conn.dialect.name) != "sqlite":
        pytest.skip("plans are read from SQLite")
    asked = []

    def explain(conn):
        conn.connection.dbapi_connection.set_trace_callback(asked.append)
        ask(conn)
        conn.connection.dbapi_connection.set_trace_callback(None)
        cursor = conn.connection.cursor()
        queries = [query for query in asked if query.lstrip().startswith("SELECT")]
        return [row[3] for query in queries for row in cursor.execute(f"EXPLAIN QUERY PLAN {query}")]

    await library.finish("a", picture=Frames.made_up(1), sound=tune(1))
    steps = library.queue.db.write_blocking(explain)
    assert any(plan in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
