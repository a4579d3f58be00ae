"""Bars around made-up pictures: their edges, and pictures that have none."""

import cv2
import numpy as np
import pytest

from tiktokd.encoders.letterbox import find


def content(height, width, seed, shift):
    """Return a picture with detail down to a few pixels that moves from frame to frame."""
    random = np.random.default_rng(seed)
    big = random.integers(20, 235, (height // 4 + 30, width // 4 + 30)).astype(np.uint8)
    big = cv2.resize(big, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    return big[shift : shift + height, 2 * shift : 2 * shift + width]


def clip(make, frames=8):
    return [make(i) for i in range(frames)]


def framed(top, bottom, left, right, size=(512, 288), level=16):
    height, width = size

    def make(i):
        picture = np.full(size, level, np.uint8)
        inner = content(height - top - bottom, width - left - right, 1, i * 3)
        picture[top : height - bottom, left : width - right] = inner
        return picture

    return clip(make)


@pytest.mark.parametrize("edges", [(80, 80, 0, 0), (60, 101, 0, 0), (0, 0, 40, 40), (52, 52, 29, 29), (0, 130, 0, 0)])
@pytest.mark.parametrize("level", [16, 235])
def test_plain_bars_are_found_to_two_pixels(edges, level):
    bars = find(framed(*edges, level=level))
    found = (bars.top * 512, bars.bottom * 512, bars.left * 288, bars.right * 288)
    assert found == pytest.approx(edges, abs=2)
    assert bars.fill == "plain"


def test_text_in_a_bar_does_not_hide_it():
    pictures = framed(120, 120, 0, 0)
    for picture in pictures:
        cv2.putText(picture, "WAIT FOR IT", (20, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 235, 2)
    assert find(pictures).top * 512 == pytest.approx(120, abs=2)


def test_a_blurred_fill_is_found():
    def make(i):
        inner = content(162, 288, 2, i * 3)
        fill = cv2.GaussianBlur(cv2.resize(inner, (910, 512))[:, 311:599], None, 12)
        fill[175:337] = inner
        return fill

    bars = find(clip(make))
    assert bars.fill == "blurred"
    assert (bars.top * 512, bars.bottom * 512) == pytest.approx((175, 175), abs=2)
    assert bars.content_ratio == pytest.approx(162 / 512, abs=0.01)


def test_a_full_picture_has_no_bars():
    assert find(clip(lambda i: content(512, 288, 3, i * 3))).fill is None


def test_a_black_video_has_no_bars():
    assert find([np.full((512, 288), 16, np.uint8)] * 5).fill is None


def test_a_dark_top_without_a_straight_edge_is_no_bar():
    ramp = np.clip(np.arange(512)[:, None] - 100.0, 0, 200) / 200.0
    bars = find(clip(lambda i: (16 + ramp * (content(512, 288, 4, i * 3) - 16.0)).astype(np.uint8)))
    assert bars.fill is None


def test_one_picture_is_not_enough_for_a_bar_on_one_side():
    assert find(framed(0, 100, 0, 0)[:1]).fill is None
    assert find(framed(100, 100, 0, 0)[:1]).top * 512 == pytest.approx(100, abs=2)


def test_a_still_picture_with_a_plain_band_on_one_side_has_no_bar():
    picture = content(512, 288, 5, 0)
    picture[470:] = 16
    assert find([picture] * 8).fill is None
    picture[:42] = 16
    assert find([picture] * 8).fill == "plain"
