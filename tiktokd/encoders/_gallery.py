"""The user's pictures of logos in a model's space, cached on disk. Knows no video and no model.

`<analysis.data_dir>/logos/<Brand>/*.png`, or `logos/<Brand>.png` where one is enough; also .jpg, .jpeg and .webp. The
folder's or the file's name is the brand's. None ship with the program: logos are trade marks, and those that matter are
the user's. Best are cuts from videos, with little around the logo, and one for each of its forms and colours.
"""

import hashlib
import json
import logging
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiktokd.encoders import _prompts
from tiktokd.errors import ConfigError

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
FOLDER = "logos"
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
PICTURES_MAX = 500
LONGEST_PX = 1024
"""Longer sides are shrunk, four times what the model sees: a banner of 6,000 px as a square took 0.5 GiB."""
FORM = 2
"""Raised whenever `picture` makes something else of the same file: the cache must not outlive it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Pictures of logos and whose they are."""

    brands: tuple[str, ...]
    """Each once, sorted."""
    of: NDArray[np.int64]
    """(P,) number of the brand that each picture shows."""
    vectors: Floats
    """(P, D) of length 1."""


def files(data_dir: Path | None) -> list[tuple[str, Path]]:
    """Return brand and path of every picture, sorted, `PICTURES_MAX` at most; none where there is no folder."""
    folder = data_dir / FOLDER if data_dir else None
    if folder is None or not folder.is_dir():
        return []
    inside = [(path.parent.name, path) for path in folder.glob("*/*")]
    found = [*inside, *((path.stem, path) for path in folder.glob("*"))]
    named = sorted(
        (unicodedata.normalize("NFC", brand), path)
        for brand, path in found
        if path.suffix.lower() in ENDINGS and path.is_file() and not path.name.startswith(".")
    )
    if len(named) > PICTURES_MAX:
        log.warning("%s holds %d pictures; only the first %d by name are compared", folder, len(named), PICTURES_MAX)
    return named[:PICTURES_MAX]


def readable(found: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Return those that can be read, and say of each other one in the log that it counts for nothing."""
    kept = []
    for brand, path in found:
        try:
            picture(path)
        except (ConfigError, OSError) as exc:
            log.warning("%s; the other logos are looked for without it", exc)
        else:
            kept.append((brand, path))
    return kept


def embedded(
    found: Sequence[tuple[str, Path]], embed: Callable[[Floats], Floats], cache_dir: Path, space: str
) -> Gallery:
    """Return the pictures embedded, from the cache where the same model saw the same files before.

    Args:
        found: brand and path, one at least.
        embed: one (S, S, 3) float32 RGB 0..1 picture of any size S to its (D,) vector of length 1.
        cache_dir: may be missing or not writable.
        space: model and revision.
    """
    digests = [(brand, hashlib.sha256(path.read_bytes()).hexdigest()) for brand, path in found]
    key = hashlib.sha256(json.dumps([space, FORM, digests]).encode()).hexdigest()[:32]
    vectors = _prompts.kept(
        cache_dir / f"logos-{key}.npy", len(found), lambda: np.stack([embed(picture(path)) for _brand, path in found])
    )
    brands = tuple(sorted({brand for brand, _path in found}))
    of = np.array([brands.index(brand) for brand, _path in found])
    return Gallery(brands=brands, of=of, vectors=vectors)


def picture(path: Path) -> Floats:
    """Return a picture (S, S, 3) float32 RGB 0..1, filled up to a square in the colour of its border.

    Windows of a video are squares: a wide word mark must not be squeezed. Where it is transparent it stands on white,
    or on black if it is itself light.

    Raises:
        ConfigError: it cannot be read, with its path.
    """
    import cv2

    data = np.frombuffer(path.read_bytes(), np.uint8)
    raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if raw is None or raw.dtype not in (np.uint8, np.uint16):  # OpenCV tells by the content: TIFF and EXR hold floats
        raise ConfigError(f"{path} is not a picture that can be read (PNG, JPEG, WebP); take it away")
    if (longest := max(raw.shape[:2])) > LONGEST_PX:
        height, width = (max(1, round(n * LONGEST_PX / longest)) for n in raw.shape[:2])
        raw = cv2.resize(raw, (width, height), interpolation=cv2.INTER_AREA)
    pixels = raw.astype(np.float32) / np.iinfo(raw.dtype).max
    pixels = pixels[..., None].repeat(3, axis=2) if pixels.ndim == 2 else pixels
    colours = pixels[..., 2::-1]
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:]
        light = float((colours * alpha).sum() / max(3.0 * float(alpha.sum()), 1e-6))
        colours = colours * alpha + (0.0 if light > 0.5 else 1.0) * (1.0 - alpha)
    height, width, _ = colours.shape
    border = np.concatenate([colours[0], colours[-1], colours[:, 0], colours[:, -1]])
    side = max(height, width)
    square: Floats = np.tile(np.median(border, axis=0).astype(np.float32), (side, side, 1))
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = colours
    return square
