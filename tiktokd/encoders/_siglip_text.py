"""Texts in SigLIP2's space, by its text tower. Shared by the encoder of pictures (prompts) and that of captions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _hub

TEXT_TOKENS = 64
"""SigLIP2 was trained on texts padded to 64 tokens and no attention mask; anything else shifts the vectors."""
TEXT_BATCH = 64


def embed(hub: _hub.HubModel, tokenizer: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (len, D) float32 of length 1; lower case, as the model was trained.

    Args:
        hub: the whole model (`SiglipModel`) or its text tower alone (`SiglipTextModel`).
        tokenizer: the model's own.
        texts: cut to 64 tokens each.
    """
    import torch

    tower = getattr(hub.model, "text_model", hub.model)
    config = getattr(hub.model.config, "text_config", hub.model.config)
    width = min(TEXT_TOKENS, config.max_position_embeddings)
    parts = []
    for start in range(0, len(texts), TEXT_BATCH):
        batch = [text.lower() for text in texts[start : start + TEXT_BATCH]]
        # The tower reads the last place: on which side the filling is must not be left to a tokenizer's settings.
        how = {"padding": "max_length", "padding_side": "right", "max_length": width, "truncation": True}
        tokens = tokenizer(batch, **how, return_tensors="pt")
        with torch.inference_mode():
            out = tower(input_ids=tokens["input_ids"].to(hub.device)).pooler_output.float()
        parts.append(torch.nn.functional.normalize(out, dim=-1).cpu().numpy())
    return np.concatenate(parts)
