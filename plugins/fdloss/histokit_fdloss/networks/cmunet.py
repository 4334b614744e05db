"""CMU-Net: a ConvMixer at the bottom and multi-scale gates on the skips."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, final

import torch
from torch import Tensor, nn

from histokit.errors import UnknownName
from histokit.nn.unet import double_conv
from histokit_fdloss.networks.blocks import (
    KERAS_EPS,
    GatedStep,
    GatedUNet,
    conv_norm,
    grow_by_conv,
)

Variant = Literal["official", "released"]
MIXERS, KERNEL = 7, 7
"""How many mixer blocks there are, and the side of their depthwise convolutions."""


@final
class MultiScaleGate(nn.Module):
    """Adds to a skip its product with weights seen at three scales; the deeper map has no say.

    Args:
        channels: of the skip.
        shared_norm: one batch norm for the three scales and none for the weights, as in the
            script published for the feature-distance loss.
    """

    def __init__(self, channels: int, *, shared_norm: bool = False) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            nn.Conv2d(
                channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation
            )
            for kernel, dilation in ((1, 1), (3, 1), (3, 2))
        )
        norms = [nn.BatchNorm2d(channels) for _ in range(1 if shared_norm else 3)]
        self.norms = nn.ModuleList(norms * 3 if shared_norm else norms)
        vote = conv_norm(3 * channels, channels, 1)
        self.vote = nn.Sequential(vote[0] if shared_norm else vote, nn.Sigmoid())

    def forward(self, skip: Tensor, deep: Tensor) -> Tensor:
        """The strengthened skip."""
        del deep
        seen = [norm(conv(skip)) for conv, norm in zip(self.scales, self.norms, strict=True)]
        return skip + skip * self.vote(torch.relu(torch.cat(seen, dim=1)))


@final
class Mixer(nn.Module):
    """A block of ConvMixer (Trockman and Kolter, 2022): mixes pixels, then channels.

    Args:
        channels: kept throughout.
        kernel: side of the depthwise convolution.
        variant: ``official`` adds the input after the pixels are mixed and uses GELU;
            ``released`` adds it after both and uses ReLU.
    """

    def __init__(self, channels: int, kernel: int = KERNEL, variant: Variant = "official") -> None:
        super().__init__()
        activation = nn.GELU if variant == "official" else nn.ReLU
        self.pixels = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels),
            activation(),
            nn.BatchNorm2d(channels),
        )
        self.mix = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=1), activation(), nn.BatchNorm2d(channels)
        )
        self.around_both = variant == "released"

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape."""
        if self.around_both:
            return features + self.mix(self.pixels(features))
        return self.mix(features + self.pixels(features))


def cmunet(
    in_channels: int, out_channels: int, *, width: int = 64, variant: Variant = "official"
) -> GatedUNet:
    """CMU-Net: a U-Net of four halvings with mixers at the bottom and gated skips.

    Source: Tang et al., ISBI 2023, arXiv 2210.13012, in the layer sizes of the authors' code.
    Weights start from the defaults of torch.

    Args:
        in_channels: of the image.
        out_channels: of the logit map.
        width: channels at full resolution.
        variant: ``released`` is the network of the script published for the feature-distance
            loss: fewer batch norms, another mixer, and Keras's epsilon.
    """
    if variant not in ("official", "released"):
        raise UnknownName("variant of CMU-Net", variant, ("official", "released"))
    released = variant == "released"
    widths = [factor * width for factor in (1, 2, 4, 8, 16)]
    steps = [
        GatedStep(
            grow_by_conv(deep, skip),
            MultiScaleGate(skip, shared_norm=released),
            double_conv(2 * skip, skip),
        )
        for skip, deep in reversed(list(pairwise(widths)))
    ]
    encoder = [double_conv(a, b) for a, b in pairwise([in_channels, *widths[:-1]])]
    mixers = [Mixer(widths[-1], variant=variant) for _ in range(MIXERS)]
    bottom = nn.Sequential(double_conv(widths[-2], widths[-1]), *mixers)
    head = nn.Conv2d(width, out_channels, kernel_size=1)
    network = GatedUNet(encoder, bottom, steps, head)
    return network.apply(_keras_norms) if released else network


def _keras_norms(module: nn.Module) -> None:
    if isinstance(module, nn.BatchNorm2d):
        module.eps, module.momentum = KERAS_EPS, 0.01
