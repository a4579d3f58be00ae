"""Sketches of vectors: how they tell angles, the index over them, and its file."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus_fixtures import DIMENSIONS, edited, scene, unit
from tiktokd.scheduler import corpus_semantic
from tiktokd.scheduler.corpus_header import Unusable
from tiktokd.scheduler.corpus_semantic import BITS_MAX, CANDIDATE_MIN
from tiktokd.scheduler.corpus_sketch import SketchFile, SketchIndex, build
from tiktokd.sketches import BITS, share, sketch

OWNER = "me"
ROWS = [(n, sketch(scene(n))) for n in range(1, 8)]


def differing(one: bytes, two: bytes) -> int:
    return int(np.bitwise_count(np.frombuffer(one, np.uint8) ^ np.frombuffer(two, np.uint8)).sum())


@pytest.mark.parametrize("cosine", [1.0, 0.95, 0.8, 0.5, 0.0, -0.7])
@pytest.mark.parametrize("spread", ["even", "few large numbers"])
def test_the_share_of_differing_bits_is_that_of_the_angle(cosine, spread):
    vector = scene(1)
    if spread != "even":
        vector = unit(np.where(np.arange(DIMENSIONS) % 200 == 0, 5.0, 0.01))
    bits = [differing(sketch(vector), sketch(edited(vector, cosine, seed))) for seed in range(30)]
    assert np.mean(bits) == pytest.approx(BITS * share(cosine), abs=0.02 * BITS)


def test_a_sketch_does_not_change_between_versions():
    """It is stored: another way to make it would make all rows worthless."""
    vector = np.sin(np.arange(DIMENSIONS, dtype=np.float32))
    assert sketch(vector)[:8].hex() == "3b004141d7b68da3"
    assert len(sketch(np.ones(1152, np.float32))) == BITS // 8


def test_copies_at_the_very_limit_pass_the_first_look_and_unrelated_clips_do_not():
    originals = [scene(seed) for seed in range(200)]
    missed = [differing(sketch(v), sketch(edited(v, CANDIDATE_MIN))) > BITS_MAX for v in originals]
    passed = [differing(sketch(v), sketch(w)) <= BITS_MAX for v, w in itertools.pairwise(originals)]
    assert sum(missed) == 0
    assert sum(passed) == 0


@settings(max_examples=20)
@given(st.integers(0, 8), st.integers(0, 1024), st.integers(1, 10))
def test_file_and_memory_give_the_nearest_of_all(tmp_path_factory, saved, bits_max, limit):
    path = tmp_path_factory.mktemp("sketches") / "x.index"
    build(path, owner=OWNER, upto=9, batches=[ROWS[:saved]])
    index = SketchIndex(SketchFile(path, OWNER, 9))
    index.add(ROWS[saved:])
    asked = sketch(scene(3))
    ranked = sorted((differing(asked, raw), -revision) for revision, raw in ROWS)
    assert index.nearest(asked, bits_max, limit) == [-r for bits, r in ranked if bits <= bits_max][:limit]
    assert index.entries_in_memory == len(ROWS[saved:])


def test_a_file_is_read_in_stretches_to_its_end(tmp_path):
    many = [(n, np.random.default_rng(n).bytes(BITS // 8)) for n in range(1, 8192 * 2 + 5)]
    build(tmp_path / "x.index", owner=OWNER, upto=10**6, batches=[many[:9000], many[9000:]])
    index = SketchIndex(SketchFile(tmp_path / "x.index", OWNER, 10**6))
    for revision in (1, 8192, 8193, 16384, len(many)):
        assert index.nearest(many[revision - 1][1], 0, 5) == [revision]


def test_a_new_file_leaves_out_what_is_gone(tmp_path):
    build(tmp_path / "x.index", owner=OWNER, upto=9, batches=[ROWS[:4]])
    old = SketchFile(tmp_path / "x.index", OWNER, 9)
    build(tmp_path / "x.index", owner=OWNER, upto=9, batches=[ROWS[4:]], base=old, keep=lambda r: (r != 2) & (r != 6))
    found = SketchIndex(SketchFile(tmp_path / "x.index", OWNER, 9)).nearest(ROWS[0][1], BITS, 99)
    assert sorted(found) == [1, 3, 4, 5, 7]


@pytest.mark.parametrize("cut", [8, 136, 2000])
def test_a_torn_file_is_refused(tmp_path, cut):
    path = tmp_path / "x.index"
    build(path, owner=OWNER, upto=9, batches=[ROWS])
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(Unusable):
        SketchFile(path, OWNER, 9)


@pytest.mark.parametrize("mean", [[], [0.0] * 5, [float("nan")] * 5, [[1.0], [2.0]], "words"])
def test_an_embedding_without_direction_is_refused(mean):
    with pytest.raises((ValueError, TypeError)):
        corpus_semantic.read({"siglip2": {"space": "x", "mean": mean}})


def test_kinds_of_prints_of_different_spaces_differ_and_fit_their_column():
    kinds = {corpus_semantic.read({"siglip2": {"space": s, "mean": [1.0, 2.0]}}).kind for s in ("a", "b", "b" * 200)}
    assert len(kinds) == 3
    assert max(map(len, kinds)) <= 16
