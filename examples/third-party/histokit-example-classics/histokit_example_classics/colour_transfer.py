"""Linear colour transfer: mean and covariance of one set of images become those of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from histokit.interfaces import Context, Feed, Method, Pair, Phase, Stateful, Translator
from histokit_example_classics import ColourTransferConfig

RIDGE = 1e-5
"""Added to the variances, so that images without colours have a map too."""


class Colours(nn.Module):
    """Sums over pixels: their number, the colours, and the products of colours."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("total", torch.zeros(3, dtype=torch.float64))
        self.register_buffer("products", torch.zeros(3, 3, dtype=torch.float64))

    def add(self, images: Tensor) -> None:
        """Takes the pixels of images [B 3 H W] in."""
        pixels = images.movedim(1, -1).reshape(-1, 3).double()
        self.count += len(pixels)
        self.total += pixels.sum(0)
        self.products += pixels.T @ pixels

    def moments(self) -> tuple[Tensor, Tensor]:
        """The mean [3] and the covariance [3 3] of all pixels so far."""
        count = self.count.clamp(min=1)
        mean = self.total / count
        covariance = self.products / count - torch.outer(mean, mean)
        return mean, covariance + RIDGE * torch.eye(3, device=mean.device, dtype=mean.dtype)


class ColourTransfer(Method, Translator):
    """t(x) = mean_t + T (x - mean_s), with the T of equation 9 of Pitié and Kokaram."""

    def __init__(self, config: ColourTransferConfig, source: Colours, target: Colours) -> None:
        self.config, self.source, self.target = config, source, target

    @classmethod
    def build(cls, config: ColourTransferConfig, context: Context) -> Self:
        """No statistics yet: images stay nearly as they are."""
        return cls(config, Colours().to(context.device), Colours().to(context.device))

    def stateful(self) -> Mapping[str, Stateful]:
        """The statistics of both sides."""
        return {"source": self.source, "target": self.target}

    def phases(self) -> Sequence[Phase]:
        """One phase that gathers statistics."""
        return [Phase("gather", self.config.steps, Feed.UNPAIRED, self.step)]

    def step(self, batch: Pair) -> Mapping[str, Tensor]:
        """Takes a batch of each side in; gives the distance of the mean colours."""
        self.source.add(batch.source.images)
        self.target.add(batch.target.images)
        means = self.source.moments()[0], self.target.moments()[0]
        return {"distance": torch.linalg.vector_norm(means[0] - means[1]).float()}

    def translate(self, images: Tensor) -> Tensor:
        """The images with the target's colours, clipped to 0..1."""
        (mean, covariance), (new_mean, new_covariance) = (
            self.source.moments(),
            self.target.moments(),
        )
        matrix = transport(covariance, new_covariance)
        moved = (images.movedim(1, -1).double() - mean) @ matrix.T + new_mean
        return moved.movedim(-1, 1).clamp(0, 1).float()


def transport(one: Tensor, other: Tensor) -> Tensor:
    """The symmetric matrix that turns covariance `one` into `other` with least change."""
    root, inverse = power(one, 0.5), power(one, -0.5)
    return inverse @ power(root @ other @ root, 0.5) @ inverse


def power(matrix: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric positive matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0) ** exponent) @ vectors.T
