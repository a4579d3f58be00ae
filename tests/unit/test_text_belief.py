"""Which readings are believed: words, lone letters, and short words that take turns with longer ones."""

from dataclasses import replace

import pytest

from tiktokd.encoders._text_belief import believable
from tiktokd.texts import TextLine

WORD = TextLine(
    text="morning",
    score=0.99,
    box=(0.3, 0.6, 0.4, 0.06),
    height_ratio=0.06,
    start_s=1.4,
    end_s=2.1,
    samples=1,
    still=True,
)
SHORT = replace(WORD, text="in", box=(0.45, 0.6, 0.1, 0.06), start_s=2.1, end_s=2.8)


def test_a_sure_word_is_believed_and_a_flicker_is_not():
    assert believable(WORD, [WORD])
    assert not believable(replace(WORD, score=0.8), [WORD])
    assert believable(replace(WORD, score=0.8, samples=2), [WORD])
    assert not believable(replace(WORD, text="--"), [WORD])


def test_a_short_word_is_believed_where_it_takes_turns_with_longer_ones_at_one_place():
    assert believable(SHORT, [WORD, SHORT])
    assert believable(replace(SHORT, start_s=0.7, end_s=1.4), [WORD])
    assert believable(replace(SHORT, samples=2), [])


@pytest.mark.parametrize(
    "other",
    [
        replace(WORD, box=(0.3, 0.2, 0.4, 0.06)),
        replace(WORD, box=(0.55, 0.6, 0.4, 0.06)),
        replace(WORD, end_s=1.8),
        replace(WORD, text="on"),
        replace(WORD, score=0.8),
    ],
)
def test_two_letters_that_are_seen_once_and_stand_alone_are_none(other):
    assert not believable(SHORT, [other, SHORT])
    assert not believable(replace(SHORT, score=0.9), [WORD])
