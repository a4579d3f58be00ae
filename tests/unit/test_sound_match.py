"""Landmarks, hashes and votes of sound fingerprints, and the analyzer's validity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sounds import analyze, context_of, noise, song, to_int16
from tiktokd import sound_match
from tiktokd.encoders import landmarks as encoder
from tiktokd.model import Metadata
from tiktokd.sound_hashes import Hashes, Landmarks, backwards, hashes_of, hashes_of_each, unpack
from tiktokd.sound_match import SPEED_RATIOS, SoundIndex, find, is_match, rarest


def made_up(seed: int, count: int = 400, seconds: float = 20.0) -> Landmarks:
    random = np.random.default_rng(seed)
    return Landmarks(
        time_s=np.sort(random.uniform(0, seconds, count)),
        freq_hz=np.exp(random.uniform(np.log(350), np.log(3000), count)),
    )


def played(sound: Landmarks, ratio: float, start_s: float = 0.0) -> Landmarks:
    """The landmarks of a video that starts at `start_s` of the sound and plays it `ratio` times as fast."""
    return Landmarks(time_s=(sound.time_s - start_s) / ratio, freq_hz=sound.freq_hz * ratio)


def index_of(*sounds: Landmarks) -> SoundIndex:
    return SoundIndex((number, hashes_of(sound)) for number, sound in enumerate(sounds))


@given(
    st.lists(st.tuples(st.floats(0, 260), st.floats(250, 4000)), max_size=50).map(sorted),
)
def test_packing_keeps_landmarks_to_four_milliseconds_and_an_eighth_of_a_hertz(rows):
    sound = Landmarks(time_s=np.array([t for t, _ in rows]), freq_hz=np.array([f for _, f in rows]))
    back = unpack(sound.pack())
    assert np.allclose(back.time_s, sound.time_s, atol=0.0021)
    assert np.allclose(back.freq_hz, sound.freq_hz, atol=0.0626)


@pytest.mark.parametrize("text", ["!!!!", "AAA=", "A"])
def test_what_is_no_fingerprint_is_refused(text):
    with pytest.raises(ValueError):
        unpack(text)


def test_hashes_fit_into_23_bits_and_do_not_depend_on_the_start():
    sound = made_up(1)
    hashes = hashes_of(sound)
    assert len(hashes.value) > 3 * len(sound.time_s)
    assert hashes.value.min() >= 0
    assert hashes.value.max() < 2**23
    later = hashes_of(Landmarks(time_s=sound.time_s + 64.0, freq_hz=sound.freq_hz))
    assert np.mean(np.sort(later.value) == np.sort(hashes.value)) > 0.99


def test_several_sounds_are_hashed_as_each_alone_and_never_across_a_border():
    sounds = [made_up(1), made_up(2, 0), made_up(3, 90), made_up(4, 2), made_up(1)]
    for sound, together in zip(sounds, hashes_of_each(sounds), strict=True):
        alone = hashes_of(sound)
        assert sorted(zip(alone.value, alone.time_s, strict=True)) == sorted(
            zip(together.value, together.time_s, strict=True)
        )


@pytest.mark.parametrize("ratio", [0.8, 0.93, 1.1, 1.26])
def test_scaling_the_landmarks_undoes_a_change_of_speed(ratio):
    sound = made_up(2)
    there, back = hashes_of(sound), hashes_of(played(sound, ratio), ratio)
    common = np.intersect1d(there.value, back.value)
    assert len(common) > 0.95 * len(np.unique(there.value))


def test_no_landmarks_make_no_hashes_and_no_match():
    empty = Landmarks(time_s=np.zeros(0), freq_hz=np.zeros(0))
    assert len(hashes_of(empty).value) == 0
    assert find(index_of(made_up(1)), empty, SPEED_RATIOS) == []
    assert find(index_of(), made_up(1)) == []


def test_an_excerpt_is_found_where_it_starts():
    sounds = [made_up(seed) for seed in range(8)]
    part = sounds[5].time_s > 7.5
    query = Landmarks(time_s=sounds[5].time_s[part] - 7.5, freq_hz=sounds[5].freq_hz[part])
    matches = find(index_of(*sounds), query)
    assert [m.video for m in matches] == [5]
    assert matches[0].offset_s == pytest.approx(7.5, abs=0.02)
    assert matches[0].speed_ratio == 1.0
    assert matches[0].share > 0.8


def test_all_videos_with_the_sound_are_found():
    sound = made_up(3)
    index = index_of(made_up(1), sound, played(sound, 1.0, -4.0), made_up(2), sound)
    assert {m.video for m in find(index, sound)} == {1, 2, 4}


@pytest.mark.parametrize("ratio", [0.81, 0.875, 1.034, 1.25])
def test_speed_and_offset_of_a_changed_sound_are_found(ratio):
    sounds = [made_up(seed) for seed in range(4)]
    query = played(sounds[2], ratio, 3.0)
    kept = query.time_s >= 0
    query = Landmarks(time_s=query.time_s[kept], freq_hz=query.freq_hz[kept])
    assert find(index_of(*sounds), query) == [], "at its own speed it is another sound"
    match = find(index_of(*sounds), query, SPEED_RATIOS)[0]
    assert match.video == 2
    assert match.speed_ratio == pytest.approx(ratio, abs=0.002)
    assert match.offset_s == pytest.approx(3.0, abs=0.05)


def test_a_long_video_with_a_speed_between_the_steps_is_found():
    sound = made_up(4, 4000, 200.0)
    match = find(index_of(sound, made_up(5, 4000, 200.0)), played(sound, 1.115), SPEED_RATIOS)[0]
    assert match.video == 0
    assert match.speed_ratio == pytest.approx(1.115, abs=0.002)


def test_the_rarest_hashes_vote_first():
    common, rare = made_up(1), made_up(2)
    index = SoundIndex([(0, hashes_of(rare)), *((n, hashes_of(common)) for n in range(1, 10))])
    query = Hashes(
        value=np.concatenate((hashes_of(common).value, hashes_of(rare).value)),
        time_s=np.concatenate((hashes_of(common).time_s, hashes_of(rare).time_s)),
    )
    counts = index.counts(query.value)
    kept = rarest(index, query, int(counts[counts < 9].sum()) + 5)
    assert 0 < len(kept.value) < len(query.value)
    assert index.counts(kept.value).max() < 9
    assert index.counts(kept.value).min() >= 1


def test_a_crowded_corpus_is_searched_with_few_hits(monkeypatch):
    sounds = [made_up(seed) for seed in range(60)]
    index = index_of(*sounds)
    monkeypatch.setattr(sound_match, "HITS_MAX", int(index.counts(hashes_of(sounds[7]).value).sum()) // 2)
    assert [m.video for m in find(index, sounds[7])] == [7]


def test_backwards_is_no_match():
    sound = made_up(6)
    assert find(index_of(sound), backwards(sound), SPEED_RATIOS) == []


def test_offsets_in_one_bin_or_across_a_border_count_the_same():
    sound = made_up(7)
    votes = [find(index_of(sound), played(sound, 1.0, shift))[0].votes for shift in np.arange(-0.1, 0.1, 0.02)]
    assert min(votes) > 0.95 * max(votes)


@pytest.mark.parametrize(
    ("votes", "chance", "share", "expected"),
    [(15, 0, 0.5, False), (30, 9, 0.04, True), (30, 12, 0.04, False), (109, 50, 0.25, True), (60, 50, 0.25, False)],
)
def test_the_decision_weighs_chance_and_share(votes, chance, share, expected):
    assert is_match(votes, chance, share) is expected


def test_landmarks_are_the_same_whole_and_in_parts(monkeypatch):
    sound = to_int16(song(1, 12.0))
    whole = encoder.landmarks_of(sound)
    monkeypatch.setattr(encoder, "CHUNK", 130)
    parts = encoder.landmarks_of(sound)
    assert np.allclose(whole.time_s, parts.time_s)
    assert np.allclose(whole.freq_hz, parts.freq_hz)


def test_a_maximum_over_neighbours_is_that_of_scipy():
    from scipy.ndimage import maximum_filter1d

    values = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
    for reach in (1, 2, 5, 7, 31):
        expected = maximum_filter1d(values, 2 * reach + 1, axis=0, mode="nearest")
        assert np.array_equal(encoder.running_maximum(values, reach), expected)


def test_a_tone_has_a_landmark_at_its_frequency_and_onset():
    t = np.arange(16_000 * 4) / 16_000
    sound = np.where((t > 2.0) & (t < 2.3), 0.3 * np.sin(2 * np.pi * 1234.5 * t), 0.0)
    marks = encoder.landmarks_of(to_int16(sound))
    near = np.abs(marks.freq_hz - 1234.5) < 3.0
    assert near.any()
    assert np.all((marks.time_s[near] > 1.9) & (marks.time_s[near] < 2.4))


def test_the_analyzer_packs_what_finds_the_sound_again():
    result = analyze("sound_fingerprint", context_of(audio16=song(3, 12.0), metadata=Metadata(music_id="7001")))
    assert result.status == "ok"
    assert result.summary["platform_music_id"] == "7001"
    assert result.summary["matches"] is None
    assert len(result.summary["landmarks"]) < 12 * 20 * 4 * 4 / 3 + 8
    found = unpack(result.summary["landmarks"])
    assert len(hashes_of(found).value) == pytest.approx(result.summary["fingerprint_hashes"], rel=0.02)
    assert find(index_of(made_up(1), found), found)[0].video == 1


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(16_000 * 5), "no_audio"),
        (song(1, 2.5), "too_short"),
        (np.concatenate((song(1, 1.5), np.zeros(16_000 * 9))), "too_short"),
        (noise(0.01), "too_short"),
    ],
    ids=["silence", "short", "mostly silent", "few samples"],
)
def test_too_little_sound_says_so(sound, reason):
    result = analyze("sound_fingerprint", context_of(audio16=sound))
    assert (result.status, result.reason, result.summary) == ("skipped", reason, {})
