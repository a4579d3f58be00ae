"""What a failure means: try again when and at whose charge, give up, or pause the lane. A pure function and its table.

Knows no SQL, no clock and no random source: `now` and a random number come in as arguments.
"""

from dataclasses import dataclass, replace
from typing import Literal, assert_never

from tiktokd.config import Config
from tiktokd.errors import Failure, FailureClass
from tiktokd.protocol import Lane

Treatment = Literal["retry", "throttle", "give_up", "pause"]

TREATMENTS: dict[FailureClass, Treatment] = {
    "transient": "retry",
    "resource": "retry",
    "bug": "retry",
    "throttled": "throttle",
    "auth": "give_up",
    "permanent": "give_up",
    "unsupported": "give_up",
    "poison": "give_up",
    "local": "pause",
}
"""What each class of failure asks for. `resource`: the worker has learned a smaller batch by the time of the retry.
`bug`: an exception that is not ours may depend on the moment (a race, a half-written file), so it has its attempts."""

BACKOFF_FACTOR = 4.0
"""30 s, 2 min, 8 min with the default base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one lane allows."""

    attempts: int = 3
    """Charged failures; the last of them ends the video."""
    crashes: int = 2
    """Deaths of a worker that held the video: two, because one may have been somebody else's fault."""
    throttles: int = 20
    """Uncharged throttled answers per download: bounds a site that never lets us in."""
    backoff_base_s: float = 30.0
    backoff_cap_s: float = 3600.0
    retry_after_cap_s: float = 86400.0
    """A Retry-After beyond a day is a mistake or an attack."""
    pause_s: float = 60.0
    """How long a lane rests after a local failure before one video tries again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Put the video back."""

    at: float
    """UTC seconds; not before."""
    charge: bool
    crash: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Finish the video as failed."""

    failure: Failure
    crash: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Put the video back uncharged and rest the lane: this machine is the trouble, not the video."""

    lane: Lane
    reason: str
    until: float
    """UTC seconds: then one video may try again."""


Decision = Retry | Fail | Pause


def decide(
    failure: Failure,
    *,
    stage: Lane,
    attempts: int,
    crashes: int,
    limits: Limits,
    now: float,
    random: float,
    throttles: int = 0,
    crashed: bool = False,
) -> Decision:
    """Return what to do about `failure`.

    Args:
        stage: the lane that the claim came from.
        attempts, crashes, throttles: counted before this failure.
        now: UTC seconds.
        random: uniform in 0..1, spreads the retries (full jitter).
        crashed: the worker died while it held the video.
    """
    if crashed:
        return _after_crash(failure, crashes=crashes, limits=limits, now=now, random=random)
    treatment = TREATMENTS[failure.failure_class]
    match treatment:
        case "give_up":
            return Fail(failure=failure)
        case "pause":
            return Pause(lane=stage, reason=failure.message, until=now + limits.pause_s)
        case "throttle":
            if throttles + 1 >= limits.throttles:
                return Fail(failure=replace(failure, message=f"{failure.message} ({throttles + 1} times in a row)"))
            delay = _delay(failure, throttles + 1, limits, random)
            return Retry(at=now + delay, charge=False)
        case "retry":
            return _after_attempt(failure, attempts=attempts, limits=limits, now=now, random=random)
        case _:
            assert_never(treatment)


def backoff_s(attempt: int, limits: Limits, random: float) -> float:
    """Return the wait before the next try after failed attempt `attempt` (1, 2, …): uniform in 0..min(cap, base*4^n).

    Full jitter, not a part of it: a thousand videos that failed together must not come back together.
    (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015: least work of the variants compared.)
    """
    # min() before the power: 4.0**600 overflows a double
    exponent = min(attempt - 1, 30)
    return random * min(limits.backoff_cap_s, limits.backoff_base_s * BACKOFF_FACTOR**exponent)


def longest_wait_s(limits: Limits) -> float:
    """Return how long a video can be told to wait at most: by our own backoff, or by the site's Retry-After."""
    return max(limits.backoff_cap_s, limits.retry_after_cap_s + limits.backoff_base_s / 2)


def download_limits(config: Config) -> Limits:
    """Return the limits of the download lane."""
    table = config.download
    return Limits(attempts=table.attempts, backoff_base_s=table.backoff_base_s, backoff_cap_s=table.backoff_cap_s)


def processing_limits(config: Config) -> Limits:
    """Return the limits of the processing lane; what fails on a GPU goes to the CPU within one attempt."""
    return replace(download_limits(config), attempts=config.gpu.attempts)


def _after_crash(failure: Failure, *, crashes: int, limits: Limits, now: float, random: float) -> Decision:
    if crashes + 1 < limits.crashes:
        return Retry(at=now + backoff_s(crashes + 1, limits, random), charge=False, crash=True)
    message = f"{crashes + 1} workers died on this video; the last: {failure.message}"
    return Fail(failure=replace(failure, failure_class="poison", message=message), crash=True)


def _after_attempt(failure: Failure, *, attempts: int, limits: Limits, now: float, random: float) -> Decision:
    made = attempts + 1
    if made < limits.attempts:
        return Retry(at=now + _delay(failure, made, limits, random), charge=True)
    return Fail(failure=failure)


def _delay(failure: Failure, attempt: int, limits: Limits, random: float) -> float:
    """Return our own backoff, or what the site asked for and a little more, so that not all come back at once."""
    own = backoff_s(attempt, limits, random)
    if failure.retry_after_s is None:
        return own
    asked = min(max(failure.retry_after_s, 0.0), limits.retry_after_cap_s)
    return max(own, asked + random * min(asked, limits.backoff_base_s) / 2)
