"""Sentence vectors in 100 languages: what two texts have in common, whatever their words.

Bad at negation, irony and single words; cosines of unrelated texts lie around 0.75, so only differences mean something.
Source: Wang et al. 2024, "Multilingual E5", arXiv 2402.05672; intfloat/multilingual-e5-small, MIT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _hub, _prompts, _texts
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, Encoder, LoadContext, Weights
from tiktokd.text_features import TextLabels, TextVectors

WEIGHTS = Weights(
    hub_id="intfloat/multilingual-e5-small",
    revision="614241f622f53c4eeff9890bdc4f31cfecc418b3",
    licence="MIT",
    size_mib=449,
)
PREFIX = "query: "
"""E5 was trained with it; "query" on both sides for symmetric tasks (model card)."""
TAXONOMIES = ("content_categories",)
"""Prompt files whose labels are embedded as texts."""
BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class E5:
    """The model and the labels in its space."""

    hub: _hub.HubModel
    tokenizer: Any
    labels: dict[str, TextLabels]

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the vectors."""
        return self.hub.used


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vector:
    vector: NDArray[np.float32]
    labels: dict[str, TextLabels]


def load(context: LoadContext) -> E5:
    """Return the model, with the taxonomies embedded (cached on disk)."""
    hub = _hub.load(WEIGHTS, context, "BertModel")
    tokenizer = _hub.tokenizer(hub)
    space = f"{hub.used[0].id}@{hub.used[0].revision or 'local'}"
    cache = (context.models_dir or Path.cwd()) / ".prompts"

    def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
        parts = [_embed(hub, tokenizer, texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        return np.concatenate(parts)

    found = {name: _prompts.matrix(_prompts.read(name, context.data_dir), vectors, cache, space) for name in TAXONOMIES}
    labels = {name: TextLabels(labels=m.taxonomy.labels, vectors=m.labels) for name, m in found.items()}
    return E5(hub=hub, tokenizer=tokenizer, labels=labels)


def _embed(hub: _hub.HubModel, tokenizer: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (len, D) float32 of length 1: the mean over the tokens that are not padding."""
    import torch

    def head(out: Any, tokens: Any) -> NDArray[np.float32]:
        mask = tokens["attention_mask"].to(out.last_hidden_state.device)[..., None]
        mean = (out.last_hidden_state.float() * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1)
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(mean, dim=-1).cpu().numpy()
        return vectors

    found: NDArray[np.float32] = _texts.run(hub, tokenizer, [PREFIX + text for text in texts], head)
    return found


def encode(model: E5, batch: Sequence[str]) -> Sequence[_Vector]:
    """Return one vector per text."""
    return [_Vector(vector=v, labels=model.labels) for v in _embed(model.hub, model.tokenizer, batch)]


def collect(context: Context, results: Sequence[_Vector]) -> TextVectors:
    """Return the vectors by text."""
    texts = _texts.stretches(context)
    vectors = {text: result.vector for text, result in zip(texts, results, strict=True)}
    return TextVectors(vectors=vectors, taxonomies=results[0].labels)


ENCODER = Encoder(
    name="e5",
    title="Sentence vectors of caption, read text and speech",
    input="text",
    place="cpu",
    load=load,
    items=_texts.stretches,
    nothing="no_text",
    encode=encode,
    collect=collect,
    weights=WEIGHTS,
    max_batch=BATCH,
    gflop_per_item=0.043 * 32,
)
