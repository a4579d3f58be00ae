"""Decoding real and odd files of the shared test media; skipped where that folder is not there."""

import json

import numpy as np
import pytest

from tests.analysis import MEDIA, media
from tiktokd.decode import decode
from tiktokd.errors import CorruptMedia, UnsupportedMedia
from tiktokd.slots import Region

SLOT_BYTES = 64 << 20

EXPECTED = {
    # name: (width, height, rotation, frames, fps, seconds, audio rate)
    "8k24fps_300ms.mp4": (7680, 4320, 0, 8, 24.0, 0.34, 48_000),
    "bear-vp9.webm": (320, 240, 0, 82, 29.97, 2.7, None),
    "corrupted.mp4": (1280, 720, 0, 49, 9.8, 5.0, None),
    "dolbyVision-hdr.MOV": (720, 1280, 90, 4, 30.0, 0.11, 44_100),
    "h265_with_metadata_track.mp4": (1080, 1920, 90, 3, 29.98, 0.1, 48_000),
    "hdr10-av1.mp4": (720, 1280, 0, 127, 29.97, 4.24, 48_000),
    "hlg10-color-test.mp4": (1920, 1080, 0, 9, 29.99, 0.3, 48_000),
    "iibbibb_editlist_videoonly.mp4": (704, 576, 0, 12, 1.0, 12.0, None),
    "internal_emulator_transformer_output_270_rotated.mp4": (720, 1280, 270, 149, 29.97, 4.97, 44_100),
    "mp4parse_no_timescale.mp4": (320, 240, 0, 170, 28.1, 6.04, None),
    "mv_with_2_top_shots.mp4": (1080, 1440, 270, 53, 29.3, 1.77, None),
    "no_duration.webm": (1280, 720, 0, 74, 14.99, 4.94, 48_000),
    "portrait_4k60.mp4": (2160, 3840, 90, 18, 60.1, 0.31, 48_000),
    "roadtrip-vp92-10bit.webm": (426, 240, 0, 72, 23.98, 3.0, None),
    "sample_android_slow_motion.mp4": (1280, 720, 0, 7, 12.2, 0.53, None),
    "sample_av1.mp4": (1080, 720, 0, 30, 29.97, 1.09, 44_100),
    "sample_edit_list.mp4": (1080, 1920, 90, 77, 29.98, 2.55, 44_100),
    "sample_mdat_too_long.mp4": (1080, 720, 0, 30, 29.97, 1.07, 44_100),
    "sample_missing_stsd.mp4": (1080, 720, 0, 30, 29.97, 1.07, None),
    "sample_portrait.mp4": (720, 1080, 0, 30, 29.97, 1.09, 44_100),
    "sample_shorter_audio.mp4": (320, 240, 0, 72, 60.0, 1.2, 44_100),
    "sample_vvc.mp4": (320, 180, 0, 120, 24.0, 5.0, None),
    "sample_with_htc_rotation_track_name.mkv": (1080, 720, 0, 30, 29.99, 1.07, 44_100),
    "sample_with_invalid_nalu.mp4": (1080, 720, 0, 29, 28.9, 1.0, None),
    "sample_without_stss.mp4": (1080, 720, 0, 30, 29.97, 1.0, None),
    "silent-black-25s.mp4": (320, 240, 0, 750, 30.0, 25.0, 44_100),
    "sowt-with-video.mov": (1920, 1080, 0, 100, 50.0, 2.0, 48_000),
    "sowt_pcm_variable_sample_size.mp4": (None, None, 0, 0, None, 1.0, 44_100),
    "trim_optimization_failure.mp4": (518, 488, 0, 167, 29.88, 5.59, 48_000),
}
"""As FFmpeg's own tools and players see them. HTC's rotation in a track's name is of one vendor and not followed."""

REFUSED = {
    "invalid-bitstream.webm": r"51 of 51 video packets do not decode",
    "mp4parse_chunk_out_of_range.mp4": r"cannot be opened",
    "mp4parse_invalid_userdata.mp4": r"names a h264 picture but holds no frame",
    "mp4parse_zero_empty_stsc.mp4": r"2 of 2 video packets do not decode",
    "sample_malformed_free_box.mp4": r"cannot be opened",
}
LONG = {"long_1080p_lowbitrate.mp4", "long_4k_av1.mp4"}
"""Six minutes of 1080p and 4K: 15 s and 4 minutes of processor time; the first is tried by hand."""


@pytest.fixture(scope="module")
def region():
    return Region.create(1, SLOT_BYTES)


def read(region, path, **changes):
    """Decode into the slot; returns the clip and views of its arrays."""
    usual = {"fps": 2.0, "max_duration_s": 3600.0, "slot": 0, "generation": 1}
    clip = decode(path, region.view(0), **(usual | changes))
    return clip, region.arrays(0, clip.blocks)


def assert_in_step(arrays, facts):
    """What holds for each clip whatever it is."""
    for name in ("frames", "low", "thumbs"):
        if facts.has_video:
            times = arrays[f"{name}_pts"]
            assert len(times) == len(arrays[name]) >= 1
            assert times[0] == 0.0
            assert (np.diff(times) > 0).all()
            assert times[-1] <= facts.duration_s + 0.05


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_odd_container_decodes_right(region, name):
    width, height, rotation, frames, fps, seconds, rate = EXPECTED[name]
    clip, arrays = read(region, media("containers", name))
    facts = clip.facts
    assert (facts.width_px, facts.height_px, facts.rotation_deg) == (width, height, rotation)
    assert facts.frame_count == frames
    assert facts.fps == (None if fps is None else pytest.approx(fps, rel=0.01))
    assert facts.duration_s == pytest.approx(seconds, abs=0.06)
    assert facts.audio_rate_hz == rate
    assert facts.has_audio == (rate is not None)
    assert_in_step(arrays, facts)
    if rate is not None:
        assert len(arrays["audio48"]) / 48_000 == pytest.approx(clip.audio48_covers_s)
        assert clip.audio16_covers_s == pytest.approx(clip.audio48_covers_s, abs=0.01)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_broken_container_is_refused_with_what_was_found(region, name):
    with pytest.raises(CorruptMedia, match=REFUSED[name]):
        read(region, media("containers", name))


@pytest.mark.parametrize("name", sorted(LONG))
def test_a_long_file_is_refused_before_it_is_decoded_where_the_settings_say_so(region, name):
    with pytest.raises(UnsupportedMedia, match="lasts 363 s"):
        read(region, media("containers", name), max_duration_s=360.0)


def test_each_odd_container_is_expected_or_refused():
    found = {path.name for path in media("containers").iterdir()}
    assert found == set(EXPECTED) | set(REFUSED) | LONG


def truths():
    """Yield (folder, name, truth) of all composites; nothing where the folder is missing."""
    for folder in ("composites", "clips"):
        file = MEDIA / folder / "ground_truth.json"
        if file.exists():
            for name, truth in json.loads(file.read_text()).items():
                yield pytest.param(folder, name, truth, id=name)


@pytest.mark.parametrize(("folder", "name", "truth"), list(truths()))
def test_a_composite_has_the_length_the_size_and_the_sound_that_it_was_made_with(region, folder, name, truth):
    clip, arrays = read(region, media(folder, truth.get("file", name)))
    facts = clip.facts
    seconds = truth.get("duration_s", truth.get("container_duration_s"))
    audio = truth.get("has_audio", truth.get("audio") is not None)
    assert facts.duration_s == pytest.approx(seconds, abs=0.1)
    assert facts.has_audio == audio
    assert facts.width_px == truth.get("width", 576)
    assert facts.height_px == truth.get("height", 1024)
    if "frames" in truth:
        assert facts.frame_count == truth["frames"]
    assert_in_step(arrays, facts)
    gaps = np.diff(arrays["frames_pts"])
    assert gaps.max() <= 2.5 * gaps.min() + 0.1
    if audio:
        heard = truth.get("audio") or {"duration_s": seconds}
        assert clip.audio48_covers_s == pytest.approx(heard["duration_s"], abs=0.1)
        assert clip.audio16_covers_s == pytest.approx(heard["duration_s"], abs=0.1)
        peak_dbfs = heard.get("sample_peak_dbfs")
        if peak_dbfs is not None and peak_dbfs > -90:
            found = 20 * np.log10(np.abs(arrays["audio48"].astype(float)).max() / 16384)
            assert found == pytest.approx(peak_dbfs, abs=1.5)


def test_a_variable_frame_rate_keeps_its_own_times(region):
    _, arrays = read(region, media("clips", "x02_c11_vfr.mp4"))
    gaps = np.diff(arrays["thumbs_pts"])
    assert gaps.max() > 1.5 * gaps.min()
    assert arrays["frames_pts"][1] == pytest.approx(0.5, abs=0.1)
