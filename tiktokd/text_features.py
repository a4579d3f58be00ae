"""Features of texts as analyzers see them: vectors, class scores, named entities. Knows no model and no torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiktokd.pictures import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLabels:
    """The labels of one taxonomy as texts."""

    labels: tuple[Label, ...]
    vectors: NDArray[np.float32]
    """(L, D), length 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextVectors:
    """Features of encoder `e5`."""

    vectors: dict[str, NDArray[np.float32]]
    """Stretch of text (caption, block in the picture, spoken sentence) → (D,), length 1."""
    taxonomies: dict[str, TextLabels]

    def cosine(self, a: str, b: str) -> float | None:
        """Return how near two stretches lie, -1..1; `None` where one was not embedded."""
        if a not in self.vectors or b not in self.vectors:
            return None
        return float(self.vectors[a] @ self.vectors[b])


@dataclass(frozen=True, slots=True, kw_only=True)
class TextScores:
    """Features of a text classifier."""

    labels: tuple[str, ...]
    """Lower case, as the checkpoint names them."""
    scores: dict[str, NDArray[np.float32]]
    """Stretch of text → (L,), 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEntity:
    """One name in one stretch of text."""

    text: str
    type: str
    """PER, ORG, LOC or another type of the checkpoint."""
    score: float
    """0..1, mean over its tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEntities:
    """Features of encoder `ner`."""

    entities: dict[str, tuple[NamedEntity, ...]]
    """Stretch of text → the names in it, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """Features of encoder `vader` for one sentence."""

    words: float | None
    """VADER's compound score, -1..1; `None` without letters."""
    emoji: float | None
    """Mean tone of the emoji that the table knows, -1..1; `None` without any."""
    emoji_count: int
