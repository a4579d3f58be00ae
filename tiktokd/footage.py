"""What the picture encoders find and the picture analyzers read: shots, per-picture statistics, flow, hashes.

Values only; how they are found is in `encoders`. Times are seconds from the start of the video.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Kind = Literal["cut", "fade", "dissolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of shot."""

    kind: Kind
    start_s: float
    end_s: float
    """Equal to `start_s` for a cut: the time of the first frame of the new shot."""
    score: float
    """0..1, how clearly it stands out."""

    @property
    def t_s(self) -> float:
        """Middle of the transition."""
        return (self.start_s + self.end_s) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A stretch between two transitions, in thumbnails `first..last` inclusive."""

    first: int
    last: int
    start_s: float
    end_s: float
    keyframe_s: float
    """The frame nearest to the shot's mean picture, away from its ends."""
    black: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """Features of one video."""

    transitions: tuple[Transition, ...]
    shots: tuple[Shot, ...]
    """In order, covering the video; includes stretches of black."""
    change: Floats
    """(T,) mean |change| from the frame before, 0..510 over three planes; the first is 0."""
    pts: NDArray[np.float64]
    """(T,) seconds, of the thumbnails."""

    def cut_times_s(self) -> list[float]:
        """Return the times of the hard cuts."""
        return [t.start_s for t in self.transitions if t.kind == "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What frames the picture, as shares (0..1) of the displayed height and width; 0: nothing on that side."""

    top: float
    bottom: float
    left: float
    right: float
    fill: Literal["plain", "blurred"] | None
    """One colour, or a blurred copy of the picture; `None` where there are no bars."""

    @property
    def content_ratio(self) -> float:
        """Share (0..1) of the picture's area inside the bars."""
        return (1.0 - self.top - self.bottom) * (1.0 - self.left - self.right)
