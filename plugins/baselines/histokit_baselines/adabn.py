"""AdaBN: a source-trained network whose BatchNorm statistics are taken of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from histokit.errors import ContractError
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
    Unlabelled,
)
from histokit.nn.segmenter import NetworkSegmenter
from histokit.training.schedule import tenfold_drops
from histokit.training.updater import Updater
from histokit_baselines.config import AdaBNConfig
from histokit_baselines.supervised import supervised_step


class AdaBN(Method, Adapter):
    """Li et al. 2018: the weights stay those of the source, each BatchNorm layer gets the mean
    and variance of target images.

    The paper takes the statistics of the whole target set; here they are the plain average over
    `adabn_steps` random batches, all layers at once.
    """

    def __init__(self, config: AdaBNConfig, network: Network, updater: Updater) -> None:
        self.config = config
        self.network = network
        self.updater = updater

    @classmethod
    def build(cls, config: AdaBNConfig, context: Context) -> Self:
        """The untrained network and its optimiser.

        Raises ContractError for a network without BatchNorm, which has nothing to adapt.
        """
        network = context.network(config.network, context.channels, context.outputs)
        if not norms_of(network.module):
            raise ContractError(
                f"network {config.network!r} has no BatchNorm layer, so AdaBN would change nothing",
                hint="choose another --network",
            )
        drops = tenfold_drops(config.lr_drop_every)
        updater = context.updater([network.module], config.lr, schedule=drops)
        return cls(config, network, updater)

    def stateful(self) -> Mapping[str, Stateful]:
        """The network and its updater."""
        return {"network": self.network.module, "updater": self.updater}

    def phases(self) -> Sequence[Phase]:
        """Supervised training on the source, then statistics of the target."""
        return [
            Phase("train", self.config.steps, Feed.LABELLED, self.train_step),
            Phase(
                "adabn", self.config.adabn_steps, Feed.UNLABELLED, self.statistics_step, self.reset
            ),
        ]

    def train_step(self, batch: Labelled) -> Mapping[str, Tensor]:
        """One update of the network."""
        return supervised_step(self.network, self.updater, batch)

    def reset(self) -> None:
        """Forgets the source's statistics; from here on they are a plain average of batches."""
        for layer in norms_of(self.network.module):
            layer.reset_running_stats()
            layer.momentum = None

    @torch.no_grad()
    def statistics_step(self, batch: Unlabelled) -> Mapping[str, Tensor]:
        """One forward pass in training mode; gives the share of predicted foreground."""
        found = self.network.head.foreground(self.network(batch.images)) > 0
        return {"target_foreground": found.float().mean()}

    def segmenter(self) -> Segmenter:
        """The network with the statistics it has."""
        return NetworkSegmenter(self.network)


def norms_of(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The BatchNorm layers that keep running statistics."""
    layers = (m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    return [layer for layer in layers if layer.track_running_stats]
