"""Image metrics over many pairs: what is measured, gathered pair by pair, and the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histokit.errors import HistokitError
from histokit.metrics.images import (
    Measure,
    Row,
    correlation,
    count_error,
    dab_correlation,
    densities,
    haematoxylin_ssim,
    mean_row,
    not_computed,
    phv_by_layer,
    positive_fraction_error,
    psnr,
    ssim,
)
from histokit.metrics.images.stains import POSITIVE
from histokit.nn.encoders import lpips, phv_means
from histokit.run.set_distances import (
    Networks,
    Paper,
    Rgb,
    as_tensor,
    feature_sets,
    in_a_line,
)

PSNR = Measure("psnr", "uint8 RGB, range 255", "higher", "dB")
SSIM = {
    "gaussian": Measure("ssim", "Wang 2004: 11 px Gaussian, sigma 1.5", "higher", "index"),
    "uniform": Measure("ssim", "7 px uniform window, as BCI, ASP and MDCL", "higher", "index"),
}
STAIN_CORRELATION = Measure("dab_od_corr", "Pearson, pixel by pixel", "higher", "correlation")
STAIN_AMOUNT = Measure("dab_amount_corr", "Pearson of image means", "higher", "correlation")
POSITIVE_ERROR = Measure(
    "positive_fraction_err", f"|share of pixels with DAB density > {POSITIVE:g}|", "lower"
)
HAEMATOXYLIN = Measure("stain_h_ssim", "haematoxylin against the source", "higher", "index")
COUNT_ERROR = Measure("nuclei_count_rel_err", "|n - n reference| / n reference", "lower")
LPIPS = Measure("lpips", "VGG-16, version 0.1", "lower", "distance")


@dataclass(frozen=True, slots=True)
class PairImages:
    """What is known of one place; `source` is the image that was translated."""

    output: Rgb
    reference: Rgb
    source: Rgb | None = None
    output_ids: NDArray[np.int32] | None = None
    reference_ids: NDArray[np.int32] | None = None


@final
class PairScorer:
    """Takes pairs one by one and gives the table of their metrics.

    Args:
        paper: whose protocol is followed; empty for all metrics that histokit knows.
        networks: what metrics of deep features may use.
        device: where networks run.
        stains: whether references are IHC images stained with haematoxylin and DAB.
    """

    def __init__(
        self, paper: Paper, networks: Networks, device: torch.device, *, stains: bool = True
    ) -> None:
        self._paper = paper
        self._stains = stains and not paper
        self._values: dict[Measure, dict[str, float | None]] = {}
        self._amounts: list[tuple[float, float]] = []
        self._reasons: dict[Measure, str] = {}
        self._features = feature_sets(paper, networks, device)
        self._phv = self._tried_phv(networks, device)
        self._lpips = None if paper else self._tried_lpips(networks, device)

    def add(self, key: str, pair: PairImages) -> dict[str, float | None]:
        """Measures a pair; gives its PSNR and SSIM. Raises DataError where sizes differ."""
        output, reference = pair.output, pair.reference
        kind: Literal["gaussian", "uniform"] = "uniform" if self._paper else "gaussian"
        shown = {PSNR: psnr(output, reference), SSIM[kind]: ssim(output, reference, kind)}
        found: dict[Measure, float | None] = dict(shown)
        if not self._paper:
            found[SSIM["uniform"]] = ssim(output, reference, "uniform")
        if self._stains:
            found |= self._stain_values(pair)
        if pair.output_ids is not None and pair.reference_ids is not None:
            found[COUNT_ERROR] = count_error(pair.output_ids, pair.reference_ids)
        if self._phv is not None:
            found |= self._phv_values(self._phv, output, reference)
        if self._lpips is not None:
            found[LPIPS] = self._lpips(as_tensor(output), as_tensor(reference))
        for measure, value in found.items():
            self._values.setdefault(measure, {})[key] = value
        self.add_output(output)
        self.add_reference(reference)
        return {measure.name: value for measure, value in shown.items()}

    def add_output(self, image: Rgb) -> None:
        """Takes a translated image into the distances of sets; for one without a partner."""
        for features in self._features:
            features.add_output(image)

    def add_reference(self, image: Rgb) -> None:
        """Takes a real image into the distances of sets; for one without a partner."""
        for features in self._features:
            features.add_reference(image)

    def rows(self) -> list[Row]:
        """The table: means over pairs, then distances of sets, then what was not computed."""
        rows = [mean_row(measure, values) for measure, values in self._values.items()]
        if self._stains:
            rows.append(self._amount_row())
        for features in self._features:
            rows += features.rows(self._paper)
        return rows + [not_computed(measure, why) for measure, why in self._reasons.items()]

    def _stain_values(self, pair: PairImages) -> dict[Measure, float | None]:
        output, reference = densities(pair.output, "IHC"), densities(pair.reference, "IHC")
        self._amounts.append((float(output.other.mean()), float(reference.other.mean())))
        found: dict[Measure, float | None] = {
            STAIN_CORRELATION: dab_correlation(output, reference),
            POSITIVE_ERROR: positive_fraction_error(output, reference),
        }
        if pair.source is not None:
            found[HAEMATOXYLIN] = haematoxylin_ssim(output, densities(pair.source, "HE"))
        return found

    def _amount_row(self) -> Row:
        pairs = np.array(self._amounts).reshape(-1, 2)
        value = correlation(pairs[:, 0], pairs[:, 1])
        if value is None:
            return not_computed(STAIN_AMOUNT, "needs two images of different amounts of DAB")
        return Row(STAIN_AMOUNT, value, n=len(pairs))

    def _phv_values(
        self, means: Callable[[Tensor], Mapping[str, Tensor]], output: Rgb, reference: Rgb
    ) -> dict[Measure, float | None]:
        first, second = (
            {layer: value[0].numpy() for layer, value in means(as_tensor(image)).items()}
            for image in (output, reference)
        )
        return {_phv_measure(k, self._paper): v for k, v in phv_by_layer(first, second).items()}

    def _tried_phv(
        self, networks: Networks, device: torch.device
    ) -> Callable[[Tensor], Mapping[str, Tensor]] | None:
        if self._paper == "bci":
            return None
        try:
            return phv_means(
                networks.resnet, device, asp=bool(self._paper), download=networks.download
            )
        except HistokitError as error:
            self._reasons[_phv_measure("phv", self._paper)] = in_a_line(error)
            return None

    def _tried_lpips(
        self, networks: Networks, device: torch.device
    ) -> Callable[[Tensor, Tensor], float] | None:
        try:
            return lpips(device, download=networks.download)
        except HistokitError as error:
            self._reasons[LPIPS] = in_a_line(error)
            return None


def _phv_measure(name: str, paper: Paper) -> Measure:
    how = "pixels squeezed into 0.5..1, as ASP and MDCL" if paper else "pixels in 0..1"
    return Measure(name, f"ResNet-50, T = 0.01, {how}", "lower")
