"""Foreign text (titles, captions, read text, file names) made harmless for a terminal and a log line.

Knows no output. Standard library only: `tiktokctl` needs it in every table. Rich's markup is another matter: hand the
result to `rich.text.Text`, which reads none.
"""

import re

_JOINERS = "\u200c\u200d\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_UNSAFE = re.compile(
    "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
    "|[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\ufff0-\ufffb"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060-\u206f\u3164\ufeff\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
    f"|(?<=[{_JOINERS}])[{_JOINERS}]",
)
"""C0, DEL and C1 controls (escape sequences live there), line separators, bidirectional overrides (text that reads
other than it is), interlinear marks, lone surrogates, which no terminal or UTF-8 file takes, and what shows nothing at
all (Unicode's Default_Ignorable_Code_Point), in which text can hide. Left are joiners and variation selectors one by
one, of which emoji and Persian words are made, and the tags of a flag, which match as a whole."""


def escape(text: str) -> str:
    r"""Return `text` with every character that could control a terminal or hide in it as an escape (`\xNN`, `\uNNNN`).

    Newlines and tabs count as such; markup of `rich` is the caller's to escape.
    """
    return _UNSAFE.sub(_code, text)


def shortened(text: str, limit: int) -> str:
    """Return `text` escaped and at most `limit` characters long; what was cut off is shown by an ellipsis."""
    cut = escape(text[: limit + 1])
    return cut if len(cut) <= limit else cut[: max(limit - 1, 0)] + "…"


def of_bytes(data: bytes) -> str:
    """Return foreign bytes as a person tells them apart: what is readable in quotes, `·` for the rest, or hex digits.

    A page that was saved as a video shows its `<!DOCTYPE ht`, a picture its `·PNG····`.
    """
    if len(re.findall(rb"[A-Za-z0-9]", data)) * 4 >= len(data) > 0 and re.search(rb"[A-Za-z0-9]{2}", data):
        readable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in data)
        return f"“{readable}”"
    return f"the bytes {data.hex(' ')}"


def _code(match: re.Match[str]) -> str:
    if len(match[0]) > 1:
        return match[0]  # a flag
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
