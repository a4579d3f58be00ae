"""The sample clips hold what they say, each time the same."""

import numpy as np
import pytest

from bench import samples
from tests.analysis import analyze_file, decode_file

SMALL = {"seconds": 4, "size": (144, 256)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return samples.make(tmp_path_factory.mktemp("clips"), count=4, **SMALL)


def test_sample_clips_are_the_same_bytes_each_time_and_differ_from_one_another(clips, tmp_path):
    again = samples.make(tmp_path, count=2, **SMALL)
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in clips[:2]]
    assert len({p.read_bytes() for p in clips}) == 4


@pytest.mark.parametrize("number", range(4))
def test_a_sample_clip_cuts_when_it_says(clips, number):
    clip, arrays = decode_file(clips[number])
    known = samples.truth(number, SMALL["seconds"])
    assert clip.facts.duration_s == pytest.approx(4.0, abs=0.05)
    assert clip.facts.frame_count == 120
    assert clip.facts.has_audio
    change = np.abs(np.diff(arrays["thumbs"].astype(int), axis=0)).mean(axis=(1, 2, 3))
    largest = np.sort(np.argsort(change)[-len(known.cuts_s) :]) + 1
    assert arrays["thumbs_pts"][largest] == pytest.approx(known.cuts_s, abs=0.04)


def test_nobody_is_seen_in_clips_in_which_nobody_is(tmp_path):
    """Drawn textures look like a face now and then: the third sample does in one frame."""
    for clip in samples.make(tmp_path, count=3):
        seen = analyze_file(clip, ["people_framing"])["people_framing"]
        assert (seen.status, seen.summary) == ("skipped", {})


def test_a_sample_clip_can_be_mute(tmp_path):
    clip, _ = decode_file(samples.make(tmp_path, count=1, sound=False, **SMALL)[0])
    assert not clip.facts.has_audio


def test_a_repeated_clip_is_as_often_as_long_and_shows_the_same_pictures_again(clips, tmp_path):
    clip, arrays = decode_file(samples.repeat(clips[0], tmp_path / "long.mp4", times=3))
    assert clip.facts.duration_s == pytest.approx(12.0, abs=0.1)
    assert clip.facts.frame_count == 360
    assert clip.audio16_covers_s == pytest.approx(12.0, abs=0.1)
    thumbs = arrays["thumbs"].astype(int)
    assert np.abs(thumbs[240:360] - thumbs[:120]).mean() < 0.5
