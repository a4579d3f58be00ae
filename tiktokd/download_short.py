"""Short links, followed to the video behind them with one HEAD and without fetching its page. Knows no yt-dlp."""

from urllib.parse import urljoin, urlsplit

import curl_cffi

from tiktokd import url
from tiktokd.config import DownloadTable
from tiktokd.download_pace import Pace
from tiktokd.download_trace import Refused, Trace
from tiktokd.errors import AuthRequired, TiktokdError, UnsupportedMedia, VideoUnavailable
from tiktokd.model import VideoRef

HOPS = 3
"""A short link leads to a video, rarely to another short link first."""
AGENT = "facebookexternalhit/1.1"
"""What yt-dlp says on short links: a preview robot is redirected at once."""
REMEMBERED = 1000
"""Links that one worker remembers for their later attempts; the daemon remembers those of finished downloads."""


class ShortLinks:
    """The short links that one worker has followed."""

    def __init__(self, table: DownloadTable, pace: Pace, timeout_s: float) -> None:
        self._table, self._pace, self._timeout_s = table, pace, timeout_s
        self._known: dict[str, VideoRef] = {}

    def resolve(self, link: url.ShortLink, trace: Trace) -> VideoRef:
        """Return the video that a short link leads to.

        Raises:
            VideoUnavailable: a dead link.
            UnsupportedMedia: it leads to something else.
            AuthRequired: it leads to the login.
            Refused: it was answered with a failure, or with no redirection.
            curl_cffi.CurlError: no answer.
        """
        if link.code not in self._known:
            found = self._follow(link.url, trace)
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[link.code] = found
        return self._known[link.code]

    def _follow(self, at: str, trace: Trace) -> VideoRef:
        for _ in range(HOPS):
            at = urljoin(at, self._location(at, trace))
            target = url.parse(at)
            if isinstance(target, VideoRef):
                return target
            if isinstance(target, url.Rejected):
                raise _dead_end(at, target)
        raise VideoUnavailable(f"the short link leads in circles; the last stop was {at}")

    def _location(self, at: str, trace: Trace) -> str:
        trace.begin("short")
        with self._pace.turn():
            answer = curl_cffi.head(
                at,
                headers={"User-Agent": AGENT},
                allow_redirects=False,
                proxy=self._table.proxy or None,
                verify=self._table.verify_tls,
                timeout=self._timeout_s,
            )
        location: str | None = answer.headers.get("Location")
        if answer.status_code >= 400 or not location:
            trace.refused(answer.status_code, answer.headers)
            raise Refused(f"{at} leads nowhere: HTTP status {answer.status_code}")
        return location


def _dead_end(at: str, target: url.Rejected) -> TiktokdError:
    if urlsplit(at).path.startswith("/login"):
        return AuthRequired("TikTok asks for a login (the short link leads there)")
    if target.kind == "no_video":  # a code that has expired or never was leads to the front page
        return VideoUnavailable("the short link is dead: it leads to TikTok's front page")
    return UnsupportedMedia(target.reason)
