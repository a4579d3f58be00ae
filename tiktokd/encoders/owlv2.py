"""Logos of the brands of the word list (`data/brands.toml`), looked for by name in four frames by OWLv2.

An extra: it needs no pictures of logos, but knows only what the captions of its training called by name. Each of 3600
places of a frame is compared with a prompt per brand. A place shows a brand when the model's own score says so, no
other brand and no prompt that names none lies nearer, and the brand stands out among all others (robust z).
Prompts are embedded once and cached on disk; the text tower is not kept.

Bad at brands that were rare in its training, at telling logos of one kind apart, at names that mean a thing (a shell,
an apple); reads lettering, too. Scores are no calibrated probabilities. Its weights were never at hand here: thresholds
are chosen, accuracy is not measured.
Source: Minderer et al. 2023, arXiv 2306.09683; google/owlv2-base-patch16-ensemble, Apache-2.0. Pictures are filled up
to a square below and at the right, as transformers' `Owlv2ImageProcessor` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd import datafiles
from tiktokd.encoders import _frame_choice, _hub, _pixels, _prompts, _sightings, brands
from tiktokd.model import ModelUsed
from tiktokd.pictures import Label
from tiktokd.plugins import Array, Context, Encoder, LoadContext, Weights

Floats = NDArray[np.float32]
WEIGHTS = Weights(
    hub_id="google/owlv2-base-patch16-ensemble",
    revision="cfd3195ba4ea9592eec887ded089f4c08eff231d",
    licence="Apache-2.0",
    size_mib=587,
    extra=True,
)
FRAMES = 4
PROMPT = "the {} logo"
BACKGROUND = ("a logo", "a sign", "text", "a person", "a face", "a hand", "clothes", "food", "a photo of an object")
"""What is there when no brand is; a brand must lie nearer than all of them."""
SCORE_MIN, Z_MIN = 0.2, 4.0
"""Of the model's own score (transformers' example takes 0.1), and robust deviations above the other brands at the same
place. Chosen, not fitted."""
TEXT_TOKENS, TEXT_BATCH = 16, 64
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""CLIP's, as in the model's preprocessor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owl:
    """The detector without its text tower, and the prompts."""

    model: Any
    size_px: int
    device: str
    dtype: Any
    prompts: _prompts.PromptMatrix
    used: tuple[ModelUsed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One brand at one place of one frame, see `_sightings.Sighting`."""

    brand: str
    score: float
    z: float
    box: Floats


def load(context: LoadContext) -> Owl:
    """Return the detector with the prompts of the word list; the text tower is gone when this returns."""
    hub = _hub.load(WEIGHTS, context, "Owlv2ForObjectDetection")
    space = _hub.space(hub)
    cache = (context.models_dir or Path.cwd()) / ".prompts"
    prompts = _prompts.matrix(_taxonomy(context.data_dir), lambda texts: _embed_texts(hub, texts), cache, space)
    del hub.model.owlv2.text_model
    size = hub.model.config.vision_config.image_size
    return Owl(model=hub.model, size_px=size, device=hub.device, dtype=hub.dtype, prompts=prompts, used=hub.used)


def _taxonomy(data_dir: Path | None) -> _prompts.Taxonomy:
    table = datafiles.read_toml(brands.FILE, data_dir)
    brands.build(table)  # raises where it has another form
    names = [*table.get("names", []), *table.get("ambiguous", [])]
    return _prompts.Taxonomy(
        name="logos",
        labels=tuple(Label(id=name, name=name) for name in names),
        prompts=tuple((PROMPT.format(name),) for name in names),
        background=BACKGROUND,
    )


def _embed_texts(hub: _hub.HubModel, texts: Sequence[str]) -> Floats:
    """Return (len, D) float32 of length 1; lower case, cut to 16 tokens each."""
    import torch

    tokenizer, owl = _hub.tokenizer(hub), hub.model.owlv2
    parts = []
    for start in range(0, len(texts), TEXT_BATCH):
        batch = [text.lower() for text in texts[start : start + TEXT_BATCH]]
        tokens = tokenizer(batch, padding="max_length", max_length=TEXT_TOKENS, truncation=True, return_tensors="pt")
        kept = {name: tokens[name].to(hub.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            out = owl.text_projection(owl.text_model(**kept).pooler_output).float()
        parts.append(torch.nn.functional.normalize(out, dim=-1).cpu().numpy())
    return np.concatenate(parts)


def items(context: Context) -> Sequence[Array]:
    """Return up to four pictures (H*3/2, W) uint8, as `_frame_choice.chosen` picks them."""
    return _frame_choice.seen(context, FRAMES)[0]


def encode(model: Owl, batch: Sequence[Array]) -> Sequence[tuple[Found, ...]]:
    """Return the brands that stand out in each picture, each where it is surest; pictures may differ in size."""
    return [_looked_at(model, planes) for planes in batch]


def _looked_at(model: Owl, planes: Array) -> tuple[Found, ...]:
    import torch

    labels, owl = model.prompts.taxonomy.labels, model.model
    queries = np.concatenate([model.prompts.labels, model.prompts.background])
    with torch.inference_mode():
        pixels, shares = _square(planes, model)
        grid = owl.image_embedder(pixel_values=pixels)[0]
        places = grid.flatten(1, 2)
        asked = torch.from_numpy(queries).to(model.device, model.dtype)[None]
        logits = owl.class_predictor(places, asked)[0][0].float().cpu().numpy()
        centred = owl.box_predictor(places, grid)[0].float().cpu().numpy()
    return tuple(
        Found(brand=labels[b].name, score=score, z=z, box=_box(centred[place], shares))
        for b, place, score, z in best(logits[:, : len(labels)], logits[:, len(labels) :])
    )


def _square(planes: Array, model: Owl) -> tuple[Any, tuple[float, float]]:
    """Return (1, 3, size, size) for the tower, and which share of it the picture's height and width are."""
    import torch

    rgb = _pixels.to_rgb([planes], model.device)
    height, width = rgb.shape[-2:]
    side = max(height, width)
    padded = torch.nn.functional.pad(rgb, (0, side - width, 0, side - height))
    scaled = torch.nn.functional.interpolate(
        padded, size=(model.size_px, model.size_px), mode="bilinear", antialias=True, align_corners=False
    ).clamp_(0.0, 1.0)
    mean, std = (torch.tensor(v, device=model.device).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return ((scaled - mean) / std).to(model.dtype), (height / side, width / side)


def _box(centred: Floats, shares: tuple[float, float]) -> Floats:
    """Return x, y, w, h as shares of the picture, cut off at its borders; `centred` is in shares of the square."""
    x, y, w, h = centred
    height, width = shares
    edges = np.array([(x - w / 2) / width, (y - h / 2) / height, (x + w / 2) / width, (y + h / 2) / height])
    left, top, right, bottom = np.clip(edges, 0.0, 1.0)
    return np.array([left, top, right - left, bottom - top], np.float32)


def best(brand: Floats, background: Floats) -> list[tuple[int, int, float, float]]:
    """Return number of the brand, its surest place, score and robust z, for each brand that stands out somewhere.

    Args:
        brand: (P, L) the model's logits, per place and brand.
        background: (P, B) the same for prompts that name no brand, one at least.
    """
    if not brand.shape[1]:
        return []
    at, places = brand.argmax(axis=1), np.arange(len(brand))
    top = brand[places, at]
    middle = np.median(brand, axis=1)
    spread = 1.4826 * np.median(np.abs(brand - middle[:, None]), axis=1)
    z = np.where(spread > 1e-6, (top - middle) / np.maximum(spread, 1e-6), 0.0)
    score = 1.0 / (1.0 + np.exp(-top.clip(-80.0, 80.0)))
    shown = (score >= SCORE_MIN) & (top > background.max(axis=1)) & (z >= Z_MIN)
    found: dict[int, int] = {}
    for place in places[shown][np.argsort(-top[shown], kind="stable")]:
        found.setdefault(int(at[place]), int(place))
    return [(b, place, float(score[place]), float(z[place])) for b, place in found.items()]


def collect(context: Context, results: Sequence[tuple[Found, ...]]) -> tuple[_sightings.LogoSeen, ...]:
    """Return the brands of the whole clip, the surest first."""
    pts = context.arrays["frames_pts"]
    times = pts[_frame_choice.chosen(context.arrays, FRAMES)]
    return _sightings.by_brand(
        _sightings.Sighting(brand=one.brand, pts_s=float(at), score=one.score, z=one.z, box=one.box)
        for at, found in zip(times, results, strict=True)
        for one in found
    )


ENCODER = Encoder(
    name="owlv2",
    title="Brands of the word list whose logos stand out in four frames, looked for by name",
    input="frames",
    place="gpu",
    load=load,
    items=items,
    nothing="low_quality",
    nothing_said=_frame_choice.BLANK,
    encode=encode,
    collect=collect,
    signals=_sightings.signals,
    weights=WEIGHTS,
    max_batch=FRAMES,
    gflop_per_item=1094.0,
)
