"""What is measured of a translated image and the real one, by name: one name, one formula."""

from __future__ import annotations

from collections.abc import Mapping

from histokit.metrics.images.stains import BLOCK, POSITIVE
from histokit.metrics.scores import Metric

PSNR = Metric("psnr", "uint8 RGB, range 255", "higher", "dB")
SSIM = Metric("ssim", "Wang 2004: 11 px Gaussian, sigma 1.5", "higher", "index")
SSIM_UNIFORM = Metric(
    "ssim_uniform", "7 px uniform window, as BCI, ASP and MDCL", "higher", "index"
)
STAIN_CORRELATION = Metric("dab_od_corr", "Pearson, pixel by pixel", "higher", "correlation")
BLOCK_CORRELATION = Metric(
    "dab_block_corr", f"Pearson of means over {BLOCK} x {BLOCK} px", "higher", "correlation"
)
POSITIVE_ERROR = Metric(
    "positive_fraction_err", f"|share of pixels with DAB density > {POSITIVE:g}|", "lower"
)
HAEMATOXYLIN = Metric("stain_h_ssim", "haematoxylin against the source", "higher", "index")
COUNT_ERROR = Metric("nuclei_count_rel_err", "|n - n reference| / n reference", "lower", "ratio")
NUCLEI_KEPT = Metric(
    "nuclei_kept", "2 TP / (2 TP + FP + FN) of source and translation, IoU above 0.5", "higher"
)
LPIPS = Metric("lpips", "VGG-16, version 0.1", "lower", "distance")
SEAM = Metric(
    "seam",
    "gradient energy across borders of windows over that elsewhere; 1: none",
    "lower",
    "ratio",
)

STAIN_AMOUNT = Metric("dab_amount_corr", "Pearson of image means", "higher", "correlation")
"""Of a set of pairs, not of a single one."""

_PHV = "ResNet-50, T = 0.01, pixels "
PHV = Metric("phv", f"{_PHV}in 0..1", "lower")
PHV_ASP = Metric("phv_asp", f"{_PHV}squeezed into 0.5..1, as ASP and MDCL", "lower")


def phv_metric(layer: str, *, asp: bool) -> Metric:
    """The perceptual hash value of a layer such as ``layer1``."""
    kind = PHV_ASP if asp else PHV
    return Metric(f"{kind.name}_{layer}", kind.variant, kind.direction)


IMAGE_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        *(STAIN_CORRELATION, BLOCK_CORRELATION, POSITIVE_ERROR),
        *(HAEMATOXYLIN, NUCLEI_KEPT, COUNT_ERROR),
        *(PSNR, SSIM, SSIM_UNIFORM, LPIPS, SEAM),
        *(phv_metric(f"layer{n}", asp=asp) for asp in (False, True) for n in (1, 2, 3, 4)),
    )
}
"""All that a single pair may have, in the order of tables: biology, then likeness."""
