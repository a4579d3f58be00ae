"""One video as people want to read it: key facts first, then its time, each analysis, what was not done, the history.

Knows no transport. Titles, captions and read text are foreign: they go through `escape` and never through markup.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tiktokd.cli import _timeline
from tiktokd.cli._format import STATE_STYLES, STATUS_STYLES, bar, duration, local, local_s, number, plain, size
from tiktokd.cli._highlights import highlights, reviews
from tiktokd.cli._readable import ALL, TEXT_CHARS, Entry, entries, reading, title
from tiktokd.printable import escape, shortened

NAME_CELLS = 23
"""The longest name of an analyzer."""
NARROW = 72
"""Below this many columns, results stand under the names and not beside them."""
WORDS = 8
"""Texts with their times that are shown before --full."""
EVENTS = 6
GROUPS = {
    "video": "picture",
    "audio": "sound",
    "text": "words",
    "fusion": "all together",
    "metadata": "the post",
    "": "analyses",
}
"""An analyzer's group → heading, in the order of reading."""
_COMMAND = re.compile(r"tiktokctl models pull [^\s;]+(?:; it runs on a GPU alone)?")


def detail(video: Mapping[str, Any], groups: Mapping[str, str], *, width: int, full: bool) -> RenderableType:
    """Return what `tiktokctl show` shows.

    Args:
        video: as the API gives it.
        groups: analyzer → its group; analyses of others stand under a heading of their own.
        width: columns of the terminal.
        full: cut nothing short.
    """
    parts: list[RenderableType] = [_head(video), *_grid(_lines(video), ALL if full else TEXT_CHARS)]
    analysis = video["analysis"]
    if analysis:
        parts += _in_short(analysis)
        parts += _timelines(video, width, full=full)
        parts += _analyses(analysis, groups, narrow=width < NARROW, full=full)
        parts += _not_done(analysis)
    parts += [_heading("work"), *_grid(_work(video), ALL)]
    parts += _history(video["history"], ALL if full else EVENTS)
    return Group(*parts)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", "bold")


def _head(video: Mapping[str, Any]) -> Text:
    text = Text.assemble((escape(video["id"]), "bold"), "  ", (video["state"], STATE_STYLES.get(video["state"], "")))
    if video["not_before_at"]:
        text.append(f"  next try {local(video['not_before_at'])}", "yellow")
    if video["worker"]:
        text.append(f"  held by {escape(video['worker'])}")
    return text


def _grid(lines: Iterator[tuple[str, str]], limit: int) -> Iterator[Table]:
    """Yield names and what they name in two columns; lines without a value are left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in lines:
        if value:
            table.add_row(Text(name, "dim"), Text(shortened(value, limit), "red" if name == "error" else ""))
    if table.row_count:
        yield table


def _lines(video: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    about: Mapping[str, Any] = video["metadata"]
    if error := video["error"]:
        yield "error", f"{error['class']} in {error['stage']}: {error['message']}"
    title, caption = about.get("title") or "", about.get("description") or ""
    is_file = video["url"].startswith("file:")
    yield "title", title or (unquote(video["url"]).rpartition("/")[2] if is_file else "")
    yield "caption", caption if caption != title else ""
    names = [f"@{about['uploader']}" if about.get("uploader") else "", about.get("channel") or ""]
    yield "by", " · ".join(name for name in names if name)
    yield "posted", local_s(about.get("created_at_s"))
    yield "sound", " · ".join(part for part in (about.get("track"), *about.get("artists", [])) if part)
    counts = [(name, about.get(f"{name}_count")) for name in ("view", "like", "comment", "repost", "save")]
    known = ", ".join(f"{number(value)} {name}s" for name, value in counts if value is not None)
    when = local_s(about.get("fetched_at_s"))
    yield "counts", f"{known}, as of {when}" if known and when else known
    yield "media", _media(video)
    yield "results", _of_an_earlier_run(video)
    yield "file" if is_file else "url", unquote(video["url"]).removeprefix("file://") if is_file else video["url"]


def _of_an_earlier_run(video: Mapping[str, Any]) -> str:
    """Return whose results these are, where the state is not that of the run that made them."""
    if video["state"] == "completed" or not video["analysis"]:
        return ""
    ended = [event["at"] for event in video["history"] if event["to"] == "completed"]
    which = f"the run that completed at {local(ended[-1])}" if ended else "an earlier run"
    return f"of {which}; it was queued again since"


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
    return ", ".join(parts)


def duration_exact(seconds: float) -> str:
    """Return a video's length: tenths below a minute, where they matter."""
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _in_short(analysis: Mapping[str, Any]) -> Iterator[RenderableType]:
    parts: list[RenderableType] = []
    if wanted := reviews(analysis):
        parts.append(Text(f"a person should look at this: {', '.join(map(escape, wanted))}", "yellow"))
    parts += _grid(highlights(analysis), ALL)
    if parts:
        yield from (_heading("in short"), *parts)


def _timelines(video: Mapping[str, Any], width: int, *, full: bool) -> Iterator[RenderableType]:
    """Yield lines of time for each analysis that has segments, and what was said and shown when."""
    found = {name: envelope["segments"] for name, envelope in sorted(video["analysis"].items()) if envelope["segments"]}
    if not found:
        return
    last = max(float(segment["end_s"]) for segments in found.values() for segment in segments)
    end_s = max(last, (video["facts"] or {}).get("duration_s") or 0.0)
    cells = _timeline.cells_of(width)
    yield _heading("in time, seconds")
    yield _time_line("", Text(_timeline.ruler(end_s, cells), "dim"), "")
    for name, segments in found.items():
        for row in _timeline.rows(name, segments, end_s, cells):
            yield _time_line(row.name, row.line, row.note)
        if full:
            yield from map(_segment, segments)
            continue
        spoken = list(_timeline.words(segments))
        if spoken:
            yield _said_when(spoken[:WORDS])
        if len(spoken) > WORDS:
            yield Text(f"{'':9} … {len(spoken) - WORDS} more texts with --full", "dim")


def _said_when(spoken: Sequence[tuple[float, float, str]]) -> Table:
    """Return texts beside their times; one that is too long goes on below itself."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for start_s, end_s, text in spoken:
        table.add_row(Text(f"{start_s:9.1f} to {end_s:5.1f}"), Text(text))
    return table


def _time_line(name: str, line: Text, note: str) -> Text:
    return Text.assemble((f"{name:{_timeline.NAME_CELLS}} "), line, (f" {note}", "dim"), no_wrap=True, overflow="crop")


def _segment(segment: Mapping[str, Any]) -> Text:
    rest = {key: value for key, value in segment.items() if key not in ("start_s", "end_s")}
    lists = {key: found for key, value in rest.items() if (found := entries(value)) is not None}
    facts = reading({key: value for key, value in rest.items() if key not in lists}, full=True).facts
    said = [*facts, *(f"{title(name)} {', '.join(map(str, found))}" for name, found in lists.items())]
    return Text(f"{segment['start_s']:9.2f} to {segment['end_s']:6.2f}  {' · '.join(said)}", "dim")


def _analyses(
    analysis: Mapping[str, Any], groups: Mapping[str, str], *, narrow: bool, full: bool
) -> Iterator[RenderableType]:
    sections: dict[str, list[str]] = defaultdict(list)
    for name, envelope in sorted(analysis.items()):
        if envelope["status"] != "skipped":
            sections[groups.get(name, "")].append(name)
    for group, heading in GROUPS.items():
        if names := sections[group]:
            yield _heading(heading)
            table = Table.grid(padding=(0, 1))
            table.add_column(width=1 if narrow else NAME_CELLS, no_wrap=True)
            for name in names:
                if narrow:
                    yield from (table, _name(name, analysis[name]))
                    table = Table.grid(padding=(0, 1))
                table.add_row("" if narrow else _name(name, analysis[name]), Group(*_result(analysis[name], full=full)))
            yield table


def _name(name: str, envelope: Mapping[str, Any]) -> Text:
    style = STATUS_STYLES.get(envelope["status"], "") if envelope["status"] != "ok" else ""
    return Text(escape(name), style)


def _result(envelope: Mapping[str, Any], *, full: bool) -> Iterator[Text]:
    """Yield what one analysis found: its state where it is not plainly well, lists with bars, then facts."""
    if envelope["status"] != "ok":
        reason = (envelope["reason"] or "").replace("_", " ")
        why = ": ".join(part for part in (envelope["status"], reason, envelope.get("message")) if part)
        yield Text(escape(why), STATUS_STYLES.get(envelope["status"], ""))
    found = reading(envelope["summary"], full=full)
    for name, listed in found.lists:
        for place, entry in enumerate(listed):
            yield _bar(name if not place else "", entry)
    facts = " · ".join(found.facts)
    if found.left_out:
        facts += f"{' · ' if facts else ''}{found.left_out} more with --full"
    if facts:
        yield Text(facts)
    elif not found.lists and envelope["status"] == "ok":
        yield Text("nothing stands out", "dim")


def _bar(name: str, entry: Entry) -> Text:
    text = Text(f"{name:12} ", "dim")
    if entry.colour:
        text.append("  ", f"on {entry.colour}").append(" ")  # nothing where there are no colours, and not a bar
    if entry.ratio is None:
        return text.append(entry.label, "default not dim")
    text.append(f"{bar(entry.ratio, 10)} {entry.ratio:4.0%} ", "cyan not dim")
    return text.append(entry.label, "default not dim")


def _not_done(analysis: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield what was skipped, by reason; those that lack models by the commands that fetch them."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for name, envelope in sorted(analysis.items()):
        if envelope["status"] == "skipped":
            message = envelope.get("message") or ""
            commands = dict.fromkeys(_COMMAND.findall(message))
            found[envelope["reason"] or "", tuple(commands) or (message,)].append(name)
    if not found:
        return
    yield _heading("not done")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before = ""
    for (reason, advice), names in sorted(found.items()):
        text = Text(escape(", ".join(names)))
        for line in filter(None, advice):
            text.append(f"\n{'→ ' if _COMMAND.fullmatch(line) else ''}{escape(line)}", "dim")
        table.add_row(Text(escape(reason).replace("_", " ") if reason != before else ""), text)
        before = reason
    yield table


def _work(video: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "queued", f"{local(video['enqueued_at'])}, priority {video['priority']}"
    if video["finished_at"]:
        yield "finished", local(video["finished_at"])
    yield "failed tries", ", ".join(f"{n} {name}" for name, n in video["attempts"].items() if n)
    yield "took", _timings(video["timings"])
    if not video["url"].startswith("file:"):  # of those it is the first thing to be seen
        yield "media file", video["media"]["path"] or ""


def _timings(timings: Mapping[str, float]) -> str:
    """Return the whole first, then the wall time of each step, then the processor's."""
    steps = [(name.removesuffix("_s"), value) for name, value in timings.items() if not name.endswith("_cpu_s")]
    cpu_s = sum(value for name, value in timings.items() if name.endswith("_cpu_s"))
    parts = [f"{timings['total_s']:.1f} s in all"] if "total_s" in timings else []
    parts += [f"{escape(name).replace('_', ' ')} {value:.1f} s" for name, value in steps if name != "total"]
    return ", ".join([*parts, *([f"{cpu_s:.1f} s of CPU time"] if cpu_s else [])])


def _history(events: Sequence[Mapping[str, Any]], limit: int) -> Iterator[RenderableType]:
    yield _heading(f"history, the last {limit} of {len(events)}" if len(events) > limit else "history")
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for event in events[-limit:]:
        step = f"{event['from'] or 'new'} → {event['to']}"
        cells = (local(event["at"]), event["event"], step, event["reason"] or "")
        table.add_row(*(Text(escape(cell)) for cell in cells))
    yield table
