"""From colours to stains and back: the fixed bijection in front of the generator."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from histokit_ostrich.layers import ActNorm

COLOURS = 3
MARGIN = 1 / 64
"""How far colours are moved away from 0 and 1 before the logarithm."""
STAINS = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
"""Optical densities of haematoxylin, eosin and what is left, after Ruifrok & Johnston (2001)."""
DENSITIES = (-1.0, 12.0)
"""Optical densities that the way back takes; others would overflow."""


@final
class Lift(nn.Module):
    """Images as amounts of stain, then a shift and a scale a channel; channel 0 is haematoxylin.

    So a generator that changes nothing already gives a map that is high in nuclei, which decides
    what unpaired training may call a nucleus (our choice, see README).

    Args:
        channels: how many of the three are kept, the haematoxylin first. With fewer than three
            the way back knows nothing of the others and takes 0.
        kind: ``stain``, or ``rgb`` for colours as they are, without that start.
    """

    stains: Tensor

    def __init__(self, channels: int = COLOURS, kind: Literal["stain", "rgb"] = "stain") -> None:
        super().__init__()
        self.channels = channels
        self.kind = kind
        stains = torch.tensor(STAINS, dtype=torch.float64)
        self.register_buffer("stains", (stains / stains.norm(dim=1, keepdim=True)).float())
        self.norm = ActNorm(channels)

    def forward(self, images: Tensor) -> Tensor:
        """About unit scale, [B channels H W], of images [B 3 H W] in 0..1."""
        return self.norm(self._raw(images))

    def inverse(self, lifted: Tensor) -> Tensor:
        """Images [B 3 H W], in 0..1 but for what the generator made up."""
        raw = self.norm.inverse(lifted)
        missing = raw.new_zeros(len(raw), COLOURS - self.channels, *raw.shape[2:])
        return self._images(torch.cat((raw, missing), 1))

    def fit(self, images: Tensor) -> None:
        """Sets shift and scale so that these images get mean 0 and deviation 1."""
        self.norm.fit(self._raw(images))

    def _raw(self, images: Tensor) -> Tensor:
        if self.kind == "rgb":
            return (2 * images - 1)[:, : self.channels]
        return concentrations(images, self.stains)[:, : self.channels]

    def _images(self, raw: Tensor) -> Tensor:
        return (raw + 1) / 2 if self.kind == "rgb" else colours(raw, self.stains)


def concentrations(images: Tensor, stains: Tensor) -> Tensor:
    """Amounts of stain [B 3 H W]: optical densities times the inverse of the stain rows."""
    density = -(images * (1 - 2 * MARGIN) + MARGIN).log()
    unmix = torch.linalg.inv(stains.double()).to(images.dtype)
    return torch.einsum("bchw,cs->bshw", density, unmix)


def colours(amounts: Tensor, stains: Tensor) -> Tensor:
    """Images [B 3 H W] of amounts of stain, with densities held within `DENSITIES`."""
    density = torch.einsum("bshw,sc->bchw", amounts, stains.to(amounts.dtype))
    return ((-density.clamp(*DENSITIES)).exp() - MARGIN) / (1 - 2 * MARGIN)
