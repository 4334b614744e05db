"""A U-Net planned and trained as nnU-Net does it in 2D; it is not nnU-Net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, final

from torch import Tensor

from histokit.interfaces import (
    Adapter,
    Context,
    Feed,
    Labelled,
    Method,
    Network,
    Phase,
    Segmenter,
    Sizes,
    Stateful,
)
from histokit.nn.nnunet.mirrored import FLIPS, Mirrored
from histokit.nn.nnunet.plan import require_fit, sizes_of
from histokit.training.schedule import polynomial
from histokit.training.updater import Updater
from histokit_baselines.nnunet_config import NnUNetPlainConfig
from histokit_baselines.supervised import supervised_step


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
