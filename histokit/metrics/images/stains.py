"""Whether a translation keeps the biology: brown where it should be, nuclei where they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage.color import hdx_from_rgb, hed_from_rgb, separate_stains
from skimage.metrics import structural_similarity

from histokit.metrics.images.similarity import WINDOW, require_same_size

Stains = Literal["HE", "IHC"]
POSITIVE = 0.15
"""DAB optical density above which a pixel counts as positive; our choice, as papers differ."""
BLOCK = 32
"""Side in pixels of the blocks of `block_correlation`."""
DENSEST = 2.0
"""Optical density that haematoxylin is cut at before it is compared."""
_TO_BASE_10 = 6.0
"""scikit-image counts densities in decades of its smallest value, 1e-6."""


@dataclass(frozen=True, slots=True)
class Densities:
    """Optical densities to base 10, float64 [H W] from 0: haematoxylin and the other stain (eosin
    of an H&E image, DAB of an IHC one).
    """

    haematoxylin: NDArray[np.float64]
    other: NDArray[np.float64]


def densities(image: NDArray[np.uint8], stains: Stains) -> Densities:
    """The stains of an RGB image, by colour deconvolution with the vectors of Ruifrok and
    Johnston (Analytical and Quantitative Cytology and Histology 2001).
    """
    matrix = hed_from_rgb if stains == "HE" else hdx_from_rgb
    found = separate_stains(image, matrix).clip(0) * _TO_BASE_10
    return Densities(found[..., 0], found[..., 1])


def dab_correlation(output: Densities, reference: Densities) -> float | None:
    """Pearson's correlation of the DAB density, pixel by pixel, of two IHC images.

    It judges place as well as amount, so it is only meaningful for pairs that lie well on each
    other. None where one image has the same density everywhere.
    """
    require_same_size(output.other, reference.other)
    return correlation(output.other.ravel(), reference.other.ravel())


def block_correlation(output: Densities, reference: Densities) -> float | None:
    """Pearson's correlation of the mean DAB densities of blocks of 32 x 32 pixels: whether brown
    is in the right region, forgiving what neighbouring sections are apart.

    What is left over at the lower right is not looked at. None where there are fewer than four
    blocks, or one image has the same density in all.
    """
    require_same_size(output.other, reference.other)
    blocks = [_block_means(image.other) for image in (output, reference)]
    return correlation(*blocks) if blocks[0].size >= 4 else None


def _block_means(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = (side // BLOCK for side in plane.shape)
    cut = plane[: rows * BLOCK, : columns * BLOCK]
    return cut.reshape(rows, BLOCK, columns, BLOCK).mean((1, 3)).ravel()


def positive_fraction(image: Densities, threshold: float = POSITIVE) -> float:
    """The share of pixels whose DAB density is above `threshold`."""
    return float((image.other > threshold).mean())


def positive_fraction_error(
    output: Densities, reference: Densities, threshold: float = POSITIVE
) -> float:
    """The absolute difference of the two positive fractions, 0..1; no alignment is needed."""
    return abs(positive_fraction(output, threshold) - positive_fraction(reference, threshold))


def haematoxylin_ssim(output: Densities, source: Densities) -> float | None:
    """SSIM (gaussian) of the haematoxylin of a translation and of its source: are nuclei kept?

    Densities are cut at 2. None for images smaller than the neighbourhood.
    """
    require_same_size(output.haematoxylin, source.haematoxylin)
    first, second = (d.haematoxylin.clip(0, DENSEST) for d in (output, source))
    if min(first.shape) < WINDOW["gaussian"]:
        return None
    return float(
        structural_similarity(
            first,
            second,
            data_range=DENSEST,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float | None:
    """Pearson's correlation of two vectors; None where one of them is constant or too short."""
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])
