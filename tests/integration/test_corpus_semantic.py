"""Copies by embedding on a real database: found, of one space only, replaced, removed, there after a restart."""

from zlib import crc32

import numpy as np
import pytest
import sqlalchemy as sa

from tests.corpus_fixtures import PICTURE, SOUND, Frames, Library, edited, ids, outputs_of, scene, signals_of, tune
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
    assert (found["duplicate_cluster_id"], found["embedding_space"]) == (None, "siglip2@1")
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
