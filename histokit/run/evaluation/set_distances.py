"""Distances between two sets of images: which encoders there are, their features, the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from histokit.errors import HistokitError, UsageError
from histokit.metrics.images import (
    ENOUGH,
    Row,
    frechet_distance,
    kernel_distance,
    not_computed,
)
from histokit.metrics.scores import Metric
from histokit.nn.encoders import Encoder, inception, timm_encoder

Paper = Literal["", "asp", "bci", "mdcl"]
Rgb = NDArray[np.uint8]
FEW = f"biased below {ENOUGH} images: compare only at equal n"
PAPER_INCEPTION = "inception_v3.tv_in1k"
"""The Inception whose features MDCL and ASP take KID of: torchvision's, not that of FID."""
PAPER_BATCH = 50
"""Images that those codes push through at once; the remainder is dropped."""


@dataclass(frozen=True, slots=True)
class Networks:
    """Which networks may be used, and where their weights are.

    Attributes:
        inception: weights file of FID and KID.
        encoder: a timm encoder for a Fréchet and kernel distance of its own name, as ``NAME`` or
            ``NAME:FILE``; empty for none.
        resnet: weights file of the perceptual hash value.
        download: whether missing weights are fetched.
    """

    inception: Path | None = None
    encoder: str = ""
    resnet: Path | None = None
    download: bool = False


@dataclass(slots=True)
class FeatureSet:
    """The features of both sets by one encoder, or the reason why there are none.

    Attributes:
        names: of the distances, Fréchet distances beginning with ``f``.
        label: the encoder, as the table names it.
        encoder: None where it could not be loaded.
        reason: why not.
    """

    names: tuple[str, ...]
    label: str
    encoder: Encoder | None = None
    reason: str = ""
    _output: list[NDArray[np.float32]] = field(default_factory=list)
    _reference: list[NDArray[np.float32]] = field(default_factory=list)

    def add_output(self, image: Rgb) -> None:
        """Takes in a translated image."""
        if self.encoder is not None:
            self._output.append(self.encoder.forward(as_tensor(image))[0].numpy())

    def add_reference(self, image: Rgb) -> None:
        """Takes in a real image."""
        if self.encoder is not None:
            self._reference.append(self.encoder.forward(as_tensor(image))[0].numpy())

    def rows(self, paper: Paper) -> list[Row]:
        """The distances; a Fréchet distance never stands without the kernel distance."""
        metrics = [Metric(name, self.label, "lower", "distance") for name in self.names]
        if self.encoder is None:
            return [not_computed(metric, self.reason) for metric in metrics]
        first, second = np.array(self._output), np.array(self._reference)
        n = min(len(first), len(second))
        if n < 2:
            return [not_computed(metric, "it takes two images at least") for metric in metrics]
        rows = []
        for metric in metrics:
            if metric.name.startswith("f"):
                value = frechet_distance(first, second)
                rows.append(Row(metric, value, n=n, note=FEW if n < ENOUGH else ""))
            else:
                rows.append(_kernel_row(metric, first, second, paper))
        return rows


def feature_sets(paper: Paper, networks: Networks, device: torch.device) -> list[FeatureSet]:
    """The encoders whose distances the table has, loaded as far as their weights are here."""
    if paper == "bci":
        return []
    found = [
        _tried(
            ("fid",) if paper else ("fid", "kid"),
            "Inception of TensorFlow 2015, resized as by torch-fidelity",
            lambda: inception(networks.inception, device, download=networks.download),
        )
    ]
    name, _, file = networks.encoder.partition(":")
    path = Path(file).expanduser() if file else None
    if paper:
        own = path if name.partition(".")[0] == PAPER_INCEPTION.partition(".")[0] else None
        found.append(
            _tried(
                ("kid",),
                f"{PAPER_INCEPTION}, 100 subsets of 100",
                lambda: timm_encoder(
                    PAPER_INCEPTION, own, device, download=networks.download, antialias=False
                ),
            )
        )
    elif name:
        found.append(
            _tried(
                (f"fd_{name}", f"kd_{name}"),
                f"features of {name}; not FID",
                lambda: timm_encoder(name, path, device, download=networks.download),
            )
        )
        if found[-1].encoder is None:  # it was asked for by name
            raise UsageError(f"--encoder {networks.encoder} cannot be used: {found[-1].reason}")
    return found


def _tried(names: tuple[str, ...], label: str, load: Callable[[], Encoder]) -> FeatureSet:
    try:
        return FeatureSet(names, label, load())
    except HistokitError as error:
        return FeatureSet(names, label, reason=in_a_line(error))


def in_a_line(error: HistokitError) -> str:
    """Why something was not computed, for a cell of the table."""
    return f"{error.what} ({error.hint})" if error.hint else f"{error.what}: {error.found}"


def _kernel_row(
    metric: Metric, first: NDArray[np.float32], second: NDArray[np.float32], paper: Paper
) -> Row:
    if paper:
        kept = [f[: max(len(f) // PAPER_BATCH * PAPER_BATCH, 2)] for f in (first, second)]
        first, second = kept
    size = 100 if paper else 1000
    found = kernel_distance(first, second, size=size)
    n = min(len(first), len(second))
    note = f"± {found.std:.4f} over {found.subsets} subsets of {found.size}"
    if paper:
        note += f"; x 1000 in the paper; {PAPER_BATCH} at a time, the remainder dropped"
    return Row(metric, found.mean, n=n, note=note)


def as_tensor(image: Rgb) -> Tensor:
    """An image [H W 3] or [H W] as uint8 [1 3 H W]."""
    return torch.from_numpy(np.ascontiguousarray(as_rgb(image).transpose(2, 0, 1)))[None]


def as_rgb(image: Rgb) -> Rgb:
    """An image [H W 3] or [H W] as [H W 3]."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
