"""The inverted index in memory and on a file, the votes, and the keys of pictures and sounds."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus_fixtures import Frames, played, sound_summary, tune
from tiktokd.copies import VideoHashes
from tiktokd.scheduler import corpus_picture, corpus_sound
from tiktokd.scheduler.corpus_file import KEYS, PostingFile, build, rising
from tiktokd.scheduler.corpus_header import HEADER_BYTES, Unusable
from tiktokd.scheduler.corpus_index import FRESH_ENTRIES, Entry, PostingIndex, entry_run, vote

OWNER = "me"


def entry(*keys: int, payload: int = 0) -> bytes:
    return Entry(keys=np.array(keys, np.uint32), payload=np.full(len(keys), payload, np.uint32)).pack()


def asked(index: PostingIndex, *keys: int, hits_max: int = 1000) -> set[tuple[int, int, int]]:
    hits = index.lookup(np.array(keys, np.uint32), hits_max)
    return set(zip(hits.row.tolist(), hits.revision.tolist(), hits.payload.tolist(), strict=True))


def file_of(path, rows, upto=99):
    build(path, owner=OWNER, upto=upto, runs=[entry_run(rows[:2]), entry_run(rows[2:])])
    return PostingFile(path, OWNER, 99)


ROWS = [(1, entry(5, 7, 7)), (2, entry(7)), (3, entry(0, KEYS - 1, payload=2**32 - 1)), (4, entry())]


def test_file_and_memory_answer_alike_and_together(tmp_path):
    memory = PostingIndex()
    memory.add(ROWS)
    file = PostingIndex(file_of(tmp_path / "x.index", ROWS))
    mixed = PostingIndex(file_of(tmp_path / "y.index", ROWS[:2]))
    mixed.add(ROWS[2:])
    expected = {(0, 1, 0), (0, 2, 0), (2, 3, 2**32 - 1), (3, 3, 2**32 - 1)}
    for index in (memory, file, mixed):
        assert asked(index, 7, 6, 0, KEYS - 1) == expected


@settings(max_examples=20)
@given(
    st.lists(st.lists(st.integers(0, 40), max_size=20), min_size=1, max_size=FRESH_ENTRIES * 3),
    st.integers(0, 40),
)
def test_an_index_finds_exactly_what_was_added(added, key):
    index = PostingIndex()
    for number, keys in enumerate(added, start=1):
        index.add([(number, entry(*keys, payload=number))])
    expected = {(0, number, number) for number, keys in enumerate(added, start=1) if key in keys}
    assert asked(index, key, hits_max=10**6) == expected
    assert index.entries_in_memory == len(added)


def test_equal_keys_keep_their_order():
    keys = np.random.default_rng(3).integers(0, 40, 500).astype(np.uint32)
    assert rising(keys).tolist() == sorted(range(500), key=lambda place: keys[place])


def test_only_the_rarest_keys_are_looked_at():
    index = PostingIndex()
    index.add([(number, entry(1, *([2] if number < 3 else []))) for number in range(1, 100)])
    assert asked(index, 1, 2, hits_max=50) == {(1, 1, 0), (1, 2, 0)}


def test_a_file_gives_back_what_was_put_in_and_can_be_written_anew_from_itself(tmp_path):
    first = file_of(tmp_path / "a.index", ROWS)
    assert first.upto == 99
    build(tmp_path / "b.index", owner=OWNER, upto=99, runs=[], base=first)
    assert (tmp_path / "a.index").read_bytes() == (tmp_path / "b.index").read_bytes()
    half = file_of(tmp_path / "c.index", ROWS[:2])
    build(tmp_path / "d.index", owner=OWNER, upto=99, runs=[entry_run(ROWS[2:])], base=half)
    assert (tmp_path / "a.index").read_bytes() == (tmp_path / "d.index").read_bytes()
    assert len(first) == 6


def test_what_is_not_kept_is_left_out_of_a_new_file(tmp_path):
    old = file_of(tmp_path / "x.index", ROWS)
    build(tmp_path / "y.index", owner=OWNER, upto=99, runs=[], base=old, keep=lambda p: p >> np.uint64(32) != 1)
    assert asked(PostingIndex(PostingFile(tmp_path / "y.index", OWNER, 99)), 5, 7, 0) == {(1, 2, 0), (2, 3, 2**32 - 1)}


def test_an_empty_file_is_a_file(tmp_path):
    build(tmp_path / "x.index", owner=OWNER, upto=0, runs=[])
    assert asked(PostingIndex(PostingFile(tmp_path / "x.index", OWNER, 0)), 1) == set()


def spoil(path, at, data):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(b""), "header"),
        (lambda path: spoil(path, 0, b"\0" * 10), "header"),
        (lambda path: spoil(path, 0, json.dumps({"magic": "x"}).encode().ljust(HEADER_BYTES)), "form"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "bytes instead of"),
        (lambda path: spoil(path, path.stat().st_size - 8, b"\xff" * 8), "checksum"),
        (lambda path: spoil(path, HEADER_BYTES + 1000, b"\1"), "checksum"),
    ],
)
def test_a_torn_file_is_refused(tmp_path, harm, reason):
    path = tmp_path / "x.index"
    file_of(path, ROWS)
    harm(path)
    with pytest.raises(Unusable, match=reason):
        PostingFile(path, OWNER, 99)


def test_a_file_of_another_database_or_of_its_future_is_refused(tmp_path):
    file_of(tmp_path / "x.index", ROWS)
    with pytest.raises(Unusable, match="another database"):
        PostingFile(tmp_path / "x.index", "you", 99)
    with pytest.raises(Unusable, match="does not"):
        PostingFile(tmp_path / "x.index", OWNER, 98)


def test_votes_of_neighbouring_cells_count_together_and_those_of_others_do_not():
    revision = np.array([1, 1, 1, 1, 2, 2, 3, 3, 3, 4])
    cell = np.array([10, 10, 11, 30, 10, 12, 5, 6, 7, 10])
    found = vote(revision, cell, votes_min=2, limit=10)
    assert [(v.revision, v.votes) for v in found] == [(1, 3), (3, 2)]
    assert [v.revision for v in vote(revision, cell, votes_min=2, limit=1)] == [1]
    assert vote(revision[:0], cell[:0], votes_min=1, limit=1) == []


def test_hashes_of_a_video_survive_packing():
    summary = Frames.made_up(1, 7).summary(quality=63)
    before = VideoHashes.from_json(summary["pdq"])
    after = corpus_picture.unpack(corpus_picture.pack(before))
    for name in ("t_s", "quality", "views", "flipped"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name


def test_pictures_without_structure_have_no_print():
    assert corpus_picture.read(Frames.made_up(1).summary(quality=49)) is None


@pytest.mark.parametrize("ratio", [0.8, 0.93, 1.0, 1.17, 1.26])
def test_triples_of_landmarks_do_not_change_with_the_speed(ratio):
    sound = tune(1)
    slow, fast = corpus_sound.triples(sound, 10**6), corpus_sound.triples(played(sound, ratio), 10**6)
    share = np.isin(slow.key, fast.key).mean()
    foreign = np.isin(slow.key, corpus_sound.triples(tune(2), 10**6).key).mean()
    assert share > 0.5
    assert foreign < 0.01


def test_of_many_triples_both_sides_keep_the_same_ones():
    sound = tune(1)
    few, many = corpus_sound.triples(sound, 300), corpus_sound.triples(sound, 900)
    assert (len(few.key), len(many.key)) == (300, 900)
    assert set(few.key.tolist()) <= set(many.key.tolist())


def test_a_print_of_a_sound_is_bounded():
    print_ = corpus_sound.read(sound_summary(tune(1, seconds=250.0)))
    assert print_ is not None
    assert len(print_.entry.keys) == corpus_sound.FILED
