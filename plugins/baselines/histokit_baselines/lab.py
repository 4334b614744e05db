"""CIE Lab of sRGB images and back, in the precision of the pixels.

The formulas and constants are those of IEC 61966-2-1 and of CIE 15 with the white of D65, as
scikit-image has them, which takes several times as long: it asks every pixel which of two formulas
it needs, and then works on the pixels of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.floating]

WHITE = np.array([0.95047, 1.0, 1.08883])
"""X, Y and Z of D65 for the observer of 2 degrees."""
XYZ_OF_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
RELATIVE_OF_RGB = XYZ_OF_RGB / WHITE[:, None]
LAB_OF_ROOTS = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])
DARKEST = 16.0
"""What is taken from 116 roots of Y to make L."""
STEEP, OFFSET = 7.787, 16 / 116
"""The straight line that stands for the cube root of small values."""


def lab_of_rgb(rgb: Planes) -> Planes:
    """L, a and b [3 n] of colours [3 n] in 0..1."""
    linear = rgb + 0.055
    linear /= 1.055
    np.power(linear, 2.4, out=linear)
    dark = rgb <= 0.04045
    linear[dark] = rgb[dark] / 12.92
    relative = RELATIVE_OF_RGB.astype(rgb.dtype) @ linear
    small = relative <= 0.008856
    straight = STEEP * relative[small] + OFFSET
    roots = np.cbrt(relative, out=relative)
    roots[small] = straight
    lab = LAB_OF_ROOTS.astype(rgb.dtype) @ roots
    lab[0] -= DARKEST
    return lab


def rgb_of_lab(lab: Planes) -> Planes:
    """The colours [3 n] of L, a and b [3 n], each channel cut to 0..1."""
    roots = np.linalg.inv(LAB_OF_ROOTS).astype(lab.dtype) @ lab
    roots += OFFSET  # of L alone, which is in all three
    np.maximum(roots[2], 0, out=roots[2])
    small = roots <= 0.2068966
    relative = roots * roots
    relative *= roots
    relative[small] = (roots[small] - OFFSET) / STEEP
    linear = np.linalg.inv(RELATIVE_OF_RGB).astype(lab.dtype) @ relative
    dark = linear <= 0.0031308
    straight = 12.92 * linear[dark]
    linear[dark] = 0
    rgb = np.power(linear, 1 / 2.4, out=linear)
    rgb *= 1.055
    rgb -= 0.055
    rgb[dark] = straight
    return rgb.clip(0, 1, out=rgb)
