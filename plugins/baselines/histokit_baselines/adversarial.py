"""Adversarial alignment of the output space: target maps that look like source maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.errors import ConfigError
from histokit.interfaces import (
    Adapter,
    Context,
    Feed,
    Labelled,
    Method,
    Network,
    Phase,
    Segmenter,
    SourceTarget,
    Stateful,
)
from histokit.losses.segmentation import full_precision
from histokit.nn.segmenter import NetworkSegmenter
from histokit.training.schedule import tenfold_drops
from histokit.training.updater import Updater
from histokit_baselines.alignment import (
    SOURCE,
    TARGET,
    collapse_warnings,
    domain_accuracy,
    domain_loss,
    foreground_share,
    supervised_terms,
)
from histokit_baselines.config import AdversarialConfig
from histokit_baselines.discriminators import SMALLEST_MAP, MapDomains
from histokit_baselines.supervised import supervised_step

MapKind = Literal["probabilities", "entropy"]
CHANNELS: Mapping[MapKind, int] = {"probabilities": 1, "entropy": 2}
"""Channels of each kind of map."""
OPPONENT_BETAS = (0.9, 0.99)


@final
class AdversarialOutput(Method, Adapter):
    """AdaptSegNet (Tsai et al. 2018) and ADVENT (Vu et al. 2019) for one foreground class.

    A discriminator learns to tell target maps from source maps; the network learns to segment the
    source and to make its target maps pass for source maps. It reads any network through the
    foreground of its head. Departures from the papers: one output level (no auxiliary one), Adam
    for the network too, and constant learning rates, as in all methods that this one stands
    beside. With `weight` 0 the discriminator only watches.
    """

    def __init__(
        self,
        config: AdversarialConfig,
        network: Network,
        discriminator: nn.Module,
        updater: Updater,
        opponent: Updater,
    ) -> None:
        self.config = config
        self.network = network
        self.discriminator = discriminator
        self.updater = updater
        self.opponent = opponent

    @classmethod
    def build(cls, config: AdversarialConfig, context: Context) -> Self:
        """The untrained network and discriminator.

        Raises ConfigError where the windows leave maps too small for the discriminator.
        """
        network = context.network(config.network, context.channels, context.outputs)
        _check_tile(config.tile, network)
        discriminator = MapDomains(CHANNELS[config.maps]).to(context.device)
        drops = tenfold_drops(config.lr_drop_every)
        return cls(
            config,
            network,
            discriminator,
            context.updater([network.module], config.lr, schedule=drops),
            context.updater(
                [discriminator], config.lr_opponent, betas=OPPONENT_BETAS, schedule=drops
            ),
        )

    def stateful(self) -> Mapping[str, Stateful]:
        """Both players and their optimisers."""
        return {
            "network": self.network.module,
            "discriminator": self.discriminator,
            "updater": self.updater,
            "opponent": self.opponent,
        }

    def phases(self) -> Sequence[Phase]:
        """``warmup`` on labelled source images, then ``adapt`` on both domains."""
        config = self.config
        return (
            Phase("warmup", config.warmup_steps, Feed.LABELLED, self.warmup_step),
            Phase("adapt", config.adapt_steps, Feed.SOURCE_TARGET, self.adapt_step),
        )

    def segmenter(self) -> Segmenter:
        """The network with its current weights."""
        return NetworkSegmenter(self.network)

    def warnings(self, losses: Mapping[str, float], step: int) -> Sequence[str]:
        """Too little or too much foreground on the target."""
        del step
        return collapse_warnings(losses)

    def warmup_step(self, batch: Labelled) -> Mapping[str, Tensor]:
        """One update of the network on labelled images."""
        return supervised_step(self.network, self.updater, batch)

    def adapt_step(self, batch: SourceTarget) -> Mapping[str, Tensor]:
        """One update of the network, then one of the discriminator on the same maps."""
        weight = self.config.weight
        output = self.network(batch.source.images)
        with torch.set_grad_enabled(weight > 0):
            found = self.network.head.foreground(self.network(batch.target.images))
            there = domain_maps(found, self.config.maps)
            adversarial = domain_loss(self.discriminator(there), SOURCE)
        here = domain_maps(self.network.head.foreground(output), self.config.maps)
        total, log = supervised_terms(self.network, output, batch.source)
        self.updater.update(total + weight * adversarial if weight > 0 else total)
        return log | {
            "adversarial": adversarial.detach(),
            "target_foreground": foreground_share(found),
            **self._oppose(here.detach(), there.detach()),
        }

    def _oppose(self, source: Tensor, target: Tensor) -> dict[str, Tensor]:
        """One update of the discriminator."""
        here, there = self.discriminator(source), self.discriminator(target)
        loss = (domain_loss(here, SOURCE) + domain_loss(there, TARGET)) / 2
        self.opponent.update(loss)
        return {"opponent": loss.detach(), "domain_accuracy": domain_accuracy(here, there)}


def domain_maps(logits: Tensor, kind: MapKind) -> Tensor:
    """What the discriminator sees of foreground logits [B 1 H W], float32 in 0..1.

    ``probabilities`` is the foreground's, [B 1 H W]. ``entropy`` is the weighted self-information
    -p log2 p of foreground and background, [B 2 H W] (ADVENT, section 3.2); the logarithm of p is
    taken from the logit, so certain pixels have finite gradients.
    """
    logits = full_precision(logits)
    if kind == "probabilities":
        return torch.sigmoid(logits)
    both = torch.cat((logits, -logits), dim=1)
    return torch.sigmoid(both) * -functional.logsigmoid(both) / math.log(2)


def _check_tile(tile: int, network: Network) -> None:
    """Raises ConfigError where the map of a window is smaller than five halvings take."""
    smallest = SMALLEST_MAP + network.sizes.shrink
    if tile < smallest:
        raise ConfigError(
            [f"tile is {tile}; the discriminator wants at least {smallest} with {network.name}"],
            hint=f"--tile {network.sizes.fit(smallest)}",
        )
