"""Foreign text (titles, captions, read text, file names) made harmless for a terminal and a log line.

Knows no output. Standard library only: `tiktokctl` needs it in every table. Rich's markup is another matter: hand the
result to `rich.text.Text`, which reads none.
"""

import re

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]",
)
"""C0, DEL and C1 controls (escape sequences live there), line separators, bidirectional overrides (text that reads
other than it is), interlinear marks, and lone surrogates, which no terminal or UTF-8 file takes."""


def escape(text: str) -> str:
    r"""Return `text` with every character that could control a terminal or a log written as `\xNN` or `\uNNNN`.

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
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
