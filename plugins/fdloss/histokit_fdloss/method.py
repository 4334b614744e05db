"""The feature-distance loss as a method: a warm start, then penalised training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

import torch
from torch import Tensor

from histokit.errors import ConfigError
from histokit.interfaces.batch import Feed, Labelled
from histokit.interfaces.method import Method, Phase, Stateful
from histokit.interfaces.segmenter import Instances, Maps, Segmenter
from histokit.nn.heads import ForegroundHead
from histokit.nn.segmenter import NetworkSegmenter
from histokit.nn.taps import with_taps
from histokit.training.updater import Updater
from histokit_fdloss.alphas import Alphas
from histokit_fdloss.distance import FeatureDistance, Pooled
from histokit_fdloss.exchange import Exchange
from histokit_fdloss.layers import Layer, layer_mask, measured_layers
from histokit_fdloss.segmentation import segmentation_terms
from histokit_fdloss.watch import Growth, troubles

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images
    from histokit.interfaces.context import Context
    from histokit.interfaces.method import Losses
    from histokit.interfaces.network import Network
    from histokit.interfaces.spec import Sizes
    from histokit_fdloss.config import FdLossConfig


@dataclass(frozen=True, slots=True)
class Seen:
    """What one pass gives: the raw output of the network and the features of each layer."""

    output: Any
    features: tuple[Tensor, ...]


@final
class FdLoss(Method, Segmenter):
    """A segmenter whose features of foreground and background are pushed apart layer by layer.

    Source: "Causal Frameworks and Feature Discrepancy Loss" (anonymous manuscript). Its formulas
    contradict each other, and the scripts published with its successor never move alpha; so the
    default is a reading of our own, and the presets ``paper`` and ``released`` follow those two.
    See the README for each choice.

    The loss is ``L_seg + sum over layers of alpha_l (L_fd,l + L_exch,l)``. During the warm start
    alpha is 0 and its optimiser rests; the distances are only looked at. The optimiser of the
    network goes on into the penalised phase without a break.
    """

    def __init__(
        self,
        config: FdLossConfig,
        network: Network,
        layers: Sequence[Layer],
        alphas: Alphas,
        updaters: tuple[Updater, Updater],
        segmenter: NetworkSegmenter,
    ) -> None:
        self._config = config
        self._network = network
        self._layers = layers
        self._alphas = alphas
        self._updater, self._updater_alpha = updaters
        self._segmenter = segmenter
        self._growth = Growth(len(layers)).to(alphas.values.device)
        self._distance = build_distance(config)
        self._exchange = build_exchange(config)

    @classmethod
    def build(cls, config: FdLossConfig, context: Context) -> Self:
        """Raises UsageError where the network does not name its layers, ConfigError where the
        segmentation loss does not fit it.
        """
        network = context.network(config.network, context.channels, context.outputs)
        _check_seg_loss(config, network)
        layers = measured_layers(network, config.layers, context)
        alphas = Alphas(len(layers), config).to(context.device)
        updater = context.updater(
            [network.module],
            config.lr,
            weight_decay=config.weight_decay,
            clip=config.clip or None,
            optimiser=config.optimiser,
        )
        updater_alpha = context.updater([alphas], config.alpha_lr or config.lr)
        segmenter = NetworkSegmenter(network, context.channels)
        return cls(config, network, layers, alphas, (updater, updater_alpha), segmenter)

    @property
    def sizes(self) -> Sizes:
        """Those of the network."""
        return self._segmenter.sizes

    @property
    def channels(self) -> int:
        """Those that it is trained with."""
        return self._segmenter.channels

    def segment(self, images: Images) -> Maps:
        """The maps of the network with its current weights."""
        return self._segmenter.segment(images)

    def decode(self, maps: Maps) -> Instances:
        """As the network's head does."""
        return self._segmenter.decode(maps)

    def stateful(self) -> Mapping[str, Stateful]:
        """The network, its alphas, the activations at first, and both optimisers."""
        return {
            "network": self._network.module,
            "alphas": self._alphas,
            "growth": self._growth,
            "updater": self._updater,
            "updater_alpha": self._updater_alpha,
        }

    def phases(self) -> Sequence[Phase]:
        """``warmup`` with alpha at 0, then ``penalised``; both on labelled images."""
        config = self._config
        return (
            Phase("warmup", config.warmup_steps, Feed.LABELLED, self._warm_up),
            Phase("penalised", config.penalised_steps, Feed.LABELLED, self._penalise),
        )

    def warnings(self, losses: Mapping[str, float], step: int) -> Sequence[str]:
        """Alphas that cannot start or run away, inflated activations, too many samples skipped."""
        if "penalty" not in losses:
            return ()
        names = [layer.name for layer in self._layers]
        return troubles(losses, names, self._config, step - self._config.warmup_steps)

    def distances(self, batch: Labelled) -> dict[str, Tensor]:
        """The distance loss of each sample by layer, [N] each, NaN where a region is missing.

        For reading beside each sample's Dice; no gradient flows. Call it in evaluation mode.
        """
        with torch.no_grad():
            pooled = self._pooled(self._see(batch.images), batch)
            return {
                layer.name: self._distance.each(one)
                for layer, one in zip(self._layers, pooled, strict=True)
            }

    def measures(self, batch: Labelled) -> Mapping[str, Tensor]:
        """``fd_<layer>``, the distance loss of each sample, and ``fd_mean`` over the layers.

        NaN where a sample lacks one of the regions in a layer; such layers are not in its mean.
        """
        found = self.distances(batch)
        mean = torch.stack(list(found.values())).nanmean(0)
        return {f"fd_{name}": values for name, values in found.items()} | {"fd_mean": mean}

    def facts(self) -> Mapping[str, Mapping[str, float]]:
        """The alpha of each layer, as in the paper's Fig. 5."""
        return {"alpha of each layer": self.alphas()}

    def alphas(self) -> dict[str, float]:
        """The current alpha of each layer."""
        names = [layer.name for layer in self._layers]
        return dict(zip(names, self._alphas.values.tolist(), strict=True))

    def _warm_up(self, batch: Labelled) -> Losses:
        seen = self._see(batch.images)
        terms = self._segmentation(seen, batch)
        total = _sum(terms.values())
        self._updater.update(total)
        with torch.no_grad():
            pooled = self._pooled(seen, batch)
            return _segmentation_log(terms, total) | self._distance_log(
                self._direct(pooled), pooled
            )

    def _penalise(self, batch: Labelled) -> Losses:
        self._alphas.begin()
        seen = self._see(batch.images)
        terms = self._segmentation(seen, batch)
        total = _sum(terms.values())
        with torch.set_grad_enabled(not self._alphas.inert):
            pooled = self._pooled(seen, batch)
            direct = self._direct(pooled)
            exchanged = self._exchanged(pooled, batch.keys)
            distances = direct if exchanged is None else direct + exchanged
            weights = self._alphas.values.detach()
            penalty = (weights * distances).sum()
        if self._alphas.learned:
            loss = total + penalty + self._alphas.objective(distances)
            Updater.together(loss, [self._updater, self._updater_alpha])
        else:
            self._updater.update(total + penalty)
        self._alphas.end()
        log = {"penalty": penalty.detach(), "growth": self._growth(_activity(seen.features))}
        if exchanged is not None:
            log["exchange"] = exchanged.detach().mean()
        alphas = self._named("alpha", self._alphas.values.detach().clone())
        return _segmentation_log(terms, total) | log | self._distance_log(direct, pooled) | alphas

    def _see(self, images: Images) -> Seen:
        return Seen(*with_taps(self._network.module, [one.path for one in self._layers], images))

    def _segmentation(self, seen: Seen, batch: Labelled) -> Mapping[str, Tensor]:
        head, config = self._network.head, self._config
        if config.seg_loss == "network" or not isinstance(head, ForegroundHead):
            return head.losses(seen.output, batch)
        return segmentation_terms(
            config.seg_loss,
            head.foreground(seen.output),
            head.truth(batch, seen.output),
            eps=config.dice_eps,
            per_sample=config.dice_per_sample,
        )

    def _pooled(self, seen: Seen, batch: Labelled) -> list[Pooled]:
        truth = (batch.ids.unsqueeze(1) > 0).float()
        return [
            self._distance.pooled(
                features, layer_mask(truth, features, layer.stride, self._config.mask)
            )
            for layer, features in zip(self._layers, seen.features, strict=True)
        ]

    def _direct(self, pooled: Sequence[Pooled]) -> Tensor:
        """The distance loss of each layer, [layers]."""
        between = self._distance.between
        return torch.stack([between(one.foreground, one.background, one.valid) for one in pooled])

    def _exchanged(self, pooled: Sequence[Pooled], keys: Sequence[str]) -> Tensor | None:
        """The exchange term of each layer, [layers]; every layer has the same pairs."""
        if self._exchange is None:
            return None
        novel = self._exchange.domains(keys)
        pairs = self._exchange.pairs(novel)
        exchange, distance = self._exchange, self._distance
        return torch.stack([exchange.loss(distance, one, novel, pairs) for one in pooled])

    def _distance_log(self, direct: Tensor, pooled: Sequence[Pooled]) -> dict[str, Tensor]:
        valid = torch.stack([one.valid for one in pooled])
        skipped = {"skipped": 1 - valid.float().mean()}
        return skipped | self._named("fd", direct.detach())

    def _named(self, kind: str, values: Tensor) -> dict[str, Tensor]:
        pairs = zip(self._layers, values, strict=True)
        return {f"{kind}_{layer.name}": value for layer, value in pairs}


def build_distance(config: FdLossConfig) -> FeatureDistance:
    """The distance that the settings name; Algorithm 1 has plain norms where Eq. 1 has squares."""
    plain = config.exchange == "algo1" and config.form == "sq"
    return FeatureDistance(config.pool, config.reduce, "l2" if plain else config.form, config.eps)


def build_exchange(config: FdLossConfig) -> Exchange | None:
    """The exchange term that the settings name."""
    if config.exchange == "none":
        return None
    return Exchange(config.exchange, config.novel_members, config.exchange_shift)


def _check_seg_loss(config: FdLossConfig, network: Network) -> None:
    """Raises ConfigError where the loss wants one foreground map and the network gives more."""
    own = config.seg_loss in ("network", type(config).model_fields["seg_loss"].default)
    if own or isinstance(network.head, ForegroundHead):
        return
    raise ConfigError(
        [f"seg_loss is {config.seg_loss}, but {network.name} gives more than one foreground map"],
        hint="--seg-loss network",
    )


def _sum(terms: Any) -> Tensor:
    return torch.stack(list(terms)).sum()


def _segmentation_log(terms: Mapping[str, Tensor], total: Tensor) -> dict[str, Tensor]:
    return {"seg": total.detach(), **{name: term.detach() for name, term in terms.items()}}


def _activity(features: Sequence[Tensor]) -> Tensor:
    """The mean absolute activation of each layer, [layers]."""
    return torch.stack([one.detach().float().abs().mean() for one in features])
