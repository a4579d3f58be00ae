"""Finds links, addresses, names, tags and emoji in what people write. Pure; opens nothing that it finds."""

import re
from dataclasses import dataclass

from tiktokd.texts import TAGS, hashtags

TLDS = (
    "com|net|org|io|co|tv|app|dev|ee|ly|gg|ai|gl|xyz|info|biz|fm|de|fr|es|pt|nl|uk|ca|au|nz|ie|ch|se|fi|dk|pl|cz|ru|ua|"
    "tr|jp|kr|cn|tw|hk|vn|th|sg|ph|br|mx|ar|cl|eu|gov|edu|tech|shop|store|bio"
)
"""Endings that make a name without http:// a link; file endings among country codes (py, md, sh) are left out."""
WORD_TLDS = "it|is|me|to|be|in|at|no|us|my|id|so|link|page|site|online|club|live|fun|vip|top|win|click"
"""Endings that are words, so that a full stop without space makes no link (love.it); these need a path (t.me/x)."""
EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]*@(?:[A-Za-z0-9](?:[\w-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![\w-])")
"""Addresses as people use them; comments and quotes of RFC 5322 are no matches."""
_NAME = r"(?:[a-z0-9](?:[\w-]*[a-z0-9])?\.)+"
_REST = r"[^\s<>\"'`、。，！？（）「」]"
URL = re.compile(
    rf"(?<![A-Za-z0-9_@./-])(?:(?i:https?://|www\.){_REST}+"
    rf"|(?i:{_NAME}(?:{TLDS}))(?![A-Za-z0-9_-])(?!\.[A-Za-z])(?:[/?#]{_REST}*)?"
    rf"|(?i:{_NAME}(?:{WORD_TLDS}))/{_REST}+)",
    re.ASCII,
)
MENTION = re.compile(r"(?<![\w.@＠])[@＠]([\w.]{1,24})")
"""TikTok names: 2-24 letters, digits, underscores and full stops, not ending in one."""
CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z]{1,5}(?:\.[A-Za-z]{1,2})?)(?![\w$])")
"""Ticker symbols: $TSLA, $BRK.B; amounts of money have digits."""

_PICTURES = (
    "\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u2604"
    "\u260e\u2611\u2614\u2615\u2618\u261d\u2620\u2622\u2623\u2626\u262a\u262e\u262f\u2638-\u263a\u2640\u2642"
    "\u2648-\u2653\u265f\u2660\u2663\u2665\u2666\u2668\u267b\u267e\u267f\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1"
    "\u26a7\u26aa\u26ab\u26b0\u26b1\u26bd\u26be\u26c4\u26c5\u26c8\u26ce\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea"
    "\u26f0-\u26f5\u26f7-\u26fa\u26fd\u2702\u2705\u2708-\u270d\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734"
    "\u2744\u2747\u274c\u274e\u2753-\u2755\u2757\u2763\u2764\u2795-\u2797\u27a1\u27b0\u27bf\u2934\u2935\u2b05-\u2b07"
    "\u2b1b\u2b1c\u2b50\u2b55\u3030\u303d\u3297\u3299\U0001f004\U0001f0cf\U0001f170\U0001f171\U0001f17e\U0001f17f"
    "\U0001f18e\U0001f191-\U0001f19a\U0001f201\U0001f202\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f250\U0001f251"
    "\U0001f300-\U0001f3fa\U0001f400-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7f0\U0001f900-\U0001f9ff"
    "\U0001fa70-\U0001faff"
)
"""Unicode 16 emoji-data.txt, Emoji=Yes, without digits, © ® ™ and the arrows that are text unless U+FE0F follows."""
_TEXT_UNLESS_MARKED = "©®™\u203c\u2049\u2139\u2194-\u2199\u21a9\u21aa"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_KEYCAP = "[0-9#*]\ufe0f?\u20e3"
_ONE = (
    f"(?:[{_PICTURES}]\ufe0f?[\U0001f3fb-\U0001f3ff]?\ufe0f?(?:[\U000e0020-\U000e007e]+\U000e007f)?"
    f"|[{_TEXT_UNLESS_MARKED}]\ufe0f)"
)
EMOJI = re.compile(f"{_FLAG}|{_KEYCAP}|{_ONE}(?:\u200d{_ONE})*")
"""One emoji as people see it: flags, keycaps, skin tones and joined families are one each (UTS #51)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a text holds beside words, in reading order, repeated ones too."""

    hashtags: list[str]
    """Without #, as written."""
    mentions: list[str]
    """Without @, as written."""
    urls: list[str]
    emails: list[str]
    cashtags: list[str]
    """Without $, upper case."""
    emojis: list[str]


def parse(text: str) -> Parsed:
    """Return links, addresses, names, tags and emoji; what stands inside a link is not looked at again."""
    emails = EMAIL.findall(text)
    rest = EMAIL.sub(" ", text)
    urls = [trimmed(match.group()) for match in URL.finditer(rest)]
    rest = URL.sub(lambda match: " " + match.group()[len(trimmed(match.group())) :], rest)
    mentions = [name for found in MENTION.findall(TAGS.sub(" ", rest)) if len(name := found.rstrip(".")) > 1]
    return Parsed(
        hashtags=hashtags(rest),
        mentions=mentions,
        urls=urls,
        emails=emails,
        cashtags=[found.upper() for found in CASHTAG.findall(rest)],
        emojis=EMOJI.findall(rest),
    )


def trimmed(url: str) -> str:
    """Return a link without the punctuation of the sentence around it."""
    opening = {")": "(", "]": "["}
    while url:
        last = url[-1]
        unopened = last in opening and url.count(opening[last]) < url.count(last)
        if not unopened and last not in ".,;:!?…*~\"'":
            break
        url = url[:-1]
    return url


def masked_email(address: str) -> str:
    """Return an address of which nobody can be reached: first letter and domain."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}***@{domain}"
