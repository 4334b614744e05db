"""Perceptual hash value: which channels of a network answer differently to two images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.01
"""Difference of two channel means from which they count as different (Liu et al., BCI, 2022)."""


def perceptual_hash_value(
    output: NDArray[np.floating],
    reference: NDArray[np.floating],
    threshold: float = THRESHOLD,
) -> float:
    """The share of channels whose spatial means differ by more than `threshold`; 0 is best.

    Args:
        output: the mean over all positions of each channel of one layer, [C].
        reference: the same of the other image.
        threshold: T.

    Which pixels the network was given is the caller's: ``asp`` for the published code's, which
    squeezes them into the upper half of the range, or as the network was trained.
    """
    return float((np.abs(output - reference) > threshold).mean())


def phv_by_layer(
    output: Mapping[str, NDArray[np.floating]], reference: Mapping[str, NDArray[np.floating]]
) -> dict[str, float]:
    """The value of each layer, by its name."""
    return {name: perceptual_hash_value(output[name], reference[name]) for name in reference}
