"""MDCL as a method: a generator with projection heads against a critic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self, final

import torch
from torch import Tensor, nn

from histokit.interfaces.batch import Feed, Pair
from histokit.interfaces.method import Method, Phase, Stateful
from histokit.interfaces.spec import Sizes
from histokit.interfaces.translator import Translator
from histokit.training.updater import Updater
from histokit_mdcl.config import MdclConfig
from histokit_mdcl.losses import PyramidLoss, contrast, critic_terms, fooling_loss, weighted_sum
from histokit_mdcl.networks import (
    SIZES,
    Critic,
    Generator,
    ProjectionHeads,
    drawn_positions,
    tap_channels,
)

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images
    from histokit.interfaces.context import Context
    from histokit.interfaces.method import Losses
    from histokit_mdcl.config import ContrastConfig

Features = Sequence[Tensor]
"""What the generator's taps give, [B C H W] each."""

BETAS = (0.5, 0.999)
SETTLED = 2000
"""Steps after which signs of failure are taken seriously."""
CHANCE_SHARE = 0.98
"""Share of the loss of a guess from which on the contrast has learned nothing."""
CERTAIN = 0.005
"""Loss of a critic that tells generated from real images every time."""


@final
class Mdcl(Method, Translator):
    """Translates H&E into IHC by contrast of patches within and between images.

    Source: Wang et al., ICIP 2024, and the authors' code, which wins where a summary of the paper
    differs: there is one generator, no cycle, and training needs roughly aligned pairs. The terms
    of the generator are gan + nce_weight (nce + nce_y) + asp_weight asp + pyramid_weight pyramid.

    Departures from the code, none of which changes a number at batch 1: generator and heads share
    one optimiser (Adam treats each parameter alone); the heads are sized before training; negatives
    are those of each image, where the code stops at any batch above 1. And two that do: windows are
    flipped by the core, which also turns rows; and keys are taken from the pass that generates,
    queries are encoded together, which is an eighth less work, but estimates spectral norms anew
    two times a step where the code does so five times.

    With `UnpairedConfig` the terms that need a partner, asp and pyramid, are left out. This is
    not the published method.
    """

    def __init__(
        self,
        config: ContrastConfig,
        generator: Generator,
        heads: ProjectionHeads,
        critic: Critic,
        pyramid: PyramidLoss,
        updater: Updater,
        updater_critic: Updater,
    ) -> None:
        self._config = config
        self._pairs = config if isinstance(config, MdclConfig) else None
        self._generator = generator
        self._heads = heads
        self._critic = critic
        self._pyramid = pyramid
        self._updater = updater
        self._updater_critic = updater_critic

    @classmethod
    def build(cls, config: ContrastConfig, context: Context) -> Self:
        """The untrained networks on the device of `context`."""
        generator = Generator(config.width, config.blocks, spectral=config.spectral)
        heads = ProjectionHeads(tap_channels(generator, config.taps), config.head_width)
        critic = Critic(config.critic_width, config.critic_layers, spectral=config.spectral)
        pyramid = PyramidLoss()
        for module in (generator, heads, critic, pyramid):
            _place(module, context.device)
        rate = config.plan.rate
        players = [
            context.updater(modules, config.lr, betas=BETAS, schedule=rate)
            for modules in ([generator, heads], [critic])
        ]
        return cls(config, generator, heads, critic, pyramid, *players)

    def stateful(self) -> Mapping[str, Stateful]:
        """The networks under ``generator``, ``heads`` and ``critic``, and both optimisers."""
        return {
            "generator": self._generator,
            "heads": self._heads,
            "critic": self._critic,
            "updater": self._updater,
            "updater_critic": self._updater_critic,
        }

    def phases(self) -> Sequence[Phase]:
        """One phase, ``train``, on pairs or, with `UnpairedConfig`, on independent draws."""
        feed = Feed.PAIRED if self._pairs else Feed.UNPAIRED
        return (Phase("train", self._config.plan.steps, feed, self._step),)

    @property
    def sizes(self) -> Sizes:
        """Multiples of 4."""
        return SIZES

    def translate(self, images: Images) -> Images:
        """One pass of the generator."""
        return unsigned(self._generator(signed(images))[0])

    def warnings(self, losses: Mapping[str, float], step: int) -> Sequence[str]:
        """That training without pairs is not the published method; a contrast that has learned
        nothing; a critic that is always right.
        """
        found = [] if self._pairs else [_UNPUBLISHED]
        if step < SETTLED:
            return found
        return found + self._idle(losses["nce"]) + _beaten(losses["critic"])

    def _step(self, batch: Pair) -> Losses:
        with _fresh_casts(batch.source.images.device):
            real_he, real_ihc = signed(batch.source.images), signed(batch.target.images)
            made, keys = self._generate(real_he, real_ihc)
            fake = made[: len(real_he)]
            seen = self._update_critic(fake.detach(), real_ihc)
            terms = {"gan": fooling_loss(self._critic(fake)), **self._contrasts(made, keys)}
            if self._pairs and self._pairs.pyramid_weight:
                terms["pyramid"] = self._pyramid(fake, real_ihc)
            total = weighted_sum(terms, term_weights(self._config))
            self._updater.update(total)
        log = {name: term.detach() for name, term in terms.items()}
        return seen | log | {"generator": total.detach()}

    def _generate(self, real_he: Images, real_ihc: Images) -> tuple[Tensor, Sequence[Features]]:
        """The translated H&E followed, with `identity`, by the IHC that went through as well; and
        the features of the real images, H&E first, as far as a term needs them.
        """
        taps = self._config.taps
        if self._config.identity:
            made, features = self._generator(torch.cat((real_he, real_ihc)), taps)
            return made, _halves(constant(features))
        made, features = self._generator(real_he, taps)
        keys = [constant(features)]
        if self._adapts:
            with torch.no_grad():
                keys.append(self._generator.features(real_ihc, taps))
        return made, keys

    def _update_critic(self, fake: Tensor, real: Images) -> dict[str, Tensor]:
        on_fake, on_real = critic_terms(self._critic(fake), self._critic(real))
        loss = (on_fake + on_real) / 2
        self._updater_critic.update(loss)
        return {
            "critic": loss.detach(),
            "critic_fake": on_fake.detach(),
            "critic_real": on_real.detach(),
        }

    def _contrasts(self, made: Tensor, keys: Sequence[Features]) -> dict[str, Tensor]:
        """The contrastive terms that the settings ask for, without their weights."""
        features = self._generator.features(made, self._config.taps)
        queries = _halves(features) if self._config.identity else [features]
        terms = {"nce": self._contrast(queries[0], keys[0])}
        if self._config.identity:
            terms["nce_y"] = self._contrast(queries[1], keys[1])
        if self._adapts:
            terms["asp"] = self._contrast(queries[0], keys[1], self._uniform())
        return terms

    @property
    def _adapts(self) -> bool:
        """Whether there is the adaptive term, between a translation and its partner."""
        return self._pairs is not None and self._pairs.asp_weight > 0

    def _contrast(self, query: Features, key: Features, uniform: float = 1.0) -> Tensor:
        """The contrast at positions of its own, drawn anew and shared by the images of a batch."""
        config = self._config
        positions = [drawn_positions(features, config.patches) for features in key]
        with torch.no_grad():
            keys = self._heads(key, positions)
        queries = self._heads(query, positions)
        return contrast(
            queries, keys, mix=config.mix, temperature=config.temperature, uniform=uniform
        )

    def _uniform(self) -> float:
        """The share of the adaptive weights that is the same for all patches at this step."""
        if self._pairs is None or self._pairs.asp_schedule == "none":
            return 1.0
        return self._pairs.plan.uniform(self._updater.count)

    def _idle(self, nce: float) -> list[str]:
        config = self._config
        chance = math.log(config.patches * 2 - 1 if config.mix else config.patches)
        if nce < CHANCE_SHARE * chance:
            return []
        return [
            f"the contrast has learned nothing: nce is {nce:.2f}, a guess costs {chance:.2f}; "
            "images may be mostly empty, or try a higher nce_weight"
        ]


_UNPUBLISHED = (
    "training without pairs leaves out asp and pyramid and is not the published method; "
    "with aligned pairs use `histokit train mdcl --pairs DATASET`"
)


def term_weights(config: ContrastConfig) -> dict[str, float]:
    """The weight of each term of the generator; gan has none."""
    weights = {"nce": config.nce_weight, "nce_y": config.nce_weight}
    if isinstance(config, MdclConfig):
        weights |= {"asp": config.asp_weight, "pyramid": config.pyramid_weight}
    return weights


def constant(features: Features) -> Features:
    """The features without their graph."""
    return [each.detach() for each in features]


def _halves(features: Features) -> Sequence[Features]:
    """The features of the first and of the second half of the batch."""
    first, second = zip(*(each.chunk(2) for each in features), strict=True)
    return first, second


def signed(images: Images) -> Tensor:
    """Images of 0..1 in -1..1."""
    return images * 2 - 1


def unsigned(images: Tensor) -> Images:
    """Images of -1..1, clamped to it, as float32 in 0..1."""
    return (images.float().clamp(-1, 1) + 1) / 2


def _fresh_casts(device: torch.device) -> torch.autocast:
    """Autocast as it is, without its memory of converted weights.

    That memory would give back weights converted in a pass without gradient, which then get none,
    and those of the critic from before its update.
    """
    on = torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=on, cache_enabled=False)


def _place(module: nn.Module, device: torch.device) -> None:
    module.to(device)
    if device.type == "cuda":
        module.to(memory_format=torch.channels_last)


def _beaten(critic: float) -> list[str]:
    if critic >= CERTAIN:
        return []
    return [
        f"the critic tells every generated image: its loss is {critic:.4f}; the adversary no "
        "longer teaches the generator anything, try a smaller critic_width"
    ]
