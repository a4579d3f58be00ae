"""Sketches of vectors: 512 signs each, of which as many differ as the angle between two vectors says. Pure.

A sketch holds the signs of a vector turned at random. Two vectors at the angle a differ in a share of a / pi of them,
give or take one in 70.
"""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BITS = 512
"""1024 take 2 ms more to look through 100,000 of, and find no more."""
WORDS = BITS // 64
BYTES = BITS // 8
TURNS = 3
"""Changes of sign and Hadamard transforms, which spread each number of a vector over all of them: after three, vectors
with a few large numbers are turned as well as others (Andoni et al., cross-polytope LSH, NIPS 2015)."""
SEED = b"tiktokd sketch 1"
_EVEN_BYTES, _PAIRS_SUMMED = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0001000100010001)


def sketch(vector: NDArray[np.float32]) -> bytes:
    """Return the sketch of a vector (D,), 64 bytes; vectors of other sizes are turned otherwise."""
    return sketches(vector[None])[0]


def sketches(vectors: NDArray[np.float32]) -> list[bytes]:
    """Return the sketch of each vector (n, D)."""
    length = vectors.shape[1]
    size = max(BITS, 1 << (length - 1).bit_length())
    turned = np.zeros((len(vectors), size), np.float32)
    turned[:, :length] = vectors
    for signs in _signs(size):
        turned = _hadamard(turned * signs)
    return [row.tobytes() for row in np.packbits(turned[:, :BITS] > 0, axis=1)]


def share(cosine: float) -> float:
    """Return the share of bits in which sketches of vectors at this cosine differ on average, 0..1."""
    return float(np.arccos(cosine) / np.pi)


@lru_cache(maxsize=4)
def _signs(size: int) -> NDArray[np.float32]:
    """Return (TURNS, size) of -1 and 1, for ever the same: they are part of what is stored."""
    bits = np.frombuffer(hashlib.shake_256(SEED).digest(TURNS * size // 8), np.uint8)
    return np.unpackbits(bits).reshape(TURNS, size).astype(np.float32) * 2 - 1


def _hadamard(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the Walsh-Hadamard transforms of (n, D) vectors, D a power of two, not scaled."""
    step = 1
    while step < vectors.shape[1]:
        pairs = vectors.reshape(len(vectors), -1, 2, step)
        summed = np.empty_like(pairs)
        np.add(pairs[:, :, 0], pairs[:, :, 1], out=summed[:, :, 0])
        np.subtract(pairs[:, :, 0], pairs[:, :, 1], out=summed[:, :, 1])
        vectors = summed.reshape(len(vectors), -1)
        step *= 2
    return vectors


def differing(sketches: NDArray[np.uint64], words: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Return, per sketch (n, WORDS), in how many bits it differs from another (WORDS,)."""
    # The eight counts of a sketch are the bytes of one number: added in pairs, then all at once by a product.
    counts = np.bitwise_count(sketches ^ words).view(np.uint64)[:, 0]
    pairs = (counts & _EVEN_BYTES) + (counts >> np.uint64(8) & _EVEN_BYTES)
    return np.asarray(pairs * _PAIRS_SUMMED >> np.uint64(48), np.uint16)


def alike(one: NDArray[np.uint64], two: NDArray[np.uint64], bits_max: int) -> NDArray[np.bool_]:
    """Return (n, m), which of the sketches (n, WORDS) and (m, WORDS) differ in `bits_max` bits at most."""
    counts = np.bitwise_count(one[:, None, :] ^ two[None, :, :])
    return np.asarray(counts.sum(axis=2, dtype=np.uint16) <= bits_max)
