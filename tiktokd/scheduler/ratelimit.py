"""When the next request may go out: at most so many per minute AND a least gap, slower after throttling, closed while
everything fails alike. Knows no network, no SQL, no clock: `now` is any clock that does not run backwards by itself.

Exact, not a token bucket: a bucket of 30 that refills at 30 per minute lets 60 through in its first minute. The times
of the last grants are kept (at most `per_minute` of them), and the n-th last must be a window old.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tiktokd.errors import Failure

WINDOW_S = 60.0
JITTER_RATIO = 0.5
"""Up to this share of the gap is added at random, so that requests do not come like clockwork."""
SLOWEST = 1 / 16
"""Least share of the configured rate: 30 per minute becomes about 2."""
SETTLE_S = 10.0
"""Throttled answers this close together are one event: the requests were on their way already."""
RECOVERY = 1.01
"""Each success raises the rate by 1 %: from half to full in 70 downloads, about 4 minutes."""
REST_S = 30.0
"""Pause after the first throttled answer without Retry-After; doubles up to REST_CAP_S while they keep coming."""
REST_CAP_S = 900.0
RETRY_AFTER_CAP_S = 86400.0
COOLDOWN_S = 300.0
"""Wait of an open breaker before one request probes; doubles up to COOLDOWN_CAP_S while probes fail."""
COOLDOWN_CAP_S = 3600.0
OF_POST = ("permanent", "unsupported")
"""Classes of failures that are answers about one post."""
STATE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """A gate as it is stored: ages and remaining waits, not times, so that it means the same on another clock."""

    version: int = STATE_VERSION
    saved_at: float
    """UTC seconds."""
    ages_s: list[float]
    """Of the last grants, oldest first."""
    opens_in_s: float
    closed_for_s: float
    factor: float
    throttled_s_ago: float | None
    throttles_in_a_row: int
    tripped: bool
    cooldown_s: float
    reason: str | None

    @classmethod
    def from_json(cls, value: Any) -> "GateState | None":
        """Return the state that was stored as JSON; `None` where there is none or it is not one that we know."""
        try:
            state = TypeAdapter(cls).validate_python(value)
        except ValidationError:
            return None
        return state if state.version == STATE_VERSION else None


@dataclass(slots=True)
class RateGate:
    """One gate for all download workers. Ask `opens_at`, then `take` when the request really goes out."""

    per_minute: float
    """Grants in any 60 s, more than 0."""
    min_gap_s: float
    breaker_failures: int = 10
    """Different videos failing alike in a row that open the breaker."""
    factor: float = 1.0
    """Share of the configured rate, SLOWEST..1."""
    reason: str | None = None
    """Why the gate is slowed down or closed, for people."""
    tripped: bool = False
    """The breaker is open: one probe per cooldown."""
    _grants: list[float] = field(default_factory=list)
    _next_at: float = -math.inf
    _closed_until: float = -math.inf
    _throttled_at: float | None = None
    _throttles: int = 0
    _cooldown_s: float = COOLDOWN_S
    _probing: bool = False
    """The probe of an open breaker is out; other answers are of requests that left before it opened."""
    _alike: str | None = None
    _alike_ids: set[str] = field(default_factory=set)
    _seen: float = -math.inf

    def opens_at(self, now: float) -> float:
        """Return when the next request may go out; not after `now`: it may go now."""
        self._tick(now)
        count, window = self._window()
        full = self._grants[-count] + window if len(self._grants) >= count else -math.inf
        return max(self._next_at, self._closed_until, full)

    def take(self, now: float, random: float) -> bool:
        """Note that a request goes out now; False where the gate is closed. `random` is uniform in 0..1."""
        if self.opens_at(now) > now:
            return False
        self._grant(now)
        gap = self.min_gap_s / self.factor
        self._next_at = now + gap * (1 + JITTER_RATIO * random)
        if self.tripped:
            self._probing, self._closed_until = True, now + self._cooldown_s
        return True

    def also(self, now: float, requests: int) -> None:
        """Note requests that a worker made beyond the one it was granted: a short link's, a second page's."""
        self._tick(now)
        for _ in range(min(requests, self._kept())):
            self._grant(now)

    def succeeded(self, now: float) -> None:
        """The site answered as it should: recover a little, close the breaker."""
        self._tick(now)
        self._alike, self._alike_ids = None, set()
        self._throttles = 0
        if self.tripped:
            self._close_breaker(now)
        self.factor = min(1.0, self.factor * RECOVERY)
        self.reason = None if self.factor == 1.0 else self.reason

    def failed(self, now: float, id: str, failure: Failure) -> str | None:
        """Note a failure of video `id`; return why the gate has closed, where this failure closed it."""
        self._tick(now)
        if failure.failure_class == "throttled":
            self._slow_down(now, failure)
        kind = likeness(failure)
        probed, self._probing = self._probing, False
        if kind is None:
            self._alike, self._alike_ids = None, set()
            if probed and (failure.of_post or failure.failure_class in OF_POST):
                self._close_breaker(now)
            return None
        if kind != self._alike:
            self._alike, self._alike_ids = kind, set()
        self._alike_ids.add(id)
        if self.tripped:
            return self._trip(now, failure, min(self._cooldown_s * 2, COOLDOWN_CAP_S)) if probed else None
        if len(self._alike_ids) >= self.breaker_failures:
            return self._trip(now, failure, COOLDOWN_S)
        return None

    def reopen(self, now: float) -> None:
        """A person says that the trouble is over: close the breaker, forget the waits, keep the rate."""
        self._tick(now)
        self._close_breaker(now)
        self._alike, self._alike_ids = None, set()

    def state(self, now: float, utc: float) -> GateState:
        """Return what must be stored with each grant; `utc` is the wall clock in seconds."""
        self._tick(now)
        return GateState(
            saved_at=utc,
            ages_s=[now - at for at in self._grants],
            opens_in_s=max(self._next_at - now, 0.0),
            closed_for_s=max(self._closed_until - now, 0.0),
            factor=self.factor,
            throttled_s_ago=None if self._throttled_at is None else now - self._throttled_at,
            throttles_in_a_row=self._throttles,
            tripped=self.tripped,
            cooldown_s=self._cooldown_s,
            reason=self.reason,
        )

    def restore(self, state: GateState, now: float, utc: float) -> None:
        """Go on where an earlier gate stopped. A wall clock that was set back meanwhile counts as no time passed."""
        passed = max(utc - state.saved_at, 0.0)
        self._grants = [now - passed - max(age, 0.0) for age in state.ages_s]
        self._next_at = now - passed + state.opens_in_s
        self._closed_until = now - passed + state.closed_for_s
        self._throttled_at = None if state.throttled_s_ago is None else now - passed - state.throttled_s_ago
        self.factor = min(max(state.factor, SLOWEST), 1.0)
        self._throttles = state.throttles_in_a_row
        self.tripped, self._cooldown_s, self.reason = state.tripped, state.cooldown_s, state.reason
        self._seen = now

    def _tick(self, now: float) -> None:
        """Where the clock was set back, move everything back with it: waits stay as long as they were."""
        back = self._seen - now
        if 0 < back < math.inf:
            self._grants = [at - back for at in self._grants]
            self._next_at -= back
            self._closed_until -= back
            if self._throttled_at is not None:
                self._throttled_at -= back
        self._seen = now

    def _window(self) -> tuple[int, float]:
        """Return how many grants fit into how many seconds at the present rate."""
        rate = self.per_minute * self.factor
        return (math.floor(rate), WINDOW_S) if rate >= 1 else (1, WINDOW_S / rate)

    def _kept(self) -> int:
        return max(math.floor(self.per_minute), 1)

    def _grant(self, now: float) -> None:
        self._grants.append(now)
        del self._grants[: -self._kept()]

    def _slow_down(self, now: float, failure: Failure) -> None:
        """Halve the rate once per event and rest: as long as the site asked, or longer each time."""
        news = self._throttled_at is None or now - self._throttled_at >= SETTLE_S
        if news:
            self.factor = max(SLOWEST, self.factor / 2)
            self._throttles += 1
        self._throttled_at = now
        rest = min(REST_S * 2 ** min(self._throttles - 1, 30), REST_CAP_S)
        if failure.retry_after_s is not None:
            rest = min(max(failure.retry_after_s, 0.0), RETRY_AFTER_CAP_S)
        if news or failure.retry_after_s is not None:
            self._closed_until = max(self._closed_until, now + rest)
        self.reason = f"slowed down to {self.factor:.0%}: {failure.message}"

    def _close_breaker(self, now: float) -> None:
        self.tripped, self._probing, self._cooldown_s, self._closed_until = False, False, COOLDOWN_S, now
        self.reason = None if self.factor == 1.0 else f"slowed down to {self.factor:.0%}"

    def _trip(self, now: float, failure: Failure, cooldown_s: float) -> str:
        self.tripped, self._cooldown_s = True, cooldown_s
        self._closed_until = max(self._closed_until, now + cooldown_s)
        self.reason = (
            f"{len(self._alike_ids)} different videos failed alike, the last with: {failure.message}; "
            f"one will try again in {cooldown_s / 60:.0f} min"
        )
        return self.reason


def likeness(failure: Failure) -> str | None:
    """Return what makes failures alike for the breaker; `None`: the site answered, this post alone is the matter.

    Deleted posts do not count: old lists have long runs of them, and TikTok's "your IP is blocked" is what it says of
    ids that never existed.
    """
    if failure.of_post or failure.failure_class in (*OF_POST, "poison", "local", "resource"):
        return None
    return f"{failure.failure_class} {failure.http_status or ''}".strip()
