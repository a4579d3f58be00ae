"""Writing in an unknown script, texture, and garbage are told apart."""

import numpy as np
import pytest

from tests.lettering import backdrop, full_font, write
from tiktokd.encoders._unknown_writing import garbled, looks_written

needs_font = pytest.mark.skipif(full_font() is None, reason="no font with Cyrillic letters on this machine")


def strip(text: str) -> np.ndarray:
    """Return a line as it is cut out of a picture."""
    return write(backdrop((420, 48), 2), [(text, 4, 34)])


def fence(width_px: int) -> np.ndarray:
    """Return a row of upright marks of different brightness."""
    picture = np.full((48, 420, 3), 90, np.uint8)
    for number, left in enumerate(range(4, 400, 2 * width_px)):
        picture[6:42, left : left + width_px] = 150 + 25 * (number * 7 % 5)
    return picture


@needs_font
@pytest.mark.parametrize("text", ["Привет, друзья мои", "Καλημέρα σε όλους", "Good morning to all"])
def test_a_line_of_any_script_looks_written(text):
    assert looks_written(strip(text), detected=0.75, height_ratio=0.05)


@pytest.mark.parametrize("width_px", [4, 6, 10, 16])
def test_a_row_of_like_marks_does_not_look_written(width_px):
    assert not looks_written(fence(width_px), detected=0.85, height_ratio=0.05)


@needs_font
def test_what_is_doubtful_small_large_short_or_flat_does_not_count_as_written():
    line = strip("Привет, друзья мои")
    assert not looks_written(line, detected=0.5, height_ratio=0.05)
    assert not looks_written(line, detected=0.8, height_ratio=0.02)
    assert not looks_written(line, detected=0.8, height_ratio=0.15)
    assert not looks_written(line[:, :120], detected=0.8, height_ratio=0.05)
    assert not looks_written((line / 10).astype(np.uint8), detected=0.8, height_ratio=0.05)


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("a5ananu", "añananu"),
        ("aananu", "añananu"),
        ("5uāuwnTUāu", "5uāuwnTUu"),
        ("D7107 D17U", "07107 017U"),
        ("Kαλημρα σε λου", "Kαλημρα σε λου"),
    ],
)
def test_thai_hebrew_and_greek_read_as_latin_are_garbage(text, again):
    """As PP-OCRv6 read them, without and with more of the picture around the line."""
    assert garbled(text, again)


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("HERBST10", "HERBST10"),
        ("Hôm nay tri tht là vui", "Hôm nay tròi tht là vui"),
        ("NOT TODAY", "NOT TODAV"),
        ("banana", "banana"),
        ("area = π r", "area = T r"),
    ],
)
def test_words_are_no_garbage(text, again):
    assert not garbled(text, again)
