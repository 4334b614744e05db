"""A U-Net planned and trained as nnU-Net does it in 2D; it is not nnU-Net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self, final

import torch
from torch import Tensor

from histokit.interfaces import (
    Adapter,
    Context,
    Feed,
    Instances,
    Labelled,
    Maps,
    Method,
    Network,
    Phase,
    Segmenter,
    Sizes,
    Stateful,
)
from histokit.nn.nnunet.plan import require_fit, sizes_of
from histokit.training.schedule import polynomial
from histokit.training.updater import Updater
from histokit_baselines.nnunet_config import NnUNetPlainConfig
from histokit_baselines.supervised import supervised_step

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images

FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))
"""Axes that are mirrored when predicting."""


@final
class NnUNetPlain(Method, Adapter):
    """Dice and cross-entropy with deep supervision, by SGD whose rate falls as a polynomial.

    Source: Isensee et al., Nature Methods 2021, doi 10.1038/s41592-020-01008-z; the settings are
    those of nnU-Net v2. It departs from nnU-Net: the rate falls each step and not each epoch,
    images come in 0..1 by the range of their type, augmentation is that of histokit, and there is
    one network and no ensemble.
    """

    def __init__(
        self,
        config: NnUNetPlainConfig,
        network: Network,
        updater: Updater,
        sizes: Sizes,
    ) -> None:
        self.config = config
        self.network = network
        self.updater = updater
        self._sizes = sizes

    @classmethod
    def build(cls, config: NnUNetPlainConfig, context: Context) -> Self:
        """The untrained network, as deep as `tile` asks, and its optimiser.

        Raises ConfigError for a `tile` that the depth does not divide.
        """
        levels = require_fit(config.tile)
        network = context.network(
            "nnunet-plain", context.channels, context.outputs, levels=levels, width=config.width
        )
        updater = context.updater(
            [network.module],
            config.lr,
            optimiser="sgd",
            weight_decay=config.weight_decay,
            clip=config.clip,
            schedule=polynomial(config.steps),
        )
        return cls(config, network, updater, sizes_of(levels))

    def stateful(self) -> Mapping[str, Stateful]:
        """The network and its updater."""
        return {"network": self.network.module, "updater": self.updater}

    def phases(self) -> Sequence[Phase]:
        """One phase on labelled images."""
        return [Phase("train", self.config.steps, Feed.LABELLED, self.train_step)]

    def train_step(self, batch: Labelled) -> Mapping[str, Tensor]:
        """One update of the network."""
        return supervised_step(self.network, self.updater, batch)

    def segmenter(self) -> Segmenter:
        """The network, asked four times over where `mirror` is on."""
        flips = FLIPS if self.config.mirror else FLIPS[:1]
        return Mirrored(self.network, self.config.channels, self._sizes, flips)


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
        self, network: Network, channels: int, sizes: Sizes, flips: Sequence[tuple[int, ...]]
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
