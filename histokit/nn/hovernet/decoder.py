"""The decoder of HoVer-Net, one for each kind of map."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.nn.hovernet.encoder import norm_relu

GROUPS, SQUEEZE, GROWTH = 4, 128, 32
"""Of a dense unit: groups of its kxk convolution, channels before it and after it."""


@final
class Decoder(nn.Module):
    """Three steps from stride 8 back to 1, and a 1x1 convolution ``u0`` behind batch norm and ReLU.

    Args:
        out_channels: of the map.
        kernel: side of the large convolutions.
        padded: whether these keep the size; otherwise they take ``kernel - 1`` pixels each.
        narrow: divides all channels but those of the map.
    """

    def __init__(self, out_channels: int, kernel: int, *, padded: bool, narrow: int = 1) -> None:
        super().__init__()
        self.u3 = _step(1024, 256, 8, kernel, padded, narrow)
        self.u2 = _step(512, 128, 4, kernel, padded, narrow)
        self.u1 = nn.Conv2d(256 // narrow, 64 // narrow, kernel, padding=kernel // 2, bias=False)
        norm, relu = norm_relu(64 // narrow)
        head = nn.Conv2d(64 // narrow, out_channels, kernel_size=1)
        self.u0 = nn.Sequential(OrderedDict(norm=norm, relu=relu, head=head))

    def forward(self, deep: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """The map.

        Args:
            deep: [B 1024 h w], at stride 8.
            skips: at strides 4, 2 and 1, with 1024, 512 and 256 channels, already cropped.
        """
        for step, skip in zip((self.u3, self.u2, self.u1), skips, strict=True):
            deep = step(functional.interpolate(deep, scale_factor=2.0, mode="nearest") + skip)
        return self.u0(deep)


@final
class DenseBlock(nn.Module):
    """Units that each add channels to what all before them gave; closed by batch norm and ReLU.

    Args:
        channels: of the input.
        units: how many.
        kernel: side of the grouped convolution of a unit.
        padded: as in `Decoder`; otherwise what came before a unit is cropped to its output.
        narrow: divides the channels inside of a unit and those that it adds.
    """

    def __init__(
        self, channels: int, units: int, kernel: int, *, padded: bool, narrow: int = 1
    ) -> None:
        super().__init__()
        growth = GROWTH // narrow
        self.crop = 0 if padded else kernel - 1
        padding = kernel // 2 if padded else 0
        self.units = nn.ModuleList(
            _dense_unit(channels + growth * number, kernel, padding, narrow)
            for number in range(units)
        )
        self.close = nn.Sequential(*norm_relu(channels + growth * units))

    def forward(self, features: Tensor) -> Tensor:
        """Features with more channels for each unit."""
        for unit in self.units:
            features = torch.cat((crop(features, self.crop), unit(features)), dim=1)
        return self.close(features)


def crop(features: Tensor, pixels: int) -> Tensor:
    """The middle of the features, an even number of `pixels` smaller."""
    edge = pixels // 2
    return features[..., edge:-edge, edge:-edge] if edge else features


def _step(
    inside: int, middle: int, units: int, kernel: int, padded: bool, narrow: int
) -> nn.Sequential:
    inside, middle = inside // narrow, middle // narrow
    outside = middle + GROWTH // narrow * units
    padding = kernel // 2 if padded else 0
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inside, middle, kernel, padding=padding, bias=False),
            dense=DenseBlock(middle, units, kernel, padded=padded, narrow=narrow),
            mix=nn.Conv2d(outside, outside, kernel_size=1, bias=False),
        )
    )


def _dense_unit(channels: int, kernel: int, padding: int, narrow: int) -> nn.Sequential:
    squeeze, growth = SQUEEZE // narrow, GROWTH // narrow
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, squeeze, kernel_size=1, bias=False),
        *norm_relu(squeeze),
        nn.Conv2d(squeeze, growth, kernel, padding=padding, groups=GROUPS, bias=False),
    )
