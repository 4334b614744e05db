"""A segmenter that asks its network about mirror images too, as nnU-Net does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, final

import torch

from histokit.interfaces.network import Network
from histokit.interfaces.segmenter import Instances, Maps, Segmenter
from histokit.interfaces.spec import Sizes

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images

FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))
"""Axes that are mirrored when predicting."""


@final
class Mirrored(Segmenter):
    """A network asked about an image and its mirror images; the mean of its logits counts.

    Args:
        network: with its head.
        channels: of the images.
        sizes: the input sizes that the network takes.
        flips: for each question the axes of [B C H W] that are mirrored.
    """

    def __init__(
        self,
        network: Network,
        channels: int,
        sizes: Sizes,
        flips: Sequence[tuple[int, ...]] = FLIPS,
    ) -> None:
        self._network = network
        self._channels = channels
        self._sizes = sizes
        self._flips = flips

    @property
    def channels(self) -> int:
        """Those that were given."""
        return self._channels

    @property
    def sizes(self) -> Sizes:
        """Those that were given."""
        return self._sizes

    @property
    def blend(self) -> Literal["taper", "gaussian"]:
        """As nnU-Net blends."""
        return "gaussian"

    def segment(self, images: Images) -> Maps:
        """The mean of the logits, each mirrored back."""
        asked = [self._asked(images, axes) for axes in self._flips]
        logits = torch.stack([maps.logits for maps in asked]).mean(0)
        return Maps(logits, asked[0].activation)

    def _asked(self, images: Images, axes: tuple[int, ...]) -> Maps:
        maps = self._network.head.maps(self._network(images.flip(axes)))
        return Maps(maps.logits.flip(axes), maps.activation)

    def decode(self, maps: Maps) -> Instances:
        """As the head does."""
        return self._network.head.decode(maps)
