"""Pictures with text for tests of reading: rendered with a font of this machine, or with Pillow's own."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tiktokd.plugins import Array

FONTS = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans-Bold.ttf",
    "/usr/share/fonts/TTF/DejaVuSans-Bold.ttf",
)


def full_font() -> str | None:
    """Return a font with the letters of all Latin scripts; `None`: only Pillow's own, which lacks most accents."""
    return next((path for path in FONTS if Path(path).is_file()), None)


def font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the best font at hand."""
    path = full_font()
    return ImageFont.truetype(path, size_px) if path else ImageFont.load_default(size=size_px)


def backdrop(size: tuple[int, int], seed: int, shift_px: int = 0) -> Array:
    """Return a smooth colourful (H, W, 3) uint8 picture; `shift_px` moves it sideways."""
    width, height = size
    coarse = np.random.default_rng(seed).integers(30, 225, (10, 8, 3), np.uint8)
    large = Image.fromarray(coarse).resize((width + 64, height), Image.Resampling.BICUBIC)
    return np.roll(np.asarray(large), shift_px, axis=1)[:, :width]


def write(picture: Array, lines: list[tuple[str, int, int]]) -> Array:
    """Return the picture with white, black-edged lines of (text, top_px, size_px), 20 px from the left."""
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for text, top, size in lines:
        pen.text((20, top), text, font=font(size), fill="white", stroke_width=max(2, size // 12), stroke_fill="black")
    return np.asarray(image)


def planes(picture: Array) -> Array:
    """Return (H*3/2, W) uint8 planar YUV 4:2:0, limited range, of an (H, W, 3) RGB picture."""
    import cv2

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YUV_I420))


def small_luma(picture: Array, short_px: int = 160) -> Array:
    """Return the luma with its short side at `short_px`."""
    image = Image.fromarray(picture).convert("L")
    scale = short_px / min(image.size)
    return np.asarray(image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BOX))
