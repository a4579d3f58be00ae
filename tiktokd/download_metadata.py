"""yt-dlp's fields as our `Metadata`: what the post says, without cookies and links that expire. Knows no network."""

from typing import Any

from tiktokd.model import Metadata

MAX_TEXT_CHARS = 10_000
"""TikTok allows 4,000 characters in a caption."""
MAX_ARTISTS = 50
TEXTS = ("title", "description", "uploader", "uploader_id", "channel", "channel_id", "track", "album", "format_id")
COUNTS = ("view_count", "like_count", "repost_count", "comment_count", "save_count")
"""Fields that yt-dlp calls as we do."""


def metadata(info: dict[str, Any], item: dict[str, Any]) -> Metadata:
    """Return the post's own statements.

    Args:
        info: yt-dlp's processed fields, the chosen rendition among them.
        item: TikTok's record of the post; may be empty.
    """
    music = item.get("music")
    alike: dict[str, Any] = {name: _text(info.get(name)) for name in TEXTS}
    alike |= {name: _count(info.get(name)) for name in COUNTS}
    return Metadata(
        **alike,
        created_at_s=_amount(info.get("timestamp")),
        duration_s=_amount(info.get("duration")),
        artists=[text for each in (info.get("artists") or [])[:MAX_ARTISTS] if (text := _text(each))],
        is_ad=mark if isinstance(mark := item.get("isAd"), bool) else None,
        music_id=_text(music.get("id")) if isinstance(music, dict) else None,
        width_px=_count(info.get("width")),
        height_px=_count(info.get("height")),
        fetched_at_s=_amount(info.get("epoch")),
    )


def _text(value: object) -> str | None:
    """Return a text that every encoder takes: half characters, which TikTok's JSON can hold, become `?`."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)[:MAX_TEXT_CHARS].encode("utf-8", "replace").decode().strip()
    return text or None


def _count(value: object) -> int | None:
    """Return a count; a negative one is TikTok's way of not saying."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _amount(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
