"""Faces of the lite tier on pictures with known content: none in drawn cups, those of real clips, and when."""

import cv2
import numpy as np
import pytest

from tests.analysis import analyze_file, decode_file, media
from tiktokd.encoders import faces
from tiktokd.plugins import Context, LoadContext

HEIGHT, WIDTH = 1024, 576


@pytest.fixture(scope="module")
def model():
    return faces.load(LoadContext())


def cup(seed: int):
    """Return a cup of coffee from above with a leaf of milk: in one of six the first cascade alone sees a face."""
    draw = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH), float(draw.integers(60, 180)), np.float32)
    x, y, radius = (int(v) for v in draw.integers((220, 350, 130), (356, 670, 220)))
    for share, level in ((1.25, 200), (1.0, 220), (0.93, 80)):
        cv2.ellipse(picture, (x, y), (int(radius * share), int(radius * share * 0.9)), 0, 0, 360, level, -1)
    for n in range(int(draw.integers(3, 7))):
        across, down = radius * (0.64 - 0.09 * n), radius * (0.14 * n - 0.3)
        milk = 80 if n % 2 else 200
        cv2.ellipse(picture, (x, y + int(down)), (int(across), int(across * 0.75)), 0, 0, 360, milk, -1)
    cv2.line(picture, (x, y - int(radius * 0.7)), (x, y + int(radius * 0.7)), 200, int(draw.integers(3, 10)))
    picture = cv2.GaussianBlur(picture, (0, 0), 1.5) + draw.normal(0, 3, picture.shape)
    return np.clip(picture, 16, 235).astype(np.uint8)


def found(model, samples):
    return [len(frame.found) for frame in faces.collect(None, faces.encode(model, samples))]


def test_a_drawn_cup_shows_no_face(model):
    clips = [found(model, [(0.0, cup(seed))]) for seed in range(60)]
    assert sum(count > 0 for (count,) in clips) == 0


@pytest.mark.parametrize(
    ("parts", "with_face", "none_from_s"),
    [
        (("clips", "c06_freeze_speech.mp4"), 2, 9.0),
        (("clips", "c11_autocaptions.mp4"), 5, 19.5),
        (("containers", "mp4parse_no_timescale.mp4"), 0, 0.0),
        (("composites", "silent.mp4"), 0, 0.0),
    ],
)
def test_real_faces_are_seen_and_nothing_else(model, parts, with_face, none_from_s):
    clip, arrays = decode_file(media(*parts))
    samples = faces.items(Context(facts=clip.facts, arrays=arrays))
    seen = found(model, samples)
    assert sum(count > 0 for count in seen) >= with_face
    assert not any(count for count, (at, _luma) in zip(seen, samples, strict=True) if at >= none_from_s)


def test_a_face_is_not_said_to_be_there_after_the_cut(model):
    people = analyze_file(media("clips", "c02_hardcuts_music.mp4"), ["people_framing"])["people_framing"]
    woman, man = (0.0, 2.5), (12.5, 14.0)  # as the truth has it
    assert people.segments, "the woman is seen"
    for segment in people.segments:
        start_s, end_s = segment["start_s"], segment["end_s"]
        assert any(start_s >= a - 0.05 and end_s <= b + 0.05 for a, b in (woman, man))
