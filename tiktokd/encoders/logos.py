"""Logos of brands whose pictures the user keeps (`_gallery`), looked for in windows of four frames by SigLIP2.

No detector says where a logo could be, so square windows slide: the short side of the picture, a half and a quarter of
it, each half overlapped by the next, so that what is half as wide as a window lies whole in one. Of each frame the 32
largest that show something are embedded, of one size those with most contrast: at most 128 windows per video, 4534
GFLOP (35.42 each); no figure per item, as without a gallery there is nothing to compute. The image tower is that of
encoder `siglip2`, resident once.

A window shows a brand when that brand's pictures are nearer to it than any other's, nearer than pictures of different
brands lie to one another, and far nearer than to the video's other windows (robust z). So "no logo" stays possible; a
gallery of one brand lacks the first two tests, and a video of few windows shows nothing. Scores are cosines.

Bad at logos narrower than about an eighth of the short side, those in sight between the four frames only, small ones
beside captions (which have more contrast), other colours and forms than the gallery's, turned, bent and covered ones;
takes things that look like the logo for it (an apple), and in a video whose every window shows it, sees none. Its
weights were never at hand here: thresholds are chosen, accuracy is not measured.
Source: SigLIP 2, arXiv 2502.14786, Apache-2.0; the method is our own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _frame_choice, _gallery, _hub, _pixels, _sightings, _siglip_image
from tiktokd.encoders._sightings import LogoSeen
from tiktokd.encoders.siglip2 import WEIGHTS
from tiktokd.model import ModelUsed
from tiktokd.plugins import Array, Context, Encoder, LoadContext

Floats = NDArray[np.float32]
Window = tuple[int, int, int]
"""Top, left and side of a square, in pixels."""
FRAMES, WINDOWS_MAX = 4, 32
"""Per video, and per frame."""
SIDES = (1.0, 0.5, 0.25)
"""Of the windows, as shares of the picture's short side; the next one begins half a side further."""
WINDOWS_MIN = 16
"""Fewer windows are no background to stand out from."""
Z_MIN = 4.0
"""Robust deviations above the video's windows. The highest of 128 normal values gets there in four videos of 1,000;
pictures are stranger than that, and no weights were at hand to see by how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logos:
    """The image tower and the gallery; both `None` where the user keeps no pictures of logos."""

    image: _siglip_image.Tower | None = None
    gallery: _gallery.Gallery | None = None
    used: tuple[ModelUsed, ...] = ()
    """Weights behind the likeness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """The windows of one frame, and how near each lies to each picture of the gallery."""

    boxes: Floats
    """(W, 4) x, y, w, h, shares of the picture."""
    cosine: Floats
    """(W, P)."""
    gallery: _gallery.Gallery | None


def load(context: LoadContext) -> Logos:
    """Return the tower with the gallery; nothing is loaded where there is no gallery.

    Raises:
        ModelMissing: there are pictures of logos, but no weights.
    """
    found = _gallery.readable(_gallery.files(context.data_dir))
    if not found:
        return Logos()
    hub = _hub.load(WEIGHTS, context, "SiglipVisionModel")
    image = _siglip_image.tower(hub)
    cache = (context.models_dir or Path.cwd()) / ".prompts"
    gallery = _gallery.embedded(found, lambda picture: _embed(image, picture), cache, _hub.space(hub))
    return Logos(image=image, gallery=gallery, used=hub.used)


def _embed(image: _siglip_image.Tower, picture: Floats) -> Floats:
    import torch

    pixels = torch.from_numpy(picture).to(image.device).permute(2, 0, 1)[None]
    vector: Floats = _siglip_image.embed(image, _resized(pixels, image.size_px))[0]
    return vector


def _resized(pictures: Any, size_px: int) -> Any:
    import torch

    return torch.nn.functional.interpolate(
        pictures, size=(size_px, size_px), mode="bilinear", antialias=True, align_corners=False
    ).clamp_(0.0, 1.0)


def items(context: Context) -> Sequence[Array]:
    """Return up to four pictures (H*3/2, W) uint8, as `_frame_choice.chosen` picks them."""
    return _frame_choice.seen(context, FRAMES)[0]


def encode(model: Logos, batch: Sequence[Array]) -> Sequence[Likeness]:
    """Compare the windows of each picture with the gallery."""
    return [_compared(model, planes) for planes in batch]


def _compared(model: Logos, planes: Array) -> Likeness:
    nothing = np.zeros((0, 4), np.float32)
    if model.image is None or model.gallery is None:
        return Likeness(boxes=nothing, cosine=np.zeros((0, 0), np.float32), gallery=None)
    import torch

    luma = planes[: len(planes) * 2 // 3]
    found = windows(luma)
    if not found:
        return Likeness(boxes=nothing, cosine=np.zeros((0, len(model.gallery.of)), np.float32), gallery=model.gallery)
    rgb = _pixels.to_rgb([planes], model.image.device)
    cut = [_resized(rgb[:, :, y : y + side, x : x + side], model.image.size_px) for y, x, side in found]
    vectors = _siglip_image.embed(model.image, torch.cat(cut))
    height, width = luma.shape
    boxes = np.array([(x / width, y / height, side / width, side / height) for y, x, side in found], np.float32)
    return Likeness(boxes=boxes, cosine=vectors @ model.gallery.vectors.T, gallery=model.gallery)


def windows(luma: Array) -> list[Window]:
    """Return the windows of one picture (H, W), at most `WINDOWS_MAX`: large ones first, then those with contrast."""
    found: list[tuple[float, float, Window]] = []
    for share in SIDES:
        side = max(2, int(min(luma.shape) * share))
        step = max(1, side // 32)  # 32 points each way tell contrast well enough
        for y in _starts(luma.shape[0], side):
            for x in _starts(luma.shape[1], side):
                contrast = float(luma[y : y + side : step, x : x + side : step].std())
                if contrast >= _frame_choice.FLAT_STD:
                    found.append((-share, -contrast, (y, x, side)))
    return [window for _share, _contrast, window in sorted(found)[:WINDOWS_MAX]]


def _starts(length: int, side: int) -> list[int]:
    """Return where windows begin so that they cover the length evenly, each at least half overlapped by the next."""
    count = math.ceil((length - side) / (side / 2)) + 1
    return [int(v) for v in np.linspace(0, length - side, count).round()]


def collect(context: Context, results: Sequence[Likeness]) -> tuple[LogoSeen, ...]:
    """Return the brands whose logos stand out, the nearest first."""
    gallery = results[0].gallery
    if gallery is None:
        return ()
    pts = context.arrays["frames_pts"]
    of_frame = np.repeat(pts[_frame_choice.chosen(context.arrays, FRAMES)], [len(one.boxes) for one in results])
    cosine, boxes = np.concatenate([one.cosine for one in results]), np.concatenate([one.boxes for one in results])
    near, z = per_brand(cosine, gallery)
    return _sightings.by_brand(
        _sightings.Sighting(
            brand=gallery.brands[b], pts_s=float(of_frame[w]), score=float(near[w, b]), z=float(z[w, b]), box=boxes[w]
        )
        for w, b in np.argwhere(stands_out(near, z, floors(gallery)))
    )


def per_brand(cosine: Floats, gallery: _gallery.Gallery) -> tuple[Floats, Floats]:
    """Return how near each window lies to the nearest picture of each brand, and the same as a robust z.

    Args:
        cosine: (W, P), windows and pictures.
        gallery: B brands.

    Returns:
        two times (W, B); z is 0 where the windows do not differ, and where they are too few to say.
    """
    near = np.stack([cosine[:, gallery.of == b].max(axis=1) for b in range(len(gallery.brands))], axis=1)
    if len(near) < WINDOWS_MIN:
        return near, np.zeros_like(near)
    middle = np.median(near, axis=0)
    spread = 1.4826 * np.median(np.abs(near - middle), axis=0)
    return near, np.where(spread > 1e-6, (near - middle) / np.maximum(spread, 1e-6), 0.0).astype(np.float32)


def floors(gallery: _gallery.Gallery) -> Floats:
    """Return (B,) the cosine of each brand's pictures and those of another brand that lie nearest; -1 for one alone."""
    cosine = gallery.vectors @ gallery.vectors.T
    cosine[gallery.of[:, None] == gallery.of[None]] = -1.0
    return np.array([cosine[gallery.of == b].max() for b in range(len(gallery.brands))], np.float32)


def stands_out(near: Floats, z: Floats, floor: Floats) -> NDArray[np.bool_]:
    """Return (W, B) whether a window shows a brand: nearest to it, nearer than other brands are, far from the rest."""
    nearest = near == near.max(axis=1, keepdims=True)
    return np.asarray(nearest & (near > floor) & (z >= Z_MIN))


ENCODER = Encoder(
    name="logos",
    title="Brands whose logos, of the user's own gallery, stand out in windows of four frames",
    input="frames",
    place="gpu",
    load=load,
    items=items,
    nothing="low_quality",
    nothing_said=_frame_choice.BLANK,
    encode=encode,
    collect=collect,
    signals=_sightings.signals,
    max_batch=FRAMES,
)
