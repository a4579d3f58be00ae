"""What in the words of a video a person should look at: private data, wording of scams, hidden links, toxicity.

Private data are found by shape and checksum, and, where the extra `openai/privacy-filter` was fetched, in free text by
a model (names, addresses, dates, links, accounts, secrets); all are stored masked. Scams are found by wording;
shortened links by host; toxicity, in the full tier only, by a model (`toxicity`) on the text in plain words (spellings
such as "unalive" undone). This is a signal for review: there is no verdict "safe". Bad at: reclaimed slurs, quotations
and dialects (toxicity models score some dialects higher without reason), scams in other words or languages, private
data spelled out in words (without the extra), names of public people (with it).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tiktokd.analyzers._private_data import Found, PiiType, private_data, scams, shorteners, told
from tiktokd.analyzers._unheard import no_words
from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, skipped
from tiktokd.text_features import TOXIC, PrivateSpan, TextScores
from tiktokd.texts import Kind, Passage, blocks, passages

REVIEW_SCORE = 0.5
"""Any toxicity score from here on asks for review; uncalibrated, so rather too often than too seldom."""
UNTOLD = frozenset({"person", "date", "url"})
"""Kinds of private data that are in many harmless posts: by themselves they ask for no review. Chosen, not measured."""
Spans = Mapping[str, Sequence[PrivateSpan]]
"""Text of a passage → what the model calls private in it."""


class ToxicityScores(BaseModel):
    """Highest score of any stretch of text, 0..1, not calibrated; `None`: the model does not know this kind."""

    model_config = ConfigDict(frozen=True)

    toxicity: float | None = None
    """Rude or hateful, 0..1."""
    insult: float | None = None
    """0..1."""
    threat: float | None = None
    """0..1."""
    obscene: float | None = None
    """0..1."""
    identity_attack: float | None = None
    """Against a group, 0..1."""
    sexual: float | None = None
    """0..1."""


class PrivateData(BaseModel):
    """One piece of private data."""

    model_config = ConfigDict(frozen=True)

    type: PiiType
    """By shape, cards and IBANs by checksum too; person, date, url, account, secret and other by the extra model alone,
    which also finds further addresses, e-mails and phone numbers."""
    source: Kind
    """Where it stands."""
    start_s: float | None
    """When it is first shown or said, seconds; `None` in the caption."""
    masked: str
    """Enough to see what it is, not enough to use it."""


class Suspicion(BaseModel):
    """One wording or link that scams and solicitations use."""

    model_config = ConfigDict(frozen=True)

    type: str
    """guaranteed_money, investment, giveaway, move_away (to a messenger), account_danger, followers_for_sale,
    solicitation, short_link or hidden_spelling."""
    source: Kind
    """Where it stands."""
    start_s: float | None
    """When it is first shown or said, seconds; `None` in the caption."""
    detail: str | None
    """Host of a shortened link, or the spelling; `None` for wordings, which may hold private data."""


class TextModeration(Output):
    """Summary."""

    scores: ToxicityScores | None
    """`None`: no model, no score; see `unknown`."""
    pii: list[PrivateData]
    """In order of caption, picture, speech."""
    suspicions: list[Suspicion]
    """In the same order."""
    needs_review: bool
    """A person should look: private data other than a name, a date or a link, a suspicion other than a spelling, a
    score of 0.5. `False` is no verdict."""
    unknown: dict[str, str]
    """`scores`, where null → why: model_missing, no_text (no sentence), no_sources (the model failed)."""


class ReviewSegment(Segment):
    """When something to look at is shown or said."""

    type: str
    """Type of the private data or suspicion."""
    source: Literal["ocr", "speech"]
    """Where it stands."""


def analyze(context: Context) -> Result:
    """Return what to look at, or skipped/no_sources."""
    found = blocks(passages(context))
    if not found:
        return skipped(*no_words(context, "no caption, no text in the picture, no transcript"))
    spans: Spans = context.features.get("privacy_filter") or {}
    pii = [
        PrivateData(type=one.type, source=passage.kind, start_s=passage.start_s, masked=one.masked)
        for passage in found
        for one in _private(passage, spans)
    ]
    plain: Mapping[str, tuple[str, Sequence[str]]] = context.features["algospeak"]
    suspicions = [one for passage in found for one in _suspicions(passage, plain)]
    scores = _scores(context.features.get("toxicity"))
    toxic = scores is not None and any((score or 0.0) >= REVIEW_SCORE for score in scores.model_dump().values())
    output = TextModeration(
        scores=scores,
        pii=pii,
        suspicions=suspicions,
        needs_review=toxic
        or any(one.type not in UNTOLD for one in pii)
        or any(one.type != "hidden_spelling" for one in suspicions),
        unknown={} if scores is not None else {"scores": (context.lack("toxicity") or ("no_text", ""))[0]},
    )
    return ok(output, _segments(found, plain, spans), calibrated=False)


def _private(passage: Passage, spans: Spans) -> list[Found]:
    return private_data(passage.text) + told(passage.text, spans.get(passage.text, ()))


def _suspicions(passage: Passage, plain: Mapping[str, tuple[str, Sequence[str]]]) -> list[Suspicion]:
    def one(kind: str, detail: str | None = None) -> Suspicion:
        return Suspicion(type=kind, source=passage.kind, start_s=passage.start_s, detail=detail)

    _, spellings = plain.get(passage.text, ("", ()))
    return [
        *(one(kind) for kind in scams(passage.text)),
        *(one("short_link", host) for host in dict.fromkeys(shorteners(passage.text))),
        *(one("hidden_spelling", spelling) for spelling in spellings),
    ]


def _scores(found: TextScores | None) -> ToxicityScores | None:
    if found is None or not found.scores:
        return None
    best: dict[str, float] = {}
    for values in found.scores.values():
        for label, value in zip(found.labels, values.tolist(), strict=True):
            name = TOXIC.get(label)
            if name:
                best[name] = max(best.get(name, 0.0), round(float(value), 4))
    return ToxicityScores(**best) if best else None


def _segments(
    found: Sequence[Passage], plain: Mapping[str, tuple[str, Sequence[str]]], spans: Spans
) -> list[ReviewSegment]:
    segments = []
    for passage in found:
        if passage.start_s is None or passage.kind == "caption":
            continue
        kinds = [one.type for one in _private(passage, spans)] + [one.type for one in _suspicions(passage, plain)]
        end = max(passage.end_s or passage.start_s, passage.start_s)
        segments += [
            ReviewSegment(start_s=passage.start_s, end_s=end, type=kind, source=passage.kind)
            for kind in dict.fromkeys(kinds)
        ]
    return segments


ANALYZER = Analyzer(
    name="text_moderation",
    title="Which words a person should look at: private data, scams, hidden links, toxicity",
    group="text",
    output=TextModeration,
    segment=ReviewSegment,
    analyze=analyze,
    uses=("algospeak",),
    optional=("toxicity", "privacy_filter"),
    after=("on_screen_text", "speech_transcription"),
    version="6",
)
