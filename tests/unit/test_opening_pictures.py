"""The first picture against the rest, and who faces the camera in the opening."""

import json
import math

import numpy as np
import pytest

from tests.written import analyze, context_of
from tiktokd.analyzers.hook import facing_opening, novelty
from tiktokd.encoders import siglip2, vitpose
from tiktokd.pictures import COCO_KEYPOINTS, ImageEmbeddings, Pose
from tiktokd.plugins import Context

AXES = np.eye(4, dtype=np.float32)


def ends(vectors, weight=None):
    """Return what is special about the ends; every frame stands for the same time unless said."""
    return siglip2.ends(vectors, np.ones(len(vectors), np.float32) if weight is None else weight)


def around(axis, count, seed=0):
    """Return `count` vectors of length 1 that lie near one axis."""
    made = AXES[axis] + np.random.default_rng(seed).normal(0, 0.2, (count, 4))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_a_first_frame_unlike_the_rest_is_new_and_a_usual_one_is_not():
    rest = around(0, 9)
    strange = novelty({"ends": ends(np.concatenate([AXES[1:2], rest]))})
    usual = novelty({"ends": ends(np.concatenate([around(0, 1, 5), rest]))})
    assert strange > 3.0 > usual > 0.0


def test_a_still_picture_and_two_frames_have_no_new_frame():
    assert novelty({"ends": ends(np.repeat(AXES[:1], 5, axis=0))}) is None
    assert ends(AXES[:2]) is None
    assert novelty({"ends": None}) is None
    assert novelty({}) is None


def test_the_seam_is_the_cosine_of_the_last_and_the_first_frame():
    loop = ends(np.stack([AXES[0], AXES[1], AXES[2], AXES[0]]))
    assert (loop["seam_cosine"], loop["usual_cosine"]) == (1.0, 0.0)


def test_frames_of_a_dense_opening_count_by_their_time():
    opening, rest = np.repeat(AXES[:1], 6, axis=0), np.repeat(AXES[1:2], 5, axis=0)
    weight = np.array([0.5] * 6 + [2.0] * 5, np.float32) / 13.0
    told = ends(np.concatenate([opening, rest]), weight)
    # The others of the first: 2.5 s of the opening and 10 s of the rest.
    assert told["first_apart"] == pytest.approx(1.0 - 2.5 / math.hypot(2.5, 10.0), abs=1e-4)
    assert told["usual_apart"] == pytest.approx(1.0 - 8.0 / math.hypot(8.0, 3.0), abs=1e-4)
    images = ImageEmbeddings(
        vectors=np.concatenate([opening, rest]), pts_s=np.arange(11.0), space="a@1", taxonomies={}, weight=weight
    )
    mean = siglip2.signals(images)["mean"]
    assert mean[:2] == pytest.approx([3 / math.hypot(3, 10), 10 / math.hypot(3, 10)], abs=1e-4)


@pytest.mark.parametrize(
    ("facing", "people", "expected"),
    [
        ([[0.5, 0], [2.5, 1]], [[0.5, 0.2]], True),
        ([[0.5, 0], [3.5, 1]], [[0.5, 0.2]], False),
        ([[3.5, 1]], [[0.5], [2.5]], False),
        ([[3.5, 1]], [[0.5, 0.3], [2.5]], None),
        ([], [[5.0, 0.3]], None),
        ([], [], None),
    ],
)
def test_only_people_of_the_opening_count(facing, people, expected):
    assert facing_opening({"vitpose": {"facing": facing}, "dfine": {"people": people}}) is expected
    assert facing_opening({}) is None


def test_poses_become_a_moment_and_a_yes_or_no_each():
    seen = np.full((17, 3), 0.5, np.float32)
    away = seen.copy()
    away[COCO_KEYPOINTS.index("nose"), 2] = 0.1
    poses = [Pose(pts_s=t, box=(0.1, 0.1, 0.5, 0.5), points=points) for t, points in ((0.25, seen), (1.0, away))]
    told = vitpose.signals(poses)
    assert told["facing"] == [[0.25, 1], [1.0, 0]]
    assert [pose["pts_s"] for pose in told["poses"]] == [0.25, 1.0]
    assert len(json.dumps(vitpose.signals([*poses] * 8))) < 16 * 1024


@pytest.mark.parametrize("dimensions", [768, 1152])
def test_signals_stay_below_their_limit(dimensions):
    vectors = np.random.default_rng(0).normal(size=(32, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    images = ImageEmbeddings(vectors=vectors, pts_s=np.arange(32.0), space="org/model@" + "0" * 40, taxonomies={})
    assert len(json.dumps(siglip2.signals(images))) < 16 * 1024


def test_the_hook_says_what_the_models_saw_and_is_lite_without_them():
    bare = context_of(ocr=[("hello", 0.0, 2.0)])
    signals = {
        "siglip2": {"ends": {"first_apart": 0.3, "usual_apart": 0.1, "seam_cosine": 0.9, "usual_cosine": 0.9}},
        "dfine": {"people": [[0.0, 0.4]]},
        "vitpose": {"facing": [[0.0, 1]]},
    }
    found = analyze("hook", Context(facts=bare.facts, metadata=bare.metadata, outputs=bare.outputs, signals=signals))
    assert found.summary["person_facing"] is True
    assert found.summary["first_frame_novelty"] == pytest.approx(3.0)
    assert found.summary["hook_index"] == pytest.approx((1.0 + 0.0 + 1.0) / 3, abs=1e-4)
    lite = analyze("hook", bare)
    assert (lite.tier, lite.summary["first_frame_novelty"], lite.summary["person_facing"]) == ("lite", None, None)
