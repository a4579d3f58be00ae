"""Foreign text on its way to a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktokd.printable import escape, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r", "two\\x0alines\\x0d"),
        ("\x9b31m", "\\x9b31m"),
        ("safe\u202egpj.exe", "safe\\u202egpj.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("half \ud83d", "half \\ud83d"),
        ("été 日本語 👩\u200d🚀", "été 日本語 👩\u200d🚀"),
        ("pass\u200bword", "pass\\u200bword"),
        ("a\u00adb\u2060c\ufeff\u3164\u180e", "a\\xadb\\u2060c\\ufeff\\u3164\\u180e"),
        ("hid\U000e0041\U000e0042", "hid\\U000e0041\\U000e0042"),
        ("\u200d\u200d\u200c", "\u200d\\u200d\\u200c"),
        ("❤\ufe0f می\u200cخواهم 葛\U000e0100", "❤\ufe0f می\u200cخواهم 葛\U000e0100"),
        (
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_what_could_control_a_terminal_becomes_visible(text, shown):
    assert escape(text) == shown


@given(st.text())
def test_the_result_is_one_line_that_any_utf8_terminal_takes(text):
    shown = escape(text)
    shown.encode("utf-8")
    assert "\x1b" not in shown
    assert "\u200b" not in shown
    assert len(shown.splitlines()) <= 1


@given(st.text(), st.integers(1, 40))
def test_a_shortened_text_keeps_its_limit(text, limit):
    assert len(shortened(text, limit)) <= limit


def test_a_cut_is_shown():
    assert shortened("abcdefgh", 5) == "abcd…"
    assert shortened("abcde", 5) == "abcde"
