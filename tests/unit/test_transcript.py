"""Whisper's tokens to words, windows of speech, and the guards against invented text."""

import math

import numpy as np
import pytest

from tiktokd.encoders import _transcript as t
from tiktokd.encoders._whisper_decode import Decoded, token_ends
from tiktokd.encoders.whisper import languages, windows
from tiktokd.sound import Sentence

PIECES = {1: " ask", 2: " not", 3: "hing", 4: "秋", 5: "天", 6: "\ufffd", 7: "\ufffd"}


def decode(tokens):
    return "é" if list(tokens) == [6, 7] else "".join(PIECES[i] for i in tokens)


def piece(*tokens, logprob=-0.5):
    ends = tuple(1.0 + 0.25 * (i + 1) for i in range(len(tokens)))
    return t.Piece(
        start_s=1.0, end_s=ends[-1], tokens=tokens, token_end_s=ends, logprobs=(logprob,) * len(tokens), no_speech=0.1
    )


def said(text, *, start=0.0, end=2.0, logprob=-0.2, no_speech=0.0):
    return Sentence(start_s=start, end_s=end, text=text, avg_logprob=logprob, no_speech_prob=no_speech, words=())


def test_tokens_without_a_space_belong_to_the_word_before():
    found = t.words(piece(1, 2, 3), decode, "en")
    assert [(w.text, w.start_s, w.end_s) for w in found] == [("ask", 1.0, 1.25), ("nothing", 1.25, 1.75)]
    assert found[1].p == pytest.approx(math.exp(-0.5))


def test_languages_without_spaces_have_one_word_per_token():
    assert [w.text for w in t.words(piece(4, 5), decode, "zh")] == ["秋", "天"]


def test_a_character_in_two_tokens_is_one_word():
    assert [(w.text, w.end_s) for w in t.words(piece(6, 7), decode, "fr")] == [("é", 1.5)]


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        (said("And so, my fellow Americans"), None),
        (said("something", logprob=-1.5, no_speech=0.9), "no_speech"),
        (said("something", logprob=-0.3, no_speech=0.9), None),
        (said("la la la " * 30), "repetition"),
        (said("I am here and I am here and I am here and I am here now"), "repetition"),
        (said("Out of nowhere", start=8.0, end=9.0), "outside_speech"),
        (said("Thanks for watching!", logprob=-0.6), "stock_phrase"),
        (said("Thanks for watching!", logprob=-0.1), None),
        (said(""), "empty"),
    ],
)
def test_what_looks_invented_is_left_out(sentence, why):
    assert t.invented(sentence, [(0.0, 3.0)]) == why


def test_windows_hold_all_speech_and_never_exceed_thirty_seconds():
    spans = [(0.0, 4.0), (4.5, 9.0), (20.0, 22.0), (25.0, 90.0)]
    found = windows(spans)
    assert all(end - start <= 29.6 + 1e-9 for start, end in found)
    for start, end in spans:
        covered = sum(max(0.0, min(end, b) - max(start, a)) for a, b in found)
        assert covered == pytest.approx(end - start)
    assert found[0] == (0.0, 9.0)


def test_timestamps_divide_the_text_and_stay_inside_the_window():
    heard = Decoded(
        language="en",
        language_prob=1.0,
        no_speech_prob=0.0,
        tokens=(200, 1, 2, 300, 300, 3, 1700),
        logprobs=(-0.1,) * 7,
        ends_s=(0.0, 0.5, 9.0, 2.0, 2.0, 1.0, 30.0),
    )
    first, second = t.pieces(heard, 200, 100, start_s=10.0, length_s=6.0)
    assert (first.start_s, first.end_s, first.tokens, first.token_end_s) == (10.0, 12.0, (1, 2), (10.5, 12.0))
    assert (second.start_s, second.end_s, second.tokens, second.token_end_s) == (12.0, 16.0, (3,), (12.0,))


def test_the_cheapest_path_follows_the_attention():
    weights = np.full((2, 3, 30), 0.01, np.float32)
    for token, (a, b) in enumerate([(0, 10), (10, 15), (15, 30)]):
        weights[:, token, a:b] = 1.0
    assert token_ends(weights, 3) == pytest.approx([0.2, 0.3, 0.6], abs=0.041)


def test_languages_are_bcp_47():
    assert languages({"<|en|>": 1, "<|yue|>": 2, "<|jw|>": 3}) == {1: "en", 2: "yue", 3: "jv"}
