"""The tone of a video's words; in the full tier the mood of pictures and music. Of the content, not of a person.

Lite: VADER (Hutto & Gilbert 2014) on English, and a table of emoji where there are no words; other languages abstain.
Full: a multilingual sentiment model (`sentiment`), moods by SigLIP2 prompts and AudioSet's music classes. Valence and
arousal are means over the parts that are there, by the table below. Bad at: slang (sick, obsessed), irony, lyrics,
quotations, words of fighting in another sense (killing weeds), negation in the subject ("nobody likes this"); moods are
those of the taxonomy and are relative within one clip.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tiktokd.analyzers._unheard import no_words
from tiktokd.analyzers.language_identification import LanguageIdentification
from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.text_features import TextScores, Tone
from tiktokd.texts import Passage, blocks, passages, sentences

Tendency = Literal["negative", "neutral", "positive"]
Part = Literal["text", "picture", "music"]

NEUTRAL = 0.05
"""VADER's own border between neutral and positive or negative."""
EMOJI_WEIGHT, EMOJI_FULL = 0.7, 3
"""Weight of three or more emoji against the words of a sentence."""
NOT_LOOKED = ("model_missing", "cpu_fallback", "no_sources")
"""Reasons for which nothing looked for moods, though there was something to look at."""
MOOD_Z = 1.5
"""A mood of the picture is named from this robust z-score among the moods on."""
MUSIC_SCORE = 0.05
"""Mean AudioSet score from which a music mood is named; these classes are rare and score low."""
AFFECT: Mapping[str, tuple[float, float]] = {
    "joyful": (0.8, 0.6), "calm": (0.5, -0.6), "romantic": (0.6, 0.1), "energetic": (0.5, 0.8), "cozy": (0.5, -0.4),
    "inspiring": (0.6, 0.4), "cute": (0.6, 0.2), "sad": (-0.7, -0.4), "dark": (-0.4, 0.0), "scary": (-0.8, 0.7),
    "tense": (-0.5, 0.6), "disgusting": (-0.8, 0.3), "happy": (0.8, 0.5), "tender": (0.5, -0.4),
    "exciting": (0.6, 0.8), "angry": (-0.6, 0.8), "funny": (0.6, 0.4),
}  # fmt: skip
"""Mood → valence and arousal, -1..1: places on the circumplex (Russell 1980), read off by eye."""
MUSIC_MOODS = {
    "Happy music": "happy", "Sad music": "sad", "Tender music": "tender", "Exciting music": "exciting",
    "Angry music": "angry", "Scary music": "scary", "Funny music": "funny",
}  # fmt: skip
"""AudioSet's names → ours."""


class TextTone(BaseModel):
    """The tone of the words."""

    model_config = ConfigDict(frozen=True)

    valence: float
    """-1 (negative) .. 1 (positive), mean over sentences weighted by length."""
    label: Tendency
    """Neutral within 0.05 of 0."""
    lang: str | None
    """BCP-47 of the words; `None`: not known."""


class Affect(BaseModel):
    """What one part of the video adds to the whole."""

    model_config = ConfigDict(frozen=True)

    valence: float
    """-1 (negative) .. 1 (positive)."""
    arousal: float | None
    """-1 (calm) .. 1 (excited); `None` for words, which say too little."""


class SentimentMood(Output):
    """Summary."""

    text: TextTone | None
    """`None`: neither words nor emoji, or not English and no model."""
    visual_mood: list[str]
    """Moods that stand out in the picture, best first; empty in the lite tier."""
    music_mood: list[str]
    """Moods of the music, best first; empty in the lite tier."""
    valence: float | None
    """-1..1, mean over words, picture and music as far as they are there; `None`: none is."""
    arousal: float | None
    """-1 (calm) .. 1 (excited), from picture and music; `None` in the lite tier: words say too little."""
    parts: dict[Part, Affect]
    """What valence and arousal are means of; parts that are not there or have no mood are not listed."""
    unknown: dict[str, str]
    """Field that is null → why: `text` → no_text, unsupported_language, no_sources (no caption, and nothing was read or
    transcribed), or why a voice was not transcribed; `valence` and `arousal` → no_mood (nothing stands out in picture
    and music), model_missing, cpu_fallback, no_sources (the model failed)."""


class ToneSegment(Segment):
    """The tone of one sentence that is shown or said."""

    valence: float
    """-1..1."""
    label: Tendency
    """As in the summary."""
    source: Literal["ocr", "speech"]
    """Where it stands."""


def analyze(context: Context) -> Result:
    """Return the tone, skipped/no_sources or skipped/unsupported_language."""
    found = sentences(blocks(passages(context)))
    language = context.output("language_identification", LanguageIdentification)
    tones = _valences(context, found, language)
    visual = visual_moods(context.signals.get("siglip2", {}))
    music = music_moods(context.signals.get("ast", {}))
    if not tones and not visual and not music:
        return _nothing(context, found, language)
    text = _text(tones, language.primary if language else None)
    parts = _parts(text, visual, music)
    arousals = [part.arousal for part in parts.values() if part.arousal is not None]
    output = SentimentMood(
        text=text,
        visual_mood=visual,
        music_mood=music,
        valence=round(fmean(part.valence for part in parts.values()), 4) if parts else None,
        arousal=round(fmean(arousals), 4) if arousals else None,
        parts=parts,
        unknown={},
    )
    output = output.model_copy(update={"unknown": _unknown(context, output, found)})
    segments = list(_segments(tones))
    if text is None and found:
        return partial(
            output,
            "unsupported_language",
            "the words are not English and there is no model",
            segments,
            calibrated=False,
        )
    return ok(output, segments, calibrated=False)


def _unknown(context: Context, output: SentimentMood, found: Sequence[Passage]) -> dict[str, str]:
    """Return the fields that are null, each with its reason."""
    looked = [("siglip2", context.facts.has_video), ("ast", context.facts.has_audio)]
    lacks = [lack[0] for name, there in looked if there and (lack := context.lack(name))]
    mood = next((reason for reason in lacks if reason in NOT_LOOKED), "no_mood")
    worded = _nothing(context, found, None).reason or "no_sources"
    why = {"text": worded, "valence": mood, "arousal": mood}
    return {name: reason for name, reason in why.items() if getattr(output, name) is None}


def _parts(text: TextTone | None, visual: Sequence[str], music: Sequence[str]) -> dict[Part, Affect]:
    """Return valence and arousal of each part, moods by their mean."""
    parts: dict[Part, Affect] = {} if text is None else {"text": Affect(valence=text.valence, arousal=None)}
    moods: tuple[tuple[Part, Sequence[str]], ...] = (("picture", visual), ("music", music))
    for part, names in moods:
        if known := [AFFECT[mood] for mood in names if mood in AFFECT]:
            valence, arousal = (round(fmean(values), 4) for values in zip(*known, strict=True))
            parts[part] = Affect(valence=valence, arousal=arousal)
    return parts


def _nothing(context: Context, found: Sequence[Passage], language: LanguageIdentification | None) -> Result:
    """Return why there is neither a tone nor a mood."""
    if not found and passages(context):
        return skipped("no_text", "nothing but tags, mentions and links")
    if not found:
        return skipped(*no_words(context, "no caption, no text in the picture, no transcript"))
    if not any(char.isalpha() for sentence in found for char in sentence.text):
        return skipped("no_text", "digits and signs have no tone, and no known emoji is among them")
    lang = language.primary if language and language.primary else "in no language that is known"
    return skipped("unsupported_language", f"the lite tier reads English only; this is {lang}")


def _valences(
    context: Context, found: Sequence[Passage], language: LanguageIdentification | None
) -> list[tuple[Passage, float]]:
    """Return the sentences whose tone is known, with it."""
    scores: TextScores | None = context.features.get("sentiment")
    if scores is not None:
        return _modelled(scores, found)
    tones: Mapping[str, Tone] = context.features.get("vader", {})
    known = []
    for sentence in found:
        tone = tones.get(sentence.text)
        # Emoji alone are read alike in every language.
        if tone is None or not (tone.words is None or _english(sentence, language)):
            continue
        value = joined(tone)
        if value is not None:
            known.append((sentence, value))
    return known


def _english(sentence: Passage, language: LanguageIdentification | None) -> bool:
    """Return whether the source of a sentence is English; a source without a language follows the others."""
    if language is None:
        return False
    detected = language.by_source.get(sentence.kind)
    return (detected.lang if detected and detected.lang else language.primary) == "en"


def joined(tone: Tone) -> float | None:
    """Return words and emoji as one tone -1..1; `None` where neither is known."""
    if tone.emoji is None:
        return tone.words
    if tone.words is None:
        return tone.emoji
    weight = EMOJI_WEIGHT * min(tone.emoji_count, EMOJI_FULL) / EMOJI_FULL
    return (tone.words + weight * tone.emoji) / (1 + weight)


def _modelled(scores: TextScores, found: Sequence[Passage]) -> list[tuple[Passage, float]]:
    """Return positive minus negative probability of each sentence."""
    known = []
    for sentence in found:
        values = scores.scores.get(sentence.text.strip())
        if values is not None:
            named = dict(zip(scores.labels, values.tolist(), strict=True))
            known.append((sentence, float(named.get("positive", 0.0) - named.get("negative", 0.0))))
    return known


def _text(tones: Sequence[tuple[Passage, float]], lang: str | None) -> TextTone | None:
    if not tones:
        return None
    weights = [max(len(sentence.text), 1) for sentence, _ in tones]
    valence = sum(w * value for w, (_, value) in zip(weights, tones, strict=True)) / sum(weights)
    return TextTone(valence=round(valence, 4), label=_label(valence), lang=lang)


def _label(valence: float) -> Tendency:
    return "positive" if valence >= NEUTRAL else "negative" if valence <= -NEUTRAL else "neutral"


def visual_moods(signal: Mapping[str, Any]) -> list[str]:
    """Return the moods that stand out among the cosines of SigLIP2's signal, best first."""
    moods = signal.get("labels", {}).get("moods", {})
    cosines: Mapping[str, float] = moods.get("cosine", {})
    if len(cosines) < 3:
        return []
    middle = median(cosines.values())
    spread = 1.4826 * median(abs(value - middle) for value in cosines.values())
    floor = moods.get("floor")
    chosen = [
        mood
        for mood, value in cosines.items()
        if spread > 1e-6 and (value - middle) / spread >= MOOD_Z and (floor is None or value > floor)
    ]
    return sorted(chosen, key=lambda mood: -cosines[mood])


def music_moods(signal: Mapping[str, Any]) -> list[str]:
    """Return the music moods among AST's best classes, best first."""
    labels: Mapping[str, float] = signal.get("labels", {})
    chosen = {MUSIC_MOODS[name]: score for name, score in labels.items() if name in MUSIC_MOODS}
    return sorted((mood for mood, score in chosen.items() if score >= MUSIC_SCORE), key=lambda mood: -chosen[mood])


def _segments(tones: Iterable[tuple[Passage, float]]) -> Iterable[ToneSegment]:
    for sentence, value in tones:
        if sentence.start_s is not None and sentence.kind != "caption":
            yield ToneSegment(
                start_s=sentence.start_s,
                end_s=max(sentence.end_s or sentence.start_s, sentence.start_s),
                valence=round(value, 4),
                label=_label(value),
                source=sentence.kind,
            )


ANALYZER = Analyzer(
    name="sentiment_mood",
    title="What tone the words have, and what mood pictures and music have",
    group="text",
    output=SentimentMood,
    segment=ToneSegment,
    analyze=analyze,
    optional=("vader", "sentiment"),
    after=("on_screen_text", "speech_transcription", "language_identification"),
    signals=("siglip2", "ast"),
    version="6",
)
