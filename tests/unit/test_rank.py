"""The order of the queue."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.scheduler.rank import AGEING_S, head_start_s, rank

times = st.floats(min_value=1.5e9, max_value=3e9)
ordinary = st.integers(1, 9)


@given(old=times, new=times, priority=ordinary)
def test_priority_ten_goes_before_all_others_however_long_they_waited(old, new, priority):
    assert rank(10, new) < rank(priority, old)


@given(times=st.tuples(times, times), priority=st.integers(1, 10))
def test_within_a_priority_the_oldest_goes_first(times, priority):
    early, late = sorted(times)
    assert rank(priority, early) <= rank(priority, late)


def test_urgent_videos_a_millisecond_apart_keep_their_order():
    assert rank(10, 1_800_000_000.001) < rank(10, 1_800_000_000.002)


@given(at=times, low=ordinary, high=ordinary)
def test_one_step_of_priority_is_worth_ten_minutes_of_waiting(at, low, high):
    later = at + AGEING_S * (high - low)
    assert rank(low, at) == pytest.approx(rank(high, later), abs=1e-3)


@given(at=times)
def test_the_lowest_priority_waits_at_most_eighty_minutes_longer_than_the_highest_ordinary_one(at):
    assert rank(1, at) < rank(9, at + 8 * 600 + 1)


@pytest.mark.parametrize("priority", [0, 11, -1])
def test_a_priority_outside_one_to_ten_is_refused(priority):
    with pytest.raises(ValueError, match=f"priority {priority} is not between 1 and 10"):
        head_start_s(priority)
