"""One video as people want to read it: key facts first, then each analysis, its timeline, the history.

Knows no transport. Titles, captions and read text are foreign: they go through `escape` and never through markup.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tiktokd.cli._format import (
    STATE_STYLES,
    STATUS_STYLES,
    duration,
    fields,
    local,
    number,
    plain,
    size,
    timeline,
)
from tiktokd.printable import escape, shortened

TEXT_CHARS = 300
SUMMARY_CHARS = 76
SEGMENTS = 5
EVENTS = 8
ALL = 1_000_000
"""Limit of --full."""


def detail(video: Mapping[str, Any], *, full: bool) -> RenderableType:
    """Return what `tiktokctl show` shows; `full` cuts nothing short."""
    parts: list[RenderableType] = [_head(video), _facts(video, ALL if full else TEXT_CHARS)]
    if video["analysis"]:
        parts += [_analyses(video["analysis"], ALL if full else SUMMARY_CHARS)]
        parts += _timelines(video, ALL if full else SEGMENTS)
    parts.append(_history(video["history"], ALL if full else EVENTS))
    return Group(*parts)


def _head(video: Mapping[str, Any]) -> Text:
    text = Text.assemble((escape(video["id"]), "bold"), "  ", (video["state"], STATE_STYLES.get(video["state"], "")))
    if video["not_before_at"]:
        text.append(f"  next try {local(video['not_before_at'])}", "yellow")
    if video["worker"]:
        text.append(f"  held by {escape(video['worker'])}")
    return text


def _facts(video: Mapping[str, Any], limit: int) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in _lines(video):
        if value:
            table.add_row(Text(name, "dim"), Text(shortened(value, limit), "red" if name == "error" else ""))
    return table


def _lines(video: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    about: Mapping[str, Any] = video["metadata"]
    if error := video["error"]:
        yield "error", f"{error['class']} in {error['stage']}: {error['message']}"
    title, caption = about.get("title") or "", about.get("description") or ""
    yield "title", title
    yield "caption", caption if caption != title else ""
    names = [f"@{about['uploader']}" if about.get("uploader") else "", about.get("channel") or ""]
    yield "by", " · ".join(name for name in names if name)
    yield "sound", " · ".join(part for part in (about.get("track"), *about.get("artists", [])) if part)
    counts = [(name, about.get(f"{name}_count")) for name in ("view", "like", "comment", "repost", "save")]
    yield "counts", ", ".join(f"{number(value)} {name}s" for name, value in counts if value is not None)
    yield "url", video["url"]
    yield "media", _media(video)
    yield "queued", f"{local(video['enqueued_at'])}, priority {video['priority']}"
    if video["finished_at"]:
        yield "finished", local(video["finished_at"])
    tries = [f"{n} {name}" for name, n in video["attempts"].items() if n]
    yield "failed tries", ", ".join(tries)
    yield "timings", fields(video["timings"], TEXT_CHARS)


def _media(video: Mapping[str, Any]) -> str:
    facts, media = video["facts"], video["media"]
    parts: list[str] = []
    if facts:
        parts.append(duration_exact(facts["duration_s"]))
        if facts["width_px"]:
            parts.append(f"{facts['width_px']}×{facts['height_px']} {plain(facts['fps'])} fps {facts['video_codec']}")
        parts.append(f"sound {facts['audio_codec']}" if facts["audio_codec"] else "no sound")
    if media["bytes"] is not None:
        parts.append(size(media["bytes"]))
    if media["path"]:
        parts.append(media["path"])
    return ", ".join(parts)


def duration_exact(seconds: float) -> str:
    """Return a video's length: tenths below a minute, where they matter."""
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _analyses(analysis: Mapping[str, Any], limit: int) -> Table:
    table = Table("analysis", "status", "tier", "result", box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name, envelope in sorted(analysis.items()):
        if envelope["status"] in ("ok", "partial"):
            result = fields(envelope["summary"], limit)
        else:
            result = shortened(envelope.get("message") or "", limit)
        if envelope.get("reason"):
            result = f"{envelope['reason']}: {result}" if result else envelope["reason"]
        style = STATUS_STYLES.get(envelope["status"], "")
        table.add_row(escape(name), Text(envelope["status"], style), envelope["tier"], Text(result))
    return table


def _timelines(video: Mapping[str, Any], limit: int) -> list[RenderableType]:
    """Return a line of time and the first segments of each analysis that has any."""
    found = {name: envelope["segments"] for name, envelope in sorted(video["analysis"].items()) if envelope["segments"]}
    if not found:
        return []
    last = max(float(segment["end_s"]) for segments in found.values() for segment in segments)
    end_s = max(last, (video["facts"] or {}).get("duration_s") or 0.0)
    parts: list[RenderableType] = [Text(f"timeline 0 to {duration_exact(end_s)}", "dim")]
    for name, segments in found.items():
        parts.append(Text.assemble(f"{escape(name):24.24} ", (timeline(segments, end_s), "cyan"), no_wrap=True))
        parts += [_segment(segment) for segment in segments[:limit]]
        if len(segments) > limit:
            parts.append(Text(f"    … and {len(segments) - limit} more (--full)", "dim"))
    return parts


def _segment(segment: Mapping[str, Any]) -> Text:
    rest = {key: value for key, value in segment.items() if key not in ("start_s", "end_s")}
    return Text(f"    {segment['start_s']:7.2f} - {segment['end_s']:.2f} s  {fields(rest, SUMMARY_CHARS)}")


def _history(events: list[Mapping[str, Any]], limit: int) -> RenderableType:
    lines = [Text(f"history, the last {limit} of {len(events)}" if len(events) > limit else "history", "dim")]
    for event in events[-limit:]:
        step = f"{event['from'] or 'new'} → {event['to']}"
        line = f"    {local(event['at'])}  {event['event']:16} {step:26} {event['reason'] or ''}".rstrip()
        lines.append(Text(escape(line)))
    return Group(*lines)
