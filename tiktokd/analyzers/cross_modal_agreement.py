"""Whether what is written, shown and said in a video is the same thing.

Lite: words in common (token F1 of Rajpurkar et al. 2016, blind to case, order and stop words) between picture and
speech at the same time, caption and content, hashtags and content. Full: meaning by sentence vectors (E5), words
against pictures (SigLIP2), sounds against what is seen (AST and D-FINE). Bad at: translations as subtitles (few words
in common, the same meaning: look at both numbers), lyrics laid over, irony; hashtags that everybody uses are left out.
Captions of short videos often say nothing of the picture, and voices, music and effects are often laid over: a low
number is a fact about a video, not a fault of it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from statistics import fmean
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from tiktokd.analyzers import _sound_sources
from tiktokd.analyzers._unheard import no_words
from tiktokd.analyzers._word_overlap import coverage, letters_alike, nearest, token_f1
from tiktokd.likeness import squeezed
from tiktokd.model import Output, Reason, Tier
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.robust import robust_z
from tiktokd.text_features import TextVectors, WordsInPictureSpace
from tiktokd.texts import Passage, blocks, hashtags, passages, without_tags, words

Field = Literal[
    "ocr_speech", "ocr_speech.semantic", "caption_content", "visual_text_z", "visual_text_shipped_z", "audio_picture"
]  # fmt: skip
Flag = Literal["ocr_differs_from_speech", "caption_differs_from_content", "hashtags_differ_from_content"]

GENERIC_TAGS = frozenset({
    "fyp", "foryou", "foryoupage", "fy", "fypage", "fypシ", "fypシ゚viral", "viral", "viralvideo", "viraltiktok",
    "trending", "trend", "tiktok", "xyzbca", "parati", "pourtoi", "pourtoipage", "fürdich", "fürdichseite", "perte",
    "neiperte", "foru", "4u", "4you", "explore", "explorepage", "capcut", "duet", "stitch", "blowthisup", "goviral",
    "keşfet", "рек", "рекомендации", "おすすめ", "おすすめにのりたい", "추천", "热门", "xuhuong", "fypdong",
    "dlaciebie", "dc", "viralpost", "video", "reels", "follow", "like", "share", "comment", "voorjou", "paravoce",
    "foryourpage", "virall", "fypviral",
})  # fmt: skip
"""Hashtags that ask for reach and say nothing about the video."""
NEAR_S = 1.0
"""Words in the picture may lag speech by this much."""
VERBATIM = 0.8
"""A block whose words are said at the same time to this share is a subtitle."""
LOW = 0.1
"""Below this token F1 two texts are about different things, or in different languages."""
SUBSTANCE_WORDS = 2
"""Words beside stop words on each side without which nothing differs: "wait for it" is about nothing."""
CAPTIONS_MIN = 20
"""Fewer captions to compare with have no spread that means anything."""
MIN_WORDS = 3
"""Fewer words on a side say nothing."""


class OcrSpeech(BaseModel):
    """Words in the picture against words that are said at the same time."""

    model_config = ConfigDict(frozen=True)

    token_f1: float
    """0 (no word in common) .. 1 (the same words), mean over blocks weighted by length."""
    edit_similarity: float
    """1 - edit distance / length of the longer text, 0..1, letter by letter, mean over the same blocks: misread letters
    and other endings cost little here."""
    semantic: float | None
    """Cosine of the meanings, -1..1, mean over the same pairs; unrelated ones lie about 0.75. `None`: see `missing`."""
    verbatim_caption_ratio: float
    """Share 0..1 of blocks in the picture that say what is said: subtitles."""


class TagRelevance(BaseModel):
    """One hashtag against the words of the video."""

    model_config = ConfigDict(frozen=True)

    hashtag: str
    """Without #, in lower case."""
    found: bool
    """Its words come up in the picture or in speech; a tag that is not found may still fit what is seen."""


class SoundPicture(BaseModel):
    """Sounds against the things that make them."""

    model_config = ConfigDict(frozen=True)

    seen: list[str]
    """Sounds (AudioSet) whose source is in a sampled frame, strongest first."""
    unseen: list[str]
    """Sounds whose source is not: off-screen, laid over, or missed."""
    seen_ratio: float
    """Share 0..1 of these sounds that are seen."""


class CrossModalAgreement(Output):
    """Summary."""

    ocr_speech: OcrSpeech | None
    """`None`: no words in the picture, or none said at the same time."""
    caption_content: float | None
    """Token F1 0..1 of the caption and all that is shown and said; `None`: one of the two is missing."""
    visual_text_z: float | None
    """How much better the caption (else speech, else text in the picture) fits the mean picture than the words of the
    user's latest 500 other videos do: robust z, 0 is no better than theirs. Filled in by the corpus once the video is
    finished. Not calibrated; `missing` says why it is `None`, "corpus too small: n of 20 videos" for the first ones."""
    visual_text_shipped_z: float | None
    """The same against the 100 captions in data/prototypes/captions.toml, whatever is in the corpus."""
    audio_picture: SoundPicture | None
    """Sounds that have a visible source; `None`: none is heard, or no models (`missing` says which)."""
    hashtag_relevance: list[TagRelevance]
    """Hashtags other than those that everybody uses; empty without shown or said words."""
    mismatch_flags: list[Flag]
    """What does not fit together; empty: nothing stands out, which is no proof."""
    missing: dict[Field, str]
    """Fields that are null, and why: a reason as in the envelope, or in words."""


def analyze(context: Context) -> Result:
    """Return how sources agree, or skipped/no_sources where there are fewer than two."""
    found = passages(context)
    sources: set[str] = {passage.kind for passage in found}
    sources |= {"picture"} if {"siglip2", "dfine"} & context.signals.keys() else set()
    sources |= {"sound"} if "ast" in context.signals else set()
    if len(sources) < 2:
        there = ", ".join(sorted(sources)) or "none"
        return skipped(*no_words(context, f"two sources are needed, there is {there}"))
    stop: Mapping[str, frozenset[str]] = context.features["stopwords"]
    ignored = frozenset().union(*stop.values())
    caption = " ".join(passage.text for passage in found if passage.kind == "caption")
    content = " ".join(passage.text for passage in found if passage.kind != "caption")
    agreed = _ocr_speech(found, ignored, context.features.get("e5"))
    caption_f1 = _caption(without_tags(caption), content, ignored)
    tags = _tags(hashtags(caption), content) if content else []
    visual = _visual_text(context)
    sounds = _audio_picture(context)
    measured: dict[Field, object] = {
        "ocr_speech": agreed, "caption_content": caption_f1, "visual_text_shipped_z": visual, "audio_picture": sounds,
    }  # fmt: skip
    missing: dict[Field, str] = {name: _why(context, name) for name, value in measured.items() if value is None}
    if agreed and agreed.semantic is None:
        missing["ocr_speech.semantic"] = (context.lack("e5") or ("no_text", ""))[0]
    output = CrossModalAgreement(
        ocr_speech=agreed,
        caption_content=caption_f1,
        visual_text_z=None,
        visual_text_shipped_z=visual,
        audio_picture=sounds,
        missing=missing | {"visual_text_z": _why_not_yet(context)},
        hashtag_relevance=tags,
        mismatch_flags=_flags(agreed, caption_f1 if _telling(caption, content, ignored) else None, tags),
    )
    pictures = {"siglip2", "dfine"} <= context.signals.keys() or not context.facts.has_video
    tier: Tier | None = None if pictures else "lite"
    if all(value is None for value in measured.values()):
        return partial(
            output,
            "no_text",
            f"no two sources have {MIN_WORDS} words each at the same time",
            calibrated=False,
            tier=tier,
        )
    return ok(output, calibrated=False, tier=tier)


def _in_one_space(context: Context) -> WordsInPictureSpace | None:
    """Return the vector of the words where there is one of the pictures in the same space."""
    picture = context.signals.get("siglip2")
    said: WordsInPictureSpace | None = context.features.get("siglip2_text")
    return said if picture is not None and said is not None and picture["space"] == said.space else None


def _visual_text(context: Context) -> float | None:
    """Return the robust z of the words' nearness to the mean picture among that of other videos' captions."""
    said = _in_one_space(context)
    if said is None or len(said.others) < CAPTIONS_MIN:
        return None
    mean = np.asarray(context.signals["siglip2"]["mean"], np.float32)
    z = robust_z(float(said.vector @ mean), said.others @ mean)
    return None if z is None else round(z, 2)


def _why_not_yet(context: Context) -> Reason:
    return _why(context, "visual_text_z") if _in_one_space(context) is None else "corpus_unavailable"


def _audio_picture(context: Context) -> SoundPicture | None:
    if not {"ast", "dfine"} <= context.signals.keys():
        return None
    seen, unseen = _sound_sources.split(context.signals["ast"]["labels"], context.signals["dfine"]["labels"])
    if not seen and not unseen:
        return None
    return SoundPicture(seen=seen, unseen=unseen, seen_ratio=round(len(seen) / (len(seen) + len(unseen)), 4))


def _why(context: Context, name: Field) -> Reason:
    """Return why a field is null: what the file lacks, then what this machine lacks, then what the video lacks."""
    if name in ("ocr_speech", "caption_content"):
        return "no_text"
    if not context.facts.has_video:
        return "no_video"
    if name == "audio_picture":
        if not context.facts.has_audio:
            return "no_audio"
        return (context.lack("ast") or context.lack("dfine") or ("no_sources", ""))[0]
    if not passages(context):
        return "no_text"
    few = all(len(words(without_tags(passage.text))) < MIN_WORDS for passage in passages(context))
    lack = context.lack("siglip2") or (None if few else context.lack("siglip2_text"))
    return lack[0] if lack else "no_text" if few else "model_missing"  # where both are there, their spaces differ


def _ocr_speech(found: Sequence[Passage], ignored: Set[str], vectors: TextVectors | None) -> OcrSpeech | None:
    """Return how blocks in the picture agree with what is said while they are shown."""
    spoken = [passage for passage in found if passage.kind == "speech" and passage.start_s is not None]
    pairs = [
        (block, said)
        for block in blocks(found)
        if block.kind == "ocr" and len(words(block.text)) >= MIN_WORDS and (said := _said_during(block, spoken))
    ]
    if not pairs:
        return None
    shares = [coverage(block.text, " ".join(one.text for one in said)) for block, said in pairs]
    weights = [len(words(block.text)) for block, _ in pairs]
    fits = [(block.text, nearest(block.text, [one.text for one in said], ignored)) for block, said in pairs]
    f1 = [token_f1(shown, said, ignored) for shown, said in fits]
    alike = [letters_alike(shown, said) for shown, said in fits]
    return OcrSpeech(
        token_f1=round(float(np.average(f1, weights=weights)), 4),
        edit_similarity=round(float(np.average(alike, weights=weights)), 4),
        semantic=_semantic(pairs, vectors),
        verbatim_caption_ratio=round(sum(share >= VERBATIM for share in shares) / len(shares), 4),
    )


def _said_during(block: Passage, spoken: Iterable[Passage]) -> list[Passage]:
    start, end = (block.start_s or 0.0) - NEAR_S, (block.end_s or 0.0) + NEAR_S
    return [one for one in spoken if (one.start_s or 0.0) < end and (one.end_s or 0.0) > start]


def _semantic(pairs: Iterable[tuple[Passage, list[Passage]]], vectors: TextVectors | None) -> float | None:
    if vectors is None:
        return None
    cosines = [
        cosine
        for block, said in pairs
        for one in said
        if (cosine := vectors.cosine(block.text.strip(), one.text.strip())) is not None
    ]
    return round(fmean(cosines), 4) if cosines else None


def _caption(caption: str, content: str, ignored: Set[str]) -> float | None:
    if len(words(caption)) < MIN_WORDS or len(words(content)) < MIN_WORDS:
        return None
    return round(token_f1(caption, content, ignored), 4)


def _telling(caption: str, content: str, ignored: Set[str]) -> bool:
    """Return whether both texts have enough words of substance that finding none in common means something."""
    return min(len(set(words(without_tags(text))) - ignored) for text in (caption, content)) >= SUBSTANCE_WORDS


def _tags(tags: Iterable[str], content: str) -> list[TagRelevance]:
    letters, spoken = re.sub(r"\W+", "", squeezed(content)), set(words(content))
    found = dict.fromkeys(tag.lower() for tag in tags)
    return [
        TagRelevance(hashtag=tag, found=tag in spoken or (len(tag) > 3 and tag.replace("_", "") in letters))
        for tag in found
        if tag not in GENERIC_TAGS
    ]


def _flags(agreed: OcrSpeech | None, caption: float | None, tags: Sequence[TagRelevance]) -> list[Flag]:
    flags: list[Flag] = []
    if agreed is not None and agreed.token_f1 < LOW and agreed.verbatim_caption_ratio == 0:
        flags.append("ocr_differs_from_speech")
    if caption is not None and caption == 0.0:
        flags.append("caption_differs_from_content")
    if len(tags) >= 3 and not any(tag.found for tag in tags):
        flags.append("hashtags_differ_from_content")
    return flags


ANALYZER = Analyzer(
    name="cross_modal_agreement",
    title="Do caption, picture, speech and hashtags say the same",
    group="fusion",
    output=CrossModalAgreement,
    analyze=analyze,
    uses=("stopwords",),
    optional=("e5", "siglip2_text"),
    after=("on_screen_text", "speech_transcription"),
    signals=("siglip2", "dfine", "ast"),
    version="6",
)
