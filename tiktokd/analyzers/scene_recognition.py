"""Where a video was filmed: places, indoors or outdoors, time of day, weather, over the clip and per shot.

Zero-shot by SigLIP2 against the 365 places of Places365 (Zhou et al. 2018) and a few more. A place is named only where
it stands out among the other places and beats prompts that describe nothing. Scores are shares, not probabilities.

Bad at green screens, filters, close-ups of faces and things (no place is named), and drawn or rendered scenes.
Source: SigLIP2 (arXiv 2502.14786, Apache-2.0); prompts in data/prompts/{scenes,time_of_day,weather}.toml.
"""

from collections.abc import Sequence

import numpy as np

from tiktokd.model import Output, Segment
from tiktokd.pictures import ImageEmbeddings, LabelCosines, Ranked, rank, shares, winner
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped

PLACES_MAX = 5
OUTDOORS = ("time_of_day", "weather")
"""Taxonomies of what shows outdoors."""


class Place(Output):
    """One place."""

    id: str
    """Of data/prompts/scenes.toml."""
    label: str
    """For people."""
    score: float
    """0..1, share among all places and background prompts; not a probability."""


class SceneRecognition(Output):
    """Where it was filmed."""

    place: list[Place]
    """Best first, at most five; empty where none stands out."""
    indoor_ratio: float | None
    """0..1 of the time, to the sampling step, in which the nearest place is indoors; `None`: see `unknown`."""
    time_of_day: str | None
    """day, golden_hour or night; `None`: see `unknown`."""
    weather: str | None
    """clear, cloudy, rain, snow or fog; `None`: see `unknown`."""
    unknown: dict[str, str]
    """Field that is null → why: no_sources (the taxonomy is not there, or marks no place as indoors or
    outdoors), indoors (most frames are), unclear (no label beats the prompts that describe nothing)."""


class SceneSegment(Segment):
    """The place of one shot."""

    label: str
    """For people."""
    score: float
    """0..1, as in `Place`."""


def analyze(context: Context) -> Result:
    """Name the places of the clip and of each shot."""
    images: ImageEmbeddings = context.features["siglip2"]
    scenes = images.taxonomies.get("scenes")
    if scenes is None:
        return skipped("no_sources", "there is no taxonomy prompts/scenes.toml to name places by")
    places = [_place(found) for found in rank(scenes, limit=PLACES_MAX)]
    indoor = indoor_ratio(scenes, shares(images.pts_s.tolist(), context.facts.duration_s))
    told = {name: _told(images.taxonomies.get(name), indoor) for name in OUTDOORS}
    unknown = {} if indoor is not None else {"indoor_ratio": "no_sources"}
    output = SceneRecognition(
        place=places,
        indoor_ratio=indoor,
        time_of_day=told["time_of_day"][0],
        weather=told["weather"][0],
        unknown=unknown | {name: why for name, (_label, why) in told.items() if why},
    )
    segments = _segments(context, images, scenes)
    if lost := [name for name in OUTDOORS if name not in images.taxonomies]:
        files = " and ".join(f"prompts/{name}.toml" for name in lost)
        return partial(output, "no_sources", f"there is no taxonomy {files}", segments, calibrated=False)
    return ok(output, segments, calibrated=False)


def _told(labels: LabelCosines | None, indoor: float | None) -> tuple[str, None] | tuple[None, str]:
    """Return which label of a small taxonomy the outdoor picture shows, or why none."""
    if labels is None:
        return None, "no_sources"
    if indoor is not None and indoor >= 0.5:
        return None, "indoors"
    found = winner(labels)
    return (found.label.id, None) if found else (None, "unclear")


def indoor_ratio(scenes: LabelCosines, weights: Sequence[float]) -> float | None:
    """Return the share of the time, by frame, in which the nearest indoor place beats the nearest outdoor place."""
    inside = [i for i, label in enumerate(scenes.labels) if label.group == "indoor"]
    outside = [i for i, label in enumerate(scenes.labels) if label.group == "outdoor"]
    if not inside or not outside:
        return None
    wins = scenes.cosine[:, inside].max(axis=1) > scenes.cosine[:, outside].max(axis=1)
    return round(float(np.array(weights) @ wins), 4)


def _place(found: Ranked) -> Place:
    return Place(id=found.label.id, label=found.label.name, score=round(found.score, 4))


def _segments(context: Context, images: ImageEmbeddings, scenes: LabelCosines) -> list[SceneSegment]:
    segments = []
    for shot in context.features["shots"].shots:
        best = rank(scenes, (images.pts_s >= shot.start_s) & (images.pts_s < shot.end_s), limit=1)
        if best:
            name, score = best[0].label.name, round(best[0].score, 4)
            segments.append(SceneSegment(start_s=shot.start_s, end_s=shot.end_s, label=name, score=score))
    return segments


ANALYZER = Analyzer(
    name="scene_recognition",
    title="Where was it filmed: place, indoors or outdoors, time of day, weather",
    group="video",
    output=SceneRecognition,
    segment=SceneSegment,
    analyze=analyze,
    uses=("siglip2", "shots"),
    needs=frozenset({"video"}),
    lightweight=False,
    version="5",
)
