"""Captions in styled letters and with invisible characters say the same as in plain ones."""

import pytest

from tests.written import RUNNER, analyze, context_of
from tiktokd.lettering import plain
from tiktokd.texts import words


@pytest.mark.parametrize(
    "written",
    [
        "l\u200bink in\u200b bi\u2060o", "𝗟𝗶𝗻𝗸 𝗶𝗻 𝗯𝗶𝗼", "𝓵𝓲𝓷𝓴 𝓲𝓷 𝓫𝓲𝓸", "ＬＩＮＫ ＩＮ ＢＩＯ", "ⓛⓘⓝⓚ ⓘⓝ ⓑⓘⓞ",
        "🅛🅘🅝🅚 🅘🅝 🅑🅘🅞", "li\u00adnk in b\u200cio", "\u202alink in bio\u202c",
    ],
)  # fmt: skip
def test_styled_and_invisible_letters_hide_no_call(written):
    calls = analyze("call_to_action", context_of(written)).summary["ctas"]
    assert [(call["type"], call["text"].lower()) for call in calls] == [("link_in_bio", "link in bio")]


def test_arabic_ornament_hides_no_call():
    for written in ("تـابـعـونـي للمزيد", "تَابِعُونِي لِلْمَزِيد", "\u202bتابعوني للمزيد\u202c"):
        calls = analyze("call_to_action", context_of(written)).summary["ctas"]
        assert [call["type"] for call in calls] == ["follow"], written


def test_styled_letters_have_a_language_and_a_tone():
    names = ["language_identification", "sentiment_mood"]
    found = RUNNER.level2(names, context_of("𝓘 𝓵𝓸𝓿𝓮 𝓽𝓱𝓲𝓼 𝓻𝓮𝓬𝓲𝓹𝓮 𝓼𝓸 𝓶𝓾𝓬𝓱"), lambda _name: None).outputs
    assert found["language_identification"].summary["primary"] == "en"
    assert found["sentiment_mood"].summary["text"]["label"] == "positive"


def test_what_is_hidden_from_filters_is_found():
    kinds = [
        s["type"] for s in analyze("text_moderation", context_of("g\u200buaranteed profits")).summary["suspicions"]
    ]
    assert kinds == ["guaranteed_money"]
    assert analyze("text_moderation", context_of("un\u200balive")).summary["suspicions"]


@pytest.mark.parametrize("written", ["𝐜𝐚𝐟𝐞\u0301", "cafe\u200b\u0301", "cafe\u0301", "𝒄𝒂𝒇é"])
def test_an_accent_on_a_styled_letter_or_behind_something_invisible_is_composed(written):
    assert plain(written) == "café"


def test_words_that_only_a_zero_width_space_parts_stay_apart():
    assert words(plain("ខ្ញុំ\u200bចូលចិត្ត\u200bធ្វើម្ហូប")) == ["ខ្ញុំ", "ចូលចិត្ត", "ធ្វើម្ហូប"]
    assert words(plain("ทำ\u200bอาหาร li\u200bnk")) == ["ทำ", "อาหาร", "link"]


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d👩\u200d👧 ❤️ 🅰️🅱️ ™ ① ½ …", "می\u200cخواهم", "क्\u200dष", "你好，世界！（笑）",
        "カフェ ｶﾌｪ", "#tag @name $5 http://a.de/b?c",
    ],
)  # fmt: skip
def test_what_means_something_stays(text):
    assert plain(text) == text
