"""The words of a video in SigLIP2's space, to be compared with its pictures; and captions of other videos beside them.

One text per video: the caption, else what is said, else what is written in the picture. Only the text tower is loaded,
from the same weights as encoder `siglip2`; its tensors stay mapped to the file, so that workers share them (measured
for the full size: 110 MiB of its own per worker, 440 MiB of shared pages).

Bad at: what comes after 64 tokens, hashtags in one word, names; a caption that says nothing of the picture is common.
Source: Tschannen et al. 2025, "SigLIP 2", arXiv 2502.14786; google/siglip2-base-patch16-224, Apache-2.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _hub, _prompts, _siglip_text
from tiktokd.encoders.siglip2 import WEIGHTS
from tiktokd.model import ModelUsed
from tiktokd.plugins import Context, Encoder, LoadContext
from tiktokd.text_features import WordsInPictureSpace
from tiktokd.texts import by_kind, passages, without_tags, words

WORDS_MIN = 3
"""Fewer words describe no picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiglipText:
    """The text tower, and the captions of other videos in its space."""

    hub: _hub.HubModel
    tokenizer: Any
    space: str
    captions: NDArray[np.float32]

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the vectors."""
        return self.hub.used


def load(context: LoadContext) -> SiglipText:
    """Return the text tower, with the captions of data/prototypes/captions.toml embedded (cached on disk)."""
    hub = _hub.load(WEIGHTS, context, "SiglipTextModel")
    tokenizer, space = _hub.tokenizer(hub), _hub.space(hub)
    captions = _prompts.matrix(
        _prompts.read("captions", context.data_dir, "prototypes"),
        lambda texts: _siglip_text.embed(hub, tokenizer, texts),
        (context.models_dir or Path.cwd()) / ".prompts",
        space,
    )
    return SiglipText(hub=hub, tokenizer=tokenizer, space=space, captions=captions.each)


def items(context: Context) -> list[str]:
    """Return the one text that is compared with the pictures; none where there are no pictures to compare with."""
    if "siglip2" not in context.signals:
        return []
    texts = by_kind(passages(context))
    found = [without_tags(texts[kind].replace("\n", " ")) for kind in ("caption", "speech", "ocr") if kind in texts]
    return [text for text in found if len(words(text)) >= WORDS_MIN][:1]


def encode(model: SiglipText, batch: Sequence[str]) -> list[WordsInPictureSpace]:
    """Return each text with its vector."""
    vectors = _siglip_text.embed(model.hub, model.tokenizer, batch)
    return [
        WordsInPictureSpace(text=text, vector=vector, others=model.captions, space=model.space)
        for text, vector in zip(batch, vectors, strict=True)
    ]


def signals(features: WordsInPictureSpace) -> dict[str, Any]:
    """Return the vector (length 1) for the corpus, where the words of later videos are compared with this picture's.

    `{"space", "vector": [D]}`
    """
    return {"space": features.space, "vector": [round(float(v), 4) for v in features.vector]}


ENCODER = Encoder(
    name="siglip2_text",
    title="The caption, or else the words, of a video in the space of its SigLIP2 embeddings",
    input="text",
    place="cpu",
    load=load,
    items=items,
    nothing="no_text",
    encode=encode,
    signals=signals,
    weights=WEIGHTS,
    max_batch=16,
    gflop_per_item=10.9,
)
