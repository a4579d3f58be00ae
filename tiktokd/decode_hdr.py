"""HDR and wide-gamut pictures to plain BT.709. Knows nothing of containers or slots.

Reference white (203 cd/m², ITU-R BT.2408 5.1) becomes SDR white but for a soft knee: above three quarters of it the
light is compressed, so that highlights keep some detail. HLG is shown as on a 1000 cd/m² screen, its system gamma of
1.2 applied to each channel. Good enough to tell what is in a picture; not a grading tool.

FFmpeg's own conversion (`dst_color_trc`) gives the same greys but needs 3 s to build a table for each size; this takes
25 ms per 576x1024 picture.
"""

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

from tiktokd.plugins import Array

WHITE_CD_M2 = 203.0
HLG_PEAK_CD_M2, HLG_GAMMA = 1000.0, 1.2
KNEE = 0.75
"""Light up to here, of SDR white, is kept as it is."""
BRIGHTEST = 5.0
"""Of SDR white; more light than this ends in the same output."""
STEPS = 16_384
TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], dtype=np.float32
)
"""Linear BT.2020 RGB to linear BT.709 RGB (ITU-R BT.2087-0, annex 2)."""


def needs_conversion(frame: av.VideoFrame) -> bool:
    """Return whether the frame has an HDR curve or BT.2020 primaries."""
    curve, primaries = frame.color_trc, frame.color_primaries
    return bool(curve in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67) or primaries == ColorPrimaries.BT2020)


def to_sdr(rgb: Array, curve: int) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 BT.709 RGB for (H, W, 3) uint16 BT.2020 RGB, both full range.

    Args:
        curve: FFmpeg's number of the transfer curve: 16 PQ, 18 HLG; anything else is taken for BT.709's.
    """
    light = _LIGHT.get(curve, _LIGHT[int(ColorTrc.BT709)])
    linear = light[rgb >> 4] @ TO_BT709.T
    np.multiply(linear, (STEPS - 1) / BRIGHTEST, out=linear)
    np.clip(linear, 0, STEPS - 1, out=linear)
    shown: NDArray[np.uint8] = _DISPLAY[linear.astype(np.uint16)]
    return shown


def _pq(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light in units of SDR white (SMPTE ST 2084, equation 4.1)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = signal ** (1 / m2)
    return 10_000 / WHITE_CD_M2 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def _hlg(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light in units of SDR white (ITU-R BT.2100-2, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return HLG_PEAK_CD_M2 / WHITE_CD_M2 * scene**HLG_GAMMA


def _bt709(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light in units of SDR white (ITU-R BT.709-6, item 1.2, inverted)."""
    return np.where(signal < 0.081, signal / 4.5, ((signal + 0.099) / 1.099) ** (1 / 0.45))


def _display() -> NDArray[np.uint8]:
    light = np.linspace(0, BRIGHTEST, STEPS)
    light = np.where(light <= KNEE, light, KNEE + (1 - KNEE) * (1 - np.exp(-(light - KNEE) / (1 - KNEE))))
    signal = np.where(light < 0.018, 4.5 * light, 1.099 * light**0.45 - 0.099)
    levels: NDArray[np.uint8] = np.rint(255 * np.clip(signal, 0, 1)).astype(np.uint8)
    return levels


_SIGNAL = np.linspace(0, 1, 4096)
_LIGHT = {
    int(ColorTrc.SMPTE2084): _pq(_SIGNAL).astype(np.float32),
    int(ColorTrc.ARIB_STD_B67): _hlg(_SIGNAL).astype(np.float32),
    int(ColorTrc.BT709): _bt709(_SIGNAL).astype(np.float32),
}
_DISPLAY = _display()
