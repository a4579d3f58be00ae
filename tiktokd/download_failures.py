"""What a refusal of TikTok, its CDN, the network or this machine means: one table. Knows no yt-dlp object.

The rules are tried in order and the first match wins; new wordings are added here and nowhere else. Where each comes
from: messages of yt-dlp's extractor, observed one by one against a stand-in (`tests/unit/test_download_failures.py`
holds every one), and status codes of TikTok's page data as public clients name them.
"""

import re
from collections.abc import Container
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from tiktokd.errors import Failure, FailureClass

Origin = Literal["page", "media", "short"]
"""Who answered: TikTok's page, its CDN, or the host of short links."""

SHOWN_CHARS = 300


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of refusal. What is empty matches everything."""

    failure_class: FailureClass
    reason: str
    """For people."""
    pattern: str = ""
    """Regular expression, found in the lower-case text."""
    statuses: Container[int] = ()
    origins: Container[str] = ()
    of_post: bool = False
    """An answer about this post alone, where the class does not say so: no sign of trouble with the site."""


RULES: tuple[Rule, ...] = (
    # This machine
    Rule("local", "the disk is full", r"no space left|disk quota exceeded"),
    Rule("local", "this machine refuses the file", r"permission denied|read-only file system|file name too long"),
    Rule("local", "too many open files on this machine", r"too many open files"),
    Rule(
        "local",
        "the certificate of the server is not trusted; check the clock, the CA certificates, and a proxy that ends TLS",
        r"curl: \(60\)|certificate_verify_failed|certificate verify failed|ssl certificate problem",
    ),
    Rule(
        "local",
        "no connection to the network or to download.proxy",
        r"curl: \([567]\)|name resolution|name or service not known|failed to resolve|network is unreachable"
        r"|no route to host|unable to connect to proxy.*(refused|resolve|unreachable)|tunnel (connection )?failed.* 407"
        r"|unsupported proxy",
    ),
    Rule(
        "local", "yt-dlp lacks a package (curl_cffi); reinstall with its extra", r"impersonate target .* not available"
    ),
    # Walls. We stop at them.
    Rule(
        "auth",
        "the post or its account is private",
        r"do not have permission to view|account is private",
        of_post=True,
    ),
    Rule(
        "auth",
        "TikTok shows this post only after a login (sensitive content)",
        r"not be comfortable for some",
        of_post=True,
    ),
    Rule("auth", "TikTok asks for a login", r"requiring login|log into an account"),
    # Not a video
    Rule("unsupported", "a photo post has pictures and a sound but no video", r"photo post|/photo/"),
    Rule("unsupported", "not a video of TikTok", r"no suitable extractor|unsupported url"),
    Rule("throttled", "the CDN refuses every rendition", r"requested format is not available", statuses=(403, 429)),
    Rule("unsupported", "no rendition of this post has both picture and sound", r"requested format is not available"),
    Rule("unsupported", "a live stream, not a video", r"not currently live|has ended"),
    # The post is gone. 10204 is sent for deleted and never-existing ids and, it seems, to blocked regions.
    Rule("permanent", "TikTok does not show this post: deleted, never existed, or not here", r"ip address is blocked"),
    Rule("transient", "TikTok's page data is incomplete (status 0)", r"video not available, status code 0\b"),
    Rule("transient", "TikTok's server failed (status 10101)", r"video not available, status code 10101\b"),
    Rule("throttled", "TikTok asks for a captcha (status 10000)", r"video not available, status code 10000\b"),
    Rule("permanent", "not shown in this region (status 10219)", r"video not available, status code 10219\b"),
    Rule("permanent", "TikTok refuses this post", r"video not available, status code \d+"),
    Rule("permanent", "the post has no video", r"no video formats found|does not have any videos posted"),
    # Slow down
    Rule("throttled", "too many requests", statuses=(429,)),
    Rule("throttled", "refused; the address or the rate of this machine is under suspicion", statuses=(403,)),
    Rule(
        "throttled",
        "TikTok sent a challenge or an empty page in place of the post; too many requests, or yt-dlp is out of date",
        r"unable to extract universal data|unable to extract challenge data|unexpected response from webpage"
        r"|solve js challenge|keeps sending the same page",
    ),
    # Statuses
    Rule("transient", "the server failed", statuses=range(500, 600)),
    Rule("permanent", "the short link leads nowhere", statuses=(404, 410), origins=("short",)),
    Rule("permanent", "TikTok has no such page", statuses=(404, 410, 451), origins=("page",)),
    Rule("transient", "the link to the media has expired", statuses=(404, 410, 416), origins=("media",)),
    Rule("auth", "TikTok asks for a login", statuses=(401,)),
    # The network
    Rule("transient", "no answer in time", r"timed out|operation too slow|curl: \(28\)"),
    Rule(
        "transient", "the connection broke", r"connection reset|closed abruptly|remote end closed|broken pipe|curl: \("
    ),
    Rule("transient", "the media broke off", r"bytes read, \d+ more expected|incompleteread"),
    Rule("transient", "the CDN sent an empty file", r"did not get any data blocks"),
    Rule("transient", "the proxy failed", r"unable to connect to proxy|proxyerror"),
)
UNKNOWN = Rule("transient", "an answer that is not known yet; if it stays, update yt-dlp")
"""For everything else: tried again a few times, its text kept."""

_NOTICES = re.compile(
    r"^ERROR: |; please report this issue on .*|\. Use --cookies.*|\.? See https?://.*|\s*\(caused by <.*",
    re.DOTALL,
)
_STATUS = re.compile(r"HTTP Error (\d{3})")


def rule_for(text: str, *, status: int | None, origin: Origin) -> Rule:
    """Return the first rule that matches what was said and by whom."""
    lowered = text.lower()
    for rule in RULES:
        if rule.pattern and not re.search(rule.pattern, lowered):
            continue
        if rule.statuses != () and status not in rule.statuses:
            continue
        if rule.origins != () and origin not in rule.origins:
            continue
        return rule
    return UNKNOWN


def failure(text: str, *, status: int | None, origin: Origin, retry_after_s: float | None = None) -> Failure:
    """Return a refusal as data.

    Args:
        text: What yt-dlp or the network library said.
        status: HTTP status of the last refused request; `None`: read from the text where it has one.
        retry_after_s: What the server asked for, in seconds.
    """
    if status is None and (found := _STATUS.search(text)):
        status = int(found[1])
    rule = rule_for(text, status=status, origin=origin)
    # A server that is down and says until when speaks to all of our requests, not to this post's alone.
    waits = retry_after_s is not None and rule.failure_class in ("transient", "throttled")
    said = _NOTICES.sub("", text).strip()
    return Failure(
        failure_class="throttled" if waits else rule.failure_class,
        stage="download",
        message=f"{rule.reason} ({said[:SHOWN_CHARS]})" if said else rule.reason,
        retry_after_s=retry_after_s if waits else None,
        http_status=status,
        of_post=rule.of_post,
    )


def retry_after_s(value: str | None, date: str | None) -> float | None:
    """Return a Retry-After header in seconds, or `None` where there is none that can be understood.

    Args:
        value: Seconds, or the HTTP date at which to come again (RFC 9110, 10.2.3).
        date: The `Date` header of the same answer: the server's clock, not ours, is what `value` refers to.
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value.strip())
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(date or "")
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())
