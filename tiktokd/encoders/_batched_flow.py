"""What `flow` measures, for many pairs of pictures at once in torch: the flow, the camera's part, what is left.

The same rules as the OpenCV path in `flow`. Between the copies to the device and the one back the host waits for
nothing: everything is computed for every pair, and what does not hold is masked. RANSAC tries a fixed number of pairs
of points, drawn with a fixed seed, on all pictures at once; then the similarity is fitted to all that follow the
best one. The same pair gives the same numbers alone or among others, but for the last bit of the camera's (on a CPU;
CUDA has not been tried).

Source: Fischler and Bolles, CACM 24(6), 1981 (RANSAC); Umeyama, IEEE PAMI 13(4), 1991 (least squares).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _inverse_search
from tiktokd.footage import Floats
from tiktokd.plugins import Array

FINEST_SCALE = 1
"""Half resolution. With it OpenCV's ultrafast preset is right to 4 % on known shifts, zooms and rolls in 1.7 ms; its
fast preset, which stops at a quarter, to 15 % in 1.1 ms; the medium one to 3 % in 5 ms."""
GRID_PX, MARGIN_PX = 6, 12
"""Spacing of the points for the camera fit: about 900 in 160x284. At the border flow is a guess: what left is gone."""
STRIDE = 2
"""Lengths are averaged over every second row and column."""
TEXTURE_STD = 3.0
"""Standard deviation of the luma in a grid cell, levels of 255, from which on its flow means something."""
POINTS_MIN = 40
"""Textured points without which the camera is unknown."""
INLIER_PX = 0.6
"""RANSAC tolerance; the flow of a good point is right to about 0.3 px."""
INLIERS_MIN = 0.25
"""Share of inliers under which no common motion was found."""
REGIONS_MIN = 7
"""Of 16 regions of the picture, how many the camera's points must lie in: a car on plain asphalt is a subject."""
STANDING_PX, STANDING_MAX = 0.3, 0.35
"""Where more than this share of the picture stands still, what moves is not the camera."""
PATCHES = 16
"""Patches per side: 256, as in cosmos-curate's motion filter."""
PAIRS = 128
"""Pairs at once: bounds the memory of the device. The largest arrays, of all trials and points, take 75 MiB each."""
TRIALS = 128
"""Pairs of points tried: with a quarter of the points following the camera, none of them hits two of those in one
picture of 4,000 (15/16 to the power of 128)."""
REFITS = 2


@dataclass(frozen=True, slots=True)
class Batched:
    """The engine of one device."""

    device: str

    def measure(self, pictures: Sequence[Array], first: NDArray[np.intp]) -> tuple[Floats, ...]:
        """Return shift (P, 2), scale, angle, magnitude, residual, inliers (P,), patches (P, 16, 16), as in `Flow`.

        Args:
            pictures: (H, W) uint8 luma of one size.
            first: (P,) index of the first picture of each pair, at least one; the second is the next.
        """
        import torch

        with torch.inference_mode():
            stack = torch.from_numpy(np.stack(pictures)).to(self.device)
            parts = torch.from_numpy(first).to(self.device).split(PAIRS)
            draws = torch.from_numpy(np.random.default_rng(0).random((2, TRIALS), np.float32)).to(self.device)
            found = torch.cat([_steps(stack[part], stack[part + 1], draws) for part in parts]).cpu().numpy()
        return found[:, :2], *found[:, 2:7].T, found[:, 7:].reshape(-1, PATCHES, PATCHES)


def _steps(before: Any, after: Any, draws: Any) -> Any:
    """Return (N, 7 + 256) float32: what `measure` returns, side by side."""
    import torch

    flow = _inverse_search.flow(before.float(), after.float(), FINEST_SCALE)
    flow = torch.complex(flow[:, 0], flow[:, 1])
    turn, shift, inliers, known = _camera(before, flow, draws)
    side = min(before.shape[1:])
    sparse = flow[:, ::STRIDE, ::STRIDE]
    length = sparse.abs()
    field = (turn - 1.0)[:, None, None] * _positions(before)[::STRIDE, ::STRIDE] + shift[:, None, None]
    magnitude = length.flatten(1).mean(1)
    residual = torch.where(known, (sparse - field).abs().flatten(1).mean(1), magnitude)
    camera = torch.stack([shift.real / side, shift.imag / side, turn.abs(), turn.angle()])
    rest = torch.stack([magnitude / side, residual / side, torch.where(known, inliers, 0.0)])
    down, across = (_areas(n, before.device) for n in length.shape[1:])
    patches = (down @ length @ across.T).flatten(1) / side
    return torch.cat([torch.where(known, camera, torch.nan).T, rest.T, patches], 1)


def _camera(pictures: Any, flow: Any, draws: Any) -> tuple[Any, Any, Any, Any]:
    """Return the similarity that most textured points follow, about the middle of the picture, as (N,) tensors.

    A point p (complex: right and down of the middle) goes to `turn` * p + `shift`; then the share of the points that
    do so, and whether that is the camera.
    """

    half = GRID_PX // 2
    rows, columns = (n // GRID_PX for n in pictures.shape[1:])
    grid = (slice(half, rows * GRID_PX, GRID_PX), slice(half, columns * GRID_PX, GRID_PX))
    points, moves = _positions(pictures)[grid].flatten(), flow[:, *grid].flatten(1)
    textured = _textured(pictures)
    count = textured.sum(1)
    ends = points + moves

    def follow(turn: Any, shift: Any) -> Any:
        """Return which points (…, G) a similarity (…) takes where they went."""
        off_x = turn.real[..., None] * points.real - turn.imag[..., None] * points.imag + shift.real[..., None]
        off_y = turn.imag[..., None] * points.real + turn.real[..., None] * points.imag + shift.imag[..., None]
        seen, target = (textured, ends) if turn.ndim == 1 else (textured[:, None], ends[:, None])
        return ((off_x - target.real) ** 2 + (off_y - target.imag) ** 2 <= INLIER_PX**2) & seen

    one, other = _drawn(textured, count, draws)
    turn = (ends.gather(1, other) - ends.gather(1, one)) / (points[other] - points[one])
    shift = ends.gather(1, one) - turn * points[one]
    best = follow(turn, shift).sum(-1).argmax(1, keepdim=True)
    turn, shift = turn.gather(1, best)[:, 0], shift.gather(1, best)[:, 0]
    inlier = follow(turn, shift)
    for _ in range(REFITS):
        turn, shift = _fitted(points, ends, inlier)
        inlier = follow(turn, shift)
    share = inlier.sum(1) / count.clamp_min(1)
    regions = (inlier.float() @ _regions(pictures, grid) > 0).sum(1)
    moving = _median(moves.abs(), inlier) > 2 * STANDING_PX
    standing = (flow[:, ::GRID_PX, ::GRID_PX].abs() < STANDING_PX).flatten(1).float().mean(1) > STANDING_MAX
    known = (count >= POINTS_MIN) & (share >= INLIERS_MIN) & (regions >= REGIONS_MIN) & ~(moving & standing)
    return turn, shift, share, known


def _drawn(textured: Any, count: Any, draws: Any) -> tuple[Any, Any]:
    """Return two different textured points per trial as indices (N, K), for draws (2, K) from 0..1."""
    enough = count.clamp_min(2)[:, None]
    one, other = (draws[0] * enough).long(), (draws[1] * (enough - 1)).long()
    ranked = (~textured).byte().argsort(dim=1, stable=True)
    return ranked.gather(1, one), ranked.gather(1, other + (other >= one))


def _regions(pictures: Any, grid: tuple[slice, slice]) -> Any:
    """Return (G, 16) in which of the picture's 16 regions each point lies, as 0 and 1."""
    import torch

    down, across = (torch.arange(n, device=pictures.device) * 4 // n for n in pictures.shape[1:])
    region = down[grid[0], None] * 4 + across[grid[1]]
    return (region.flatten()[:, None] == torch.arange(16, device=pictures.device)).float()


def _fitted(points: Any, ends: Any, inlier: Any) -> tuple[Any, Any]:
    """Return the similarity of least squares over the inliers."""
    weight = inlier / inlier.sum(1, keepdim=True).clamp_min(1)
    start, end = ((weight * z).sum(1, keepdim=True) for z in (points, ends))
    arm = points - start
    turn = (weight * arm.conj() * (ends - end)).sum(1) / (weight * arm.abs() ** 2).sum(1).clamp_min(1e-9)
    return turn, end[:, 0] - turn * start[:, 0]


def _median(values: Any, chosen: Any) -> Any:
    """Return (N,) medians of the chosen values of each row; infinite where none is."""
    import torch

    ranked = torch.where(chosen, values, torch.inf).sort(1).values
    count = chosen.sum(1, keepdim=True)
    return (ranked.gather(1, (count - 1).clamp_min(0) // 2) + ranked.gather(1, count // 2))[:, 0] / 2


def _textured(pictures: Any) -> Any:
    """Return (N, G) whether a grid cell has enough contrast and lies away from the border."""
    rows, columns = (n // GRID_PX for n in pictures.shape[1:])
    cut = pictures[:, : rows * GRID_PX, : columns * GRID_PX].float()
    cells = cut.reshape(len(cut), rows, GRID_PX, columns, GRID_PX).transpose(2, 3).flatten(3)
    # Sums of whole numbers below 2^24: exact in any order.
    contrast = (cells * cells).sum(3) / GRID_PX**2 - (cells.sum(3) / GRID_PX**2) ** 2
    edge = MARGIN_PX // GRID_PX
    for border in (contrast[:, :edge], contrast[:, -edge:], contrast[:, :, :edge], contrast[:, :, -edge:]):
        border.zero_()
    return contrast.flatten(1) > TEXTURE_STD**2


def _positions(pictures: Any) -> Any:
    """Return (H, W) complex: how far each pixel lies right and down of the middle."""
    import torch

    y, x = (torch.arange(n, device=pictures.device) - (n - 1) / 2 for n in pictures.shape[1:])
    return torch.complex(*torch.broadcast_tensors(x[None], y[:, None]))


def _areas(length: int, device: Any) -> Any:
    """Return (16, length): what share each of so many pixels has in each of 16 equal parts."""
    import torch

    edges = torch.arange(PATCHES + 1, device=device)[:, None] * (length / PATCHES)
    pixel = torch.arange(length, device=device)
    inside = (torch.minimum(edges[1:], pixel + 1) - torch.maximum(edges[:-1], pixel)).clamp(0, 1)
    return inside / inside.sum(1, keepdim=True)
