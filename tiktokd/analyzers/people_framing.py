"""How many people are seen, how they are framed, whether they face the camera, how they move, and whether to the beat.

Person boxes of D-FINE in up to 16 frames and body keypoints of ViTPose++; without D-FINE (tier lite) only how many
frontal faces are in view in up to 8 (by OpenCV's own cascades: YuNet, its newer face detector, is an ONNX file, and
weights are taken as safetensors alone). Nobody is recognised; age, gender, ethnicity and emotion are left out on
purpose.

Between the frames nobody looked. Shares and medians are estimates: each frame counts as much as its part of its shot,
up to the middle to its neighbours there, and shots without a frame count nothing. A segment claims less: at most 2.5 s
before and after a frame that shows somebody, and nothing beyond the next cut (of `shot_boundaries`, where it ran).

`dance_sync` compares the movement where people are, 20 times a second, with the beats of the sound: how far its sharper
side (starts, or stops) lies on beats or evenly on half beats, less what unrelated tempi score. 1 is a figure that moves
on every beat, drawn swaying and bouncing reach 0.2 to 0.8, random movement 0 to 0.1.

Tier lite misses everybody who does not face the camera, and takes drawn faces and sometimes a round pattern for people.
Bad at crowds, mannequins, posters, mirrors and bodies cut by the frame. `dance_sync` judges the first minute and all
people as one; it takes a moving camera or flashing light on people that fill the picture for their movement, cannot
tell dancing from clapping or exercise to music, and counts steady dancing half a beat late as not on the beat.
Source: D-FINE (arXiv 2410.13842), ViTPose++ (arXiv 2212.04246), both Apache-2.0; kinematic beats after AIST++
(arXiv 2101.08779), the measure is our own.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from tiktokd.analyzers import _dance
from tiktokd.analyzers.shot_boundaries import ShotBoundaries
from tiktokd.model import Output, Reason, Segment
from tiktokd.pictures import (
    COCO_KEYPOINTS,
    SEEN,
    Pose,
    facing,
    iou,
    mean_over,
    median_over,
    told_poses,
    visible,
)
from tiktokd.plugins import Analyzer, Context, Result, ok, partial, skipped
from tiktokd.stretches import Stretch, stretches, within_reach
from tiktokd.stretches import weights as weights_of

OF_POSES = ("framing", "facing_ratio", "hands_raised_ratio", "movement_energy")
"""Fields that keypoints alone tell."""
SAME_PERSON = 0.3
"""Overlap of two boxes in neighbouring samples from which on they are one person, as in `object_detection`."""
CLOSE_HEIGHT, FULL_HEIGHT = 0.85, 0.5
"""Share of the picture's height where joints do not decide: nearly all of it is a close-up, half of it a full body."""


class Framing(Output):
    """Shares of the time of the people whose joints were looked at; they add up to 1."""

    close: float
    """0..1: head and shoulders."""
    medium: float
    """0..1: down to the hips or knees."""
    full: float
    """0..1: feet and all, or small in the picture."""


class PeopleFraming(Output):
    """People in the picture."""

    people_max: int
    """Most people in one sampled frame; tier lite: frontal faces."""
    people_median: float
    """Median over the sampled frames with anybody, by the time that each stands for."""
    person_screen_ratio: float
    """0..1: share of the frames with anybody, by the time that each stands for; an estimate from up to 16 frames, of
    tier lite from up to 8."""
    framing: Framing | None
    """`None` without keypoints."""
    facing_ratio: float | None
    """0..1 of the same time with nose and both eyes visible; `None` without keypoints."""
    hands_raised_ratio: float | None
    """0..1 of the same time with a wrist above its shoulder; `None` without keypoints."""
    movement_energy: float | None
    """Travel of visible joints per second in body heights, between neighbouring samples that show one person;
    `None`: no two do."""
    dance_sync: float | None
    """0..1, how much of the movement keeps to the beat beyond chance; `None`: see `unknown`."""
    unknown: dict[str, str]
    """Field that is null → why: model_missing, cpu_fallback, too_short, no_beat, no_audio, low_quality (hardly any
    movement), truncated (a long video)."""


class PeopleSegment(Segment):
    """A stretch around sampled frames with people: up to the middle to the next frame, at most 2.5 s and to the cut."""

    people_max: int
    """Most people in one of its frames; tier lite: frontal faces."""


def analyze(context: Context) -> Result:
    """Describe the people of the clip."""
    seen = context.signals.get("dfine")
    if seen is None:
        return by_faces(context)
    times, counts = [t for t, *_areas in seen["people"]], [len(areas) for _t, *areas in seen["people"]]
    if not any(counts):
        return skipped("no_people", "no person was found in the sampled frames")
    poses = told_poses(context.signals)
    sync, why, _message = _dance.in_clip(context)
    unknown: dict[str, str] = {"dance_sync": why} if why else {}
    lack = context.lack("vitpose")
    if lack:
        unknown |= dict.fromkeys(OF_POSES, lack[0])
    parts = stretches(times, context.facts.duration_s, _cuts(context))
    output = _output(times, counts, parts, poses, unknown, sync=sync)
    segments = _segments(counts, within_reach(times, parts))
    if lack:
        return partial(
            output, lack[0], f"how people stand and move: {lack[1]}", segments, calibrated=False, tier="lite"
        )
    return ok(output, segments, calibrated=False, tier="full")


def by_faces(context: Context) -> Result:
    """Return the lite tier: how many frontal faces are seen and when, and nothing that needs a body."""
    reason, needs = context.lack("dfine") or ("no_sources", "no person detector ran")
    frames: list[list[float]] = context.signals.get("faces", {}).get("faces", [])
    times, counts = [t for t, _count in frames], [int(count) for _t, count in frames]
    if not any(counts):
        looked = "no frontal face was seen, which is not nobody; " if frames else ""
        return skipped(reason, f"{looked}people: {needs}")
    unknown: dict[str, str] = dict.fromkeys((*OF_POSES, "dance_sync"), reason)
    parts = stretches(times, context.facts.duration_s, _cuts(context))
    output = _output(times, counts, parts, [], unknown)
    message = f"frontal faces in {len(times)} frames alone: who turns away is missed, a pattern may be taken for a face"
    message = f"{message}; bodies: {needs}"
    segments = _segments(counts, within_reach(times, parts))
    return partial(output, reason, message, segments, calibrated=False, tier="lite")


def _output(
    times_s: Sequence[float],
    counts: Sequence[int],
    parts: Sequence[Stretch],
    poses: Sequence[Pose],
    unknown: dict[str, str],
    *,
    sync: float | None = None,
) -> PeopleFraming:
    of_frames = weights_of(parts)
    of_frame = dict(zip(times_s, of_frames, strict=True))
    shown = [(count, share) for count, share in zip(counts, of_frames, strict=True) if count]
    weights = [of_frame[pose.pts_s] for pose in poses]
    energy = movement(poses)
    if energy is None:
        too_few: Reason = "too_short"
        unknown = {"movement_energy": too_few} | unknown
    return PeopleFraming(
        people_max=max(counts),
        people_median=median_over([count for count, _share in shown], [share for _count, share in shown]),
        person_screen_ratio=round(sum(share for _count, share in shown), 4),
        framing=_framing([framing(p) for p in poses], weights) if poses else None,
        facing_ratio=_share([facing(p) for p in poses], weights),
        hands_raised_ratio=_share([hands_raised(p) for p in poses], weights),
        movement_energy=energy,
        dance_sync=sync,
        unknown=unknown,
    )


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
    """Return the travel of joints per second in body heights, between neighbouring samples of one person.

    The largest person of a sample is followed to the next one; where no box there overlaps, after a cut for instance,
    nothing is known of how they moved.
    """
    samples = [list(group) for _t, group in itertools.groupby(sorted(poses, key=_time), key=_time)]
    travelled = seconds = 0.0
    for before, after in itertools.pairwise(samples):
        a = max(before, key=lambda pose: pose.box[2] * pose.box[3])
        b = max(after, key=lambda pose: iou(a.box, pose.box))
        both = (a.points[:, 2] >= SEEN) & (b.points[:, 2] >= SEEN)
        if iou(a.box, b.box) >= SAME_PERSON and both.any():
            travel = np.linalg.norm(a.points[both, :2] - b.points[both, :2], axis=1).mean()
            travelled += float(travel) / max(a.box[3], b.box[3])
            seconds += b.pts_s - a.pts_s
    return round(travelled / seconds, 4) if seconds > 0 else None


def _time(pose: Pose) -> float:
    return pose.pts_s


def _framing(kinds: Sequence[str], weights: Sequence[float]) -> Framing:
    close, medium, full = (
        round(mean_over([float(one == kind) for one in kinds], weights), 4) for kind in ("close", "medium", "full")
    )
    return Framing(close=close, medium=medium, full=full)


def _share(flags: Sequence[bool], weights: Sequence[float]) -> float | None:
    return round(mean_over([float(flag) for flag in flags], weights), 4) if flags else None


def _cuts(context: Context) -> list[float]:
    """Return when shots change, softly or at once; none where nobody looked."""
    shots = context.output("shot_boundaries", ShotBoundaries)
    return [change.t_s for change in shots.transitions] if shots else []


def _segments(counts: Sequence[int], parts: Sequence[Stretch]) -> list[PeopleSegment]:
    segments: list[PeopleSegment] = []
    for count, (start, end) in zip(counts, parts, strict=True):
        start_s, end_s = round(start, 3), round(end, 3)
        if not count:
            continue
        if segments and segments[-1].end_s == start_s:
            last = segments.pop()
            segments.append(PeopleSegment(start_s=last.start_s, end_s=end_s, people_max=max(last.people_max, count)))
        else:
            segments.append(PeopleSegment(start_s=start_s, end_s=end_s, people_max=count))
    return segments


ANALYZER = Analyzer(
    name="people_framing",
    title="How many people, how framed, facing the camera, moving, dancing to the beat; nobody is identified",
    group="fusion",
    output=PeopleFraming,
    segment=PeopleSegment,
    analyze=analyze,
    after=("shot_boundaries",),
    signals=("dfine", "faces", "vitpose", "person_motion", "beats"),
    needs=frozenset({"video"}),
    version="7",
)
