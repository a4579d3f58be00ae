"""Sentence vectors in 100 languages: what two texts have in common, whatever their words.

Bad at negation, irony and single words; cosines of unrelated texts lie around 0.75, so only differences mean something.
Source: Wang et al. 2024, "Multilingual E5", arXiv 2402.05672; intfloat/multilingual-e5-small, MIT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _hub, _prompts, _texts
from tiktokd.keyphrases import candidates, unbroken
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, Encoder, LoadContext, Weights
from tiktokd.text_features import TextLabels, TextVectors
from tiktokd.texts import Kind, blocks, opening, passages, sentences

WEIGHTS = Weights(
    hub_id="intfloat/multilingual-e5-small",
    revision="614241f622f53c4eeff9890bdc4f31cfecc418b3",
    licence="MIT",
    size_mib=449,
)
PREFIX = "query: "
"""E5 was trained with it; "query" on both sides for symmetric tasks (model card)."""
TAXONOMIES = {"content_categories": "prompts", "calls": "prototypes", "openings": "prototypes"}
"""Files whose labels are embedded as texts, and the folder in `data` that they lie in."""
SENTENCES_MAX, PHRASES_MAX = 64, 48
"""Sentences and candidates for keyphrases per video, besides the stretches that they are cut from."""
KINDS: tuple[Kind, ...] = ("caption", "ocr", "speech")
BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class E5:
    """The model, and labels and prototypes in its space."""

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
    # AutoModel: the larger E5 are XLM-RoBERTa.
    hub = _texts.hub_model(WEIGHTS, context, "AutoModel", unread="pooler.")
    tokenizer = _hub.tokenizer(hub)
    space = _hub.space(hub)
    cache = (context.models_dir or Path.cwd()) / ".prompts"

    def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
        parts = [_embed(hub, tokenizer, texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        return np.concatenate(parts)

    labels = {}
    for name, folder in TAXONOMIES.items():
        found = _prompts.matrix(_prompts.read(name, context.data_dir, folder), vectors, cache, space)
        labels[name] = TextLabels(
            labels=found.taxonomy.labels,
            vectors=found.labels,
            prototypes=found.each,
            of=found.of,
            background=found.background,
        )
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


def items(context: Context) -> list[str]:
    """Return the different texts of one video that are embedded.

    Caption, blocks in the picture and spoken stretches; then their sentences and the words of the opening; then the
    phrases among which keyphrases are chosen.
    """
    found = passages(context)
    whole = dict.fromkeys(_texts.stretches(context))
    parts = [*blocks(opening(found)), *sentences(blocks(found))]
    short = dict.fromkeys(part.text.strip()[: _texts.CHARACTERS_MAX] for part in parts)
    more = [text for text in short if any(c.isalpha() for c in text) and text not in whole][:SENTENCES_MAX]
    stop = context.features.get("stopwords", {})
    lists = [candidates(unbroken(found, kind), stop) if stop else [] for kind in KINDS]
    # In turn, so that a wall of text in the picture does not push out the caption's phrases.
    turns = [phrase for turn in zip_longest(*lists) for phrase in turn if phrase]
    phrases = [text for text in dict.fromkeys(turns) if text not in {*whole, *more}][:PHRASES_MAX]
    return [*whole, *more, *phrases]


def encode(model: E5, batch: Sequence[str]) -> Sequence[_Vector]:
    """Return one vector per text."""
    return [_Vector(vector=v, labels=model.labels) for v in _embed(model.hub, model.tokenizer, batch)]


def collect(context: Context, results: Sequence[_Vector]) -> TextVectors:
    """Return the vectors by text."""
    vectors = {text: result.vector for text, result in zip(items(context), results, strict=True)}
    return TextVectors(vectors=vectors, taxonomies=results[0].labels)


ENCODER = Encoder(
    name="e5",
    title="Sentence vectors of caption, read text and speech",
    input="text",
    place="cpu",
    load=load,
    items=items,
    nothing="no_text",
    nothing_said="no caption, and no words that were read or transcribed",
    encode=encode,
    collect=collect,
    uses=("stopwords",),
    weights=WEIGHTS,
    max_batch=BATCH,
    gflop_per_item=0.043 * 32,
)
