"""The first three seconds: words, kinds of opening, and what other analyzers saw."""

from dataclasses import replace

import pytest

from tests.tables.hooks import INTERROGATIVES, KINDS, NOTHING, QUESTIONS, STATEMENTS
from tests.written import analyze, context_of
from tiktokd.analyzers.hook import motion_ratio
from tiktokd.analyzers.loudness import LoudnessOutput
from tiktokd.analyzers.vocal_delivery import VocalDeliveryOutput
from tiktokd.encoders.hook_phrases import load
from tiktokd.model import Envelope
from tiktokd.plugins import ABSENT, Context, LoadContext
from tiktokd.texts import Passage, opening

NAME = "hook"


def kinds(text: str) -> list[str]:
    return analyze(NAME, context_of(ocr=[(text, 0.0, 2.8)])).summary["hook_types"]


@pytest.mark.parametrize("language", sorted(QUESTIONS))
def test_questions_are_told_in_every_language(language):
    asked = [*QUESTIONS[language], *INTERROGATIVES[language]]
    assert [text for text in asked if "question" not in kinds(text)] == []


def test_statements_that_start_like_questions_are_none():
    assert [text for text in STATEMENTS if "question" in kinds(text)] == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_opening_is_told(kind):
    assert [text for text in KINDS[kind] if kind not in kinds(text)] == []


def test_plain_words_open_nothing():
    assert [(text, kinds(text)) for text in NOTHING if kinds(text)] == []


def test_wait_for_it_is_a_curiosity_gap_that_starts_at_once():
    context = context_of(ocr=[("WAIT FOR IT", 0.0, 3.0), ("the end", 8.0, 9.0)])
    envelope = analyze(NAME, context)
    assert envelope.status == "ok"
    assert envelope.summary["hook_text"] == "WAIT FOR IT"
    assert envelope.summary["hook_types"] == ["curiosity_gap"]
    assert envelope.summary["first_text_s"] <= 0.5


def test_words_after_three_seconds_are_no_opening():
    context = context_of(ocr=[("WAIT FOR IT", 3.5, 6.0)], speech=[("stop doing this", 4.0, 5.0)])
    envelope = analyze(NAME, context)
    assert envelope.summary["hook_text"] is None
    assert envelope.summary["hook_types"] == []
    assert (envelope.summary["first_text_s"], envelope.summary["first_speech_s"]) == (3.5, 4.0)


def test_of_a_long_sentence_only_the_first_words_count():
    said = Passage(kind="speech", text="one two three four five six seven eight nine ten", start_s=1.0, end_s=6.0)
    (cut,) = opening([said])
    assert cut.text == "one two three four"


def test_what_other_analyzers_saw_comes_together():
    shots = Envelope(
        analyzer="shot_boundaries",
        version="1",
        status="ok",
        tier="full",
        summary={
            "shot_count": 4,
            "cut_times_s": [0.8, 1.6, 2.4],
            "mean_shot_s": 5.0,
            "median_shot_s": 0.8,
            "transitions": [],
        },
    )
    found = context_of(ocr=[("hello", 0.0, 2.0)], outputs=[shots])
    context = Context(
        facts=found.facts,
        metadata=found.metadata,
        outputs=found.outputs,
        signals={"flow": {"speed_per_s": [0.4, 0.4, 0.4, 0.1, None, 0.1, 0.1]}},
    )
    summary = analyze(NAME, context).summary
    assert summary["cuts_0_3"] == 3
    assert summary["motion_ratio"] == 4.0
    assert summary["hook_types"] == ["visual_surprise"]
    assert summary["loudness_jump_lu"] is None
    assert summary["person_facing"] is None
    assert summary["hook_index"] == pytest.approx((1.0 + 0.5 + 1.0 + 1.0) / 4)


@pytest.mark.parametrize(
    ("speeds", "ratio"),
    [
        ([0.2, 0.2, 0.2, 0.1, 0.1], 2.0),
        ([0.2] * 3, None),
        ([0.2, 0.2, 0.2, 0.0, 0.0], None),
        ([None] * 9, None),
        ([], None),
    ],
)
def test_motion_is_compared_with_the_rest_where_there_is_one(speeds, ratio):
    assert motion_ratio({"speed_per_s": speeds}) == ratio


def test_of_a_line_that_grows_only_the_words_shown_by_then_are_an_opening():
    steps = ((1.0, "wait"), (2.0, "wait for"), (3.5, "wait for it"))
    (cut,) = opening([Passage(kind="ocr", text="wait for it", start_s=1.0, end_s=6.0, steps=steps)])
    assert (cut.text, cut.start_s) == ("wait for", 1.0)


def test_under_three_seconds_there_is_no_opening():
    envelope = analyze(NAME, context_of(ocr=[("WAIT", 0.0, 1.0)], duration_s=2.0))
    assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "too_short", {})


def test_without_anything_to_read_the_result_is_partial_and_empty():
    envelope = analyze(NAME, context_of("a caption is no opening"))
    assert (envelope.status, envelope.reason) == ("partial", "no_sources")
    assert envelope.summary["hook_index"] is None


def test_what_is_null_says_why():
    mute = Envelope(analyzer="vocal_delivery", version="1", status="skipped", reason="no_speech", tier="full")
    silent = Envelope(analyzer="loudness", version="1", status="skipped", reason="no_audio", tier="full")
    blank = Envelope(analyzer="on_screen_text", version="1", status="skipped", reason="no_text", tier="full")
    bare = context_of(outputs=[mute, silent, blank])
    absent = {
        f"{ABSENT}siglip2": {"reason": "model_missing", "message": "pull it"},
        f"{ABSENT}dfine": {"reason": "cpu_fallback", "message": "needs a GPU"},
        "flow": {"speed_per_s": [0.1] * 3 + [0.0] * 4},
    }
    summary = analyze(NAME, replace(bare, signals=absent)).summary
    assert summary["unknown"] == {
        "hook_text": "no_sources",  # nobody was asked what is said
        "first_speech_s": "no_speech",
        "cuts_0_3": "no_sources",
        "motion_ratio": "no_motion",
        "loudness_jump_lu": "no_audio",
        "person_facing": "cpu_fallback",
        "first_frame_novelty": "model_missing",
        "hook_index": "no_sources",
    }
    assert summary["first_text_s"] is None, "which is an answer: none was found"
    short = analyze(NAME, replace(bare, signals=absent | {"flow": {"speed_per_s": [0.1] * 4}})).summary
    assert short["unknown"]["motion_ratio"] == "too_short"
    unread = blank.model_copy(update={"reason": "unsupported_script"})
    shown = analyze(NAME, context_of(outputs=[mute, silent, unread])).summary
    assert shown["unknown"]["first_text_s"] == "unsupported_script"


def test_the_users_own_phrases_replace_the_shipped_ones(tmp_path):
    (tmp_path / "hooks.toml").write_text("[problem]\nen = ['zorblax~again']\n")
    model = load(LoadContext(data_dir=tmp_path))
    assert [pattern[:2] for pattern in model.patterns] == [("problem", "en")]


def test_a_voice_that_nothing_transcribes_is_not_an_opening_of_no_kind():
    voice = Envelope(
        analyzer="vocal_delivery", version="1", status="ok", tier="full", summary=VOICE | {"first_speech_s": 0.6}
    )
    missing = Envelope(
        analyzer="speech_transcription", version="1", status="skipped", reason="model_missing", tier="lite",
        message="run: tiktokctl models pull x/y",
    )  # fmt: skip
    loud = Envelope(
        analyzer="loudness", version="1", status="ok", tier="full", summary=LEVELS | {"opening_jump_lu": 6.0}
    )
    envelope = analyze(NAME, context_of(outputs=[voice, missing, loud]))
    assert envelope.summary["hook_index"] == pytest.approx((0.8 + 0.5) / 2, abs=1e-3), "kinds are not known"
    assert (envelope.status, envelope.tier) == ("ok", "lite")
    assert envelope.summary["unknown"]["hook_text"] == "model_missing", "what is said is not known"
    assert "first_speech_s" not in envelope.summary["unknown"]
    heard = analyze(NAME, context_of(outputs=[voice, loud], speech=[("well then", 0.6, 2.0)]))
    assert heard.summary["hook_index"] == pytest.approx((0.8 + 0.0 + 0.5) / 3, abs=1e-3), "known, and none"


VOICE = dict.fromkeys(VocalDeliveryOutput.model_fields, None) | {"speech_ratio": 0.5, "unknown": {}}
LEVELS = dict.fromkeys(LoudnessOutput.model_fields, None) | {"clip_ratio": 0.0, "silence_ratio": 0.0, "unknown": {}}
