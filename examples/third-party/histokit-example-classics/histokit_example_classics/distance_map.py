"""Nuclei by regression of the distance map, with maxima of it as seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import torch
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import relabel_sequential, watershed
from torch import Tensor, nn

from histokit.interfaces import (
    Context,
    Feed,
    Instances,
    Labelled,
    Maps,
    Method,
    Phase,
    Segmenter,
    Stateful,
)
from histokit.training.updater import Updater
from histokit_example_classics import DistanceMapConfig

INSIDE = 0.1
"""Share of the farthest distance above which a pixel is a nucleus."""
BUMP = 0.1
"""How much higher than its surroundings a maximum must be to be a nucleus of its own."""


def network(channels: int, width: int) -> nn.Module:
    """The distance of each pixel, from what is up to 15 pixels around it."""
    layers: list[nn.Module] = []
    for dilation in (1, 2, 4, 8):
        layers += [
            nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 1))


class DistanceMap(Method, Segmenter):
    """Predicts the distance to the border, 0 outside of nuclei, as a share of `farthest`."""

    def __init__(self, config: DistanceMapConfig, net: nn.Module, updater: Updater) -> None:
        self.config, self.net, self.updater = config, net, updater

    @classmethod
    def build(cls, config: DistanceMapConfig, context: Context) -> Self:
        """The untrained network and its optimiser."""
        net = network(context.channels, config.width).to(context.device)
        return cls(config, net, context.updater([net], config.lr))

    def stateful(self) -> Mapping[str, Stateful]:
        """All that training changes."""
        return {"net": self.net, "updater": self.updater}

    def phases(self) -> Sequence[Phase]:
        """One phase on labelled images."""
        return [Phase("train", self.config.steps, Feed.LABELLED, self.step)]

    def step(self, batch: Labelled) -> Mapping[str, Tensor]:
        """One update by the squared difference of the maps."""
        truth = distances(batch.ids, self.config.farthest).to(batch.images.device)
        loss = (self.net(batch.images).float() - truth).square().mean()
        self.updater.update(loss)
        return {"mse": loss.detach()}

    def segment(self, images: Tensor) -> Maps:
        """The distance map as ``distance``; the logit is above 0 where it is above `INSIDE`."""
        distance = self.net(images).float()
        return Maps((distance - INSIDE) * 20, "sigmoid", {"distance": distance})

    def decode(self, maps: Maps) -> Instances:
        """One nucleus a maximum of the distance map."""
        distance = maps.extra["distance"][0, 0].numpy()
        inside = maps.logits[0, 0].numpy() > 0
        return Instances(nuclei(distance, inside))


def distances(ids: Tensor, farthest: float) -> Tensor:
    """The distance of each pixel to the border of its object, float32 [B 1 H W] in 0..1."""
    maps = []
    for one in ids.cpu().numpy():
        borders = ndimage.grey_dilation(one, 3) != ndimage.grey_erosion(one, 3)
        apart = ndimage.distance_transform_edt((one > 0) & ~borders)
        maps.append(np.minimum(apart / farthest, 1.0))
    return torch.from_numpy(np.stack(maps)).float().unsqueeze(1)


def nuclei(distance: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Objects numbered 1..N, int32: the basins of the maxima that are `BUMP` high, inside."""
    smooth = ndimage.gaussian_filter(np.where(inside, distance, 0), 1.0)
    peaks = h_maxima(smooth, BUMP).astype(bool) & inside
    whole, _ = ndimage.label(inside)
    low = inside & ~np.isin(whole, whole[peaks])
    seeds, _ = ndimage.label(peaks | low)
    ids = watershed(-smooth, seeds, mask=inside)
    return relabel_sequential(ids)[0].astype(np.int32)
