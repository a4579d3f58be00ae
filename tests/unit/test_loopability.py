"""Seams of made-up loops and of videos that are none."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest

from tests.analysis import analyze_arrays
from tests.contexts import clip_of, facts, sound
from tests.unit.test_motion import texture
from tiktokd import graph
from tiktokd.footage import Seam
from tiktokd.plugins import Context

FPS = 30
SECONDS = 4.0
COUNT = int(FPS * SECONDS)


def pan(scene, offsets):
    """Return luma pictures (284, 160): a window that moves over `scene` by `offsets`, px to the right."""
    made = []
    for x in offsets:
        matrix = np.array([[1, 0, -(200 + x)], [0, 1, -100]], np.float64)
        made.append(cv2.warpAffine(scene, matrix, (160, 284), flags=cv2.INTER_LINEAR).round().astype(np.uint8))
    return made


def one_period(scene, count=COUNT):
    return pan(scene, 60 * np.sin(2 * np.pi * np.arange(count) / count))


def tone(hz, seconds=SECONDS, phase=0.0):
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * 48000)) / 48000 + phase)


def judged(pictures, samples=None):
    seconds = len(pictures) / FPS
    pts = np.arange(len(pictures)) / FPS
    small = np.stack([cv2.resize(p, (48, 27), interpolation=cv2.INTER_AREA) for p in pictures])
    arrays = {
        "low": np.stack(pictures[::3]),
        "low_pts": pts[::3],
        "thumbs": np.repeat(small[..., None], 3, axis=3),
        "thumbs_pts": pts,
    } | ({} if samples is None else sound(samples))
    media = facts(duration_s=seconds, frames=len(pictures), audio=samples is not None, size=(160, 284))
    return analyze_arrays(*clip_of(media, arrays), ["loopability"])["loopability"]


@pytest.fixture(scope="module")
def scene():
    return texture(1)


@pytest.fixture(scope="module")
def loop(scene):
    return one_period(scene)


def test_one_period_of_a_pan_with_a_tone_in_phase_is_a_perfect_loop(loop):
    envelope = judged(loop, tone(440.0))
    assert envelope.status == "ok", envelope
    assert envelope.summary["loop_score"] >= 0.95
    assert envelope.summary["perfect_loop"]
    assert envelope.summary["click"] is False


def test_two_unrelated_halves_do_not_loop(scene):
    halves = pan(scene, np.linspace(0, 60, 60)) + pan(texture(2), np.linspace(0, 60, 60))
    samples = np.concatenate([tone(330.0, 2.0), np.random.default_rng(0).normal(0, 0.1, 96000)])
    assert judged(halves, samples).summary["loop_score"] <= 0.4


def test_a_white_frame_at_the_end_spoils_a_loop(loop):
    white = np.full_like(loop[0], 235)
    with_white = judged([*loop, white], tone(440.0, SECONDS + 1 / FPS)).summary["loop_score"]
    assert with_white < judged(loop, tone(440.0)).summary["loop_score"] - 0.3


def test_a_tone_that_breaks_off_is_heard_at_the_seam(loop):
    samples = tone(440.0)
    samples[-24000:] = tone(990.0, 0.5) * 0.1
    broken, whole = judged(loop, samples).summary, judged(loop, tone(440.0)).summary
    assert broken["audio_score"] < 0.6 < whole["audio_score"]
    assert broken["level_jump_db"] == pytest.approx(20.0, abs=1.0)


def test_a_step_of_the_waveform_is_a_click(loop):
    samples = tone(50.0)
    samples[-48:] = np.linspace(samples[-49], 0.9, 48)
    assert judged(loop, samples).summary["click"] is True


def test_motion_that_turns_round_at_the_seam_is_not_continuous(scene):
    back = judged(pan(scene, np.abs(np.linspace(-60, 60, COUNT))))
    assert back.summary["motion_continuity"] < 0.5
    assert back.summary["visual_score"] < 0.95


def test_a_stretch_shown_three_times_is_found(scene):
    stretch = pan(scene, np.linspace(0, 50, 40))
    envelope = judged(stretch * 3)
    assert envelope.summary["repeat_period_s"] == pytest.approx(40 / FPS, abs=0.01)
    assert envelope.summary["visual_score"] == 1.0
    assert judged(pan(scene, np.linspace(0, 150, 120))).summary["repeat_period_s"] is None


def test_a_video_without_sound_says_so(loop):
    envelope = judged(loop)
    assert (envelope.status, envelope.reason) == ("partial", "no_audio")
    assert envelope.summary["audio_score"] is None
    assert envelope.summary["loop_score"] >= 0.95


def test_a_track_of_silence_is_not_taken_for_sound_that_loops(loop):
    envelope = judged(loop, np.zeros(COUNT * 48_000 // FPS))
    assert (envelope.status, envelope.reason) == ("partial", "no_audio")
    assert "silence" in envelope.message
    names = ("audio_score", "log_mel_distance_db", "level_jump_db", "click")
    assert [envelope.summary[name] for name in names] == [None] * 4
    assert envelope.summary["loop_score"] == envelope.summary["visual_score"]


def test_a_blank_picture_is_no_perfect_loop():
    black = [np.full((284, 160), 16, np.uint8)] * COUNT
    envelope = judged(black, tone(440))
    assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "low_quality", {})


def test_one_picture_under_seconds_of_sound_is_no_loop(scene):
    picture = one_period(scene, 1)[0]
    thumb = np.repeat(cv2.resize(picture, (48, 27))[None, ..., None], 3, axis=3)
    arrays = {"low": picture[None], "low_pts": np.zeros(1), "thumbs": thumb, "thumbs_pts": np.zeros(1)}
    media = facts(duration_s=6.0, frames=1, audio=True, size=(160, 284))
    found = analyze_arrays(*clip_of(media, arrays | sound(tone(220.0, 6.0))), ["loopability"])["loopability"]
    assert (found.status, found.reason, found.summary) == ("skipped", "too_short", {})
    assert "single picture" in (found.message or "")


def test_a_still_picture_repeats_nothing(scene):
    still = pan(scene, [0.0]) * COUNT
    assert judged(still).summary["repeat_period_s"] is None


def test_sound_that_ends_before_the_picture_is_silence_at_the_seam_and_not_lost(loop):
    envelope = judged(loop, tone(440, seconds=SECONDS / 2))
    assert envelope.status == "ok"
    assert envelope.summary["level_jump_db"] > 20
    assert envelope.summary["audio_score"] < 0.8


def test_the_models_view_of_the_seam_stands_beside_the_score(loop):
    spec, seconds = graph.load().analyzers["loopability"], COUNT / FPS
    ends = {"first_apart": 0.1, "usual_apart": 0.1, "seam_cosine": 0.97, "usual_cosine": 0.95}
    seam = Seam(
        ssim=1.0, ssim_usual=1.0, bits=0, bits_usual=0, change=0.0, change_usual=4.0, motion_apart=0.0, period_s=None,
        mel_apart=0.0, mel_usual=1.0, level_jump_db=0.0, click=0.0,
        blank=False, silent=False,
    )  # fmt: skip
    media = facts(duration_s=seconds, frames=COUNT, audio=True)
    signals = {"seam": asdict(seam), "siglip2": {"ends": ends}}
    full = spec.analyze(Context(facts=media, signals=signals))
    lite = spec.analyze(Context(facts=media, signals={"seam": asdict(seam)}))
    assert (full.tier, full.output.seam_cosine, full.output.usual_cosine) == ("full", 0.97, 0.95)
    assert (lite.tier, lite.output.seam_cosine) == ("lite", None)
    assert full.output.loop_score == lite.output.loop_score == 1.0
    assert spec.analyze(Context(facts=media, signals={"siglip2": {"ends": ends}})).reason == "no_sources"


def test_a_score_without_the_end_of_the_sound_is_no_more_calibrated_than_others():
    seam = Seam(
        ssim=1.0, ssim_usual=1.0, bits=0, bits_usual=0, change=0.0, change_usual=4.0, motion_apart=0.0, period_s=None,
        mel_apart=None, mel_usual=None, level_jump_db=None, click=None,
        blank=False, silent=False,
    )  # fmt: skip
    media = facts(duration_s=600.0, frames=18_000, audio=True)
    result = graph.load().analyzers["loopability"].analyze(Context(facts=media, signals={"seam": asdict(seam)}))
    assert (result.status, result.reason, result.calibrated) == ("partial", "truncated", False)


def test_a_video_under_two_seconds_is_not_judged(loop):
    assert judged(loop[:45]).reason == "too_short"


def test_what_is_masked_at_the_seam_is_no_difference_and_silence_is_a_bounded_one(loop):
    hum = tone(440)
    hissing, ending = hum.copy(), hum.copy()
    hissing[-2400:] += np.random.default_rng(0).normal(0, 3e-4, 2400)
    ending[-24000:] = 0.0
    clean, hissed, ended = (
        judged(loop, samples).summary["log_mel_distance_db"] for samples in (hum, hissing, ending)
    )  # fmt: skip
    assert hissed == pytest.approx(clean, abs=0.1)
    assert 5 * clean < ended <= 40.0
