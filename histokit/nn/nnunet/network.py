"""The planned 2D U-Net: strided convolutions, instance norm, maps at every resolution."""

from __future__ import annotations

from itertools import pairwise
from typing import final

from torch import Tensor, nn

from histokit.nn.nnunet.plan import WIDTH, features_of
from histokit.nn.unet import UpStep

SLOPE = 0.01
"""Of the leaky ReLU below 0."""


@final
class PlannedUNet(nn.Module):
    """A U-Net as nnU-Net v2 plans it for 2D images: in each level two 3x3 convolutions, each with
    instance norm and leaky ReLU; down by a stride of 2, up by a transposed convolution of 2x2.

    In training it gives the logits of every decoder level but the lowest, finest first; in
    evaluation the finest alone. nnU-Net also makes the map of the lowest decoder level and gives
    it a weight of 0; here it is left out.

    Source: Isensee et al., Nature Methods 2021, doi 10.1038/s41592-020-01008-z. This is no
    nnU-Net: the planning of resampling and normalisation, its augmentation and its ensembles are
    not here.

    Args:
        in_channels: of the image.
        out_channels: of each logit map.
        levels: resolutions, at least 2; a side is halved once less often.
        width: features at full resolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, levels: int = 7, width: int = WIDTH
    ) -> None:
        super().__init__()
        features = features_of(levels, width)
        stages = [_stage(in_channels, features[0], stride=1)]
        stages += [_stage(shallow, deep, stride=2) for shallow, deep in pairwise(features)]
        self.encoder = nn.ModuleList(stages[:-1])
        self.bottleneck = stages[-1]
        self.decoder = nn.ModuleList(
            UpStep(
                nn.ConvTranspose2d(deep, shallow, kernel_size=2, stride=2),
                _stage(2 * shallow, shallow, stride=1),
            )
            for shallow, deep in pairwise(features)
        )
        supervised = features[: max(levels - 2, 1)]
        self.heads = nn.ModuleList(nn.Conv2d(f, out_channels, kernel_size=1) for f in supervised)
        self.apply(_start)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits [B out_channels H W]; in training a tuple, each half as large as the one before.

        `decoder` and `heads` count from full resolution down.
        """
        skips: list[Tensor] = []
        features = images
        for stage in self.encoder:
            features = stage(features)
            skips.append(features)
        features = self.bottleneck(features)
        maps: list[Tensor] = []
        for level in reversed(range(len(self.decoder))):
            features = self.decoder[level](features, skips[level])
            if level == 0 or (self.training and level < len(self.heads)):
                maps.insert(0, self.heads[level](features))
        return tuple(maps) if self.training else maps[0]


def _stage(inside: int, outside: int, *, stride: int) -> nn.Sequential:
    """Two convolutions with norm and activation, the first of which may halve the size."""
    return nn.Sequential(*_conv(inside, outside, stride), *_conv(outside, outside, 1))


def _conv(inside: int, outside: int, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inside, outside, kernel_size=3, stride=stride, padding=1),
        nn.InstanceNorm2d(outside, affine=True),
        nn.LeakyReLU(SLOPE, inplace=True),
    )


def _start(layer: nn.Module) -> None:
    """He's normal weights for this slope, and no bias."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(layer.weight, a=SLOPE)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
