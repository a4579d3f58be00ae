"""How many people are seen, how they are framed, whether they face the camera, how they move.

Person boxes of D-FINE and body keypoints of ViTPose++; without them (tier lite) only how many frontal faces are in view
and when. Nobody is recognised; age, gender, ethnicity and emotion are left out on purpose.

Bad at crowds, mannequins, posters, mirrors and bodies cut by the frame; `dance_sync` needs a steady beat.
Source: D-FINE (arXiv 2410.13842), ViTPose++ (arXiv 2212.04246), both Apache-2.0.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from tiktokd.model import Output, Segment
from tiktokd.pictures import COCO_KEYPOINTS, SEEN, FrameDetections, Pose, facing, visible
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped

FETCH = "a GPU and the weights: tiktokctl models pull people_framing"
CLOSE_HEIGHT, FULL_HEIGHT = 0.85, 0.5
"""Share of the picture's height where joints do not decide: nearly all of it is a close-up, half of it a full body."""


class Framing(Output):
    """Shares of the person samples; they add up to 1."""

    close: float
    """0..1: head and shoulders."""
    medium: float
    """0..1: down to the hips or knees."""
    full: float
    """0..1: feet and all, or small in the picture."""


class PeopleFraming(Output):
    """People in the picture."""

    people_max: int
    """Most people in one sampled frame."""
    people_median: float
    """Median over the frames that show anybody."""
    person_screen_ratio: float
    """0..1 of the sampled frames that show anybody."""
    framing: Framing | None
    """`None` without keypoints."""
    facing_ratio: float | None
    """0..1 of the person samples with nose and both eyes visible; `None` without keypoints."""
    hands_raised_ratio: float | None
    """0..1 of the person samples with a wrist above its shoulder; `None` without keypoints."""
    movement_energy: float | None
    """Mean travel of visible joints per second in body heights; `None` with fewer than two samples of a person."""
    dance_sync: float | None
    """0..1, how much movement falls on beats; `None`: 16 frames are too few to tell, or no steady beat."""


class PeopleSegment(Segment):
    """A stretch with people."""

    people_max: int
    """Most people in one of its frames."""


def analyze(context: Context) -> Result:
    """Describe the people of the clip."""
    frames: tuple[FrameDetections, ...] | None = context.features.get("dfine")
    if frames is None:
        return by_faces(context.features.get("faces", ()), context.facts.duration_s)
    counts = [sum(d.label == "person" for d in f.found) for f in frames]
    if not any(counts):
        return skipped("no_people", "no person was found in the sampled frames")
    poses: tuple[Pose, ...] = context.features.get("vitpose", ())
    shares = [framing(p) for p in poses]
    output = PeopleFraming(
        people_max=max(counts),
        people_median=float(np.median([c for c in counts if c])),
        person_screen_ratio=round(sum(c > 0 for c in counts) / len(counts), 4),
        framing=_framing(shares) if poses else None,
        facing_ratio=_share([facing(p) for p in poses]),
        hands_raised_ratio=_share([hands_raised(p) for p in poses]),
        movement_energy=movement(poses),
        dance_sync=None,
    )
    segments = _segments(frames, counts, context.facts.duration_s)
    if not poses:
        return partial(output, "model_missing", "keypoints need usyd-community/vitpose-plus-small", segments)
    return ok(output, segments, calibrated=False)


def by_faces(frames: Sequence[FrameDetections], duration_s: float) -> Result:
    """Return the lite tier: how many frontal faces are seen and when, and nothing that needs a body."""
    counts = [len(f.found) for f in frames]
    if not any(counts):
        return skipped("model_missing", f"no frontal face was seen; whether anybody is there needs {FETCH}")
    output = PeopleFraming(
        people_max=max(counts),
        people_median=float(np.median([c for c in counts if c])),
        person_screen_ratio=round(sum(c > 0 for c in counts) / len(counts), 4),
        framing=None,
        facing_ratio=None,
        hands_raised_ratio=None,
        movement_energy=None,
        dance_sync=None,
    )
    message = f"frontal faces alone, so these are lower bounds; bodies need {FETCH}"
    return partial(output, "model_missing", message, _segments(frames, counts, duration_s), calibrated=False)


def framing(pose: Pose) -> str:
    """Return close, medium or full, from the lowest visible joints; from the box where no joint decides."""
    joints = visible(pose)
    if joints & {"left_ankle", "right_ankle"}:
        return "full"
    if joints & {"left_knee", "right_knee", "left_hip", "right_hip"}:
        return "medium"
    if joints & {"nose", "left_shoulder", "right_shoulder"}:
        return "close"
    return "close" if pose.box[3] >= CLOSE_HEIGHT else "full" if pose.box[3] < FULL_HEIGHT else "medium"


def hands_raised(pose: Pose) -> bool:
    """Return whether a wrist is above the shoulder of its side."""
    joints, points = visible(pose), dict(zip(COCO_KEYPOINTS, pose.points, strict=True))
    return any(
        {f"{side}_wrist", f"{side}_shoulder"} <= joints and points[f"{side}_wrist"][1] < points[f"{side}_shoulder"][1]
        for side in ("left", "right")
    )


def movement(poses: Sequence[Pose]) -> float | None:
    """Return the mean travel of joints per second in body heights, between neighbouring samples of one person."""
    largest: dict[float, Pose] = {}
    for pose in poses:
        held = largest.get(pose.pts_s)
        if held is None or pose.box[2] * pose.box[3] > held.box[2] * held.box[3]:
            largest[pose.pts_s] = pose
    times = sorted(largest)
    travels = []
    for before, after in itertools.pairwise(times):
        a, b = largest[before], largest[after]
        both = (a.points[:, 2] >= SEEN) & (b.points[:, 2] >= SEEN)
        height = max(a.box[3], b.box[3])
        if both.any() and height > 0 and after > before:
            travel = np.linalg.norm(a.points[both, :2] - b.points[both, :2], axis=1).mean()
            travels.append(float(travel) / height / (after - before))
    return round(sum(travels) / len(travels), 4) if travels else None


def _framing(shares: Sequence[str]) -> Framing:
    close, medium, full = (round(shares.count(kind) / len(shares), 4) for kind in ("close", "medium", "full"))
    return Framing(close=close, medium=medium, full=full)


def _share(flags: Sequence[bool]) -> float | None:
    return round(sum(flags) / len(flags), 4) if flags else None


def _segments(frames: Sequence[FrameDetections], counts: Sequence[int], duration_s: float) -> list[PeopleSegment]:
    ends = [*(f.pts_s for f in frames[1:]), max(duration_s, frames[-1].pts_s)]
    segments: list[PeopleSegment] = []
    for frame, count, end in zip(frames, counts, ends, strict=True):
        if not count:
            continue
        if segments and segments[-1].end_s == frame.pts_s:
            last = segments.pop()
            segments.append(PeopleSegment(start_s=last.start_s, end_s=end, people_max=max(last.people_max, count)))
        else:
            segments.append(PeopleSegment(start_s=frame.pts_s, end_s=end, people_max=count))
    return segments


ANALYZER = Analyzer(
    name="people_framing",
    title="How many people, how framed, facing the camera, moving; nobody is identified",
    group="video",
    output=PeopleFraming,
    analyze=analyze,
    optional=("dfine", "faces", "vitpose"),
    needs=frozenset({"video"}),
    version="2",
)
