"""Pace from outputs of other analyzers, made up."""

import itertools

import pytest

from tests.contexts import facts
from tiktokd.analyzers import pacing
from tiktokd.analyzers.motion import Curator, Motion
from tiktokd.analyzers.music_analysis import MusicAnalysisOutput
from tiktokd.analyzers.shot_boundaries import ShotBoundaries, TransitionFound
from tiktokd.analyzers.speech_transcription import SpeechTranscription, SpokenWord
from tiktokd.analyzers.vocal_delivery import VocalDeliveryOutput
from tiktokd.model import Envelope, Output
from tiktokd.plugins import Context


def envelope(name, output: Output, segments=()):
    return Envelope(
        analyzer=name, version="1", status="ok", tier="full", summary=output.model_dump(), segments=list(segments)
    )


def skipped(name, reason):
    return Envelope(analyzer=name, version="1", status="skipped", tier="lite", reason=reason)


def shots(cuts, duration_s):
    edges = [0.0, *cuts, duration_s]
    lengths = [b - a for a, b in itertools.pairwise(edges)]
    output = ShotBoundaries(
        shot_count=len(lengths),
        cut_times_s=list(cuts),
        mean_shot_s=round(sum(lengths) / len(lengths), 3),
        median_shot_s=sorted(lengths)[len(lengths) // 2],
        transitions=[TransitionFound(t_s=t, kind="cut", score=1, start_s=t, end_s=t) for t in cuts],
    )
    segments = [{"start_s": a, "end_s": b, "keyframe_s": a} for a, b in itertools.pairwise(edges)]
    return envelope("shot_boundaries", output, segments)


def motion(speed):
    return envelope(
        "motion",
        Motion(
            motion_mean=speed,
            motion_p95=speed,
            static_ratio=0.0,
            camera=None,
            subject_motion=None,
            curator=Curator(global_mean=0.1, patch_min_256=0.1),
            unknown={},
        ),
    )


def music(beats, confidence=1.0):
    return envelope(
        "music_analysis",
        MusicAnalysisOutput(
            music_present=True,
            music_ratio=1.0,
            tempo_bpm=120.0,
            tempo_candidates_bpm=[60.0, 120.0, 240.0],
            tempo_confidence=confidence,
            beats_s=beats,
            key=None,
            mode=None,
            key_confidence=None,
            genres=None,
            moods=None,
            unknown={},
        ),
    )


def voice(syllables_per_s, ratio):
    return envelope(
        "vocal_delivery",
        VocalDeliveryOutput(
            speech_ratio=ratio,
            first_speech_s=0.0,
            pause_count=0,
            pause_mean_s=None,
            syllables_per_s=syllables_per_s,
            words_per_min=None,
            f0_median_hz=None,
            f0_iqr_st=None,
            voiced_ratio=None,
            energy_range_db=None,
            unknown={},
        ),
    )


def transcript(starts, language="en"):
    words = [SpokenWord(w="word", start_s=t, end_s=t + 0.2, p=1.0) for t in starts]
    return envelope(
        "speech_transcription",
        SpeechTranscription(
            text="word " * len(words),
            language=language,
            language_prob=1.0,
            words=words,
            no_speech_prob=0.0,
            avg_logprob=0.0,
            dropped_sentences_count=0,
        ),
    )


def paced(*envelopes, duration_s=20.0, audio=True, signals=None):
    return pacing.analyze(
        Context(
            facts=facts(duration_s=duration_s, frames=int(30 * duration_s), audio=audio),
            outputs={e.analyzer: e for e in envelopes},
            signals=signals or {},
        )
    )


EVERY_TWO = [2.0 * i for i in range(1, 10)]
BEATS = [0.5 * i for i in range(41)]
ONSETS = {"spectrum": {"onsets_per_s": [2] * 20, "duration_s": 20.0}}


def test_a_cut_every_two_seconds_is_thirty_cuts_per_minute():
    result = paced(shots(EVERY_TWO, 20.0))
    assert result.output.cuts_per_min == 30.0
    assert result.output.shot_cv == 0.0
    assert [s.cuts for s in result.segments] == [0, 0, 1] + [0, 1] * 8 + [0]


def test_a_way_through_black_is_one_change_of_shot_in_the_second_where_the_next_one_begins():
    spans = ((8.0, 9.0), (11.2, 12.4))
    fades = [TransitionFound(t_s=(a + b) / 2, kind="fade", score=1, start_s=a, end_s=b) for a, b in spans]
    output = ShotBoundaries(shot_count=2, cut_times_s=[], mean_shot_s=8.9, median_shot_s=8.9, transitions=fades)
    shown = [{"start_s": a, "end_s": b, "keyframe_s": a} for a, b in ((0.0, 9.0), (11.2, 20.0))]
    result = paced(envelope("shot_boundaries", output, shown))
    assert [s.start_s for s in result.segments if s.cuts] == [11.0]
    assert sum(s.cuts for s in result.segments) == output.shot_count - 1


def test_soft_changes_of_shot_alone_are_neither_on_nor_off_the_beat():
    bare = shots(EVERY_TWO, 20.0)
    soft = bare.model_copy(update={"summary": {**bare.summary, "cut_times_s": []}})
    found = paced(soft, music(BEATS)).output
    assert (found.cuts_per_min, found.beat_sync_ratio, found.unknown["beat_sync_ratio"]) == (30.0, None, "no_cuts")


def test_a_single_take_has_no_cuts_per_minute():
    assert paced(shots([], 20.0)).output.cuts_per_min == 0.0


def test_cuts_on_the_beat_are_in_sync_and_between_beats_are_not():
    assert paced(shots(EVERY_TWO, 20.0), music(BEATS)).output.beat_sync_ratio == 1.0
    shifted = [t + 0.25 for t in EVERY_TWO]
    assert paced(shots(shifted, 20.0), music(BEATS)).output.beat_sync_ratio == 0.0


def test_without_a_steady_beat_there_is_no_synchrony():
    assert paced(shots(EVERY_TWO, 20.0), music(BEATS, confidence=0.1)).output.beat_sync_ratio is None
    assert paced(shots(EVERY_TWO, 20.0), music([])).output.beat_sync_ratio is None
    assert paced(shots([], 20.0), music(BEATS)).output.beat_sync_ratio is None


def test_words_count_per_second_of_the_video_and_per_bin():
    result = paced(shots([], 20.0), transcript([0.1, 0.4, 1.2]), signals=ONSETS)
    assert result.output.words_per_s == pytest.approx(0.15)
    assert [s.words for s in result.segments][:3] == [2, 1, 0]


def test_syllables_stand_in_for_words_without_a_transcript():
    result = paced(voice(4.0, 0.5), skipped("speech_transcription", "model_missing"), signals=ONSETS)
    assert result.output.words_per_s is None
    assert result.output.syllables_per_s == 2.0
    assert result.output.pace_level == pytest.approx((2 / 5 + 2 / 6) / 2, abs=1e-3)


def test_characters_of_a_language_without_spaces_are_no_words_and_syllables_stand_in():
    result = paced(voice(4.0, 0.5), transcript([0.1, 0.2, 0.3, 0.4], "zh"), signals=ONSETS)
    assert result.output.words_per_s is None
    assert result.output.unknown["words_per_s"] == "no_spaces"
    assert result.output.pace_level == pytest.approx((2 / 5 + 2 / 6) / 2, abs=1e-3)
    assert {s.words for s in result.segments} == {None}


def test_nobody_speaking_is_no_words_and_not_unknown():
    result = paced(shots([], 20.0), skipped("vocal_delivery", "no_speech"), signals=ONSETS)
    assert (result.output.words_per_s, result.output.syllables_per_s) == (0.0, 0.0)


def test_the_level_is_the_mean_of_the_known_parts():
    signals = ONSETS | {"flow": {"speed_per_s": [0.25] * 20}}
    result = paced(shots(EVERY_TWO, 20.0), motion(0.25), transcript([i / 2 for i in range(40)]), signals=signals)
    assert result.status == "ok"
    assert result.output.pace_level == pytest.approx((30 / 40 + 0.25 / 0.5 + 2 / 5 + 2 / 4) / 4, abs=1e-4)
    assert result.segments[2].pace == pytest.approx((1 + 0.5 + 0.4 + 0.5) / 4, abs=1e-4)


def test_a_silent_video_says_that_its_sound_is_missing():
    result = paced(shots(EVERY_TWO, 20.0), motion(0.1), audio=False)
    assert (result.status, result.reason) == ("partial", "no_audio")
    assert result.output.onsets_per_s is None


def test_nothing_known_and_too_short_are_skipped():
    assert paced().reason == "no_sources"
    assert paced(shots([], 2.0), duration_s=2.0).reason == "too_short"


@pytest.mark.parametrize(
    ("envelopes", "audio", "expected"),
    [
        (
            [shots(EVERY_TWO, 20.0), motion(0.1)],
            False,
            dict.fromkeys(("onsets_per_s", "words_per_s", "syllables_per_s", "beat_sync_ratio"), "no_audio"),
        ),
        (
            [shots([], 20.0), skipped("motion", "too_short"), skipped("speech_transcription", "model_missing")],
            True,
            {
                "shot_cv": "no_cuts",
                "beat_sync_ratio": "no_cuts",
                "motion": "too_short",
                "onsets_per_s": "no_sources",
                "words_per_s": "model_missing",
                "syllables_per_s": "no_sources",
            },
        ),
        (
            [shots(EVERY_TWO, 20.0), motion(0.1), skipped("music_analysis", "no_music"), voice(4.0, 0.5)],
            True,
            {"onsets_per_s": "no_sources", "words_per_s": "no_sources", "beat_sync_ratio": "no_music"},
        ),
        (
            [shots(EVERY_TWO, 20.0), motion(0.1), music(BEATS, confidence=0.1), voice(4.0, 0.5)],
            True,
            {"onsets_per_s": "no_sources", "words_per_s": "no_sources", "beat_sync_ratio": "no_beat"},
        ),
        (
            [shots(EVERY_TWO, 20.0), motion(0.1), music([]), voice(4.0, 0.5)],
            True,
            {"onsets_per_s": "no_sources", "words_per_s": "no_sources", "beat_sync_ratio": "no_beat"},
        ),
        (
            [skipped("shot_boundaries", "cpu_fallback"), motion(0.1), music(BEATS), voice(4.0, 0.5)],
            True,
            {
                **dict.fromkeys(("cuts_per_min", "shot_mean_s", "shot_median_s", "shot_cv"), "cpu_fallback"),
                "onsets_per_s": "no_sources",
                "words_per_s": "no_sources",
                "beat_sync_ratio": "cpu_fallback",
            },
        ),
    ],
)
def test_every_null_field_has_its_reason(envelopes, audio, expected):
    found = paced(*envelopes, audio=audio).output
    expected = expected | {"pace_index": "corpus_unavailable"}
    assert found.unknown == expected
    assert {name for name, value in found.model_dump().items() if value is None} == expected.keys()


def test_what_was_not_heard_of_a_long_video_is_neither_silence_nor_off_the_beat():
    """Five of ten minutes of sound fit into the slot; rates are those of the minutes that were heard."""
    heard = {"spectrum": {"onsets_per_s": [2] * 300, "duration_s": 300.0}}
    beats = [0.5 * i for i in range(600)]
    result = paced(
        shots([2.0 * i for i in range(1, 300)], 600.0), motion(0.1), music(beats),
        transcript([float(i) for i in range(300)]), duration_s=600.0, signals=heard,
    )  # fmt: skip
    assert (result.status, result.reason) == ("partial", "truncated")
    assert result.output.onsets_per_s == 2.0
    assert result.output.words_per_s == 1.0
    assert result.output.beat_sync_ratio == 1.0
    assert (result.segments[299].onsets, result.segments[299].words) == (2, 1)
    assert (result.segments[300].onsets, result.segments[300].words) == (None, None)
    assert result.segments[300].cuts == 1
    assert result.segments[299].pace is not None
    assert [s.pace for s in result.segments[300:]] == [None] * 300, "no drop where nobody listened"


def test_sound_that_was_not_heard_is_named_beside_other_parts_that_are_not_known():
    heard = {"spectrum": {"onsets_per_s": [2] * 315, "duration_s": 314.4}}
    result = paced(shots([], 600.0), skipped("motion", "truncated"), duration_s=600.0, signals=heard)
    assert result.reason == "truncated"
    assert result.message == "not known of this video: motion; only 314.4 s of sound were heard"
    assert (result.segments[313].onsets, result.segments[314].onsets) == (2, None), "heard in part is not heard"


def test_sound_that_ends_before_the_picture_is_silence():
    result = paced(shots([], 20.0), signals={"spectrum": {"onsets_per_s": [2] * 10, "duration_s": 10.0}})
    assert result.output.onsets_per_s == 1.0
    assert result.segments[15].onsets == 0
