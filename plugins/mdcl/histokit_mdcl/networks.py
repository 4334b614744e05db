"""Generator, critic and projection heads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import final

import torch
from torch import Tensor, nn

from histokit.interfaces.spec import Sizes
from histokit.losses.segmentation import full_precision
from histokit_mdcl.layers import BlurDown, BlurUp, ResidualBlock, conv, linear

COLOURS = 3
SIZES = Sizes(min=16, multiple_of=4)
"""What the two halvings and the mirrored borders of the generator take."""
WIDEST = 8
"""The critic has at most this many times its first channels."""
NORM_EPS = 1e-7


@final
class Generator(nn.Module):
    """The anti-aliased residual generator of CUT (Park et al., ECCV 2020).

    The order of `model`, whose indices name the taps, and the names of all tensors are those of
    the release, so that its checkpoints fit. Every norm is a plain `torch.nn.InstanceNorm2d`.

    Args:
        width: channels at full size; twice and four times as many after each halving.
        blocks: residual blocks.
        spectral: whether all convolutions have spectral norm.
    """

    def __init__(self, width: int = 64, blocks: int = 6, *, spectral: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3)]
        layers += _normed(conv(COLOURS, width, 7, spectral=spectral), width)
        for inside in (width, 2 * width):
            layers += _normed(conv(inside, 2 * inside, 3, 1, spectral=spectral), 2 * inside)
            layers.append(BlurDown(2 * inside))
        layers += [ResidualBlock(4 * width, spectral=spectral) for _ in range(blocks)]
        for inside in (4 * width, 2 * width):
            layers.append(BlurUp(inside))
            layers += _normed(conv(inside, inside // 2, 3, 1, spectral=spectral), inside // 2)
        layers += [nn.ReflectionPad2d(3), conv(width, COLOURS, 7, spectral=spectral), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, images: Tensor, taps: Sequence[int] = ()) -> tuple[Tensor, list[Tensor]]:
        """Images of the other stain, [B 3 H W] in -1..1 like the input, and what the modules `taps`
        gave on the way.
        """
        return self._pass(images, taps, len(self.model))

    def features(self, images: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """The outputs of the modules `taps`, which rise; nothing runs after the last of them."""
        return self._pass(images, taps, taps[-1] + 1)[1]

    def _pass(self, images: Tensor, taps: Sequence[int], end: int) -> tuple[Tensor, list[Tensor]]:
        found, features = [], images
        for index, layer in enumerate(islice(self.model, end)):
            features = layer(features)
            if index in taps:
                found.append(features)
        return features, found


@final
class Critic(nn.Module):
    """The anti-aliased patch critic of CUT: a score for each of many overlapping patches.

    Tensor names are those of the release of ASP.

    Args:
        width: channels of the first layer; they double with each halving, up to 8 times as many.
        layers: halvings.
        spectral: whether all convolutions have spectral norm.
    """

    def __init__(self, width: int = 32, layers: int = 5, *, spectral: bool = True) -> None:
        super().__init__()
        widths = [min(2**n, WIDEST) * width for n in range(layers + 1)]
        enc: list[nn.Module] = [
            conv(COLOURS, width, 4, 1, spectral=spectral),
            nn.LeakyReLU(0.2),
            BlurDown(width),
        ]
        for n in range(1, layers + 1):
            inside, outside = widths[n - 1], widths[n]
            enc += [conv(inside, outside, 4, 1, spectral=spectral), nn.InstanceNorm2d(outside)]
            enc.append(nn.LeakyReLU(0.2))
            if n < layers:
                enc.append(BlurDown(outside))
        self.enc = nn.Sequential(*enc)
        self.final_conv = conv(widths[-1], 1, 4, 1, spectral=spectral)

    def forward(self, images: Tensor) -> Tensor:
        """Scores [B 1 h w] of images [B 3 H W]: 1 is meant for real, 0 for generated."""
        return self.final_conv(self.enc(images))


@final
class ProjectionHeads(nn.Module):
    """For each tap two linear layers that turn the features of a position into a unit vector.

    Args:
        channels: of each tap.
        width: of both layers.
    """

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(linear(inside, width), nn.ReLU(), linear(width, width))
            for inside in channels
        )

    def forward(self, features: Sequence[Tensor], positions: Sequence[Tensor]) -> list[Tensor]:
        """Float32 vectors [B S width] for each tap, of features [B C H W] at S positions."""
        return [
            unit(head(picked(one, at)))
            for head, one, at in zip(self.heads, features, positions, strict=True)
        ]


def unit(vectors: Tensor) -> Tensor:
    """The vectors over their length, in float32; a small number joins each component within the
    length, so that zero stays zero with a finite gradient.
    """
    vectors = full_precision(vectors)
    return vectors / (vectors + NORM_EPS).square().sum(-1, keepdim=True).sqrt()


def drawn_positions(features: Tensor, count: int) -> Tensor:
    """Different positions of a map [B C H W], numbered row by row: `count`, or all there are."""
    height, width = features.shape[-2:]
    return torch.randperm(height * width, device=features.device)[:count]


def picked(features: Tensor, positions: Tensor) -> Tensor:
    """The features [B S C] at the S positions of a map [B C H W], the same in every image."""
    width = features.shape[-1]
    return features[:, :, positions // width, positions % width].transpose(1, 2)


@torch.no_grad()
def tap_channels(generator: Generator, taps: Sequence[int]) -> list[int]:
    """The channels of each tap, by a pass over zeros that leaves the generator as it was."""
    training = generator.training
    generator.eval()
    found = generator.features(torch.zeros(1, COLOURS, SIZES.min, SIZES.min), taps)
    generator.train(training)
    return [features.shape[1] for features in found]


def _normed(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, nn.InstanceNorm2d(channels), nn.ReLU()]
