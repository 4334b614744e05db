"""How alike two images of the same place are, pixel by pixel."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from histokit.errors import DataError

SsimVariant = Literal["gaussian", "uniform"]
WINDOW = {"gaussian": 11, "uniform": 7}
"""Side in pixels of the neighbourhoods that SSIM compares: the least side of an image."""


def psnr(output: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels of two uint8 images, with a
    range of 255; infinity for equal ones.

    Raises DataError where the sizes differ.
    """
    require_same_size(output, reference)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "divide by zero", RuntimeWarning)
        return float(peak_signal_noise_ratio(reference, output, data_range=255))


def ssim(
    output: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    variant: SsimVariant = "gaussian",
) -> float | None:
    """Structural similarity of two uint8 images, the mean over pixels and channels.

    ``gaussian`` is the definition of Wang et al. (IEEE Transactions on Image Processing 2004):
    11 x 11 Gaussian weights of sigma 1.5 and population covariance. ``uniform`` is what
    scikit-image computes unasked, and so what the codes of BCI, ASP and MDCL report: 7 x 7 equal
    weights and sample covariance. The two differ in the second decimal.

    None for images smaller than the neighbourhood. Raises DataError where the sizes differ.
    """
    require_same_size(output, reference)
    if min(output.shape[:2]) < WINDOW[variant]:
        return None
    axis = -1 if output.ndim == 3 else None
    if variant == "uniform":
        value = structural_similarity(output, reference, data_range=255, channel_axis=axis)
    else:
        value = structural_similarity(
            output,
            reference,
            data_range=255,
            channel_axis=axis,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    return float(value)


def require_same_size(output: NDArray, reference: NDArray) -> None:
    """Raises DataError where two images differ in size or channels."""
    if output.shape != reference.shape:
        raise DataError(
            "the two images of a pair differ in size",
            expected=" x ".join(map(str, reference.shape)),
            found=" x ".join(map(str, output.shape)),
            hint="translate at the size of the reference, or crop both alike",
        )
