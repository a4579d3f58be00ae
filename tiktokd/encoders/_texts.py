"""What text models share: the stretches of a video that they read, a model with labels, tokens in padded batches."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tiktokd.encoders import _hub
from tiktokd.errors import ModelMissing
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, LoadContext, Weights
from tiktokd.texts import Passage, blocks, passages

STRETCHES_MAX = 64
"""Per video; a wall of text is read from the top."""
CHARACTERS_MAX = 2000
"""Per stretch; longer ones are cut by the tokenizer anyway."""

AFTER_PADDING = frozenset({"xlm-roberta", "xlm-roberta-xl", "roberta", "camembert", "mpnet"})
"""Kinds whose positions start after the padding id (fairseq): those up to it cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeller:
    """A model that gives each text, or each token of it, one of its labels."""

    hub: _hub.HubModel
    tokenizer: Any
    labels: tuple[str, ...]
    """As its checkpoint calls them."""

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the labels."""
        return self.hub.used


def load(weights: Weights, context: LoadContext, kind: str, *, dtype: str | None = None) -> Labeller:
    """Return the model of transformers' class `kind`; see `_hub.load`."""
    hub = hub_model(weights, context, kind, dtype=dtype)
    names = hub.model.config.id2label
    return Labeller(hub=hub, tokenizer=_hub.tokenizer(hub), labels=tuple(str(names[i]) for i in range(len(names))))


def must_know(model: Labeller, names: Collection[str], what: str) -> Labeller:
    """Return the model; raise `ModelMissing` where none of its labels is one that is read.

    Numbers of other labels would be left out, and what is left would look like a result.
    """
    if any(label.lower() in names for label in model.labels):
        return model
    told = ", ".join(model.labels[:5])
    raise ModelMissing(f"{model.used[0].id} in {model.hub.path} has no label for {what}; it has {told}")


def hub_model(
    weights: Weights, context: LoadContext, kind: str, *, dtype: str | None = None, unread: str | None = None
) -> _hub.HubModel:
    """Return the model of transformers' class `kind`, which reads text; see `_hub.load`."""
    hub = _hub.load(weights, context, kind, dtype=dtype, unread=unread)
    config = hub.model.config
    if not hasattr(config, "max_position_embeddings"):
        raise ModelMissing(f"{hub.used[0].id} in {hub.path} is of kind {config.model_type}, which reads no text")
    return hub


def stretches(context: Context) -> list[str]:
    """Return the different stretches of text of one video: caption, blocks in the picture, spoken sentences."""
    return bounded(blocks(passages(context)))


def bounded(found: Iterable[Passage]) -> list[str]:
    """Return the different texts with letters in them, as many and as long as a model gets of one video."""
    texts = dict.fromkeys(part.text.strip()[:CHARACTERS_MAX] for part in found)
    return [text for text in texts if any(c.isalpha() for c in text)][:STRETCHES_MAX]


def run(hub: _hub.HubModel, tokenizer: Any, texts: Sequence[str], head: Callable[[Any, Any], Any]) -> Any:
    """Return `head(model output, tokens)` for a batch of texts, padded to the longest, cut to the model's length.

    The tokens have `input_ids`, `attention_mask` and `offset_mapping`, each (texts, longest).
    """
    import torch

    config = hub.model.config
    offset = config.pad_token_id + 1 if config.model_type in AFTER_PADDING else 0
    limit = min(int(config.max_position_embeddings) - offset, tokenizer.model_max_length)
    tokens = tokenizer(
        list(texts),
        padding=True,
        truncation=True,
        max_length=limit,
        return_offsets_mapping=tokenizer.is_fast,
        return_tensors="pt",
    )
    kept = {k: v.to(hub.device) for k, v in tokens.items() if k in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        return head(hub.model(**kept), tokens)
