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


@pytest.mark.parametrize("wide", [False, True])
def test_lines_of_text_in_a_bar_do_not_hide_it(wide):
    pictures = framed(150, 150, 0, 0, level=235)
    for i, picture in enumerate(pictures):
        for row in range(3):
            words = (
                "WHEN THE CODE W" if wide else f"CAPTION {i}"
            )  # one that stays and fills the width, one that changes
            cv2.putText(picture, words, (2 if wide else 30, 40 + 42 * row), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 16, 4)
    assert find(pictures).top * 512 == pytest.approx(150, abs=2)


def test_a_page_with_something_in_its_middle_has_no_bars():
    def make(i):
        page = np.full((512, 288), 235, np.uint8)
        page[200 : 300 + 6 * i, 40:248] = content(512, 288, 6, 0)[: 100 + 6 * i, :208]  # grows, as a chat does
        return page

    assert find(clip(make)).fill is None


def test_a_box_of_text_on_a_soft_photo_has_no_blurred_fill():
    coarse = np.random.default_rng(7).integers(20, 235, (8, 5)).astype(np.uint8)
    photo = cv2.resize(coarse, (288, 512), interpolation=cv2.INTER_CUBIC)
    photo[180:330, 30:258] = 235
    for row in range(5):
        cv2.putText(photo, "many small words", (40, 205 + 26 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 16, 2)
    assert find([photo] * 8).fill is None


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


def test_a_blurred_fill_is_found_where_one_end_of_the_picture_is_as_dark_as_the_fill():
    def make(i):
        inner = content(162, 288, 2, i * 3)
        fill = cv2.GaussianBlur(cv2.resize(inner, (910, 512))[:, 311:599], None, 12)
        seen = np.ones((162, 288))
        seen[:16, 115:] = np.linspace(0, 1, 16)[:, None]
        fill[175:337] = seen * inner + (1 - seen) * fill[175:337]
        return fill

    bars = find(clip(make))
    assert bars.fill == "blurred"
    assert (bars.top * 512, bars.bottom * 512) == pytest.approx((175, 175), abs=2)


@pytest.mark.parametrize("turned", [False, True])
def test_a_blurred_fill_is_found_where_it_is_so_dark_on_one_side_that_it_looks_plain(turned):
    light = np.clip(np.linspace(1.0, -0.6, 512), 0, 1)[:, None]

    def make(i):
        inner = content(162, 288, 2, i * 3)
        fill = 18 + light * (cv2.GaussianBlur(cv2.resize(inner, (910, 512))[:, 311:599], None, 12) - 18.0)
        fill[175:337] = inner
        return np.ascontiguousarray(fill[::-1] if turned else fill).astype(np.uint8)

    bars = find(clip(make))
    assert bars.fill == "blurred"
    assert (bars.top * 512, bars.bottom * 512) == pytest.approx((175, 175), abs=2)


def test_bars_of_two_heights_around_a_still_scene_are_plain():
    picture = np.full((512, 288), 30, np.uint8)
    picture[120:408] = cv2.GaussianBlur(content(288, 288, 8, 0), None, 4)
    cv2.putText(picture, "and nobody", (40, 70), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 235, 2)
    bars = find([picture] * 8)
    assert bars.fill == "plain"
    assert (bars.top * 512, bars.bottom * 512) == pytest.approx((120, 104), abs=2)


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
