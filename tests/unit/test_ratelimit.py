"""The gate that all downloads pass."""

import json
from dataclasses import asdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.errors import Failure
from tiktokd.scheduler.ratelimit import COOLDOWN_S, SLOWEST, GateState, RateGate

unit = st.floats(0, 1, exclude_max=True)
THROTTLED = Failure(failure_class="throttled", stage="download", message="HTTP 429", http_status=429)
BROKEN = Failure(failure_class="transient", stage="download", message="no data in the page")


def gate(per_minute=30.0, min_gap_s=2.0, **more):
    return RateGate(per_minute=per_minute, min_gap_s=min_gap_s, **more)


def stored(state):
    """What a restart finds: the state after its way through JSON."""
    found = GateState.from_json(json.loads(json.dumps(asdict(state))))
    assert found is not None
    return found


@st.composite
def steps(draw):
    """Real seconds that pass, and what happens to clocks and the daemon meanwhile."""
    kind = st.sampled_from(["wait"] * 6 + ["restart", "back", "throttle", "succeed"])
    passed = st.one_of(st.floats(0, 3), st.floats(0, 20))
    return draw(st.lists(st.tuples(passed, kind, unit), min_size=20, max_size=150))


@given(steps=steps(), per_minute=st.sampled_from([0.5, 1, 7, 30, 120]), min_gap_s=st.sampled_from([0.0, 0.3, 2.0]))
def test_no_minute_sees_too_many_requests_and_no_two_come_too_close(steps, per_minute, min_gap_s):
    real, clock, utc = 0.0, 1000.0, 1.8e9
    the_gate = gate(per_minute, min_gap_s)
    grants: list[float] = []
    for passed, kind, random in steps:
        real, clock, utc = real + passed, clock + passed, utc + passed
        if kind == "restart":
            state = stored(the_gate.state(clock, utc))
            clock, utc = 5.0, utc - 3600 * random  # the other boot's clock, and a wall clock set back meanwhile
            the_gate = gate(per_minute, min_gap_s)
            the_gate.restore(state, clock, utc)
        elif kind == "back":
            clock -= 1000 * random
        elif kind == "throttle":
            the_gate.failed(clock, "1", THROTTLED)
        elif kind == "succeed":
            the_gate.succeeded(clock)
        if the_gate.take(clock, random):
            grants.append(real)
    window = max(60.0, 60.0 / per_minute)
    allowed = max(int(per_minute), 1)
    for n, at in enumerate(grants):
        # a microsecond of grace: sums of floats
        assert sum(1 for other in grants[n:] if other < at + window - 1e-6) <= allowed
    assert all(b - a >= min_gap_s - 1e-6 for a, b in pairwise(grants))


@given(random=unit)
def test_a_busy_gate_reaches_its_rate_within_the_jitter(random):
    the_gate, now, grants = gate(), 0.0, 0
    while now < 600:
        assert the_gate.take(now, random)
        grants += 1
        now = the_gate.opens_at(now)
    assert 600 / (2.0 * (1 + random / 2)) == pytest.approx(grants, abs=1)


def test_a_fast_gate_may_burst_up_to_its_minute_and_then_waits_for_it():
    the_gate = gate(per_minute=10, min_gap_s=0.0)
    assert [the_gate.take(5.0, 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert the_gate.opens_at(5.0) == 65.0


def test_a_gate_below_one_per_minute_spreads_its_grants():
    the_gate = gate(per_minute=0.5, min_gap_s=0.0)
    assert the_gate.take(0.0, 0.0)
    assert the_gate.opens_at(1.0) == 120.0


def test_a_restart_does_not_forget_what_went_out_before():
    before = gate(per_minute=3, min_gap_s=1.0)
    for now in (0.0, 2.0, 4.0):
        assert before.take(now, 0.0)
    after = gate(per_minute=3, min_gap_s=1.0)
    after.restore(stored(before.state(5.0, 1.8e9)), 700.0, 1.8e9 + 10)
    assert after.opens_at(700.0) == pytest.approx(700 + 45)


def test_throttling_halves_the_rate_once_per_event_and_rests():
    the_gate = gate()
    the_gate.failed(100.0, "1", THROTTLED)
    the_gate.failed(101.0, "2", THROTTLED)
    assert the_gate.factor == 0.5
    assert the_gate.opens_at(101.0) == 130.0
    the_gate.failed(131.0, "3", THROTTLED)
    assert the_gate.factor == 0.25
    assert the_gate.opens_at(131.0) == 191.0
    assert the_gate.reason == "slowed down to 25%: HTTP 429"


def test_retry_after_closes_the_gate_for_all_even_for_a_second_answer_of_the_same_event():
    the_gate = gate()
    the_gate.failed(0.0, "1", THROTTLED)
    asked = Failure(failure_class="throttled", stage="download", message="HTTP 429", retry_after_s=100)
    the_gate.failed(1.0, "2", asked)
    assert the_gate.opens_at(1.0) == 101.0
    assert the_gate.factor == 0.5


def test_the_rate_never_falls_below_its_floor_and_recovers_slowly():
    the_gate = gate()
    for event in range(20):
        the_gate.failed(event * 1000.0, "1", THROTTLED)
    assert the_gate.factor == SLOWEST
    successes = 0
    while the_gate.factor < 1.0:
        the_gate.succeeded(30_000.0 + successes)
        successes += 1
    assert successes == 279
    assert the_gate.reason is None


def test_ten_different_videos_failing_alike_open_the_breaker():
    the_gate = gate()
    assert [the_gate.failed(float(n), str(n), BROKEN) for n in range(9)] == [None] * 9
    reason = the_gate.failed(9.0, "9", BROKEN)
    assert reason == "10 different videos failed alike, the last with: no data in the page; one will try again in 5 min"
    assert the_gate.opens_at(9.0) == 9.0 + COOLDOWN_S


def test_one_video_failing_ten_times_does_not_open_the_breaker():
    the_gate = gate()
    assert {the_gate.failed(float(n), "1", BROKEN) for n in range(10)} == {None}


@pytest.mark.parametrize("kind", ["permanent", "unsupported"])
def test_a_list_of_deleted_posts_does_not_open_the_breaker(kind):
    the_gate = gate()
    gone = Failure(failure_class=kind, stage="download", message="deleted")
    assert {the_gate.failed(float(n), str(n), gone) for n in range(50)} == {None}


def test_a_success_in_between_starts_the_count_again():
    the_gate = gate()
    for n in range(9):
        the_gate.failed(float(n), str(n), BROKEN)
    the_gate.succeeded(9.0)
    assert {the_gate.failed(float(n), str(n), BROKEN) for n in range(10, 19)} == {None}


def test_an_open_breaker_lets_one_probe_through_and_waits_longer_when_it_fails():
    the_gate = gate(breaker_failures=1)
    the_gate.failed(0.0, "1", BROKEN)
    assert the_gate.take(COOLDOWN_S, 0.0)
    assert not the_gate.take(COOLDOWN_S + 100, 0.0)
    the_gate.failed(COOLDOWN_S + 1, "2", BROKEN)
    assert the_gate.opens_at(COOLDOWN_S + 1) == COOLDOWN_S + 1 + 2 * COOLDOWN_S


def test_a_successful_probe_closes_the_breaker():
    the_gate = gate(breaker_failures=1)
    the_gate.failed(0.0, "1", BROKEN)
    assert the_gate.take(COOLDOWN_S, 0.0)
    the_gate.succeeded(COOLDOWN_S + 1)
    assert not the_gate.tripped
    assert the_gate.take(COOLDOWN_S + 10, 0.0)


def test_requests_that_were_on_their_way_when_the_breaker_opened_do_not_make_its_wait_longer():
    the_gate = gate(breaker_failures=10)
    for n in range(16):
        the_gate.failed(float(n), str(n), BROKEN)
    assert the_gate.opens_at(16.0) == 9.0 + COOLDOWN_S


@pytest.mark.parametrize("kind", ["permanent", "unsupported", "auth"])
def test_a_probe_that_is_answered_about_its_own_post_closes_the_breaker(kind):
    the_gate = gate(breaker_failures=1)
    the_gate.failed(0.0, "1", BROKEN)
    gone = Failure(failure_class=kind, stage="download", message="deleted", of_post=True)
    the_gate.failed(1.0, "2", gone)
    assert the_gate.tripped, "that request left before the breaker opened"
    assert the_gate.take(COOLDOWN_S, 0.0)
    the_gate.failed(COOLDOWN_S + 1, "3", gone)
    assert not the_gate.tripped
    assert the_gate.reason is None
    assert the_gate.take(COOLDOWN_S + 10, 0.0)


def test_a_probe_that_fails_on_this_machine_leaves_the_breaker_as_it_is():
    the_gate = gate(breaker_failures=1)
    the_gate.failed(0.0, "1", BROKEN)
    assert the_gate.take(COOLDOWN_S, 0.0)
    the_gate.failed(COOLDOWN_S + 1, "3", Failure(failure_class="local", stage="download", message="disk full"))
    assert the_gate.tripped
    assert the_gate.opens_at(COOLDOWN_S + 1) == 2 * COOLDOWN_S


def test_private_posts_in_a_row_do_not_open_the_breaker_and_a_login_wall_does():
    private, wall = (Failure(failure_class="auth", stage="download", message="x", of_post=own) for own in (True, False))
    the_gate = gate()
    assert {the_gate.failed(float(n), str(n), private) for n in range(50)} == {None}
    assert any(the_gate.failed(50.0 + n, str(n), wall) for n in range(10))


def test_a_probe_whose_answer_never_comes_is_followed_by_another():
    the_gate = gate(breaker_failures=1)
    the_gate.failed(0.0, "1", BROKEN)
    assert the_gate.take(COOLDOWN_S, 0.0)
    assert the_gate.take(2 * COOLDOWN_S, 0.0)


def test_an_open_breaker_stays_open_over_a_restart():
    before = gate(breaker_failures=1)
    before.failed(0.0, "1", BROKEN)
    after = gate(breaker_failures=1)
    after.restore(stored(before.state(10.0, 1.8e9)), 0.0, 1.8e9)
    assert after.tripped
    assert after.opens_at(0.0) == COOLDOWN_S - 10


def test_a_person_reopens_the_gate():
    the_gate = gate(breaker_failures=1)
    the_gate.failed(0.0, "1", BROKEN)
    the_gate.reopen(1.0)
    assert the_gate.reason is None
    assert the_gate.take(1.0, 0.0)


def test_requests_that_a_worker_made_beyond_its_grant_count():
    the_gate = gate(per_minute=4, min_gap_s=0.0)
    assert the_gate.take(0.0, 0.0)
    the_gate.also(1.0, 3)
    assert the_gate.opens_at(2.0) == 60.0


@pytest.mark.parametrize("value", [None, {}, [], "x", {"version": 99}, {"version": 1, "surprise": 1}])
def test_a_stored_state_that_is_not_ours_is_ignored(value):
    assert GateState.from_json(value) is None


@pytest.mark.parametrize("name", ["version", "ages_s", "opens_in_s", "closed_for_s", "factor", "throttled_s_ago"])
def test_a_stored_state_with_a_damaged_value_is_ignored_and_does_not_stop_the_start(name):
    good = asdict(gate().state(0.0, 1.8e9))
    assert GateState.from_json(good) is not None
    assert GateState.from_json(good | {name: {"half": "a value"}}) is None


def test_a_clock_set_back_by_an_hour_does_not_stop_the_downloads_for_an_hour():
    the_gate = gate()
    assert the_gate.take(10_000.0, 0.0)
    assert the_gate.opens_at(6_400.0) == 6_402.0
