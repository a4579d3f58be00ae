"""Loudness against the test signals of EBU Tech 3341 and 3342, and what it says of silence and of too little sound."""

import numpy as np
import pytest

from tests.sounds import analyze, context_of, noise, sine
from tiktokd.encoders.level import oversampled_peak


def steps(*parts: tuple[float, float]):
    """A 1 kHz sine in both channels: (dBFS, seconds) after one another."""
    return np.concatenate([sine(1000.0, level_db, seconds) for level_db, seconds in parts])


@pytest.mark.parametrize(
    ("parts", "expected_lufs"),
    [
        (((-23, 20),), -23.0),
        (((-33, 20),), -33.0),
        (((-36, 10), (-23, 60), (-36, 10)), -23.0),
        (((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)), -23.0),
        (((-26, 20), (-20, 20.1), (-26, 20)), -23.0),
    ],
    ids=["case1", "case2", "case3", "case4", "case5"],
)
def test_integrated_loudness_meets_ebu_tech_3341(parts, expected_lufs, accuracy):
    summary = analyze("loudness", context_of(audio48=steps(*parts))).summary
    accuracy("EBU Tech 3341: loudness", abs(summary["integrated_lufs"] - expected_lufs), mark=0.1, unit="LU")


@pytest.mark.parametrize(
    ("parts", "expected_lu"),
    [
        (((-20, 20), (-30, 20)), 10.0),
        (((-20, 20), (-15, 20)), 5.0),
        (((-40, 20), (-20, 20)), 20.0),
        (((-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)), 15.0),
    ],
    ids=["case1", "case2", "case3", "case4"],
)
def test_loudness_range_meets_ebu_tech_3342(parts, expected_lu, accuracy):
    summary = analyze("loudness", context_of(audio48=steps(*parts))).summary
    accuracy("EBU Tech 3342: loudness range", abs(summary["lra_lu"] - expected_lu), mark=0.1, unit="LU")


def test_the_loudest_three_seconds_are_found():
    summary = analyze("loudness", context_of(audio48=steps((-30, 10), (-18, 3), (-30, 10)))).summary
    assert summary["max_short_term_lufs"] == pytest.approx(-18.0, abs=0.1)


@pytest.mark.parametrize("phase_deg", [0, 45, 60, 67.5])
def test_the_true_peak_lies_between_the_samples(phase_deg):
    quarter = sine(12_000.0, -6.0, 1.0, phase=np.radians(phase_deg))
    summary = analyze("loudness", context_of(audio48=quarter * np.hanning(len(quarter)))).summary
    # EBU Tech 3341, cases 15-18: +0.2/-0.4 dB.
    assert -6.4 <= summary["true_peak_dbtp"] <= -5.8


def test_the_true_peak_of_chunks_is_that_of_the_whole():
    sound = noise(25.0, -12.0, 48_000)
    whole = oversampled_peak(np.pad(sound, 11).astype(np.float32))
    summary = analyze("loudness", context_of(audio48=sound)).summary
    assert summary["true_peak_dbtp"] == pytest.approx(20 * np.log10(whole), abs=0.02)


def test_a_chunk_border_inside_a_loud_tone_is_no_peak():
    summary = analyze("loudness", context_of(audio48=sine(997.0, -3.0, 21.0))).summary
    assert summary["true_peak_dbtp"] == pytest.approx(-3.0, abs=0.15)


def test_oversampling_skips_nothing_that_matters():
    generator = np.random.default_rng(3)
    for _ in range(20):
        signal = (generator.standard_normal(2000) * np.linspace(0.01, 1, 2000)).astype(np.float32)
        padded = np.pad(signal, 11)
        from tiktokd.encoders.level import OVERSAMPLING

        exact = max(np.abs(np.convolve(padded, phase)).max() for phase in OVERSAMPLING)
        assert oversampled_peak(padded) == pytest.approx(max(exact, np.abs(signal).max()), rel=1e-5)


def test_mono_counts_as_one_channel():
    tone = sine(1000.0, -23.0, 5.0)
    stereo = analyze("loudness", context_of(audio48=tone)).summary
    mono = analyze("loudness", context_of(audio48=tone, channels=1)).summary
    assert stereo["integrated_lufs"] - mono["integrated_lufs"] == pytest.approx(3.01, abs=0.02)
    assert mono["stereo_correlation"] is None


def test_levels_of_sound_that_was_mixed_down_say_so():
    tone = sine(1000.0, -20.0, 5.0)
    result = analyze("loudness", context_of(audio48=tone, channels=6))
    assert (result.status, result.reason) == ("partial", "low_quality")
    assert result.message == "levels of 6 channels mixed down to two, up to 8 dB low"
    assert analyze("loudness", context_of(audio48=tone)).status == "ok"


@pytest.mark.parametrize(("right", "expected"), [(1.0, 1.0), (-0.5, -1.0), (0.0, None)])
def test_stereo_correlation_says_how_alike_the_channels_are(right, expected):
    left = noise(3.0, -20.0, 48_000)
    found = analyze("loudness", context_of(audio48=np.stack((left, right * left), axis=1))).summary
    assert found["stereo_correlation"] == (expected if expected is None else pytest.approx(expected, abs=1e-3))


def test_unrelated_channels_do_not_correlate():
    both = np.stack((noise(3.0, -20.0, 48_000, 1), noise(3.0, -20.0, 48_000, 2)), axis=1)
    assert abs(analyze("loudness", context_of(audio48=both)).summary["stereo_correlation"]) < 0.02


def test_silence_spans_are_found_to_twenty_milliseconds():
    sound = np.concatenate((sine(440, -20, 2.0), np.zeros(48_000), sine(440, -20, 1.5), np.zeros(9_600)))
    result = analyze("loudness", context_of(audio48=sound))
    silences = [(s["start_s"], s["end_s"]) for s in result.segments if s["kind"] == "silence"]
    assert silences == [(pytest.approx(2.0, abs=0.021), pytest.approx(3.0, abs=0.021))], "0.2 s is no silence"
    assert result.summary["silence_ratio"] == pytest.approx(1.0 / 4.7, abs=0.01)


def test_clipped_samples_are_counted():
    clipped = np.clip(sine(440, 6.0, 4.0), -1, 1)
    assert analyze("loudness", context_of(audio48=clipped)).summary["clip_ratio"] == pytest.approx(2 / 3, abs=0.01)
    assert analyze("loudness", context_of(audio48=sine(440, -1.0, 4.0))).summary["clip_ratio"] == 0.0


def test_a_sudden_start_within_three_seconds_is_a_jump():
    late = steps((-40, 1.0), (-20, 4.0))
    assert analyze("loudness", context_of(audio48=late)).summary["opening_jump_lu"] == pytest.approx(20.0, abs=0.3)
    assert analyze("loudness", context_of(audio48=steps((-20, 5.0)))).summary["opening_jump_lu"] < 0.1
    after = steps((-20, 4.0), (-10, 2.0))
    assert analyze("loudness", context_of(audio48=after)).summary["opening_jump_lu"] < 0.1


def test_the_curve_has_one_value_per_second():
    curve = [
        s for s in analyze("loudness", context_of(audio48=steps((-30, 2), (-20, 2)))).segments if s["kind"] == "level"
    ]
    assert [s["start_s"] for s in curve] == [0.0, 1.0, 2.0, 3.0]
    assert curve[0]["momentary_max_lufs"] == pytest.approx(-30, abs=0.2)
    assert curve[3]["momentary_max_lufs"] == pytest.approx(-20, abs=0.2)


def test_the_short_term_curve_is_that_of_the_three_seconds_before():
    segments = analyze("loudness", context_of(audio48=steps((-30, 3), (-20, 3.5)))).segments
    curve = [s["short_term_lufs"] for s in segments if s["kind"] == "level"]
    assert curve[:2] == [None, None]
    assert curve[2] == pytest.approx(-30, abs=0.1)
    assert curve[3] == pytest.approx(10 * np.log10((2 * 10**-3.0 + 10**-2.0) / 3), abs=0.2), "two soft, one loud"
    assert curve[5:] == pytest.approx([-20, -20], abs=0.1)


@pytest.mark.parametrize(
    ("seconds", "status", "reason"),
    [(0.3, "skipped", "too_short"), (0.5, "partial", "too_short"), (3.5, "ok", None)],
)
def test_short_sound_gives_what_can_be_known(seconds, status, reason):
    result = analyze("loudness", context_of(audio48=sine(440, -20, seconds)))
    assert (result.status, result.reason) == (status, reason)
    if status == "partial":
        assert result.summary["lra_lu"] is None
        assert result.summary["max_short_term_lufs"] is None
        assert result.summary["integrated_lufs"] is not None


def test_digital_silence_is_no_audio():
    result = analyze("loudness", context_of(audio48=np.zeros(480_000)))
    assert (result.status, result.reason, result.summary) == ("skipped", "no_audio", {})


def test_a_file_without_a_sound_track_is_no_audio():
    assert analyze("loudness", context_of(duration_s=5.0)).reason == "no_audio"


def test_sound_that_did_not_fit_into_the_slot_is_truncated():
    tone = sine(440, -20, 5.0)
    result = analyze("loudness", context_of(audio48=tone, audio16=np.zeros(16_000 * 9)))
    assert (result.status, result.reason) == ("partial", "truncated")
    assert "5.0 s" in result.message


def test_sound_below_the_gate_has_no_integrated_loudness():
    result = analyze("loudness", context_of(audio48=noise(5.0, -79.0, 48_000)))
    assert (result.status, result.reason) == ("partial", "low_quality")
    assert result.summary["integrated_lufs"] is None
    assert result.summary["lra_lu"] is None
