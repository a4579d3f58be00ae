"""Whether a video ends its worker, or everything does: counts the videos in a row that did. Pure; knows no process.

One deadly video is poison. Where a driver or a library ends every worker, all videos would be, one by one.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Breaker:
    """The deaths of workers since a video was last completed."""

    deaths: dict[str, int] = field(default_factory=dict)
    """Video id → workers that died while they held it."""
    is_open: bool = False
    """No death is held against a video any more."""

    def died(self, id: str, videos_max: int) -> bool:
        """Count a death; return whether it opens the breaker: so many different videos, none completed between them."""
        if self.is_open:
            return False
        self.deaths[id] = self.deaths.get(id, 0) + 1
        self.is_open = len(self.deaths) >= videos_max
        return self.is_open

    def completed(self) -> None:
        """A video went through: whatever died before was its own fault."""
        self.deaths.clear()

    def close(self) -> None:
        """A person says that the trouble is over."""
        self.deaths.clear()
        self.is_open = False
