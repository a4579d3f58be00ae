"""The download worker: one post in, its checked media file and clean metadata out. Knows no queue and no rate.

A request costs TikTok one page, one more where it sets a challenge, one more for a short link, and the CDN one media
file. How fast requests may follow one another is the daemon's to decide; the deadline is the daemon's as well.
"""

import hashlib
import os
import time
from pathlib import Path

import curl_cffi
from tenacity import Retrying, retry_if_exception, stop_after_attempt
from yt_dlp.utils import YoutubeDLError

from tiktokd import decode_check, url
from tiktokd.download_failures import failure
from tiktokd.download_metadata import metadata
from tiktokd.download_pace import Pace
from tiktokd.download_session import Post, Session
from tiktokd.download_trace import Refused
from tiktokd.errors import (
    CorruptMedia,
    Failure,
    NetworkError,
    ProtocolError,
    TiktokdError,
    UnsupportedMedia,
    failure_of,
)
from tiktokd.messages import Answer, Download, Downloaded, Failed, Ready, Request
from tiktokd.model import VideoRef
from tiktokd.worker import WorkerSetup, versions

EXTRACTIONS = 2
"""A media link that the CDN refuses (HTTP 403) has expired or lost its cookie: a fresh page helps once or never."""
PACE_FILE = "download.pace"
"""In the state directory: when the latest request left, and when its answer came."""
PACKAGES = ("yt-dlp", "curl_cffi", "requests", "av")

_FRESH_START = ("transient", "bug")
"""After these the instance may hold a broken connection or a stale cookie. Not after a throttle: we stay who we are."""


def start(setup: WorkerSetup) -> "Downloader":
    """Return the handler of a download worker.

    Raises:
        ConfigError: the cookie file cannot be read.
    """
    return Downloader(setup)


class Downloader:
    """Answers `Download`."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._table = setup.config.download
        self._max_duration_s = setup.config.analysis.max_duration_s
        self._report = setup.report
        file = setup.config.state_dir / PACE_FILE
        pace = Pace(file, self._table.min_gap_s, clock=time.monotonic, sleep=time.sleep)
        self._session = Session(self._table, pace)
        self._resolved: VideoRef | None = None
        """The video behind the short link of the request in hand."""

    def ready(self) -> Ready:
        """Return the versions of what TikTok gets to see."""
        return Ready(pid=os.getpid(), versions=versions(PACKAGES))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def handle(self, request: Request) -> Answer:
        """Fetch one post, or say why not."""
        if not isinstance(request, Download):
            raise ProtocolError(f"a download worker cannot {type(request).__name__}")
        self._session.begin()
        self._resolved = None
        refusal: Failure
        try:
            return self._fetch(request)
        except (YoutubeDLError, curl_cffi.CurlError, Refused) as exc:
            refusal = self._refusal(exc)
        except TiktokdError as exc:
            refusal = failure_of(exc, "download")
        if refusal.failure_class in _FRESH_START:
            self._session.renew()
        return Failed(
            ticket=request.ticket,
            failure=refusal,
            requests=self._session.trace.requests,
            resolved=self._resolved,
        )

    def _fetch(self, request: Download) -> Downloaded:
        ref = self._target(request.url)
        path, post = self._media(ref, Path(request.attempt_dir))
        try:
            decode_check.check(path)
        except CorruptMedia as exc:  # TikTok's own files are whole: this one was damaged or swapped on its way
            raise NetworkError(f"the CDN sent a broken file: {exc}") from exc
        return Downloaded(
            ticket=request.ticket,
            path=str(path),
            sha256=_sha256(path),
            size_bytes=path.stat().st_size,
            metadata=metadata(post.info, post.item),
            resolved=self._resolved,
            requests=self._session.trace.requests,
        )

    def _target(self, text: str) -> VideoRef:
        """Return the video that is asked for; one behind a short link is remembered for the answer, good or bad."""
        target = url.parse(text)
        if isinstance(target, url.ShortLink):
            target = self._resolved = self._session.resolve(target)
        if isinstance(target, url.Rejected):
            raise UnsupportedMedia(target.reason)
        return target

    def _media(self, ref: VideoRef, folder: Path) -> tuple[Path, Post]:
        """Read the page and write its media, with one fresh page where the CDN refuses the link."""
        again = Retrying(
            retry=retry_if_exception(self._is_link_refused),
            stop=stop_after_attempt(EXTRACTIONS),
            reraise=True,
        )
        return again(self._media_once, ref, folder)

    def _media_once(self, ref: VideoRef, folder: Path) -> tuple[Path, Post]:
        post = self._session.page(ref.url)
        if post.is_photo:
            raise UnsupportedMedia("a photo post has pictures and a sound but no video")
        length_s = post.info.get("duration") or 0
        if length_s > self._max_duration_s:
            raise UnsupportedMedia(f"{length_s} s is longer than analysis.max_duration_s = {self._max_duration_s:g}")
        _empty(folder)
        path, info = self._session.media(post, folder, self._tell)
        return path, Post(info=info, item=post.item)

    def _tell(self, done_bytes: int, total_bytes: int | None) -> None:
        done = f"{done_bytes / 2**20:.1f}"
        if total_bytes:
            ratio = min(1.0, done_bytes / total_bytes)
            self._report(progress_ratio=ratio, detail=f"{done} of {total_bytes / 2**20:.1f} MiB")
        else:
            self._report(detail=f"{done} MiB")

    def _is_link_refused(self, _: BaseException) -> bool:
        trace = self._session.trace
        return trace.origin == "media" and trace.status == 403

    def _refusal(self, exc: Exception) -> Failure:
        trace = self._session.trace
        return failure(str(exc), status=trace.status, origin=trace.origin, retry_after_s=trace.retry_after_s)


def _empty(folder: Path) -> None:
    """Remove what an earlier try left: yt-dlp takes a file that is there for a success."""
    for left in folder.iterdir():
        left.unlink()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
