"""The posts in a JSON document or in JSON lines, at any depth. Knows no schema by heart, only names of fields.

Understands TikTok's own data export (`user_data_tiktok.json`), results of the Research API, yt-dlp's and common
scrapers' records. Parts of an export that name no videos to analyze (sounds, followers, messages) are passed over.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain

from tiktokd.errors import ConfigError
from tiktokd.inputs_names import CREATOR_NAMES, ID_NAMES, LINK_NAMES, LIST_NAMES, POST_NAMES, handle, plain
from tiktokd.url import Rejected, canonical, parse

MAX_DOCUMENT_CHARS = 2**30
"""A larger document would need many times its size in memory; JSONL has no such limit."""
SHOWN_CHARS = 80

Found = tuple[int, str, str | None]
"""Line number, text, problem."""

_ELSEWHERE = re.compile(
    r"sound|music|hashtag|effect|sticker|follow|block|comment|chat|message|login|purchase|setting|author|challenge"
    r"|avatar|thumbnail|cover|user|profile|search|format|subtitle|live|shop|\bads?\b",
    re.IGNORECASE,
)
"""Objects and lists under such names hold links and ids of other things than the posts that a person listed."""
_LINK = re.compile(r"https?:(?:\\?/){2}(?:[a-z0-9-]+\.)*tiktokv?\.com[^\s\"'<>,]+", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9_]+")


def is_json(texts: Sequence[str]) -> bool:
    """Return whether lines that begin like a list of ids are JSON: the first is whole, or all together are."""
    return _loads(texts[0]) is not None or _loads("".join(texts)) is not None


def is_jsonl(texts: Sequence[str]) -> bool:
    """Return whether lines (none blank, the first opening an object or a list) are JSON lines, not one document."""
    first, *others = texts
    if _loads(first) is not None:
        return True
    return bool(others) and first.rstrip().endswith("}") and _loads(others[0]) is not None


def records(lines: Iterator[tuple[int, str]]) -> Iterator[Found]:
    """Yield what each line's record names; a line that is no JSON or names nothing is reported."""
    for number, line in lines:
        if not line.strip():
            continue
        record = _loads(line)
        found = 0
        for text in posts(record):
            found += 1
            yield number, text, None
        if record is None:
            yield number, line.strip()[:SHOWN_CHARS], "not JSON"
        elif not found:
            yield number, line.strip()[:SHOWN_CHARS], "no URL and no id of a video in this record"


def document(lines: Iterator[tuple[int, str]], name: str) -> Iterator[Found]:
    """Yield what one document names, each with the line where it stands; a broken document is searched for links.

    Raises:
        ConfigError: the document is larger than `MAX_DOCUMENT_CHARS`.
    """
    text = _joined(lines, name)
    try:
        content = json.loads(text, parse_float=str)
        candidates = posts(content)
    except (ValueError, RecursionError) as exc:
        line = getattr(exc, "lineno", 1)
        shown = text.split("\n")[line - 1].strip()[:SHOWN_CHARS]
        yield line, shown, f"the document is broken here ({exc}); only links are read from it"
        candidates = (link.replace("\\/", "/") for link in _LINK.findall(text))
    at, number = 0, 1
    for candidate in candidates:
        place = text.find(max(_WORD.findall(candidate), key=len, default=candidate), at)
        if place >= 0:
            number += text.count("\n", at, place)
            at = place
        yield number, candidate, None


def posts(content: object) -> Iterator[str]:
    """Yield a URL or an id for every post in a parsed document, in its order."""
    pending: list[tuple[str, object, bool]] = [("", content, False)]
    while pending:
        key, value, is_listed = pending.pop()
        if isinstance(value, dict):
            if post := _post(key, value):
                yield post
                continue
            pending += [(plain(name), each, False) for name, each in reversed(value.items()) if _is_here(name, each)]
        elif isinstance(value, list):
            pending += [(key, each, True) for each in reversed(value)]
        elif (text := _scalar(value)) and (_is_link(text) or (is_listed and _holds_posts(key))):
            yield text


def _post(key: str, fields: dict[str, object]) -> str | None:
    """Return what names the post that `fields` describe, `None` where they describe none."""
    named = {plain(name): value for name, value in fields.items()}
    links = [text for name, value in named.items() if name in LINK_NAMES and (text := _scalar(value))]
    if link := next((link for link in links if not isinstance(parse(link), Rejected)), None):
        return link
    text = next((text for name in ID_NAMES if (text := _scalar(named.get(name)))), None)
    is_leaf = not any(map(_is_container, fields.values()))
    if text is None and (POST_NAMES & named.keys() or (is_leaf and (not key or key in LIST_NAMES))):
        text = _scalar(named.get("id"))
    if text is not None and (is_leaf or not isinstance(parse(text), Rejected)):
        creator = _creator(named)
        return canonical(text, creator) if creator and text.isdecimal() else text
    return links[0] if links and is_leaf else None


def _creator(named: dict[str, object]) -> str | None:
    nested = [named.get(name) for name in ("author", "authormeta", "authorinfo")]
    inner = [
        each
        for value in nested
        if isinstance(value, dict)
        for each in map(value.get, ("uniqueId", "unique_id", "name"))
    ]
    return next((name for value in chain(map(named.get, CREATOR_NAMES), inner) if (name := handle(value))), None)


def _is_here(name: str, value: object) -> bool:
    return not (_is_container(value) and _ELSEWHERE.search(name))


def _is_link(text: str) -> bool:
    return "tiktok" in text and not any(c.isspace() for c in text) and not isinstance(parse(text), Rejected)


def _holds_posts(key: str) -> bool:
    """Return whether every text and number in a list of this name is meant to be a post."""
    return not key or key in ID_NAMES or key in LINK_NAMES


def _scalar(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def _is_container(value: object) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _loads(text: str) -> dict[str, object] | list[object] | None:
    try:
        value = json.loads(text, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _joined(lines: Iterator[tuple[int, str]], name: str) -> str:
    parts, size = [], 0
    for _, line in lines:
        parts.append(line)
        size += len(line)
        if size > MAX_DOCUMENT_CHARS:
            raise ConfigError(
                f"{name} is a JSON document of more than {MAX_DOCUMENT_CHARS >> 20} Mi characters; use JSONL"
            )
    return "".join(parts)
