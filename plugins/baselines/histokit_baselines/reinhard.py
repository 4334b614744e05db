"""Reinhard's colour transfer: mean and spread of each Lab channel are set to a reference's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histokit.interfaces import Context, Method, Phase, Sizes, Stateful, Translator
from histokit_baselines.config import ReinhardConfig
from histokit_baselines.lab import lab_of_rgb, rgb_of_lab
from histokit_baselines.reference import read_references

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images

Style = tuple[NDArray[np.float64], NDArray[np.float64]]

BUILT_IN: Style = (np.array([59.32, 25.30, -11.30]), np.array([21.16, 10.92, 8.91]))
"""Mean and standard deviation of L, a and b over all pixels of nine H&E images of the training set
of MoNuSeg (Kumar et al. 2017), measured by us."""


class Reinhard(Method, Translator):
    """Colour transfer by the statistics of colour channels (Reinhard et al. 2001).

    We use CIE Lab, as pathology does, where the paper uses its own decorrelated space. The
    statistics of the image are an instance norm, so that the core can take them of the whole
    image (``--norm image``). An image of one colour takes the mean colour of the reference.
    """

    def __init__(self, style: Style) -> None:
        self.style = style
        self.norm = nn.InstanceNorm2d(3, eps=1e-8)

    @classmethod
    def build(cls, config: ReinhardConfig, context: Context) -> Self:
        """The method with the statistics of its reference. Raises DataError where there is none."""
        if not config.reference:
            return cls(BUILT_IN)
        return cls(lab_style(read_references(config.reference, context)))

    def stateful(self) -> Mapping[str, Stateful]:
        """The norm, which has no weights."""
        return {"norm": self.norm}

    def phases(self) -> Sequence[Phase]:
        """None."""
        return []

    @property
    def sizes(self) -> Sizes:
        """At least 2 pixels: a single one has no spread of colours."""
        return Sizes(min=2)

    def translate(self, images: Images) -> Images:
        """The images with the colours of the reference; colours outside of RGB are cut."""
        planes = images.movedim(1, 0)
        rgb = planes.reshape(3, -1).float().cpu().numpy()
        lab = torch.from_numpy(lab_of_rgb(rgb)).view(planes.shape).movedim(0, 1)
        mean, std = (torch.from_numpy(value).float()[:, None, None] for value in self.style)
        moved = (self.norm(lab.to(images.device)).cpu() * std).add_(mean).movedim(1, 0)
        back = rgb_of_lab(moved.reshape(3, -1).numpy())
        return torch.from_numpy(back).view(planes.shape).movedim(0, 1).to(images)


def lab_style(images: Iterable[NDArray[np.float64]]) -> Style:
    """Mean and standard deviation of L, a and b over all pixels of the images."""
    count, total, square = 0, np.zeros(3), np.zeros(3)
    for image in images:
        lab = lab_of_rgb(image.reshape(-1, 3).T)
        count += lab.shape[1]
        total += lab.sum(1)
        square += np.square(lab).sum(1)
    mean = total / count
    return mean, np.sqrt(np.maximum(square / count - mean**2, 0))
