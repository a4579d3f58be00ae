"""What the words of a video name: tags, names, links, emoji, keyphrases, brands.

Tags and links are parsed exactly; keyphrases are RAKE with stop words of the language; brands come from a word list
(`data/brands.toml`, or the user's own). E-mail addresses are stored masked. Nothing that is found is opened. Full tier:
keyphrases weighed by their nearness to the whole text (E5, the idea of KeyBERT), names of people, organizations and
places (`ner`), kinds of products in the picture (D-FINE).

Brands are also known by their logos where the user keeps pictures of some in `analysis.data_dir`, as
`logos/<Brand>/*.png` or `logos/<Brand>.png`: windows of four frames are compared with them by SigLIP2, on a GPU. Where
the extra OWLv2 was fetched, it looks for those of the word list by name. Without pictures, extra or weights nothing is
looked for, and no result is less.

Keyphrases end with their line. They go on only where it was wrapped: the next line stands right under it for the same
time, opens no sentence, and its first word would not have fitted into the picture behind it.

Bad at: keyphrases in sentences without a stop word, in languages without a list (they come from all lists then), and
over a line that was broken where there was room (they come in two parts); brands that are everyday words, slang; logos
that are small, covered, briefly in sight or not in the gallery, and things that look like one; products that merely lie
around are listed like those that the video is about.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from tiktokd.analyzers._parsing import Parsed, masked_email, parse
from tiktokd.analyzers._products import PRODUCTS
from tiktokd.analyzers._unheard import no_words
from tiktokd.analyzers.language_identification import LanguageIdentification
from tiktokd.keyphrases import CANDIDATES, keyphrases, rerank, unbroken
from tiktokd.model import Output
from tiktokd.plugins import Analyzer, Context, Result, ok, skipped
from tiktokd.text_features import TextEntities, TextVectors
from tiktokd.texts import BrandMatch, Kind, Passage, blocks, passages

Source = Literal["caption", "ocr", "speech"]
Shown = Literal["caption", "ocr", "speech", "picture"]
PHRASES_PER_SOURCE = 5
PRODUCTS_MAX, PRODUCT_RATIO, PRODUCT_SCORE = 5, 0.25, 0.5
"""Kinds of products listed; share of the time, and best box score (the model card's threshold) of each."""
NAME_SCORE = 0.8
"""Least mean score of a name; below it the tagger takes capitals for names."""


class Keyphrase(BaseModel):
    """One phrase that carries the topic."""

    model_config = ConfigDict(frozen=True)

    text: str
    """In lower case."""
    score: float
    """0..1, relative to the best phrase of the same source; in the full tier half of it is nearness."""
    similarity: float | None
    """Cosine to the whole text, -1..1, unrelated phrases around 0.75; `None`: lite tier, or not embedded."""
    source: Source
    """Where it stands."""


class Entity(BaseModel):
    """One thing that is named."""

    model_config = ConfigDict(frozen=True)

    text: str
    """As written; an e-mail address as first letter and domain (j***@example.org), a product as Objects365 calls it."""
    type: Literal["email", "cashtag", "PER", "ORG", "LOC", "product"]
    """Cashtags are ticker symbols without $, in upper case. People, organizations, places and kinds of products only in
    the full tier."""
    source: Shown
    """Where it stands; products in the picture."""
    t_s: float | None
    """When it is first shown or said, seconds; `None` in the caption."""


class Logo(BaseModel):
    """A logo that stands out."""

    model_config = ConfigDict(frozen=True)

    by: Literal["pictures", "name"]
    """The user's pictures of it, or the extra model that knows it by name; pictures where both do."""
    score: float
    """By pictures: cosine of the nearest window and picture, -1..1; by name: OWLv2's own, 0..1. No probability."""
    z: float
    """Robust deviations above the video's other windows, or above the other brands at the same place; 4 at least."""
    box: tuple[float, float, float, float]
    """By pictures a window with the logo somewhere in it, by name the logo's own."""


class Brand(BaseModel):
    """One brand of the word list or of the user's gallery of logos."""

    model_config = ConfigDict(frozen=True)

    name: str
    """As on the list, whatever the spelling; else as the folder in the gallery is called."""
    sources: list[Literal["caption", "ocr", "speech", "logo"]]
    """Where it is named, or seen as a logo."""
    count: int
    """Places that name it, and of four frames those that show its logo; at least 1."""
    first_s: float | None
    """When it is first shown or said, seconds; `None`: in the caption only."""
    logo: Logo | None
    """`None`: only named, or no logos were looked for."""


class EntitiesKeywords(Output):
    """Summary."""

    hashtags: list[str]
    """Without #, in lower case, each once, in order of caption, picture, speech."""
    mentions: list[str]
    """Without @, as written, each once."""
    urls: list[str]
    """As written, each once; never opened."""
    emojis: list[str]
    """In order, repeated ones too; a joined family, a flag, a skin tone is one emoji."""
    keyphrases: list[Keyphrase]
    """Up to five per source, best first."""
    entities: list[Entity]
    """E-mail addresses and ticker symbols; in the full tier names of people, organizations and places, and up to five
    kinds of products that are seen in a quarter of the time."""
    brands: list[Brand]
    """By count, then name."""
    unknown: dict[str, str]
    """Fields that are null in these lists → why: `keyphrases.similarity` → model_missing, no_sources (the model
    failed), no_text (not embedded); `brands.logo`, where nothing looked for logos → model_missing, cpu_fallback …"""


def analyze(context: Context) -> Result:
    """Return what is named, or skipped/no_sources."""
    found = passages(context)
    products = _products(context.signals.get("dfine", {}))
    logos = _logos(context.signals)
    unseen = "dfine" not in context.signals
    if not found and not products and not logos:
        said = "no caption, no text in the picture, no transcript, no product or logo seen"
        return skipped(*no_words(context, said))
    parsed = [(passage, parse(passage.text)) for passage in found]
    language = context.output("language_identification", LanguageIdentification)
    output = EntitiesKeywords(
        hashtags=_once(tag.lower() for _, one in parsed for tag in one.hashtags),
        mentions=_once(name for _, one in parsed for name in one.mentions),
        urls=_once(url for _, one in parsed for url in one.urls),
        emojis=[emoji for _, one in parsed for emoji in one.emojis],
        keyphrases=_phrases(found, language, context.features["stopwords"], context.features.get("e5")),
        entities=[
            *(entity for passage, one in parsed for entity in _entities(passage, one)),
            *_names(blocks(found), context.features.get("ner")),
            *products,
        ],
        brands=_brands(context.features["brands"], logos),
        unknown={},
    )
    output = output.model_copy(update={"unknown": _unknown(context, output)})
    return ok(output, calibrated=False, tier="lite" if context.facts.has_video and unseen else None)


def _unknown(context: Context, output: EntitiesKeywords) -> dict[str, str]:
    """Return which fields of the lists are null for want of a model, and why; a brand that is only named is none."""
    why: dict[str, str] = {}
    if any(phrase.similarity is None for phrase in output.keyphrases):
        why["keyphrases.similarity"] = (context.lack("e5") or ("no_text", ""))[0]
    lack = context.lack("owlv2") if "logos" not in context.signals else None
    if lack and any(brand.logo is None for brand in output.brands):
        why["brands.logo"] = lack[0] if context.facts.has_video else "no_video"
    return why


def _entities(passage: Passage, parsed: Parsed) -> list[Entity]:
    emails = [
        Entity(text=masked_email(one), type="email", source=passage.kind, t_s=passage.start_s) for one in parsed.emails
    ]
    cashtags = [Entity(text=one, type="cashtag", source=passage.kind, t_s=passage.start_s) for one in parsed.cashtags]
    return emails + cashtags


def _names(found: Iterable[Passage], named: TextEntities | None) -> list[Entity]:
    """Return people, organizations and places of the full tier, each once per source."""
    if named is None:
        return []
    entities: dict[tuple[str, str, str], Entity] = {}
    for passage in found:
        for one in named.entities.get(passage.text.strip(), ()):
            kind = _NAMED.get(one.type)
            if kind and one.score >= NAME_SCORE:
                key = (kind, one.text.lower(), passage.kind)
                entities.setdefault(key, Entity(text=one.text, type=kind, source=passage.kind, t_s=passage.start_s))
    return list(entities.values())


_NAMED: dict[str, Literal["PER", "ORG", "LOC"]] = {"PER": "PER", "ORG": "ORG", "LOC": "LOC"}


def _products(signal: Mapping[str, Any]) -> list[Entity]:
    """Return the kinds of products in the picture, those in most frames first."""
    seen = [
        (label, one)
        for label, one in signal.get("labels", {}).items()
        if label in PRODUCTS and one["time_ratio"] >= PRODUCT_RATIO and one["score"] >= PRODUCT_SCORE
    ]
    seen.sort(key=lambda pair: (-pair[1]["time_ratio"], pair[0]))
    return [
        Entity(text=label, type="product", source="picture", t_s=one["first_s"]) for label, one in seen[:PRODUCTS_MAX]
    ]


def _phrases(
    found: Sequence[Passage],
    language: LanguageIdentification | None,
    stop: Mapping[str, frozenset[str]],
    vectors: TextVectors | None,
) -> list[Keyphrase]:
    near = _nearness(found, vectors)
    phrases: list[Keyphrase] = []
    kinds: tuple[Kind, ...] = ("caption", "ocr", "speech")
    for kind in kinds:
        detected = language.by_source.get(kind) if language else None
        code = detected.lang if detected and detected.lang else (language.primary if language else None)
        words = stop.get(code or "") or frozenset().union(*stop.values())
        ranked = rerank(keyphrases(unbroken(found, kind), words, CANDIDATES), near, PHRASES_PER_SOURCE)
        phrases += [Keyphrase(text=text, score=score, similarity=near.get(text), source=kind) for text, score in ranked]
    return phrases


def _nearness(found: Sequence[Passage], vectors: TextVectors | None) -> dict[str, float]:
    """Return text → cosine to the mean of all stretches, for all texts that were embedded."""
    whole = (
        [vectors.vectors[key] for b in blocks(found) if (key := b.text.strip()) in vectors.vectors] if vectors else []
    )
    if vectors is None or not whole:
        return {}
    mean = np.mean(whole, axis=0)
    mean /= max(float(np.linalg.norm(mean)), 1e-9)
    return {text: round(float(vector @ mean), 4) for text, vector in vectors.vectors.items()}


def _logos(signals: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the logos that were seen, those that are known by pictures last: they count where a brand stands twice."""
    by = {"owlv2": "name", "logos": "pictures"}
    return [one | {"by": how} for name, how in by.items() for one in signals.get(name, {}).get("brands", [])]


def _brands(matches: Iterable[BrandMatch], logos: Iterable[Mapping[str, Any]]) -> list[Brand]:
    """Return each brand once; a logo is that of the named brand whose name differs in case alone."""
    places: dict[str, list[BrandMatch]] = {}
    for match in matches:
        places.setdefault(match.name, []).append(match)
    known = {name.casefold(): name for name in places}
    seen = {known.setdefault(logo["brand"].casefold(), logo["brand"]): logo for logo in logos}
    brands = [_brand(name, places.get(name, ()), seen.get(name)) for name in dict.fromkeys((*places, *seen))]
    return sorted(brands, key=lambda brand: (-brand.count, brand.name))


def _brand(name: str, found: Sequence[BrandMatch], seen: Mapping[str, Any] | None) -> Brand:
    times = [match.start_s for match in found if match.start_s is not None] + ([seen["first_s"]] if seen else [])
    kinds: list[Kind] = list(dict.fromkeys(match.kind for match in found))
    return Brand(
        name=name,
        sources=[*kinds, "logo"] if seen else [*kinds],
        count=len(found) + (seen["frames"] if seen else 0),
        first_s=min(times, default=None),
        logo=Logo.model_validate(seen) if seen else None,
    )


def _once(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


ANALYZER = Analyzer(
    name="entities_keywords",
    title="Which tags, names, links, brands and topics are named",
    group="text",
    output=EntitiesKeywords,
    analyze=analyze,
    uses=("stopwords", "brands"),
    optional=("ner", "e5"),
    signals=("dfine", "logos", "owlv2"),
    after=("on_screen_text", "speech_transcription", "language_identification"),
    version="7",
)
