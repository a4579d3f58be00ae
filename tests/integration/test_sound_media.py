"""Loudness and speech of real recordings and composites against their ground truth."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.analysis import media
from tests.sounds import analyze, chord, context_of, load, noise
from tiktokd.plugins import Context

SYLLABLES = {
    "real/jfk.flac": 28,
    "speech/en_lj001-0001.flac": 38,
    "speech/en_lj001-0004.flac": 22,
    "speech/en_lj001-0005.flac": 41,
    "speech/en_austen_0870.wav": 30,
    "speech/en_austen_0890.wav": 20,
    "speech/en_austen_0920.wav": 27,
    "speech/zh_autumn.wav": 183,
}
"""Counted in the transcripts."""
INSTRUMENTAL = ("vibe_ace.ogg", "hungarian_dance_5.ogg", "sugar_plum_fairy.ogg", "trumpet_loop_90bpm.ogg")


def truth(folder: str) -> dict[str, dict]:
    """The ground truth of a folder by file name."""
    return json.loads(media(folder, "ground_truth.json").read_text(encoding="utf-8"))


def sound_of(path: Path, *, with48: bool = False) -> Context:
    """A context holding the sound of a media file."""
    audio48 = load(path, 48_000, stereo=True) if with48 else None
    return context_of(audio16=load(path), audio48=audio48)


def true_lufs() -> list[tuple[str, str, float]]:
    """(folder, file, integrated LUFS) of all composites and clips with sound."""
    rows = []
    for folder in ("composites", "clips"):
        for name, facts in truth(folder).items():
            value = facts.get("integrated_lufs", (facts.get("audio") or {}).get("integrated_lufs"))
            if value is not None:
                rows.append((folder, name, value))
    return rows


def test_integrated_loudness_is_that_of_the_ground_truth():
    wrong = {}
    for folder, name, expected in true_lufs():
        path = media(folder, name)
        summary = analyze("loudness", context_of(audio48=load(path, 48_000, stereo=True))).summary
        if abs(summary["integrated_lufs"] - expected) > 0.15:
            wrong[name] = (summary["integrated_lufs"], expected)
    assert wrong == {}


def test_true_peak_is_not_below_the_sample_peak():
    for name, facts in truth("clips").items():
        peak = (facts.get("audio") or {}).get("sample_peak_dbfs")
        if peak is not None:
            context = context_of(audio48=load(media("clips", name), 48_000, stereo=True))
            assert peak - 0.1 <= analyze("loudness", context).summary["true_peak_dbtp"] <= peak + 1.0, name


def test_silence_of_the_ground_truth_is_found():
    name = "c12_transitions.mp4"
    context = context_of(audio48=load(media("clips", name), 48_000, stereo=True))
    found = [(s["start_s"], s["end_s"]) for s in analyze("loudness", context).segments if s["kind"] == "silence"]
    for start, end in truth("clips")[name]["digital_silence_s"]:
        if end - start > 0.5:
            assert any(abs(a - start) < 0.25 and abs(b - end) < 0.25 for a, b in found), (start, end, found)


def test_a_track_of_silence_measures_nothing():
    context = sound_of(media("clips", "c08_silent_audio.mp4"), with48=True)
    for name in ("loudness", "vocal_delivery"):
        result = analyze(name, context)
        assert (result.status, result.reason) == ("skipped", "no_audio")


@pytest.mark.parametrize("snr_db", [None, 20, 10, 5, 0])
def test_onset_of_speech_is_stable_down_to_0_db_of_noise(snr_db, accuracy):
    speech = load(media("real", "jfk.flac"))
    quiet = np.zeros(48_000, np.float32)
    sound = np.concatenate((quiet, speech, quiet))
    if snr_db is not None:
        rms_db = 10 * np.log10(np.mean(speech**2))
        sound = sound + noise(len(sound) / 16_000, rms_db - snr_db)
    result = analyze("vocal_delivery", context_of(audio16=sound))
    # The recording's own lead-in is 0.3 s.
    off_s = abs(result.summary["first_speech_s"] - 3.3)
    accuracy("onset of speech, clean to 0 dB of noise: error", off_s, mark=0.2, unit="s")
    spoken_s = sum(s["end_s"] - s["start_s"] for s in result.segments)
    assert spoken_s == pytest.approx(7.6, abs=0.3)


@pytest.mark.parametrize("level_db", [-20, -30, -40])
def test_quiet_speech_is_found_as_soon_as_loud_speech(level_db):
    quiet = np.zeros(48_000, np.float32)
    sound = np.concatenate((quiet, load(media("real", "jfk.flac")), quiet)) * 10 ** (level_db / 20)
    result = analyze("vocal_delivery", context_of(audio16=sound))
    assert result.summary["first_speech_s"] == pytest.approx(3.3, abs=0.2)
    assert sum(s["end_s"] - s["start_s"] for s in result.segments) == pytest.approx(7.6, abs=0.4)


def test_speech_through_a_telephone_is_found_from_its_start():
    from scipy.signal import fftconvolve, firwin

    quiet = np.zeros(48_000, np.float32)
    sound = np.concatenate((quiet, load(media("real", "jfk.flac")), quiet))
    narrow = fftconvolve(sound, firwin(1023, (300, 3400), pass_zero=False, fs=16_000), "same")
    result = analyze("vocal_delivery", context_of(audio16=narrow))
    assert result.summary["first_speech_s"] == pytest.approx(3.3, abs=0.2)


def test_speech_over_chords_keeps_its_onset():
    speech = load(media("real", "jfk.flac"))
    music = np.concatenate([chord(c, 1.0) for c in ([60, 64, 67], [57, 60, 64], [65, 69, 72])] * 6)
    sound = music[: 16_000 * 16] * 0.5
    sound[48_000 : 48_000 + len(speech)] += speech
    result = analyze("vocal_delivery", context_of(audio16=sound))
    assert result.summary["first_speech_s"] == pytest.approx(3.3, abs=0.2)


@pytest.mark.parametrize("name", INSTRUMENTAL)
def test_nobody_speaks_in_instrumental_music(name, accuracy):
    result = analyze("vocal_delivery", context_of(audio16=load(media("music", name))))
    accuracy("speech found in instrumental music", result.status != "skipped", mark=0, unit="clips")
    assert result.reason == "no_speech"


@pytest.mark.parametrize("start_s", [7, 10, 12])
def test_nobody_speaks_in_an_excerpt_at_another_level(start_s):
    song = load(media("music", INSTRUMENTAL[0]))
    part = song[start_s * 16_000 : (start_s + 20) * 16_000]
    result = analyze("vocal_delivery", context_of(audio16=part * (0.5 / np.abs(part).max())))
    assert (result.status, result.reason) == ("skipped", "no_speech")


@pytest.mark.parametrize("start_s", [4.5, 5.0, 5.5, 6.0, 30.5])
def test_a_saxophone_at_the_start_of_a_clip_does_not_speak(start_s):
    song = load(media("music", INSTRUMENTAL[0]))
    part = song[round(start_s * 16_000) : round((start_s + 8) * 16_000)]
    result = analyze("vocal_delivery", context_of(audio16=part))
    assert (result.status, result.reason) == ("skipped", "no_speech")


def test_speech_before_music_is_still_speech():
    speech = load(media("speech", "en_austen_0930.wav"))
    music = load(media("music", INSTRUMENTAL[0]))[30 * 16_000 : 45 * 16_000]
    result = analyze("vocal_delivery", context_of(audio16=np.concatenate((speech, music))))
    assert result.summary["first_speech_s"] == pytest.approx(0.26, abs=0.2)
    assert result.summary["speech_ratio"] * 18.3 == pytest.approx(2.8, abs=0.3)


def test_a_bird_does_not_speak():
    result = analyze("vocal_delivery", context_of(audio16=load(media("music", "sound_robin_bird.ogg"))))
    assert result.reason == "no_speech"


def test_speech_spans_are_those_of_the_ground_truth():
    for name, facts in truth("clips").items():
        spans = [(s["start"], s["end"]) for s in facts["speech"] if s["start"] is not None]
        if facts["audio"] is None or any(s["start"] is None for s in facts["speech"]):
            continue
        result = analyze("vocal_delivery", context_of(audio16=load(media("clips", name))))
        if not spans:
            assert result.status == "skipped", name
            continue
        assert result.summary["first_speech_s"] == pytest.approx(spans[0][0], abs=0.45), name
        for segment in result.segments:
            middle = (segment["start_s"] + segment["end_s"]) / 2
            assert any(start - 0.1 <= middle <= end + 0.1 for start, end in spans), (name, segment)


def test_each_recording_of_speech_is_speech():
    files = sorted(media("speech").iterdir())
    for path in files:
        result = analyze("vocal_delivery", context_of(audio16=load(path)))
        assert result.status in ("ok", "partial"), path.name
        assert result.summary["speech_ratio"] > 0.5, path.name


@pytest.mark.parametrize(("name", "syllables"), SYLLABLES.items())
def test_syllables_are_counted_to_fifteen_percent(name, syllables, accuracy):
    result = analyze("vocal_delivery", context_of(audio16=load(media(*name.split("/")))))
    spoken_s = sum(s["end_s"] - s["start_s"] for s in result.segments)
    error = 100 * abs(result.summary["syllables_per_s"] * spoken_s / syllables - 1)
    accuracy("syllables of real speech, 20 to 183: error", error, mark=15, unit="%")


def test_a_reader_of_low_voice_is_lower_than_one_of_high_voice():
    low = analyze("vocal_delivery", context_of(audio16=load(media("speech", "en_austen_0920.wav")))).summary
    high = analyze("vocal_delivery", context_of(audio16=load(media("speech", "en_lj001-0005.flac")))).summary
    assert 80 < low["f0_median_hz"] < 140 < 180 < high["f0_median_hz"] < 300
    assert high["f0_iqr_st"] > low["f0_iqr_st"], "she reads with more melody"


@pytest.mark.parametrize("name", ["cuts_music.mp4", "slideshow.mp4"])
def test_tempo_of_composites_is_that_of_the_ground_truth(name):
    result = analyze("music_analysis", context_of(audio16=load(media("composites", name))))
    assert result.summary["music_present"]
    assert result.summary["tempo_bpm"] == pytest.approx(truth("composites")[name]["tempo_bpm"], rel=0.01)
    assert result.summary["tempo_confidence"] > 0.8


def test_an_excerpt_has_the_tempo_of_the_song():
    song = analyze("music_analysis", context_of(audio16=load(media("music", "vibe_ace.ogg")))).summary["tempo_bpm"]
    for name in ("c02_hardcuts_music.mp4", "c03_neardup_of_c02.mp4"):
        part = analyze("music_analysis", context_of(audio16=load(media("clips", name)))).summary
        assert any(bpm == pytest.approx(song, rel=0.01) for bpm in part["tempo_candidates_bpm"]), name


def test_copies_of_one_sound_have_one_tempo_and_are_music_throughout():
    names = ("c02_hardcuts_music.mp4", "c03_neardup_of_c02.mp4")
    first, second = (analyze("music_analysis", context_of(audio16=load(media("clips", n)))).summary for n in names)
    assert first["tempo_bpm"] == pytest.approx(second["tempo_bpm"], rel=0.01)
    assert min(first["music_ratio"], second["music_ratio"]) > 0.95


def test_a_loop_of_90_bpm_is_not_given_twice_that():
    loop = np.tile(load(media("music", "trumpet_loop_90bpm.ogg")), 3)
    assert analyze("music_analysis", context_of(audio16=loop)).summary["tempo_bpm"] == pytest.approx(90, rel=0.01)


def test_a_sped_up_sound_has_a_faster_tempo():
    facts = truth("composites")["sound_reuse.mp4"]
    slow = truth("composites")[facts["sound_of"]]["tempo_bpm"]
    summary = analyze("music_analysis", context_of(audio16=load(media("composites", "sound_reuse.mp4")))).summary
    assert summary["tempo_bpm"] == pytest.approx(slow * facts["speed_ratio"], rel=0.01)


@pytest.mark.parametrize("name", [*INSTRUMENTAL[:3], "lets_go_fishin_vocals.ogg"])
def test_songs_are_music(name):
    summary = analyze("music_analysis", context_of(audio16=load(media("music", name))[: 16_000 * 40])).summary
    assert summary["music_present"]
    assert summary["music_ratio"] > 0.6


def test_a_known_piece_has_its_key():
    summary = analyze("music_analysis", context_of(audio16=load(media("music", "sugar_plum_fairy.ogg")))).summary
    assert (summary["key"], summary["mode"]) == ("E", "minor"), "Tchaikovsky, opus 71, No. 14c"


def test_clips_have_music_where_the_ground_truth_says_so():
    for name, facts in truth("clips").items():
        if facts["audio"] is None or any(s["start"] is None for s in facts["speech"]):
            continue
        result = analyze("music_analysis", context_of(audio16=load(media("clips", name))))
        assert result.status in (("ok", "partial") if facts["music"] else ("skipped",)), (name, result)
        assert bool(result.summary.get("music_present")) == bool(facts["music"]), name


@pytest.mark.parametrize("name", ["real/jfk.flac", "speech/zh_autumn.wav", "speech/en_lj001-0005.flac"])
def test_speech_is_not_music(name):
    result = analyze("music_analysis", context_of(audio16=load(media(*name.split("/")))))
    assert (result.status, result.reason) == ("skipped", "no_music")


def test_a_bird_over_and_over_is_not_music():
    bird = load(media("music", "sound_robin_bird.ogg"))
    result = analyze("music_analysis", context_of(audio16=np.tile(bird, 4)))
    assert not result.summary.get("music_present", False)


def test_a_room_is_not_music():
    for name in ("chair-orig-22-sd-bar", "pattern-longer-no-bar"):
        sound = load(media("real", f"ThreatExchange__{name}.mp4"))
        assert analyze("music_analysis", context_of(audio16=sound)).reason == "no_music", name
