"""A registered network trained on labels: of the source (source-only) or the target (oracle)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

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
    Stateful,
)
from histokit.nn.segmenter import NetworkSegmenter
from histokit.training.schedule import tenfold_drops
from histokit.training.updater import Updater
from histokit_baselines.config import SupervisedConfig


class Supervised(Method, Adapter):
    """Minimises the network's own supervised loss. Which labels it sees is the card's affair."""

    def __init__(self, config: SupervisedConfig, network: Network, updater: Updater) -> None:
        self.config = config
        self.network = network
        self.updater = updater

    @classmethod
    def build(cls, config: SupervisedConfig, context: Context) -> Self:
        """The untrained network and its optimiser."""
        network = context.network(config.network, context.channels, context.outputs)
        drops = tenfold_drops(config.lr_drop_every)
        updater = context.updater([network.module], config.lr, schedule=drops)
        return cls(config, network, updater)

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
        """The network as it is."""
        return NetworkSegmenter(self.network)


def supervised_step(network: Network, updater: Updater, batch: Labelled) -> Mapping[str, Tensor]:
    """One update on labelled images; gives the loss terms and their sum."""
    terms = network.head.losses(network(batch.images), batch)
    total = sum(terms.values(), start=batch.images.new_zeros(()))
    updater.update(total)
    return {**{name: term.detach() for name, term in terms.items()}, "seg": total.detach()}
