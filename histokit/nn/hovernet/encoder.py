"""The ResNet-50 encoders of HoVer-Net, with a stride of 8 in all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor, nn


class Width(NamedTuple):
    """One residual group: channels in, inside and out of a unit, number of units, stride."""

    inside: int
    middle: int
    outside: int
    units: int
    stride: int

    def narrowed(self, by: int) -> Width:
        """The same group with its channels divided."""
        inside, middle, outside = (n // by for n in (self.inside, self.middle, self.outside))
        return Width(inside, middle, outside, self.units, self.stride)


RESNET50 = (
    Width(64, 64, 256, 3, 1),
    Width(256, 128, 512, 4, 2),
    Width(512, 256, 1024, 6, 2),
    Width(1024, 512, 2048, 3, 2),
)


def frozen(part: nn.Module) -> bool:
    """Whether nothing in `part` is trained."""
    return not any(parameter.requires_grad for parameter in part.parameters())


@final
class Encoder(nn.Module):
    """A stem and four residual groups, ``d0`` to ``d3``.

    In training mode, and unless the images themselves want a gradient, frozen groups (and frozen
    units of the first group) run without a graph, as in the release: what lies before them then
    learns only through the paths around them, and their activations take no memory.

    Args:
        stem: from the image to 64 channels at full resolution.
        groups: the four groups.
    """

    def __init__(self, stem: nn.Module, groups: Sequence[PreactGroup | Group]) -> None:
        super().__init__()
        self.stem = stem
        self.d0, self.d1, self.d2, self.d3 = groups

    def forward(self, images: Tensor) -> list[Tensor]:
        """The output of each group: 256, 512, 1024 and 2048 channels at strides 1, 2, 4 and 8."""
        cut = self.training and not images.requires_grad
        features = self.stem(images)
        levels = []
        for group in (self.d0, self.d1, self.d2, self.d3):
            with _graph(not (cut and frozen(group))):
                features = group(features, cut)
            levels.append(features)
        return levels


@final
class PreactGroup(nn.Module):
    """Residual units of the pre-activation kind, closed by batch norm and ReLU.

    Only the first unit has a convolution on its shortcut, applied to the input of the group as it
    is; and only the other units start with batch norm and ReLU.
    """

    def __init__(self, width: Width) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(
            width.inside, width.outside, kernel_size=1, stride=width.stride, bias=False
        )
        self.units = nn.ModuleList([_preact_unit(width.inside, width, width.stride)])
        self.units.extend(
            nn.Sequential(*norm_relu(width.outside), *_preact_unit(width.outside, width, 1))
            for _ in range(width.units - 1)
        )
        self.close = nn.Sequential(*norm_relu(width.outside))

    def forward(self, features: Tensor, cut: bool = False) -> Tensor:
        """The features after all units. With `cut`, frozen units run without a graph."""
        graph = not (cut and frozen(self.units))
        total = self.shortcut(features)
        for unit in self.units:
            with _graph(graph):
                features = unit(features)
            total = features = features + total
        return self.close(features)


@final
class Group(nn.Module):
    """Residual units of the usual, post-activation kind, padded on all sides."""

    def __init__(self, width: Width) -> None:
        super().__init__()
        self.units = nn.Sequential(_Bottleneck(width.inside, width, width.stride))
        self.units.extend(_Bottleneck(width.outside, width, 1) for _ in range(width.units - 1))

    def forward(self, features: Tensor, cut: bool = False) -> Tensor:
        """The features after all units; `cut` changes nothing here."""
        del cut
        return self.units(features)


@final
class _Bottleneck(nn.Module):
    def __init__(self, inside: int, width: Width, stride: int) -> None:
        super().__init__()
        middle, outside = width.middle, width.outside
        self.residual = nn.Sequential(
            nn.Conv2d(inside, middle, kernel_size=1, bias=False),
            *norm_relu(middle),
            nn.Conv2d(middle, middle, kernel_size=3, stride=stride, padding=1, bias=False),
            *norm_relu(middle),
            nn.Conv2d(middle, outside, kernel_size=1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inside != outside or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, outside, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(outside),
            )

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.residual(features) + self.shortcut(features))


def preact_encoder(in_channels: int, *, padding: int, narrow: int = 1) -> Encoder:
    """The encoder of the paper; `padding` is that of the 7x7 stem, 0 or 3, and `narrow` divides
    all channels.
    """
    first = 64 // narrow
    stem = nn.Sequential(
        nn.Conv2d(in_channels, first, kernel_size=7, padding=padding, bias=False),
        *norm_relu(first),
    )
    return Encoder(stem, [PreactGroup(width.narrowed(narrow)) for width in RESNET50])


def padded_encoder(in_channels: int, *, narrow: int = 1) -> Encoder:
    """A post-activation ResNet-50 whose stem has a stride of 1, a bias and no pooling after it;
    `narrow` divides all channels.
    """
    first = 64 // narrow
    stem = nn.Sequential(nn.Conv2d(in_channels, first, kernel_size=7, padding=3), *norm_relu(first))
    return Encoder(stem, [Group(width.narrowed(narrow)) for width in RESNET50])


def norm_relu(channels: int) -> tuple[nn.Module, nn.Module]:
    """Batch norm and ReLU."""
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)


def _preact_unit(inside: int, width: Width, stride: int) -> nn.Sequential:
    """Convolutions 1x1, 3x3 and 1x1. With a stride of 2, zeros stand only below and to the right,
    as TensorFlow pads an even side.
    """
    middle = width.middle
    pad = nn.ZeroPad2d(1) if stride == 1 else nn.ZeroPad2d((0, 1, 0, 1))
    return nn.Sequential(
        nn.Conv2d(inside, middle, kernel_size=1, bias=False),
        *norm_relu(middle),
        pad,
        nn.Conv2d(middle, middle, kernel_size=3, stride=stride, bias=False),
        *norm_relu(middle),
        nn.Conv2d(middle, width.outside, kernel_size=1, bias=False),
    )


def _graph(wanted: bool) -> torch.set_grad_enabled:
    """A context with gradients only where they were on and are `wanted`."""
    return torch.set_grad_enabled(wanted and torch.is_grad_enabled())
