"""What people do: some 120 activities of short videos, over the clip and per shot.

Zero-shot by SigLIP2 on single frames, pooled over time.
An activity is named only where it stands out among the others and beats prompts that describe nothing.

Bad at actions that only motion defines (opening against closing a door), at hands without a body, and at anything
small in the picture. Scores are shares, not probabilities.
Source: SigLIP2 (arXiv 2502.14786, Apache-2.0); prompts in data/prompts/activities.toml.
"""

from tiktokd.model import Output, Segment
from tiktokd.pictures import ImageEmbeddings, rank
from tiktokd.plugins import Analyzer, Context, Result, ok

ACTIVITIES_MAX = 5


class Activity(Output):
    """One activity."""

    id: str
    """Of data/prompts/activities.toml."""
    label: str
    """For people."""
    score: float
    """0..1, share among all activities and background prompts; not a probability."""
    z: float
    """Robust z-score among the activities of this clip; at least 2."""


class ActivityRecognition(Output):
    """What people do."""

    labels: list[Activity]
    """Best first, at most five; empty where none stands out."""


class ActivitySegment(Segment):
    """The activity of one shot."""

    label: str
    """For people."""
    score: float
    """0..1, as in `Activity`."""


def analyze(context: Context) -> Result:
    """Name the activities of the clip and of each shot."""
    images: ImageEmbeddings = context.features["siglip2"]
    activities = images.taxonomies["activities"]
    found = [
        Activity(id=r.label.id, label=r.label.name, score=round(r.score, 4), z=round(r.z, 2))
        for r in rank(activities, limit=ACTIVITIES_MAX)
    ]
    segments = []
    for shot in context.features["shots"].shots:
        best = rank(activities, (images.pts_s >= shot.start_s) & (images.pts_s < shot.end_s), limit=1)
        if best:
            name, score = best[0].label.name, round(best[0].score, 4)
            segments.append(ActivitySegment(start_s=shot.start_s, end_s=shot.end_s, label=name, score=score))
    return ok(ActivityRecognition(labels=found), segments, calibrated=False)


ANALYZER = Analyzer(
    name="activity_recognition",
    title="What people do: dancing, cooking, unboxing and some 120 other activities",
    group="video",
    output=ActivityRecognition,
    analyze=analyze,
    uses=("siglip2", "shots"),
    needs=frozenset({"video"}),
    lightweight=False,
)
