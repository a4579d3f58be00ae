"""What a person pasted, as the video it names, or why it names none. Knows no network: short links stay short.

The key of a video is its numeric id and nothing else: name, query, scheme, host and `/photo/` against `/video/` do
not matter to TikTok. Forms seen in the wild are listed in the tests.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from tiktokd.model import VideoRef

RejectedKind = Literal[
    "empty",
    "not_a_url",
    "not_tiktok",
    "bad_id",
    "rounded_id",
    "photo",
    "live",
    "profile",
    "sound",
    "effect",
    "tag",
    "playlist",
    "search",
    "media",
    "no_video",
]

ID_MAX = 2**64 - 1
"""Ids are 64-bit numbers; today's have 19 digits, and TikTok answers a mistyped one with "IP blocked"."""
UNKNOWN_NAME = "_"
"""Stands for a creator whose @name is not known; TikTok ignores the name when the id is right."""

_ID = r"[1-9][0-9]{14,19}"
_SITES = r"(?:[a-z0-9-]+\.)*(?:tiktok\.com|tiktokv\.com|tiktokv\.us)"
_USUAL = re.compile(rf"(?:https?://)?(?:www\.)?tiktok\.com/@([A-Za-z0-9_.-]{{1,64}})/video/({_ID})(?:[/?#].*)?", re.S)
_URL = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*):)?//(?P<host>[^/?#\\\s]*)(?P<path>[^?#]*)(?P<rest>.*)", re.I | re.S
)
_BARE = re.compile(rf"{_ID}")
_NUMBER = re.compile(r"[0-9]{1,40}")
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]{2}|[0-9]{15,20}[.,]0*")
_POST = re.compile(r"/(?:video|v|embed|embed/v[0-9]|player/v[0-9])/([0-9]{1,40})(?:\.html)?(?=/|$)")
_POST_IN_REST = re.compile(rf"(?:/video/|[?&](?:item_id|share_item_id|aweme_id)=)({_ID})(?![0-9])")
_NAME = re.compile(r"/@([A-Za-z0-9_.-]{1,64})(?=/|$)")
_SHORT_PATH = re.compile(r"/(?:t/)?([A-Za-z0-9_]{4,32})/?")
_SITE = re.compile(rf"({_SITES})\.?(?::[0-9]{{1,5}})?")
_WRAPPING = " \t\r\n\v\f\"'`<>()[]{}|,;\u00a0\u200b\u200e\u200f\u2060\ufeff"

_NO_VIDEO: tuple[tuple[str, RejectedKind, str], ...] = (
    (r"/photo/[0-9]", "photo", "unsupported: a photo post has pictures and a sound but no video"),
    (r"/live(/|$)", "live", "unsupported: a live stream; queue the recording once it is posted as a video"),
    (r"/music/", "sound", "unsupported: a sound, not a video; give the URLs of videos that use it"),
    (r"/(sticker|effect)/", "effect", "unsupported: an effect, not a video; give the URLs of videos that use it"),
    (r"/(tag|discover|channel|topics|place)/", "tag", "unsupported: a topic page; give the URLs of its videos"),
    (r"/(playlist|collection|liked|favorites)(/|$)", "playlist", "unsupported: a list; give the URLs of its videos"),
    (r"/search(/|$)", "search", "unsupported: a search; give the URLs of the videos that it found"),
    (r"/video/tos/|/aweme/v1/play", "media", "unsupported: a direct media link, which expires; give the post's URL"),
    (r"/(video|v|embed|player)(/|$)", "bad_id", "the number of the video is missing or damaged; copy the link again"),
    (r"/@[^/]+/?$", "profile", "unsupported: a profile; give the URLs of its videos"),
)
"""Paths of TikTok without a video, first match wins, and what to tell people."""


@dataclass(frozen=True, slots=True)
class ShortLink:
    """A link that hides its id; one request to TikTok resolves it."""

    code: str
    """Letters, digits and underscores; upper and lower case differ."""
    url: str

    @property
    def id(self) -> str:
        """The key of the queue's row until the numeric id is known."""
        return f"short-{self.code}"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Text that names no video."""

    reason: str
    """For people: what it is instead, and what to do."""
    kind: RejectedKind


def parse(text: str) -> VideoRef | ShortLink | Rejected:
    """Return the video that `text` names: any form of TikTok URL, or a bare id of 15 to 20 digits. Never raises."""
    text = text.strip(_WRAPPING)
    if usual := _USUAL.fullmatch(text):  # nine of ten lines in practice: one regex instead of five
        return _video(usual[2], usual[1])
    if not text:
        return Rejected("empty: no URL and no id", "empty")
    if _NUMBER.fullmatch(text):
        return _video(text, UNKNOWN_NAME)
    if _ROUNDED.fullmatch(text):
        return Rejected(f'"{text}" is an id that a spreadsheet has rounded; export the column as text', "rounded_id")
    return _parse_url(text)


def canonical(video_id: str, name: str = UNKNOWN_NAME) -> str:
    """Return the one URL under which the page of a video is asked for."""
    return f"https://www.tiktok.com/@{name}/video/{video_id}"


def _video(video_id: str, name: str) -> VideoRef | Rejected:
    if not _BARE.fullmatch(video_id) or int(video_id) > ID_MAX:
        shown = video_id if len(video_id) <= 24 else video_id[:24] + "…"
        return Rejected(
            f"{shown} is not a video's id: they have 15 to 20 digits, today 19; copy the link again", "bad_id"
        )
    return VideoRef(id=video_id, url=canonical(video_id, name))


def _parse_url(text: str) -> VideoRef | ShortLink | Rejected:
    parts = _URL.fullmatch(text) or _URL.fullmatch("//" + text)
    if parts is None or "." not in parts["host"] or any(character.isspace() for character in text):
        return Rejected("not a URL and not a video's id", "not_a_url")
    if (parts["scheme"] or "https").lower() not in ("http", "https"):
        return Rejected(f"not a web link: {parts['scheme']}: links cannot be downloaded", "not_a_url")
    host = parts["host"].lower()
    if not (site := _SITE.fullmatch(host)):
        return _elsewhere(host)
    return _on_site(site[1], unquote(parts["path"], errors="replace"), unquote(parts["rest"], errors="replace"))


def _on_site(host: str, path: str, rest: str) -> VideoRef | ShortLink | Rejected:
    name = _NAME.search(path) or _NAME.search(rest)
    if post := _POST.search(path):
        return _video(post[1], name[1] if name else UNKNOWN_NAME)
    if (host.startswith(("vm.", "vt.")) or path.startswith("/t/")) and (short := _SHORT_PATH.fullmatch(path)):
        domain = host if host in ("vm.tiktok.com", "vt.tiktok.com") else "www.tiktok.com/t"
        return ShortLink(short[1], f"https://{domain}/{short[1]}")
    for pattern, kind, reason in _NO_VIDEO:
        if re.search(pattern, path):
            return Rejected(reason, kind)
    if post := _POST_IN_REST.search(rest):  # /foryou#/@name/video/ID, /login?redirect_url=…
        return _video(post[1], name[1] if name else UNKNOWN_NAME)
    return Rejected("unsupported: a TikTok page without a video; give the URL of a video", "no_video")


def _elsewhere(host: str) -> Rejected:
    if host.endswith(("tiktokcdn.com", "tiktokcdn-us.com", "tiktokcdn-eu.com")):
        return Rejected("unsupported: a direct media link, which expires; give the post's URL", "media")
    if host.endswith("douyin.com"):
        return Rejected("not TikTok: Douyin is another site with other ids", "not_tiktok")
    return Rejected(f"not TikTok: {host[:60]}", "not_tiktok")
