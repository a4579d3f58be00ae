"""Explicit-content scores of up to 8 frames by a ViT classifier. A review signal; it never clears anything.

Bad at skin-coloured objects, sport, art, breastfeeding and generated pictures; published recall on "medium" and "low"
explicitness is 78 % and 31 %, so only the class for explicit content is read.
Source: Falconsai/nsfw_image_detection, Apache-2.0, ViT-B/16 (Dosovitskiy et al. 2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiktokd.encoders import _frame_choice, _hub, _pixels
from tiktokd.model import ModelUsed
from tiktokd.pictures import FrameScores
from tiktokd.plugins import Array, Context, Encoder, LoadContext, Weights

WEIGHTS = Weights(
    hub_id="Falconsai/nsfw_image_detection",
    revision="96cb0d0342c7afb80cab76ecc58b265fa44da256",
    licence="Apache-2.0",
    size_mib=328,
)
FRAMES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Nsfw:
    """The classifier and its class names."""

    hub: _hub.HubModel
    labels: tuple[str, ...]

    @property
    def used(self) -> tuple[ModelUsed, ...]:
        """Weights behind the scores."""
        return self.hub.used


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    values: Array
    labels: tuple[str, ...]


def load(context: LoadContext) -> Nsfw:
    """Return the classifier."""
    hub = _hub.load(WEIGHTS, context, "ViTForImageClassification")
    names = hub.model.config.id2label
    return Nsfw(hub=hub, labels=tuple(str(names[i]).lower() for i in range(len(names))))


def items(context: Context) -> Sequence[Array]:
    """Return up to `FRAMES` pictures, as `_frame_choice.chosen` picks them."""
    return _frame_choice.seen(context, FRAMES)[0]


def encode(model: Nsfw, batch: Sequence[Array]) -> Sequence[_Scores]:
    """Return the class shares of each picture."""
    import torch

    with torch.inference_mode():
        pixels = (_pixels.squares(batch, model.hub.model.config.image_size, model.hub.device) - 0.5) / 0.5
        logits = model.hub.model(pixel_values=pixels.to(model.hub.dtype)).logits.float()
    return [_Scores(values=row, labels=model.labels) for row in logits.softmax(dim=-1).cpu().numpy()]


def collect(context: Context, results: Sequence[_Scores]) -> FrameScores:
    """Return the scores frame by frame."""
    pts = context.arrays["frames_pts"]
    return FrameScores(
        pts_s=pts[_frame_choice.chosen(context.arrays, FRAMES)],
        labels=results[0].labels,
        scores=np.stack([row.values for row in results]).astype(np.float32),
    )


ENCODER = Encoder(
    name="nsfw",
    title="Explicit-content scores of up to 8 frames",
    input="frames",
    place="gpu",
    load=load,
    items=items,
    nothing="low_quality",
    nothing_said=_frame_choice.BLANK,
    encode=encode,
    collect=collect,
    weights=WEIGHTS,
    max_batch=32,
    gflop_per_item=35.13,
)
