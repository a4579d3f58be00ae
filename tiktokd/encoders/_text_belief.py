"""Which readings are believed: textures and shapes are read as letters too. Pure."""

from collections.abc import Iterable

from tiktokd.encoders._text_reader import SURE_SCORE
from tiktokd.texts import TextLine

LONE_SCORE, LONE_LETTERS = 0.95, 2
"""One or two letters must be surer than a word, whose letters support one another."""
GIANT_RATIO = 0.2
"""Higher than a fifth of the picture are only shapes that look like letters (a handle read as 8, a window as X)."""
TURN_S, TURN_ASIDE = 0.11, 0.1
"""Most time, and share of the width, between two words that take turns in one place."""


def believable(line: TextLine, every: Iterable[TextLine]) -> bool:
    """Refuse what textures and shapes are read as: flickers, giant letters, lone letters."""
    letters = _letters(line)
    if letters == 0:
        return False
    if letters <= LONE_LETTERS:
        seen = line.samples >= 2 or any(_takes_turns(line, other) for other in every)
        return seen and line.height_ratio <= GIANT_RATIO / 2 and line.score >= LONE_SCORE
    return line.samples >= 2 or line.score >= SURE_SCORE


def _takes_turns(line: TextLine, word: TextLine) -> bool:
    """Return whether a longer word stood in the same place right before or after, as where every word is a caption."""
    x, y = (abs(line.box[i] + line.box[i + 2] / 2 - word.box[i] - word.box[i + 2] / 2) for i in (0, 1))
    near = x <= TURN_ASIDE and y <= word.box[3] / 2
    apart_s = min(abs(line.start_s - word.end_s), abs(word.start_s - line.end_s))
    return near and apart_s <= TURN_S and _letters(word) > LONE_LETTERS and word.score >= SURE_SCORE


def _letters(line: TextLine) -> int:
    return sum(char.isalnum() for char in line.text)
