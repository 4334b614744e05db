"""The one-shot translator and its critic of patches, as CycleGAN has them."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from histokit.losses.segmentation import full_precision
from histokit_syndiff_pl.networks.layers import run

SLOPE = 0.2


@final
class TranslatorBlock(nn.Module):
    """Two mirrored 3x3 convolutions with instance norms beside a shortcut.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_normed(nn.Conv2d(channels, channels, 3)),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape."""
        return features + self.layers(features)


@final
class OneShot(nn.Module):
    """G_phi: translates an image in one pass; it supplies the sources of unpaired training.

    Source: the residual generator of CycleGAN (Zhu et al., ICCV 2017) with 6 blocks.

    Args:
        channels: of an image.
        width: channels at full resolution.
        blocks: residual blocks at a quarter of it.
        checkpointing: saves memory at the cost of time; see `run`.
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        width: int = 64,
        blocks: int = 6,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.checkpointing = checkpointing
        self.shrink = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normed(nn.Conv2d(channels, width, 7)),
            *_normed(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
            *_normed(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)),
        )
        self.blocks = nn.ModuleList(TranslatorBlock(4 * width) for _ in range(blocks))
        self.grow = nn.Sequential(
            *_normed(_doubling(4 * width, 2 * width)),
            *_normed(_doubling(2 * width, width)),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, channels, 7),
        )
        self.apply(_start)

    def forward(self, images: Tensor) -> Tensor:
        """The translation, float32 [B C H W] in -1..1 like `images`; sides are multiples of 4."""
        h = run(self.shrink, images, checkpointing=self.checkpointing)
        for block in self.blocks:
            h = run(block, h, checkpointing=self.checkpointing)
        return torch.tanh(full_precision(run(self.grow, h, checkpointing=self.checkpointing)))


@final
class PatchCritic(nn.Module):
    """D_phi: a logit for each of many overlapping patches of one image.

    Source: PatchGAN (Isola et al., CVPR 2017).

    Args:
        channels: of an image.
        width: channels after the first convolution.
        layers: how often the sides are halved.
    """

    def __init__(self, channels: int = 1, *, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        widths = [width * min(2**number, 8) for number in range(layers + 1)]
        parts: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
        ]
        for number in range(layers):
            inside, outside = widths[number], widths[number + 1]
            stride = 1 if number == layers - 1 else 2
            parts += [
                nn.Conv2d(inside, outside, 4, stride=stride, padding=1),
                nn.InstanceNorm2d(outside),
                nn.LeakyReLU(SLOPE),
            ]
        self.layers = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.apply(_start)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, float32 [B 1 h w]; above 0 means real."""
        return full_precision(self.layers(images))


def _normed(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return layer, nn.InstanceNorm2d(layer.out_channels), nn.ReLU()


def _doubling(inside: int, outside: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inside, outside, 3, stride=2, padding=1, output_padding=1)


def _start(module: nn.Module) -> None:
    """Normal weights of deviation 0.02, biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
        nn.init.normal_(module.weight, 0.0, 0.02)
        nn.init.zeros_(module.bias)
