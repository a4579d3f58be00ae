"""The summary of an analysis as people read it: names without suffixes, values with their units, lists with bars.

Knows no analyzer: what a value is follows from its name (STYLE 7: units are suffixes, ratios are 0..1) and its shape.
Foreign text is made harmless here, once; the caller hands the result to `rich.text.Text`.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tiktokd.cli._format import bar
from tiktokd.printable import shortened

UNITS = (
    ("_per_min", "/min"), ("_per_s", "/s"), ("_per_day", "/day"), ("_lufs", " LUFS"), ("_lu", " LU"),
    ("_dbtp", " dBTP"), ("_db", " dB"), ("_bpm", " bpm"), ("_hz", " Hz"), ("_st", " semitones"), ("_ms", " ms"),
    ("_s", " s"), ("_px", " px"), ("_kbps", " kbit/s"), ("_cps", " characters/s"), ("_bits", " bits"),
)  # fmt: skip
"""Suffix of a name → what stands behind the number; the longer suffix first."""
SHARES = ("_ratio", "_prob", "_ratio_mean")
"""Suffixes of names whose values are 0..1 and read best as per cent."""
TIMES = frozenset({"motion_ratio", "speed_ratio"})
"""Of these names, those that say how many times one thing is another; a test compares them with the analyzers."""
REASONS = {"unknown": "not known", "missing": "not known"}
"""Fields that say why others are null → how people call them."""
LABELS = (
    "label", "name", "text", "masked", "hashtag", "hex", "video_id", "group", "category", "kind", "type", "lang", "id",
)  # fmt: skip
"""Fields that may say what an entry of a list is, the best first."""
MEASURES = ("score", "share", "prob", "matched_ratio", "score_max", "time_ratio", "probability", "p", "votes")
"""Fields that may say how much of it there is, the best first."""
FEW = 8
"""Facts of one analysis that are shown before --full."""
FEW_ENTRIES = 3
"""Entries of a list that are shown before --full."""
FEW_VALUES = 6
TEXT_CHARS = 200
WORD_CHARS = 60
"""Letters and signs without a space, such as links, before --full; more of them fill lines and say little."""
ALL = 1_000_000
"""Limit of --full."""
QUOTED = ("text", "caption", "text_all", "hook_text", "title")
"""Fields whose text is somebody's words."""
CODED = frozenset({"label", "group", "category", "kind", "type", "id", "move", "role", "source"})
"""Fields whose values are words of ours, written_like_this."""
_CODE = re.compile("[a-z0-9]+(_[a-z0-9]+)+")
_LONG_WORD = re.compile(rf"([!-~]{{{WORD_CHARS - 1}}})[!-~]{{2,}}")
_SPAN = re.compile(r"_(\d+)_(\d+)$")
"""`cuts_0_3`: from second 0 to 3."""
_OPAQUE = re.compile(r"(?=\d*[a-f])[0-9a-f]{12,}|[A-Za-z0-9+/=_-]{60,}")
"""Hashes and packed data: for programs. Digits alone are the id of a post or a sound."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list, harmless."""

    label: str
    ratio: float | None
    """0..1, for a bar; `None`: nothing measures it."""
    colour: str | None = None
    """`#rrggbb` of an entry that is a colour."""

    def __str__(self) -> str:
        """Return it on one line, without a bar."""
        return self.label if self.ratio is None else f"{self.label} {self.ratio:.0%}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A summary for people."""

    facts: tuple[str, ...]
    """`true peak -5.07 dBTP`."""
    lists: tuple[tuple[str, tuple[Entry, ...]], ...]
    """Name and entries of each list that is worth a bar per entry."""
    left_out: int
    """Facts and entries that only --full shows."""


def reading(summary: Mapping[str, Any], *, full: bool = False) -> Reading:
    """Return a summary in the order of its fields; without `full` only the first facts, and nothing that is empty."""
    facts: list[str] = []
    lists: list[tuple[str, tuple[Entry, ...]]] = []
    left_out = 0
    for name, value in summary.items():
        if not full and (value is None or value in ("", [], {}) or is_opaque(value)):
            continue
        found = entries(value, full=full)
        if not full and name.endswith("_formula"):
            left_out += 1
        elif found is not None:
            shown = found if full else found[:FEW_ENTRIES]
            lists.append((title(name), tuple(shown)))
            left_out += len(found) - len(shown)
        elif full or len(facts) < FEW:
            facts.append(f"{title(name)} {said(name, value, full=full)}")
        else:
            left_out += 1
    return Reading(tuple(facts), tuple(lists), left_out)


def title(name: str) -> str:
    """Return a field's name without its unit: `true_peak_dbtp` → `true peak`, `cuts_0_3` → `cuts (0-3 s)`."""
    for suffix in (*(suffix for suffix, _ in UNITS), *SHARES):
        if name.endswith(suffix) and name != suffix:
            name = name.removesuffix(suffix)
            break
    name = _SPAN.sub(r" (\1-\2 s)", REASONS.get(name, name))
    return shortened(name.replace("_", " "), TEXT_CHARS)


def unit_of(name: str) -> str:
    """Return what stands behind the number in a field of this name; empty for one without a unit."""
    return next((unit for suffix, unit in UNITS if name.endswith(suffix)), "")


def said(name: str, value: Any, *, full: bool = False) -> str:
    """Return a value as people read it, with the unit that its name carries; `-` where it is not known."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return _number(name, value)
        case str():
            return _text(name, value, ALL if full else TEXT_CHARS)
        case dict() if name in REASONS:
            return _reasons(value)
        case dict():
            return _mapping(value, full=full)
        case list() | tuple():
            return _sequence(name, value, full=full)
    return one_line(str(value), TEXT_CHARS)


def number(value: float) -> str:
    """Return a number with three digits that matter; of large ones all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def one_line(text: str, limit: int) -> str:
    """Return foreign text on one line, harmless, its line breaks as ` / `."""
    line = " / ".join(part.strip() for part in text.splitlines() if part.strip())
    return shortened(line if limit > TEXT_CHARS else _LONG_WORD.sub(lambda word: f"{word[1]}…", line), limit)


def entries(value: Any, *, full: bool = False) -> list[Entry] | None:
    """Return a list of named things, each with its measure; `None` where `value` is none or only lists moments.

    `full` puts every field of an entry into its label.
    """
    if not isinstance(value, list | tuple) or not value or is_opaque(value):
        return None
    if not all(isinstance(each, Mapping) and not {"start_s", "end_s"} <= each.keys() for each in value):
        return None
    found = [one for each in value if (one := entry(each)) is not None]
    if len(found) < len(value):
        return None
    if full:
        return [replace(one, label=_mapping(each, full=True)) for one, each in zip(found, value, strict=True)]
    return found


def entry(fields: Mapping[str, Any]) -> Entry | None:
    """Return what an entry of a list is and how much of it there is; `None` where it has no name."""
    keys = [key for key in LABELS if isinstance(fields.get(key), str) and fields[key]]
    if not keys:
        return None
    label = plain_words(keys[0], fields[keys[0]])
    if "text" in fields and "type" in fields:
        label = f"{plain_words('type', str(fields['type']))}: {fields['text']}"
    elif isinstance(fields.get("value"), float) and isinstance(fields.get("name"), str):
        label = f"{title(fields['name'])} {said(fields['name'], fields['value'])}"
        label += f" (z {fields['z']:+.1f})" if isinstance(fields.get("z"), float) else ""
    elif label == fields.get("video_id") and "kind" in fields:
        label = f"{label} ({fields['kind']})"
    measured = next((fields[key] for key in MEASURES if isinstance(fields.get(key), float)), None)
    colour = fields.get("hex") if re.fullmatch("#[0-9a-f]{6}", str(fields.get("hex"))) else None
    within = measured is not None and 0 <= measured <= 1
    return Entry(one_line(label, TEXT_CHARS), measured if within else None, colour)


def plain_words(name: str, value: str) -> str:
    """Return a value of the field `name`; words of ours without their underscores."""
    return value.replace("_", " ") if name in CODED and _CODE.fullmatch(value) else value


def is_opaque(value: Any) -> bool:
    """Return whether a value is for programs only: a hash, packed data, a list of things that all hold some."""
    if isinstance(value, list | tuple) and value:
        return all(isinstance(each, Mapping) and any(map(is_opaque, each.values())) for each in value)
    return isinstance(value, str) and _OPAQUE.fullmatch(value) is not None


def _text(name: str, value: str, limit: int) -> str:
    if is_opaque(value):
        return f"({len(value):,} characters, in --json)"
    line = one_line(value, limit)
    return f"“{line}”" if name in QUOTED else line


def _number(name: str, value: float) -> str:
    if name in TIMES:
        return f"{number(value)}×"
    if name.endswith((*SHARES, "_rate")) and 0 <= value <= 1:
        return f"{bar(value, 5)} {value:.0%}"
    return number(value) + unit_of(name)


def _reasons(value: Mapping[str, Any]) -> str:
    """Return field → reason as people read it, each reason once: `framing, facing (model missing)`."""
    fields: dict[str, list[str]] = {}
    for name, reason in value.items():
        fields.setdefault(str(reason), []).append(title(name))
    told = ((", ".join(names), one_line(reason.replace("_", " "), TEXT_CHARS)) for reason, names in fields.items())
    return ", ".join(f"{names} ({reason})" for names, reason in told) or "-"


def _mapping(value: Mapping[str, Any], *, full: bool) -> str:
    if (inner := entry(value)) and not full:
        return str(inner)
    if len(value) > FEW and not full:
        return f"{len(value)} values"
    parts = [(key, each) for key, each in value.items() if full or each not in (None, "", [], {})]
    return ", ".join(f"{title(key)} {said(key, each, full=full)}" for key, each in parts) or "-"


def _sequence(name: str, value: Sequence[Any], *, full: bool) -> str:
    if not value:
        return "none"
    if is_opaque(value):
        return f"({len(value):,} of them, in --json)"
    if all(isinstance(each, Mapping) for each in value):
        if full:
            return "; ".join(_mapping(each, full=True) for each in value)
        kinds = Counter(str(each["kind"]) for each in value if isinstance(each.get("kind"), str))
        counted = ", ".join(
            f"{count} {one_line(plain_words('kind', kind), TEXT_CHARS)}" for kind, count in kinds.items()
        )
        return counted if kinds.total() == len(value) else str(len(value))
    shown = list(value) if full else list(value)[:FEW_VALUES]
    words = [number(each) if isinstance(each, int | float) else _text("", str(each), TEXT_CHARS) for each in shown]
    more = f" … {len(value)} in all" if len(shown) < len(value) else ""
    return ", ".join(words) + (unit_of(name) if isinstance(shown[0], int | float) else "") + more
