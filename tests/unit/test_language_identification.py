"""Which language a few words are in."""

import pytest

from tests.tables.languages import PHRASES
from tests.written import analyze, context_of
from tiktokd.model import Envelope

NAME = "language_identification"


def primary(caption: str) -> str | None:
    return analyze(NAME, context_of(caption)).summary.get("primary")


def test_at_least_61_of_64_short_phrases_in_16_languages_are_told_apart(accuracy):
    assert (len(PHRASES), sum(len(texts) for texts in PHRASES.values())) == (16, 64)
    wrong = [(code, text, primary(text)) for code, texts in PHRASES.items() for text in texts if primary(text) != code]
    accuracy("language of short phrases, of 64", 64 - len(wrong), mark=61, worse="lower")


@pytest.mark.parametrize("code", ["zh", "ja", "ko"])
def test_han_kana_and_hangul_decide_by_script(code):
    assert all(primary(text) == code for text in PHRASES[code])


def test_chinese_with_a_decorating_kana_stays_chinese():
    assert primary("超级好吃の秘制红烧牛肉面") == "zh"


def test_hashtags_mentions_links_and_emoji_are_no_text():
    for caption in (
        "#fyp #viral @someone https://example.org/de/straße 😂😂",
        "😂😂😂 @someone !!",
        "1234 2024",
        " ".join(f"#tag{i}word" for i in range(2000)),
    ):
        envelope = analyze(NAME, context_of(caption))
        assert (envelope.status, envelope.reason) == ("skipped", "no_text")


def test_hashtags_have_a_language_only_where_it_is_clear():
    summary = analyze(NAME, context_of("Einfach das beste Rezept für den Sommer #fyp #viral #foryou")).summary
    assert summary["by_source"]["hashtags"] == {"lang": None, "prob": None}
    assert summary["primary"] == "de"
    summary = analyze(NAME, context_of("la meilleure recette #cuisinefrancaise #gateau_au_chocolat #avecmoi")).summary
    assert summary["by_source"]["caption"]["lang"] == "fr"


def test_two_ideographs_are_a_word():
    assert primary("你好") == "zh"


def test_two_letters_are_too_few():
    envelope = analyze(NAME, context_of("ok 🙂"))
    assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "no_text", {})


def test_nothing_written_or_said_is_no_sources():
    envelope = analyze(NAME, context_of(None))
    assert (envelope.status, envelope.reason) == ("skipped", "no_sources")


def test_only_writing_that_cannot_be_read_is_an_unsupported_script():
    unread = Envelope(
        analyzer="on_screen_text", version="3", status="skipped", tier="full", reason="unsupported_script"
    )
    silent, beside = context_of(outputs=[unread]), context_of("see you tomorrow my friends", outputs=[unread])
    envelope = analyze(NAME, silent)
    assert (envelope.status, envelope.reason) == ("skipped", "unsupported_script")
    assert analyze(NAME, beside).summary["primary"] == "en"


def test_letters_without_a_language_abstain():
    envelope = analyze(NAME, context_of("xq zzkw vvbp"))
    assert envelope.summary["by_source"]["caption"] == {"lang": None, "prob": None}
    assert (envelope.status, envelope.reason) == ("partial", "unsupported_language")
    assert envelope.summary["primary"] is None
    assert envelope.summary["mixed_ratio"] is None


def test_each_source_has_its_own_language():
    context = context_of(
        "La receta más fácil del mundo #foodtok",
        ocr=[("Das musst du unbedingt probieren", 0.0, 3.0)],
        speech=[("and this is how my grandmother made it every single sunday", 0.0, 6.0)],
    )
    summary = analyze(NAME, context).summary
    assert {source: found["lang"] for source, found in summary["by_source"].items() if source != "hashtags"} == {
        "caption": "es",
        "ocr": "de",
        "speech": "en",
    }
    assert summary["primary"] == "en"
    assert 0.4 < summary["mixed_ratio"] < 0.7


@pytest.mark.parametrize("border", [". ", "\n", "\n\n"])
def test_each_line_of_a_caption_is_a_sentence_that_may_be_in_another_language(border):
    lines = ("Guten Morgen ihr Lieben, heute backen wir Brot", "Good morning everybody, today we bake bread")
    summary = analyze(NAME, context_of(border.join(lines))).summary
    assert summary["primary"] == "de"
    assert summary["mixed_ratio"] == pytest.approx(0.49, abs=0.02)


def test_one_language_everywhere_is_not_mixed():
    context = context_of("My morning routine for busy people", ocr=[("wake up at five in the morning", 0.0, 3.0)])
    assert analyze(NAME, context).summary["mixed_ratio"] == 0.0


def test_the_language_that_the_transcriber_heard_counts_for_speech():
    context = context_of(speech=[("ja genau", 0.0, 1.0)], language="de")
    assert analyze(NAME, context).summary["by_source"]["speech"] == {"lang": "de", "prob": 0.98}


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("hello there", "Latn"),
        ("привет всем", "Cyrl"),
        ("مرحبا بكم", "Arab"),
        ("東京の夜", "Jpan"),
        ("安녕하세요", "Kore"),
        ("你好世界", "Hani"),
        ("नमस्ते दोस्तों", "Deva"),
    ],
)
def test_the_script_has_its_iso_code(text, script):
    assert analyze(NAME, context_of(text)).summary["script"] == script
