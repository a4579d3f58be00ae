"""The TransNet V2 network: 100 thumbnails in, per frame how sure a change of shot is. Knows no file and no video.

Three stacks of two cells; a cell sees time at four distances at once (dilations 1, 2, 4, 8). Beside the features of the
picture go two tables: how like each frame is to the 50 before and after it, by its features and by its colours. Modules
carry the names of the authors' PyTorch port, so that its tensors load.
Source: Soucek and Lokoc 2020, "TransNet V2", arXiv 2008.04838; names and sizes: github.com/soCzech/TransNetV2, MIT.
"""

# torch is not looked into by the type checker (pyproject.toml): its classes are `Any` to it.
# mypy: allow-subclassing-any

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

HEIGHT_PX, WIDTH_PX = 27, 48
FILTERS = 16
"""Channels of each of the four dilated convolutions in the cells of the first stack; twice as many in the next."""
STACKS = 3
DILATIONS = (1, 2, 4, 8)
AROUND = 50
"""Frames before and after each one that it is compared with: a lookup window of 101."""
TABLE = 128
"""Numbers that each table of likeness becomes per frame, and size of the vectors whose likeness is taken."""
HIDDEN = 1024
POOLED = (HEIGHT_PX // 8) * (WIDTH_PX // 8)
"""3x6 places left after three halvings."""
BINS_BITS = 3
"""Colours are counted in 8x8x8 bins."""


class Factorised(nn.Module):
    """A 3x3x3 convolution as one over the picture and one over time, `dilation` frames apart."""

    def __init__(self, channels: int, filters: int, dilation: int) -> None:
        super().__init__()
        space = nn.Conv3d(channels, 2 * filters, (1, 3, 3), padding=(0, 1, 1), bias=False)
        time = nn.Conv3d(
            2 * filters, filters, (3, 1, 1), dilation=(dilation, 1, 1), padding=(dilation, 0, 0), bias=False
        )
        self.layers = nn.ModuleList([space, time])

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, filters, T, H, W) of (B, channels, T, H, W)."""
        for layer in self.layers:
            x = layer(x)
        return x


class Cell(nn.Module):
    """Four factorised convolutions side by side, normalised together."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        for dilation in DILATIONS:
            self.add_module(f"Conv3D_{dilation}", Factorised(channels, filters, dilation))
        # Keras' default epsilon; PyTorch's own is 1e-5 and would shift every published number.
        self.bn = nn.BatchNorm3d(len(DILATIONS) * filters, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 4 * filters, T, H, W), not yet rectified."""
        branches = [self.get_submodule(f"Conv3D_{dilation}")(x) for dilation in DILATIONS]
        return self.bn(torch.cat(branches, dim=1))


class Stack(nn.Module):
    """Two cells with a way around the second, then half the height and width."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        width = len(DILATIONS) * filters
        self.DDCNN = nn.ModuleList([Cell(channels, filters), Cell(width, filters)])

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 4 * filters, T, H // 2, W // 2)."""
        first = functional.relu(self.DDCNN[0](x))
        both = functional.relu(self.DDCNN[1](first)) + first
        return functional.avg_pool3d(both, (1, 2, 2))


class FrameSimilarity(nn.Module):
    """How like the features of each frame are to those of the frames around it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projection = nn.Linear(channels, TABLE)
        self.fc = nn.Linear(2 * AROUND + 1, TABLE)

    def forward(self, stacks: Sequence[Tensor]) -> Tensor:
        """Return (B, T, 128), at least 0, of the (B, C, T, H, W) features of all stacks."""
        means = torch.cat([features.mean(dim=(3, 4)) for features in stacks], dim=1).transpose(1, 2)
        return functional.relu(self.fc(likeness(self.projection(means))))


class ColorHistograms(nn.Module):
    """How like the colours of each frame are to those of the frames around it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2 * AROUND + 1, TABLE)

    def forward(self, frames: Tensor) -> Tensor:
        """Return (B, T, 128), at least 0, of (B, T, H, W, 3) uint8 RGB."""
        return functional.relu(self.fc(likeness(histograms(frames))))


def histograms(frames: Tensor) -> Tensor:
    """Return (B, T, 512) float32: pixels of each colour in (B, T, H, W, 3) uint8 RGB frames."""
    levels = (frames >> (8 - BINS_BITS)).long()
    red, green, blue = levels.unbind(-1)
    bins = ((red << 2 * BINS_BITS) + (green << BINS_BITS) + blue).flatten(2)
    counts = torch.zeros((*bins.shape[:2], 1 << 3 * BINS_BITS), device=frames.device)
    # Whole numbers far below 2**24: their float sums are exact in any order, so the same on every device.
    return counts.scatter_add_(2, bins, torch.ones_like(bins, dtype=torch.float32))


def likeness(vectors: Tensor) -> Tensor:
    """Return (B, T, 101): cosines of the vector of each frame with those from 50 before to 50 after, 0 beyond the ends.

    Args:
        vectors: (B, T, D).
    """
    unit = functional.normalize(vectors, dim=2)
    cosines = functional.pad(unit @ unit.transpose(1, 2), (AROUND, AROUND))
    frames = torch.arange(vectors.shape[1], device=vectors.device)
    places = frames[:, None] + torch.arange(2 * AROUND + 1, device=vectors.device)
    return cosines.gather(2, places.expand(len(vectors), -1, -1))


class TransNetV2(nn.Module):
    """The whole network; as published it has 7,616,258 parameters."""

    def __init__(self, filters: int = FILTERS, hidden: int = HIDDEN) -> None:
        super().__init__()
        widths = [filters << stack for stack in range(STACKS)]
        outputs = [len(DILATIONS) * width for width in widths]
        self.SDDCNN = nn.ModuleList(map(Stack, (3, *outputs), widths))
        self.frame_sim_layer = FrameSimilarity(sum(outputs))
        self.color_hist_layer = ColorHistograms()
        self.fc1 = nn.Linear(2 * TABLE + outputs[-1] * POOLED, hidden)
        self.cls_layer1 = nn.Linear(hidden, 1)
        self.cls_layer2 = nn.Linear(hidden, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Return (B, T, 2) logits: a transition has its middle here; this frame belongs to one.

        Args:
            frames: (B, T, 27, 48, 3) uint8 RGB.
        """
        stacks, x = [], frames.permute(0, 4, 1, 2, 3).float() / 255.0
        for stack in self.SDDCNN:
            x = stack(x)
            stacks.append(x)
        pictures = x.permute(0, 2, 3, 4, 1).flatten(2)
        known = torch.cat([self.color_hist_layer(frames), self.frame_sim_layer(stacks), pictures], dim=2)
        hidden = functional.relu(self.fc1(known))
        return torch.cat([self.cls_layer1(hidden), self.cls_layer2(hidden)], dim=2)
