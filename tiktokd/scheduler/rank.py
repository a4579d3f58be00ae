"""Who goes first: a priority and a time as one number. Knows no SQL, reads no clock.

Ageing at the same slope for all never changes the order of two videos, so it need not be recomputed: the rank is
written once, at insert, and served by an index. The smaller rank goes first.
"""

from tiktokd.model import PRIORITY_MAX, PRIORITY_MIN

AGEING_S = 600.0
"""What one step of priority is worth in waiting time: priority 1 waits at most 9 * 600 s longer than priority 10 would.

Simulated at saturation: 540 s, 5,400 s and 32,400 s of extra waiting for 60, 600 and 3,600; never served without it.
"""

URGENT_S = 1e10
"""Head start of priority 10: 317 years, so that it beats any other whenever it was queued. A double at this size still
resolves 2 microseconds."""


def head_start_s(priority: int) -> float:
    """Return by how many seconds a video of `priority` (1..10) is moved forward.

    Raises:
        ValueError: outside 1..10.
    """
    if not PRIORITY_MIN <= priority <= PRIORITY_MAX:
        raise ValueError(f"priority {priority} is not between {PRIORITY_MIN} and {PRIORITY_MAX}")
    return URGENT_S if priority == PRIORITY_MAX else AGEING_S * priority


def rank(priority: int, enqueued_at: float) -> float:
    """Return the rank of a video queued at `enqueued_at` (UTC seconds) with `priority` (1..10)."""
    return enqueued_at - head_start_s(priority)
