"""Tells writing in a script that the reader has no signs for from texture and from words. Pure: reads nothing itself.

Of such scripts PP-OCRv6 gives nothing (Hangul, Arabic), the spaces between the words (Cyrillic), or Latin letters that
look alike (Thai, Hebrew, Devanagari, Greek): other ones for each cut, with scores of 0.5 to 0.89.
"""

import unicodedata
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tiktokd.likeness import similarity

DETECTED = 0.6
"""Least detection score 0..1 of a line that cannot be read; lines of seven scripts over photos got 0.65 to 0.86."""
ASPECT = 3.0
"""Least width over height: on photos without text, and in 85 frames of clips, no other box was found that wide."""
LEAST_HEIGHT, MOST_HEIGHT = 0.025, 0.12
"""Shares of the picture's height: smaller writing may be Latin and blurred, larger shapes may be anything."""
CONTRAST = 20.0
"""Least standard deviation of the luma, 0..255; grey lettering without outlines over a photo has 27."""
REPEATS = 0.85
"""Correlation with another stretch of the same line from which on it is a pattern: fences, windows and stitches reach
0.97, writing of eleven scripts 0.33 to 0.69."""
STANDS_S, STANDS_SAMPLES = 1.0, 2
"""Writing laid over the picture is shown at least this long; seconds and full-size samples."""
HEIGHT_PX, PIECE_PX, APART_PX = 24, 28, 10
"""To compare stretches of a line: its height, the width of a piece, and how far from itself a piece is looked for."""
AGREE = 0.95
"""Least similarity of two readings of one line, with more and less around it, that makes a strange word believable."""
FEW_LETTERS = 0.6
"""A word whose different letters are this share of all, or less, is strange ("aananu")."""
STRANGE_LENGTH = 5
"""Letters of a word from which on that is judged: "papa" is a word."""
GREEK_LETTERS = 2
"""So many Greek letters are Greek, of which the reader leaves letters out; one is a sign of mathematics."""


def looks_written(crop: NDArray[np.uint8], detected: float, height_ratio: float) -> bool:
    """Return whether a line (h, w, 3 BGR) that cannot be read is writing and no texture.

    Args:
        crop: the line, upright.
        detected: score of its detection, 0..1.
        height_ratio: its height as a share of the picture's.
    """
    height, width = crop.shape[:2]
    if detected < DETECTED or width < ASPECT * height or not LEAST_HEIGHT <= height_ratio <= MOST_HEIGHT:
        return False
    luma = crop.mean(axis=2)
    return float(luma.std()) >= CONTRAST and _repetition(np.asarray(luma, np.float32)) < REPEATS


def garbled(text: str, again: str) -> bool:
    """Return whether a text that was read unsurely is garbage, given a second reading of the same line.

    Greek always is; other strange words are where the readings differ.
    """
    if sum("GREEK" in unicodedata.name(char, "") for char in text) >= GREEK_LETTERS:
        return True
    return similarity(text, again) < AGREE and any(_strange(word) for word in text.split())


def _strange(word: str) -> bool:
    """Return whether a word mixes digits or capitals into letters, or has very few different letters."""
    letters = "".join(char for char in word if char.isalnum())
    if any(a.isdigit() != b.isdigit() or (a.islower() and b.isupper()) for a, b in pairwise(letters)):
        return True
    return len(letters) >= STRANGE_LENGTH and len(set(letters.lower())) <= FEW_LETTERS * len(letters)


def _repetition(luma: NDArray[np.float32]) -> float:
    """Return how well stretches of a line are found elsewhere in it, 0..1: the median of five."""
    import cv2

    width = max(round(luma.shape[1] * HEIGHT_PX / luma.shape[0]), PIECE_PX)
    small = cv2.resize(luma, (width, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    found = []
    for left in np.linspace(0, width - PIECE_PX, 5).astype(int).tolist():
        piece = small[:, left : left + PIECE_PX]
        if piece.std() >= CONTRAST / 5:
            match = np.abs(cv2.matchTemplate(small, piece, cv2.TM_CCOEFF_NORMED)[0])
            match[max(left - APART_PX, 0) : left + APART_PX + 1] = 0.0
            found.append(float(match.max()))
    return float(np.median(found)) if found else 1.0
