"""Which of the sampled frames picture models look at: spread evenly, and no scene that was sampled is passed over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.encoders._pixels import chosen, spread


def frames(*lengths):
    """Return (N, 96, 64) planes of scenes of these lengths, each of a grey and a little noise of its own."""
    rng = np.random.default_rng(1)
    greys = np.repeat([(37 * i) % 200 + 20 for i in range(len(lengths))], lengths)
    return (greys[:, None, None] + rng.integers(0, 6, (sum(lengths), 96, 64))).astype(np.uint8)


def scene_of(lengths):
    return np.repeat(np.arange(len(lengths)), lengths)


@pytest.mark.parametrize(("count", "limit"), [(48, 32), (48, 8), (7, 16), (1, 8), (33, 32), (48, 1)])
def test_where_nothing_changes_they_are_spread_evenly(count, limit):
    assert chosen({"frames": frames(count)}, limit).tolist() == spread(count, limit).tolist()


def test_a_short_scene_between_two_even_samples_is_seen():
    lengths = (16, 2, 30)
    assert not {16, 17} & set(spread(48, 8).tolist())
    picked = chosen({"frames": frames(*lengths)}, 8).tolist()
    assert {16, 17} & set(picked)
    assert len(picked) == 8
    assert (picked[0], picked[-1]) == (0, 47)


def test_a_long_scene_keeps_half_of_its_samples():
    lengths = (2,) * 6 + (36,)
    picked = scene_of(lengths)[chosen({"frames": frames(*lengths)}, 8)].tolist()
    assert scene_of(lengths)[spread(48, 8)].tolist().count(6) == 6
    assert picked.count(6) == 3
    assert len(set(picked)) == 6, "three of the four that were passed over have one now"


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20), limit=st.integers(2, 32))
def test_whatever_the_scenes_none_is_lost_and_none_passed_over_while_another_has_samples_to_give(lengths, limit):
    of, total = scene_of(lengths), sum(lengths)
    picked = chosen({"frames": frames(*lengths)}, limit)
    assert sorted(set(picked.tolist())) == picked.tolist()
    assert len(picked) == min(limit, total)
    assert {picked[0], picked[-1]} == {0, total - 1}
    before, after = (np.bincount(of[some], minlength=len(lengths)) for some in (spread(total, limit), picked))
    assert (after >= np.ceil(before / 2)).all()
    assert (after == 0).sum() == max((before == 0).sum() - (before // 2).sum(), 0)
    passed_over, seen_now = (np.array(lengths)[(before == 0) & some] for some in (after == 0, after > 0))
    assert not len(passed_over) or not len(seen_now) or passed_over.max() <= seen_now.min(), "the longest first"
