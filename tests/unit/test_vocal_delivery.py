"""Spans of speech, pauses, pitch and syllables from made-up sound; real speech is in tests/integration."""

import numpy as np
import pytest

from tests.sounds import analyze, chord, context_of, noise, note, sine, voice
from tiktokd.analyzers.vocal_delivery import pauses_s, syllable_frames, words_per_minute
from tiktokd.encoders import pitch, vad
from tiktokd.sound import Transcript, Word

WINDOW_S = vad.WINDOW / vad.RATE_HZ


def probability(*parts: tuple[float, float]):
    """Speech probability: (value, seconds) after one another."""
    return np.concatenate([np.full(round(seconds / WINDOW_S), value, np.float32) for value, seconds in parts])


def follow(sound, spans):
    """Pitch of a sound given as floats."""
    samples = np.round(np.asarray(sound) * 16384).astype(np.int16)
    return pitch.encode(None, [pitch.Voice(samples=samples, spans=spans)])[0]


def test_speech_starts_and_ends_with_hysteresis():
    found = vad.spans(probability((0.1, 1.0), (0.95, 1.0), (0.4, 0.5), (0.95, 0.5), (0.1, 1.0)), 4.0)
    assert found == ((pytest.approx(0.96, abs=0.05), pytest.approx(3.0, abs=0.07)),), "0.4 does not end speech"


def test_a_gap_parts_two_spans():
    found = vad.spans(probability((0.95, 1.0), (0.05, 0.4), (0.95, 1.0)), 2.4)
    assert len(found) == 2
    assert found[1][0] - found[0][1] == pytest.approx(0.4 - 2 * vad.PAD_S, abs=0.05)


def test_an_uncertain_short_span_alone_is_no_speech():
    assert vad.spans(probability((0.0, 3.0), (0.75, 0.6), (0.0, 3.0)), 6.6) == ()


def test_an_uncertain_short_span_beside_certain_speech_counts():
    found = vad.spans(probability((0.95, 1.0), (0.0, 0.5), (0.75, 0.4), (0.0, 3.0)), 4.9)
    assert len(found) == 2


def test_a_long_uncertain_span_counts():
    assert len(vad.spans(probability((0.0, 1.0), (0.7, 2.0), (0.0, 1.0)), 4.0)) == 1


def test_a_click_of_speech_is_dropped():
    assert vad.spans(probability((0.0, 1.0), (1.0, 0.1), (0.0, 1.0)), 2.1) == ()


def test_spans_stay_inside_the_sound():
    assert vad.spans(probability((0.99, 1.0)), 0.99) == ((0.0, 0.99),)


@pytest.mark.parametrize("snr_db", [None, 10, 0])
def test_the_onset_of_a_made_up_voice_is_found(snr_db):
    sound = np.concatenate((np.zeros(32_000), voice(4.0, seed=1), np.zeros(16_000)))
    if snr_db is not None:
        sound = sound + noise(7.0, 10 * np.log10(np.mean(sound[32_000:96_000] ** 2)) - snr_db)
    result = analyze("vocal_delivery", context_of(audio16=sound))
    assert result.summary["first_speech_s"] == pytest.approx(2.1, abs=0.2)


def test_a_voice_at_the_very_start_is_speech():
    result = analyze("vocal_delivery", context_of(audio16=voice(4.0, seed=2)))
    assert result.summary["first_speech_s"] < 0.2
    assert result.summary["speech_ratio"] > 0.9


@pytest.mark.parametrize("level_db", [-10, -30])
def test_noise_is_not_speech(level_db):
    result = analyze("vocal_delivery", context_of(audio16=noise(10.0, level_db)))
    assert (result.status, result.reason) == ("skipped", "no_speech")


def test_chords_are_not_speech():
    chords = np.concatenate([chord(c, 1.0) for c in ([60, 64, 67], [57, 60, 64], [65, 69, 72], [55, 59, 62])] * 3)
    result = analyze("vocal_delivery", context_of(audio16=chords))
    assert (result.status, result.reason) == ("skipped", "no_speech")


def test_digital_silence_is_no_audio():
    result = analyze("vocal_delivery", context_of(audio16=np.zeros(80_000)))
    assert (result.status, result.reason) == ("skipped", "no_audio")


def test_a_file_without_a_sound_track_is_no_audio():
    assert analyze("vocal_delivery", context_of(duration_s=3.0)).reason == "no_audio"


def test_a_few_samples_are_no_error():
    assert analyze("vocal_delivery", context_of(audio16=noise(0.005))).status == "skipped"


def test_the_network_gives_the_same_in_one_run_and_in_chunks(monkeypatch):
    from tiktokd.plugins import LoadContext

    session = vad.load(LoadContext())
    samples = np.round(noise(4.0) * 16384).astype(np.int16)
    whole = vad.probabilities(session, samples)
    monkeypatch.setattr(vad, "CHUNK", 20)
    assert np.allclose(vad.probabilities(session, samples), whole, atol=1e-5)
    assert len(whole) == 125


@pytest.mark.parametrize("freq_hz", [70.0, 100.0, 140.0, 233.3, 310.0, 440.0])
def test_pitch_of_a_harmonic_tone_is_within_one_percent(freq_hz, accuracy):
    tone = note(freq_hz, 2.0, decay=0.0) + noise(2.0, -60.0)
    found = follow(tone, ((0.0, 2.0),))
    error = 100 * abs(np.nanmedian(found.f0_hz) / freq_hz - 1)
    accuracy("pitch (YIN), 70 to 440 Hz: error", error, mark=1, unit="%")
    assert np.isfinite(found.f0_hz).mean() > 0.9


def test_noise_has_no_pitch():
    found = follow(noise(1.0), ((0.0, 1.0),))
    assert np.isfinite(found.f0_hz).mean() < 0.02
    assert np.median(found.aperiodicity) > 0.4


def test_pitch_is_followed_in_speech_only():
    found = follow(note(140.0, 2.0, decay=0.0), ((0.5, 1.0),))
    voiced = np.flatnonzero(np.isfinite(found.f0_hz))
    assert 49 <= voiced[0] <= 51
    assert 98 <= voiced[-1] <= 100


def test_pitch_does_not_depend_on_how_frames_are_grouped(monkeypatch):
    glide = np.sin(2 * np.pi * np.cumsum(np.linspace(90, 300, 32_000)) / 16_000) * 0.3
    whole = follow(glide, ((0.0, 2.0),))
    monkeypatch.setattr(pitch, "FRAMES", 7)
    assert np.allclose(whole.f0_hz, follow(glide, ((0.0, 2.0),)).f0_hz, rtol=1e-5, equal_nan=True)


def test_intensity_is_the_level_of_the_sound():
    found = follow(sine(1000.0, -20.0, 1.0, 16_000), ((0.0, 1.0),))
    assert np.median(found.level_db) == pytest.approx(-23.0, abs=0.1)
    assert np.median(found.vowel_level_db) == pytest.approx(-23.0, abs=0.5)
    hiss = follow(sine(6000.0, -20.0, 1.0, 16_000), ((0.0, 1.0),))
    assert np.median(hiss.vowel_level_db) < -35.0


def test_each_voiced_hump_is_a_syllable():
    frames = np.arange(300)
    level_db = (-30 - 6 * np.cos(2 * np.pi * frames / 20)).astype(np.float32)
    everywhere = np.ones(300, bool)
    nuclei = syllable_frames(level_db, everywhere, everywhere)
    assert len(nuclei) == 15
    assert set(nuclei % 20) == {10}
    assert len(syllable_frames(level_db, ~everywhere, everywhere)) == 0, "unvoiced"
    assert len(syllable_frames(level_db, everywhere, frames < 100)) == 5, "outside speech"
    assert len(syllable_frames(level_db / 10, everywhere, everywhere)) == 0, "dips of 1.2 dB are no syllables"


def test_gaps_too_short_or_too_long_are_no_pauses():
    assert pauses_s(((0.0, 1.0), (1.2, 2.0), (2.5, 3.0), (10.0, 11.0))) == [0.5]


def test_words_per_minute_counts_speech_time():
    words = tuple(Word(text="a", start_s=i, end_s=i + 0.5, p=1.0) for i in range(10))
    assert words_per_minute(Transcript(words=words), 5.0) == 120.0
    assert words_per_minute(None, 5.0) is None
    for language in ("zh", "ja", "th"):
        heard = Transcript(words=words, language=language)
        assert words_per_minute(heard, 5.0) is None, "its words are tokens of the transcriber"
