"""The middle of a sample and its spread, which a few wild values do not move, and how far a value lies out. Pure."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]

SPREAD_MIN = 1e-9
"""Below this all values are the same."""
OF_MEDIAN, OF_MEAN = 1.4826, 1.2533
"""What makes the median and the mean of the distances from the middle a standard deviation of normal values. The mean
takes the median's place where more than half of the values are the same (Iglewicz and Hoaglin 1993)."""


def middle_and_spread(sample: Floats) -> tuple[float, float]:
    """Return the median of (n,) values, n at least 1, and their spread; 0 where all are the same."""
    values = np.asarray(sample, np.float64)
    middle = float(np.median(values))
    apart = np.abs(values - middle)
    spread = OF_MEDIAN * float(np.median(apart))
    if spread <= SPREAD_MIN:
        spread = OF_MEAN * float(apart.mean())
    return middle, spread if spread > SPREAD_MIN else 0.0


def robust_z(value: float, sample: Floats) -> float | None:
    """Return how many spreads a value lies above the middle of a sample; `None` without values that differ."""
    if not len(sample):
        return None
    middle, spread = middle_and_spread(sample)
    return (value - middle) / spread if spread else None
