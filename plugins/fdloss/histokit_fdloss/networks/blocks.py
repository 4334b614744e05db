"""The frame that all networks of the paper share: an encoder, a bottom and gated decoder steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

KERAS_EPS = 1e-3
"""Batch norm's epsilon in networks that were written for Keras."""


@final
class GatedUNet(nn.Module):
    """An encoder that halves between its blocks, a bottom, and a decoder step for each skip.

    Args:
        encoder: blocks from the image on; the output of each goes to the decoder, and halved by
            2x2 max pooling to the next block.
        bottom: takes the last halved map.
        decoder: steps from the deepest on, each taking (deeper map, skip).
        head: takes the last decoder map.
    """

    def __init__(
        self,
        encoder: Sequence[nn.Module],
        bottom: nn.Module,
        decoder: Sequence[nn.Module],
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(encoder)
        self.pools = nn.ModuleList(nn.MaxPool2d(2) for _ in encoder)
        self.bottom = bottom
        self.decoder = nn.ModuleList(decoder)
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B K H W] of images [B C H W] whose sides can be halved as often as needed."""
        skips: list[Tensor] = []
        features = images
        for block, pool in zip(self.encoder, self.pools, strict=True):
            skips.append(block(features))
            features = pool(skips[-1])
        features = self.bottom(features)
        for step in self.decoder:
            features = step(features, skips.pop())
        return self.head(features)


@final
class GatedStep(nn.Module):
    """One decoder step: grows the deeper map, gates the skip by it, joins the two and mixes them.

    Args:
        grow: doubles height and width.
        gate: takes (skip, grown map) and gives a map like the skip.
        mix: takes the channels of both.
        slip: gives the gated skip instead of the mixed map, so that `grow` acts through the gate
            alone and `mix` is never trained: a mistake of one release.
    """

    def __init__(
        self, grow: nn.Module, gate: nn.Module, mix: nn.Module, *, slip: bool = False
    ) -> None:
        super().__init__()
        self.grow = grow
        self.gate = gate
        self.mix = mix
        self.slip = slip

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Features at the size of `skip`."""
        grown = self.grow(deep)
        gated = self.gate(skip, grown)
        if self.slip:
            return gated
        return self.mix(torch.cat((gated, grown), dim=1))


@final
class AlwaysDropout(nn.Module):
    """Dropout that evaluation mode does not switch off: a mistake of one release.

    Args:
        share: of the values that become 0.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, features: Tensor) -> Tensor:
        """The features, of which other ones are missing in each pass."""
        return functional.dropout(features, self.share, training=True)


def conv_norm(
    inside: int, outside: int, kernel: int = 3, *, dilation: int = 1, eps: float = 1e-5
) -> nn.Sequential:
    """A padded convolution and batch norm."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, padding=padding, dilation=dilation),
        nn.BatchNorm2d(outside, eps=eps),
    )


def grow_by_conv(inside: int, outside: int) -> nn.Sequential:
    """Doubles the size by nearest neighbours, then a 3x3 convolution, batch norm and ReLU."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        *conv_norm(inside, outside),
        nn.ReLU(inplace=True),
    )


def half_pixel_upsample() -> nn.Upsample:
    """Doubles the size bilinearly, corners not aligned, as Keras does."""
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
