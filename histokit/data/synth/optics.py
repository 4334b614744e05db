"""From stain to picture: the law of Beer and Lambert, the lens, the sensor and the file."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from histokit.data.synth.domains import MPP, Colour, Scanner


def transmittance(densities: NDArray[np.float32], stains: Sequence[Colour]) -> NDArray[np.float32]:
    """Share of light that passes, float32 [H W 3] in 0..1: 10 ** -(sum of density times vector).

    Densities are decadic (base 10), so no stain gives exactly 1, and twice the stain squares it.

    Args:
        densities: [S H W], optical density of each stain along its vector.
        stains: S unit vectors (R, G, B).
    """
    light = np.empty((*densities.shape[1:], 3), dtype=np.float32)
    for channel in range(3):
        total = np.zeros(densities.shape[1:], dtype=np.float32)
        for density, stain in zip(densities, stains, strict=True):
            total += density * np.float32(stain[channel] * np.log(10))
        light[..., channel] = np.exp(-total)
    return light


def photograph(
    rng: np.random.Generator, light: NDArray[np.float32], scanner: Scanner
) -> NDArray[np.uint8]:
    """The scanner's picture, uint8 [H W 3], of transmitted light [H W 3]."""
    sigma = scanner.blur / MPP
    picture = ndimage.gaussian_filter(light, (sigma, sigma, 0), truncate=3.0)
    if scanner.sharpen:
        softer = ndimage.gaussian_filter(picture, (1.2, 1.2, 0), truncate=2.5)
        picture = picture + np.float32(scanner.sharpen) * (picture - softer)
    picture = np.clip(picture * (1 - scanner.veil) + scanner.veil, 0, 1) ** np.float32(
        scanner.gamma
    )
    picture *= np.array(scanner.white, dtype=np.float32)
    grain = rng.standard_normal(picture.shape, dtype=np.float32)
    picture += np.float32(scanner.noise) * ndimage.gaussian_filter(grain, (0.5, 0.5, 0))
    return _compressed(np.clip(picture + 0.5, 0, 255).astype(np.uint8), scanner.quality)


def _compressed(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=0)
    return np.array(Image.open(buffer), dtype=np.uint8)
