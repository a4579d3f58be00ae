"""When a worker that died is started again."""

from tiktokd.scheduler.restarts import (
    HEALTHY_ANSWERS,
    HEALTHY_S,
    CrashLimits,
    Health,
    after_death,
    after_good_answer,
    after_intended_end,
)

LIMITS = CrashLimits(count=5, window_s=600.0)


def test_the_wait_doubles_with_each_death_up_to_a_minute() -> None:
    health, waits = Health(), []
    patient = CrashLimits(count=100, window_s=600.0)
    for _ in range(9):
        health = after_death(health, started_at=0.0, now=10.0, limits=patient)
        assert health.restart_at is not None
        waits.append(health.restart_at - 10.0)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_healthy_time_starts_the_waits_again() -> None:
    health = Health(streak=6)
    health = after_death(health, started_at=0.0, now=HEALTHY_S, limits=LIMITS)
    assert health.restart_at == HEALTHY_S + 1


def test_five_deaths_within_the_window_take_a_worker_out_of_service() -> None:
    health = Health()
    for number in range(4):
        health = after_death(health, started_at=0.0, now=float(number), limits=LIMITS)
        assert health.restart_at is not None
    assert after_death(health, started_at=0.0, now=5.0, limits=LIMITS).restart_at is None


def test_deaths_outside_the_window_are_forgotten() -> None:
    health = Health(deaths_at=(0.0, 1.0, 2.0, 3.0), streak=4)
    health = after_death(health, started_at=600.0, now=602.5, limits=LIMITS)
    assert health.deaths_at == (3.0, 602.5)
    assert health.restart_at is not None


def test_an_end_that_we_asked_for_is_no_death() -> None:
    health = Health(deaths_at=(1.0,), streak=1, restart_at=2.0)
    assert after_intended_end(health, now=9.0) == Health(deaths_at=(1.0,), streak=1, restart_at=9.0)


def test_a_worker_that_does_its_work_between_its_deaths_stays_in_service() -> None:
    health = Health()
    for number in range(20):
        health = after_death(after_good_answer(health), started_at=0.0, now=float(number), limits=LIMITS)
        assert health.restart_at is not None
    assert health.streak == 20, "it still waits longer each time"


def test_after_some_good_answers_a_worker_waits_no_longer_than_after_its_first_death() -> None:
    health = Health()
    for number in range(20):
        for _ in range(HEALTHY_ANSWERS):
            health = after_good_answer(health)
        health = after_death(health, started_at=0.0, now=float(number), limits=LIMITS)
        assert health.restart_at == number + 1, "one video of some that ends workers does not slow down the others"
