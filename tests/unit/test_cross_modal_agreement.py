"""What is written, shown and said: the same, different, or the same in other words."""

import numpy as np
import pytest

from tests.written import analyze, context_of
from tiktokd.analyzers.cross_modal_agreement import _semantic, token_f1
from tiktokd.text_features import TextVectors
from tiktokd.texts import Passage

NAME = "cross_modal_agreement"
SAID = "ask not what your country can do for you"


def test_the_same_words_agree_fully():
    context = context_of(ocr=[(SAID, 1.0, 4.0)], speech=[(SAID, 1.2, 4.1)])
    summary = analyze(NAME, context).summary
    assert summary["ocr_speech"] == {
        "token_f1": 1.0,
        "edit_similarity": 1.0,
        "semantic": None,
        "verbatim_caption_ratio": 1.0,
    }
    assert summary["mismatch_flags"] == []


def test_subtitles_in_pieces_of_a_long_sentence_agree_fully():
    pieces = [("printing in the only sense", 0.0, 2.0), ("with which we are at present concerned", 2.0, 4.0)]
    said = [("Printing, in the only sense with which we are at present concerned.", 0.0, 4.0)]
    found = analyze(NAME, context_of(ocr=pieces, speech=said)).summary["ocr_speech"]
    assert found["verbatim_caption_ratio"] == 1.0
    assert found["token_f1"] >= 0.95


def test_a_letter_that_was_misread_costs_a_word_but_only_one_letter():
    context = context_of(ocr=[("ask not what vour country can do", 1.0, 4.0)], speech=[(SAID, 1.0, 4.0)])
    found = analyze(NAME, context).summary["ocr_speech"]
    assert found["token_f1"] < 0.9
    assert found["edit_similarity"] == pytest.approx(1 - 1 / 26, abs=1e-4)


def test_disjoint_words_disagree():
    context = context_of(ocr=[("cheap flights to Lisbon", 1.0, 4.0)], speech=[("boil the noodles in water", 1.0, 4.0)])
    summary = analyze(NAME, context).summary
    assert summary["ocr_speech"]["token_f1"] < 0.2
    assert summary["mismatch_flags"] == ["ocr_differs_from_speech"]


def test_a_translation_has_few_words_in_common():
    context = context_of(
        ocr=[("demande-toi ce que tu peux faire pour ton pays", 1.0, 4.0)],
        speech=[("ask what you can do for your country", 1.0, 4.0)],
    )
    assert analyze(NAME, context).summary["ocr_speech"]["token_f1"] < 0.3


def test_words_at_different_times_are_not_compared():
    context = context_of("A day by the sea", ocr=[(SAID, 0.0, 2.0)], speech=[(SAID, 10.0, 14.0)])
    assert analyze(NAME, context).summary["ocr_speech"] is None


def test_hashtags_are_compared_without_those_that_everybody_uses():
    context = context_of(
        "So good #fyp #viral #bananabread #cake", ocr=[("the best banana bread recipe ever", 0.0, 5.0)]
    )
    summary = analyze(NAME, context).summary
    assert summary["hashtag_relevance"] == [
        {"hashtag": "bananabread", "found": True},
        {"hashtag": "cake", "found": False},
    ]


def test_the_caption_is_compared_with_all_that_is_shown_and_said():
    context = context_of(
        "my grandmother bakes banana bread",
        ocr=[("BANANA BREAD", 0.0, 2.0)],
        speech=[("how my grandmother bakes", 2.0, 5.0)],
    )
    assert analyze(NAME, context).summary["caption_content"] > 0.6
    other = context_of("my new running shoes arrived", ocr=[("HOW TO BOIL PASTA", 0.0, 2.0)])
    summary = analyze(NAME, other).summary
    assert summary["caption_content"] == 0.0
    assert "caption_differs_from_content" in summary["mismatch_flags"]
    vague = context_of("Climbing tips for beginners", ocr=[("WAIT FOR IT...", 0.0, 2.0)])
    assert analyze(NAME, vague).summary["mismatch_flags"] == []


@pytest.mark.parametrize("context", [context_of("only a caption here"), context_of(ocr=[(SAID, 0.0, 1.0)])])
def test_one_source_is_not_enough(context):
    envelope = analyze(NAME, context)
    assert (envelope.status, envelope.reason, envelope.summary) == ("skipped", "no_sources", {})


def test_too_few_words_are_partial_not_zero():
    envelope = analyze(NAME, context_of("wow", ocr=[("hi", 0.0, 1.0)]))
    assert (envelope.status, envelope.reason) == ("partial", "no_text")
    assert envelope.summary["caption_content"] is None


def test_stop_words_alone_do_not_make_texts_alike():
    ignored = frozenset({"the", "is", "on"})
    assert token_f1("the cat is on the mat", "the dog is on the sofa", ignored) == 0.0
    assert token_f1("the cat", "the cat", ignored) == 1.0


def test_meaning_is_the_mean_cosine_of_the_pairs():
    vectors = {"a b c": np.array([1.0, 0.0], np.float32), "x y z": np.array([0.8, 0.6], np.float32)}
    block, said = Passage(kind="ocr", text="a b c"), Passage(kind="speech", text="x y z")
    assert _semantic([(block, [said])], TextVectors(vectors=vectors, taxonomies={})) == 0.8
    assert _semantic([(block, [said])], None) is None
