"""Which of the sampled frames picture models look at: spread evenly, more of the opening, and no scene passed over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.encoders._frame_choice import chosen, spread
from tiktokd.sampling import HOOK_S, Thinner, plan


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
    assert chosen(clip(count), limit).tolist() == spread(np.arange(count), limit).tolist()


def test_a_short_scene_between_two_even_samples_is_seen():
    lengths = (16, 2, 30)
    assert not {16, 17} & set(spread(np.arange(48), 8).tolist())
    picked = chosen(clip(*lengths), 8).tolist()
    assert {16, 17} & set(picked)
    assert len(picked) == 8
    assert (picked[0], picked[-1]) == (0, 47)


def test_a_long_scene_keeps_half_of_its_samples():
    lengths = (2,) * 6 + (36,)
    picked = scene_of(lengths)[chosen(clip(*lengths), 8)].tolist()
    assert scene_of(lengths)[spread(np.arange(48), 8)].tolist().count(6) == 6
    assert picked.count(6) == 3
    assert len(set(picked)) == 6, "three of the four that were passed over have one now"


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20), limit=st.integers(2, 32))
def test_whatever_the_scenes_none_is_lost_and_none_passed_over_while_another_has_samples_to_give(lengths, limit):
    of, total = scene_of(lengths), sum(lengths)
    picked = chosen(clip(*lengths), limit)
    assert sorted(set(picked.tolist())) == picked.tolist()
    assert len(picked) == min(limit, total)
    assert {picked[0], picked[-1]} == {0, total - 1}
    before, after = (
        np.bincount(of[some], minlength=len(lengths)) for some in (spread(np.arange(total), limit), picked)
    )
    assert (after >= np.ceil(before / 2)).all()
    assert (after == 0).sum() == max((before == 0).sum() - (before // 2).sum(), 0)
    passed_over, seen_now = (np.array(lengths)[(before == 0) & some] for some in (after == 0, after > 0))
    assert not len(passed_over) or not len(seen_now) or passed_over.max() <= seen_now.min(), "the longest first"


def times_of(duration_s, fps, *, slot_bytes=96 * 2**20):
    """Return the times of the frames that decoding keeps of a video of 720 x 1280 at 30 pictures a second."""
    planned = plan(
        slot_bytes=slot_bytes,
        width_px=720,
        height_px=1280,
        video_fps=30.0,
        duration_s=duration_s,
        has_audio=True,
        fps=fps,
    )
    thinner = Thinner(planned.frame_count, planned.frame_interval_s, planned.hook_interval_s)
    for number in range(int(duration_s * 30)):
        thinner.offer(number / 30)
    return np.array(thinner.times_s)


@pytest.mark.parametrize(
    ("duration_s", "limit", "opening"),
    [(30, 32, 6), (30, 16, 4), (60, 32, 6), (60, 16, 3), (600, 32, 6), (600, 16, 3), (10, 16, 6), (30, 8, 1)],
)
def test_the_opening_is_sampled_more_densely(duration_s, limit, opening):
    times = times_of(duration_s, 2.0)
    seen = times[chosen({"frames": frames(len(times)), "frames_pts": times}, limit)]
    assert len(seen) == min(limit, len(times))
    assert (seen < HOOK_S).sum() == opening
    assert (seen[0], seen[-1]) == (0.0, times[-1])


@given(
    duration_s=st.floats(0.2, 700.0),
    fps=st.sampled_from([0.5, 1.0, 2.0, 4.0, 5.0, 8.0, 15.0, 30.0]),
    limit=st.sampled_from([4, 8, 16, 32]),
    slot_mib=st.sampled_from([8, 96]),
)
def test_whatever_the_length_and_rate_the_opening_is_denser_and_the_rest_keeps_its_half(
    duration_s, fps, limit, slot_mib
):
    times = times_of(duration_s, fps, slot_bytes=slot_mib * 2**20)
    picked = chosen({"frames": frames(len(times)), "frames_pts": times}, limit)
    assert sorted(set(picked.tolist())) == picked.tolist()
    assert len(picked) == min(limit, len(times))
    assert {picked[0], picked[-1]} == ({0, len(times) - 1} if len(times) else set())
    opening = (times < HOOK_S).sum()
    if limit < 16 or not limit < len(times) > opening:
        return
    got, even = (picked < opening).sum(), limit * HOOK_S / times[-1]
    assert got >= min(opening, limit * 3 // 16)
    assert got >= min(opening, int(even), limit - 2)
    assert limit - got >= min(len(times) - opening, limit - max(limit // 2, round(even)))


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20), limit=st.integers(16, 32))
def test_whatever_the_scenes_the_opening_keeps_its_frames(lengths, limit):
    of, seen = scene_of(lengths), clip(*lengths, start_s=0.0)
    picked = chosen(seen, limit)
    assert sorted(set(picked.tolist())) == picked.tolist()
    assert len(picked) == min(limit, len(of))
    assert {picked[0], picked[-1]} == {0, len(of) - 1}
    opening = min(len(of), int(HOOK_S * 2))
    assert (picked < opening).sum() >= min(opening, limit * 3 // 16)


def test_scenes_of_a_clip_that_is_all_opening_are_not_passed_over():
    lengths = (1, 9, 1, 7, 1, 9, 1, 9)
    picked = chosen(clip(*lengths, start_s=0.0, step_s=1 / 15), 16)
    assert set(scene_of(lengths)[picked]) == set(range(8))


@given(
    gaps=st.lists(st.floats(0.001, 5.0), min_size=1, max_size=60),
    limit=st.integers(1, 40),
)
def test_times_are_spread_evenly_and_none_is_taken_twice(gaps, limit):
    times = np.cumsum(gaps)
    picked = spread(times, limit)
    assert len(picked) == min(limit, len(times))
    assert (np.diff(picked) > 0).all()
    assert picked[0] == 0
    assert limit == 1 or picked[-1] == len(times) - 1


def test_frames_that_lie_close_together_count_once_for_their_time():
    times = np.concatenate([np.arange(6) * 0.5, 3.0 + np.arange(28) * 20.0])
    picked = times[spread(times, 8)]
    assert (picked < 3.0).sum() == 1
    assert np.diff(picked).max() <= 100.0
