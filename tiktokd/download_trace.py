"""What went over the wire for one post: counted, and the last refusal remembered. Knows no library and no meaning."""

from dataclasses import dataclass
from typing import Any

from tiktokd.download_failures import Origin, retry_after_s
from tiktokd.errors import TiktokdError


class Refused(TiktokdError):
    """A request was refused and no library says so in words of its own; the text says how."""


@dataclass(slots=True)
class Trace:
    """The requests of one post; yt-dlp forgets the status of a failing CDN."""

    requests: int = 0
    """Requests to TikTok's own hosts; the CDN does not count."""
    origin: Origin = "page"
    """Who was asked last."""
    status: int | None = None
    """HTTP status of the last request where it was refused; `None` where it was not."""
    retry_after_s: float | None = None

    def begin(self, origin: Origin) -> None:
        """A request is about to be made."""
        self.requests += origin != "media"
        self.origin, self.status, self.retry_after_s = origin, None, None

    def refused(self, status: int, headers: Any) -> None:
        """It was answered with a failure."""
        self.status = status
        self.retry_after_s = retry_after_s(headers.get("Retry-After"), headers.get("Date"))
