"""One visitor of TikTok: a page, then its media, through one yt-dlp instance. Knows no queue and no failure classes.

Page and media share one cookie jar, because the CDN wants the cookie that the page set. Facts about the extractor that
this file relies on were observed with yt-dlp 2026.08.19; `tests/integration/test_download_worker.py` holds each.
"""

import io
import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.networking.exceptions import HTTPError

from tiktokd.config import DownloadTable
from tiktokd.download_pace import Pace
from tiktokd.download_short import ShortLinks
from tiktokd.download_trace import Refused, Trace
from tiktokd.errors import ConfigError, UnsupportedMedia
from tiktokd.model import VideoRef
from tiktokd.url import ShortLink

SOCKET_TIMEOUT_S = 20.0
"""yt-dlp's default. curl_cffi adds the time to connect and the time to read, so a silent page takes twice as long."""
RETRIES = 2
"""Of the CDN's 5xx and broken bodies, inside yt-dlp, resumed where they broke; nothing else is retried there."""
RETRY_WAIT_S = 0.5
"""Before the first of them; the second waits twice as long."""
OPTIONS: dict[str, Any] = {
    "allowed_extractors": [r"TikTok"],  # without it the generic extractor would fetch any URL that a user hands in
    "format": "b[vcodec!=none]",  # sound and picture in one file; refuses the bare soundtrack of a photo post
    "format_sort": ["vcodec:h264", "res"],  # yt-dlp would take H.265, which costs three times the CPU to decode
    "outtmpl": "%(id)s.%(ext)s",  # a title in the name can be longer than a file name may be
    "overwrites": True,
    "continuedl": False,  # resuming into another rendition gives a broken file that passes for a good one
    "cachedir": False,
    "noplaylist": True,
    "updatetime": False,
    "fixup": "never",  # would want the ffmpeg program
    "retries": RETRIES,
    "retry_sleep_functions": {"http": lambda n: RETRY_WAIT_S * 2**n},  # without it they follow at once
    "quiet": True,
    "noprogress": True,
    "color": "never",
}

_logger = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Is told the bytes on disk and the bytes in all (`None`: not known)."""


@dataclass(slots=True)
class Post:
    """A post's page, read."""

    info: dict[str, Any]
    """yt-dlp's fields, not yet processed."""
    item: dict[str, Any] = field(default_factory=dict)
    """TikTok's own record of the post, as in the page; empty where yt-dlp no longer lets us see it."""

    @property
    def is_photo(self) -> bool:
        """True for pictures with a sound."""
        formats = self.info.get("formats") or []
        return bool(self.item.get("imagePost")) or (bool(formats) and not any(map(_has_picture, formats)))


class Session:
    """A yt-dlp instance with TikTok's extractors and a count of its requests."""

    def __init__(self, table: DownloadTable, pace: Pace) -> None:
        self._table, self._pace = table, pace
        self._cookies = _cookies(table.cookies_file)
        self._timeout_s = min(SOCKET_TIMEOUT_S, table.timeout_s / 3)
        self._links = ShortLinks(table, pace, self._timeout_s)
        self._progress: Progress | None = None
        self._item: dict[str, Any] = {}
        self._answers: list[Any] = []
        """Of yt-dlp's requests for the post in hand."""
        self.trace = Trace()
        self._ydl = self._open()

    def begin(self) -> None:
        """Forget what the post before cost, and close what it left open where its media was never asked for."""
        self._close_answers()
        self.trace = Trace()

    def resolve(self, link: ShortLink) -> VideoRef:
        """Return the video that a short link leads to; raises as `ShortLinks.resolve`."""
        return self._links.resolve(link, self.trace)

    def page(self, url: str) -> Post:
        """Return the post behind a canonical URL: one request, or two where TikTok sets a challenge.

        Raises:
            yt_dlp.utils.YoutubeDLError: no page, or one without a video.
        """
        self._item = {}
        info = self._ydl.extract_info(url, download=False, process=False)
        return Post(info=info, item=self._item)

    def media(self, post: Post, folder: Path, progress: Progress | None = None) -> tuple[Path, dict[str, Any]]:
        """Write the post's media into `folder`; return the file and yt-dlp's processed fields.

        Raises:
            UnsupportedMedia: larger than `max_filesize_mib`.
            yt_dlp.utils.YoutubeDLError: anything else.
        """
        self._progress = progress
        self._ydl.params["paths"] = {"home": str(folder)}
        post.info["formats"] = within(post.info.get("formats") or [], self._table.max_height)
        try:
            info = self._ydl.process_ie_result(post.info, download=True)
        finally:
            self._close_answers()
        path = ((info.get("requested_downloads") or [{}])[0]).get("filepath")
        if path is None:  # yt-dlp's way of saying so: no error, no file
            raise self._too_large()
        return Path(path), info

    def renew(self) -> None:
        """Start over as a new visitor, with fresh connections and cookies."""
        self.close()
        self._ydl = self._open()

    def close(self) -> None:
        """Close the connections."""
        self._close_answers()
        self._ydl.close()

    def _open(self) -> Any:
        options = {
            **OPTIONS,
            "socket_timeout": self._timeout_s,
            "nocheckcertificate": not self._table.verify_tls,
            "max_filesize": self._max_bytes,
            "progress_hooks": [self._on_progress],
            "logger": _Log(),
        }
        if self._table.proxy:  # an empty one would mean "none", and hide HTTPS_PROXY
            options["proxy"] = self._table.proxy
        if self._cookies is not None:
            options["cookiefile"] = io.StringIO(self._cookies)  # a copy: yt-dlp writes cookies back when it closes
        ydl = YoutubeDL(options)
        send, ydl.urlopen = ydl.urlopen, lambda request: self._send(send, request)
        self._watch_page_data(ydl.get_info_extractor("TikTok"))
        return ydl

    def _send(self, send: Callable[[Any], Any], request: Any) -> Any:
        """Send a request of yt-dlp, one for a page in its turn: count it, and remember how it was refused."""
        host = urlsplit(getattr(request, "url", request)).hostname or ""
        self.trace.begin("page" if host in ("www.tiktok.com", "www.tiktokv.com") else "media")
        try:
            with self._pace.turn() if self.trace.origin == "page" else nullcontext():
                answer = send(request)
        except HTTPError as exc:
            self.trace.refused(exc.status, exc.response.headers)
            exc.response.close()  # yt-dlp leaves it open
            if self.trace.origin == "media" and self.trace.retry_after_s is not None:  # yt-dlp would ask again at once
                raise Refused(f"HTTP Error {exc.status}: {exc.reason}") from exc
            raise
        self._answers.append(answer)
        return answer

    def _close_answers(self) -> None:
        """Close what yt-dlp leaves open: the answer of a file that promises to be too large, and broken bodies."""
        for answer in self._answers:
            answer.close()
        self._answers.clear()

    def _watch_page_data(self, extractor: Any) -> None:
        """Keep TikTok's own record of the post when the extractor reads it: yt-dlp drops the id of the sound and the
        mark of an advertisement.

        A method of yt-dlp that is not public; where a later version has none, the record stays empty.
        """
        read = getattr(extractor, "_extract_web_data_and_status", None)
        if read is None:
            _logger.warning("this yt-dlp does not show a post's own record: no music_id, no is_ad")
            return

        def reading(*args: Any, **kwargs: Any) -> Any:
            data, status = read(*args, **kwargs)
            self._item = data if isinstance(data, dict) else {}
            return data, status

        extractor._extract_web_data_and_status = reading

    def _on_progress(self, state: dict[str, Any]) -> None:
        done, total = state.get("downloaded_bytes") or 0, state.get("total_bytes")
        if done > self._max_bytes:  # yt-dlp looks at the promised length only, and there may be none
            raise self._too_large()
        if self._progress is not None:
            self._progress(done, total)

    @property
    def _max_bytes(self) -> int:
        return int(self._table.max_filesize_mib * 2**20)

    def _too_large(self) -> UnsupportedMedia:
        return UnsupportedMedia(f"the file is larger than download.max_filesize_mib = {self._table.max_filesize_mib:g}")


def within(formats: list[dict[str, Any]], longer_side_px: int) -> list[dict[str, Any]]:
    """Return the formats without those renditions whose longer side exceeds the limit, unless all of them do.

    yt-dlp's own `res:N` limits the shorter side; a portrait and a landscape video of one size would differ.
    Where all are too large, only the smallest stay.
    """
    sizes = [max(f.get("width") or 0, f.get("height") or 0) if _has_picture(f) else 0 for f in formats]
    known = [size for size in sizes if size]
    limit = longer_side_px if not known or min(known) <= longer_side_px else min(known)
    return [f for f, size in zip(formats, sizes, strict=True) if size <= limit]


def _has_picture(form: dict[str, Any]) -> bool:
    return form.get("vcodec") != "none"


def _cookies(file: str) -> str | None:
    if not file:
        return None
    try:
        return Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"download.cookies_file: cannot read {file}: {exc}") from exc


class _Log:
    """Where yt-dlp's talk goes: into the worker's log, never to a terminal."""

    def debug(self, text: str) -> None:
        _logger.debug("yt-dlp: %s", text)

    def warning(self, text: str) -> None:
        _logger.info("yt-dlp: %s", text)

    def error(self, text: str) -> None:
        _logger.info("yt-dlp: %s", text)
