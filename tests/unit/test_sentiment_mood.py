"""The tone of words and emoji, and honest silence about languages that cannot be read."""

from dataclasses import replace

import numpy as np
import pytest

from tests.written import RUNNER, analyze, context_of
from tiktokd.analyzers import sentiment_mood
from tiktokd.analyzers.sentiment_mood import _modelled, joined, music_moods, visual_moods
from tiktokd.encoders import sentiment
from tiktokd.encoders.vader import encode, load
from tiktokd.plugins import LoadContext
from tiktokd.text_features import TextScores, Tone
from tiktokd.texts import Passage

NAME = "sentiment_mood"
PUBLISHED = [
    ("VADER is smart, handsome, and funny.", 0.8316),
    ("VADER is smart, handsome, and funny!", 0.8439),
    ("VADER is very smart, handsome, and funny.", 0.8545),
    ("VADER is VERY SMART, handsome, and FUNNY.", 0.9227),
    ("VADER is VERY SMART, handsome, and FUNNY!!!", 0.9342),
    ("VADER is VERY SMART, uber handsome, and FRIGGIN FUNNY!!!", 0.9469),
    ("VADER is not smart, handsome, nor funny.", -0.7424),
    ("The book was good.", 0.4404),
    ("At least it isn't a horrible book.", 0.431),
    ("The book was only kind of good.", 0.3832),
    ("The plot was good, but the characters are uncompelling and the dialog is not great.", -0.7042),
    ("Today SUX!", -0.5461),
    ("Not bad at all", 0.431),
]
"""From VADER's README."""


def both(context):
    return RUNNER.level2(["language_identification", NAME], context, lambda _name: None).outputs[NAME]


def test_vaders_published_examples_come_out_to_four_decimals():
    tones = encode(load(LoadContext()), [text for text, _ in PUBLISHED])
    assert [round(tone.words, 4) for tone in tones] == [score for _, score in PUBLISHED]


@pytest.mark.parametrize(
    ("caption", "label"),
    [
        ("This is the best day of my life, I am so happy", "positive"),
        ("I hate this terrible ugly place so much", "negative"),
        ("The train leaves the station at noon", "neutral"),
        ("my new kitchen is here 😍😍😍", "positive"),
        ("the way they talked to me today 😡😡", "negative"),
    ],
)
def test_english_words_and_emoji_have_a_tone(caption, label):
    envelope = both(context_of(caption))
    assert envelope.status == "ok"
    assert envelope.summary["text"]["label"] == label
    assert envelope.summary["text"]["lang"] == "en"
    assert envelope.summary["valence"] == envelope.summary["text"]["valence"]
    assert envelope.summary["arousal"] is None
    assert envelope.summary["parts"] == {"text": {"valence": envelope.summary["valence"], "arousal": None}}


@pytest.mark.parametrize(
    "caption", ["Das ist der schönste Tag meines Lebens", "これは最高の一日でした", "que horror de comida"]
)
def test_other_languages_abstain_without_a_model(caption):
    envelope = both(context_of(caption))
    assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "unsupported_language", {})
    assert envelope.tier == "lite"


@pytest.mark.parametrize(("caption", "label"), [("😍🔥🔥👨‍👩‍👧", "positive"), ("😡😡", "negative")])
def test_emoji_without_words_have_a_tone_in_every_language(caption, label):
    envelope = both(context_of(caption))
    assert (envelope.status, envelope.summary["text"]["label"]) == ("ok", label)
    assert envelope.summary["text"]["lang"] is None


@pytest.mark.parametrize("caption", ["...!!!???", "2024 3.14", "🧿"])
def test_signs_without_words_have_no_tone(caption):
    envelope = both(context_of(caption))
    assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "no_text", {})


def test_no_words_are_no_sources():
    assert (both(context_of(None)).status, both(context_of(None)).reason) == ("skipped", "no_sources")


def test_the_lines_of_a_caption_are_judged_one_by_one():
    lines = ("Worst day ever, I hate it", "But the cake is great and I love it")
    by_line, by_sentence = (analyze("sentiment_mood", context_of(b.join(lines))).summary for b in ("\n", ". "))
    assert by_line["text"]["valence"] == pytest.approx(by_sentence["text"]["valence"], abs=0.05)


def test_sentences_that_are_shown_or_said_have_segments():
    context = context_of(
        "A wonderful holiday with my lovely family",
        ocr=[("the worst hotel I have ever seen", 1.0, 3.0)],
        speech=[("but the beach was beautiful and we loved it", 4.0, 7.0)],
    )
    segments = both(context).segments
    assert [(s["start_s"], s["label"], s["source"]) for s in segments] == [
        (1.0, "negative", "ocr"),
        (4.0, "positive", "speech"),
    ]


def test_an_emoji_weighs_less_than_words_and_decides_alone():
    assert joined(Tone(words=None, emoji=0.8, emoji_count=1)) == 0.8
    assert joined(Tone(words=0.5, emoji=None, emoji_count=0)) == 0.5
    mixed = joined(Tone(words=-0.5, emoji=0.8, emoji_count=1))
    assert mixed is not None
    assert -0.5 < mixed < 0


def test_the_name_of_an_emoji_is_no_word():
    (tone,) = encode(load(LoadContext()), ["🔥💀"])
    assert tone.words is None
    assert tone.emoji == 0.4


def test_a_model_speaks_for_every_language():
    scores = TextScores(
        labels=("positive", "neutral", "negative"), scores={"hola": np.array([0.7, 0.2, 0.1], np.float32)}
    )
    ((_, valence),) = _modelled(scores, [Passage(kind="caption", text=" hola ")])
    assert valence == pytest.approx(0.6, abs=1e-6)


def test_a_model_is_asked_for_each_sentence_and_each_has_its_own_segment():
    context = context_of("Das war schlimm. Jetzt ist alles gut!", ocr=[("Wie traurig. Wie schön!", 1.0, 4.0)])
    asked = sentiment.items(context)
    assert asked == ["Das war schlimm.", "Jetzt ist alles gut!", "Wie traurig.", "Wie schön!"]
    rows = np.array([[0.1, 0.1, 0.8], [0.9, 0.1, 0.0]] * 2, np.float32)
    labels = ("positive", "neutral", "negative")
    scores = TextScores(labels=labels, scores=dict(zip(asked, rows, strict=True)))
    result = sentiment_mood.analyze(replace(context, features={"sentiment": scores}))
    assert [segment.label for segment in result.segments] == ["negative", "positive"], "the caption has no time"


def test_moods_of_picture_and_music_must_stand_out():
    cosine = {"joyful": 0.12, "calm": 0.05, "sad": 0.05, "scary": 0.04, "cute": 0.06, "dark": 0.05}
    assert visual_moods({"labels": {"moods": {"cosine": cosine, "floor": 0.1}}}) == ["joyful"]
    assert visual_moods({"labels": {"moods": {"cosine": cosine, "floor": 0.2}}}) == []
    assert visual_moods({}) == []
    assert music_moods({"labels": {"Music": 0.9, "Sad music": 0.1, "Happy music": 0.01}}) == ["sad"]
    assert analyze(NAME, context_of(None)).status == "skipped"


def test_valence_and_arousal_are_means_of_the_parts_that_are_listed():
    moods = {"cosine": {"scary": 0.12, "calm": 0.05, "sad": 0.05, "joyful": 0.04, "cute": 0.06}, "floor": 0.1}
    signals = {"siglip2": {"labels": {"moods": moods}}, "ast": {"labels": {"Happy music": 0.2, "Tender music": 0.1}}}
    context = context_of("This is the best day of my life, I am so happy")
    summary = both(replace(context, signals=signals)).summary
    assert summary["parts"]["picture"] == {"valence": -0.8, "arousal": 0.7}
    assert summary["parts"]["music"] == {"valence": 0.65, "arousal": 0.05}
    valences = [part["valence"] for part in summary["parts"].values()]
    assert (len(valences), summary["valence"]) == (3, pytest.approx(sum(valences) / 3, abs=1e-4))
    assert summary["arousal"] == pytest.approx(0.375)
