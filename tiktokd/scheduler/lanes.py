"""Why a lane hands out no work: a person paused it, or something is in its way for a while. Pure."""

from dataclasses import dataclass, field
from typing import Any

from tiktokd.protocol import LANES, Lane, LaneSnapshot

SETTING = "paused_lanes"
"""Key of the setting that holds the lanes which a person has paused."""
BREAKER_SETTING = "processing_breaker"
"""Key of the setting that says why the processing was paused without a person."""
BY_A_PERSON = "paused by a person"
REST_S = 5.0
"""First rest of a lane after a local failure; doubled by each further one up to what the policy says. Short, because a
disk often has room again as soon as the failed attempt is cleared away."""

SAID_S = 300.0
"""For so long after a rest its reason is still said: what is tried then has this long to fail again
(`download.timeout_s`). Where nothing is left to be tried, nobody would learn otherwise that the trouble is over."""


@dataclass(slots=True)
class Lanes:
    """State of both lanes. Times are monotonic seconds."""

    paused: set[Lane] = field(default_factory=set)
    """By a person."""
    broken: str | None = None
    """Why nothing is processed until a person resumes it, where the workers of one video after the other died."""
    _hindered: dict[Lane, tuple[str, float]] = field(default_factory=dict)
    """Lane → reason, until when."""
    _rests: dict[Lane, int] = field(default_factory=dict)
    """Local failures since the last success."""

    def restore(self, value: Any) -> None:
        """Take over the stored setting; anything else than a list of lanes counts as nothing paused."""
        self.paused = {lane for lane in LANES if isinstance(value, list) and lane in value}

    def restore_breaker(self, value: Any) -> None:
        """Take over the stored reason; anything else than a text counts as none."""
        self.broken = value if isinstance(value, str) else None

    def with_paused(self, lane: Lane, paused: bool) -> list[str]:
        """Return the value of the setting once `lane` is paused, or is not; to be taken over when it is stored."""
        return sorted(self.paused | {lane} if paused else self.paused - {lane})

    def hinder(self, lane: Lane, reason: str, until: float) -> bool:
        """Let a lane rest; return whether this is news."""
        before = self._hindered.get(lane)
        self._hindered[lane] = (reason, until)
        return before is None or before[0] != reason

    def rest_s(self, lane: Lane, longest_s: float) -> float:
        """Count a local failure and return how long the lane should rest."""
        count = self._rests[lane] = self._rests.get(lane, 0) + 1
        return min(longest_s, REST_S * 2.0 ** min(count - 1, 10))

    def clear(self, lane: Lane) -> bool:
        """Nothing is in the way any more; return whether this is news."""
        self._rests.pop(lane, None)
        return self._hindered.pop(lane, None) is not None

    def free_at(self, lane: Lane, now: float) -> float:
        """Return when the lane may be tried again; not after `now`: it may be now."""
        hindered = self._hindered.get(lane)
        return now if hindered is None else max(hindered[1], now)

    def snapshot(self, now: float) -> tuple[LaneSnapshot, ...]:
        """Return both lanes for people."""
        return tuple(LaneSnapshot(lane=lane, paused=self.rests(lane), reason=self._reason(lane, now)) for lane in LANES)

    def rests(self, lane: Lane) -> bool:
        """Return whether nothing is handed out before a person resumes the lane."""
        return lane in self.paused or (lane == "processing" and self.broken is not None)

    def _reason(self, lane: Lane, now: float) -> str | None:
        if lane == "processing" and self.broken is not None:
            return self.broken
        if lane in self.paused:
            return BY_A_PERSON
        reason, until = self._hindered.get(lane, (None, 0.0))
        return reason if now < until + SAID_S else None
