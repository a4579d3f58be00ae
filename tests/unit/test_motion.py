"""Flow and camera on pictures that were moved by known amounts, by each engine."""

from functools import partial

import cv2
import numpy as np
import pytest

from tests.analysis import analyze_arrays
from tests.contexts import clip_of, facts, pictures
from tiktokd.encoders import flow as encoder
from tiktokd.footage import Shots, Transition
from tiktokd.plugins import LoadContext

ENGINES = {"opencv": encoder.ENCODER.load(LoadContext()), "torch": encoder.on_device("cpu")}
SIDE = 160


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture
def measured(engine):
    """Return a function that measures the pictures it is given with one of the engines."""
    return partial(measure, engine)


def texture(seed=0, height=600, width=800):
    random = np.random.default_rng(seed)
    picture = np.full((height, width), 128.0)
    for size, strength in ((3, 18), (10, 30), (40, 40)):
        coarse = random.normal(0, strength, (height // size + 2, width // size + 2))
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 16, 235)


def view(picture, *, scale=1.0, degrees=0.0, right=0.0, down=0.0, size=(284, SIDE)):
    """Return the middle of a picture after it grew, turned clockwise and moved about its centre, in px."""
    centre = (picture.shape[1] / 2 - 0.5, picture.shape[0] / 2 - 0.5)
    matrix = cv2.getRotationMatrix2D(centre, -degrees, scale)
    matrix[:, 2] += (right, down)
    moved = cv2.warpAffine(picture, matrix, picture.shape[::-1], flags=cv2.INTER_CUBIC)
    top, left = (picture.shape[0] - size[0]) // 2, (picture.shape[1] - size[1]) // 2
    return np.clip(np.round(moved[top : top + size[0], left : left + size[1]]), 0, 255).astype(np.uint8)


def measure(engine, *pictures):
    pts = np.arange(len(pictures)) / 10.0
    item = encoder.Pairs(pictures=pictures, pts=pts, first=np.arange(len(pictures) - 1))
    return encoder.measure(ENGINES[engine], item)


@pytest.mark.parametrize("shift", [(3, 0), (0, -4), (6, 2), (-12, 5)])
def test_a_shift_is_recovered_to_five_percent(shift, measured, engine, accuracy):
    scene = texture()
    found = measured(view(scene), view(scene, right=shift[0], down=shift[1]))
    error = np.hypot(*(found.shift[0] * SIDE - shift)) / np.hypot(*shift)
    accuracy(f"flow ({engine}): shift of the camera, error", 100 * error, mark=5, unit="%")
    assert found.magnitude[0] * SIDE == pytest.approx(np.hypot(*shift), rel=0.05)
    assert found.inliers[0] > 0.9


@pytest.mark.parametrize("scale", [1.03, 0.97, 1.01])
def test_a_zoom_is_recovered_to_five_percent(scale, measured, engine, accuracy):
    scene = texture(1)
    found = measured(view(scene), view(scene, scale=scale))
    error = abs((found.scale[0] - 1) / (scale - 1) - 1)
    accuracy(f"flow ({engine}): zoom of the camera, error", 100 * error, mark=5, unit="%")


def test_a_roll_is_recovered_to_five_percent(measured):
    scene = texture(2)
    found = measured(view(scene), view(scene, degrees=2.0))
    assert np.degrees(found.angle_rad[0]) == pytest.approx(2.0, rel=0.05)


def test_camera_and_subject_are_told_apart(measured):
    scene, thing = texture(3), texture(4)

    def frame(pan, x):
        picture = view(scene, right=pan)
        picture[100:160, x : x + 50] = thing[:60, :50]
        return picture

    found = measured(frame(0, 40), frame(4, 52))
    assert found.shift[0] * SIDE == pytest.approx((4, 0), abs=0.2)
    expected = 60 * 50 * 8 / (284 * SIDE)
    assert found.residual[0] * SIDE == pytest.approx(expected, rel=0.35)


def test_a_flat_picture_has_no_known_camera(measured):
    flat = np.full((284, SIDE), 100, np.uint8)
    found = measured(flat, flat)
    assert np.isnan(found.scale[0])
    assert found.magnitude[0] == 0


def test_a_thing_on_a_plain_ground_is_no_camera_motion(measured):
    def frame(y):
        picture = np.full((284, SIDE), 90, np.uint8)
        picture[y : y + 60, 60:100] = texture(5)[:60, :40]
        return picture

    assert np.isnan(measured(frame(80), frame(86)).scale[0])


@pytest.mark.parametrize("thinned", [False, True])
def test_a_pair_gives_the_same_numbers_alone_and_among_others(measured, thinned):
    scene, size = texture(5), (142, 80) if thinned else (284, SIDE)
    pictures = [view(scene, right=3 * np.sin(i), scale=1 + 0.01 * i, size=size) for i in range(6)]
    together = measured(*pictures)
    for i in range(5):
        alone = measured(*pictures[i : i + 2])
        for field in ("shift", "scale", "angle_rad", "magnitude", "residual", "inliers", "patches"):
            assert np.allclose(getattr(together, field)[i], getattr(alone, field)[0], rtol=0, atol=1e-7), field


def test_a_repeated_picture_stands_still_to_the_last_bit(measured):
    still, other = view(texture(5)), view(texture(6))
    found = measured(still, still, other)
    assert found.magnitude[0] == found.residual[0] == 0
    assert found.magnitude[1] > 0
    assert (found.scale[0], found.inliers[0]) == (1, 1)


def test_patches_share_the_picture_as_opencv_shares_it(measured):
    scene = texture(6)
    pictures = [view(scene, size=(213, 121)), view(scene, scale=1.05, size=(213, 121))]
    found, expected = measured(*pictures), measure("opencv", *pictures)
    assert found.patches.mean() == pytest.approx(found.magnitude[0], rel=0.02)
    inner = (0, slice(2, -2), slice(2, -2))
    assert np.abs(found.patches[inner] - expected.patches[inner]).max() * 121 < 0.3


def test_opencv_serves_the_cpu_and_torch_every_other_device():
    assert encoder.ENCODER.load(LoadContext(device="cuda:1")) == encoder.on_device("cuda:1")
    assert not isinstance(ENGINES["opencv"], type(ENGINES["torch"]))


def test_pairs_across_transitions_and_gaps_are_left_out():
    transitions = (
        Transition(kind="cut", start_s=0.25, end_s=0.25, score=1),
        Transition(kind="dissolve", start_s=0.5, end_s=0.7, score=1),
    )
    shots = Shots(transitions=transitions, shots=(), change=np.zeros(0, np.float32), pts=np.zeros(0))
    pts = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.6, 1.7])
    assert encoder.pairs_between(pts, shots).tolist() == [0, 1, 3, 7, 9]


def clip_from(pictures, *, fps=30.0):
    """Return a clip whose luma is `pictures` at 10 Hz and whose thumbnails follow them."""
    seconds = len(pictures) / 10.0
    count = int(seconds * fps)
    small = [cv2.resize(p, (48, 27), interpolation=cv2.INTER_AREA) for p in pictures]
    thumbs = np.stack([small[min(len(small) - 1, int(i / fps * 10))] for i in range(count)])
    frames = np.stack([np.concatenate([p, np.full((142, SIDE), 128, np.uint8)]) for p in pictures[::5]])
    arrays = {
        "low": np.stack(pictures),
        "low_pts": np.arange(len(pictures)) / 10.0,
        "thumbs": np.repeat(thumbs[..., None], 3, axis=3),
        "thumbs_pts": np.arange(count) / fps,
        "frames": frames,
        "frames_pts": np.arange(len(frames)) / 2.0,
    }
    return clip_of(facts(duration_s=seconds, frames=count, audio=False, size=(SIDE, 284)), arrays)


def test_speeds_are_per_second_and_the_move_is_named():
    scene = texture(6)
    clip = clip_from([view(scene, right=-2.0 * i) for i in range(20)])
    envelope = analyze_arrays(*clip, ["motion"])["motion"]
    assert envelope.status == "ok", envelope
    assert envelope.summary["camera"]["pan"] == pytest.approx(2 / SIDE * 10, rel=0.05)
    assert envelope.summary["motion_mean"] == pytest.approx(2 / SIDE * 10, rel=0.05)
    assert envelope.summary["static_ratio"] == 0
    assert [s["move"] for s in envelope.segments] == ["pan_right"]


def test_a_trembling_hand_shows_as_shake_and_a_smooth_pan_does_not():
    scene, random = texture(7), np.random.default_rng(0)
    steady = [view(scene, right=-2.0 * i) for i in range(20)]
    shaky = [view(scene, right=-2.0 * i + random.normal(0, 2), down=random.normal(0, 2)) for i in range(20)]
    calm, rough = (analyze_arrays(*clip_from(p), ["motion"])["motion"].summary["camera"] for p in (steady, shaky))
    assert calm["shake"] < 0.001
    assert rough["shake"] > 0.005


def test_a_camera_that_is_known_for_less_than_half_a_second_has_no_shake_and_not_none_of_it():
    scene = texture(7)
    brief = clip_from([view(scene, right=-2.0 * i) for i in range(4)])
    camera = analyze_arrays(*brief, ["motion"])["motion"].summary["camera"]
    assert camera["pan"] > 0
    assert camera["shake"] is None


def test_a_static_picture_is_static():
    still = view(texture(8))
    envelope = analyze_arrays(*clip_from([still] * 15), ["motion"])["motion"]
    assert envelope.summary["static_ratio"] == 1.0
    assert envelope.summary["motion_mean"] == 0.0
    assert [s["move"] for s in envelope.segments] == ["static"]


def test_a_long_video_is_measured_on_its_thumbnails():
    scene = texture(9)
    clip, arrays = clip_from([view(scene, right=3.0 * np.sin(i / 5)) for i in range(100)])
    thin = dict(arrays)
    thin["low"], thin["low_pts"] = thin["low"][::5], thin["low_pts"][::5]
    full = analyze_arrays(clip, arrays, ["motion"])["motion"]
    envelope = analyze_arrays(clip, type(arrays)(thin), ["motion"])["motion"]
    assert (envelope.status, envelope.reason) == ("partial", "truncated")
    assert envelope.summary["camera"]["pan"] == pytest.approx(full.summary["camera"]["pan"], rel=0.15)


def test_a_picture_that_is_too_small_is_not_called_too_short():
    scene = texture()
    arrays = pictures(40, 4.0, lambda i: view(scene, right=i, size=(16, 16)), (16, 16))
    media = facts(duration_s=4.0, frames=40, audio=False, size=(16, 16))
    found = analyze_arrays(*clip_of(media, arrays), ["motion"])["motion"]
    assert (found.status, found.reason) == ("skipped", "low_quality")
    assert "too small" in (found.message or "")
