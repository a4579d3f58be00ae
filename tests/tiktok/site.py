"""The stand-in's memory: which video behaves how, and who asked for what when. Knows no sockets.

A behaviour is named; `BEHAVIOURS` is the list. Those called `…_once` mend themselves after the first request.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any, Literal

from tests.tiktok import pages, samples
from tests.tiktok.pages import Answer, failure, html, post

Kind = Literal["page", "media", "audio", "short", "login", "home", "foreign", "other"]

FIRST_ID = 7234567890123400000
NAME = "some.name"
_PAGE = re.compile(r"/@[\w.-]*/(?:video|photo)/(\d+)")
_MEDIA = re.compile(r"/video/tos/(\d+)/")
_AUDIO = re.compile(r"/audio/(\d+)")
_SHORT = re.compile(r"/(?:t/)?(\w+)/?")


@dataclass(frozen=True)
class Hit:
    """One request that arrived."""

    at_s: float
    """Monotonic seconds."""
    kind: Kind
    id: str
    """Of the video, or the code of the short link; empty for other pages."""
    status: int
    method: str = "GET"


@dataclass(frozen=True)
class Video:
    """One post of the stand-in."""

    id: str
    behaviour: str
    data: bytes
    item: dict[str, Any]

    @property
    def url(self) -> str:
        return f"https://www.tiktok.com/@{NAME}/video/{self.id}"

    @property
    def page(self) -> Answer:
        return post(self.item)

    @property
    def media(self) -> Answer:
        return Answer(headers={"Content-Type": "video/mp4", "Accept-Ranges": "bytes"}, body=self.data)


Turn = Callable[[Video, int], Answer]
"""What to answer to the n-th request (from 0) for a video's page or media."""


def once(first: Answer | Callable[[Video], Answer], part: Literal["page", "media"]) -> Turn:
    """Misbehave at the first request, then be good."""

    def turn(video: Video, n: int) -> Answer:
        bad = first if isinstance(first, Answer) else first(video)
        return bad if n == 0 else getattr(video, part)

    return turn


@dataclass(frozen=True)
class Behaviour:
    """How page and media of a video answer."""

    page: Turn = lambda video, n: video.page
    media: Turn = lambda video, n: video.media
    item: Callable[[dict[str, Any]], dict[str, Any]] = lambda item: item
    """Changes the page's record of the post."""
    sample: dict[str, Any] = field(default_factory=dict)
    """Arguments of `samples.mp4`."""


def _always(answer: Answer) -> Turn:
    return lambda video, n: answer


def _broken(change: Callable[[bytes], bytes]) -> Turn:
    return lambda video, n: replace(video.media, body=change(video.data))


def _fault(part: Literal["page", "media"], fault: pages.Fault) -> Callable[[Video], Answer]:
    return lambda video: replace(getattr(video, part), fault=fault)


def _dated(seconds: int) -> Answer:
    now = time.time()
    return failure(429, Retry_After=formatdate(now + seconds, usegmt=True), Date=formatdate(now, usegmt=True))


def _renditions(*names: tuple[str, str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(item: dict[str, Any]) -> dict[str, Any]:
        entries = [pages.rendition(item["id"], codec, height) for codec, height in names]
        return item | {"video": item["video"] | {"bitrateInfo": entries}}

    return change


def _photo(item: dict[str, Any]) -> dict[str, Any]:
    return item | {"imagePost": {"images": [{}]}, "video": {"id": item["id"], "duration": 0, "cover": ""}}


def _watermarked(item: dict[str, Any]) -> dict[str, Any]:
    link = pages.rendition(item["id"], "h264", "540p")["PlayAddr"]["UrlList"][0]
    return item | {"video": item["video"] | {"bitrateInfo": [], "downloadAddr": link}}


NO_SCRIPT = html("<!doctype html><html><body>Nothing here</body></html>")

BEHAVIOURS: dict[str, Behaviour] = {
    "ok": Behaviour(),
    "mute": Behaviour(sample={"sound": False}),
    "hevc_only": Behaviour(item=_renditions(("bytevc1", "540p")), sample={"codec": "libx265", "frames": 30}),
    "renditions": Behaviour(
        item=_renditions(("bytevc1", "1080p"), ("h264", "540p"), ("h264", "720p"), ("h264", "360p"))
    ),
    "watermark_only": Behaviour(item=_watermarked),
    "no_length": Behaviour(media=lambda video, n: replace(video.media, length=False)),
    "odd_text": Behaviour(item=lambda item: item | {"desc": "half \ud83d \x1b[31m <b>é</b> " + "x" * 5000}),
    "private": Behaviour(page=_always(post(None, 10216))),
    "private_account": Behaviour(page=_always(post(None, 10222))),
    "deleted": Behaviour(page=_always(post(None, 10204))),
    "refused": Behaviour(page=_always(post(None, 10231))),
    "region": Behaviour(page=_always(post(None, 10219))),
    "panic_once": Behaviour(page=once(post(None, 10101), "page")),
    "no_detail_once": Behaviour(page=once(post(None, 0), "page")),
    "login": Behaviour(page=_always(Answer(status=302, headers={"Location": "https://www.tiktok.com/login?x=1"}))),
    "sensitive": Behaviour(
        page=lambda video, n: post(
            {k: v for k, v in video.item.items() if k != "video"} | {"isContentClassified": True}
        )
    ),
    "no_formats": Behaviour(item=lambda item: item | {"music": {}, "video": item["video"] | {"bitrateInfo": []}}),
    "photo": Behaviour(item=_photo),
    "long": Behaviour(item=lambda item: item | {"video": item["video"] | {"duration": 5000}}),
    "429_once": Behaviour(page=once(failure(429, Retry_After="2"), "page")),
    "429_dated": Behaviour(page=lambda video, n: _dated(7)),
    "429_bare": Behaviour(page=_always(failure(429))),
    "403": Behaviour(page=_always(failure(403))),
    "challenge": Behaviour(page=once(pages.challenge(), "page")),
    "challenge_stuck": Behaviour(page=_always(pages.challenge())),
    "captcha": Behaviour(page=_always(html("Please wait..."))),
    "no_data": Behaviour(page=_always(NO_SCRIPT)),
    "no_data_once": Behaviour(page=once(NO_SCRIPT, "page")),
    "empty_page": Behaviour(page=_always(html(""))),
    "503_once": Behaviour(page=once(failure(503, Retry_After="1"), "page")),
    "500": Behaviour(page=_always(failure(500))),
    "404": Behaviour(page=_always(failure(404))),
    "page_reset": Behaviour(page=lambda video, n: _fault("page", "reset")(video)),
    "page_hang": Behaviour(page=lambda video, n: _fault("page", "hang")(video)),
    "page_drip_once": Behaviour(page=once(_fault("page", "drip"), "page")),
    "page_cut": Behaviour(page=lambda video, n: _fault("page", "cut")(video)),
    "truncated_once": Behaviour(media=once(_fault("media", "cut"), "media")),
    "truncated": Behaviour(media=lambda video, n: replace(video.media, body=video.data[: 2000 + n], fault="cut")),
    "media_reset": Behaviour(media=lambda video, n: _fault("media", "reset")(video)),
    "media_hang": Behaviour(media=lambda video, n: _fault("media", "hang")(video)),
    "media_hang_once": Behaviour(media=once(_fault("media", "hang"), "media")),
    "media_429": Behaviour(media=_always(failure(429, Retry_After="3"))),
    "media_403_once": Behaviour(media=once(failure(403), "media")),
    "media_403": Behaviour(media=_always(failure(403))),
    "media_404": Behaviour(media=_always(failure(404))),
    "media_503_once": Behaviour(media=once(failure(503), "media")),
    "media_503": Behaviour(media=_always(failure(503, Retry_After="9"))),
    "html": Behaviour(media=_broken(lambda data: b"<!doctype html><html>blocked</html>" * 200)),
    "random": Behaviour(media=_broken(lambda data: bytes((i * i * 31 + 7) % 251 for i in range(20_000)))),
    "half": Behaviour(media=_broken(samples.half)),
    "half_once": Behaviour(media=once(lambda video: replace(video.media, body=samples.half(video.data)), "media")),
    "zero": Behaviour(media=_broken(lambda data: b"")),
    "no_picture": Behaviour(sample={"picture": False}),
}


class Site:
    """Videos, short links, and the log of requests; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._videos: dict[str, Video] = {}
        self._links: dict[str, str | int] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._log: list[Hit] = []
        self.cookies: list[str] = []
        """The Cookie header of each request, in order."""

    def video(self, behaviour: str = "ok") -> Video:
        """Add a video that behaves so."""
        with self._lock:
            video_id = str(FIRST_ID + len(self._videos))
            how = BEHAVIOURS[behaviour]
            item = pages.record(video_id, NAME, [pages.rendition(video_id, "h264", "540p")])
            self._videos[video_id] = Video(video_id, behaviour, samples.mp4(**how.sample), how.item(item))
            return self._videos[video_id]

    def short(self, code: str, target: str | int) -> str:
        """Add a short link to a URL, or one that answers with a status; return its URL."""
        self._links[code] = target
        return f"https://vm.tiktok.com/{code}/"

    def hits(self, *kinds: Kind, id: str | None = None) -> list[Hit]:
        """Return the requests so far, all or of some kinds, of one video or of all."""
        with self._lock:
            return [hit for hit in self._log if (not kinds or hit.kind in kinds) and id in (None, hit.id)]

    def answer(self, method: str, host: str, path: str, cookies: str = "", referer: str = "") -> Answer:
        """Return the answer to a request, and note it."""
        kind, video_id = self._what(host, path)
        with self._lock:
            self.cookies.append(cookies)
            nth = self._asked[kind, video_id]
            self._asked[kind, video_id] += method == "GET"
        answer = self._answer(kind, video_id, nth, may=f"{pages.COOKIE}=" in cookies and bool(referer))
        with self._lock:
            self._log.append(Hit(time.monotonic(), kind, video_id, answer.status, method))
        return answer

    def refused(self, host: str) -> None:
        """Note a connection to a host that is none of TikTok's."""
        with self._lock:
            self._log.append(Hit(time.monotonic(), "foreign", host, 403, "CONNECT"))

    def _what(self, host: str, path: str) -> tuple[Kind, str]:
        if host in ("vm.tiktok.com", "vt.tiktok.com") or path.startswith("/t/"):
            found = _SHORT.match(path)
            return "short", found[1] if found else ""
        if host == pages.CDN_HOST:
            media, audio = _MEDIA.match(path), _AUDIO.match(path)
            return ("media", media[1]) if media else ("audio", audio[1]) if audio else ("other", "")
        if page := _PAGE.match(path):
            return "page", page[1]
        return ("login" if path.startswith("/login") else "home" if path.startswith(("/?", "/ ")) else "other"), ""

    def _answer(self, kind: Kind, video_id: str, nth: int, *, may: bool) -> Answer:
        if kind == "short":
            target = self._links.get(video_id, 404)
            return failure(target) if isinstance(target, int) else Answer(status=301, headers={"Location": target})
        video = self._videos.get(video_id)
        if kind == "page":
            return BEHAVIOURS[video.behaviour].page(video, nth) if video else post(None, 10204)
        if kind == "media" and video:
            return BEHAVIOURS[video.behaviour].media(video, nth) if may else failure(403)
        if kind == "audio" and video:
            return Answer(headers={"Content-Type": "audio/mpeg"}, body=samples.mp4(picture=False))
        return html("<html>TikTok</html>") if kind in ("login", "home") else failure(404)
