"""PDQ, the perceptual hash of pictures. Knows no files, no database, no video.

A hash is 256 bits: the signs, against their median, of the lowest 16x16 frequencies of a picture blurred down to
64x64. Re-encoding and resizing move few bits, unrelated pictures differ in about 128. Bit-exact with the reference.

Source: "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing algorithm", Meta, 2019; ThreatExchange (BSD-3)
defines the windows, the sampling points and the lower median; no code was taken.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tiktokd.plugins import Array

Floats = NDArray[np.float32]
Bits = NDArray[np.uint8]
SMALL, LOW = 64, 16
"""Side of the blurred picture, and of the block of frequencies that is kept."""
QUALITY_DIVISOR = 90
"""The reference's scale: a quality of 100 from 90 units of gradient on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """The hash of one picture."""

    bits: Bits
    """(32,) bytes; the reference's hexadecimal text, first byte first."""
    flipped: Bits
    """(32,) bytes, of the picture mirrored left to right."""
    quality: int
    """0..100; under 50 a picture has too little structure for its hash to mean anything."""

    @property
    def text(self) -> str:
        """64 hexadecimal digits, as ThreatExchange writes them."""
        return self.bits.tobytes().hex()

    @property
    def flipped_text(self) -> str:
        """The same of the mirrored picture."""
        return self.flipped.tobytes().hex()


def hash_luma(luma: Array) -> Hashed:
    """Return the hash of `(H, W)` luma 0..255 (any real type), at least 8x8."""
    height, width = luma.shape
    narrow = reducer(height) @ luma.astype(np.float32)
    return hash_small(narrow @ reducer(width).T, narrow @ reducer(width, mirrored=True).T)


def hash_small(small: Floats, flipped: Floats) -> Hashed:
    """Return the hash of a picture blurred to `(64, 64)`, 0..255, and of its mirror image blurred likewise.

    The blur samples beside the middle of its windows, so mirroring does not commute with it.
    """
    return Hashed(bits=_bits(small), flipped=_bits(flipped), quality=_quality(small))


@lru_cache(maxsize=32)
def reducer(length: int, start: int = 0, stop: int | None = None, *, mirrored: bool = False) -> Floats:
    """Return the `(64, length)` matrix that blurs (two box filters) and samples the part start..stop of one axis."""
    stop = length if stop is None else stop
    inside = stop - start
    window = (inside + 2 * SMALL - 1) // (2 * SMALL)
    right = (window + 2) // 2 - 1
    left = window - right - 1
    index = np.arange(inside)
    first, last = np.maximum(index - left, 0), np.minimum(index + right, inside - 1)
    box = ((index >= first[:, None]) & (index <= last[:, None])) / (last - first + 1.0)[:, None]
    sampled = ((np.arange(SMALL) + 0.5) * inside / SMALL).astype(int)
    matrix = np.zeros((SMALL, length), np.float32)
    part = box[sampled] @ box
    matrix[:, start:stop] = part[:, ::-1] if mirrored else part
    return matrix


def _dct() -> Floats:
    i, j = np.arange(1, LOW + 1)[:, None], np.arange(SMALL)[None, :]
    return np.asarray(np.sqrt(2.0 / SMALL) * np.cos(np.pi / 2 / SMALL * i * (2 * j + 1)), np.float32)


_DCT = _dct()


def _bits(small: Floats) -> Bits:
    values = (_DCT @ small @ _DCT.T).ravel()
    median = np.partition(values, values.size // 2 - 1)[values.size // 2 - 1]
    return np.packbits((values > median)[::-1])


def _quality(small: Floats) -> int:
    total = sum(int(np.abs(np.trunc(np.diff(small, axis=axis) * 100 / 255)).sum()) for axis in (0, 1))
    return min(100, total // QUALITY_DIVISOR)


def distances(a: Bits, b: Bits) -> NDArray[np.int32]:
    """Return the `(N, M)` bits in which hashes `(N, 32)` and `(M, 32)` differ, 0..256."""
    one, two = np.unpackbits(a, axis=1).astype(np.float32), np.unpackbits(b, axis=1).astype(np.float32)
    # |x - y| summed over bits, as a matrix product: both are 0 or 1.
    return np.asarray(np.rint(one.sum(1)[:, None] + two.sum(1)[None, :] - 2.0 * one @ two.T), np.int32)
