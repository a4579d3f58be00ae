"""Palettes and colour measures of pictures whose colours are known."""

import cv2
import numpy as np
import pytest

from tests.analysis import analyze_arrays
from tests.contexts import clip_of, facts
from tests.unit.test_pdq import yuv
from tiktokd.colour import lab_from_rgb, rgb_from_lab
from tiktokd.encoders import colours

SIZE = (512, 288)


def four_colours():
    """Return a picture and its colours with shares of 0.5, 0.25, 0.1875 and 0.0625."""
    named = {(200, 40, 30): 0.5, (30, 90, 180): 0.25, (240, 210, 60): 0.1875, (20, 20, 24): 0.0625}
    picture = np.zeros((*SIZE, 3), np.uint8)
    row = 0
    for rgb, share in named.items():
        rows = round(share * SIZE[0])
        picture[row : row + rows] = rgb
        row += rows
    return picture, named


def jpeg(picture, quality=85):
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]


def clip(pictures, seconds=None):
    """Return a clip whose full-size frames, at 2 per second, are these RGB pictures."""
    seconds = seconds or len(pictures) / 2.0
    luma = [yuv(p)[: p.shape[0]] for p in pictures]
    small = np.stack([cv2.resize(p, (48, 27), interpolation=cv2.INTER_AREA) for p in pictures])
    arrays = {
        "frames": np.stack([yuv(p) for p in pictures]),
        "frames_pts": np.arange(len(pictures)) / 2.0,
        "low": np.stack([cv2.resize(y, (160, 284), interpolation=cv2.INTER_AREA) for y in luma]),
        "low_pts": np.arange(len(pictures)) / 2.0,
        "thumbs": np.repeat(small, 15, axis=0),
        "thumbs_pts": np.arange(len(pictures) * 15) / 30.0,
    }
    size = pictures[0].shape[1::-1]
    return clip_of(facts(duration_s=seconds, frames=len(pictures) * 15, audio=False, size=size), arrays)


def analyzed(pictures):
    return analyze_arrays(*clip(pictures), ["color_palette"])["color_palette"]


def test_lab_agrees_with_published_values_and_comes_back():
    # Bruce Lindbloom's calculator, D65: red, green, blue, white, mid grey.
    rgb = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (128, 128, 128)]
    lab = [(53.24, 80.09, 67.20), (87.73, -86.18, 83.18), (32.30, 79.19, -107.86), (100, 0, 0), (53.59, 0, 0)]
    assert lab_from_rgb(rgb) == pytest.approx(np.array(lab), abs=0.05)
    assert rgb_from_lab(lab) == pytest.approx(np.array(rgb), abs=0.6)


def test_shares_and_colours_of_a_jpeg_are_recovered(accuracy):
    picture, named = four_colours()
    summary = analyzed([jpeg(picture)] * 4).summary
    assert len(summary["colors"]) == 4
    for (rgb, share), found in zip(named.items(), summary["colors"], strict=True):
        accuracy("palette: share of a colour, error", abs(found["share"] - share), mark=0.02)
        apart = np.linalg.norm(np.array(found["lab"]) - lab_from_rgb([rgb])[0])
        accuracy("palette: delta-E of a colour", apart, mark=3)
        assert [int(found["hex"][i : i + 2], 16) for i in (1, 3, 5)] == pytest.approx(rgb, abs=5)
    assert sum(c["share"] for c in summary["colors"]) == pytest.approx(1, abs=0.001)


def test_grey_has_no_colourfulness_and_no_warmth():
    ramp = np.repeat(np.linspace(0, 255, SIZE[1])[None, :, None], SIZE[0], 0).repeat(3, 2).astype(np.uint8)
    envelope = analyzed([ramp] * 2)
    assert (envelope.status, envelope.reason) == ("partial", "low_quality")
    assert envelope.summary["colorfulness"] < 0.5
    assert envelope.summary["warmth"] is None
    assert envelope.summary["saturation"] < 0.01


def test_warm_and_cool_pictures_are_told_apart():
    orange, blue = (np.full((*SIZE, 3), c, np.uint8) for c in ((230, 140, 60), (60, 120, 220)))
    assert analyzed([orange] * 2).summary["warmth"] > 0.99
    assert analyzed([blue] * 2).summary["warmth"] < 0.01


def test_bars_and_black_frames_do_not_count():
    random = np.random.default_rng(0)
    pictures = []
    for _ in range(6):
        picture = np.zeros((*SIZE, 3), np.uint8)
        picture[130:382] = np.clip(np.array([60, 160, 70]) + random.normal(0, 12, (252, 288, 1)), 0, 255)
        pictures.append(picture)
    black = np.zeros((*SIZE, 3), np.uint8)
    summary = analyzed([black, black, *pictures]).summary
    assert [c["share"] for c in summary["colors"]] == [1.0]
    assert summary["colors"][0]["lab"] == pytest.approx(lab_from_rgb([(60, 160, 70)])[0], abs=3)


def test_each_shot_has_its_own_palette():
    red, blue = (np.full((*SIZE, 3), c, np.uint8) for c in ((220, 30, 30), (30, 40, 220)))
    red[::7, ::5], blue[::9, ::3] = 200, 90  # some structure, so that the cut is one
    red[100:300, 40:200] = (250, 240, 230)
    blue[200:450, 100:280] = (10, 60, 20)
    envelope = analyzed([red] * 4 + [blue] * 4)
    assert [(s["start_s"], s["end_s"]) for s in envelope.segments] == [(0.0, 2.0), (2.0, 4.0)]
    assert [s["colors"][0]["hex"][1:3] > "80" for s in envelope.segments] == [True, False]


def test_a_palette_does_not_depend_on_chance():
    lab = np.random.default_rng(1).uniform(-50, 80, (5000, 3)).astype(np.float32)
    assert colours.palette(lab) == colours.palette(lab.copy())
    assert colours.palette(lab[:1])[0].share == 1.0
