"""Tempo, beats, key and the presence of music, on sounds made here."""

import dataclasses

import numpy as np
import pytest

from tests.sounds import analyze, chord, context_of, noise, note, runner_of, sine
from tiktokd.analyzers.music_analysis import (
    ANALYZER,
    GENRES,
    MOODS,
    NOTES,
    ast_music_ratio,
    best_classes,
    key_of,
    tempo_confidence,
)
from tiktokd.encoders import _metre, beats, spectrum
from tiktokd.sound import SoundScores, spans_of

RATE_HZ = 16_000
CLICK = np.exp(-np.arange(320) / 60) * np.sin(2 * np.pi * 1000 * np.arange(320) / RATE_HZ) * 0.5


def at(times_s, sound, seconds: float):
    """The sound at each of these times, over very quiet noise."""
    track = noise(seconds, -75.0)
    for start in (np.asarray(times_s) * RATE_HZ).astype(int):
        track[start : start + len(sound)] += sound[: len(track) - start]
    return track


def music_of(sound):
    return analyze("music_analysis", context_of(audio16=sound))


@pytest.mark.parametrize("bpm", [60, 70, 90, 100, 120, 128, 140, 174, 180, 200, 220])
def test_the_tempo_of_clicks_is_within_one_percent(bpm, accuracy):
    times = np.arange(0.3, 19.9, 60 / bpm)
    summary = music_of(at(times, CLICK, 20.0)).summary
    accuracy("tempo of clicks, 60 to 220 BPM: error", 100 * abs(summary["tempo_bpm"] / bpm - 1), mark=1, unit="%")
    assert summary["tempo_confidence"] > 0.9
    found = np.array(summary["beats_s"])
    assert abs(len(found) - len(times)) <= 2
    assert np.percentile([np.abs(times - beat).min() for beat in found], 90) < 0.03


def test_half_and_double_tempo_are_candidates():
    summary = music_of(at(np.arange(0.3, 14.9, 0.6), CLICK, 15.0)).summary
    assert summary["tempo_candidates_bpm"] == pytest.approx([50.0, 100.0, 200.0], rel=0.01)


def test_clicks_have_a_beat_but_no_key():
    summary = music_of(at(np.arange(0.3, 11.9, 0.5), CLICK, 12.0)).summary
    assert summary["key"] is None
    assert summary["mode"] is None
    assert summary["key_confidence"] is None


def cadence(tonic: int, mode: str):
    chords = {"major": ([0, 4, 7], [5, 9, 12], [7, 11, 14]), "minor": ([0, 3, 7], [5, 8, 12], [7, 11, 14])}[mode]
    root = 60 + tonic - (12 if tonic > 6 else 0)
    once = np.concatenate([chord([root + n for n in c], 0.8) for c in (*chords, chords[0])])
    return np.concatenate((once, once))


def test_at_least_23_of_24_cadences_have_the_right_key(accuracy):
    wrong = []
    for mode in ("major", "minor"):
        for tonic in range(12):
            summary = music_of(cadence(tonic, mode)).summary
            if (summary["key"], summary["mode"]) != (NOTES[tonic], mode):
                wrong.append((NOTES[tonic], mode, summary["key"], summary["mode"]))
    accuracy("key of cadences, of 24", 24 - len(wrong), mark=23, worse="lower")


def test_a_detuned_recording_keeps_its_key():
    stretched = cadence(2, "major")
    detuned = np.interp(np.arange(0, len(stretched) - 1, 2 ** (0.4 / 12)), np.arange(len(stretched)), stretched)
    summary = music_of(detuned).summary
    assert (summary["key"], summary["mode"]) == ("D", "major")


@pytest.mark.parametrize("step", [1, 4, 6])
def test_music_that_changes_key_half_way_is_in_no_key_for_certain(step):
    summary = music_of(np.concatenate((cadence(0, "major"), cadence(step, "major")))).summary
    assert summary["key_confidence"] < 0.3


def test_music_that_stays_in_its_key_is_in_it_for_certain():
    assert music_of(np.tile(cadence(0, "major"), 2)).summary["key_confidence"] > 0.9


def test_chords_and_melodies_are_music():
    generator = np.random.default_rng(1)
    melody = np.concatenate([note(440 * 2 ** ((m - 69) / 12), 0.3) for m in generator.integers(55, 80, 30)])
    for sound in (cadence(0, "minor"), melody):
        summary = music_of(sound).summary
        assert summary["music_present"]
        assert summary["music_ratio"] > 0.7


def test_a_drum_loop_is_music_by_its_beat():
    t = np.arange(3200) / RATE_HZ
    kick = 0.4 * np.sin(2 * np.pi * 60 * t) * np.exp(-t * 20)
    hat = noise(0.05, -15) * np.exp(-np.arange(800) / 200)
    track = at(np.arange(0.2, 11.7, 0.5), kick, 12.0) + at(np.arange(0.45, 11.7, 0.5), hat, 12.0)
    summary = music_of(track).summary
    assert summary["music_present"]
    assert summary["tempo_bpm"] == pytest.approx(120, rel=0.01)


T_DRUM = np.arange(4000) / RATE_HZ
KICK = 0.5 * np.sin(2 * np.pi * (50 * T_DRUM + 8 * (1 - np.exp(-30 * T_DRUM)))) * np.exp(-14 * T_DRUM)
SNARE = 0.2 * noise(0.25, 0.0, seed=1) * np.exp(-22 * T_DRUM) + 0.17 * np.sin(2 * np.pi * 190 * T_DRUM) * np.exp(
    -25 * T_DRUM
)
HAT = 0.07 * np.diff(noise(0.25, 0.0, seed=2), prepend=0.0) * np.exp(-80 * T_DRUM)


def drums(bpm: float, seconds: float, beats_in_bar: int, **strokes):
    """A bar of kick, snare and hat, each at places counted in beats, over and over, with a chord a bar."""
    bars = np.arange(int(seconds * bpm / 60 / beats_in_bar)) * beats_in_bar
    track = noise(seconds, -70.0)
    for name, places in strokes.items():
        times = 0.1 + np.add.outer(bars, places).ravel() * 60 / bpm
        track += at(times, {"kick": KICK, "snare": SNARE, "hat": HAT}[name], seconds)
    for number, start in enumerate(0.1 + bars * 60 / bpm):
        root = (57, 53, 60, 55)[number % 4]
        track += at([start], 0.6 * chord([root, root + 4, root + 7], beats_in_bar * 60 / bpm), seconds)
    return track / np.abs(track).max()


EIGHTHS = np.arange(8) / 2


@pytest.mark.parametrize("bpm", [62, 76, 92, 104])
def test_hats_between_the_beats_do_not_double_the_tempo(bpm):
    sound = drums(bpm, 14.0, 4, kick=[0, 1, 2, 3], snare=[1, 3], hat=[0.5, 1.5, 2.5, 3.5])
    assert music_of(sound).summary["tempo_bpm"] == pytest.approx(bpm, rel=0.01)


@pytest.mark.parametrize("bpm", [70, 85])
def test_a_slow_beat_with_hats_twice_as_fast_is_slow(bpm):
    for kick in ([0, 2], [0, 1.75, 2.5]):
        sound = drums(bpm, 14.0, 4, kick=kick, snare=[1, 3], hat=EIGHTHS)
        assert music_of(sound).summary["tempo_bpm"] == pytest.approx(bpm, rel=0.01), kick


@pytest.mark.parametrize("bpm", [95, 120, 140, 160])
def test_kick_and_snare_in_turn_are_each_a_beat(bpm):
    sound = drums(bpm, 14.0, 4, kick=[0, 2], snare=[1, 3], hat=EIGHTHS)
    assert music_of(sound).summary["tempo_bpm"] == pytest.approx(bpm, rel=0.01)


@pytest.mark.parametrize("bpm", [95, 120])
def test_a_kick_that_never_misses_is_the_beat_under_strokes_of_three_against_two(bpm):
    sound = drums(bpm, 14.0, 4, kick=[0, 1, 2, 3], snare=[0.75, 1.5, 2.75, 3.5])
    summary = music_of(sound).summary
    assert summary["tempo_bpm"] == pytest.approx(bpm, rel=0.01)
    times = 0.1 + np.arange(0, 13.5, 60 / bpm)
    assert np.percentile([np.abs(times - beat).min() for beat in summary["beats_s"]], 90) < 0.04


def test_a_beat_of_the_kick_in_silence_is_not_moved_and_never_before_the_start():
    onset = np.zeros(200)
    onset[[97, 98, 99]] = 0.1, 1.0, 0.2
    assert _metre.attacks(onset, np.array([4, 50, 100, 150])).tolist() == [4, 50, 98, 150]


@pytest.mark.parametrize("bpm", [90, 150, 180])
def test_a_waltz_is_counted_in_quarters(bpm):
    sound = drums(bpm, 14.0, 3, kick=[0], snare=[1, 2])
    assert music_of(sound).summary["tempo_bpm"] == pytest.approx(bpm, rel=0.01)


def gliding(hz, seconds: float = 12.0):
    """A tone whose frequency changes all the time."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return 0.2 * np.sin(2 * np.pi * np.cumsum(hz(t)) / RATE_HZ) + noise(seconds, -60)


def engine():
    """Nineteen harmonics of a speed that rises, falls and is never quite even."""
    t = np.arange(12 * RATE_HZ) / RATE_HZ
    uneven = 0.01 * np.cumsum(np.random.default_rng(4).standard_normal(len(t)))
    phase = 2 * np.pi * np.cumsum(80 + 20 * np.sin(2 * np.pi * 0.2 * t) + uneven) / RATE_HZ
    return 0.05 * sum(np.sin(k * phase) / k for k in range(1, 20)) + noise(12.0, -40)


def chirps(times_s):
    t = np.arange(4800) / RATE_HZ
    call = 0.3 * np.sin(2 * np.pi * np.cumsum(3000 + 800 * np.sin(2 * np.pi * 12 * t)) / RATE_HZ) * np.hanning(4800)
    return at(times_s, call, 12.0)


IRREGULAR = (1.0, 2.3, 4.1, 7.0, 9.9)
NOT_MUSIC = {
    "noise": lambda: noise(12.0),
    "surf": lambda: noise(12.0) * (1 + 0.5 * np.sin(2 * np.pi * 3 * np.arange(12 * RATE_HZ) / RATE_HZ)),
    "hum": lambda: sum(sine(50 * k, -20 - 3 * k, 12.0, RATE_HZ) for k in range(1, 8)) + noise(12.0, -60),
    "one tone": lambda: sine(440, -12, 12.0, RATE_HZ) + noise(12.0, -70),
    "a beep": lambda: at([3.0], sine(1000, -10, 1.0, RATE_HZ), 12.0),
    "bangs": lambda: at(IRREGULAR, noise(0.05, -8) * np.hanning(800), 12.0),
    "bird": lambda: chirps(IRREGULAR),
    "siren": lambda: gliding(lambda t: 900 + 300 * np.sin(np.pi * t)),
    "engine": engine,
}


@pytest.mark.parametrize("name", NOT_MUSIC)
def test_single_noises_are_not_music(name):
    result = music_of(NOT_MUSIC[name]())
    assert (result.status, result.reason) == ("skipped", "no_music")


def test_music_without_a_beat_has_no_tempo():
    pads = np.concatenate([chord([k, k + 4, k + 7], 3.0, decay=0.0) * np.hanning(48_000) for k in (60, 65, 67, 60)])
    result = music_of(pads)
    assert (result.status, result.reason) == ("partial", "low_quality")
    assert result.summary["tempo_bpm"] is None
    assert result.summary["beats_s"] == []
    assert result.summary["music_present"]


def tonal_of(*steadiness: float):
    """Return `Spectrum.tonal` of tones in tune with these shares that are steady, four seconds each."""
    rows = [np.tile(np.float32([share, 1.0 - beats.QUIET_TONES, 1.0, 1.0, 0.0]), (200, 1)) for share in steadiness]
    return np.concatenate(rows)


def test_music_goes_on_where_it_gets_less_steady_than_it_must_be_to_begin():
    found, sure = beats.music_spans(tonal_of(0.11, 0.05, 0.2, 0.11, 0.05, 0.11), (), 24.0)
    assert np.array(found) == pytest.approx(np.array([(8.0, 16.0)]), abs=1.0)
    assert np.array(sure) == pytest.approx(np.array([(8.0, 12.0)]), abs=1.0)
    assert beats.music_spans(tonal_of(0.11, 0.05, 0.11), (), 12.0) == ((), ())


@pytest.mark.parametrize(("confidence", "status", "reason"), [(0.25, "partial", "low_quality"), (0.35, "ok", None)])
def test_a_faint_beat_is_told_as_a_guess(confidence, status, reason):
    sound = context_of(audio16=cadence(0, "major"))
    spectrum_of = spectrum.encode(spectrum.load(None), [sound.arrays["audio16"]])[0]
    beat = beats.encode(None, [beats.Item(spectrum=spectrum_of, speech=())])[0]
    strength = 0.15 + 0.45 * confidence
    features = {"spectrum": spectrum_of, "beats": dataclasses.replace(beat, strength=strength)}
    result = ANALYZER.analyze(dataclasses.replace(sound, features=features))
    assert (result.status, result.reason) == (status, reason)
    assert result.output.tempo_confidence == pytest.approx(confidence)
    assert result.output.tempo_bpm is not None


def test_music_in_a_part_is_found_there():
    music = cadence(0, "major")
    sound = np.concatenate((noise(8.0, -30), music, noise(8.0, -30)))
    result = music_of(sound)
    assert len(result.segments) == 1
    assert result.segments[0]["start_s"] == pytest.approx(8.0, abs=1.1)
    assert result.segments[0]["end_s"] == pytest.approx(8.0 + len(music) / RATE_HZ, abs=1.1)
    assert all(7.0 < beat < 16.0 for beat in result.summary["beats_s"])


def test_genre_and_mood_are_not_known_without_a_model():
    result = music_of(cadence(0, "major"))
    assert result.tier == "lite"
    assert result.summary["genres"] is None
    assert result.summary["moods"] is None
    assert set(result.summary["unknown"]) >= {"genres", "moods"}
    assert "key" not in result.summary["unknown"]


def scores_of(**tops: float) -> SoundScores:
    """Two windows of AudioSet scores; the second half as sure."""
    labels = tuple(name.replace("_", " ") for name in tops)
    first = np.array([list(tops.values())], np.float32)
    return SoundScores(labels=labels, windows_s=((0.0, 10.0), (10.0, 20.0)), scores=np.concatenate((first, first / 2)))


def test_genres_and_moods_are_the_classes_that_are_heard():
    scores = scores_of(Music=0.9, Jazz=0.3, Pop_music=0.4, Techno=0.05, Sad_music=0.2, Dog=0.8)
    assert best_classes(scores, GENRES) == ["Pop music", "Jazz"]
    assert best_classes(scores, MOODS) == ["Sad music"]
    assert best_classes(None, GENRES) is None
    assert ast_music_ratio(scores) == 1.0
    assert ast_music_ratio(scores_of(Music=0.5)) == 0.5
    assert ast_music_ratio(scores_of(Dog=0.9)) == 0.0
    assert ast_music_ratio(None) == 0.0


def test_a_model_may_vouch_for_music_without_steady_tones():
    features = runner_of("music_analysis")
    sound = context_of(audio16=noise(12.0))
    assert (
        features.level1(["music_analysis"], "all", sound, lambda _: None).outputs["music_analysis"].status == "skipped"
    )
    spectrum_of = spectrum.encode(spectrum.load(None), [sound.arrays["audio16"]])[0]
    beat = beats.encode(None, [beats.Item(spectrum=spectrum_of, speech=())])[0]
    heard = {"spectrum": spectrum_of, "beats": beat, "ast": scores_of(Music=0.9, Ambient_music=0.4)}
    result = ANALYZER.analyze(dataclasses.replace(sound, features=heard))
    assert result.output.music_present
    assert result.output.genres == ["Ambient music"]
    assert result.output.tempo_bpm is None


@pytest.mark.parametrize(
    ("sound", "status", "reason"),
    [
        (np.zeros(10 * RATE_HZ), "skipped", "no_audio"),
        (cadence(0, "major")[: 5 * RATE_HZ], "skipped", "too_short"),
        (noise(0.01), "skipped", "too_short"),
    ],
    ids=["silence", "short", "few samples"],
)
def test_too_little_sound_says_so(sound, status, reason):
    result = music_of(sound)
    assert (result.status, result.reason, result.summary) == (status, reason, {})


def test_six_seconds_are_enough_though_a_codec_leaves_a_little_less():
    assert music_of(cadence(0, "major")[: round(5.993 * RATE_HZ)]).status in ("ok", "partial")
    assert music_of(cadence(0, "major")[: round(5.9 * RATE_HZ)]).message == "5.9 s of sound; music needs 6 s"


def test_long_sound_is_the_same_in_parts(monkeypatch):
    sound = np.round(np.tile(cadence(3, "minor"), 2) * 16384).astype(np.int16)
    filters = spectrum.load(None)
    whole = spectrum.encode(filters, [sound])[0]
    monkeypatch.setattr(spectrum, "CHUNK", 90)
    parts = spectrum.encode(filters, [sound])[0]
    assert np.allclose(whole.onset, parts.onset, atol=1e-5)
    assert np.allclose(whole.tonal, parts.tonal, rtol=1e-3, atol=1e-3)
    assert np.allclose(whole.chroma, parts.chroma, rtol=1e-3, atol=1e-3)


def test_the_slope_through_beats_survives_missing_ones():
    times = np.arange(40) * 0.5
    kept = np.delete(times, [5, 6, 7, 20])
    assert beats.regressed_bpm(kept, 0.5) == pytest.approx(120.0)
    assert beats.regressed_bpm(times[:3], 0.5) is None


def test_an_opening_off_the_grid_does_not_bend_the_tempo():
    opening = np.cumsum([0.0, 0.62, 0.71, 0.55, 0.68])
    times = np.concatenate((opening, 3.1 + np.arange(14) * 0.5))
    assert beats.regressed_bpm(times, 0.5) == pytest.approx(120.0, rel=0.005)


def test_the_tempo_of_a_long_track_is_exact_though_its_period_is_known_to_a_frame_only():
    times = np.round(np.arange(600) * 0.5038, 2)
    assert beats.regressed_bpm(times, 0.5) == pytest.approx(60 / 0.5038, rel=0.0002)


def test_onsets_are_counted_per_second():
    sound = at([0.5, 2.2, 2.6, 3.5], CLICK, 5.0)
    features = spectrum.encode(spectrum.load(None), [np.round(sound * 16384).astype(np.int16)])[0]
    assert spectrum.signals(features)["onsets_per_s"] == [1, 0, 2, 1, 0]


def test_a_flat_chroma_has_no_key():
    assert key_of(np.ones((9, 12))) is None
    assert key_of(np.zeros((9, 12))) is None
    assert key_of(np.zeros((0, 12))) is None


def test_confidence_grows_with_strength():
    values = [tempo_confidence(s) for s in (0.0, 0.2, 0.4, 0.9)]
    assert values == sorted(values)
    assert values[0] == 0.0
    assert values[-1] == 1.0


def test_spans_are_runs_of_true():
    mask = np.array([0, 1, 1, 0, 1], bool)
    assert spans_of(mask, 0.5) == [(0.5, 1.5), (2.0, 2.5)]
    assert spans_of(np.zeros(3, bool), 1.0) == []
