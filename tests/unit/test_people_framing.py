"""Rules about people on drawn skeletons: how they are framed, where they look, how they move."""

import numpy as np
import pytest

from tests.contexts import facts
from tiktokd.analyzers import people_framing
from tiktokd.encoders import faces, vitpose
from tiktokd.model import Envelope
from tiktokd.pictures import COCO_KEYPOINTS, Detection, FrameDetections, Pose, facing
from tiktokd.plugins import Context

BODY = {
    "nose": (0.5, 0.08), "left_eye": (0.52, 0.06), "right_eye": (0.48, 0.06), "left_ear": (0.55, 0.07),
    "right_ear": (0.45, 0.07), "left_shoulder": (0.6, 0.2), "right_shoulder": (0.4, 0.2), "left_elbow": (0.65, 0.35),
    "right_elbow": (0.35, 0.35), "left_wrist": (0.66, 0.48), "right_wrist": (0.34, 0.48), "left_hip": (0.56, 0.5),
    "right_hip": (0.44, 0.5), "left_knee": (0.56, 0.72), "right_knee": (0.44, 0.72), "left_ankle": (0.56, 0.95),
    "right_ankle": (0.44, 0.95),
}  # fmt: skip
"""A standing person, x and y in shares of the body's box."""


def skeleton(*, box=(0.2, 0.1, 0.6, 0.8), hide=(), pts_s=0.0, **moved):
    """Return a pose in `box`, all joints certain but those of `hide`; `moved`: joint → (x, y) in the box."""
    x, y, w, h = box
    points = [(x + w * px, y + h * py, 0.0 if name in hide else 0.9) for name, (px, py) in (BODY | moved).items()]
    return Pose(pts_s=pts_s, box=box, points=np.array(points, np.float32))


def zoomed(show_to: float, **more):
    """Return a body so large that only its part above `show_to` (share of its height) is inside the picture."""
    return skeleton(box=(0.0, 0.02, 1.0, 0.97 / show_to), **more)


LEGS = tuple(name for name in COCO_KEYPOINTS if name.endswith(("knee", "ankle")))
BELOW_CHEST = (*LEGS, "left_hip", "right_hip", "left_wrist", "right_wrist")


@pytest.mark.parametrize(
    ("pose", "expected"),
    [
        (skeleton(), "full"),
        (skeleton(hide=("left_ankle",)), "full"),
        (skeleton(box=(0.45, 0.4, 0.1, 0.2)), "full"),
        (zoomed(0.8), "medium"),
        (zoomed(0.6), "medium"),
        (skeleton(hide=LEGS), "medium"),
        (zoomed(0.4), "close"),
        (zoomed(0.15), "close"),
        (skeleton(hide=BELOW_CHEST), "close"),
        (skeleton(box=(0.1, 0.05, 0.8, 0.9), hide=COCO_KEYPOINTS), "close"),
        (skeleton(box=(0.1, 0.05, 0.8, 0.6), hide=COCO_KEYPOINTS), "medium"),
        (skeleton(box=(0.1, 0.05, 0.2, 0.3), hide=COCO_KEYPOINTS), "full"),
    ],
)
def test_every_skeleton_is_framed_by_its_lowest_joint_in_the_picture(pose, expected):
    assert people_framing.framing(pose) == expected


def test_who_shows_nose_and_both_eyes_faces_the_camera():
    assert facing(skeleton())
    for hidden in ("nose", "left_eye", "right_eye"):
        assert not facing(skeleton(hide=(hidden,)))
    assert facing(skeleton(hide=("left_ear", "right_ear", *BELOW_CHEST)))


def test_a_hand_is_raised_where_a_wrist_is_above_its_own_shoulder():
    assert not people_framing.hands_raised(skeleton())
    assert people_framing.hands_raised(skeleton(left_wrist=(0.6, 0.05)))
    assert people_framing.hands_raised(skeleton(right_wrist=(0.4, 0.15), left_wrist=(0.6, 0.1)))
    assert not people_framing.hands_raised(skeleton(left_wrist=(0.6, 0.05), hide=("left_wrist",)))
    assert not people_framing.hands_raised(skeleton(left_wrist=(0.6, 0.05), hide=("left_shoulder",)))


def test_movement_is_travel_per_second_in_body_heights():
    still = [skeleton(pts_s=t) for t in (0.0, 0.5, 1.0)]
    assert people_framing.movement(still) == 0.0
    walking = [skeleton(box=(0.1 + 0.1 * i, 0.1, 0.4, 0.8), pts_s=0.5 * i) for i in range(4)]
    assert people_framing.movement(walking) == pytest.approx(0.1 / 0.8 / 0.5, abs=1e-3)
    assert people_framing.movement([still[0]]) is None


def test_movement_follows_the_largest_person():
    large = [skeleton(pts_s=t) for t in (0.0, 1.0)]
    small = [skeleton(box=(0.1 + 0.5 * t, 0.1, 0.1, 0.2), pts_s=t) for t in (0.0, 1.0)]
    assert people_framing.movement([*small, *large]) == 0.0


def test_from_one_person_to_another_nobody_moves():
    left, right = (0.0, 0.1, 0.3, 0.8), (0.65, 0.1, 0.3, 0.8)  # a cut, or the other one is nearer now
    assert people_framing.movement([skeleton(box=left), skeleton(box=right, pts_s=0.5)]) is None
    apart = [skeleton(box=left), skeleton(box=right, pts_s=0.5), skeleton(box=right, pts_s=1.0)]
    assert people_framing.movement(apart) == 0.0
    passed = [skeleton(box=left), skeleton(box=(0.0, 0.1, 0.3, 0.7), pts_s=0.5), skeleton(box=right, pts_s=0.5)]
    assert people_framing.movement(passed) == pytest.approx(
        people_framing.movement([skeleton(box=left), skeleton(box=(0.0, 0.1, 0.3, 0.7), pts_s=0.5)])
    )


HUB = "run: tiktokctl models pull org/x"


def told(**signals):
    """Return the people of a 5 s clip as level 2 sees them; a string in place of signals is why there are none."""
    absent = {f"absent:{name}": {"reason": why, "message": HUB} for name, why in signals.items() if type(why) is str}
    there = {name: given for name, given in signals.items() if type(given) is not str}
    media = facts(duration_s=5.0, frames=150, audio=True)
    return people_framing.analyze(Context(facts=media, signals=there | absent))


def judged(counts, poses="model_missing", **more):
    """Return the result for frames at one per second that show this many people."""
    seen = {"people": [[float(i), *[0.48] * n] for i, n in enumerate(counts)]}
    joints = poses if isinstance(poses, str) else vitpose.signals(poses)
    return told(**({"dfine": seen, "vitpose": joints, "person_motion": "no_people", "beats": "no_audio"} | more))


def test_people_are_counted_and_their_time_on_screen_is_known():
    result = judged([0, 1, 3, 0, 1], [skeleton(), skeleton(hide=LEGS), skeleton(hide=("nose",)), zoomed(0.4)])
    found = result.output
    assert (found.people_max, found.people_median, found.person_screen_ratio) == (3, 1.0, 0.7)
    assert (found.framing.close, found.framing.medium, found.framing.full) == (0.25, 0.25, 0.5)
    assert found.facing_ratio == 0.75
    assert [(s.start_s, s.end_s, s.people_max) for s in result.segments] == [(0.5, 2.5, 3), (3.5, 5.0, 1)]


def test_time_on_screen_is_time_and_not_frames():
    # The first three seconds are sampled densely: here they are 3 of 5 frames and 3 of 30 s.
    seen = {"people": [[0.0, 0.4], [1.0, 0.4], [2.0, 0.4], [3.0], [16.0]]}
    media = facts(duration_s=30.0, frames=900, audio=True)
    found = people_framing.analyze(Context(facts=media, signals={"dfine": seen})).output
    assert found.person_screen_ratio == pytest.approx(2.5 / 30, abs=1e-3)


def seen_at(times, counts, *, duration_s, cuts_s=()):
    """Return the result for frames at these times, of a video whose shots begin at `cuts_s`."""
    changes = [{"t_s": t, "kind": "cut", "score": 1.0, "start_s": t, "end_s": t} for t in cuts_s]
    summary = {
        "shot_count": len(cuts_s) + 1,
        "cut_times_s": list(cuts_s),
        "mean_shot_s": 1.0,
        "median_shot_s": 1.0,
        "transitions": changes,
    }
    shots = Envelope(analyzer="shot_boundaries", version="1", status="ok", tier="lite", summary=summary)
    people = {"people": [[t, *[0.4] * n] for t, n in zip(times, counts, strict=True)]}
    media = facts(duration_s=duration_s, frames=round(30 * duration_s), audio=True)
    return people_framing.analyze(Context(facts=media, signals={"dfine": people}, outputs={"shot_boundaries": shots}))


def test_nobody_is_seen_past_a_cut_behind_which_nobody_was():
    found = seen_at([0.0, 2.3, 4.6, 6.9], [1, 1, 0, 0], duration_s=8.0, cuts_s=[2.5, 6.0])
    assert [(s.start_s, s.end_s) for s in found.segments] == [(0.0, 2.5)]
    assert found.output.person_screen_ratio == pytest.approx(2.5 / 8)
    across = seen_at([0.0, 2.3, 4.6, 6.9], [0, 1, 1, 0], duration_s=8.0, cuts_s=[2.5, 6.0])
    assert [(s.start_s, s.end_s) for s in across.segments] == [(1.15, 6.0)], "somebody on both sides of a cut"
    at_it = seen_at([0.0, 2.5], [0, 1], duration_s=5.0, cuts_s=[2.5])
    assert [(s.start_s, s.end_s) for s in at_it.segments] == [(2.5, 5.0)]


def test_nothing_is_said_of_the_time_between_samples_that_are_far_apart():
    found = seen_at([0.0, 20.0, 40.0, 60.0], [0, 1, 1, 0], duration_s=60.0)
    assert [(s.start_s, s.end_s) for s in found.segments] == [(17.5, 22.5), (37.5, 42.5)]
    assert found.output.person_screen_ratio == pytest.approx(40 / 60, abs=1e-3), "an estimate of the whole"


def test_joints_and_heads_count_by_the_time_of_their_frames_too():
    seen = {"people": [[0.0, 0.4, 0.4], [0.5, 0.4, 0.4], [1.0, 0.4], [5.0]]}
    poses = [skeleton(hide=("nose",)), skeleton(hide=("nose",), pts_s=0.5), zoomed(0.4, pts_s=1.0)]
    media = facts(duration_s=10.0, frames=300, audio=True)
    signals = {"dfine": seen, "vitpose": vitpose.signals(poses)}
    found = people_framing.analyze(Context(facts=media, signals=signals)).output
    assert (found.people_max, found.people_median) == (2, 1.0)
    assert found.facing_ratio == pytest.approx(2.25 / 3.0)
    assert (found.framing.close, found.framing.medium, found.framing.full) == (0.75, 0.0, 0.25)


def test_samples_whose_times_round_to_the_same_are_all_counted():
    seen = {"people": [[0.0, 0.4], [1.0, 0.4, 0.3], [1.0, 0.4]]}
    media = facts(duration_s=4.0, frames=120, audio=True)
    found = people_framing.analyze(Context(facts=media, signals={"dfine": seen})).output
    assert (found.people_max, found.person_screen_ratio) == (2, 1.0)


def test_movement_is_over_the_time_between_samples():
    # 0.4 body heights in half a second, then nothing for two: 0.16 per second, and not the mean 0.4 of both steps.
    poses = [skeleton(), skeleton(box=(0.2, 0.1 + 0.4 * 0.8, 0.6, 0.8), pts_s=0.5)]
    moved = people_framing.movement([*poses, skeleton(box=poses[1].box, pts_s=2.5)])
    assert moved == pytest.approx(0.4 / 2.5, abs=1e-3)


def test_without_keypoints_nothing_is_said_of_bodies_and_the_reason_is_the_true_one():
    for why in ("model_missing", "cpu_fallback"):
        result = judged([1, 1], why)
        assert (result.status, result.reason, result.tier) == ("partial", why, "lite")
        assert HUB in result.message
        found = result.output
        assert found.people_max == 1
        assert found.framing is found.facing_ratio is found.hands_raised_ratio is found.movement_energy is None
        assert {found.unknown[name] for name in people_framing.OF_POSES} == {why}


def test_nobody_in_the_picture_is_no_people_whatever_weights_are_there():
    for poses in ("model_missing", "no_people", []):
        result = judged([0, 0], poses)
        assert (result.status, result.reason, result.output) == ("skipped", "no_people", None)


def test_every_null_has_its_reason():
    found = judged([1, 1], [skeleton()], person_motion="no_people").output
    nulls = {name for name, value in found.model_dump().items() if value is None}
    assert nulls == found.unknown.keys() == {"movement_energy", "dance_sync"}
    assert found.unknown == {"movement_energy": "too_short", "dance_sync": "no_people"}


@pytest.mark.parametrize("why", ["model_missing", "cpu_fallback"])
def test_without_a_person_detector_frontal_faces_are_told_for_what_they_are(why):
    face = Detection(label="face", score=0.9, box=(0.4, 0.2, 0.2, 0.2))
    frames = (
        FrameDetections(pts_s=0.0, found=(face,)),
        FrameDetections(pts_s=1.0, found=(face, face)),
        FrameDetections(pts_s=2.0, found=()),
    )
    found = told(faces=faces.signals(frames), dfine=why, vitpose=why, person_motion=why)
    assert (found.status, found.reason, found.tier) == ("partial", why, "lite")
    assert (found.output.people_max, found.output.person_screen_ratio) == (2, 0.3)
    assert "lower bound" not in found.message
    assert "3 frames" in found.message
    assert found.output.framing is None
    assert set(found.output.unknown.values()) == {why}
    assert [(s.start_s, s.end_s, s.people_max) for s in found.segments] == [(0.0, 1.5, 2)]


@pytest.mark.parametrize(("scores", "left"), [((0.41,), 0), ((0.48,), 1), ((0.34, 0.3), 0), ((0.31, 0.5, 0.3), 3)])
def test_doubtful_faces_count_only_in_a_clip_that_shows_a_sure_one(scores, left):
    seen = [(Detection(label="face", score=score, box=(0.4, 0.2, 0.2, 0.2)),) for score in scores]
    frames = [FrameDetections(pts_s=float(n), found=found) for n, found in enumerate([*seen, ()])]
    kept = faces.collect(Context(facts=facts(duration_s=4.0, frames=4, audio=False)), frames)
    assert sum(len(frame.found) for frame in kept) == left
    assert [frame.pts_s for frame in kept] == [frame.pts_s for frame in frames]


def test_no_face_is_not_nobody():
    found = told(faces=faces.signals((FrameDetections(pts_s=0.0, found=()),)), dfine="model_missing")
    assert (found.status, found.reason) == ("skipped", "model_missing")
    assert "tiktokctl models pull" in found.message
    assert "not nobody" in found.message
