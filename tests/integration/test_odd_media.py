"""Odd videos as real files, through the decoder and all analyzers: a reason where there is nothing, never a guess."""

import json
from typing import get_args

import numpy as np
import pytest

from tests import mediafiles
from tests.analysis import analyze_file
from tiktokd import graph
from tiktokd.model import Reason

CATALOGUE = graph.load()
ANALYZERS = sorted(CATALOGUE.analyzers)
TALL = (96, 128)
SOUND_ANALYZERS = ("loudness", "vocal_delivery", "speech_transcription", "audio_events", "music_analysis")
FAST = {"preset": "ultrafast", "threads": "1"}
WORDLESS = (
    "call_to_action",
    "cross_modal_agreement",
    "entities_keywords",
    "language_identification",
    "sentiment_mood",
    "text_moderation",
)
"""Have nothing to read where the post has no caption and nothing is shown or said."""


def hiss(seconds: float) -> np.ndarray:
    """Return (1, n) float32 white noise at 48 kHz: nobody speaks, nothing plays."""
    return np.random.default_rng(0).normal(0, 0.1, (1, round(seconds * 48_000))).astype(np.float32)


def pulses(seconds: float, rate: int) -> np.ndarray:
    """Return (1, n) float32: 220 Hz, a second on and a second off."""
    times = np.arange(round(seconds * rate)) / rate
    return (0.2 * np.sin(2 * np.pi * 220 * times) * (times % 2 < 1)).astype(np.float32)[None]


def ten_minutes(path):
    sound = pulses(600, 8000)
    return mediafiles.write(path, seconds=600, fps=2, sound=sound, sound_rate=8000, options=FAST)


def rotated(path):
    mediafiles.write(path, seconds=3, fps=10, size=(128, 96), sound=hiss(3))
    return mediafiles.set_display_matrix(path, 0, 1, -1, 0)


MAKERS = {
    "ten_minutes": ten_minutes,
    "rotated": rotated,
    "silent": lambda p: mediafiles.write(p, seconds=3, fps=10, size=TALL, sound=np.zeros((1, 144_000), np.float32)),
    "no_sound": lambda p: mediafiles.write(p, seconds=3, fps=10, size=TALL),
    "black": lambda p: mediafiles.write(
        p, seconds=3, fps=10, size=TALL, picture=np.zeros((128, 96, 3), np.uint8), sound=hiss(3)
    ),
    "static": lambda p: mediafiles.write(
        p, seconds=3, fps=10, size=TALL, picture=mediafiles.quarters(*TALL), sound=hiss(3)
    ),
    "one_frame": lambda p: mediafiles.write(p, seconds=0.04, fps=25, size=TALL),
    "one_second": lambda p: mediafiles.write(p, seconds=1, fps=25, size=TALL, sound=hiss(1)),
    "tiny": lambda p: mediafiles.write(p, seconds=3, fps=10, size=(16, 16), picture=mediafiles.quarters(16, 16)),
    "square": lambda p: mediafiles.write(p, seconds=3, fps=10, size=(96, 96), sound=hiss(3)),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return a function: name of an odd video → its envelopes, each made once."""
    directory, found = tmp_path_factory.mktemp("odd"), {}

    def of(name):
        if name not in found:
            found[name] = analyze_file(MAKERS[name](directory / f"{name}.mp4"), ANALYZERS)
        return found[name]

    return of


@pytest.mark.parametrize("name", MAKERS)
def test_every_analyzer_answers_without_an_error_and_says_why_where_it_has_nothing(results, name):
    envelopes = results(name)
    assert sorted(envelopes) == ANALYZERS
    assert {n: e.message for n, e in envelopes.items() if e.status == "error"} == {}
    for each, envelope in envelopes.items():
        json.dumps(envelope.model_dump(mode="json"), allow_nan=False)
        for segment in envelope.segments:
            CATALOGUE.analyzers[each].segment.model_validate(segment)
        if envelope.status == "ok":
            assert envelope.reason is None
        else:
            assert envelope.reason in get_args(Reason), envelope
        assert (envelope.summary == {}) == (envelope.status == "skipped"), envelope


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_lies_outside_the_video(results, name):
    duration_s = {"ten_minutes": 600.0, "one_frame": 0.04, "one_second": 1.0}.get(name, 3.0)
    for envelope in results(name).values():
        for segment in envelope.segments:
            # AAC adds up to two frames of 1024 samples, at 8 kHz 0.26 s
            assert 0 <= segment["start_s"] <= segment["end_s"] <= duration_s + 0.3, (envelope.analyzer, segment)


@pytest.mark.parametrize("name", MAKERS)
def test_without_words_nothing_is_read_into_the_video(results, name):
    envelopes = results(name)
    assert (envelopes["on_screen_text"].status, envelopes["on_screen_text"].reason) == ("skipped", "no_text")
    assert {n: envelopes[n].reason for n in WORDLESS} == dict.fromkeys(WORDLESS, "no_sources")
    assert envelopes["virality_features"].reason == "no_metadata"
    assert envelopes["vocal_delivery"].status == "skipped"


@pytest.mark.parametrize("name", ["no_sound", "one_frame"])
def test_without_a_sound_track_no_sound_analyzer_asks_for_weights_it_could_not_use(results, name):
    envelopes = results(name)
    names = (*SOUND_ANALYZERS, "sound_fingerprint")
    assert {n: envelopes[n].reason for n in names} == dict.fromkeys(names, "no_audio")


def test_a_track_of_digital_silence_measures_nothing(results):
    envelopes = results("silent")
    names = (*SOUND_ANALYZERS, "sound_fingerprint")
    assert {n: envelopes[n].reason for n in names} == dict.fromkeys(names, "no_audio")
    loop = envelopes["loopability"]
    assert (loop.status, loop.reason, loop.summary["audio_score"]) == ("partial", "no_audio", None)
    assert envelopes["hook"].summary["loudness_jump_lu"] is None


def test_a_hiss_is_neither_speech_nor_music(results):
    for name in ("static", "square", "rotated"):
        envelopes = results(name)
        assert envelopes["vocal_delivery"].reason == envelopes["speech_transcription"].reason == "no_speech"
        assert envelopes["loudness"].status == "ok"
        assert envelopes["hook"].summary["first_speech_s"] is None
        music = envelopes["music_analysis"]
        assert music.status == "skipped" or not music.summary["music_present"]


def test_a_black_video_has_no_shots_no_colours_of_note_and_no_print(results):
    envelopes = results("black")
    quality = envelopes["visual_quality"]
    assert (quality.status, quality.reason) == ("partial", "low_quality")
    assert quality.summary["black_ratio"] == 1.0
    assert quality.summary["sharpness"] is quality.summary["noise_sigma"] is None
    assert envelopes["shot_boundaries"].summary["mean_shot_s"] is None
    assert not envelopes["color_palette"].summary.get("colorfulness")
    assert envelopes["motion"].summary.get("camera") is None
    assert envelopes["near_duplicate_video"].status != "ok"


def test_one_frame_has_neither_motion_nor_pace_nor_a_loop(results):
    envelopes = results("one_frame")
    names = ("motion", "pacing", "loopability", "hook", "shot_boundaries", "production_format")
    assert {n: (envelopes[n].status, envelopes[n].reason) for n in names} == dict.fromkeys(
        names, ("skipped", "too_short")
    )
    assert envelopes["visual_quality"].summary["ti"] is None
    assert envelopes["color_palette"].status == "ok"


def test_one_second_is_measured_where_a_second_is_enough(results):
    envelopes = results("one_second")
    assert {
        n: envelopes[n].reason for n in ("pacing", "loopability", "hook", "music_analysis", "sound_fingerprint")
    } == dict.fromkeys(("pacing", "loopability", "hook", "music_analysis", "sound_fingerprint"), "too_short")
    assert envelopes["loudness"].summary["lra_lu"] is None
    assert envelopes["loudness"].summary["integrated_lufs"] == pytest.approx(-18.7, abs=0.5)
    assert envelopes["shot_boundaries"].summary["shot_count"] == 1


def test_ten_minutes_are_judged_whole_or_the_result_says_that_they_are_not(results):
    envelopes = results("ten_minutes")
    assert envelopes["shot_boundaries"].summary["shot_count"] == 1
    assert envelopes["shot_boundaries"].summary["mean_shot_s"] == pytest.approx(600, abs=1)
    seen = [frame["t_s"] for frame in envelopes["near_duplicate_video"].summary["pdq"]]
    assert max(seen) > 590
    for name in ("loudness", "music_analysis", "loopability", "motion"):
        envelope = envelopes[name]
        # The file itself has two pictures a second: no slot could hold enough of them for motion.
        assert envelope.reason in ((None, "truncated") if name != "motion" else ("low_quality",)), name
        assert envelope.message or envelope.status == "ok", name


def test_a_file_that_is_turned_by_its_metadata_is_analyzed_upright(results):
    envelopes = results("rotated")
    summary = envelopes["visual_quality"].summary
    assert (summary["width_px"], summary["height_px"]) == TALL
    assert summary["letterbox"]["left_px"] == summary["letterbox"]["top_px"] == 0


def test_a_square_video_has_no_bars(results):
    summary = results("square")["visual_quality"].summary
    assert (summary["width_px"], summary["height_px"]) == (96, 96)
    assert {side: summary["letterbox"][f"{side}_px"] for side in ("top", "bottom", "left", "right")} == dict.fromkeys(
        ("top", "bottom", "left", "right"), 0
    )


PICTURE_MODELS = (
    "scene_recognition",
    "activity_recognition",
    "visual_moderation",
    "object_detection",
    "people_framing",
    "video_caption",
)


def test_of_a_black_video_no_picture_model_is_asked_and_no_weights_are_named(results):
    envelopes = results("black")
    for name in (*PICTURE_MODELS, "content_category"):
        assert (envelopes[name].status, envelopes[name].reason) == ("skipped", "low_quality"), name
        assert "pull google" not in (envelopes[name].message or ""), name
    assert envelopes["loopability"].status == envelopes["production_format"].status == "skipped"
    assert envelopes["pacing"].reason == "low_quality"


def test_of_a_picture_that_shows_something_the_weights_are_what_is_missing(results):
    for clip in ("static", "one_frame", "square"):
        envelopes = results(clip)
        for name in PICTURE_MODELS:
            envelope = envelopes[name]
            assert (envelope.status, envelope.reason, envelope.tier) == ("skipped", "model_missing", "lite"), name
            assert "tiktokctl models pull" in envelope.message


def test_every_null_of_pacing_and_categories_says_why(results):
    for clip in MAKERS:
        for name in ("pacing", "people_framing", "activity_recognition", "content_category"):
            found = results(clip)[name].summary
            nulls = {field for field, value in found.items() if value is None}
            assert nulls <= found.get("unknown", {}).keys(), (clip, name)


def test_every_null_of_quality_and_loops_says_why(results):
    for clip in MAKERS:
        for name in ("visual_quality", "loopability"):
            found = results(clip)[name].summary
            nulls = {field for field, value in found.items() if value is None} - {"repeat_period_s"}  # none: an answer
            assert nulls == found.get("unknown", {}).keys(), (clip, name)


def test_a_still_picture_meets_itself_at_the_seam(results):
    found = results("static")["loopability"].summary
    assert found["visual_score"] == 1.0
    assert found["seam_pdq_bits"] is None
