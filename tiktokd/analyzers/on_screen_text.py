"""Text in the picture: what it says, from when to when, where, and how readable it is.

Lines come from encoder `ocr` (PP-OCRv6; Apache-2.0). Start and end are those of the small frames: to 0.1 s for text
laid over the picture, a little worse for text on things that move. Roles are rules over place, time and size. Bad at:
Cyrillic, Arabic, Greek, Korean, Thai and Indic letters (it has no signs for them: lines that stand are counted and make
the result `unsupported_script`, now and then a short garbled line is given), Vietnamese tone marks, words that fill
more than a fifth of the picture's height and single digits over a tenth of it (countdowns), captions of one word that
change more than once a second (a fifth to a quarter is missed, most of them short words), lines that slide in (the part
that is seen first may be a line of its own), the space between two words (now and then lost), small clocks (a digit
that looks like the one before), rotated or curved writing, rows of emoji (untested; they may count as letters that it
cannot read); logos are read as text; short captions in long videos that move: 60 pictures are searched at most, and
small frames get rare (captions of 1.5 to 5 s are searched for, 88 % of them in four minutes, 35 % in ten). A page of 90
lines takes 4 CPU seconds per 10 s of video.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.texts import Box, OcrFeatures, TextLine

Role = Literal["title", "caption", "sticker", "watermark"]

SAFE_ZONE: Box = (0.06, 0.07, 0.80, 0.72)
"""What TikTok's own buttons and caption leave free of a 9:16 picture: about 6 % left, 14 % right, 7 % top, 21 % bottom
(advertising guides give 60/120/130/370-480 px of 1080x1920; the app changes it now and then)."""
WATERMARK_TIME = 0.8
"""A small line that is there for this share of the video, and at least 4 s, belongs to the account."""
WATERMARK_MIN_S = 4.0
WATERMARK_HEIGHT = 0.055
TITLE_START_S, TITLE_HEIGHT = 1.0, 0.045
"""A title is there from the start and large: 4.5 % is 46 px of 1024."""
CAPTION_PLACE = 0.12
"""Captions follow one another at the same height, to this share of the picture."""


class Beginning(BaseModel):
    """What is shown of a line that grows word by word, before all of it is shown."""

    model_config = ConfigDict(frozen=True)

    text: str
    """The words shown."""
    start_s: float
    """First frame that shows them, seconds."""
    end_s: float
    """First frame that shows more, seconds."""


class ShownLine(BaseModel):
    """One line of text, as long as it is shown."""

    model_config = ConfigDict(frozen=True)

    text: str
    """As read."""
    start_s: float
    """First frame that shows all of it, seconds."""
    end_s: float
    """First frame that does not, seconds."""
    beginnings: list[Beginning]
    """Of a line that grows word by word, what is shown before all of it is, by time; most lines have none."""
    box: tuple[float, float, float, float]
    """x, y, w, h, shares 0..1 of the picture."""
    score: float
    """Mean letter probability, 0.75..1."""
    role: Role
    """title: large and there from the start; caption: one of several that follow one another; watermark: small and
    there nearly all the time, or an @name; sticker: everything else."""
    height_ratio: float
    """Height of the line, share 0..0.2 of the picture's height."""


class OnScreenText(Output):
    """Summary."""

    text_all: str
    """All lines in the order in which they come up, top to bottom, joined by newlines."""
    lines: list[ShownLine]
    """By first word, then top to bottom."""
    text_time_ratio: float
    """Share 0..1 of the video that shows any text."""
    chars: int
    """Letters, digits and signs of all lines, spaces not counted."""
    reading_speed_cps: float | None
    """Characters per second while text other than watermarks is shown; above about 17 few can follow (subtitle
    guidelines, adults). `None`: watermarks only."""
    safe_zone_violation_ratio: float
    """Share 0..1 of the text's area, weighted by time, that lies where TikTok's own controls cover the picture."""


class TextSegment(Segment):
    """When a line, or the beginning of one that grows, is shown."""

    text: str
    """As read."""
    role: Role
    """As in the summary."""


def analyze(context: Context) -> Result:
    """Return the text in the picture, or skipped/no_text, skipped/unsupported_script."""
    features: OcrFeatures = context.features["ocr"]
    unread = _unread(features)
    if not features.lines and unread:
        return skipped("unsupported_script", unread)
    if not features.lines:
        return skipped("no_text", f"no text was found in {len(features.searched_s)} searched frames")
    duration = context.facts.duration_s
    lines = [_shown(line, features.lines, duration) for line in features.lines]
    read = [line for line in lines if line.role != "watermark"]
    read_s = _union_s(_spans(read))
    output = OnScreenText(
        text_all="\n".join(line.text for line in lines),
        lines=lines,
        text_time_ratio=round(min(_union_s(_spans(lines)) / max(duration, 1e-6), 1), 4),
        chars=_chars(lines),
        reading_speed_cps=round(_chars(read) / read_s, 2) if read_s > 0 else None,
        safe_zone_violation_ratio=round(_outside(lines), 4),
    )
    segments = [segment for line in lines for segment in _segments(line)]
    if unread:
        return partial(output, "unsupported_script", unread, segments, calibrated=False)
    return ok(output, segments, calibrated=False)


def _segments(line: ShownLine) -> list[TextSegment]:
    whole = TextSegment(start_s=line.start_s, end_s=line.end_s, text=line.text, role=line.role)
    begun = [TextSegment(start_s=b.start_s, end_s=b.end_s, text=b.text, role=line.role) for b in line.beginnings]
    return [*begun, whole]


def _unread(features: OcrFeatures) -> str | None:
    """Return in words what writing was seen and could not be read."""
    if not features.unread:
        return None
    count, start_s = len(features.unread), features.unread[0][0]
    lines = "a line of writing was" if count == 1 else f"{count} lines of writing were"
    return (
        f"{lines} seen (from {start_s:.1f} s on) that cannot be read: most likely in another script than Latin, "
        "Chinese or Japanese"
    )


def _shown(line: TextLine, every: Sequence[TextLine], duration_s: float) -> ShownLine:
    until = [start_s for start_s, _ in line.steps[1:]]
    return ShownLine(
        text=line.text,
        start_s=line.whole_s,
        end_s=max(min(line.end_s, duration_s), line.whole_s),
        beginnings=[
            Beginning(text=text, start_s=start_s, end_s=end_s)
            for (start_s, text), end_s in zip(line.steps[:-1], until, strict=False)
        ],
        box=line.box,
        score=round(min(line.score, 1.0), 4),
        role=_role(line, every, duration_s),
        height_ratio=line.height_ratio,
    )


def _spans(lines: Iterable[ShownLine]) -> list[tuple[float, float]]:
    """Return when anything of each line is shown."""
    return [(min([line.start_s, *(one.start_s for one in line.beginnings)]), line.end_s) for line in lines]


def _role(line: TextLine, every: Sequence[TextLine], duration_s: float) -> Role:
    """Return what a line is there for."""
    shown_s = line.end_s - line.start_s
    lasting = shown_s >= max(WATERMARK_TIME * duration_s, WATERMARK_MIN_S)
    if line.text.startswith("@") or (
        line.still and lasting and line.height_ratio <= WATERMARK_HEIGHT and _at_edge(line.box)
    ):
        return "watermark"
    if line.start_s <= TITLE_START_S and line.height_ratio >= TITLE_HEIGHT and line.box[1] < 0.5:
        return "title"
    return "caption" if line.still and _has_successor(line, every) else "sticker"


def _at_edge(box: Box) -> bool:
    """Return whether a line lies in the outer quarter, where accounts and tools put their names."""
    middle = box[1] + box[3] / 2
    return middle < 0.15 or middle > 0.8


def _has_successor(line: TextLine, every: Sequence[TextLine]) -> bool:
    """Return whether other words come before or after at the same height, within two seconds."""
    for other in every:
        near = abs(other.box[1] - line.box[1]) <= CAPTION_PLACE and other.text != line.text
        gaps = (other.start_s - line.end_s, line.start_s - other.end_s)
        if near and any(-0.1 <= gap <= 2.0 for gap in gaps):
            return True
    return False


def _chars(lines: Iterable[ShownLine]) -> int:
    return sum(len("".join(line.text.split())) for line in lines)


def _union_s(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of spans, seconds."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _outside(lines: Iterable[ShownLine]) -> float:
    """Return the share of area times time outside the safe zone."""
    inside = total = 0.0
    x, y, w, h = SAFE_ZONE
    for line in lines:
        left, top, width, height = line.box
        weight = max(line.end_s - line.start_s, 0.1)
        over_w = max(min(left + width, x + w) - max(left, x), 0.0)
        over_h = max(min(top + height, y + h) - max(top, y), 0.0)
        inside += over_w * over_h * weight
        total += width * height * weight
    return max(1.0 - inside / total, 0.0) if total > 0 else 0.0


ANALYZER = Analyzer(
    name="on_screen_text",
    title="What does the picture say, when and where",
    group="video",
    output=OnScreenText,
    segment=TextSegment,
    analyze=analyze,
    uses=("ocr",),
    needs=frozenset({"video"}),
    version="6",
)
