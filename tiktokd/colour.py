"""sRGB and CIE L*a*b* (D65). Knows no pictures.

Source: IEC 61966-2-1 (sRGB), CIE 15:2004 (L*a*b*).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to XYZ."""
FROM_XYZ = np.linalg.inv(TO_XYZ)
WHITE = np.array([0.95047, 1.0, 1.08883])
"""XYZ of D65, the white of sRGB."""
KNEE = 6 / 29
"""Where the cube root of L*a*b* gives way to a straight line."""


def lab_from_rgb(rgb: ArrayLike) -> NDArray[np.float32]:
    """Return L* 0..100, a*, b* (about -128..127) of sRGB `(N, 3)`, 0..255."""
    share = np.clip(np.asarray(rgb, np.float32) / 255.0, 0.0, 1.0)
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ TO_XYZ.T / WHITE
    bent = np.where(xyz > KNEE**3, np.cbrt(xyz), xyz / (3 * KNEE**2) + 4 / 29)
    x, y, z = bent[:, 0], bent[:, 1], bent[:, 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1).astype(np.float32)


def rgb_from_lab(lab: ArrayLike) -> NDArray[np.float64]:
    """Return sRGB `(N, 3)`, 0..255, of L*a*b*, clipped to what sRGB can show."""
    values = np.asarray(lab, np.float64)
    y = (values[:, 0] + 16.0) / 116.0
    bent = np.stack([y + values[:, 1] / 500.0, y, y - values[:, 2] / 200.0], axis=1)
    xyz = np.where(bent > KNEE, bent**3, 3 * KNEE**2 * (bent - 4 / 29)) * WHITE
    linear = np.clip(xyz @ FROM_XYZ.T, 0.0, 1.0)
    return np.asarray(255.0 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
