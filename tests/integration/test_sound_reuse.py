"""Excerpts among twenty songs: identity and offset after encoding, noise, speech and change of speed."""

import numpy as np
import pytest

from tests.analysis import media
from tests.sounds import load, noise, song, sped_up, through_aac, to_int16
from tiktokd.encoders.landmarks import landmarks_of
from tiktokd.sound_hashes import Landmarks, hashes_of, unpack
from tiktokd.sound_match import SPEED_RATIOS, SoundIndex, SoundMatch, find

SONGS = 20
EXCERPT_S = 10.0
RATE_HZ = 16_000


def fingerprint(sound) -> Landmarks:
    """The landmarks as the corpus stores them."""
    return unpack(landmarks_of(to_int16(sound)).pack())


@pytest.fixture(scope="module")
def songs():
    return [song(seed) for seed in range(SONGS)]


@pytest.fixture(scope="module")
def corpus(songs):
    return SoundIndex((number, hashes_of(fingerprint(sound))) for number, sound in enumerate(songs))


def rms(sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


def hits(songs, corpus, change, ratio: float = 1.0) -> list[tuple[bool, list[SoundMatch]]]:
    """For ten excerpts: whether song, offset (0.1 s) and speed are right, and all matches."""
    random = np.random.default_rng(5)
    results = []
    for number in range(0, SONGS, 2):
        start_s = random.uniform(1, 30 - EXCERPT_S * ratio - 1)
        excerpt = songs[number][round(start_s * RATE_HZ) : round((start_s + EXCERPT_S * ratio) * RATE_HZ)]
        ratios = (1.0,) if ratio == 1.0 else SPEED_RATIOS
        matches = find(corpus, fingerprint(change(excerpt)), ratios)
        best = matches[0] if matches else None
        right = (
            best is not None
            and best.video == number
            and abs(best.offset_s - start_s) <= 0.1
            and abs(best.speed_ratio - ratio) <= 0.005
        )
        results.append((right, matches))
    return results


CHANGES = {
    "clean": lambda x: x,
    "aac 48 kbit/s": through_aac,
    "noise at 10 dB": lambda x: x + noise(EXCERPT_S, 20 * np.log10(rms(x)) - 10)[: len(x)],
    "6 dB quieter": lambda x: x / 2,
}


@pytest.mark.parametrize("name", CHANGES)
def test_ten_of_ten_excerpts_are_found(songs, corpus, name, accuracy):
    results = hits(songs, corpus, CHANGES[name])
    found = sum(right for right, _ in results)
    accuracy("sounds: excerpts among 20 songs, of 10", found, mark=10, worse="lower")
    assert all(len(matches) == 1 for _, matches in results), "and nothing else"


@pytest.mark.parametrize("level_db", [0, 6])
def test_ten_of_ten_excerpts_are_found_under_speech(songs, corpus, level_db, accuracy):
    speech = load(media("real", "jfk.flac"))

    def talk_over(excerpt):
        voice = speech[: len(excerpt)] / rms(speech) * rms(excerpt) * 10 ** (level_db / 20)
        return (excerpt + voice) / 2

    found = sum(right for right, _ in hits(songs, corpus, talk_over))
    accuracy("sounds: excerpts under speech at 0 and +6 dB, of 10", found, mark=10, worse="lower")


@pytest.mark.parametrize("ratio", [0.8, 0.965, 1.1, 1.155])
def test_nine_of_ten_excerpts_are_found_at_another_speed(songs, corpus, ratio, accuracy):
    results = hits(songs, corpus, lambda x: through_aac(sped_up(x, ratio)), ratio)
    found = sum(right for right, _ in results)
    accuracy("sounds: excerpts at 0.8 to 1.155 times the speed, of 10", found, mark=9, worse="lower")
    assert all({m.video for m in matches} <= {2 * n} for n, (_, matches) in enumerate(results)), "and nothing else"


def test_other_songs_match_nothing_at_any_speed(corpus):
    for seed in range(100, 110):
        assert find(corpus, fingerprint(song(seed, 12.0)), SPEED_RATIOS) == [], seed


def test_real_sound_reuse_is_found_with_its_speed():
    names = ("cuts_music.mp4", "slideshow.mp4", "call_to_action.mp4", "captions_speech.mp4")
    index = SoundIndex((n, hashes_of(fingerprint(load(media("composites", name))))) for n, name in enumerate(names))
    matches = find(index, fingerprint(load(media("composites", "sound_reuse.mp4"))), SPEED_RATIOS)
    assert matches[0].video == 0
    assert matches[0].speed_ratio == pytest.approx(1.1, abs=0.006)
    assert matches[0].offset_s == pytest.approx(0.0, abs=0.1)


def test_clips_find_the_music_they_were_made_with():
    names = ("vibe_ace.ogg", "hungarian_dance_5.ogg", "sugar_plum_fairy.ogg", "lets_go_fishin_vocals.ogg")
    index = SoundIndex((n, hashes_of(fingerprint(load(media("music", name))))) for n, name in enumerate(names))
    expected = {
        "c02_hardcuts_music.mp4": {(0, 10.0)},
        "c03_neardup_of_c02.mp4": {(0, 10.0)},
        "c04_photo_slideshow.mp4": {(1, 0.0)},
        "x03_c02_mirrored_repost.mp4": {(1, 20.0)},
        "c11_autocaptions.mp4": {(2, 5.0)},
        "c12_transitions.mp4": {(2, 3.0), (0, 8.0)},
        "c01_speech_caption.mp4": set(),
        "c10_speech_zh.mp4": set(),
    }
    for name, sounds in expected.items():
        found = find(index, fingerprint(load(media("clips", name))))
        assert {(m.video, round(m.offset_s, 1)) for m in found} == sounds, name
