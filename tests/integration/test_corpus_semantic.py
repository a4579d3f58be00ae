"""Copies by embedding on a real database: found, of one space only, replaced, removed, there after a restart."""

from zlib import crc32

import numpy as np
import pytest
import sqlalchemy as sa

from tests.corpus_fixtures import (
    PICTURE,
    SOUND,
    Frames,
    Library,
    clip_of,
    edited,
    frames_of,
    ids,
    outputs_of,
    scene,
    signals_of,
    tune,
    unit,
)
from tests.store_fixtures import NOW
from tests.store_fixtures import queue as queue  # noqa: PLC0414  a fixture
from tiktokd.analyzers.near_duplicate_video import NearDuplicateVideo
from tiktokd.scheduler import schema
from tiktokd.scheduler.corpus_kind import CANDIDATES


@pytest.fixture
def library(queue, tmp_path):
    library = Library(tmp_path, queue)
    yield library
    library.corpus.close()


async def show(library, id_, vector, *, picture=None, space="siglip2@1"):
    """Finish a video of other pictures with this embedding; return what is stored of its copies."""
    shown = picture if picture is not None else Frames.made_up(crc32(id_.encode()))
    return (await library.finish(id_, picture=shown, signals=signals_of(vector, space)))[PICTURE]


async def crowd(library, count=8):
    for number in range(count):
        await show(library, f"other{number}", scene(100 + number))


@pytest.mark.parametrize("cosine", [1.0, 0.98, 0.952])
async def test_an_edited_copy_is_found_by_its_embedding(library, cosine):
    await crowd(library)
    await show(library, "original", scene(1))
    found = await show(library, "copy", edited(scene(1), cosine))
    assert found["matches"] == [
        {
            "video_id": "original",
            "matched_ratio": None,
            "offset_s": None,
            "kind": "semantic",
            "cosine": pytest.approx(cosine, abs=0.001),
        }
    ]
    assert (found["duplicate_cluster_id"], found["embedding_space"]) == ("copy", "siglip2@1")
    assert found["unknown"] == {}, "what is filled in is known"
    NearDuplicateVideo.model_validate({k: v for k, v in found.items() if k not in ("status", "reason")})
    assert library.queue.get("copy").outputs[PICTURE]["tier"] == "full"


async def test_clips_that_only_look_alike_are_no_copies(library):
    await show(library, "original", scene(1))
    assert ids(await show(library, "alike", edited(scene(1), 0.94))) == []


async def test_more_edited_copies_than_are_listed_leave_the_nearest(library):
    for number in range(CANDIDATES + 3):
        await show(library, f"v{number}", edited(scene(1), 0.999 - 0.002 * number, seed=number))
    found = await show(library, "last", scene(1))
    assert ids(found) == [f"v{number}" for number in range(CANDIDATES)]


async def test_vectors_of_another_space_are_never_compared(library):
    await show(library, "old", scene(1), space="siglip2@1")
    found = await show(library, "new", scene(1), space="siglip2@2")
    assert (ids(found), found["embedding_space"]) == ([], "siglip2@2")
    await show(library, "wide", np.concatenate((scene(1), scene(2))), space="so400m@1")
    assert ids(await show(library, "again", scene(1), space="siglip2@2")) == ["new"]


async def test_a_copy_by_hashes_is_listed_once_and_first(library):
    picture = Frames.made_up(1)
    await show(library, "alike", edited(scene(1), 0.97))
    await show(library, "original", scene(1), picture=picture)
    found = await show(library, "copy", scene(1), picture=picture.encoded_again(9))
    assert [(m["video_id"], m["kind"], m["cosine"] is None) for m in found["matches"]] == [
        ("original", "exact", True),
        ("alike", "semantic", False),
    ]
    assert found["duplicate_cluster_id"] == "original"


async def test_hashes_decide_about_a_video_that_only_its_embedding_finds(library):
    """No word of the hashes is equal, so the first look misses it; the rule counts bits and needs no words."""
    random = np.random.default_rng(5)
    bits = Frames.made_up(1).bits.copy()
    changed = bits.copy()
    for row in changed.reshape(-1, 256):
        # One bit of each 16-bit word: sixteen bits away, and no word is equal.
        row[np.arange(16) * 16 + random.integers(0, 16, 16)] ^= 1
    await library.finish("original", picture=Frames(bits), signals=signals_of(scene(1)))
    assert ids((await library.finish("unseen", picture=Frames(changed)))[PICTURE]) == []
    found = (await library.finish("copy", picture=Frames(changed), signals=signals_of(edited(scene(1), 0.99))))[PICTURE]
    assert [(m["video_id"], m["kind"]) for m in found["matches"]] == [("unseen", "exact"), ("original", "edited")]
    assert found["duplicate_cluster_id"] == "original"


async def played(library, id_, frames, **how):
    """Finish a video of other pixels with these frames; return what is stored of its copies."""
    shown = Frames.made_up(crc32(id_.encode()))
    return (await library.finish(id_, picture=shown, signals=clip_of(frames, **how)))[PICTURE]


SCENES = [scene(n) for n in range(4)]


async def test_frames_confirm_a_copy_and_say_how_much_of_it_is_shown(library):
    await played(library, "original", frames_of(*SCENES))
    found = await played(library, "copy", frames_of(*(edited(each, 0.98, 7) for each in SCENES), seed=1))
    assert [(m["video_id"], m["kind"], m["offset_s"]) for m in found["matches"]] == [("original", "semantic", None)]
    assert found["matches"][0]["matched_ratio"] == 1.0
    NearDuplicateVideo.model_validate({k: v for k, v in found.items() if k not in ("status", "reason")})


async def test_a_part_of_a_video_is_found_by_its_frames_although_its_mean_is_that_of_a_lookalike(library):
    parts = frames_of(*SCENES, scene(4), scene(5))
    await played(library, "original", parts)
    excerpt = parts[:8]
    cosine = unit(excerpt.mean(axis=0)) @ unit(parts.mean(axis=0))
    assert cosine == pytest.approx(0.913, abs=0.005)
    assert ids(await played(library, "excerpt", excerpt)) == ["original"]
    lookalike = frames_of(edited(unit(parts.mean(axis=0)), 0.92, seed=99))
    assert ids(await played(library, "lookalike", lookalike)) == []
    assert ids(await show(library, "without frames", unit(excerpt.mean(axis=0)))) == ["excerpt"]


async def test_a_longer_video_that_holds_an_earlier_one_finds_it(library):
    """Less than half of its own frames are in the earlier one, and all of the other's in it."""
    parts = frames_of(*SCENES, scene(4))
    await played(library, "part", parts[:8])
    found = await played(library, "whole", parts)
    assert [(m["video_id"], m["matched_ratio"]) for m in found["matches"]] == [("part", 0.4)]


async def test_two_montages_of_other_pictures_with_the_same_mean_are_no_copies(library):
    """Their means lie at 1, and no frame of one is in the other."""
    turn = np.repeat([1.0, -1.0], 8)[:, None]
    middle, one, two = scene(1), scene(2), scene(3)
    one, two = (unit(each - (each @ middle) * middle) for each in (one, two))
    montages = [np.stack([unit(middle + t * 0.8 * side) for t in turn]) for side in (one, two)]
    assert unit(montages[0].mean(axis=0)) @ unit(montages[1].mean(axis=0)) > 0.999
    await played(library, "one", montages[0])
    assert ids(await played(library, "two", montages[1])) == []
    assert ids(await played(library, "one again", montages[0])) == ["one"]


async def test_of_several_the_one_that_shows_most_of_the_video_comes_first(library):
    parts = frames_of(*SCENES)
    await played(library, "three quarters", parts[:12])
    await played(library, "all", np.stack([edited(each, 0.99, 5) for each in parts]))
    found = await played(library, "new", parts)
    assert [(m["video_id"], m["matched_ratio"]) for m in found["matches"]] == [("all", 1.0), ("three quarters", 0.75)]


async def test_a_video_of_before_frames_were_kept_is_compared_by_its_mean_alone(library):
    frames = frames_of(*SCENES)
    await show(library, "old", unit(frames.mean(axis=0)))
    library.restart()
    found = await played(library, "new", frames)
    assert [(m["video_id"], m["matched_ratio"]) for m in found["matches"]] == [("old", None)]


async def test_frames_go_with_the_video_when_it_is_done_again(library):
    await played(library, "a", frames_of(*SCENES))
    library.queue.requeue(ids=["a"], now=NOW)
    assert ids(await played(library, "a", frames_of(scene(50), scene(51)))) == []
    assert ids(await played(library, "b", frames_of(*SCENES))) == []
    library.restart()
    assert ids(await played(library, "c", frames_of(*SCENES))) == ["b"]


async def test_requeue_replaces_an_embedding_and_the_video_is_no_copy_of_itself(library):
    await show(library, "a", scene(1))
    library.queue.requeue(ids=["a"], now=NOW)
    assert ids(await show(library, "a", scene(2))) == []
    assert ids(await show(library, "b", scene(1))) == []
    assert ids(await show(library, "c", scene(2))) == ["a"]


async def test_requeue_with_another_model_moves_a_video_to_its_space(library):
    await show(library, "a", scene(1))
    library.queue.requeue(ids=["a"], analyzers=[PICTURE], now=NOW)
    await show(library, "a", scene(2), space="siglip2@2")
    assert ids(await show(library, "b", scene(1))) == []
    assert ids(await show(library, "c", scene(2), space="siglip2@2")) == ["a"]


async def test_requeue_without_the_model_keeps_what_is_known(library):
    """The signals of the row are kept, too."""
    await show(library, "a", scene(1))
    library.queue.requeue(ids=["a"], analyzers=[PICTURE], now=NOW)
    await library.finish("a", picture=Frames.made_up(1))
    library.queue.requeue(ids=["a"], analyzers=[SOUND], now=NOW)
    await library.finish("a", sound=tune(1))
    assert ids(await show(library, "b", scene(1))) == ["a"]


async def test_a_full_requeue_without_the_model_forgets_the_embedding(library):
    await show(library, "a", scene(1))
    library.queue.requeue(ids=["a"], now=NOW)
    await library.finish("a", picture=Frames.made_up(1))
    assert ids(await show(library, "b", scene(1))) == []


async def test_a_removed_video_is_not_found(library):
    await show(library, "a", scene(1))
    await show(library, "b", scene(2))
    queue = schema.processing_queue
    library.queue.db.write_blocking(lambda conn: conn.execute(sa.delete(queue).where(queue.c.id == "a")))
    assert ids(await show(library, "c", edited(scene(1), 0.98))) == []
    assert ids(await show(library, "d", edited(scene(2), 0.98))) == ["b"]


@pytest.mark.parametrize(
    "harm", [lambda path: None, lambda path: path.unlink(), lambda path: path.write_bytes(b"torn")]
)
async def test_after_a_restart_embeddings_are_found_whatever_became_of_the_files(queue, tmp_path, harm):
    library = Library(tmp_path, queue, tail_entries=5)
    for number in range(8):
        await show(library, f"v{number}", scene(number))
    files = [path for path in library.files() if path.name.startswith(schema.MEANING_PREFIX)]
    assert len(files) == 1
    harm(files[0])
    library.restart()
    for number in range(8):
        assert ids(await show(library, f"copy{number}", edited(scene(number), 0.97))) == [f"v{number}"]
    library.corpus.close()


async def test_without_an_embedding_nothing_is_said_of_semantic_copies(library):
    await show(library, "a", scene(1))
    found = (await library.finish("b", picture=Frames.made_up(2)))[PICTURE]
    assert (found["matches"], found["embedding_space"], found["status"]) == ([], None, "ok")


async def test_plain_pictures_are_not_compared_by_meaning(library):
    """Each black clip means the same as each other one."""
    for id_ in ("black", "black too"):
        outputs = outputs_of(Frames.made_up(1))
        outputs[PICTURE] = outputs[PICTURE].model_copy(update={"summary": Frames.made_up(1).summary(quality=10)})
        assert await library.complete(library.claim(id_), outputs, signals_of(scene(1)))
        assert ids(library.stored(id_)[PICTURE]) == []


async def test_a_malformed_embedding_leaves_the_copies_by_hashes(library):
    await library.finish("a", picture=Frames.made_up(1))
    broken = {"siglip2": {"space": "siglip2@1", "mean": ["x"]}}
    found = (await library.finish("b", picture=Frames.made_up(1), signals=broken))[PICTURE]
    assert (ids(found), found["status"], found["reason"]) == (["a"], "partial", "corpus_unavailable")
    assert found["embedding_space"] is None
