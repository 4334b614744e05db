"""Generator and critic of CycleGAN, and the memory of generated images."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from histokit.interfaces import Sizes

SIZES = Sizes(min=16, multiple_of=4)
"""What the two halvings and the mirrored borders of the generator take."""
SPREAD = 0.02
"""Standard deviation of the starting weights."""


@final
class Generator(nn.Module):
    """The residual generator of Zhu et al. 2017, after Johnson et al. 2016.

    A 7x7 convolution, two halvings, residual blocks, two doublings, a 7x7 convolution; instance
    norm and ReLU after each but the last, mirrored borders around 7x7 convolutions and in blocks.

    Args:
        inside, outside: channels.
        width: channels at full size; twice and four times as many after each halving.
        blocks: residual blocks.
    """

    def __init__(self, inside: int, outside: int, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3)]
        layers += _normed(nn.Conv2d(inside, width, 7), width)
        for channels in (width, 2 * width):
            halving = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)
            layers += _normed(halving, 2 * channels)
        layers += [_Residual(4 * width) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            doubling = nn.ConvTranspose2d(
                channels, channels // 2, 3, stride=2, padding=1, output_padding=1
            )
            layers += _normed(doubling, channels // 2)
        self.layers = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, outside, 7))
        self.apply(_start)

    def forward(self, images: Tensor) -> Tensor:
        """Values in -1..1 [B outside H W] of values in -1..1 [B inside H W]."""
        return torch.tanh(self.raw(images))

    def raw(self, images: Tensor) -> Tensor:
        """The same before the hyperbolic tangent."""
        return self.layers(images)


@final
class PatchCritic(nn.Module):
    """A score for each of many overlapping patches of 70 x 70 pixels, [B C H W] to [B 1 h w].

    4x4 convolutions: three of stride 2 and two of stride 1, with instance norm in between and
    LeakyReLU 0.2 (Isola et al. 2017, Zhu et al. 2017).

    Args:
        inside: channels of the images.
        width: channels of the first layer.
    """

    def __init__(self, inside: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(inside, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for channels, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
            layers.append(nn.Conv2d(channels, 2 * channels, 4, stride, 1))
            layers += [nn.InstanceNorm2d(2 * channels), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))
        self.apply(_start)

    def forward(self, images: Tensor) -> Tensor:
        """Scores: 1 is meant for real, 0 for generated."""
        return self.layers(images)


@final
class ImagePool:
    """Generated images of the past, which keep a critic from forgetting them.

    While it is not full, an image is kept and given back. From then on, an image is given back as
    it is or, with probability one half, takes the place of a random older one, which is given
    instead (Shrivastava et al. 2017). What is drawn comes from torch's generator of the CPU.

    Args:
        size: images kept; with 0 every image is given back as it is.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.images: list[Tensor] = []

    def swap(self, batch: Tensor) -> Tensor:
        """As many images as in `batch` [B C H W], without gradient."""
        return torch.stack([self._swapped(image) for image in batch.detach()])

    def _swapped(self, image: Tensor) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(image.clone())
            return image
        if self.size == 0 or float(torch.rand(())) < 0.5:
            return image
        place = int(torch.randint(self.size, ()))
        older, self.images[place] = self.images[place], image.clone()
        return older.to(image)

    def state_dict(self) -> dict[str, Any]:
        """The images."""
        return {"images": list(self.images)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        self.images = list(state["images"])


@final
class _Residual(nn.Module):
    """Two convolutions beside a way around them; no activation follows the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second = (
            [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
            for _ in range(2)
        )
        self.layers = nn.Sequential(*first, nn.ReLU(), *second)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.layers(features)


def _normed(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, nn.InstanceNorm2d(channels), nn.ReLU()]


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, SPREAD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
