"""Nuclei from the map of a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch

from histokit.interfaces.segmenter import Instances, Maps, Segmenter
from histokit.interfaces.spec import Sizes
from histokit.postprocess.watershed import watershed
from histokit_ostrich.generator import Generator
from histokit_ostrich.losses import logits

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images


@final
class MapSegmenter(Segmenter):
    """Finds nuclei where the map of a generator is above 0, with whatever weights it has by then.

    Args:
        generator: it.
    """

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    @property
    def sizes(self) -> Sizes:
        """Those of the generator."""
        return self._generator.sizes

    def segment(self, images: Images) -> Maps:
        """One pass; the logits are 4 times the map."""
        return Maps(logits(self._generator(images).cropped()), "sigmoid")

    def decode(self, maps: Maps) -> Instances:
        """The nuclei of one image, by watershed."""
        return watershed(torch.sigmoid(maps.logits[0, 0]).cpu().numpy())
