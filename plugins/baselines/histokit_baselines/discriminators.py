"""Networks that tell the target from the source: by features, or by segmentation maps."""

from __future__ import annotations

from typing import Literal, final

from torch import Tensor, nn

from histokit.losses.segmentation import full_precision

IMAGE_UNITS = 1024
"""Width of the two hidden layers of `ImageDomains`."""
MAP_CHANNELS = (64, 128, 256, 512)
"""Channels of the hidden layers of `MapDomains`."""
SMALLEST_MAP = 2 ** (len(MAP_CHANNELS) + 1)
"""Side of the smallest map that five halvings leave a pixel of."""


@final
class PixelDomains(nn.Module):
    """One domain logit a pixel from a 1x1 convolution, [B C H W] to [B 1 H W].

    The gradient-reversal option of the MaNi release.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, 1, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Logits; above 0 means target."""
        return self.layer(features)


@final
class ImageDomains(nn.Module):
    """One domain logit an image: the mean over all pixels, then two hidden layers of 1024 units.

    The classifier of Ganin et al., JMLR 2016, without its dropout; [B C H W] to [B 1].

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, IMAGE_UNITS),
            nn.ReLU(),
            nn.Linear(IMAGE_UNITS, IMAGE_UNITS),
            nn.ReLU(),
            nn.Linear(IMAGE_UNITS, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Logits; above 0 means target."""
        return self.layers(full_precision(features).mean((2, 3)))


@final
class MapDomains(nn.Module):
    """Domain logits of a segmentation map, [B C H W] to [B 1 H/32 W/32].

    Five 4x4 convolutions of stride 2 with LeakyReLU 0.2 between them. Source: the discriminator of
    AdaptSegNet (Tsai et al., CVPR 2018) and ADVENT (Vu et al., CVPR 2019).

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in MAP_CHANNELS:
            layers += [_halving(channels, width), nn.LeakyReLU(0.2)]
            channels = width
        self.layers = nn.Sequential(*layers, _halving(channels, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Logits; above 0 means target. Maps have sides of at least 32 pixels."""
        return self.layers(maps)


def feature_domains(kind: Literal["pixel", "image"], channels: int) -> nn.Module:
    """A classifier of features by name."""
    return PixelDomains(channels) if kind == "pixel" else ImageDomains(channels)


def _halving(channels: int, width: int) -> nn.Conv2d:
    return nn.Conv2d(channels, width, kernel_size=4, stride=2, padding=1)
