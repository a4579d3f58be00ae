"""Partners of landmarks: the same whether few or many are looked at in one turn."""

import numpy as np
import pytest

from tiktokd.sound_hashes import LOOK_AHEAD, partners

GAP_MIN_S, GAP_MAX_S, APART, MOST = 0.1, 1.0, 300.0, 3


def one_by_one(time_s: np.ndarray, height: np.ndarray, ends: np.ndarray) -> list[list[int]]:
    """What `partners` says, looked up landmark by landmark."""
    found = []
    for row in range(len(time_s)):
        near = [
            there
            for there in range(row + 1, min(row + LOOK_AHEAD, ends[row]))
            if GAP_MIN_S <= time_s[there] - time_s[row] < GAP_MAX_S and abs(height[there] - height[row]) < APART
        ]
        found.append([*near, *([-1] * MOST)][:MOST])
    return found


@pytest.mark.parametrize("lengths", [(), (1,), (0, 5, 0), (120,), (80, 1, 120), (2100,)])
def test_partners_are_the_next_landmarks_of_the_same_sound_that_fit(lengths: tuple[int, ...]) -> None:
    """Of 2,100 landmarks one place ahead is looked at in a turn, of 120 half of them all."""
    rng = np.random.default_rng(len(lengths))
    time_s = np.concatenate([np.zeros(0), *(np.sort(rng.uniform(0, 4, n)) for n in lengths)])
    height = rng.uniform(0, 1000, len(time_s))
    ends = np.repeat(np.cumsum(np.array(lengths, np.int64)), np.array(lengths, np.int64))
    near = partners(time_s, height, ends, gap_min_s=GAP_MIN_S, gap_max_s=GAP_MAX_S, apart_max=APART, most=MOST)
    assert near.tolist() == one_by_one(time_s, height, ends)
