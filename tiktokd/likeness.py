"""How alike two texts are, letter by letter. Knows no meaning and no language."""

import difflib
from collections.abc import Collection


def edit_distance(a: str, b: str) -> int:
    """Return the Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def similarity(a: str, b: str) -> float:
    """Return 1 - edit distance / length of the longer text, 0..1, blind to case and spaces."""
    a, b = squeezed(a), squeezed(b)
    return 1.0 - edit_distance(a, b) / max(len(a), len(b), 1)


def meant(word: str, able: Collection[str]) -> str:
    """Return what was meant by a word that is none of `able`: the nearest, as a question, or all where none is near."""
    near = difflib.get_close_matches(word, able, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(able)}"


def squeezed(text: str) -> str:
    """Return the text in lower case without white space."""
    return "".join(text.lower().split())
