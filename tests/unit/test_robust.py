"""Middle, spread and z of samples with wild values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.robust import middle_and_spread, robust_z


def test_the_spread_of_normal_values_is_their_standard_deviation_whatever_a_few_wild_ones_say():
    sample = np.random.default_rng(1).normal(10.0, 3.0, 4000)
    assert middle_and_spread(sample) == pytest.approx((10.0, 3.0), rel=0.03)
    sample[:40] = 1e9
    assert middle_and_spread(sample) == pytest.approx((10.0, 3.0), rel=0.06)


def test_the_mean_distance_takes_over_where_most_values_are_the_same():
    assert middle_and_spread(np.array([0.0, 0.0, 0.0, 4.0])) == (0.0, pytest.approx(1.2533))
    assert middle_and_spread(np.array([2.0, 2.0])) == (2.0, 0.0)


@pytest.mark.parametrize("sample", [[], [3.0], [3.0, 3.0, 3.0]])
def test_without_values_that_differ_there_is_no_z(sample):
    assert robust_z(5.0, np.array(sample)) is None


@given(st.lists(st.integers(-99, 99), min_size=3, max_size=30), st.integers(-99, 99), st.integers(2, 9))
def test_a_z_does_not_depend_on_the_unit(values, value, unit):
    sample = np.array([*values, 0, 1, 2], np.float64)
    z, scaled = robust_z(value, sample), robust_z(value * unit, sample * unit)
    assert z is not None
    assert scaled == pytest.approx(z, rel=1e-6, abs=1e-6)
