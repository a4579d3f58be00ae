"""What people do: some 120 activities of short videos, over the clip and per shot, and whether they dance to the music.

Zero-shot by SigLIP2 on single frames, pooled over time: an activity is named only where it stands out among the others
and beats prompts that describe nothing. Dancing has a second witness that single frames do not give: movement where
people are that keeps to the beat (`dance_sync`, as in `people_framing`); from 0.3 on it names dancing by itself.
Where the extra VideoPrism was fetched, it names activities of the same list over 16 frames seen as one moving picture:
a third witness, for the whole clip.

Bad at actions that only motion defines (opening against closing a door; less so with the extra), at hands without a
body, and at anything small in the picture; clapping, jumping and workouts to music keep time as dancing does. Scores
are not probabilities.
Source: SigLIP2 (arXiv 2502.14786, Apache-2.0); VideoPrism (arXiv 2402.13217, Apache-2.0); prompts in
data/prompts/activities.toml; the beat measure is our own.
"""

from typing import Any, Literal

from tiktokd.analyzers import _dance
from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, skipped

DANCE_MIN = 0.3
"""Movement on unrelated beats and at random times reached 0.13 in 8 s, drawn dancers on the beat 0.21 to 1.0."""
DANCING = "dancing"
"""The id in the taxonomy; a user's own taxonomy may do without it."""


class Activity(Output):
    """One activity."""

    id: str
    """Of data/prompts/activities.toml."""
    label: str
    """For people."""
    score: float
    """0..1: for pictures and video the share among all activities and background prompts, for motion alone
    `dance_sync`; not a probability, and scores of different sources do not compare."""
    z: float | None
    """Robust z-score among the activities of this clip, at least 2; `None`: named by its motion alone."""
    source: Literal["pictures", "motion", "both", "video"]
    """Frames that look like it, movement on the beat, or both; video: the extra model of moving pictures, by itself."""


class ActivityRecognition(Output):
    """What people do."""

    labels: list[Activity]
    """Best first, at most five from pictures; empty where none stands out. At most five from the extra model follow,
    best first, so that an activity with both witnesses stands twice."""
    dance_sync: float | None
    """0..1, how much of the movement of people keeps to the beat beyond chance; `None`: see `unknown`."""
    unknown: dict[str, str]
    """Field that is null → why: `dance_sync` → no_people, no_beat, no_audio, too_short, low_quality (no movement) …"""


class ActivitySegment(Segment):
    """The activity of one shot."""

    label: str
    """For people."""
    score: float
    """0..1, as in `Activity`, from pictures."""


def analyze(context: Context) -> Result:
    """Name the activities of the clip and of each shot."""
    seen = context.signals["picture_labels"].get("activities")
    if seen is None:
        return skipped("no_sources", "there is no taxonomy prompts/activities.toml to name activities by")
    sync, why, _message = _dance.in_clip(context)
    labels = [_activity(found) for found in seen["labels"]]
    if sync is not None and sync >= DANCE_MIN and seen["dancing"] is not None:
        labels = with_dancing(labels, sync, seen["dancing"])
    labels += [_activity(found, "video") for found in context.signals.get("videoprism", {}).get("labels", [])]
    segments = [
        ActivitySegment(start_s=s["start_s"], end_s=s["end_s"], label=s["name"], score=s["score"])
        for s in seen["shots"]
    ]
    output = ActivityRecognition(labels=labels, dance_sync=sync, unknown={"dance_sync": why} if why else {})
    return ok(output, segments, calibrated=False, tier="full")


def with_dancing(labels: list[Activity], sync: float, name: str) -> list[Activity]:
    """Return the labels with dancing confirmed by motion, or added where pictures did not name it."""
    if not any(found.id == DANCING for found in labels):
        return [*labels, Activity(id=DANCING, label=name, score=sync, z=None, source="motion")]
    return [f.model_copy(update={"source": "both"}) if f.id == DANCING else f for f in labels]


def _activity(found: dict[str, Any], source: Literal["pictures", "video"] = "pictures") -> Activity:
    return Activity(id=found["id"], label=found["name"], score=found["score"], z=found["z"], source=source)


ANALYZER = Analyzer(
    name="activity_recognition",
    title="What people do: dancing, cooking, unboxing and some 120 other activities",
    group="fusion",
    output=ActivityRecognition,
    segment=ActivitySegment,
    analyze=analyze,
    signals=("picture_labels", "siglip2", "dfine", "person_motion", "beats", "videoprism"),
    needs_signals=("siglip2", "picture_labels"),
    needs=frozenset({"video"}),
    version="6",
)
