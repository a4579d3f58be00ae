"""Captions as people really write them, or do not: every analyzer of words answers, and none makes anything up."""

import json
import unicodedata
from typing import get_args

import pytest

from tests.written import CATALOGUE, RUNNER, context_of
from tiktokd.lettering import plain
from tiktokd.model import Envelope, Reason

WORDS = sorted(a.name for a in CATALOGUE.analyzers.values() if a.group in ("text", "metadata"))
CAPTIONS = {
    "none": None,
    "empty": "",
    "spaces": " \n\t ",
    "emoji": "😍🔥🔥👨‍👩‍👧",
    "tags": " ".join(f"#tag{i}word" for i in range(2000)),
    "common_tags": "#fyp #viral #foryou",
    "mention": "@someone",
    "link": "https://bit.ly/3abc",
    "digits": "1234567890 2024 3.14",
    "signs": "...!!!???",
    "arabic": "\u202bشاهد هذا الفيديو حتى النهاية! تابعني @user #اكسبلور 😂\u202c",
    "hebrew": "תראו את הסרטון עד הסוף #ישראל",
    "mixed": "Best ラーメン in 東京! Очень вкусно, me encanta 😋 #ramen #ラーメン",
    "stacked_marks": "H̵̡͎e̶̘l̷l̸o̴ " * 50,
    "terminal": "hi \x1b[31mred\x07 \ufeff\u2028ok",
    "scream": "a" * 4000,
}


@pytest.fixture(scope="module")
def results():
    """Return a function: name of a caption → its envelopes, made once."""
    found = {}

    def of(name):
        if name not in found:
            found[name] = RUNNER.level2(WORDS, context_of(CAPTIONS[name]), lambda _n: None).outputs
        return found[name]

    return of


@pytest.mark.parametrize("name", CAPTIONS)
def test_every_analyzer_of_words_answers_without_an_error(results, name):
    envelopes = results(name)
    assert {n: e.message for n, e in envelopes.items() if e.status == "error"} == {}
    for envelope in envelopes.values():
        json.loads(json.dumps(envelope.model_dump(mode="json"), allow_nan=False))
        assert (envelope.reason is None) == (envelope.status == "ok"), envelope
        assert envelope.reason is None or envelope.reason in get_args(Reason)
        assert (envelope.summary == {}) == (envelope.status == "skipped"), envelope


@pytest.mark.parametrize("name", ["none", "empty", "spaces"])
def test_no_caption_is_no_source(results, name):
    envelopes = results(name)
    texts = [a.name for a in CATALOGUE.analyzers.values() if a.group == "text"]
    assert {n: envelopes[n].reason for n in texts} == dict.fromkeys(texts, "no_sources")


@pytest.mark.parametrize("name", ["emoji", "tags", "common_tags", "mention", "link", "digits", "signs"])
def test_what_is_no_language_has_none(results, name):
    found = results(name)["language_identification"]
    assert (found.status, found.reason) == ("skipped", "no_text")


@pytest.mark.parametrize("name", ["tags", "common_tags", "mention", "link", "digits", "signs"])
def test_what_says_nothing_has_no_tone(results, name):
    found = results(name)["sentiment_mood"]
    assert (found.status, found.reason) in (("skipped", "no_text"), ("skipped", "no_sources"))


def test_two_thousand_hashtags_are_all_there_and_none_is_more(results):
    found = results("tags")["entities_keywords"].summary
    assert len(found["hashtags"]) == 2000
    assert found["keyphrases"] == found["brands"] == found["entities"] == []


@pytest.mark.parametrize(("name", "language"), [("arabic", "ar"), ("hebrew", "he")])
def test_writing_from_right_to_left_is_read(results, name, language):
    assert results(name)["language_identification"].summary["primary"] == language
    assert results(name)["entities_keywords"].summary["hashtags"]
    assert results(name)["sentiment_mood"].reason == "unsupported_language"


def test_a_voice_that_nothing_transcribes_is_why_there_is_nothing_to_read():
    missing = Envelope(
        analyzer="speech_transcription", version="1", status="skipped", reason="model_missing", tier="lite",
        message="run: tiktokctl models pull openai/whisper",
    )  # fmt: skip
    texts = [a.name for a in CATALOGUE.analyzers.values() if a.group == "text"] + ["cross_modal_agreement"]
    envelopes = RUNNER.level2(texts, context_of(None, outputs=[missing]), lambda _n: None).outputs
    for name in texts:
        assert (envelopes[name].status, envelopes[name].reason) == ("skipped", "model_missing"), name
        assert "somebody speaks: run: tiktokctl models pull openai/whisper" in envelopes[name].message, name
    written = RUNNER.level2(texts, context_of("Follow me for more!", outputs=[missing]), lambda _n: None).outputs
    assert (written["language_identification"].status, written["language_identification"].tier) == ("ok", "lite")


DRESSED = ["𝓛𝓲𝓷𝓴 𝓲𝓷 𝓫𝓲𝓸, 𝗰𝗼𝗱𝗲 𝗦𝗔𝗩𝗘𝟮𝟬", "Ｌｉｎｋ ｉｎ ｂｉｏ, ｃｏｄｅ ＳＡＶＥ２０", "🄻ⓘⓝⓚ ⓘⓝ ⓑⓘⓞ, ℂode SAVE20"]


@pytest.mark.parametrize("caption", DRESSED)
def test_words_in_fancy_letters_are_words(caption):
    found = RUNNER.level2(WORDS, context_of(caption), lambda _n: None).outputs
    calls = found["call_to_action"].summary
    assert "link_in_bio" in [call["type"] for call in calls["ctas"]]
    assert calls["promo_codes"] == ["SAVE20"]
    assert found["language_identification"].summary["primary"] == "en"


def test_an_accent_of_its_own_makes_no_other_language():
    caption = "Voilà les crêpes préférées de l'été, très légères"
    composed, apart = (
        RUNNER.level2(WORDS, context_of(unicodedata.normalize(form, caption)), lambda _n: None).outputs
        for form in ("NFC", "NFD")
    )
    for name in WORDS:
        assert composed[name].summary == apart[name].summary, name
    assert composed["language_identification"].summary["primary"] == "fr"


def test_emoji_and_signs_are_not_undressed():
    kept = "Ⓜ️ 🅰️ 🆗 ™️ ℹ️ ㊗️ 1️⃣ 🇫🇷 ½ ① ＃ ＠ … カ ﬁ"
    assert plain(kept) == kept


def test_tags_alone_are_text_without_a_tone(results):
    found = results("common_tags")["sentiment_mood"]
    assert (found.status, found.reason) == ("skipped", "no_text")
