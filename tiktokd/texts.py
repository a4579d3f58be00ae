"""The words of a video: lines in the picture, and where words come from. Knows no model and no file.

Times are seconds from the start of the video. What people wrote is data here: it is compared and measured, never run,
opened or followed.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import JsonValue

from tiktokd.lettering import plain
from tiktokd.plugins import Context

Box = tuple[float, float, float, float]
"""x, y, w, h as shares (0..1) of the picture."""
Kind = Literal["caption", "ocr", "speech"]
OPENING_S = 3.0
"""The hook of a short video: most who leave do so by then."""
TOGETHER_S = 0.25
"""Lines that come and go within this of one another are one block."""


def _marks() -> str:
    """Return a character class body of all combining marks: vowel signs of Hindi, Thai, Arabic … are no `\\w`."""
    emoji = {*range(0xFE00, 0xFE10), 0x20E3}  # variation selectors and the keycap
    marks = {n for n in range(0x300, 0x1E000) if unicodedata.category(chr(n))[0] == "M"} - emoji
    starts = sorted(n for n in marks if n - 1 not in marks)
    ends = sorted(n for n in marks if n + 1 not in marks)
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))


IN_WORD = rf"\w\u200c\u200d{_marks()}"
"""Body of a regular expression's character class: what words of any script are made of."""
IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""The same for Han and kana, which are written without spaces."""
_TAG = rf"[#＃](?=\w)(?!\d{{1,3}}(?![{IN_WORD}]))[{IN_WORD}]+"
TAGS = re.compile(rf"(?<![\w&/])(?:{_TAG})+")
"""Hashtags, also several without space between them: letters, digits, underscores and joiners of any script after # or
the full-width ＃; a number of up to three digits is a rank ("we are #1"), and &#39; or a/b#c are no tags."""
_LETTER = rf"(?:(?![_{IDEOGRAPHS}])[{IN_WORD}])"
_WORD = re.compile(rf"[{IDEOGRAPHS}]|{_LETTER}+(?:['’]{_LETTER}+)*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_LINK_OR_MENTION = re.compile(r"https?://\S+|www\.\S+|[A-Za-z0-9][A-Za-z0-9._+-]*@[\w-]+\.[\w.-]+|[@＠][\w.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLine:
    """One line of text in the picture, as long as it is shown."""

    text: str
    score: float
    """Mean letter probability of the best reading, 0..1."""
    box: Box
    height_ratio: float
    """Height of the line (across its reading direction) as a share of the picture's height, 0..1."""
    start_s: float
    end_s: float
    samples: int
    """Full-size samples that show it, at least 1."""
    still: bool
    """It stays where it is: laid over the picture, or on a thing before a resting camera."""
    steps: tuple[tuple[float, str], ...] = ()
    """Of a line that grows: (second, words shown from then on), ascending, the last one whole; empty: whole at once."""

    @property
    def whole_s(self) -> float:
        """First moment that shows all of it, seconds."""
        return self.steps[-1][0] if self.steps else self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class OcrFeatures:
    """What encoder `ocr` reads in the picture of one clip."""

    lines: tuple[TextLine, ...]
    """By start, then top to bottom."""
    searched_s: tuple[float, ...]
    """Moments at which the picture was searched, seconds."""
    readings: int
    """Lines that were read letter by letter; a static caption counts once."""
    unread: tuple[tuple[float, float], ...] = ()
    """(start, end) in seconds of each line of writing that stands in the picture and cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of text from one source."""

    kind: Kind
    text: str
    start_s: float | None = None
    """When it is shown or said; `None` for the caption, which has no time."""
    end_s: float | None = None
    steps: tuple[tuple[float, str], ...] = ()
    """Of a line that grows: (second, words shown from then on) before it is whole."""
    box: Box | None = None
    """Where a line lies in the picture; `None`: not in the picture, or several lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandMatch:
    """One place that names a brand."""

    name: str
    kind: Kind
    start_s: float | None
    """When it is shown or said; `None` in the caption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMatch:
    """One place that asks viewers to do something, or says that somebody paid for the video."""

    type: str
    """A table of `data/calls_to_action.toml`: follow, like … promo_code, disclosure."""
    text: str
    """The words that matched."""
    lang: str
    """BCP-47 of the list that matched; "und" for hashtags."""
    passage: Passage
    negated: bool = False
    """It stands after a negation in its clause: no call, and no paraphrase of one."""


def passages(context: Context) -> list[Passage]:
    """Return the caption, the lines in the picture and the spoken sentences of a video, in this order.

    Reads the outputs of `on_screen_text` and `speech_transcription` where they have run; what is not there is left out.
    Styled letters are plain and invisible ones gone (`lettering`).
    """
    found = [Passage(kind="caption", text=context.metadata.description or "")]
    found += _shown(context)
    found += _spoken(context)
    return [each for passage in found if (each := _plain(passage)).text.strip()]


def _plain(one: Passage) -> Passage:
    steps = tuple((start_s, plain(text)) for start_s, text in one.steps)
    return replace(one, text=plain(one.text), steps=steps)


def by_kind(found: Iterable[Passage]) -> dict[Kind, str]:
    """Return the whole text of each source that says something, lines joined by newlines."""
    texts: dict[Kind, list[str]] = {}
    for passage in found:
        texts.setdefault(passage.kind, []).append(passage.text)
    return {kind: "\n".join(parts) for kind, parts in texts.items()}


def blocks(found: Iterable[Passage], *, joint: str = " ") -> list[Passage]:
    """Return the passages with lines that are shown at the same time joined: a sentence often takes several lines."""
    joined: list[Passage] = []
    for passage in found:
        last = joined[-1] if joined else None
        if last and passage.kind == last.kind == "ocr" and _together(last, passage):
            text = f"{last.text}{joint}{passage.text}"
            joined[-1] = Passage(kind="ocr", text=text, start_s=last.start_s, end_s=last.end_s)
        else:
            joined.append(passage)
    return joined


def opening(found: Iterable[Passage], until_s: float = OPENING_S) -> list[Passage]:
    """Return what is shown or said before `until_s`.

    Of a long sentence these are the words that fit in at its own pace, of a line that grows those shown by then.
    """
    cut = []
    for one in found:
        if one.kind == "caption" or one.start_s is None or one.start_s >= until_s:
            continue
        text = _shown_by(one, until_s) if one.steps else one.text
        if one.kind == "speech" and one.end_s is not None and one.end_s > until_s:
            spoken = text.split()
            share = (until_s - one.start_s) / (one.end_s - one.start_s)
            text = " ".join(spoken[: max(round(share * len(spoken)), 1)])
        cut.append(Passage(kind=one.kind, text=text, start_s=one.start_s, end_s=one.end_s))
    return cut


def sentences(found: Iterable[Passage]) -> list[Passage]:
    """Return the passages cut into sentences, tags and links taken out; each keeps the time of its passage."""
    return [
        Passage(kind=one.kind, text=part.strip(), start_s=one.start_s, end_s=one.end_s)
        for one in found
        for part in _SENTENCE.split(without_tags(one.text))
        if part.strip()
    ]


def language_units(context: Context) -> dict[str, list[str]]:
    """Return per source (caption, ocr, speech, hashtags) the stretches whose language is asked for, tags taken out.

    The first is the whole source, the others its sentences or blocks; a source that says nothing is not there.
    """
    found = passages(context)
    units: dict[str, list[str]] = {}
    for kind, text in by_kind(found).items():
        parts = [without_tags(part.text) for part in blocks(found) if part.kind == kind]
        whole = " ".join(parts)
        if any(char.isalpha() for char in whole):
            units[kind] = [whole, *(sentence for part in parts for sentence in _SENTENCE.split(part) if sentence)]
        tags = " ".join(hashtags(text)).replace("_", " ")
        if tags:
            units["hashtags"] = [f"{units['hashtags'][0]} {tags}" if "hashtags" in units else tags]
    return units


def words(text: str) -> list[str]:
    """Return the words in lower case; each ideograph or kana is a word of its own, as no spaces divide them."""
    return [match.group().lower() for match in _WORD.finditer(text)]


def hashtags(text: str) -> list[str]:
    """Return the hashtags as written, without #, in order, repeated ones too."""
    return [tag for chain in TAGS.findall(text) for tag in re.split("[#＃]", chain) if tag]


def without_tags(text: str) -> str:
    """Return the text without hashtags, mentions, links, e-mail addresses and empty lines."""
    lines = TAGS.sub(" ", _LINK_OR_MENTION.sub(" ", text)).splitlines()
    return "\n".join(" ".join(line.split()) for line in lines if line.strip())


def _shown_by(line: Passage, until_s: float) -> str:
    """Return how far a line that grows, and has begun, has come."""
    return [text for start_s, text in line.steps if start_s < until_s][-1]


def _together(a: Passage, b: Passage) -> bool:
    return (
        abs((a.start_s or 0.0) - (b.start_s or 0.0)) <= TOGETHER_S
        and abs((a.end_s or 0.0) - (b.end_s or 0.0)) <= TOGETHER_S
    )


def _shown(context: Context) -> Iterator[Passage]:
    envelope = context.outputs.get("on_screen_text")
    lines = envelope.summary.get("lines") if envelope and envelope.status in ("ok", "partial") else None
    for line in lines if isinstance(lines, list) else []:
        if isinstance(line, dict) and isinstance(line.get("text"), str):
            begun = line.get("beginnings")
            steps = [
                (_time(one, "start_s") or 0.0, str(one.get("text")))
                for one in (*(begun if isinstance(begun, list) else ()), line)
                if isinstance(one, dict)
            ]
            yield Passage(
                kind="ocr",
                text=str(line["text"]),
                start_s=steps[0][0] if begun else _time(line, "start_s"),
                end_s=_time(line, "end_s"),
                steps=tuple(steps) if begun else (),
                box=_box(line.get("box")),
            )


def _box(value: JsonValue) -> Box | None:
    shares = [float(n) for n in value if isinstance(n, int | float)] if isinstance(value, list) else []
    return (shares[0], shares[1], shares[2], shares[3]) if len(shares) == 4 else None


def _spoken(context: Context) -> Iterator[Passage]:
    envelope = context.outputs.get("speech_transcription")
    if envelope is None or envelope.status not in ("ok", "partial"):
        return
    timed = [segment for segment in envelope.segments if isinstance(segment.get("text"), str)]
    for segment in timed:
        yield Passage(
            kind="speech",
            text=str(segment["text"]),
            start_s=_time(segment, "start_s"),
            end_s=_time(segment, "end_s"),
        )
    text = envelope.summary.get("text")
    if not timed and isinstance(text, str):
        yield Passage(kind="speech", text=text)


def _time(fields: Mapping[str, JsonValue], key: str) -> float | None:
    value = fields.get(key)
    return float(value) if isinstance(value, int | float) else None
