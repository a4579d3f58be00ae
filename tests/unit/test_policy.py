"""What a failure leads to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.config import Config
from tiktokd.errors import Failure
from tiktokd.scheduler.policy import (
    TREATMENTS,
    Fail,
    Limits,
    Pause,
    Retry,
    backoff_s,
    decide,
    download_limits,
    processing_limits,
)

NOW = 1_800_000_000.0
LIMITS = Limits()
unit = st.floats(0, 1, exclude_max=True)


def failure(kind="transient", stage="download", **fields):
    return Failure(failure_class=kind, stage=stage, message="it broke", **fields)


def judge(what, *, stage="download", attempts=0, crashes=0, limits=LIMITS, random=0.5, **more):
    return decide(what, stage=stage, attempts=attempts, crashes=crashes, limits=limits, now=NOW, random=random, **more)


@pytest.mark.parametrize("kind", ["transient", "bug", "resource"])
def test_the_third_charged_failure_ends_the_video(kind):
    decisions = [judge(failure(kind), attempts=n) for n in range(3)]
    assert decisions[0] == Retry(at=NOW + 15, charge=True)
    assert decisions[1] == Retry(at=NOW + 60, charge=True)
    assert decisions[2] == Fail(failure=failure(kind))


@pytest.mark.parametrize("kind", ["auth", "permanent", "unsupported", "poison"])
def test_what_no_attempt_can_mend_is_not_tried_again(kind):
    assert judge(failure(kind)) == Fail(failure=failure(kind))


def test_every_failure_class_has_a_treatment():
    from typing import get_args

    from tiktokd.errors import FailureClass

    assert set(TREATMENTS) == set(get_args(FailureClass))


def test_a_local_failure_rests_the_lane_and_charges_nothing():
    full = failure("local")
    assert judge(full, attempts=2) == Pause(lane="download", reason="it broke", until=NOW + 60)


@given(attempts=st.integers(0, 2), random=unit)
def test_being_throttled_is_never_charged(attempts, random):
    decision = judge(failure("throttled"), attempts=attempts, random=random)
    assert isinstance(decision, Retry)
    assert not decision.charge


def test_a_site_that_never_lets_us_in_ends_the_video_after_twenty_times():
    assert isinstance(judge(failure("throttled"), throttles=18), Retry)
    last = judge(failure("throttled"), throttles=19)
    assert isinstance(last, Fail)
    assert "20 times in a row" in last.failure.message


@given(asked=st.floats(0, 86400), kind=st.sampled_from(["throttled", "transient"]), random=unit)
def test_retry_after_is_honoured(asked, kind, random):
    decision = judge(failure(kind, retry_after_s=asked), random=random)
    assert isinstance(decision, Retry)
    assert decision.at >= NOW + asked


def test_a_retry_after_beyond_a_day_is_cut_to_a_day():
    decision = judge(failure("throttled", retry_after_s=1e9), random=0.0)
    assert decision == Retry(at=NOW + 86400, charge=False)


@given(attempt=st.integers(1, 10_000), random=unit)
def test_backoff_is_full_jitter_below_its_cap(attempt, random):
    ceiling = min(3600.0, 30.0 * 4.0 ** min(attempt - 1, 30))
    assert backoff_s(attempt, LIMITS, random) == pytest.approx(random * ceiling)


def test_backoff_ceilings_are_half_a_minute_two_eight_and_then_half_an_hour_and_one():
    assert [backoff_s(n, LIMITS, 1.0) for n in range(1, 7)] == [30, 120, 480, 1920, 3600, 3600]


def test_a_worker_death_is_not_charged_as_an_attempt():
    decision = judge(failure(), crashed=True)
    assert decision == Retry(at=NOW + 15, charge=False, crash=True)


def test_the_second_worker_death_makes_the_video_poison_whatever_its_attempts():
    decision = judge(failure(stage="analyze"), stage="processing", crashes=1, crashed=True)
    assert isinstance(decision, Fail)
    assert decision.crash
    assert decision.failure.failure_class == "poison"
    assert decision.failure.stage == "analyze"
    assert decision.failure.message == "2 workers died on this video; the last: it broke"


def test_limits_come_from_the_configuration():
    config = Config.model_validate(
        {"download": {"attempts": 5, "backoff_base_s": 1, "backoff_cap_s": 9}, "gpu": {"attempts": 2}}
    )
    assert download_limits(config) == replace(LIMITS, attempts=5, backoff_base_s=1, backoff_cap_s=9)
    assert processing_limits(config) == replace(LIMITS, attempts=2, backoff_base_s=1, backoff_cap_s=9)
