"""A video among the user's others, on a real database: its pace, its words, what becomes a feature, and why not."""

import numpy as np
import pytest
import sqlalchemy as sa

from tests.corpus_fixtures import PACE, PICTURE, REACH, WORDS, Frames, Library, outputs_of, pace_summary, words_summary
from tests.store_fixtures import NOW
from tests.store_fixtures import queue as queue  # noqa: PLC0414  a fixture
from tiktokd.analyzers.cross_modal_agreement import CrossModalAgreement
from tiktokd.analyzers.near_duplicate_video import NearDuplicateVideo
from tiktokd.analyzers.pacing import Pacing
from tiktokd.analyzers.virality_features import ViralityFeatures
from tiktokd.model import Metadata
from tiktokd.scheduler import corpus_pace, schema
from tiktokd.scheduler.corpus_latest import VIDEOS_MIN


@pytest.fixture
def library(queue, tmp_path):
    library = Library(tmp_path, queue)
    yield library
    library.corpus.close()


def model(kind, found):
    """The summary as the analyzer's own type, which refuses what it does not know."""
    return kind.model_validate({name: value for name, value in found.items() if name not in ("status", "reason")})


async def paced(library, id_, **rates):
    return model(Pacing, (await library.finish(id_, pace=pace_summary(**rates)))[PACE])


async def usual(library, count=VIDEOS_MIN, **rates):
    """Videos with 11 to 30 cuts per minute: the middle is 20.5, the usual distance from it 5."""
    for number in range(count):
        await paced(library, f"usual{number}", cuts=11.0 + number, **rates)


async def test_a_small_corpus_gives_no_index_and_says_so(library):
    first = await paced(library, "first", cuts=30.0)
    assert (first.pace_index, first.pace_parts, first.pace_videos) == (None, [], 0)
    assert first.unknown["pace_index"] == "corpus too small: 0 of 20 videos"
    await usual(library, VIDEOS_MIN - 2)
    still = await paced(library, "still", cuts=30.0)
    assert (still.pace_index, still.pace_videos) == (None, VIDEOS_MIN - 1)
    assert still.unknown["pace_index"] == "corpus too small: 19 of 20 videos"
    assert (await paced(library, "enough", cuts=30.0)).pace_index is not None


async def test_the_index_is_the_robust_z_among_the_users_videos(library):
    await usual(library)
    fast = await paced(library, "fast", cuts=40.5)
    assert fast.pace_index == pytest.approx(20 / (1.4826 * 5), abs=1e-3)
    part = fast.pace_parts[0]
    assert (part.name, part.value, part.median, part.spread) == ("cuts_per_min", 40.5, 20.5, pytest.approx(7.413))
    assert "pace_index" not in fast.unknown
    slow = await paced(library, "slow", cuts=0.5)
    assert slow.pace_index < -2


async def test_the_index_is_the_mean_of_known_parts_that_enough_videos_have(library):
    for number in range(VIDEOS_MIN):
        rates = {"motion": 0.01 * number} if number else {}
        await paced(library, f"v{number}", cuts=11.0 + number, syllables=0.1 * number, **rates)
    found = await paced(library, "v", cuts=20.5, motion=0.5, words=3.0, syllables=2.0)
    assert [part.name for part in found.pace_parts] == ["cuts_per_min", "syllables_per_s"], "19 have motion, 0 words"
    assert found.pace_index == pytest.approx(np.mean([part.z for part in found.pace_parts]), abs=1e-3)


async def test_words_take_the_place_of_syllables_where_enough_videos_have_them(library):
    for number in range(VIDEOS_MIN):
        await paced(library, f"v{number}", words=0.1 * number, syllables=0.2 * number)
    found = await paced(library, "v", words=3.0, syllables=2.0)
    assert [part.name for part in found.pace_parts] == ["words_per_s"]


async def test_single_takes_among_single_takes_are_judged_by_the_mean_distance(library):
    """More than half have no cut: the median distance is 0, and a division by it no z."""
    for number in range(VIDEOS_MIN):
        await paced(library, f"v{number}", cuts=0.0 if number % 4 else 12.0)
    found = await paced(library, "v", cuts=12.0)
    assert found.pace_index == pytest.approx(12 / (1.2533 * 3), abs=1e-3)


async def test_videos_that_are_all_alike_have_no_spread_to_be_judged_by(library):
    for number in range(VIDEOS_MIN):
        await paced(library, f"v{number}", cuts=0.0)
    found = await paced(library, "v", cuts=12.0)
    assert (found.pace_index, found.unknown["pace_index"]) == (None, "no spread: the other videos are all alike")


async def test_a_requeued_video_is_judged_without_itself_and_by_what_the_others_are_now(library):
    await usual(library)
    before = await paced(library, "v", cuts=40.5)
    for _ in range(3):
        library.queue.requeue(ids=["v"], now=NOW)
        again = await paced(library, "v", cuts=40.5)
    assert (again.pace_index, again.pace_videos) == (before.pace_index, VIDEOS_MIN)
    for number in range(VIDEOS_MIN):
        library.queue.requeue(ids=[f"usual{number}"], now=NOW)
        await paced(library, f"usual{number}", cuts=111.0 + number)
    library.queue.requeue(ids=["v"], now=NOW)
    assert (await paced(library, "v", cuts=120.5)).pace_index == pytest.approx(0.0, abs=1e-6)


async def test_a_video_that_lost_its_pace_counts_no_longer(library):
    await usual(library)
    assert (await paced(library, "v", cuts=40.5)).pace_index is not None
    library.queue.requeue(ids=["v"], now=NOW)
    await library.finish("v", picture=Frames.made_up(1))
    library.queue.requeue(ids=["usual0"], now=NOW)
    await library.finish("usual0")
    assert (await paced(library, "w", cuts=40.5)).unknown["pace_index"] == "corpus too small: 19 of 20 videos"


async def test_requeue_of_other_analyzers_keeps_the_pace(library):
    await usual(library)
    library.queue.requeue(ids=["usual0"], analyzers=[PICTURE], now=NOW)
    await library.finish("usual0", picture=Frames.made_up(1))
    assert (await paced(library, "v", cuts=40.5)).pace_videos == VIDEOS_MIN


async def test_a_restart_changes_nothing_and_removed_videos_are_gone(library):
    await usual(library)
    before = await paced(library, "v", cuts=40.5)
    library.queue.requeue(ids=["v"], now=NOW)
    library.restart()
    assert await paced(library, "v", cuts=40.5) == before
    table = schema.processing_queue
    library.queue.db.write_blocking(lambda conn: conn.execute(sa.delete(table).where(table.c.id == "usual3")))
    library.restart()
    assert (await paced(library, "w", cuts=40.5)).pace_videos == VIDEOS_MIN


async def test_a_stale_claim_is_judged_by_nobody(library):
    claim = library.claim("a")
    library.queue.rescue(claim.token, reason="test", now=NOW)
    assert not await library.complete(claim, outputs_of(pace=pace_summary(cuts=5.0)))
    assert (await paced(library, "a", cuts=5.0)).pace_videos == 0
    assert (await paced(library, "b", cuts=5.0)).pace_videos == 1


async def test_only_the_latest_videos_are_looked_at(library, monkeypatch):
    """Also after a restart, and the oldest go first."""
    few = corpus_pace.STANDING.__class__(analyzer=PACE, limit=VIDEOS_MIN, read=corpus_pace.read)
    monkeypatch.setattr(corpus_pace, "STANDING", few)
    await usual(library)
    for number in range(VIDEOS_MIN):
        await paced(library, f"new{number}", cuts=111.0 + number)
    assert (await paced(library, "v", cuts=120.5)).pace_index == pytest.approx(0.0, abs=1e-6)
    library.restart()
    assert (await paced(library, "w", cuts=121.0)).pace_index == pytest.approx(0.0, abs=0.1)


SPACE = "siglip2@1"
PICTURES = np.eye(8)[0]


def seen_and_said(cosine, space=SPACE, aside=1):
    """Signals of a video whose words lie at this cosine to its mean picture."""
    words = cosine * PICTURES + np.sqrt(1 - cosine**2) * np.eye(8)[aside]
    return {
        "siglip2": {"space": SPACE, "mean": PICTURES.tolist()},
        "siglip2_text": {"space": space, "vector": [round(float(v), 4) for v in words]},
    }


async def agreed(library, id_, cosine, **how):
    found = await library.finish(id_, words=words_summary(), signals=seen_and_said(cosine, **how))
    return model(CrossModalAgreement, found[WORDS])


async def captioned(library, count=VIDEOS_MIN, **how):
    """Videos whose words lie at 0.00, 0.01, ... to the picture."""
    for number in range(count):
        await agreed(library, f"said{number}", 0.01 * number, aside=1 + number % 7, **how)


async def test_words_are_judged_by_the_words_of_other_videos(library):
    await captioned(library, VIDEOS_MIN - 1)
    early = await agreed(library, "early", 0.19)
    assert (early.visual_text_z, early.missing["visual_text_z"]) == (None, "corpus too small: 19 of 20 videos")
    fits = await agreed(library, "fits", 0.5, aside=2)
    assert fits.visual_text_z == pytest.approx((0.5 - 0.095) / (1.4826 * 0.05), abs=0.02)
    assert "visual_text_z" not in fits.missing
    assert fits.visual_text_shipped_z == 1.0


async def test_copies_of_a_caption_do_not_count_as_the_words_of_others(library):
    for number in range(VIDEOS_MIN):
        await agreed(library, f"copy{number}", 0.5)
    found = await agreed(library, "again", 0.5)
    assert (found.visual_text_z, found.missing["visual_text_z"]) == (None, "corpus too small: 0 of 20 videos")


async def test_words_in_another_space_are_never_compared(library):
    for number in range(VIDEOS_MIN):
        signals = seen_and_said(0.01 * number, space="siglip2@2", aside=1 + number % 7)
        signals["siglip2"]["space"] = "siglip2@2"
        await library.finish(f"other{number}", words=words_summary(), signals=signals)
    assert (await agreed(library, "v", 0.5)).missing["visual_text_z"] == "corpus too small: 0 of 20 videos"
    apart = await library.finish("w", words=words_summary("model_missing"), signals=seen_and_said(0.5, space="x"))
    assert apart[WORDS]["missing"]["visual_text_z"] == "model_missing", "its own picture is in another space"


async def test_words_stay_where_the_video_is_done_again_without_the_model(library):
    await captioned(library)
    library.queue.requeue(ids=["said0"], analyzers=[WORDS], now=NOW)
    await library.finish("said0", words=words_summary("model_missing"))
    assert (await agreed(library, "v", 0.5)).visual_text_z is not None
    library.queue.requeue(ids=["said0"], now=NOW)
    await library.finish("said0", words=words_summary("model_missing"))
    library.queue.requeue(ids=["v"], now=NOW)
    again = await agreed(library, "v", 0.5)
    assert again.missing["visual_text_z"] == "corpus too small: 19 of 20 videos", "a full requeue forgets them"


async def test_what_cannot_be_read_is_partial_and_says_so(library):
    broken = seen_and_said(0.5)
    broken["siglip2_text"]["vector"] = ["x"]
    found = await library.finish("a", words=words_summary(), signals=broken, pace={"cuts_per_min": "fast"})
    assert {(found[name]["status"], found[name]["reason"]) for name in (PACE, WORDS)} == {
        ("partial", "corpus_unavailable")
    }


REACHED = dict.fromkeys(("engagement_rate", "share_rate", "save_rate", "outlier_z", "percentile", "model"))


async def posted(library, id_, picture, views=100, creator="@me"):
    reach = {**REACHED, "views_per_day": views / 10, "features": {"near_duplicate_video.cluster_size": None}}
    about = Metadata(view_count=views, channel_id=creator, created_at_s=NOW - 864_000, fetched_at_s=NOW)
    found = await library.finish(id_, metadata=about, picture=picture, reach=reach)
    return model(ViralityFeatures, found[REACH]), model(NearDuplicateVideo, found[PICTURE])


async def test_the_size_of_the_cluster_of_copies_becomes_a_feature(library):
    picture = Frames.made_up(1)
    for copies in range(3):
        reach, shown = await posted(library, f"copy{copies}", picture.encoded_again(5, seed=copies))
        assert (reach.features["near_duplicate_video.cluster_size"], shown.cluster_size) == (copies + 1, copies + 1)
    library.queue.requeue(ids=["copy2"], now=NOW)
    reach, _ = await posted(library, "copy2", picture)
    assert reach.features["near_duplicate_video.cluster_size"] == 3.0
    reach, shown = await posted(library, "other", Frames.made_up(2))
    assert (reach.features["near_duplicate_video.cluster_size"], shown.cluster_size) == (1.0, 1)


async def test_what_is_not_known_of_reach_says_why(library):
    reach, _ = await posted(library, "a", Frames.made_up(1))
    assert reach.unknown == {
        "outlier_z": "corpus too small: 0 of 8 other videos of this creator",
        "percentile": "corpus too small: 0 of 1 videos",
        "model": "corpus too small: 0 of 200 videos with views and a creator",
    }
    for number in range(8):
        reach, _ = await posted(library, f"v{number}", Frames.made_up(2 + number), views=100 + number)
    reach, _ = await posted(library, "b", Frames.made_up(20))
    assert reach.unknown.keys() == {"model"}
    reach, _ = await posted(library, "c", Frames.made_up(21), creator=None)
    assert reach.unknown["outlier_z"] == "no_metadata"
