"""How many words and letters two texts have in common: token F1 of Rajpurkar et al. 2016, and edit distance."""

from collections import Counter
from collections.abc import Sequence, Set

from tiktokd.likeness import similarity
from tiktokd.texts import words

LETTERS_MAX = 300
"""Of each text are compared letter by letter: the cost grows with the square."""


def token_f1(a: str, b: str, ignored: Set[str] = frozenset()) -> float:
    """Return the token F1 of two texts, 0..1, stop words aside where words remain."""
    left, right = (_bag(text, ignored) for text in (a, b))
    both = sum((left & right).values())
    return 2 * both / (sum(left.values()) + sum(right.values())) if both else 0.0


def coverage(part: str, whole: str) -> float:
    """Return the share 0..1 of the words of `part` that come up in `whole`."""
    wanted, there = Counter(words(part)), Counter(words(whole))
    return sum((wanted & there).values()) / max(sum(wanted.values()), 1)


def _bag(text: str, ignored: Set[str]) -> Counter[str]:
    found = words(text)
    return Counter([word for word in found if word not in ignored] or found)


def nearest(shown: str, said: Sequence[str], ignored: Set[str]) -> str:
    """Return what fits best of what is said, by token F1: a sentence, all of it, or the part that is shown.

    Of equals the one of nearest length.

    A subtitle shows a piece of a long sentence; measured against the whole sentence it would look wrong.
    """
    spoken = words(" ".join(said))
    length = len(words(shown))
    windows = (" ".join(spoken[i : i + length]) for i in range(max(len(spoken) - length, 0) + 1))
    texts = (*said, " ".join(said), *windows)
    return max(texts, key=lambda text: (token_f1(shown, text, ignored), -abs(len(text) - len(shown))))


def letters_alike(a: str, b: str) -> float:
    """Return 1 - edit distance / length of the longer text, 0..1, blind to case, signs and spaces."""
    return similarity(*("".join(words(text))[:LETTERS_MAX] for text in (a, b)))
