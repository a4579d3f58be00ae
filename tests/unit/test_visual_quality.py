"""Technical measurements on made-up pictures whose truth is known."""

import cv2
import numpy as np
import pytest

from tests.analysis import analyze_arrays
from tests.contexts import clip_of, facts
from tiktokd.analyzers import visual_quality
from tiktokd.encoders import siglip2, stillness
from tiktokd.encoders.luma_statistics import Item, measure
from tiktokd.footage import Bars, Shots, Stillness
from tiktokd.pictures import ImageEmbeddings, Label, LabelCosines
from tiktokd.plugins import Context

NO_BARS = Bars(top=0.0, bottom=0.0, left=0.0, right=0.0, fill=None)


def detail(seed=0, size=(640, 360)):
    random = np.random.default_rng(seed)
    coarse = cv2.resize(
        random.uniform(60, 200, (size[0] // 8, size[1] // 8)), size[::-1], interpolation=cv2.INTER_CUBIC
    )
    return np.clip(coarse + random.normal(0, 25, size), 20, 230)


def statistics(pictures):
    frames = [np.round(p).astype(np.uint8) for p in pictures]
    low = np.stack([cv2.resize(f, (160, 284), interpolation=cv2.INTER_AREA) for f in frames])
    times = np.arange(len(frames)) / 10.0
    return measure(
        Item(
            frames=frames,
            frame_s=times,
            low=low,
            low_s=times,
            bars=NO_BARS,
            shots=Shots(transitions=(), shots=(), change=np.zeros(0, np.float32), pts=np.zeros(0)),
            stillness=Stillness(black=(), frozen=()),
        )
    )


def test_a_flat_field_has_no_spatial_and_no_temporal_information():
    found = statistics([np.full((640, 360), 120.0)] * 3)
    assert found.spatial_information.tolist() == [0, 0, 0]
    assert found.temporal_information.tolist() == [0, 0]
    assert found.sharpness.tolist() == [0, 0, 0]
    assert found.noise_sigma.max() == 0


def test_sharpness_falls_with_every_step_of_blur():
    sharp = detail()
    blurred = [sharp] + [cv2.GaussianBlur(sharp, None, sigma) for sigma in (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4)]
    values = statistics(blurred).sharpness
    assert (np.diff(values) < 0).all(), values


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0])
def test_noise_is_measured_in_levels_of_full_range(sigma):
    ramp = np.repeat(np.linspace(60, 190, 640)[:, None], 360, 1)
    limited = ramp + np.random.default_rng(1).normal(0, sigma * 219 / 255, ramp.shape)
    assert statistics([limited]).noise_sigma[0] == pytest.approx(sigma, rel=0.15)


def test_clipped_pixels_are_counted():
    picture = np.full((640, 360), 120.0)
    picture[:64], picture[64:96] = 235, 16
    assert statistics([picture]).clipped[0] == pytest.approx(0.15, abs=0.005)


def test_temporal_information_is_the_deviation_of_the_difference():
    before = np.full((640, 360), 100.0)
    after = before.copy()
    after[:320] = 110
    half_moved = 5.0 * 255 / 219
    assert statistics([before, after]).temporal_information[0] == pytest.approx(half_moved, rel=0.01)


def moving_thumbs(frames, seed=3):
    random = np.random.default_rng(seed)
    big = cv2.resize(random.uniform(20, 230, (20, 60, 3)), (480, 27), interpolation=cv2.INTER_CUBIC)
    return np.stack([np.clip(big[:, i : i + 48], 0, 255) for i in range(frames)]).astype(np.uint8)


def test_black_and_frozen_stretches_end_on_their_frames():
    thumbs = moving_thumbs(270)
    thumbs[:30] = 1
    thumbs[120:180] = thumbs[120]
    pts = np.arange(270) / 30.0
    black = stillness.black_spans(thumbs, pts, 9.0)
    assert black == ((0.0, 1.0),)
    assert stillness.frozen_spans(thumbs, pts, 9.0, black) == ((4.0, 6.0),)


def test_a_still_scene_with_camera_noise_is_not_frozen():
    random = np.random.default_rng(0)
    scene = moving_thumbs(1)[0]
    thumbs = np.clip(scene + random.normal(0, 0.4, (90, 27, 48, 3)), 0, 255).round().astype(np.uint8)
    assert stillness.frozen_spans(thumbs, np.arange(90) / 30.0, 3.0, ()) == ()


def test_a_slow_zoom_on_a_photo_is_not_frozen():
    photo = cv2.resize(
        np.random.default_rng(5).uniform(20, 230, (20, 36, 3)), (960, 540), interpolation=cv2.INTER_CUBIC
    )
    thumbs = []
    for i in range(90):
        cut = i // 2
        view = photo[cut * 9 // 16 : 540 - cut * 9 // 16, cut : 960 - cut]
        thumbs.append(cv2.resize(view, (48, 27), interpolation=cv2.INTER_AREA))
    clip = np.clip(np.stack(thumbs), 0, 255).astype(np.uint8)
    assert stillness.frozen_spans(clip, np.arange(90) / 30.0, 3.0, ()) == ()


def test_a_key_frame_that_draws_the_picture_afresh_does_not_end_a_freeze():
    thumbs = np.repeat(moving_thumbs(1), 90, axis=0).astype(np.int16)
    thumbs[40:] += np.random.default_rng(1).integers(-2, 3, thumbs.shape[1:])
    thumbs = thumbs.clip(0, 255).astype(np.uint8)
    assert stillness.frozen_spans(thumbs, np.arange(90) / 30.0, 3.0, ()) == ((0.0, 3.0),)


def test_a_freeze_begins_where_the_motion_ends_though_the_encoder_needs_some_frames_for_it():
    thumbs = moving_thumbs(100)
    thumbs[40:] = thumbs[40]
    pixels = np.random.default_rng(2).permutation(27 * 48)[:300].reshape(3, 100)
    for i, some in enumerate(pixels):
        flat = thumbs[40 : 41 + i].reshape(1 + i, -1, 3)
        flat[:, some] = np.where(flat[:, some] > 127, flat[:, some] - 1, flat[:, some] + 1)
    assert stillness.frozen_spans(thumbs, np.arange(100) / 30.0, 100 / 30.0, ()) == ((40 / 30.0, 100 / 30.0),)


def test_a_caption_that_pops_up_does_not_end_a_freeze():
    thumbs = np.repeat(moving_thumbs(1), 90, axis=0)
    thumbs[40:, 20:23, 10:40] = 240
    assert stillness.frozen_spans(thumbs, np.arange(90) / 30.0, 3.0, ()) == ((0.0, 3.0),)


def test_a_fade_from_black_is_black_only_while_it_is():
    light = np.concatenate([np.zeros(45), np.linspace(0, 1, 31)])
    thumbs = (np.repeat(moving_thumbs(1), 76, 0) * light[:, None, None, None]).astype(np.uint8)
    ((start_s, end_s),) = stillness.black_spans(thumbs, np.arange(76) / 30.0, 76 / 30.0)
    assert start_s == 0.0
    assert end_s == pytest.approx(46 / 30.0, abs=1.1 / 30.0)


def test_a_black_video_has_nulls_and_a_reason():
    black = np.full((256, 144), 16, np.uint8)
    arrays = {
        "frames": np.stack([np.concatenate([black, np.full((128, 144), 128, np.uint8)])] * 4),
        "frames_pts": np.arange(4) / 2.0,
        "low": np.stack([black] * 20),
        "low_pts": np.arange(20) / 10.0,
        "thumbs": np.zeros((60, 27, 48, 3), np.uint8),
        "thumbs_pts": np.arange(60) / 30.0,
    }
    clip, clip_arrays = clip_of(facts(duration_s=2.0, frames=60, audio=False, size=(144, 256)), arrays)
    envelope = analyze_arrays(clip, clip_arrays, ["visual_quality"])["visual_quality"]
    assert (envelope.status, envelope.reason) == ("partial", "low_quality")
    assert envelope.summary["black_ratio"] == 1.0
    assert envelope.summary["sharpness"] is None
    assert envelope.summary["cover_frame_s"] is None
    assert [(s["start_s"], s["end_s"], s["kind"]) for s in envelope.segments] == [(0.0, 2.0, "black")]


def test_every_null_of_a_black_or_white_video_says_why_and_no_noise_is_made_up():
    for level in (16, 235):
        plain = np.full((256, 144), level, np.uint8)
        arrays = {
            "frames": np.stack([np.concatenate([plain, np.full((128, 144), 128, np.uint8)])] * 4),
            "frames_pts": np.arange(4) / 2.0,
            "low": np.stack([plain] * 20),
            "low_pts": np.arange(20) / 10.0,
            "thumbs": np.full((60, 27, 48, 3), 0 if level == 16 else 255, np.uint8),
            "thumbs_pts": np.arange(60) / 30.0,
        }
        clip = clip_of(facts(duration_s=2.0, frames=60, audio=False, size=(144, 256)), arrays)
        found = analyze_arrays(*clip, ["visual_quality"])["visual_quality"].summary
        nulls = {name for name, value in found.items() if value is None}
        assert found["noise_sigma"] is None
        assert nulls == found["unknown"].keys()


def test_black_frames_do_not_count_as_frames_without_noise():
    noisy = np.clip(np.random.default_rng(0).normal(120, 6, (256, 144)), 0, 255).astype(np.uint8)
    black = np.full((256, 144), 16, np.uint8)
    shown = [noisy, black, black, black]
    arrays = {
        "frames": np.stack([np.concatenate([p, np.full((128, 144), 128, np.uint8)]) for p in shown]),
        "frames_pts": np.arange(4) / 2.0,
        "low": np.stack([shown[i // 5] for i in range(20)]),
        "low_pts": np.arange(20) / 10.0,
        "thumbs": np.zeros((60, 27, 48, 3), np.uint8),
        "thumbs_pts": np.arange(60) / 30.0,
    }
    clip = clip_of(facts(duration_s=2.0, frames=60, audio=False, size=(144, 256)), arrays)
    assert analyze_arrays(*clip, ["visual_quality"])["visual_quality"].summary["noise_sigma"] > 4


def quality(luma, siglip2=None, frames=120):
    signals = {
        "luma_statistics": luma,
        "letterbox": {"top": 0.1, "bottom": 0.1, "left": 0, "right": 0, "fill": "plain"},
    }
    if siglip2 is not None:
        signals["siglip2"] = siglip2
    media = facts(duration_s=4.0, frames=frames, audio=False)
    return visual_quality.analyze(Context(facts=media, signals=signals))


LUMA = {
    "frame_s": [0.0, 1.0, 2.0, 3.0],
    "mean": [2.0, 120.0, 120.0, 120.0],
    "contrast": [1.0, 40.0, 40.0, 40.0],
    "sharpness": [900.0, 100.0, 300.0, 500.0],
    "clipped": [1.0, 0.0, 0.0, 0.0],
    "calm": [True, True, True, False],
    "noise_sigma": 0.4,
    "si": 80.0,
    "ti": 20.0,
    "black": [[0.0, 0.5]],
    "frozen": [],
}


def test_the_cover_is_the_sharpest_frame_that_is_neither_black_nor_mixed():
    result = quality(LUMA)
    assert result.output.cover_frame_s == 2.0
    assert result.output.sharpness == 300.0
    assert result.output.exposure_clip_ratio == 0.0
    assert (result.output.letterbox.top_px, result.output.black_ratio) == (102, 0.125)
    assert (result.tier, result.output.aesthetic, result.calibrated) == ("lite", None, None)


def test_pictures_of_a_long_video_that_were_kept_far_apart_are_not_called_too_short():
    result = quality(LUMA | {"ti": None})
    assert (result.status, result.reason, result.output.unknown["ti"]) == ("partial", "truncated", "truncated")
    per_frame = ("frame_s", "mean", "contrast", "sharpness", "clipped", "calm")
    one = {name: value[1:2] if name in per_frame else value for name, value in LUMA.items()} | {"black": [], "ti": None}
    assert quality(one, frames=1).reason == "too_short"


def test_nothing_is_cut_off_of_a_video_of_few_pictures():
    for frames, why in ((2, "too_short"), (8, "low_quality")):
        result = quality(LUMA | {"ti": None}, frames=frames)
        assert (result.status, result.reason, result.output.unknown["ti"]) == ("partial", why, why)
    assert result.message == "the video shows a picture every 0.50 s: too few for motion"


def test_one_picture_that_is_shown_for_seconds_is_frozen():
    picture = np.full((1, 27, 48, 3), 90, np.uint8)
    assert stillness.frozen_spans(picture, np.zeros(1), 6.0, ()) == ((0.0, 6.0),)
    assert stillness.frozen_spans(picture, np.zeros(1), 0.5, ()) == ()
    slides = np.concatenate([picture, picture * 2, picture])
    assert stillness.frozen_spans(slides, np.array([0.0, 2.0, 2.5]), 4.5, ()) == ((0.0, 2.0), (2.5, 4.5))
    assert stillness.frozen_spans(slides, np.array([0.0, 2.0, 2.5]), 4.5, (), every=False) == ()
    dark = stillness.black_spans(picture // 90, np.zeros(1), 6.0)
    assert dark == ((0.0, 6.0),)
    assert stillness.frozen_spans(picture // 90, np.zeros(1), 6.0, dark) == ()


def test_with_a_model_the_cover_is_the_nicer_of_the_sharp_frames():
    seen = {"aesthetic": {"pts_s": [0.0, 1.0, 2.0, 3.0], "score": [0.5, 0.9, 0.2, 0.8]}}
    result = quality(LUMA, seen)
    assert result.output.cover_frame_s == 1.0
    assert result.output.aesthetic == pytest.approx(0.6)
    assert (result.tier, result.calibrated) == ("full", False)


def test_the_aesthetic_score_is_a_mean_over_time():
    seen = {"aesthetic": {"pts_s": [0.0, 0.5, 1.0], "score": [0.9, 0.9, 0.1]}}
    assert quality(LUMA, seen).output.aesthetic == pytest.approx(0.3)


def test_the_aesthetic_score_is_how_much_nearer_a_frame_is_to_good_than_to_bad():
    labels = (Label(id="good", name="good"), Label(id="bad", name="bad"))
    cosine = np.array([[0.12, 0.10], [0.10, 0.10]], np.float32)
    prompts = LabelCosines(labels=labels, cosine=cosine, background=np.zeros((2, 0), np.float32), scale=100.0, bias=0.0)
    images = ImageEmbeddings(
        vectors=np.eye(2, 4, dtype=np.float32),
        pts_s=np.array([0.0, 1.0]),
        space="s",
        taxonomies={"aesthetics": prompts},
    )
    found = siglip2.signals(images)["aesthetic"]
    assert found["pts_s"] == [0.0, 1.0]
    assert found["score"] == pytest.approx([1 / (1 + np.exp(-2.0)), 0.5], abs=1e-3)
