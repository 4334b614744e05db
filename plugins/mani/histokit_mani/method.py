"""MaNi as a method: a warm-up on the source, then joint training with mutual information."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.interfaces.adapter import Adapter
from histokit.interfaces.batch import Feed, Labelled, SourceTarget
from histokit.interfaces.method import Method, Phase, Stateful
from histokit.nn.segmenter import NetworkSegmenter
from histokit.nn.taps import tap_path, with_tap
from histokit.training.schedule import tenfold_drops
from histokit.training.updater import Updater
from histokit_mani.freezing import Freezer
from histokit_mani.losses import (
    Information,
    Regions,
    build_pool,
    information,
    pseudo_label,
    regions,
)
from histokit_mani.networks import build_critic, frozen_statistics, halve, projection_head

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images
    from histokit.interfaces.context import Context
    from histokit.interfaces.method import Losses
    from histokit.interfaces.network import Network
    from histokit.interfaces.segmenter import Segmenter
    from histokit_mani.config import ManiConfig

COLLAPSE = (0.005, 0.6)
"""Shares of nuclei among the target pixels outside which pseudo-labels have collapsed."""
IDLE_BOUND, IDLE_STEPS = 0.01, 2000
"""A critic with a smaller bound after so many joint steps is not learning."""
FAR = 3.0
"""Mean scores of one sign beyond this cost more than twice the loss of a critic that says 0."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one domain gives: the raw output of the network and the features at the tap."""

    output: Any
    features: Tensor


@final
class Mani(Method, Adapter):
    """Adapts a segmenter by mutual information between source nuclei and target nuclei.

    Source: Sharma et al., MICCAI 2022, and the authors' code, which wins where the two differ.
    Departures from that code: the projection runs once for each domain instead of once for each
    mask (only its own running statistics notice), and the warm-up is exactly `warmup_steps`.
    Departures from the paper's text: the learning rate and flips of the code, unless the preset
    ``paper`` is named; pairs go to the critic in the order (target, source). Only the U-Net
    experiment has public code; other networks are tapped before their last 1x1 convolution, and
    the frozen start of the HoVer-Net experiment is built from the paper's text.

    Network, projection and critic minimise one sum; there is no adversary. With `mi_weight` 0 the
    target still passes through the network, so that what its batch norm gains by that alone can
    be told from the effect of the loss.
    Frozen parts are not trained for the first `frozen_steps`; their batch norms go on averaging.
    When they are released, both optimisers start anew, as HoVer-Net's release does between its two
    stages, and so does the count of steps to the next drop of the learning rates.
    """

    def __init__(
        self,
        config: ManiConfig,
        network: Network,
        projection: nn.Module,
        critic: nn.Module,
        updater: Updater,
        updater_critic: Updater,
    ) -> None:
        self._config = config
        self._network = network
        self._tap = tap_path(network, config.tap)
        self._projection = projection
        self._critic = critic
        self._updater = updater
        self._updater_critic = updater_critic
        self._pool = build_pool(config)
        self._freezer = Freezer(network, config.freeze, (updater, updater_critic))

    @classmethod
    def build(cls, config: ManiConfig, context: Context) -> Self:
        """Raises UnknownName where the network has no tap, or no set of parts, of that name."""
        network = context.network(config.network, context.channels, context.outputs)
        channels = _tap_channels(network, tap_path(network, config.tap), context)
        projection = projection_head(channels).to(context.device)
        critic = build_critic(config.critic, channels, config.critic_hidden).to(context.device)
        drops = tenfold_drops(config.lr_drop_every)
        return cls(
            config,
            network,
            projection,
            critic,
            context.updater([network.module, projection], config.lr, schedule=drops),
            context.updater([critic], config.lr_critic, schedule=drops),
        )

    def stateful(self) -> Mapping[str, Stateful]:
        """The network under ``network``; projection, critic and both optimisers beside it."""
        return {
            "network": self._network.module,
            "projection": self._projection,
            "critic": self._critic,
            "updater": self._updater,
            "updater_critic": self._updater_critic,
        }

    def phases(self) -> Sequence[Phase]:
        """``warmup`` on labelled source images, then ``adapt`` on both domains.

        With `freeze`, the steps before `frozen_steps` are ``frozen-warmup`` and ``frozen-adapt``.
        """
        config = self._config
        warm, joint = config.warmup_steps, config.adapt_steps
        if not config.freeze:
            return (
                Phase("warmup", warm, Feed.LABELLED, self._warm_up),
                Phase("adapt", joint, Feed.SOURCE_TARGET, self._adapt),
            )
        cold = min(config.frozen_steps, warm)
        cold_joint = min(config.frozen_steps - cold, joint)
        hold, release = self._freezer.hold, self._freezer.release
        plan = (
            Phase("frozen-warmup", cold, Feed.LABELLED, self._warm_up, hold),
            Phase("warmup", warm - cold, Feed.LABELLED, self._warm_up, release),
            Phase("frozen-adapt", cold_joint, Feed.SOURCE_TARGET, self._adapt, hold),
            Phase("adapt", joint - cold_joint, Feed.SOURCE_TARGET, self._adapt, release),
        )
        return tuple(phase for phase in plan if phase.steps or phase.name == "adapt")

    def segmenter(self) -> Segmenter:
        """The network with its current weights."""
        return NetworkSegmenter(self._network)

    def warnings(self, losses: Mapping[str, float], step: int) -> Sequence[str]:
        """Collapsed pseudo-labels, an idle critic, or scores that no longer separate anything."""
        if "mi" not in losses:
            return ()
        return [
            *_collapse(losses["target_foreground"]),
            *_idle(losses["mi_bound"], step - self._config.warmup_steps),
            *_saturated(losses["mean_t_pos"], losses["mean_t_neg"]),
        ]

    def _warm_up(self, batch: Labelled) -> Losses:
        terms = self._network.head.losses(self._network(batch.images), batch)
        total = _total(terms)
        self._updater.update(total)
        return _segmentation_log(terms, total)

    def _adapt(self, batch: SourceTarget) -> Losses:
        weight = self._config.mi_weight
        source, target = self._see(batch.source.images, batch.target.images)
        terms = self._network.head.losses(source.output, batch.source)
        total = _total(terms)
        mask = pseudo_label(
            self._network.head.foreground(target.output), self._config.pseudo_threshold
        )
        with torch.set_grad_enabled(weight > 0):
            truth = self._network.head.truth(batch.source, source.output)
            there = self._regions(target, mask, detach=self._config.detach_target_features)
            here = self._regions(source, truth)
            found = self._information(there, here)
        if weight > 0:
            Updater.together(total + weight * found.loss, [self._updater, self._updater_critic])
        else:
            self._updater.update(total)
        return _segmentation_log(terms, total) | _alignment_log(found, there, here, mask)

    def _see(self, source: Images, target: Images) -> tuple[Seen, Seen]:
        """Both domains through the network, the target second, as the batch norm policy says.

        Without a mutual-information loss the target needs no graph, but its pass still moves the
        running statistics.
        """
        bn = self._config.bn
        if bn == "joint":
            both = self._pass(torch.cat((source, target)))
            outputs = halve(both.output, len(source))
            features = both.features[: len(source)], both.features[len(source) :]
            return Seen(outputs[0], features[0]), Seen(outputs[1], features[1])
        with frozen_statistics(self._network.module) if bn == "target_only" else nullcontext():
            here = self._pass(source)
        with torch.set_grad_enabled(self._config.mi_weight > 0):
            return here, self._pass(target)

    def _pass(self, images: Images) -> Seen:
        return Seen(*with_tap(self._network.module, self._tap, images))

    def _regions(self, seen: Seen, mask: Tensor, *, detach: bool = False) -> Regions:
        features = seen.features.detach() if detach else seen.features
        return regions(self._projection(features), mask, self._pool)

    def _information(self, target: Regions, source: Regions) -> Information:
        return information(
            self._critic,
            target,
            source,
            target_background=self._config.negatives == "source_bg+target_bg",
            skip_empty=self._config.skip_empty,
        )


def _tap_channels(network: Network, path: str, context: Context) -> int:
    side = network.sizes.fit(1)
    images = torch.zeros(1, context.channels, side, side, device=context.device)
    training = network.module.training
    network.module.eval()
    with torch.no_grad():
        _, features = with_tap(network.module, path, images)
    network.module.train(training)
    return features.shape[1]


def _total(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def _segmentation_log(terms: Mapping[str, Tensor], total: Tensor) -> dict[str, Tensor]:
    return {"seg": total.detach(), **{name: term.detach() for name, term in terms.items()}}


def _alignment_log(
    found: Information, target: Regions, source: Regions, mask: Tensor
) -> dict[str, Tensor]:
    cosine = functional.cosine_similarity(target.nuclei.detach(), source.nuclei.detach(), dim=-1)
    return {
        "mi": found.loss.detach(),
        "mi_bound": found.bound,
        "mean_t_pos": found.positive,
        "mean_t_neg": found.negative,
        "empty_pseudo": (~target.has_nuclei).float().mean(),
        "target_foreground": mask.mean(),
        "cosine": cosine.mean(),
    }


def _collapse(share: float) -> list[str]:
    low, high = COLLAPSE
    if low <= share <= high:
        return []
    return [
        f"pseudo-labels may have collapsed: {share:.1%} of the target pixels are called nuclei "
        f"(expected {low:.1%} to {high:.0%}); try a longer warm-up or a lower mi_weight"
    ]


def _idle(bound: float, steps: int) -> list[str]:
    if steps < IDLE_STEPS or bound >= IDLE_BOUND:
        return []
    return [
        f"the critic is not learning: mi_bound is {bound:.3f} after {steps} joint steps "
        f"(expected at least {IDLE_BOUND}); look at empty_pseudo, or try a higher lr_critic"
    ]


def _saturated(positive: float, negative: float) -> list[str]:
    same_sign = math.copysign(1, positive) == math.copysign(1, negative)
    if not same_sign or min(abs(positive), abs(negative)) <= FAR:
        return []
    return [
        f"the features may have collapsed: positive and negative pairs score alike, "
        f"{positive:.1f} and {negative:.1f}; try a lower lr or mi_weight"
    ]
