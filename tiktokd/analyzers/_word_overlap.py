"""How many words two texts have in common (token F1 of Rajpurkar et al. 2016), blind to case and order."""

from collections import Counter
from collections.abc import Sequence, Set

from tiktokd.texts import words


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


def best_f1(shown: str, said: Sequence[str], ignored: Set[str]) -> float:
    """Return the F1 against what is said, whichever fits best: a sentence, all of it, or the part that is shown.

    A subtitle shows a piece of a long sentence; measured against the whole sentence it would look wrong.
    """
    spoken = words(" ".join(said))
    length = len(words(shown))
    windows = (" ".join(spoken[i : i + length]) for i in range(max(len(spoken) - length, 0) + 1))
    return max(token_f1(shown, text, ignored) for text in (*said, " ".join(said), *windows))
