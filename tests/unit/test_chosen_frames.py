"""Which of the sampled frames picture models look at: spread evenly, more of the opening, and no scene passed over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.encoders._pixels import chosen, spread
from tiktokd.sampling import HOOK_S


def frames(*lengths):
    """Return (N, 96, 64) planes of scenes of these lengths, each of a grey and a little noise of its own."""
    rng = np.random.default_rng(1)
    greys = np.repeat([(37 * i) % 200 + 20 for i in range(len(lengths))], lengths)
    return (greys[:, None, None] + rng.integers(0, 6, (sum(lengths), 96, 64))).astype(np.uint8)


def clip(*lengths, start_s=HOOK_S, step_s=0.5):
    """Return scenes of these lengths and their times; as they stand, they have no opening."""
    made = frames(*lengths)
    return {"frames": made, "frames_pts": start_s + np.arange(len(made)) * step_s}


def scene_of(lengths):
    return np.repeat(np.arange(len(lengths)), lengths)


@pytest.mark.parametrize(("count", "limit"), [(48, 32), (48, 8), (7, 16), (1, 8), (33, 32), (48, 1)])
def test_where_nothing_changes_they_are_spread_evenly(count, limit):
    assert chosen(clip(count), limit).tolist() == spread(count, limit).tolist()


def test_a_short_scene_between_two_even_samples_is_seen():
    lengths = (16, 2, 30)
    assert not {16, 17} & set(spread(48, 8).tolist())
    picked = chosen(clip(*lengths), 8).tolist()
    assert {16, 17} & set(picked)
    assert len(picked) == 8
    assert (picked[0], picked[-1]) == (0, 47)


def test_a_long_scene_keeps_half_of_its_samples():
    lengths = (2,) * 6 + (36,)
    picked = scene_of(lengths)[chosen(clip(*lengths), 8)].tolist()
    assert scene_of(lengths)[spread(48, 8)].tolist().count(6) == 6
    assert picked.count(6) == 3
    assert len(set(picked)) == 6, "three of the four that were passed over have one now"


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20), limit=st.integers(2, 32))
def test_whatever_the_scenes_none_is_lost_and_none_passed_over_while_another_has_samples_to_give(lengths, limit):
    of, total = scene_of(lengths), sum(lengths)
    picked = chosen(clip(*lengths), limit)
    assert sorted(set(picked.tolist())) == picked.tolist()
    assert len(picked) == min(limit, total)
    assert {picked[0], picked[-1]} == {0, total - 1}
    before, after = (np.bincount(of[some], minlength=len(lengths)) for some in (spread(total, limit), picked))
    assert (after >= np.ceil(before / 2)).all()
    assert (after == 0).sum() == max((before == 0).sum() - (before // 2).sum(), 0)
    passed_over, seen_now = (np.array(lengths)[(before == 0) & some] for some in (after == 0, after > 0))
    assert not len(passed_over) or not len(seen_now) or passed_over.max() <= seen_now.min(), "the longest first"


@pytest.mark.parametrize(
    ("duration_s", "limit", "opening"),
    [(30, 32, 6), (30, 16, 4), (60, 32, 6), (600, 32, 6), (600, 16, 3), (10, 16, 6), (30, 8, 1), (2, 16, 4)],
)
def test_the_opening_is_sampled_more_densely(duration_s, limit, opening):
    times = np.arange(duration_s * 2) * 0.5
    seen = times[chosen({"frames": frames(len(times)), "frames_pts": times}, limit)]
    assert len(seen) == min(limit, len(times))
    assert (seen < HOOK_S).sum() == opening
    assert (seen[0], seen[-1]) == (0.0, times[-1])
    if limit >= 16 and duration_s > 10:
        first, rest = np.diff(seen[: opening + 1]), np.diff(seen[opening:])
        assert first.max() <= rest.min() + 0.5, "denser than the rest, to a step of the samples"


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20), limit=st.integers(16, 32))
def test_whatever_the_scenes_the_opening_keeps_its_frames(lengths, limit):
    of, seen = scene_of(lengths), clip(*lengths, start_s=0.0)
    picked = chosen(seen, limit)
    assert sorted(set(picked.tolist())) == picked.tolist()
    assert len(picked) == min(limit, len(of))
    assert {picked[0], picked[-1]} == {0, len(of) - 1}
    opening = min(len(of), int(HOOK_S * 2))
    assert (picked < opening).sum() >= min(opening, limit * 3 // 16)
