"""What a video is about: some 40 categories of short video, from pictures and words together.

Late fusion of two readings of the same taxonomy: SigLIP2 over the frames and multilingual E5 over caption, read text
and speech. A modality that is absent drops out and the others count for the whole. Scores are z-scores among the
categories, squashed; they are not probabilities, and a category is named only where it stands out.

Bad at memes and irony, niche subcultures, posts whose words say nothing of the picture, and slides of text.
Source: SigLIP2 (arXiv 2502.14786), multilingual E5 (arXiv 2402.05672); data/prompts/content_categories.toml.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tiktokd import texts
from tiktokd.model import Output, Reason
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.text_features import TextVectors

LABELS_MAX = 5
Z_MIN = 1.5
"""A category is named from here on; among 42 categories a normal spread passes about three by chance alone."""
WEIGHTS = {"visual": 0.5, "text": 0.5}
"""Before renormalising over what is there."""
KIND_WEIGHTS = {"caption": 2.0, "speech": 1.0, "ocr": 1.0}
"""The creator's own caption says most plainly what a post is about."""


class Evidence(Output):
    """Which modality says so."""

    visual: float | None
    """z-score among all categories over the frames; `None` without pictures or weights."""
    text: float | None
    """z-score among all categories over the words; `None` without words or weights."""


class CategoryLabel(Output):
    """One category."""

    id: str
    """Of data/prompts/content_categories.toml."""
    name: str
    """For people."""
    group: str | None
    """The category's vertical."""
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
    """visual, text: what was there to judge by."""


def analyze(context: Context) -> Result:
    """Fuse what pictures and words say."""
    vectors: TextVectors | None = context.features.get("e5")
    scores = {"visual": visual_z(context.signals.get("siglip2", {})), "text": text_z(context, vectors)}
    known = {kind: values for kind, values in scores.items() if values}
    if not known and not context.facts.has_video:
        return skipped("no_video", "neither a picture nor words that could be judged")
    if not known:
        return skipped(
            "model_missing",
            "needs google/siglip2-base-patch16-224 or intfloat/multilingual-e5-small; "
            "run: tiktokctl models pull google/siglip2-base-patch16-224",
        )
    names = _names(vectors)
    fused = fuse(known)
    best = sorted(fused, key=lambda label: -fused[label])[:LABELS_MAX]
    labels = [_label(i, fused[i], scores, names) for i in best if fused[i] >= Z_MIN]
    output = ContentCategory(labels=labels, modalities=sorted(known))
    if "visual" not in known:
        reason: Reason = "model_missing" if context.facts.has_video else "no_video"
        return partial(output, reason, "judged by words alone", calibrated=False)
    return ok(output, calibrated=False)


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
    found = labels.get("content_categories") if isinstance(labels, dict) else None
    return standard(found["cosine"]) if isinstance(found, dict) else {}


def text_z(context: Context, vectors: TextVectors | None) -> dict[str, float]:
    """Return the z-score of each category over all stretches of text, weighted by where they stand."""
    if vectors is None:
        return {}
    labels = vectors.taxonomies["content_categories"]
    total = np.zeros(len(labels.labels))
    for part in texts.blocks(texts.passages(context)):
        vector = vectors.vectors.get(part.text.strip())
        if vector is not None:
            total += KIND_WEIGHTS[part.kind] * (labels.vectors @ vector)
    return standard({label.id: float(v) for label, v in zip(labels.labels, total, strict=True)}) if total.any() else {}


def fuse(known: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the weighted mean over the modalities that are there."""
    weight = sum(WEIGHTS[kind] for kind in known)
    ids = next(iter(known.values()))
    return {i: sum(WEIGHTS[kind] * z.get(i, 0.0) for kind, z in known.items()) / weight for i in ids}


def _names(vectors: TextVectors | None) -> dict[str, tuple[str, str | None]]:
    labels = vectors.taxonomies["content_categories"].labels if vectors else ()
    return {label.id: (label.name, label.group) for label in labels}


def _label(
    label: str, z: float, scores: Mapping[str, Mapping[str, float]], names: Mapping[str, tuple[str, str | None]]
) -> CategoryLabel:
    name, group = names.get(label, (label.replace("_", " "), None))
    visual, text = scores["visual"].get(label), scores["text"].get(label)
    return CategoryLabel(
        id=label,
        name=name,
        group=group,
        score=round(float(1 / (1 + np.exp(-(z - Z_MIN)))), 4),
        z=round(z, 2),
        calibrated=False,
        evidence=Evidence(
            visual=None if visual is None else round(visual, 2), text=None if text is None else round(text, 2)
        ),
    )


ANALYZER = Analyzer(
    name="content_category",
    title="What the video is about: some 40 categories, from pictures and words",
    group="fusion",
    output=ContentCategory,
    analyze=analyze,
    optional=("e5",),
    after=("on_screen_text", "speech_transcription"),
    signals=("siglip2",),
    needs_model=True,
)
