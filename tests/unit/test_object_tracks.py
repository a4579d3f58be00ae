"""Objects over time: counted, followed while they overlap, and told apart."""

import pytest

from tests.contexts import facts
from tiktokd.analyzers import object_detection
from tiktokd.encoders import dfine
from tiktokd.pictures import Detection, FrameDetections
from tiktokd.plugins import Context


def box(x, *, label="cup", score=0.8, size=0.2):
    return Detection(label=label, score=score, box=(x, 0.4, size, size))


def judged(*frames, duration_s=None):
    """Return the result for frames at two per second."""
    found = tuple(FrameDetections(pts_s=i / 2, found=tuple(f)) for i, f in enumerate(frames))
    media = facts(duration_s=duration_s or len(frames) / 2, frames=len(frames), audio=False)
    return object_detection.analyze(Context(facts=media, features={"dfine": found}))


def spans(result):
    return [(s.label, s.start_s, s.end_s) for s in result.segments]


def test_overlap_is_measured_exactly():
    assert object_detection.iou((0, 0, 1, 1), (0, 0, 1, 1)) == 1.0
    assert object_detection.iou((0, 0, 0.2, 0.2), (0.1, 0, 0.2, 0.2)) == pytest.approx(1 / 3)
    assert object_detection.iou((0, 0, 0.2, 0.2), (0.2, 0, 0.2, 0.2)) == 0.0


def test_a_thing_that_moves_slowly_is_one_track_and_keeps_its_best_score():
    result = judged([box(0.10)], [box(0.12, score=0.95)], [box(0.14)], [])
    assert spans(result) == [("cup", 0.0, 1.5)]
    assert result.segments[0].score == 0.95


def test_a_thing_that_jumps_or_comes_back_is_another_track():
    assert spans(judged([box(0.1)], [box(0.7)])) == [("cup", 0.0, 0.5), ("cup", 0.5, 1.0)]
    assert spans(judged([box(0.1)], [], [box(0.1)])) == [("cup", 0.0, 0.5), ("cup", 1.0, 1.5)]


def test_two_of_a_kind_and_two_kinds_at_one_place_stay_apart():
    frames = [[box(0.1), box(0.6), box(0.1, label="bottle")]] * 3
    result = judged(*frames)
    assert spans(result) == [("bottle", 0.0, 1.5), ("cup", 0.0, 1.5), ("cup", 0.0, 1.5)]
    counts = {o.label: (o.count_max, o.screen_time_s) for o in result.output.objects}
    assert counts == {"cup": (2, 1.5), "bottle": (1, 1.5)}


def test_the_last_sample_stands_for_the_rest_of_the_video():
    result = judged([box(0.1)], [box(0.1)], duration_s=4.0)
    assert result.output.objects[0].screen_time_s == 4.0
    assert spans(result) == [("cup", 0.0, 4.0)]


def test_an_area_is_a_share_of_the_picture_and_never_more_than_all_of_it():
    result = judged([box(0, size=0.5)], [box(0, size=1.0), box(0, size=1.0)])
    assert result.output.objects[0].area_ratio_mean == pytest.approx((0.25 + 1.0) / 2)


def test_nothing_in_the_picture_is_an_empty_list():
    assert judged([], []).output.objects == []


def test_an_area_is_a_mean_over_the_time_and_not_over_the_frames():
    result = judged([box(0, size=0.5)], [box(0, size=1.0)], duration_s=5.0)
    assert result.output.objects[0].area_ratio_mean == pytest.approx(0.25 * 0.1 + 1.0 * 0.9)


def test_a_label_has_its_share_of_the_time_and_not_of_the_frames():
    cup, bottle = box(0.1), box(0.1, label="bottle")
    frames = [FrameDetections(pts_s=t, found=(what,)) for t, what in ((0.0, cup), (0.5, cup), (1.0, bottle))]
    found = dfine.collect(Context(facts=facts(duration_s=5.0, frames=3, audio=False)), frames)
    assert {label: one["time_ratio"] for label, one in dfine.signals(found)["labels"].items()} == {
        "bottle": 0.8, "cup": 0.2
    }  # fmt: skip
