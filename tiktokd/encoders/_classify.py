"""A text classifier over the stretches of a video. Shared by encoders that differ in weights and last function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _texts
from tiktokd.plugins import Context
from tiktokd.text_features import TextScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One stretch of text."""

    values: NDArray[np.float32]
    """(L,), 0..1."""
    labels: tuple[str, ...]


def one_of_several(model: _texts.Labeller, batch: Sequence[str]) -> Sequence[Scores]:
    """Return the class scores of each text, which sum to 1."""
    return _encode(model, batch, lambda logits: logits.softmax(dim=-1))


def each_by_itself(model: _texts.Labeller, batch: Sequence[str]) -> Sequence[Scores]:
    """Return the scores of each text, every class for itself."""
    return _encode(model, batch, lambda logits: logits.sigmoid())


def _encode(model: _texts.Labeller, batch: Sequence[str], last: Callable[[Any], Any]) -> Sequence[Scores]:
    def head(out: Any, _tokens: Any) -> NDArray[np.float32]:
        values: NDArray[np.float32] = last(out.logits.float()).cpu().numpy()
        return values

    labels = tuple(label.lower() for label in model.labels)
    return [Scores(values=v, labels=labels) for v in _texts.run(model.hub, model.tokenizer, batch, head)]


def collect(context: Context, results: Sequence[Scores]) -> TextScores:
    """Return the scores of `_texts.stretches` by text."""
    return by_text(_texts.stretches(context), results)


def by_text(texts: Sequence[str], results: Sequence[Scores]) -> TextScores:
    """Return the scores by text: those that were encoded, in their order."""
    return TextScores(labels=results[0].labels, scores={t: r.values for t, r in zip(texts, results, strict=True)})
