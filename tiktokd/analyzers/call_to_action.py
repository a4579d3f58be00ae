"""What the video asks its viewers to do, which codes it gives, and whether it says that it is advertising.

Phrase lists in 16 languages (`data/calls_to_action.toml`, or the user's own), promo codes behind words like "code",
links, QR codes (OpenCV), and notes of paid partnership in words, hashtags and the site's own mark. QR payloads and
links are data: nothing opens them. Full tier: sentences that say the same in other words, by their nearness to the
sentences of `data/prototypes/calls.toml` (E5).

Bad at: reported speech, lyrics, irony, other words than those of the lists; text in scripts that `on_screen_text`
cannot read is missed; a silent advertisement is no disclosure. Of the site's marks only `isAd` of TikTok's page is
read. Nobody documents it, and it was never seen on a paid post here; other fields of that record that may mean a paid
partnership are numbers without a known meaning, and left alone. Paraphrases are bad at negation in words that the lists
do not know, and their margin is not fitted to data: they score 0.5.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict

from tiktokd.analyzers._parsing import parse
from tiktokd.analyzers._unheard import missed, no_words
from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, skipped
from tiktokd.text_features import TextVectors
from tiktokd.texts import CallMatch, Kind, Passage, blocks, passages, sentences, words

CallType = Literal[
    "follow", "like", "comment", "share", "save", "link_in_bio", "shop", "visit_url", "watch_to_end", "part_2",
    "promo_code",
]  # fmt: skip
Source = Literal["caption", "ocr", "speech", "qr"]

PHRASE_SCORE, LONG_PHRASE_SCORE, LINK_SCORE, QR_SCORE, PARAPHRASE_SCORE = 0.9, 0.7, 0.7, 1.0, 0.5
LONG_WORDS = 25
"""In a sentence this long a call is more often told than made."""
PARAPHRASE_WORDS_MIN = 3
"""One or two words have no meaning that a sentence vector could tell."""
PROTOTYPES = "calls"
"""Of data/prototypes."""
LAST_QUARTER = 0.75
CODE = re.compile(
    r"(?<!dress )(?<!zip )(?<!area )(?<!bar )(?<!source )(?<!postal )(?<!error )(?<!DRESS )(?<!ZIP )(?<!AREA )(?<!QR )"
    r"(?i:\b(?:promo-?code|code|coupon|rabattcode|gutscheincode|código|codigo|cupón|cupom|codice|kodu|kodem|kod|kode|"
    r"промокод\w*|код\w*|كود|mã)\b|コード|코드|优惠码|折扣码|优惠券码|優惠碼|折扣碼|邀请码|口令)"
    r"(?i:\s+(?:promo|promozionale|sconto|promocional|de|di|do|descuento|desconto|réduc|rabatowy|rabatowym|promocyjny|"
    r"giảm|giá|khuyến|mãi|diskon|voucher|is|ist|الخصم|خصم))*"
    r"[\s:：=\"“”'«»はをで는은를]*([A-Z0-9][A-Z0-9_-]{2,19})(?![A-Za-z0-9])"
)
"""Three to twenty capitals and digits behind a word for "code"."""
NO_CODES = frozenset({
    "AND", "APP", "AREA", "AT", "BAR", "BELOW", "CHECKOUT", "CODE", "DRESS", "FOR", "FROM", "HERE", "IN", "IS",
    "LINK", "MY", "NOT", "NOW", "OF", "OFF", "ON", "OR", "QR", "RED", "SCAN", "THE", "TO", "TODAY", "WITH",
    "YOU", "YOUR", "ZIP", "NAME", "UND", "FÜR", "MIT", "DER", "DIE", "DAS", "PARA", "POUR", "CON", "SUR",
})  # fmt: skip
"""Words that follow "code" where everything is in capitals."""


class Call(BaseModel):
    """One call to action."""

    model_config = ConfigDict(frozen=True)

    type: CallType
    """What viewers are to do."""
    text: str
    """The words of the call (the whole sentence of a paraphrase), the link, or the payload of the QR code."""
    source: Source
    """Where it stands."""
    t_s: float | None
    """When it is first shown or said, seconds; `None` in the caption."""
    lang: str | None
    """BCP-47 of the phrase list that matched; `None` for paraphrases, links and QR codes."""
    score: float
    """0..1, not calibrated: 1 a QR code, 0.9 a phrase, 0.7 a phrase in a sentence of 25 words and more, or a link, 0.5
    a paraphrase."""
    paraphrase: bool
    """Found by its meaning, not by a phrase of the lists; full tier."""


class Disclosure(BaseModel):
    """Whether the video says that it is advertising."""

    model_config = ConfigDict(frozen=True)

    present: bool
    """Said in words or hashtags, or marked by the site; `False` does not mean that nobody paid."""
    evidence: list[str]
    """The words and hashtags, each once."""
    platform_flag: bool | None
    """The site's own mark of the post as an advertisement (`isAd`); `None`: it did not say, as of every file that was
    not downloaded from it."""


class CallToAction(Output):
    """Summary."""

    ctas: list[Call]
    """By time, those of the caption last; each type, text and source once."""
    promo_codes: list[str]
    """Codes as written, each once."""
    qr_payloads: list[str]
    """What QR codes hold, each once; never opened."""
    disclosure: Disclosure
    """Notes of advertising."""
    first_cta_s: float | None
    """When the first call of `ctas` is shown or said, seconds; `None`: none but in the caption, or see `unknown`."""
    last_quarter_cta: bool | None
    """A call begins in the last quarter of the video (one that is shown throughout does not); `None`: none of `ctas`,
    and there may be others, see `unknown`."""
    unknown: dict[str, str]
    """Field that is null because not all that is said and shown is known → why: model_missing, cpu_fallback, truncated
    (a long video), unsupported_script (writing that cannot be read), no_sources (not asked for) …"""


class CallSegment(Segment):
    """When a call is shown or said."""

    type: CallType
    """As in the summary."""
    text: str
    """As in the summary."""
    source: Source
    """As in the summary."""


def analyze(context: Context) -> Result:
    """Return the calls, or skipped/no_sources where there is neither text, nor a QR code, nor the mark of an ad."""
    found = blocks(passages(context))
    codes = _codes(context.signals.get("qr", {}))
    marked = context.metadata.is_ad
    if not found and not codes and not marked:
        return skipped(*no_words(context, "no caption, no text in the picture, no transcript, no QR code"))
    phrases: Sequence[CallMatch] = context.features["call_phrases"]
    matches = [match for match in phrases if not match.negated]
    calls = [_said(match) for match in matches if match.type != "disclosure"]
    calls += _paraphrased(found, phrases, context.features.get("e5"))
    calls += [(call, passage.end_s) for passage in found for call in _links(passage)]
    calls += [
        (_call("visit_url", payload, "qr", first, QR_SCORE), last)
        for payload, first, last in codes
        if parse(payload).urls
    ]
    ctas = _once(calls)
    timed = [call.t_s for call, _ in ctas if call.t_s is not None]
    last_s = LAST_QUARTER * context.facts.duration_s
    late = any(t >= last_s for t in timed)
    missing = {"first_cta_s": missed(context, 0.0) if not timed else None}
    missing |= {"last_quarter_cta": missed(context, last_s) if not late else None}
    unknown: dict[str, str] = {name: why for name, why in missing.items() if why is not None}
    evidence = list(dict.fromkeys(match.text for match in matches if match.type == "disclosure"))
    output = CallToAction(
        ctas=[call for call, _ in ctas],
        promo_codes=list(dict.fromkeys(code for passage in found for code in promo_codes(passage.text))),
        qr_payloads=[payload for payload, _, _ in codes],
        disclosure=Disclosure(present=bool(evidence) or marked is True, evidence=evidence, platform_flag=marked),
        first_cta_s=min(timed, default=None),
        last_quarter_cta=None if "last_quarter_cta" in unknown else late,
        unknown=unknown,
    )
    segments = [
        CallSegment(start_s=c.t_s, end_s=max(end or c.t_s, c.t_s), type=c.type, text=c.text, source=c.source)
        for c, end in ctas
        if c.t_s is not None
    ]
    return ok(output, segments, calibrated=False)


def promo_codes(text: str) -> list[str]:
    """Return the promo codes in a text, in reading order."""
    return [code for code in CODE.findall(text) if code not in NO_CODES and not code.isdigit()]


def _said(match: CallMatch) -> tuple[Call, float | None]:
    passage = match.passage
    score = LONG_PHRASE_SCORE if len(words(passage.text)) >= LONG_WORDS else PHRASE_SCORE
    call = Call(
        type=cast(CallType, match.type),
        text=match.text,
        source=passage.kind,
        t_s=passage.start_s,
        lang=None if match.lang == "und" else match.lang,
        score=score,
        paraphrase=False,
    )
    return call, passage.end_s


def _paraphrased(
    found: Sequence[Passage], phrases: Sequence[CallMatch], vectors: TextVectors | None
) -> list[tuple[Call, float | None]]:
    """Return the calls in other words: of sentences in which the lists find nothing, not even negated."""
    if vectors is None:
        return []
    taken = [(match.passage.start_s, _plain(match.text)) for match in phrases]
    calls = []
    for one in sentences(found):
        said = _plain(one.text)
        if not PARAPHRASE_WORDS_MIN <= len(words(one.text)) < LONG_WORDS:
            continue
        if any(start == one.start_s and phrase in said for start, phrase in taken):
            continue
        kind = vectors.paraphrased(one.text.strip(), PROTOTYPES)
        if kind in get_args(CallType):
            call = _call(cast(CallType, kind), one.text.strip(), one.kind, one.start_s, PARAPHRASE_SCORE)
            calls.append((call, one.end_s))
    return calls


def _plain(text: str) -> str:
    """Return the text as the phrase lists read it, so that one can be found in the other."""
    return " ".join(text.replace("’", "'").lower().split())


def _call(kind: CallType, text: str, source: Source, t_s: float | None, score: float) -> Call:
    paraphrase = score == PARAPHRASE_SCORE
    return Call(type=kind, text=text, source=source, t_s=t_s, lang=None, score=score, paraphrase=paraphrase)


def _links(passage: Passage) -> Iterable[Call]:
    kind: Kind = passage.kind
    for url in parse(passage.text).urls:
        yield _call("visit_url", url, kind, passage.start_s, LINK_SCORE)


def _codes(signal: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return payload, first and last moment of each QR code."""
    return [(c["payload"], float(c["first_s"]), float(c["last_s"])) for c in signal.get("codes", ())]


def _once(calls: Iterable[tuple[Call, float | None]]) -> list[tuple[Call, float | None]]:
    """Return the calls by time, each type, text and source once."""
    ordered = sorted(calls, key=lambda one: (one[0].t_s is None, one[0].t_s or 0.0))
    kept: dict[tuple[str, str, str], tuple[Call, float | None]] = {}
    for call, end in ordered:
        kept.setdefault((call.type, call.text.lower(), call.source), (call, end))
    return list(kept.values())


ANALYZER = Analyzer(
    name="call_to_action",
    title="What viewers are asked to do, which codes are given, whether it is marked as advertising",
    group="text",
    output=CallToAction,
    segment=CallSegment,
    analyze=analyze,
    uses=("call_phrases",),
    optional=("e5",),
    signals=("qr",),
    after=("on_screen_text", "speech_transcription", "vocal_delivery"),
    version="7",
)
