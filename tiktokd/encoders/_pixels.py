"""YUV 4:2:0 planes from a slot to what picture models eat, in torch, on the device. Knows no model.

Conversion is ITU-R BT.709 limited range, which is what `decode` writes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tiktokd.plugins import Array


def to_rgb(planes: Sequence[Array], device: str) -> Any:
    """Return (N, 3, H, W) float32 RGB 0..1 for N pictures (H*3/2, W) uint8 of the same size."""
    import torch

    stack = torch.from_numpy(np.stack(planes)).to(device)
    height = stack.shape[1] * 2 // 3
    width = stack.shape[2]
    chroma = stack[:, height:].reshape(len(planes), 2, height // 2, width // 2).float()
    y = (stack[:, :height].float() - 16.0) / 219.0
    u, v = torch.nn.functional.interpolate((chroma - 128.0) / 224.0, size=(height, width), mode="nearest").unbind(1)
    # BT.709: Kr = 0.2126, Kb = 0.0722 (ITU-R BT.709-6, table 3)
    rgb = torch.stack([y + 1.5748 * v, y - 0.1873 * u - 0.4681 * v, y + 1.8556 * u], dim=1)
    return rgb.clamp_(0.0, 1.0)


def squares(planes: Sequence[Array], size: int, device: str) -> Any:
    """Return (N, 3, size, size) float32 RGB 0..1, each picture stretched; pictures may differ in size.

    Stretched one size at a time, and each picture alone comes out the same as in any batch.
    """
    import torch

    out = torch.empty((len(planes), 3, size, size), device=device)
    for shape in {p.shape for p in planes}:
        where = [i for i, p in enumerate(planes) if p.shape == shape]
        rgb = to_rgb([planes[i] for i in where], device)
        out[where] = torch.nn.functional.interpolate(
            rgb, size=(size, size), mode="bilinear", antialias=True, align_corners=False
        ).clamp_(0.0, 1.0)
    return out
