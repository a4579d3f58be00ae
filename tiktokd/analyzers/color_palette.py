"""The colours of the picture: a palette, how colourful, bright, contrasty, saturated and warm it is, and per shot.

Taken inside the bars; black frames are left out. Shares are of pixels, over the sampled frames.

Bad at: what a colour lies on (a red shirt and a red wall are one), small things, gradients (cut into bands), HDR beyond
the decoder's conversion. Colourfulness was fitted to photographs.

Source: k-means in CIELAB (D65); Hasler and Suesstrunk, "Measuring colourfulness in natural images", 2003; saturation
after Luebbe, 2010 (chroma as a share of chroma and lightness).
"""

import numpy as np

from tiktokd.colour import rgb_from_lab
from tiktokd.footage import Colour, Colours, Floats
from tiktokd.model import Output, Segment
from tiktokd.plugins import Analyzer, Context, Result, ok, partial

CHROMATIC = 8.0
"""Chroma (CIELAB) from which on a pixel has a hue; under it people call it grey, white or black."""
WARM_FROM_DEG, WARM_TO_DEG = -45.0, 110.0
"""Hue angles from purple-red over red and orange to yellow; the others, green to violet, are cool."""
CHROMATIC_SHARE = 0.01
"""Share of chromatic pixels under which there is nothing to call warm or cool."""
SHOT_COLOURS = 4


class PaletteColour(Output):
    """One colour."""

    hex: str
    """sRGB, `#rrggbb`."""
    lab: list[float]
    """CIE L*a*b* (D65): L* 0..100, a* and b* about -128..127."""
    share: float
    """0..1 of the pixels."""


class ColorPalette(Output):
    """Colours of the whole video."""

    colors: list[PaletteColour]
    """At most six, most frequent first; shares sum to 1."""
    colorfulness: float
    """Hasler-Suesstrunk M3: 0 grey, 15 slightly, 33 moderately, 59 quite, 109 extremely colourful."""
    brightness: float
    """0..1, mean CIE lightness."""
    contrast: float
    """0..0.5, standard deviation of the lightness."""
    saturation: float
    """0..1, mean share of chroma in chroma and lightness."""
    warmth: float | None
    """0..1, share of the chroma that is red to yellow and not green to violet; `None`: no colour to speak of."""


class ShotPalette(Segment):
    """Colours of one shot."""

    colors: list[PaletteColour]
    """At most four, most frequent first."""


def analyze(context: Context) -> Result:
    """Describe the sampled pixels."""
    found: Colours = context.features["colours"]
    chroma = np.hypot(found.lab[:, 1], found.lab[:, 2])
    lightness = np.clip(found.lab[:, 0] / 100.0, 0.0, 1.0)
    warmth = _warmth(found.lab, chroma)
    output = ColorPalette(
        colors=[_colour(c) for c in found.palette],
        colorfulness=round(_colourfulness(found.rgb), 2),
        brightness=round(float(lightness.mean()), 4),
        contrast=round(float(lightness.std()), 4),
        saturation=round(float((chroma / np.maximum(np.hypot(chroma, found.lab[:, 0]), 1.0)).mean()), 4),
        warmth=warmth,
    )
    segments = [
        ShotPalette(
            start_s=round(start_s, 3), end_s=round(end_s, 3), colors=[_colour(c) for c in colours[:SHOT_COLOURS]]
        )
        for start_s, end_s, colours in found.shots
    ]
    if warmth is None:
        return partial(output, "low_quality", "the picture has no colour that could be warm or cool", segments)
    return ok(output, segments)


def _colourfulness(rgb: Floats) -> float:
    red_green = rgb[:, 0] - rgb[:, 1]
    yellow_blue = (rgb[:, 0] + rgb[:, 1]) / 2 - rgb[:, 2]
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _warmth(lab: Floats, chroma: Floats) -> float | None:
    coloured = chroma >= CHROMATIC
    if coloured.mean() < CHROMATIC_SHARE:
        return None
    hue = np.degrees(np.arctan2(lab[coloured, 2], lab[coloured, 1]))
    warm = (hue >= WARM_FROM_DEG) & (hue <= WARM_TO_DEG)
    return round(float(chroma[coloured][warm].sum() / chroma[coloured].sum()), 4)


def _colour(colour: Colour) -> PaletteColour:
    red, green, blue = (round(float(v)) for v in rgb_from_lab([colour.lab])[0])
    return PaletteColour(
        hex=f"#{red:02x}{green:02x}{blue:02x}", lab=[round(v, 2) for v in colour.lab], share=round(colour.share, 4)
    )


ANALYZER = Analyzer(
    name="color_palette",
    title="Dominant colours, colourfulness, brightness, contrast, warmth",
    group="video",
    output=ColorPalette,
    segment=ShotPalette,
    analyze=analyze,
    uses=("colours",),
    needs=frozenset({"video"}),
    version="4",
)
