"""Image metrics over many pairs: what is measured, gathered pair by pair, and the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histokit.errors import HistokitError
from histokit.metrics.images import (
    Row,
    block_correlation,
    correlation,
    count_error,
    dab_correlation,
    densities,
    haematoxylin_ssim,
    kept_nuclei,
    mean_row,
    not_computed,
    phv_by_layer,
    positive_fraction_error,
    psnr,
    ssim,
)
from histokit.metrics.images.measures import (
    BLOCK_CORRELATION,
    COUNT_ERROR,
    HAEMATOXYLIN,
    LPIPS,
    NUCLEI_KEPT,
    PHV,
    PHV_ASP,
    POSITIVE_ERROR,
    PSNR,
    SSIM,
    SSIM_UNIFORM,
    STAIN_AMOUNT,
    STAIN_CORRELATION,
    phv_metric,
)
from histokit.metrics.scores import Metric
from histokit.nn.encoders import lpips, phv_means
from histokit.run.evaluation.set_distances import (
    Networks,
    Paper,
    Rgb,
    as_tensor,
    feature_sets,
    in_a_line,
)

SHOWN = ("dab_od_corr", "psnr", "ssim", "ssim_uniform")
"""The values that are told while pairs are worked on."""


@dataclass(frozen=True, slots=True)
class PairImages:
    """What is known of one place; `source` is the image that was translated."""

    output: Rgb
    reference: Rgb
    source: Rgb | None = None
    output_ids: NDArray[np.int32] | None = None
    reference_ids: NDArray[np.int32] | None = None
    source_ids: NDArray[np.int32] | None = None


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
        self._values: dict[Metric, dict[str, float | None]] = {}
        self._amounts: list[tuple[float, float]] = []
        self._reasons: dict[Metric, str] = {}
        self._features = feature_sets(paper, networks, device)
        self._phv = self._tried_phv(networks, device)
        self._lpips = None if paper else self._tried_lpips(networks, device)

    def add(self, key: str, pair: PairImages) -> dict[str, float | None]:
        """Measures a pair and gives its values by name of `IMAGE_METRICS`; None where one is not
        defined, such as the PSNR of equal images. Raises DataError where sizes differ.
        """
        output, reference = pair.output, pair.reference
        found: dict[Metric, float | None] = {PSNR: psnr(output, reference)}
        if self._stains:
            found |= self._stain_values(pair)
        if pair.output_ids is not None and pair.reference_ids is not None:
            found[COUNT_ERROR] = count_error(pair.output_ids, pair.reference_ids)
        if pair.output_ids is not None and pair.source_ids is not None:
            found[NUCLEI_KEPT] = kept_nuclei(pair.output_ids, pair.source_ids)
        if not self._paper:
            found[SSIM] = ssim(output, reference, "gaussian")
        found[SSIM_UNIFORM] = ssim(output, reference, "uniform")
        if self._lpips is not None:
            found[LPIPS] = self._lpips(as_tensor(output), as_tensor(reference))
        if self._phv is not None:
            found |= self._phv_values(self._phv, output, reference)
        for metric, value in found.items():
            self._values.setdefault(metric, {})[key] = value
        self.add_output(output)
        self.add_reference(reference)
        finite = {m: v if v is not None and math.isfinite(v) else None for m, v in found.items()}
        return {metric.name: value for metric, value in finite.items()}

    def add_output(self, image: Rgb) -> None:
        """Takes a translated image into the distances of sets; for one without a partner."""
        for features in self._features:
            features.add_output(image)

    def add_reference(self, image: Rgb) -> None:
        """Takes a real image into the distances of sets; for one without a partner."""
        for features in self._features:
            features.add_reference(image)

    def rows(self) -> list[Row]:
        """The table: means over pairs, then what `set_rows` gives."""
        means = [mean_row(metric, values) for metric, values in self._values.items()]
        return means + self.set_rows()

    def set_rows(self) -> list[Row]:
        """What all pairs together have: distances of sets; then what was not computed and why."""
        rows = [self._amount_row()] if self._stains else []
        for features in self._features:
            rows += features.rows(self._paper)
        return rows + [not_computed(metric, why) for metric, why in self._reasons.items()]

    def _stain_values(self, pair: PairImages) -> dict[Metric, float | None]:
        output, reference = densities(pair.output, "IHC"), densities(pair.reference, "IHC")
        found: dict[Metric, float | None] = {
            STAIN_CORRELATION: dab_correlation(output, reference),
            BLOCK_CORRELATION: block_correlation(output, reference),
            POSITIVE_ERROR: positive_fraction_error(output, reference),
        }
        if pair.source is not None:
            found[HAEMATOXYLIN] = haematoxylin_ssim(output, densities(pair.source, "HE"))
        self._amounts.append((float(output.other.mean()), float(reference.other.mean())))
        return found

    def _amount_row(self) -> Row:
        pairs = np.array(self._amounts).reshape(-1, 2)
        value = correlation(pairs[:, 0], pairs[:, 1])
        if value is None:
            return not_computed(STAIN_AMOUNT, "needs two images of different amounts of DAB")
        return Row(STAIN_AMOUNT, value, n=len(pairs))

    def _phv_values(
        self, means: Callable[[Tensor], Mapping[str, Tensor]], output: Rgb, reference: Rgb
    ) -> dict[Metric, float | None]:
        first, second = (
            {layer: value[0].numpy() for layer, value in means(as_tensor(image)).items()}
            for image in (output, reference)
        )
        values = phv_by_layer(first, second)
        return {phv_metric(k, asp=bool(self._paper)): value for k, value in values.items()}

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
            self._reasons[PHV_ASP if self._paper else PHV] = in_a_line(error)
            return None

    def _tried_lpips(
        self, networks: Networks, device: torch.device
    ) -> Callable[[Tensor, Tensor], float] | None:
        try:
            return lpips(device, download=networks.download)
        except HistokitError as error:
            self._reasons[LPIPS] = in_a_line(error)
            return None


def shown(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Those of the values of a pair that are told at once."""
    return {name: values[name] for name in SHOWN if name in values}
