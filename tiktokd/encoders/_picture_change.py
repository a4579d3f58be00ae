"""How two thumbnails of a video differ, with bars left out and motion allowed for. Knows nothing of shots or times."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiktokd.plugins import Array

Floats = NDArray[np.float32]
Integers = NDArray[np.int16]
TO_YUV = np.array([[0.299, -0.169, 0.5], [0.587, -0.331, -0.419], [0.114, 0.5, -0.081]], np.float32)
"""RGB to luma and two colour differences (BT.601, as in JPEG), each spanning 255."""
BLOCK_H, BLOCK_W, REACH = 9, 8, 6
"""Motion search: blocks of 9x8 cells, up to 6 cells (a fifth of the height) from one frame to the next."""
FAR = np.int16(8192)
"""A value that no pixel comes near."""
BAR_STILL, BAR_STD = 6, 3.0
"""A bar's cells stay within this range (0..255) over the video and differ by this little along the bar."""
REMEMBERED = 64
"""Searched pairs kept: a cut asks for those around it more than once."""
CHUNK = 512
"""Frames converted at a time, so that a long video costs 8 MiB and not its length."""


def yuv(thumbs: Array) -> Floats:
    """Return `(N, 27, 48, 3)` luma 0..255 and colour differences -128..127 of RGB thumbnails."""
    return thumbs.astype(np.float32) @ TO_YUV


def active_cells(thumbs: Array) -> NDArray[np.bool_]:
    """Return `(27, 48)`: False in bars, that is rows and columns at the border that stay one dark or plain colour."""
    sample = thumbs[:: max(1, len(thumbs) // 200)].astype(np.int16)
    still = (sample.max(0) - sample.min(0)).max(-1) <= BAR_STILL
    mean = sample.mean(0)
    active = np.ones(still.shape, bool)
    for axis in (0, 1):
        lines = still.all(1 - axis) & (mean.std(1 - axis).max(-1) < BAR_STD)
        head = int(np.argmin(lines)) if not lines.all() else 0
        tail = int(np.argmin(lines[::-1])) if not lines.all() else 0
        index: list[Any] = [slice(None), slice(None)]
        for part in (slice(0, head), slice(len(lines) - tail, len(lines))):
            index[axis] = part
            active[tuple(index)] = False
    return active if active.mean() >= 0.15 else np.ones_like(active)


def changes(thumbs: Array, active: NDArray[np.bool_], *, at_least: float) -> tuple[Floats, Floats]:
    """Return per frame the mean over the active cells of |change| from the frame before, and the median.

    Both 0..510, 0 for the first frame; the median only where the mean is `at_least` that.
    """
    mean, median = np.zeros(len(thumbs), np.float32), np.zeros(len(thumbs), np.float32)
    for start in range(1, len(thumbs), CHUNK):
        part = yuv(thumbs[start - 1 : start + CHUNK])
        cells = np.abs(np.diff(part, axis=0)).sum(-1)[:, active]
        mean[start : start + CHUNK] = cells.mean(1)
        moving = np.nonzero(cells.mean(1) >= at_least)[0]
        if len(moving):
            median[start + moving] = np.median(cells[moving], axis=1)
    return mean, median


class Pictures:
    """The thumbnails of one video, compared two at a time."""

    def __init__(self, thumbs: Array, active: NDArray[np.bool_]) -> None:
        self.active, self._thumbs = active, thumbs
        rows, columns = active.shape[0] // BLOCK_H, active.shape[1] // BLOCK_W
        self._used = active.reshape(rows, BLOCK_H, columns, BLOCK_W).mean((1, 3)) >= 0.5
        if not self._used.any():
            self._used[:] = True
        self._searched: dict[tuple[int, int, bool], tuple[Floats, Floats]] = {}

    def __getitem__(self, i: int) -> Floats:
        return yuv(self._thumbs[i])

    def residual(self, i: int, k: int, *, in_any_light: bool = False, share: float = 0.5) -> float:
        """Return the change that no motion of a block explains: of the block that `share` of them do not exceed.

        Measured in both directions, the smaller counts.

        Args:
            in_any_light: Take the median difference off first, which is what an exposure control changes.
        """
        return min(float(np.quantile(way, share)) for way in self._unexplained(i, k, in_any_light=in_any_light))

    def residual_is_above(self, limit: float, i: int, k: int, *, share: float = 0.5) -> bool:
        """Return whether `residual` is; without the search where even no motion leaves less."""
        return float(np.quantile(self.unmoved(i, k), share)) > limit and self.residual(i, k, share=share) > limit

    def unmoved(self, i: int, k: int) -> Floats:
        """Return the mean change of each used block where it stands: at least what motion leaves of it."""
        apart = np.abs(self[i] - self[k]).sum(-1)
        rows, columns = self._used.shape
        return np.asarray(apart.reshape(rows, BLOCK_H, columns, BLOCK_W).mean((1, 3))[self._used], np.float32)

    def unexplained(self, i: int, k: int) -> Floats:
        """Return the least change of each used block under any motion, in the better of both directions."""
        return np.minimum(*self._unexplained(i, k, in_any_light=False))

    def _unexplained(self, i: int, k: int, *, in_any_light: bool) -> tuple[Floats, Floats]:
        """Return the least change of each used block under any motion, forwards and backwards."""
        key = (i, k, in_any_light)
        if key not in self._searched:
            before, after = self[i], self[k]
            if in_any_light:
                after = after - np.median((after - before)[self.active], axis=0)
            one, two = (np.round(picture).astype(np.int16) for picture in (before, after))
            if len(self._searched) >= REMEMBERED:
                self._searched.clear()
            self._searched[key] = self._one_way(one, two), self._one_way(two, one)
        return self._searched[key]

    def _one_way(self, source: Integers, target: Integers) -> Floats:
        # A bar must explain nothing: black after black would be "the bar moved in".
        source = np.where(self.active[..., None], source, FAR)
        padded = np.pad(source, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="edge")
        shifted = np.lib.stride_tricks.sliding_window_view(padded, source.shape[:2], (0, 1))
        apart = np.abs(shifted - target.transpose(2, 0, 1))
        apart *= self.active
        rows, columns = self._used.shape
        blocks = apart.reshape(*apart.shape[:3], rows, BLOCK_H, columns, BLOCK_W).sum(axis=(2, 4, 6), dtype=np.int32)
        cells = self.active.reshape(rows, BLOCK_H, columns, BLOCK_W).sum((1, 3))
        return np.asarray((blocks.min((0, 1)) / np.maximum(cells, 1))[self._used], np.float32)

    def gradient_correlation(self, i: int, k: int) -> float:
        """Return the correlation (-1..1) of the luma gradients of two frames: near 1 for one scene in any light."""
        one, two = self._gradients(i), self._gradients(k)
        norm = float(np.linalg.norm(one) * np.linalg.norm(two))
        return float(one @ two) / norm if norm > 0 else 0.0

    def _gradients(self, i: int) -> Floats:
        # Inside the bars' edges only: those are the same in every frame.
        luma, active = self[i][..., 0], self.active
        across = np.diff(luma, axis=1)[active[:, 1:] & active[:, :-1]]
        down = np.diff(luma, axis=0)[active[1:] & active[:-1]]
        return np.concatenate([across, down])

    def histogram_overlap(self, i: int, k: int) -> float:
        """Return the share (0..1) of luma values that two frames have in common, wherever they lie."""
        one, two = (np.histogram(self[n][..., 0][self.active], 32, (0, 255))[0] for n in (i, k))
        return float(np.minimum(one, two).sum() / max(1, int(self.active.sum())))
