"""What people and programs call the field that holds a video's URL, id or creator. Knows no file format."""

import re


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LINK_NAMES = _names(
    "link links url urls href permalink videolink videourl webvideourl webpageurl originalurl shareurl sharelink "
    "posturl postlink tiktokurl tiktoklink pageurl canonicalurl urlcanonical submittedvideourl videoweburl"
)
ID_NAMES = _names("videoid videoids awemeid itemid postid tiktokid ids")
"""Fields that can only be a video's id; a bare `id` needs more evidence."""
CREATOR_NAMES = _names("username uniqueid authoruniqueid authorusername uploader authorname author creator")
"""Fields that may hold the @name."""
POST_NAMES = _names(
    "username videodescription description desc caption createtime createdat timestamp title text likecount "
    "diggcount viewcount playcount sharecount commentcount regioncode hashtagnames voicetotext musicid video stats "
    "statistics extractorkey"
)
"""Fields that show that an object with an `id` is a post (Research API, web pages, scrapers, yt-dlp)."""
LIST_NAMES = _names("videos items itemlist awemelist posts videolist data entries")
"""Lists whose objects are posts even when an `id` is all they have."""

_NOT_LETTERS = re.compile(r"[^a-z]")
_HANDLE = re.compile(r"@?([A-Za-z0-9_.-]{2,64})")


def plain(name: str) -> str:
    """Return a field's name without case, blanks and signs: `Video Link`, `video_link`, `videoLink` are the same."""
    return _NOT_LETTERS.sub("", name.lower())


def is_heading(text: str) -> bool:
    """Return whether a line holds nothing but the name of such a field."""
    return len(text) <= 40 and plain(text) in LINK_NAMES | ID_NAMES | {"id"} and not any(c.isdigit() for c in text)


def handle(value: object) -> str | None:
    """Return a creator's @name without the @, or `None` where `value` is no such name."""
    match = _HANDLE.fullmatch(value.strip()) if isinstance(value, str) else None
    return match[1] if match else None
