"""Pictures in SigLIP2's space, by its image tower. Shared by the encoder of frames and that of logos."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _hub

_RESIDENT: WeakValueDictionary[tuple[Path, str, str], Any] = WeakValueDictionary()
"""Towers that an encoder of this process holds, by directory, device and number format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """The image tower, and what it eats."""

    vision: Any
    size_px: int
    device: str
    dtype: Any


def tower(hub: _hub.HubModel) -> Tower:
    """Return the image tower of the whole model (`SiglipModel`) or of its own class (`SiglipVisionModel`).

    Where this process holds one of the same weights already it is that one: a second copy is 177 MiB of a GPU.
    """
    mine = getattr(hub.model, "vision_model", hub.model)
    vision = _RESIDENT.setdefault((hub.path, hub.device, str(hub.dtype)), mine)
    return Tower(vision=vision, size_px=vision.config.image_size, device=hub.device, dtype=hub.dtype)


def embed(image: Tower, pictures: Any) -> NDArray[np.float32]:
    """Return (N, D) of length 1 for (N, 3, size, size) float32 RGB 0..1 on the device."""
    import torch

    with torch.inference_mode():
        pixels = (pictures - 0.5) / 0.5
        out = image.vision(pixel_values=pixels.to(image.dtype)).pooler_output.float()
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(out, dim=-1).cpu().numpy()
    return vectors
