"""Numbers, times and states as people read them. Knows no terminal beyond rich's styles."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

STATE_STYLES = {
    "pending": "",
    "downloading": "cyan",
    "downloaded": "blue",
    "processing": "magenta",
    "completed": "green",
    "failed": "red",
    "cancelled": "dim",
}
"""Always beside the state's word: colour is never the only signal."""
STATUS_STYLES = {"ok": "green", "partial": "yellow", "skipped": "dim", "error": "red", "warn": "yellow", "fail": "red"}
TIMELINE_CELLS = 48
EIGHTHS = " ▏▎▍▌▋▊▉█"
BAR_CELLS = 12


def duration(seconds: float | None) -> str:
    """Return seconds as `4 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`; `-` where they are not known."""
    if seconds is None:
        return "-"
    whole = max(int(seconds), 0)
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts: list[str] = []
    for unit, size in units:
        number, whole = divmod(whole, size)
        if number or parts or unit == "s":
            parts.append(f"{number} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 ") or len(parts) == 1)


def size(count: float | None) -> str:
    """Return bytes as `12 B`, `3.4 MiB`; `-` where they are not known."""
    if count is None:
        return "-"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with thousands separated; `-` where it is not known."""
    return "-" if value is None else f"{value:,.{digits}f}"


def percent(ratio: float | None) -> str:
    """Return a ratio as per cent; `-` where it is not known."""
    return "-" if ratio is None else f"{ratio:.0%}"


def bar(ratio: float | None, cells: int = BAR_CELLS) -> str:
    """Return a ratio as a bar of `cells` characters; empty where it is not known."""
    if ratio is None:
        return ""
    eighths = round(min(max(ratio, 0.0), 1.0) * cells * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(cells, "·")


def timeline(segments: Sequence[Mapping[str, Any]], duration_s: float, cells: int = TIMELINE_CELLS) -> str:
    """Return segments as a line of time: `█` where one lies, `│` where the next one begins, `·` elsewhere."""
    line = ["·"] * cells
    if duration_s <= 0:
        return "".join(line)
    for segment in sorted(segments, key=lambda each: float(each["start_s"])):
        first = min(int(float(segment["start_s"]) / duration_s * cells), cells - 1)
        last = min(max(int(float(segment["end_s"]) / duration_s * cells), first + 1), cells)
        touching = line[first] == "█" or (first > 0 and line[first - 1] == "█")
        line[max(first, 0) : last] = ["█"] * (last - max(first, 0))
        if touching:
            line[first] = "│"
    return "".join(line)


def plain(value: Any) -> str:
    """Return one value of a summary for people."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {plain(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(plain(inner) for inner in value) + "]"
    return str(value)


def local(text: str | None) -> str:
    """Return an ISO 8601 time in the local zone, to the second; `-` where it is not known."""
    if text is None:
        return "-"
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def local_s(utc_s: float | None) -> str:
    """Return UTC seconds since 1970 as a local time, to the minute; empty where it is not known."""
    return "" if utc_s is None else datetime.fromtimestamp(utc_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def moment(text: str, now: datetime) -> str:
    """Return an ISO 8601 time in the zone of `now`, in short: today's as a time, others as a date."""
    at = datetime.fromisoformat(text).astimezone(now.tzinfo)
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%Y-%m-%d")
