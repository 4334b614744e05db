"""The U-Net, with batch norm and either bilinear or learned upsampling."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.errors import UnknownName

Upsample = Literal["bilinear", "transpose"]


@final
class UNet(nn.Module):
    """A U-Net of four halvings that gives logits at the size of its input.

    The encoder widths are 1, 2, 4, 8 and 16 times `width`; with bilinear upsampling the deepest is
    only 8 times, and each decoder block gives half of its skip's channels (but the last gives
    `width`), as in the MaNi release. Weights start from the defaults of torch. Sides that are no
    multiple of 16 work too: the decoder pads with zeros where a halving had rounded down.

    Source: Ronneberger et al., MICCAI 2015, doi 10.1007/978-3-319-24574-4_28, with padded
    convolutions and batch norm.

    Args:
        in_channels: of the image.
        out_channels: of the logit map.
        width: channels at full resolution.
        upsample: ``bilinear`` (aligned corners) or ``transpose`` (2x2 transposed convolution).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int = 64,
        upsample: Upsample = "bilinear",
    ) -> None:
        super().__init__()
        if upsample not in ("bilinear", "transpose"):
            raise UnknownName("upsample", upsample, ("bilinear", "transpose"))
        deepest = 8 if upsample == "bilinear" else 16
        widths = [factor * width for factor in (1, 2, 4, 8, deepest)]
        self.encoder = nn.ModuleList([double_conv(in_channels, widths[0])])
        self.encoder.extend(
            nn.Sequential(nn.MaxPool2d(2), double_conv(shallow, deep))
            for shallow, deep in pairwise(widths)
        )
        steps = _bilinear_steps(width) if upsample == "bilinear" else _transpose_steps(width)
        self.decoder = nn.ModuleList(steps)
        self.head = nn.Conv2d(width, out_channels, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B out_channels H W] of images [B in_channels H W]."""
        skips: list[Tensor] = []
        features = images
        for block in self.encoder:
            features = block(features)
            skips.append(features)
        skips.pop()
        for step in self.decoder:
            features = step(features, skips.pop())
        return self.head(features)


@final
class UpStep(nn.Module):
    """One decoder step: doubles the size, joins the skip in front, mixes the two.

    Args:
        grow: doubles height and width.
        mix: takes the channels of the skip and of `grow` together.
    """

    def __init__(self, grow: nn.Module, mix: nn.Module) -> None:
        super().__init__()
        self.grow = grow
        self.mix = mix

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Features at the size of `skip`."""
        grown = self.grow(deep)
        rows = skip.shape[-2] - grown.shape[-2]
        columns = skip.shape[-1] - grown.shape[-1]
        if rows or columns:
            left, top = columns // 2, rows // 2
            grown = functional.pad(grown, (left, columns - left, top, rows - top))
        return self.mix(torch.cat((skip, grown), dim=1))


def double_conv(inside: int, outside: int, middle: int | None = None) -> nn.Sequential:
    """Twice a padded 3x3 convolution, batch norm and ReLU; `middle` defaults to `outside`."""
    middle = middle or outside
    return nn.Sequential(
        nn.Conv2d(inside, middle, kernel_size=3, padding=1),
        nn.BatchNorm2d(middle),
        nn.ReLU(inplace=True),
        nn.Conv2d(middle, outside, kernel_size=3, padding=1),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


def _bilinear_steps(width: int) -> list[UpStep]:
    return [
        UpStep(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            double_conv(2 * skip * width, out * width, middle=skip * width),
        )
        for skip, out in ((8, 4), (4, 2), (2, 1), (1, 1))
    ]


def _transpose_steps(width: int) -> list[UpStep]:
    return [
        UpStep(
            nn.ConvTranspose2d(2 * skip * width, skip * width, kernel_size=2, stride=2),
            double_conv(2 * skip * width, skip * width),
        )
        for skip in (8, 4, 2, 1)
    ]
