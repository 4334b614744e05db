"""How well translated images agree with real ones: pixels, sets of features, and biology."""

from __future__ import annotations

from histokit.metrics.images.distances import (
    ENOUGH,
    KernelDistance,
    frechet_distance,
    kernel_distance,
    mmd2_unbiased,
)
from histokit.metrics.images.hashes import perceptual_hash_value, phv_by_layer
from histokit.metrics.images.measures import IMAGE_METRICS
from histokit.metrics.images.nuclei import count_error, kept_nuclei
from histokit.metrics.images.similarity import psnr, ssim
from histokit.metrics.images.stains import (
    Densities,
    block_correlation,
    correlation,
    dab_correlation,
    densities,
    haematoxylin_ssim,
    positive_fraction,
    positive_fraction_error,
)
from histokit.metrics.images.table import Row, mean_row, not_computed

__all__ = [
    "ENOUGH",
    "IMAGE_METRICS",
    "Densities",
    "KernelDistance",
    "Row",
    "block_correlation",
    "correlation",
    "count_error",
    "dab_correlation",
    "densities",
    "frechet_distance",
    "haematoxylin_ssim",
    "kept_nuclei",
    "kernel_distance",
    "mean_row",
    "mmd2_unbiased",
    "not_computed",
    "perceptual_hash_value",
    "phv_by_layer",
    "positive_fraction",
    "positive_fraction_error",
    "psnr",
    "ssim",
]
