"""What a video is about: some 40 categories of short video, from pictures, words and sounds together.

Late fusion of three readings of one taxonomy: SigLIP2 over the frames, multilingual E5 over caption, read text and
speech, and AudioSet's sounds by a table of weights (data/sound_categories.toml). A modality that is absent drops out
and the others count for the whole. Pictures and words give z-scores among the categories; sound gives a prior that only
speaks for categories, and counts as much as it says: talk and background music next to nothing, a frying pan or a
game's music a good deal. Scores are squashed z-scores, not probabilities; a category is named only where it stands out.
The categories of single shots are those of their pictures alone.

Bad at memes and irony, niche subcultures, posts whose words say nothing of the picture, sounds laid over unrelated
pictures, and slides of text.
Source: SigLIP2 (arXiv 2502.14786), multilingual E5 (arXiv 2402.05672), AST (Interspeech 2021);
data/prompts/content_categories.toml.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd import texts
from tiktokd.analyzers._unheard import no_words
from tiktokd.model import Output, Reason, Segment, Tier
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.text_features import TextVectors

TAXONOMY = "content_categories"
LABELS_MAX = 5
Z_MIN = 1.5
"""A category is named from here on; among 42 categories a normal spread passes about three by chance alone."""
WEIGHTS = {"visual": 0.5, "text": 0.5, "audio": 0.25}
"""Before renormalising over what is there; that of sound is multiplied by the most that it says for any category."""
AUDIO_Z = 4.0
"""z-score that a sound is worth which is heard in one category alone (prior 1): as far as pictures ever stand out."""
KIND_WEIGHTS = {"caption": 2.0, "speech": 1.0, "ocr": 1.0}
"""The creator's own caption says most plainly what a post is about."""
SOURCES = {"visual": "siglip2", "text": "e5", "audio": "ast"}
"""The encoder behind each modality."""


class Evidence(Output):
    """Which modality says so."""

    visual: float | None
    """z-score among all categories over the frames; `None` without pictures or weights."""
    text: float | None
    """z-score among all categories over the words; `None` without words or weights."""
    audio: float | None
    """0..4: prior of the sounds that are heard, 0 where none speaks for this category; `None` without sound or weights,
    or where no sound speaks for any category."""


class CategoryLabel(Output):
    """One category."""

    id: str
    """Of data/prompts/content_categories.toml."""
    name: str
    """For people."""
    group: str | None
    """The category's vertical; `None` where the taxonomy names none, or judged by sounds alone."""
    iab_id: str | None
    """The nearest Unique ID of the IAB Content Taxonomy 3.0; `None` as above, or where it has nothing near."""
    score: float
    """0..1, logistic of the fused z-score; not a probability."""
    z: float
    """Fused z-score among all categories."""
    calibrated: bool
    """False: no threshold was fitted to your data."""
    evidence: Evidence
    """Per modality."""


class ContentCategory(Output):
    """What a video is about."""

    labels: list[CategoryLabel]
    """Best first, at most five; empty where none stands out."""
    modalities: list[str]
    """visual, text, audio: what was there to judge by."""
    unknown: dict[str, str]
    """Modality that did not count → why: model_missing, cpu_fallback (of words also: somebody speaks and nothing
    transcribed it), no_video, no_audio, no_text, no_sources (it says nothing of any category)."""


class CategorySegment(Segment):
    """The category of one shot."""

    id: str
    """As in `CategoryLabel.id`."""
    label: str
    """For people."""
    z: float
    """Robust z-score among all categories over the shot's frames, at least 2."""


def analyze(context: Context) -> Result:
    """Fuse what pictures, words and sounds say."""
    vectors: TextVectors | None = context.features.get("e5")
    scores = {
        "visual": visual_z(context.signals.get("siglip2", {})),
        "text": text_z(context, vectors),
        "audio": audio_z(context.features.get("sound_categories", {})),
    }
    known = {kind: values for kind, values in scores.items() if values}
    lacking = {kind: _why(context, kind) for kind in scores if kind not in known}
    if not known:
        return _nothing(context, lacking)
    fused = fuse(known)
    best = sorted(fused, key=lambda label: -fused[label])[:LABELS_MAX]
    names = _about(context, vectors)
    output = ContentCategory(
        labels=[_label(i, fused[i], scores, names) for i in best if fused[i] >= Z_MIN],
        modalities=sorted(known),
        unknown={kind: reason for kind, (reason, _message) in lacking.items()},
    )
    segments = _segments(context)
    weak = {"model_missing", "cpu_fallback"} & set(output.unknown.values())
    tier: Tier = "lite" if weak else "full"
    if "visual" not in known:
        reason, message = lacking["visual"]
        judged = f"judged by {' and '.join(MEANT[kind] for kind in known)} alone; pictures: {message}"
        return partial(output, reason, judged, segments, calibrated=False, tier=tier)
    return ok(output, segments, calibrated=False, tier=tier)


MEANT = {"visual": "pictures", "text": "words", "audio": "sounds"}


def _why(context: Context, kind: str) -> tuple[Reason, str]:
    """Return why a modality does not count."""
    if kind == "visual" and not context.facts.has_video:
        return "no_video", "the file has no picture"
    if kind == "audio" and not context.facts.has_audio:
        return "no_audio", "the file has no sound track"
    reason, said = context.lack(SOURCES[kind]) or ("no_sources", f"{MEANT[kind]} say nothing of any category")
    if reason != "no_text":
        return reason, said
    unheard, said = no_words(context, said)
    return "no_text" if unheard == "no_sources" else unheard, said


def _nothing(context: Context, lacking: Mapping[str, tuple[Reason, str]]) -> Result:
    """Return that there is nothing to judge by, and for which reason first: pictures, where there are any."""
    reason, message = lacking["visual"]
    if context.facts.has_video:
        return skipped(reason, f"pictures: {message}; words: {lacking['text'][1]}")
    return skipped("no_video", f"no picture; words: {lacking['text'][1]}; sounds: {lacking['audio'][1]}")


def standard(values: Mapping[str, float]) -> dict[str, float]:
    """Return z-scores by the median and the median absolute deviation; nothing where all values are the same."""
    numbers: NDArray[np.float64] = np.array(list(values.values()))
    spread = 1.4826 * float(np.median(np.abs(numbers - np.median(numbers)))) if len(numbers) else 0.0
    if spread <= 1e-9:
        return {}
    middle = float(np.median(numbers))
    return {key: (value - middle) / spread for key, value in values.items()}


def visual_z(signals: Mapping[str, object]) -> dict[str, float]:
    """Return the z-score of each category over the frames, from SigLIP2's signals."""
    labels = signals.get("labels")
    found = labels.get(TAXONOMY) if isinstance(labels, dict) else None
    return standard(found["cosine"]) if isinstance(found, dict) else {}


def text_z(context: Context, vectors: TextVectors | None) -> dict[str, float]:
    """Return the z-score of each category over all stretches of text, weighted by where they stand."""
    labels = vectors.taxonomies.get(TAXONOMY) if vectors else None
    if vectors is None or labels is None:
        return {}
    total = np.zeros(len(labels.labels))
    for part in texts.blocks(texts.passages(context)):
        vector = vectors.vectors.get(part.text.strip())
        if vector is not None:
            total += KIND_WEIGHTS[part.kind] * (labels.vectors @ vector)
    return standard({label.id: float(v) for label, v in zip(labels.labels, total, strict=True)}) if total.any() else {}


def audio_z(prior: Mapping[str, float]) -> dict[str, float]:
    """Return what the sounds are worth for each category, 0..`AUDIO_Z`; nothing where they speak for none."""
    return {label: AUDIO_Z * value for label, value in prior.items() if value > 0}


def fuse(known: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the weighted mean over the modalities that are there."""
    weights = {kind: WEIGHTS[kind] for kind in known}
    if "audio" in known and len(known) > 1:
        # Sound that says little must not water down what is seen and read.
        weights["audio"] *= max(known["audio"].values()) / AUDIO_Z
    total = sum(weights.values())
    ids = {label for values in known.values() for label in values}
    return {i: sum(weights[kind] * z.get(i, 0.0) for kind, z in known.items()) / total for i in sorted(ids)}


def _segments(context: Context) -> list[CategorySegment]:
    shots = context.signals.get("picture_labels", {}).get(TAXONOMY, {}).get("shots", [])
    return [
        CategorySegment(start_s=s["start_s"], end_s=s["end_s"], id=s["id"], label=s["name"], z=s["z"]) for s in shots
    ]


About = tuple[str, str | None, str | None]
"""Name, vertical and IAB id of a category."""


def _about(context: Context, vectors: TextVectors | None) -> dict[str, About]:
    """Return what the taxonomy says about its categories, from whichever model read it."""
    found = vectors.taxonomies.get(TAXONOMY) if vectors else None
    if found:
        return {label.id: (label.name, label.group, label.iab) for label in found.labels}
    told: dict[str, list[Any]] = context.signals.get("picture_labels", {}).get(TAXONOMY, {}).get("about", {})
    return {label: (name, group, iab) for label, (name, group, iab) in told.items()}


def _label(
    label: str, z: float, scores: Mapping[str, Mapping[str, float]], names: Mapping[str, About]
) -> CategoryLabel:
    name, group, iab = names.get(label, (label.replace("_", " "), None, None))
    visual, text = scores["visual"].get(label), scores["text"].get(label)
    audio = scores["audio"].get(label, 0.0) if scores["audio"] else None
    return CategoryLabel(
        id=label,
        name=name,
        group=group,
        iab_id=iab,
        score=round(float(1 / (1 + np.exp(-(z - Z_MIN)))), 4),
        z=round(z, 2),
        calibrated=False,
        evidence=Evidence(visual=_rounded(visual), text=_rounded(text), audio=_rounded(audio)),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


ANALYZER = Analyzer(
    name="content_category",
    title="What the video is about: some 40 categories, from pictures, words and sounds",
    group="fusion",
    output=ContentCategory,
    segment=CategorySegment,
    analyze=analyze,
    optional=("e5", "sound_categories"),
    after=("on_screen_text", "speech_transcription"),
    signals=("siglip2", "picture_labels", "ast"),
    needs_model=True,
    version="5",
)
