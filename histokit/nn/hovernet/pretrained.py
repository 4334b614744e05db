"""Another encoder for HoVer-Net: a network of timm, with pretrained weights or without."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.nn.backbones import backbone
from histokit.nn.hovernet.encoder import norm_relu

LEVELS = {1: 256, 2: 512, 4: 1024, 8: 2048}
"""Channels that the decoders of HoVer-Net take, by stride."""


@final
class PretrainedEncoder(nn.Module):
    """A timm network in place of the ResNet-50 of `histokit.nn.hovernet.encoder.Encoder`.

    Most networks begin at a stride of 2 or 4. The finer levels that they lack come from two 3x3
    convolutions on the image, pooled; and each level reaches the channels that the decoders take
    by a 1x1 convolution. Images are standardised as the network was trained. This is no published
    variant of HoVer-Net.

    Args:
        name: as timm calls it.
        in_channels: of the image.
        weights: see `histokit.nn.backbones.backbone`.
        narrow: divides the channels of the levels.
    """

    def __init__(self, name: str, in_channels: int, weights: str = "", *, narrow: int = 1) -> None:
        super().__init__()
        self.backbone = backbone(name, in_channels, weights)
        info: Any = self.backbone.feature_info
        found = dict(zip(info.reduction(), info.channels(), strict=True))
        self._places = [list(found).index(s) if s in found else None for s in LEVELS]
        fine = 64 // narrow
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, fine, kernel_size=3, padding=1, bias=False),
            *norm_relu(fine),
            nn.Conv2d(fine, fine, kernel_size=3, padding=1, bias=False),
            *norm_relu(fine),
        )
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(found.get(stride, fine), width // narrow, kernel_size=1, bias=False),
                *norm_relu(width // narrow),
            )
            for stride, width in LEVELS.items()
        )
        self.register_buffer("mean", _per_channel(self.backbone, "mean", 0.5, in_channels))
        self.register_buffer("std", _per_channel(self.backbone, "std", 0.5, in_channels))

    def forward(self, images: Tensor) -> list[Tensor]:
        """256, 512, 1024 and 2048 channels (divided by `narrow`) at strides 1, 2, 4 and 8."""
        images = (images - self.get_buffer("mean")) / self.get_buffer("std")
        maps, fine = self.backbone(images), self.stem(images)
        levels = []
        for place, stride, level in zip(self._places, LEVELS, self.levels, strict=True):
            size = (images.shape[-2] // stride, images.shape[-1] // stride)
            found = fine if place is None else maps[place]
            if found.shape[-2:] != size:
                found = functional.adaptive_avg_pool2d(found, size)
            levels.append(level(found))
        return levels


def _per_channel(backbone: nn.Module, what: str, default: float, channels: int) -> Tensor:
    """Mean or deviation of the images that a network was trained on, [channels 1 1]."""
    values = getattr(backbone, "pretrained_cfg", {}).get(what) or (default,)
    spread = values if len(values) == channels else [sum(values) / len(values)] * channels
    return torch.tensor(spread)[:, None, None]
