"""SigLIP2 image embeddings of up to 32 frames, and their nearness to every prompt of every taxonomy.

Eleven analyzers read them. Only the image tower stays in memory: the text tower (three quarters of the weights) is
loaded once per prompt file and model, and its vectors are cached on disk.

Scores are not probabilities: SigLIP's sigmoid is calibrated over web pairs, not over a clip's own labels.
Source: Tschannen et al. 2025, "SigLIP 2", arXiv 2502.14786; google/siglip2-base-patch16-224, Apache-2.0.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _frame_choice, _hub, _pixels, _prompts, _siglip_image, _siglip_text
from tiktokd.model import ModelUsed
from tiktokd.pictures import ImageEmbeddings, LabelCosines, median_over, shares
from tiktokd.plugins import Array, Context, Encoder, LoadContext, Weights
from tiktokd.sketches import sketches

WEIGHTS = Weights(
    hub_id="google/siglip2-base-patch16-224",
    revision="75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2",
    licence="Apache-2.0",
    size_mib=1500,
)
FRAMES = 32
"""Frames per video: for a 30 s clip one a second, and two in the opening."""
ENDS_MIN = 3
"""With fewer frames there is no rest to compare the first one with."""
FUSED = ("content_categories", "formats", "moods")
"""Taxonomies whose scores level 2 reads; the others stay in the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Siglip:
    """The image tower and the prompt vectors."""

    image: _siglip_image.Tower
    scale: float
    bias: float
    space: str
    prompts: tuple[_prompts.PromptMatrix, ...]
    used: tuple[ModelUsed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """One frame's vector and what does not change from frame to frame."""

    vector: NDArray[np.float32]
    model: Siglip


def load(context: LoadContext) -> Siglip:
    """Return the image tower; the text tower is gone again when this returns."""
    hub = _hub.load(WEIGHTS, context, "SiglipModel")
    space = _hub.space(hub)
    taxonomies = [_prompts.read(name, context.data_dir) for name in _prompts.names(context.data_dir)]
    cache = (context.models_dir or Path.cwd()) / ".prompts"
    prompts = tuple(_prompts.matrix(t, lambda texts: _embed_texts(hub, texts), cache, space) for t in taxonomies)
    model = hub.model
    return Siglip(
        image=_siglip_image.tower(hub),
        scale=float(model.logit_scale.detach().exp()),
        bias=float(model.logit_bias.detach()),
        space=space,
        prompts=prompts,
        used=hub.used,
    )


def _embed_texts(hub: _hub.HubModel, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (len, D) float32 of length 1."""
    return _siglip_text.embed(hub, _hub.tokenizer(hub), texts)


def items(context: Context) -> Sequence[Array]:
    """Return up to `FRAMES` pictures (H*3/2, W) uint8, as `_frame_choice.chosen` picks them."""
    return _frame_choice.seen(context, FRAMES)[0]


def encode(model: Siglip, batch: Sequence[Array]) -> Sequence[_Frame]:
    """Return one vector per picture."""
    vectors = _siglip_image.embed(model.image, _pixels.squares(batch, model.image.size_px, model.image.device))
    return [_Frame(vector=vector, model=model) for vector in vectors]


def collect(context: Context, results: Sequence[_Frame]) -> ImageEmbeddings:
    """Return the clip's vectors with their nearness to every label."""
    model = results[0].model
    every = context.arrays["frames_pts"]
    pts = every[_frame_choice.chosen(context.arrays, FRAMES)]
    weight = np.array(shares(pts.tolist(), context.facts.duration_s), np.float32)
    vectors = np.stack([frame.vector for frame in results])
    return ImageEmbeddings(
        vectors=vectors,
        pts_s=pts,
        weight=weight,
        space=model.space,
        taxonomies={
            p.taxonomy.name: LabelCosines(
                labels=p.taxonomy.labels,
                cosine=vectors @ p.labels.T,
                background=vectors @ p.background.T if len(p.background) else np.zeros((len(vectors), 0), np.float32),
                scale=model.scale,
                bias=model.bias,
                weight=weight,
            )
            for p in model.prompts
        },
    )


def signals(features: ImageEmbeddings) -> dict[str, Any]:
    """Return the clip's mean vector over the time (length 1) and, per taxonomy that fusion reads, the mean cosines.

    `{"space", "mean": [D], "frames": base64 of 64 bytes per frame (`tiktokd.sketches`, for the corpus),
    "labels": {taxonomy: {"cosine": {label id: cosine}, "floor": best background cosine}},
    "aesthetic": {"pts_s": [N], "score": [N], 0..1} or null, "ends": see `ends`}`
    """
    weight = np.ones(len(features.vectors), np.float32) if features.weight is None else features.weight
    mean = weight @ features.vectors
    mean /= max(float(np.linalg.norm(mean)), 1e-9)
    return {
        "space": features.space,
        "mean": [round(float(v), 4) for v in mean],
        "frames": base64.b64encode(b"".join(sketches(features.vectors))).decode("ascii"),
        "labels": {name: _mean(features.taxonomies[name]) for name in FUSED if name in features.taxonomies},
        "aesthetic": _aesthetic(features),
        "ends": ends(features.vectors, weight),
    }


def ends(vectors: NDArray[np.float32], weight: NDArray[np.float32]) -> dict[str, float] | None:
    """Return what is special about the first and the last of (N, D) vectors; `None` for fewer than three.

    `first_apart`: 1 - cosine of the first frame and the mean of the others, 0..2; `usual_apart`: the median of the same
    over all frames; `seam_cosine`: cosine of the last and the first frame; `usual_cosine`: median over neighbours.
    Means and medians are over the time.

    Args:
        weight: (N,) share of the video that each frame stands for.
    """
    if len(vectors) < ENDS_MIN:
        return None
    weighed = vectors * weight[:, None]
    others = weighed.sum(axis=0) - weighed
    others /= np.maximum(np.linalg.norm(others, axis=1, keepdims=True), 1e-9)
    apart = 1.0 - (vectors * others).sum(axis=1)
    return {
        "first_apart": round(float(apart[0]), 4),
        "usual_apart": round(median_over(apart, weight), 4),
        "seam_cosine": round(float(vectors[-1] @ vectors[0]), 4),
        "usual_cosine": round(median_over((vectors[1:] * vectors[:-1]).sum(axis=1), weight[:-1]), 4),
    }


def _aesthetic(features: ImageEmbeddings) -> dict[str, list[float]] | None:
    """Return how much nearer each frame lies to the good than to the bad prompts, at the model's scale (CLIP-IQA)."""
    prompts = features.taxonomies.get("aesthetics")
    column = {label.id: i for i, label in enumerate(prompts.labels)} if prompts else {}
    if prompts is None or not {"good", "bad"} <= column.keys():
        return None
    apart = prompts.cosine[:, column["good"]] - prompts.cosine[:, column["bad"]]
    score = 1.0 / (1.0 + np.exp(-prompts.scale * apart))
    return {
        "pts_s": [round(float(t), 3) for t in features.pts_s],
        "score": [round(float(v), 4) for v in score],
    }


def _mean(cosines: LabelCosines) -> dict[str, Any]:
    weights = cosines.weights()
    values = weights @ cosines.cosine
    return {
        "cosine": {label.id: round(float(v), 4) for label, v in zip(cosines.labels, values, strict=True)},
        "floor": round(float((weights @ cosines.background).max()), 4) if cosines.background.size else None,
    }


ENCODER = Encoder(
    name="siglip2",
    title="SigLIP2 embeddings of up to 32 frames and their nearness to the taxonomies",
    input="frames",
    place="gpu",
    load=load,
    items=items,
    nothing="low_quality",
    nothing_said=_frame_choice.BLANK,
    encode=encode,
    collect=collect,
    signals=signals,
    weights=WEIGHTS,
    max_batch=64,
    gflop_per_item=35.42,
)
