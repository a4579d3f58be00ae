"""What people do in 16 frames seen as one moving picture, by VideoPrism against the prompts of the activities.

An extra: it sees movement, which single frames (`siglip2`) do not show. One clip is one item: 16 of the sampled frames,
spread evenly from the first to the last and stretched to 288 px; of a clip with fewer frames some stand twice. Shots
are not told apart: at two samples a second most shots have too few frames of their own. The prompts are those of
data/prompts/activities.toml, embedded once and cached on disk; the text tower does not stay in memory.

Bad at: cuts between the frames, anything quicker than half a second, videos of many minutes, text. Scores are no
probabilities. Its weights were never at hand here: its accuracy on short vertical video is not measured.
Source: Zhao et al. 2024, "VideoPrism", arXiv 2402.13217; google/videoprism-lvt-base-f16r288, Apache-2.0; frames 0..1
without mean and deviation, as `videoprism/models.py` of the authors says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _frame_choice, _hub, _pixels, _prompts
from tiktokd.model import ModelUsed
from tiktokd.pictures import LabelCosines, Ranked, rank
from tiktokd.plugins import Array, Context, Encoder, LoadContext, Weights

Floats = NDArray[np.float32]
WEIGHTS = Weights(
    hub_id="google/videoprism-lvt-base-f16r288",
    revision="fb6de9f0eb7bc285be86bdca1cf7daa3e3ef51ff",
    licence="Apache-2.0",
    size_mib=1038,
    extra=True,
)
TAXONOMY = "activities"
FRAMES = 16
LABELS_MAX = 5
SCALE = 100.0
"""Cosines are multiplied by it before the shares are made; the model has no scale of its own. Chosen, not fitted."""
TEXT_TOKENS, TEXT_BATCH = 64, 64
"""Prompts are padded to 64 tokens, as in training (`TEXT_MAX_LEN` of the authors)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPrism:
    """The video tower and the prompt vectors."""

    video: Any
    frames: int
    """That the tower takes at once."""
    size_px: int
    device: str
    dtype: Any
    prompts: _prompts.PromptMatrix | None
    """`None`: the user took the taxonomy away."""
    used: tuple[ModelUsed, ...]


def load(context: LoadContext) -> VideoPrism:
    """Return the video tower; the text tower is gone again when this returns."""
    hub = _hub.load(WEIGHTS, context, "VideoPrismClipModel")
    vision = hub.model.config.vision_config
    space = _hub.space(hub)
    prompts = None
    if TAXONOMY in _prompts.names(context.data_dir):
        cache = (context.models_dir or Path.cwd()) / ".prompts"
        taxonomy = _prompts.read(TAXONOMY, context.data_dir)
        prompts = _prompts.matrix(taxonomy, lambda texts: _embed_texts(hub, texts), cache, space)
    return VideoPrism(
        video=hub.model.video_model,
        frames=int(vision.num_frames),
        size_px=int(vision.image_size if isinstance(vision.image_size, int) else vision.image_size[0]),
        device=hub.device,
        dtype=hub.dtype,
        prompts=prompts,
        used=hub.used,
    )


def _embed_texts(hub: _hub.HubModel, texts: Sequence[str]) -> Floats:
    """Return (len, D) float32 of length 1; lower case, cut to 64 tokens each."""
    import torch

    tokenizer = _hub.tokenizer(hub)
    width = min(TEXT_TOKENS, hub.model.config.text_config.max_position_embeddings)
    parts = []
    for start in range(0, len(texts), TEXT_BATCH):
        batch = [text.lower() for text in texts[start : start + TEXT_BATCH]]
        tokens = tokenizer(batch, padding="max_length", max_length=width, truncation=True, return_tensors="pt")
        kept = {name: tokens[name].to(hub.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            out = hub.model.text_model(**kept).pooler_output.float()
        parts.append(torch.nn.functional.normalize(out, dim=-1).cpu().numpy())
    return np.concatenate(parts)


def items(context: Context) -> Sequence[tuple[Array, ...]]:
    """Return one item: up to 16 frames in order, spread evenly."""
    frames, _pts = _frame_choice.seen(context, FRAMES, evenly=True)
    return [tuple(frames)] if frames else []


def encode(model: VideoPrism, batch: Sequence[tuple[Array, ...]]) -> Sequence[tuple[Ranked, ...]]:
    """Return the activities that stand out in each clip, best first, at most five; clips may differ in size."""
    import torch

    if model.prompts is None:
        return [() for _clip in batch]
    chosen = [[clip[i] for i in taken(len(clip), model.frames)] for clip in batch]
    with torch.inference_mode():
        flat = _pixels.squares([frame for clip in chosen for frame in clip], model.size_px, model.device)
        pixels = flat.reshape(len(batch), model.frames, 3, model.size_px, model.size_px).to(model.dtype)
        out = model.video(pixel_values_videos=pixels).pooler_output.float().reshape(len(batch), -1)
        vectors = torch.nn.functional.normalize(out, dim=-1).cpu().numpy()
    return [tuple(rank(cosines(vector[None], model.prompts), limit=LABELS_MAX)) for vector in vectors]


def taken(count: int, frames: int) -> list[int]:
    """Return `frames` indices into `count` pictures, evenly from first to last; some twice where there are few."""
    return [int(i) for i in np.linspace(0, count - 1, frames).round()]


def cosines(vectors: Floats, prompts: _prompts.PromptMatrix) -> LabelCosines:
    """Return how near (N, D) vectors of length 1 lie to each activity and to the prompts that describe nothing."""
    floor = prompts.background
    return LabelCosines(
        labels=prompts.taxonomy.labels,
        cosine=vectors @ prompts.labels.T,
        background=vectors @ floor.T if len(floor) else np.zeros((len(vectors), 0), np.float32),
        scale=SCALE,
        bias=0.0,
    )


def signals(features: tuple[Ranked, ...]) -> dict[str, Any]:
    """Return `{"labels": [{id, name, score, z}]}`, best first."""
    return {
        "labels": [
            {"id": f.label.id, "name": f.label.name, "score": round(f.score, 4), "z": round(f.z, 2)} for f in features
        ]
    }


ENCODER = Encoder(
    name="videoprism",
    title="Activities that stand out in 16 frames seen as one moving picture",
    input="frames",
    place="gpu",
    load=load,
    items=items,
    nothing="low_quality",
    nothing_said=_frame_choice.BLANK,
    encode=encode,
    signals=signals,
    weights=WEIGHTS,
    max_batch=4,
    gflop_per_item=1231.0,
)
