"""Lettering over photographs is read within its pass marks, and an opening that is read is told for what it is."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.analysis import analyze_arrays, media
from tests.contexts import clip_of, facts
from tests.integration.test_on_screen_text import PHRASES, SIZE, errors_in, moving_clip
from tests.lettering import full_font, planes, small_luma, write
from tests.reading import read_clips
from tiktokd.encoders.ocr import ENCODER
from tiktokd.plugins import ClipArrays, LoadContext

PHOTOS = ("python-docs-samples__latte.jpg", "python-docs-samples__puppies.jpg")
PLACES = itertools.cycle([((20, 26, 30), 48), ((30, 22, 28), 40)])


def photo(name):
    """Return a photograph as a (960, 540, 3) picture."""
    with Image.open(media("real", name)) as image:
        return np.asarray(ImageOps.fit(image.convert("RGB"), SIZE))


def page_over(picture, lines):
    """Return a clip of one second with lines of text over a photograph that pans."""
    times = np.arange(10) / 10
    shown = [write(np.roll(picture, 3 * i, axis=1), lines) for i in range(len(times))]
    full = {"frames": np.stack([planes(p) for p in shown[::5]]), "frames_pts": times[::5]}
    return ClipArrays(full | {"low": np.stack([small_luma(p) for p in shown]), "low_pts": times})


@pytest.mark.skipif(full_font() is None, reason="no font with the accents of these languages on this machine")
@pytest.mark.parametrize("name", PHOTOS)
def test_lettering_of_20_to_48_pixels_over_a_photo_is_read_within_the_pass_marks(name, accuracy):
    model, picture = ENCODER.load(LoadContext(threads=2)), photo(name)
    wrong: dict[float, list[float]] = {}
    for (most, phrases), (small, large) in zip(PHRASES.values(), PLACES, strict=False):
        texts = [*phrases, " ".join(phrases[0].split()[:2])]
        lines = [(text, 100 + 180 * i, px) for i, (text, px) in enumerate(zip(texts, (*small, large), strict=True))]
        (features,) = read_clips(model, [page_over(picture, lines)])
        wrong.setdefault(most, []).append(errors_in(texts, [line.text for line in features.lines]))
    for most, errors in wrong.items():
        accuracy(f"letters misread over photos, languages with mark {most:g}", float(np.mean(errors)), mark=most)


def test_wait_for_it_in_the_picture_is_an_opening_that_makes_curious():
    line, end = [("WAIT FOR IT", 300, 48)], [("the end", 500, 40)]
    arrays = moving_clip([line, line, end])
    clip = clip_of(facts(duration_s=6.0, frames=60, audio=False, size=SIZE), dict(arrays))
    summary = analyze_arrays(*clip, ["hook"])["hook"].summary
    assert summary["hook_text"] == "WAIT FOR IT"
    assert summary["hook_types"] == ["curiosity_gap"]
    assert summary["first_text_s"] <= 0.5
