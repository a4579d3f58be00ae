"""Where logos were seen, gathered by brand. Shared by the encoders that look for logos; knows neither's method."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BRANDS_MAX = 20
"""Brands per video; the surest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One brand at one place of one frame."""

    brand: str
    pts_s: float
    score: float
    """The encoder's own measure; higher is surer."""
    z: float
    """Robust deviations above what it is compared with there."""
    box: NDArray[np.float32]
    """(4,) x, y, w, h, shares of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoSeen:
    """One brand whose logo stands out."""

    brand: str
    score: float
    """Of its surest sighting."""
    z: float
    """Of the same."""
    frames: int
    """Frames with a sighting, 1 or more."""
    first_s: float
    """The earliest of them, seconds."""
    box: tuple[float, ...]
    """Of the surest sighting, x, y, w, h, shares of the picture."""


def by_brand(found: Iterable[Sighting]) -> tuple[LogoSeen, ...]:
    """Return each brand once, the surest first, at most `BRANDS_MAX`."""
    brands: dict[str, list[Sighting]] = {}
    for one in found:
        brands.setdefault(one.brand, []).append(one)
    seen = [_gathered(brand, places) for brand, places in brands.items()]
    return tuple(sorted(seen, key=lambda one: (-one.score, one.brand))[:BRANDS_MAX])


def _gathered(brand: str, places: Sequence[Sighting]) -> LogoSeen:
    best = max(places, key=lambda one: one.score)
    return LogoSeen(
        brand=brand,
        score=round(best.score, 4),
        z=round(best.z, 2),
        frames=len({one.pts_s for one in places}),
        first_s=round(min(one.pts_s for one in places), 3),
        box=tuple(round(float(v), 4) for v in best.box),
    )


def signals(features: Sequence[LogoSeen]) -> dict[str, Any]:
    """Return `{"brands": [{brand, score, z, frames, first_s, box}]}`."""
    return {"brands": [asdict(one) for one in features]}
