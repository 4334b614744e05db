"""Layers of generator and critic: spectral norm, blurred resizing, residual blocks."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-12
GAIN = 0.02


@final
class SpectralConv2d(nn.Module):
    """A convolution whose weight is divided by an estimate of its largest singular value.

    In training mode every forward pass, with or without gradient, first does one step of power
    iteration; in evaluation mode nothing changes. The norm is taken in float32, also under
    autocast. Tensor names are those of `torch.nn.utils.spectral_norm` (Miyato et al., ICLR 2018),
    whose numbers it gives too; passes may be repeated before the backward pass.

    Args:
        inside, outside: channels.
        size: side of the kernel.
        padding: zeros at each border.
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, inside: int, outside: int, size: int, padding: int = 0) -> None:
        super().__init__()
        self.padding = padding
        self.weight_orig = nn.Parameter(torch.empty(outside, inside, size, size))
        self.bias = nn.Parameter(torch.zeros(outside))
        nn.init.xavier_normal_(self.weight_orig, GAIN)
        rows, columns = torch.randn(outside), torch.randn(inside * size * size)
        self.register_buffer("weight_u", functional.normalize(rows, dim=0, eps=EPS))
        self.register_buffer("weight_v", functional.normalize(columns, dim=0, eps=EPS))

    def forward(self, features: Tensor) -> Tensor:
        """Features of the output channels."""
        return functional.conv2d(features, self.weight(), self.bias, padding=self.padding)

    def weight(self) -> Tensor:
        """The divided weight, after a step of power iteration in training mode."""
        with torch.autocast(self.weight_orig.device.type, enabled=False):
            matrix = self.weight_orig.flatten(1)
            if self.training:
                self._iterate(matrix.detach())
            # copies, because the next pass overwrites the vectors that this graph remembers
            u, v = self.weight_u.clone(), self.weight_v.clone()
            return self.weight_orig / torch.dot(u, torch.mv(matrix, v))

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        v = functional.normalize(torch.mv(matrix.t(), self.weight_u), dim=0, eps=EPS)
        u = functional.normalize(torch.mv(matrix, v), dim=0, eps=EPS)
        self.weight_u.copy_(u)
        self.weight_v.copy_(v)


@final
class BlurDown(nn.Module):
    """Halves height and width (odd ones upwards) after a [1 2 1] blur with mirrored borders."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", _blur([1.0, 2.0, 1.0], channels))

    def forward(self, features: Tensor) -> Tensor:
        """Features of half the size."""
        padded = functional.pad(features, (1, 1, 1, 1), mode="reflect")
        return functional.conv2d(padded, self.filt, stride=2, groups=features.shape[1])


@final
class BlurUp(nn.Module):
    """Doubles height and width exactly, with a [1 3 3 1] blur and repeated borders."""

    filt: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("filt", 4 * _blur([1.0, 3.0, 3.0, 1.0], channels))

    def forward(self, features: Tensor) -> Tensor:
        """Features of twice the size."""
        padded = functional.pad(features, (1, 1, 1, 1), mode="replicate")
        return functional.conv_transpose2d(
            padded, self.filt, stride=2, padding=3, groups=features.shape[1]
        )


@final
class ResidualBlock(nn.Module):
    """Two convolutions with instance norm and mirrored borders beside a way around them.

    Args:
        channels: kept.
        spectral: whether the convolutions have spectral norm.
    """

    def __init__(self, channels: int, *, spectral: bool = True) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            conv(channels, channels, 3, spectral=spectral),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            conv(channels, channels, 3, spectral=spectral),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape; there is no activation after the sum."""
        return features + self.conv_block(features)


def conv(
    inside: int, outside: int, size: int, padding: int = 0, *, spectral: bool = True
) -> nn.Module:
    """A convolution of stride 1 with the starting weights of CUT: Xavier normal, gain 0.02."""
    if spectral:
        return SpectralConv2d(inside, outside, size, padding)
    layer = nn.Conv2d(inside, outside, size, padding=padding)
    return _started(layer)


def linear(inside: int, outside: int) -> nn.Module:
    """A linear layer with the starting weights of CUT."""
    return _started(nn.Linear(inside, outside))


def _started(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    nn.init.xavier_normal_(layer.weight, GAIN)
    nn.init.zeros_(torch.as_tensor(layer.bias))
    return layer


def _blur(taps: list[float], channels: int) -> Tensor:
    """The outer product of `taps` with a sum of 1, once a channel, [channels 1 K K]."""
    line = torch.tensor(taps)
    kernel = torch.outer(line, line)
    return (kernel / kernel.sum()).repeat(channels, 1, 1, 1)
