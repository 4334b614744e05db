"""How far what one image shows lies beside what another shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.registration import phase_cross_correlation


def displacement(image: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The length in pixels of the displacement between two images [H W], by phase correlation.

    It does not mind that one is dark where the other is light. An image without any structure is
    displaced from none.
    """
    if min(float(np.ptp(image)), float(np.ptp(other))) == 0:
        return 0.0
    found, _, _ = phase_cross_correlation(image, other)
    return float(np.hypot(*found))
