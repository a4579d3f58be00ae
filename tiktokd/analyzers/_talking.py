"""Who is seen while somebody speaks: talking heads and voice-overs, from person boxes, poses, speech and sounds."""

from collections.abc import Callable

from tiktokd.pictures import shares, told_poses, upright
from tiktokd.plugins import Context

PERSON_AREA = 0.08
"""Smallest share of the picture of somebody who talks to the camera."""
SUNG, SPOKEN = ("Singing", "Choir", "Rapping", "A capella"), ("Speech", "Conversation", "Narration, monologue")
"""AudioSet classes; `vad` takes either for speech."""


def talking_head(context: Context) -> float | None:
    """Return the share of the time, 0..1, with speech and one large upright person; `None`: boxes or speech unknown.

    Who lies or hangs upside down by their joints does not count; where no pose tells, the box does.
    """
    aspect = (context.facts.width_px or 1) / (context.facts.height_px or 1)
    largest = sorted(told_poses(context.signals), key=lambda pose: pose.box[2] * pose.box[3])
    stands = {pose.pts_s: upright(pose, aspect) for pose in largest}
    return _share(context, lambda pts_s, people: people == 1 and stands.get(pts_s) is not False)


def voice_over(context: Context) -> float | None:
    """Return the share of the time, 0..1, with speech while nobody large is seen; `None`: boxes or speech unknown."""
    return _share(context, lambda _pts_s, people: people == 0)


def _share(context: Context, fits: Callable[[float, int], bool]) -> float | None:
    frames: list[list[float]] = context.signals.get("dfine", {}).get("people", [])
    speech: list[list[float]] | None = context.signals.get("vad", {}).get("spans_s")
    if not frames or speech is None:
        return None
    if _sung(context):
        speech = []
    weighed = zip(frames, shares([frame[0] for frame in frames], context.facts.duration_s), strict=True)
    fitting = [(t, share) for (t, *areas), share in weighed if fits(t, sum(area >= PERSON_AREA for area in areas))]
    return round(sum(share for t, share in fitting if any(start <= t < end for start, end in speech)), 4)


def _sung(context: Context) -> bool:
    """Return whether the voice of the clip sings more than it speaks; without AST nobody can tell."""
    heard: dict[str, float] = context.signals.get("ast", {}).get("labels", {})
    sung, spoken = (max((heard.get(label, 0.0) for label in labels), default=0.0) for labels in (SUNG, SPOKEN))
    return sung > spoken
