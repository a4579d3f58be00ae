"""What a human moderator should look at: explicit content, violence, weapons, drugs and other policy areas.

Three sources: SigLIP2 against policy prompts, an explicit-content classifier, and D-FINE's classes of weapons, drinks
and smoking. Where one could not look the result is partial and says which (`unknown`). Scores escalate, never clear:
there is no "safe" verdict by design, and an empty list means that nothing was found, not that nothing is there.

Bad at skin-coloured objects, sport, art, breastfeeding, violence in games and films, generated pictures, symbols
smaller than a tenth of the picture.
Source: SigLIP2 (Apache-2.0), D-FINE (Apache-2.0), Falconsai/nsfw_image_detection (Apache-2.0);
prompts in data/prompts/moderation.toml.
"""

from collections.abc import Sequence

import numpy as np

from tiktokd.model import Output, Reason, Segment
from tiktokd.pictures import FrameDetections, FrameScores, ImageEmbeddings, LabelCosines
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped

EXPLICIT_REVIEW = 0.5
"""Share at which the classifier prefers its explicit class."""
MARGIN_REVIEW = 0.02
"""Cosine by which a policy prompt must beat every background prompt. SigLIP2 cosines of matching pairs lie around 0.1
and of unrelated ones around 0.0; not calibrated, see `calibrated`."""
OBJECT_CATEGORIES = {
    "gun": "weapon",
    "knife": "weapon",
    "cigar/cigarette": "alcohol_tobacco",
    "wine glass": "alcohol_tobacco",
    "lighter": "alcohol_tobacco",
}
"""Objects365 class (as in the checkpoint's `id2label`, lower case) → category. A kitchen knife is a knife: a hint for a
person, no more."""
OBJECT_REVIEW = 0.6
Samples = tuple[Sequence[float], Sequence[float], float]
"""Times in seconds, scores 0..1, length of the video in seconds."""
SOURCES = {"zero_shot": "siglip2", "classifier": "nsfw", "object": "dfine"}
"""Source → the encoder behind it."""
MEANT = {"zero_shot": "policy areas", "classifier": "explicit pictures", "object": "weapons, drinks and smoking"}
EXPLICIT = "nsfw"
"""The classifier's name of its explicit class."""


class Category(Output):
    """One policy area with evidence."""

    id: str
    """explicit, or an id of data/prompts/moderation.toml."""
    score: float
    """0..1: the mean of the three highest frames; comparable only within one source."""
    max_frame_s: float
    """Time of the frame with the highest score."""
    calibrated: bool
    """False: no threshold was fitted to your data."""
    source: str
    """classifier, zero_shot or object."""


class VisualModeration(Output):
    """What to look at."""

    categories: list[Category]
    """Highest score first; empty: nothing was found, which is not a verdict."""
    needs_review: bool
    """A category passed its review threshold."""
    looked: list[str]
    """The sources that looked: classifier, object, zero_shot. What the others would have found is not known."""
    unknown: dict[str, str]
    """Source that did not look → why: model_missing, no_sources (error, no taxonomy, or a classifier of the user's
    that has no class named nsfw)."""


class Flagged(Segment):
    """A stretch to look at."""

    category: str
    """As in `Category.id`."""
    score: float
    """0..1, highest in the stretch."""


def analyze(context: Context) -> Result:
    """Collect the evidence of every source that is there."""
    images: ImageEmbeddings | None = context.features.get("siglip2")
    policies = images.taxonomies.get("moderation") if images else None
    lacking = _lacking(context, policies is None)
    if len(lacking) == len(SOURCES):
        reason, message = lacking["zero_shot"]
        return skipped(reason, message)
    found: list[tuple[Category, list[Flagged]]] = []
    if images is not None and policies is not None:
        for index in range(len(policies.labels)):
            found += _zero_shot(images, policies, index, context.facts.duration_s)
    found += _objects(context.features.get("dfine", ()), context.facts.duration_s)
    found += _explicit(context.features.get("nsfw"), context.facts.duration_s)
    found.sort(key=lambda pair: -pair[0].score)
    segments = sorted((s for _c, spans in found for s in spans), key=lambda s: (s.start_s, s.category))
    output = VisualModeration(
        categories=[c for c, _s in found],
        needs_review=bool(found),
        looked=sorted(SOURCES.keys() - lacking.keys()),
        unknown={source: reason for source, (reason, _message) in lacking.items()},
    )
    if lacking:
        reason = next(iter(lacking.values()))[0]
        lost = "; ".join(f"{MEANT[source]} were not looked for: {message}" for source, (_r, message) in lacking.items())
        return partial(output, reason, lost, segments, calibrated=False)
    return ok(output, segments, calibrated=False)


def _lacking(context: Context, no_policies: bool) -> dict[str, tuple[Reason, str]]:
    """Return the sources that could not look, each with the reason."""
    found = {source: context.lack(encoder) for source, encoder in SOURCES.items()}
    if found["zero_shot"] is None and no_policies:
        found["zero_shot"] = ("no_sources", "there is no taxonomy prompts/moderation.toml")
    scores: FrameScores | None = context.features.get("nsfw")
    if scores is not None and EXPLICIT not in scores.labels:
        found["classifier"] = ("no_sources", f'none of its classes is "{EXPLICIT}": {", ".join(scores.labels)}')
    return {source: lack for source, lack in found.items() if lack}


def pooled(scores: Sequence[float]) -> float:
    """Return the mean of the three highest scores: one odd frame weighs less than a scene, and is still seen."""
    best = sorted(scores, reverse=True)[:3]
    return sum(best) / len(best) if best else 0.0


def spans(times_s: Sequence[float], scores: Sequence[float], threshold: float, duration_s: float) -> list[Flagged]:
    """Return the stretches of samples at or above `threshold`, each until the next sample or the end."""
    ends = [*times_s[1:], max(duration_s, times_s[-1])] if len(times_s) else []
    found: list[Flagged] = []
    for start, end, score in zip(times_s, ends, scores, strict=True):
        if score < threshold:
            continue
        if found and found[-1].end_s == float(start):
            best = max(found[-1].score, round(float(score), 4))
            found[-1] = Flagged(start_s=found[-1].start_s, end_s=float(end), category="", score=best)
        else:
            found.append(Flagged(start_s=float(start), end_s=float(end), category="", score=round(float(score), 4)))
    return found


def _evidence(category: str, source: str, samples: Samples, threshold: float) -> list[tuple[Category, list[Flagged]]]:
    times, scores, duration_s = samples
    if not len(scores) or max(scores) < threshold:
        return []
    best = int(np.argmax(scores))
    stretches = [s.model_copy(update={"category": category}) for s in spans(times, scores, threshold, duration_s)]
    entry = Category(
        id=category,
        score=round(min(max(pooled(scores), 0.0), 1.0), 4),
        max_frame_s=round(times[best], 3),
        calibrated=False,
        source=source,
    )
    return [(entry, stretches)]


def _zero_shot(
    images: ImageEmbeddings, policy: LabelCosines, index: int, duration_s: float
) -> list[tuple[Category, list[Flagged]]]:
    floor = policy.background.max(axis=1) if policy.background.size else np.zeros(len(images.pts_s))
    margin = policy.cosine[:, index] - floor
    scores = 1.0 / (1.0 + np.exp(-policy.scale * (margin - MARGIN_REVIEW)))
    return _evidence(policy.labels[index].id, "zero_shot", (images.pts_s.tolist(), scores.tolist(), duration_s), 0.5)


def _objects(frames: Sequence[FrameDetections], duration_s: float) -> list[tuple[Category, list[Flagged]]]:
    found = []
    times = [f.pts_s for f in frames]
    for category in sorted(set(OBJECT_CATEGORIES.values())):
        scores = [
            max((d.score for d in f.found if OBJECT_CATEGORIES.get(d.label) == category), default=0.0) for f in frames
        ]
        found += _evidence(category, "object", (times, scores, duration_s), OBJECT_REVIEW)
    return found


def _explicit(scores: FrameScores | None, duration_s: float) -> list[tuple[Category, list[Flagged]]]:
    if scores is None or EXPLICIT not in scores.labels:
        return []
    column = scores.scores[:, scores.labels.index(EXPLICIT)]
    return _evidence("explicit", "classifier", (scores.pts_s.tolist(), column.tolist(), duration_s), EXPLICIT_REVIEW)


ANALYZER = Analyzer(
    name="visual_moderation",
    title="What a human moderator should look at; escalates, never clears",
    group="video",
    output=VisualModeration,
    segment=Flagged,
    analyze=analyze,
    optional=("siglip2", "nsfw", "dfine"),
    needs_model=True,
    needs=frozenset({"video"}),
    lightweight=False,
    version="4",
)
