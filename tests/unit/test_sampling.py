"""Plans fit into the slot for any video, and thin evenly."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tiktokd.sampling import (
    HOOK_S,
    JITTER_S,
    LOW_FPS,
    MAX_SIDE_PX,
    MIN_SLOT_BYTES,
    Plan,
    Thinner,
    plan,
)

MIB = 1 << 20
SIDES = st.integers(1, 9000)
SECONDS = st.one_of(st.none(), st.floats(0.01, 3600.0))
RATES = st.one_of(st.none(), st.floats(1.0, 240.0))
SLOTS = st.integers(8 * MIB, 256 * MIB)
WANTED_FPS = st.floats(0.1, 30.0)


def of(**changes) -> Plan:
    """Return the plan of a 30 s clip in the default slot, with changes."""
    usual = {
        "slot_bytes": 64 * MIB,
        "width_px": 576,
        "height_px": 1024,
        "video_fps": 30.0,
        "duration_s": 30.0,
        "has_audio": True,
        "fps": 2.0,
    }
    return plan(**(usual | changes))


def offered(thinner: Thinner, times: list[float]) -> list[float]:
    """Offer all times and return what a store that obeys the placements holds at the end."""
    store: list[float] = []
    for time_s in times:
        place = thinner.offer(time_s)
        if place.keep is not None:
            store = [store[index] for index in place.keep]
        if place.row is not None:
            assert place.row == len(store)
            store.append(time_s)
        assert len(store) <= thinner.capacity
    return store


@given(SLOTS, SIDES, SIDES, RATES, SECONDS, st.booleans(), WANTED_FPS)
@example(MIN_SLOT_BYTES, 9000, 1, 1.0, 3600.0, True, 30.0)
@example(8 * MIB, 1, 9000, None, None, True, 0.1)
def test_any_plan_fits_into_its_slot_and_holds_at_least_one_frame(slot, width, height, rate, seconds, sound, fps):
    made = of(
        slot_bytes=slot,
        width_px=width,
        height_px=height,
        video_fps=rate,
        duration_s=seconds,
        has_audio=sound,
        fps=fps,
    )
    assert made.total_bytes <= slot
    assert min(made.frame_count, made.low_count, made.thumb_count) >= 1
    assert made.thumb_stride >= 1
    assert (made.audio16_samples > 0) == (made.audio48_samples > 0) == sound
    sizes = (made.frame_width_px, made.frame_height_px, made.low_width_px, made.low_height_px)
    assert all(size % 2 == 0 and size >= 2 for size in sizes)
    assert max(sizes) <= MAX_SIDE_PX
    assert made.hook_interval_s <= made.frame_interval_s
    assert made.low_interval_s >= 1 / LOW_FPS


@given(SLOTS, SIDES, SIDES, st.floats(0.1, 1800.0), st.floats(1.0, 2.0), WANTED_FPS)
def test_a_longer_video_is_never_sampled_more_densely(slot, width, height, seconds, longer, fps):
    short, long = (
        of(slot_bytes=slot, width_px=width, height_px=height, duration_s=s, fps=fps)
        for s in (seconds, seconds * longer)
    )
    assert long.low_interval_s >= short.low_interval_s
    assert long.thumb_stride >= short.thumb_stride
    # Sizes are even numbers, so a smaller frame can let one more fit: a few per cent of play.
    assert long.frame_interval_s >= short.frame_interval_s * 0.9
    assert long.audio16_samples >= short.audio16_samples


@given(SLOTS, st.floats(0.1, 1800.0), st.floats(0.1, 15.0), st.floats(15.0, 60.0))
def test_the_capacities_reach_to_the_end_of_the_video(slot, seconds, fps, rate):
    made = of(slot_bytes=slot, duration_s=seconds, fps=fps, video_fps=rate)
    hook_frames = HOOK_S / made.hook_interval_s if made.hook_interval_s < made.frame_interval_s else 0
    rest_s = seconds - (HOOK_S if hook_frames else 0)
    assert hook_frames + rest_s / made.frame_interval_s <= made.frame_count + 1
    assert seconds / made.low_interval_s <= made.low_count + 1
    assert seconds * rate / made.thumb_stride <= made.thumb_count + 1


def test_the_usual_clip_keeps_everything_but_a_few_full_frames():
    made = of()
    assert (made.frame_width_px, made.frame_height_px) == (576, 1024)
    assert made.frame_count >= 46
    assert made.low_interval_s == 0.1
    assert (made.low_width_px, made.low_height_px) == (160, 284)
    assert made.thumb_stride == 1
    assert made.audio48_samples >= 30 * 48_000
    assert made.audio16_samples >= 30 * 16_000


def test_a_long_video_keeps_the_first_seconds_dense():
    made = of(duration_s=600.0)
    assert made.hook_interval_s == 0.5
    assert made.frame_interval_s > 10
    assert made.frame_count >= 30


def test_frames_of_a_large_video_shrink_to_the_longest_side():
    made = of(width_px=2160, height_px=3840, duration_s=1.0)
    assert (made.frame_width_px, made.frame_height_px) == (576, 1024)


def test_frames_are_not_made_smaller_than_readable_text_to_win_a_count():
    made = of(slot_bytes=8 * MIB, duration_s=600.0)
    assert min(made.frame_width_px, made.frame_height_px) == 360


def test_sound_alone_takes_no_room_for_pictures():
    made = of(width_px=None, height_px=None)
    assert (made.frame_count, made.low_count, made.thumb_count) == (0, 0, 0)
    assert made.audio48_samples >= 30 * 48_000


def test_a_slot_below_one_mebibyte_is_refused():
    with pytest.raises(ValueError, match="at least 1048576"):
        of(slot_bytes=MIB - 1)


@given(
    st.integers(1, 40),
    st.floats(0.05, 5.0),
    st.floats(0.2, 1.0),
    st.lists(st.floats(0.001, 2.0), min_size=1, max_size=300),
)
def test_a_thinner_never_overflows_and_keeps_an_ordered_part_with_the_first(capacity, interval, dense, gaps):
    times, now = [], 0.0
    for gap in gaps:
        times.append(now)
        now += gap
    thinner = Thinner(capacity, interval, interval * dense)
    kept = offered(thinner, times)
    assert kept == thinner.times_s
    assert kept[0] == times[0]
    assert kept == sorted(set(kept))
    assert set(kept) <= set(times)


@given(st.integers(4, 60), st.floats(10.0, 500.0))
def test_a_video_far_longer_than_planned_is_spread_evenly(capacity, seconds):
    times = [index / 30 for index in range(math.ceil(seconds * 30))]
    kept = offered(Thinner(capacity, 0.5), times)
    gaps = [b - a for a, b in pairwise(kept)]
    assert len(kept) >= min(capacity // 2, seconds // 0.5)
    assert max(gaps) <= 2 * min(gaps) + 2 / 30
    assert times[-1] - kept[-1] <= max(gaps) + 1 / 30


def test_the_first_seconds_survive_thinning():
    kept = offered(Thinner(20, 0.5, 0.5), [index / 30 for index in range(30 * 60)])
    thinned = offered(Thinner(20, 4.0, 0.5), [index / 30 for index in range(30 * 600)])
    assert sum(time < HOOK_S for time in kept) < 6
    assert sum(time < HOOK_S - JITTER_S for time in thinned) == 6


def test_a_thinner_takes_what_exists_where_frames_are_rarer_than_wanted():
    times = [0.0, 0.04, 5.0, 5.04, 12.0]
    assert offered(Thinner(10, 0.5), times) == [0.0, 5.0, 12.0]


def test_stamps_rounded_to_a_millisecond_do_not_shift_the_grid():
    times = [round(index / 30, 3) for index in range(300)]
    assert len(offered(Thinner(200, 0.1), times)) == 100


def test_a_thinner_counts_frames_where_it_is_given_frame_numbers():
    assert offered(Thinner(100, 7), list(range(50))) == [0, 7, 14, 21, 28, 35, 42, 49]
    assert offered(Thinner(4, 1), list(range(10))) == [0, 4, 8]
