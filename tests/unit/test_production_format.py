"""Formats of made-up clips: each rule finds its own, and a plain clip has none."""

import cv2
import numpy as np
import pytest

from tests.contexts import clip_of, facts
from tests.unit.test_motion import texture, view
from tiktokd import graph
from tiktokd.analyzers import production_format as analyzer
from tiktokd.plugins import Context, LoadContext
from tiktokd.texts import OcrFeatures, TextLine

HEIGHT, WIDTH = 284, 160
CATALOGUE = graph.load()


def scene(seed):
    return texture(seed, 700, 700)


def clip(pictures):
    """Return a clip at 10 pictures per second whose luma is `pictures`, (284, 160)."""
    seconds, grey = len(pictures) / 10.0, np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
    stack = np.stack(pictures)
    small = np.stack([cv2.resize(p, (48, 27), interpolation=cv2.INTER_AREA) for p in pictures])
    frames = stack[::5]
    arrays = {
        "frames": np.stack([np.concatenate([p, grey]) for p in frames]),
        "frames_pts": np.arange(len(frames)) / 2.0,
        "low": stack,
        "low_pts": np.arange(len(stack)) / 10.0,
        "thumbs": np.repeat(small[..., None], 3, axis=3),
        "thumbs_pts": np.arange(len(stack)) / 10.0,
    }
    return clip_of(facts(duration_s=seconds, frames=len(pictures), audio=False, size=(WIDTH, HEIGHT)), arrays)


def analyzed(pictures, ocr=None):
    """Return the result of the rules, with what the picture encoders find and nothing else."""
    made, arrays = clip(pictures)
    features = {} if ocr is None else {"ocr": ocr}
    for encoder in graph.order(("layout", "luma_statistics", "flow"), CATALOGUE):
        context = Context(facts=made.facts, arrays=arrays, features=features)
        results = encoder.encode(encoder.load(LoadContext()), encoder.items(context))
        features[encoder.name] = encoder.collect(context, results)
    return analyzer.analyze(Context(facts=made.facts, arrays=arrays, features=features))


def formats(pictures, ocr=None):
    return {f.label for f in analyzed(pictures, ocr).output.formats}


def moving(seed, frames, dx=3.0, dy=1.0, **extra):
    big = scene(seed)
    return [view(big, right=-dx * (i - frames / 2), down=dy * (i - frames / 2), **extra) for i in range(frames)]


def with_subject(pictures, seed):
    """Return the pictures with a thing that moves by itself."""
    thing, made = texture(seed, 120, 120), []
    for i, picture in enumerate(pictures):
        copy = picture.copy()
        y, x = 80 + int(40 * np.sin(i / 3)), 50 + int(25 * np.cos(i / 4))
        copy[y : y + 90, x : x + 60] = thing[:90, :60]
        made.append(copy)
    return made


def test_a_plain_clip_has_no_format():
    assert formats(with_subject(moving(1, 40), 2)) == set()


def test_still_photos_one_after_another_are_a_slideshow():
    slides = [view(scene(seed)) for seed in (3, 4, 5)]
    assert formats([s for slide in slides for s in [slide] * 15]) == {"slideshow"}


def test_photos_under_a_slow_zoom_are_a_slideshow():
    zooms = [[view(scene(seed), scale=1 + 0.004 * i) for i in range(25)] for seed in (6, 7, 8)]
    assert formats([p for zoom in zooms for p in zoom]) == {"slideshow"}


def test_moving_shots_are_no_slideshow():
    cut = with_subject(moving(9, 20), 10) + with_subject(moving(11, 20, dx=-2), 12)
    assert formats(cut) == set()


@pytest.mark.parametrize("upright", [True, False])
def test_two_videos_side_by_side_are_a_split_screen(upright):
    left = with_subject(moving(13, 40, dx=2.0), 14)
    right = with_subject(moving(15, 40, dx=-1.0, dy=2.0), 16)
    joined = []
    for a, b in zip(left, right, strict=True):
        joined.append(np.hstack([a[:, :80], b[:, :80]]) if upright else np.vstack([a[:142], b[:142]]))
    assert formats(joined) == {"split_screen"}


def test_bars_make_it_letterboxed():
    pictures = with_subject(moving(17, 40), 18)
    for picture in pictures:
        picture[:60] = picture[224:] = 16
    assert "letterboxed" in formats(pictures)


def test_a_camera_that_stands_makes_a_static_shot():
    ground = view(scene(19))
    assert formats(with_subject([ground] * 40, 20)) == {"static_shot"}


def lines(count, start_s, end_s, box):
    return tuple(
        TextLine(
            text=f"line {i}",
            score=0.99,
            box=(box[0], box[1] + i * box[3], box[2], box[3]),
            height_ratio=box[3],
            start_s=start_s,
            end_s=end_s,
            samples=3,
            still=True,
        )
        for i in range(count)
    )


def test_text_cover_is_the_share_of_the_picture_over_time():
    ocr = OcrFeatures(lines=lines(4, 1.0, 3.0, (0.1, 0.1, 0.8, 0.1)), searched_s=(0.0, 1.0, 2.0, 3.0), readings=4)
    over_all, while_there, time_share = analyzer._text_cover(ocr, 4.0)
    assert (over_all, while_there, time_share) == pytest.approx((0.16, 0.32, 0.5))
    assert analyzer._text_heavy((over_all, while_there, time_share)) is not None
    assert analyzer._text_heavy((0.02, 0.05, 0.9)) is None


def drawn_screen():
    """Return a page of text that is scrolled."""
    page = np.full((HEIGHT, WIDTH), 225, np.uint8)
    for row in range(8):
        cv2.putText(page, "settings", (10, 40 + 28 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 40, 1)
    return [np.roll(page, i // 4, axis=0) for i in range(30)]


def test_a_drawn_screen_full_of_text_is_a_screen_recording():
    ocr = OcrFeatures(lines=lines(8, 0.0, 3.0, (0.05, 0.05, 0.6, 0.05)), searched_s=(0.0,), readings=8)
    assert "screen_recording" in formats(drawn_screen(), ocr)
    assert "screen_recording" not in formats(drawn_screen())
    assert "screen_recording" not in formats(with_subject(moving(22, 30), 23), ocr)


def test_without_text_and_people_encoders_their_ratios_are_unknown():
    output = analyzed(moving(24, 20)).output
    assert (output.talking_head_ratio, output.text_cover_ratio) == (None, None)


def test_a_clip_under_a_second_is_not_judged():
    assert analyzed(moving(21, 5)).reason == "too_short"
