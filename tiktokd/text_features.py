"""Features of texts as analyzers see them: vectors, class scores, named entities. Knows no model and no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiktokd.pictures import Label

PARAPHRASE_MARGIN = 0.03
"""How much nearer a prototype must be than every background sentence. E5's cosines fill about 0.7 to 1.0 (model card),
so this is a tenth of their range; chosen with care for false alarms, not fitted to data: results say `calibrated:
false`."""
TOXIC: Mapping[str, str] = {
    "toxicity": "toxicity", "toxic": "toxicity", "severe_toxicity": "toxicity", "severe_toxic": "toxicity",
    "insult": "insult", "threat": "threat", "obscene": "obscene", "identity_attack": "identity_attack",
    "identity_hate": "identity_attack", "sexual_explicit": "sexual", "sexual": "sexual",
}  # fmt: skip
"""Label of a checkpoint for toxicity, in lower case → our name."""
NAMED = ("PER", "ORG", "LOC")
"""Kinds of names that are read: people, organizations, places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLabels:
    """The labels of one taxonomy as texts."""

    labels: tuple[Label, ...]
    vectors: NDArray[np.float32]
    """(L, D), length 1."""
    prototypes: NDArray[np.float32]
    """(P, D), length 1: the sentences behind the labels, each by itself."""
    of: NDArray[np.int64]
    """(P,) number of the label that each sentence belongs to."""
    background: NDArray[np.float32]
    """(B, D), length 1: sentences that say none of it; empty where the file has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextVectors:
    """Features of encoder `e5`."""

    vectors: dict[str, NDArray[np.float32]]
    """Stretch of text (caption, block in the picture, spoken sentence) → (D,), length 1."""
    taxonomies: dict[str, TextLabels]
    """By file name in `data/prompts` and `data/prototypes`."""

    def cosine(self, a: str, b: str) -> float | None:
        """Return how near two stretches lie, -1..1; `None` where one was not embedded."""
        if a not in self.vectors or b not in self.vectors:
            return None
        return float(self.vectors[a] @ self.vectors[b])

    def paraphrased(self, text: str, taxonomy: str, margin: float = PARAPHRASE_MARGIN) -> str | None:
        """Return the id of the label that a text says in other words.

        The label of the nearest prototype sentence; `None` where that is not nearer than every background sentence by
        `margin`, where the text was not embedded, or where the taxonomy has no background to beat.
        """
        labels, vector = self.taxonomies.get(taxonomy), self.vectors.get(text)
        if labels is None or vector is None or not len(labels.background) or not len(labels.prototypes):
            return None
        near = labels.prototypes @ vector
        best = int(near.argmax())
        if float(near[best]) < float((labels.background @ vector).max()) + margin:
            return None
        return labels.labels[int(labels.of[best])].id


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsInPictureSpace:
    """Features of encoder `siglip2_text`."""

    text: str
    """The one that was chosen: caption, speech or text in the picture."""
    vector: NDArray[np.float32]
    """(D,), length 1."""
    others: NDArray[np.float32]
    """(C, D), length 1: captions of other videos."""
    space: str
    """Model and revision; as in the signals of `siglip2`, or the two must not be compared."""


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
    """0..1, mean over the first tokens of its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEntities:
    """Features of encoder `ner`."""

    entities: dict[str, tuple[NamedEntity, ...]]
    """Stretch of text → the names in it, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateSpan:
    """One stretch of private data in a text. Holds no text itself: what leaves an analyzer is masked."""

    start: int
    """First character."""
    end: int
    """After the last character."""
    type: str
    """private_person, private_email, private_phone, private_address, private_date, private_url, account_number, secret,
    or another kind of the checkpoint."""
    score: float
    """0..1, mean over its tokens; not calibrated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """Features of encoder `vader` for one sentence."""

    words: float | None
    """VADER's compound score, -1..1; `None` without letters."""
    emoji: float | None
    """Mean tone of the emoji that the table knows, -1..1; `None` without any."""
    emoji_count: int
