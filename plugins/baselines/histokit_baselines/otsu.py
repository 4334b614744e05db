"""Otsu's threshold on the haematoxylin of each image, without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import rgb2hed
from skimage.filters import gaussian, threshold_otsu

from histokit.interfaces import (
    Context,
    Instances,
    Maps,
    Method,
    Phase,
    Segmenter,
    Stateful,
)
from histokit.postprocess.watershed import watershed
from histokit_baselines.config import OtsuConfig

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images


class OtsuHed(Method, Segmenter):
    """Colour deconvolution (Ruifrok and Johnston 2001), then Otsu's threshold (1979) on the
    haematoxylin optical density.

    `segment` gives the haematoxylin density itself as the logit; the threshold is found in
    `decode`, once for the whole image, so windows agree.
    """

    def __init__(self, config: OtsuConfig) -> None:
        self.config = config

    @classmethod
    def build(cls, config: OtsuConfig, context: Context) -> Self:
        """The method; it holds no weights."""
        del context
        return cls(config)

    def stateful(self) -> Mapping[str, Stateful]:
        """Nothing."""
        return {}

    def phases(self) -> Sequence[Phase]:
        """None."""
        return []

    def segment(self, images: Images) -> Maps:
        """Haematoxylin density of each pixel, not yet compared to a threshold."""
        rgb = images.movedim(1, -1).cpu().numpy()
        density = np.stack([rgb2hed(image)[..., 0] for image in rgb])
        return Maps(torch.from_numpy(density).float()[:, None], "sigmoid")

    def decode(self, maps: Maps) -> Instances:
        """The pixels above the image's own threshold, split into nuclei."""
        mask = otsu_mask(maps.logits[0, 0].numpy(), self.config.smoothing)
        return watershed(mask.astype(np.float32), min_area=self.config.min_area)


def otsu_mask(density: NDArray[np.float32], smoothing: float) -> NDArray[np.bool_]:
    """Where the blurred density is above its Otsu threshold; nowhere in a flat image."""
    blurred = gaussian(density, smoothing) if smoothing else density
    if float(blurred.max()) == float(blurred.min()):
        return np.zeros(density.shape, bool)
    return np.asarray(blurred > threshold_otsu(blurred))
