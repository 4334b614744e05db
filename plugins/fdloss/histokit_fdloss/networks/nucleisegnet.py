"""NucleiSegNet: robust residual blocks and attention over the skips."""

from __future__ import annotations

from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from histokit_fdloss.networks.blocks import KERAS_EPS, GatedUNet, half_pixel_upsample

MOMENTUM = 0.5
"""Of all batch norms, as torch counts it (Keras counts the other way round)."""
CONV_BIAS, NORM_SHIFT = 0.1, 0.01
"""Where the biases of convolutions and the shifts of the encoder's batch norms start."""


@final
class RobustBlock(nn.Module):
    """Three convolutions, the second a separable one, then a fourth on their result beside the
    input.

    Args:
        inside: channels of the input.
        outside: channels of everything else.
    """

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        depthwise = nn.Conv2d(
            outside, outside, kernel_size=3, padding=1, groups=outside, bias=False
        )
        pointwise = nn.Conv2d(outside, outside, kernel_size=1)
        separable = nn.Sequential(*(_start(c, normal=False) for c in (depthwise, pointwise)))
        self.inner = nn.Sequential(
            *_relu_norm(_conv(inside, outside), outside, NORM_SHIFT),
            *_relu_norm(separable, outside, NORM_SHIFT),
            *_relu_norm(_conv(outside, outside), outside, NORM_SHIFT),
        )
        self.close = nn.Sequential(
            *_relu_norm(_conv(inside + outside, outside), outside, NORM_SHIFT)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same size."""
        return self.close(torch.cat((features, self.inner(features)), dim=1))


@final
class ChannelAttention(nn.Module):
    """Weights each channel and pixel of a skip by what the deeper map, half its size, says.

    Args:
        channels: of the skip.
        gating: of the deeper map.
    """

    def __init__(self, channels: int, gating: int) -> None:
        super().__init__()
        half = channels // 2
        self.of_skip = nn.Sequential(_conv(channels, half), nn.ReLU())
        self.of_deep = nn.Sequential(
            _conv(gating, channels, 1),
            nn.ReLU(),
            _conv(channels, half),
            nn.ReLU(),
            half_pixel_upsample(),
        )
        self.weight = nn.Sequential(
            *_relu_norm(_plain_conv(half, channels), channels), nn.Sigmoid()
        )

    def forward(self, skip: Tensor, deep: Tensor) -> Tensor:
        """The weighted skip."""
        return skip * self.weight(torch.relu(self.of_skip(skip) + self.of_deep(deep)))


@final
class AttentionStep(nn.Module):
    """One decoder step: grows the deeper map, joins the attended skip, mixes the two.

    Args:
        deep: channels of the deeper map.
        skip: channels of the skip and of the result.
    """

    def __init__(self, deep: int, skip: int) -> None:
        super().__init__()
        grow = nn.ConvTranspose2d(deep, skip, kernel_size=2, stride=2)
        self.grow = nn.Sequential(_start(grow), nn.ReLU())
        self.gate = ChannelAttention(skip, deep)
        self.mix = nn.Sequential(
            *_relu_norm(_conv(2 * skip, skip), skip), *_relu_norm(_conv(skip, skip), skip)
        )

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """Features at the size of `skip`."""
        return self.mix(torch.cat((self.grow(deep), self.gate(skip, deep)), dim=1))


def nucleisegnet(in_channels: int, out_channels: int, *, width: int = 32) -> GatedUNet:
    """NucleiSegNet: four halvings, robust residual blocks, attention over the skips.

    Source: Lal et al., Computers in Biology and Medicine 2021,
    doi 10.1016/j.compbiomed.2020.104075, in the layers of the authors' Keras code, whose initial
    weights it also takes. Batch norm follows the ReLU.

    Args:
        in_channels: of the image.
        out_channels: of the logit map.
        width: channels at full resolution.
    """
    widths = [factor * width for factor in (1, 2, 4, 8, 16)]
    deepest = widths[-1]
    encoder = [RobustBlock(a, b) for a, b in pairwise([in_channels, *widths[:-1]])]
    bottom = nn.Sequential(
        *_relu_norm(_conv(widths[-2], deepest), deepest),
        *_relu_norm(_conv(deepest, deepest), deepest),
        *_relu_norm(_conv(deepest, deepest), deepest),
    )
    steps = [AttentionStep(deep, skip) for skip, deep in reversed(list(pairwise(widths)))]
    return GatedUNet(encoder, bottom, steps, _plain_conv(width, out_channels))


def _relu_norm(
    conv: nn.Module, channels: int, shift: float = 0.0
) -> tuple[nn.Module, nn.Module, nn.Module]:
    norm = nn.BatchNorm2d(channels, eps=KERAS_EPS, momentum=MOMENTUM)
    nn.init.constant_(norm.bias, shift)
    return conv, nn.ReLU(), norm


def _conv(inside: int, outside: int, kernel: int = 3) -> nn.Module:
    return _start(nn.Conv2d(inside, outside, kernel, padding=kernel // 2))


def _plain_conv(inside: int, outside: int) -> nn.Conv2d:
    """A 1x1 convolution that starts from Keras's defaults."""
    conv = nn.Conv2d(inside, outside, kernel_size=1)
    nn.init.xavier_uniform_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _start(conv: nn.Conv2d | nn.ConvTranspose2d, *, normal: bool = True) -> nn.Module:
    """The convolution with Glorot's weights and a bias of 0.1."""
    (nn.init.xavier_normal_ if normal else nn.init.xavier_uniform_)(conv.weight)
    if conv.bias is not None:
        nn.init.constant_(conv.bias, CONV_BIAS)
    return conv
