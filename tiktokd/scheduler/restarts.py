"""When a worker that died is started again: backoff, healthy time, crash loop. Pure; knows no process."""

from dataclasses import dataclass, replace

BACKOFF_BASE_S = 1.0
"""Wait after the first death; doubled by each further one."""
BACKOFF_CAP_S = 60.0
HEALTHY_S = 300.0
"""A worker that has lived this long starts again with the first backoff (supervisord and circus do the same)."""
HEALTHY_ANSWERS = 10
"""So does one that has given so many good answers: some videos that end workers must not keep it from all the others.
Fewer are no proof: where every video ends its worker, each may have been decoded well before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashLimits:
    """How many deaths are too many."""

    count: int
    window_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the past of one worker means for its next start. Times are monotonic seconds."""

    deaths_at: tuple[float, ...] = ()
    """Within the window, oldest first."""
    streak: int = 0
    """Deaths without a healthy time between them."""
    good_answers: int = 0
    """Since the last death."""
    restart_at: float | None = None
    """`None`: out of service, nothing but an operator brings it back."""


def after_death(health: Health, *, started_at: float, now: float, limits: CrashLimits) -> Health:
    """Return the health after a death at `now` of a process that was started at `started_at`."""
    deaths = (*(t for t in health.deaths_at if t > now - limits.window_s), now)[-limits.count :]
    streak = 1 if now - started_at >= HEALTHY_S else health.streak + 1
    if len(deaths) >= limits.count:
        return Health(deaths_at=deaths, streak=streak, restart_at=None)
    # 2**10 is beyond the cap; a larger exponent would only overflow.
    wait_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2 ** min(streak - 1, 10))
    return Health(deaths_at=deaths, streak=streak, restart_at=now + wait_s)


def after_intended_end(health: Health, *, now: float) -> Health:
    """Return the health after an end that we asked for: started again at once, nothing counted."""
    return replace(health, restart_at=now)


def after_good_answer(health: Health) -> Health:
    """Return the health of a worker that has done something right: videos that end workers are not its fault."""
    good = health.good_answers + 1
    return replace(health, deaths_at=(), good_answers=good, streak=0 if good >= HEALTHY_ANSWERS else health.streak)
