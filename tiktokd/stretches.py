"""For how much of a video a sampled frame stands: its part of its shot. Knows no pictures and no model."""

from bisect import bisect_right
from collections.abc import Sequence

Stretch = tuple[float, float]
REACH_S = 2.5
"""What is seen in one frame is taken to be there for this long before and after it, and no longer: half of the pace at
which 8 frames follow one another in a video of 40 s. Chosen, not fitted."""


def stretches(times_s: Sequence[float], duration_s: float, cuts_s: Sequence[float] = ()) -> list[Stretch]:
    """Return for each sample from when to when it stands for the video, in seconds.

    The samples of one shot share it at the middles between them; shots without a sample belong to none.

    Args:
        times_s: Of the samples, rising.
        cuts_s: When shots begin, rising, the first left out; none: the video counts as one shot.
    """
    end_s = max([duration_s, *times_s[-1:]])
    borders = [0.0, *(t for t in cuts_s if 0.0 < t < end_s), end_s]
    shots = [min(bisect_right(borders, t), len(borders) - 1) for t in times_s]
    found = []
    for i, (time_s, shot) in enumerate(zip(times_s, shots, strict=True)):
        before = i > 0 and shots[i - 1] == shot
        after = i + 1 < len(shots) and shots[i + 1] == shot
        start_s = (times_s[i - 1] + time_s) / 2 if before else borders[shot - 1]
        found.append((start_s, (time_s + times_s[i + 1]) / 2 if after else borders[shot]))
    return found


def within_reach(times_s: Sequence[float], parts: Sequence[Stretch]) -> list[Stretch]:
    """Return the stretches cut off `REACH_S` before and after their samples: further off nobody looked."""
    return [(max(a, t - REACH_S), min(b, t + REACH_S)) for t, (a, b) in zip(times_s, parts, strict=True)]


def weights(parts: Sequence[Stretch]) -> list[float]:
    """Return the share of each stretch of all of them together; all alike where they have no length."""
    lengths = [end_s - start_s for start_s, end_s in parts]
    total = sum(lengths)
    return [length / total if total > 0 else 1.0 / len(lengths) for length in lengths]
