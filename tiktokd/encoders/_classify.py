"""A text classifier over the stretches of a video. Shared by encoders that differ in weights and last function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _hub, _texts
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, LoadContext, Weights
from tiktokd.text_features import TextScores

Last = Literal["softmax", "sigmoid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """A sequence classifier and its class names."""

    hub: _hub.HubModel
    tokenizer: Any
    labels: tuple[str, ...]
    last: Last
    """softmax: one class of several; sigmoid: each class by itself."""

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the scores."""
        return self.hub.used


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One stretch of text."""

    values: NDArray[np.float32]
    """(L,), 0..1."""
    labels: tuple[str, ...]


def loader(weights: Weights, kind: str, last: Last) -> Callable[[LoadContext], Classifier]:
    """Return an encoder's `load` for transformers' class `kind`."""

    def load(context: LoadContext) -> Classifier:
        hub = _hub.load(weights, context, kind)
        names = hub.model.config.id2label
        labels = tuple(str(names[i]).lower() for i in range(len(names)))
        return Classifier(hub=hub, tokenizer=_hub.tokenizer(hub), labels=labels, last=last)

    return load


def encode(model: Classifier, batch: Sequence[str]) -> Sequence[Scores]:
    """Return the class scores of each text."""

    def head(out: Any, _tokens: Any) -> NDArray[np.float32]:
        logits = out.logits.float()
        scores = logits.sigmoid() if model.last == "sigmoid" else logits.softmax(dim=-1)
        values: NDArray[np.float32] = scores.cpu().numpy()
        return values

    return [Scores(values=v, labels=model.labels) for v in _texts.run(model.hub, model.tokenizer, batch, head)]


def collect(context: Context, results: Sequence[Scores]) -> TextScores:
    """Return the scores by text."""
    texts = _texts.stretches(context)
    return TextScores(labels=results[0].labels, scores={t: r.values for t, r in zip(texts, results, strict=True)})
