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


def test_of_more_scenes_than_samples_as_many_are_seen_as_there_are_samples():
    lengths = (3,) * 16
    picked = chosen({"frames": frames(*lengths)}, 8)
    assert len(set(scene_of(lengths)[picked].tolist())) == 8
    assert (picked[0], picked[-1]) == (0, 47)


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20), limit=st.integers(2, 32))
def test_whatever_the_scenes_each_is_seen_that_can_be(lengths, limit):
    picked = chosen({"frames": frames(*lengths)}, limit)
    assert sorted(set(picked.tolist())) == picked.tolist()
    assert len(picked) == min(limit, sum(lengths))
    assert {picked[0], picked[-1]} == {0, sum(lengths) - 1}
    assert len(set(scene_of(lengths)[picked].tolist())) == min(limit, len(lengths))
