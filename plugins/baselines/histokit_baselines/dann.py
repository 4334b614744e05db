"""DANN: features that a domain classifier cannot tell apart, by gradient reversal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, final

import torch
from torch import Tensor, nn

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
from histokit.nn.segmenter import NetworkSegmenter
from histokit.nn.taps import tap_path, with_tap
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
    tap_channels,
)
from histokit_baselines.config import DannConfig
from histokit_baselines.discriminators import feature_domains
from histokit_baselines.reversal import dann_ramp, reverse_gradient
from histokit_baselines.supervised import supervised_step

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images


@final
class Dann(Method, Adapter):
    """Ganin et al. 2016 on a segmentation network; MaNi's row "GRL".

    A classifier reads the features at a tap and learns which domain they are of; its gradient is
    reversed on its way into the network. The reversal, not the loss of the classifier, carries
    weight and ramp, so the classifier learns at full speed from the first step. One optimiser
    trains both. With `weight` 0 the classifier only watches.

    Each domain has its own pass, the target second, so batch norm normalises them apart.
    """

    def __init__(
        self, config: DannConfig, network: Network, classifier: nn.Module, updater: Updater
    ) -> None:
        self.config = config
        self.network = network
        self.classifier = classifier
        self.updater = updater
        self.tap = tap_path(network, config.tap)

    @classmethod
    def build(cls, config: DannConfig, context: Context) -> Self:
        """The untrained network and classifier.

        Raises UnknownName where the network has no tap of that name.
        """
        network = context.network(config.network, context.channels, context.outputs)
        channels = tap_channels(network, tap_path(network, config.tap), context)
        classifier = feature_domains(config.classifier, channels).to(context.device)
        drops = tenfold_drops(config.lr_drop_every)
        updater = context.updater([network.module, classifier], config.lr, schedule=drops)
        return cls(config, network, classifier, updater)

    def stateful(self) -> Mapping[str, Stateful]:
        """The network, the classifier, and the optimiser of both."""
        return {
            "network": self.network.module,
            "classifier": self.classifier,
            "updater": self.updater,
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
        """One update of network and classifier on both domains."""
        strength = self.strength()
        output, here = self._see(batch.source.images)
        with torch.set_grad_enabled(self.config.weight > 0):
            target_output, there = self._see(batch.target.images)
        total, log = supervised_terms(self.network, output, batch.source)
        source, target = self._domains(here, strength), self._domains(there, strength)
        domain = (domain_loss(source, SOURCE) + domain_loss(target, TARGET)) / 2
        self.updater.update(total + domain)
        return log | {
            "domain": domain.detach(),
            "domain_accuracy": domain_accuracy(source, target),
            "reversal": total.new_tensor(strength),
            "target_foreground": foreground_share(self.network.head.foreground(target_output)),
        }

    def strength(self) -> float:
        """The factor of the reversed gradient at this step.

        It follows from the updates done, which are part of the saved state.
        """
        config = self.config
        if config.schedule == "constant":
            return config.weight
        done = self.updater.count - config.warmup_steps
        return config.weight * dann_ramp(done / max(config.adapt_steps, 1))

    def _see(self, images: Images) -> tuple[Any, Tensor]:
        return with_tap(self.network.module, self.tap, images)

    def _domains(self, features: Tensor, strength: float) -> Tensor:
        """Domain logits; without weight the network is kept out of the graph altogether."""
        if self.config.weight == 0:
            return self.classifier(features.detach())
        return self.classifier(reverse_gradient(features, strength))
