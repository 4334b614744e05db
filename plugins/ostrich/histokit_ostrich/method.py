"""Ostrich as a method: one generator, trained both ways, segments and translates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self, cast, final

import torch
from torch import Tensor, nn

from histokit.errors import UsageError
from histokit.interfaces.adapter import Adapter
from histokit.interfaces.batch import Feed, Labelled
from histokit.interfaces.method import Method, Phase, Stateful
from histokit.interfaces.segmenter import Segmenter
from histokit.interfaces.spec import Sizes
from histokit.interfaces.translator import Translator
from histokit.training.ema import Ema
from histokit_ostrich import losses
from histokit_ostrich.checkup import check_drawing, checkup
from histokit_ostrich.critics import Critic, critic_terms
from histokit_ostrich.flow import exact
from histokit_ostrich.generator import MAPS, Generator, Shape, Split
from histokit_ostrich.judge import Judge
from histokit_ostrich.layers import require_invertible
from histokit_ostrich.maps import targets, two_valued
from histokit_ostrich.memory import EVERY, MemoryGate
from histokit_ostrich.objective import (
    Sample,
    drawn_images,
    generator_terms,
    sampled,
    weights,
)
from histokit_ostrich.precision import round_trip
from histokit_ostrich.prior import KEPT, Donors, drawn
from histokit_ostrich.schedule import Plan, plan
from histokit_ostrich.segmenter import MapSegmenter
from histokit_ostrich.signs import signs
from histokit_ostrich.squeeze import padded

if TYPE_CHECKING:
    from histokit.interfaces.batch import Images
    from histokit.interfaces.context import Context
    from histokit.interfaces.method import Losses
    from histokit.training.updater import Updater
    from histokit_ostrich.config import OstrichConfig

CRITIC_BETAS = (0.0, 0.9)
CHECK_EVERY = 50
"""Steps between two looks for signs of failure."""
MEASURED = 256
"""Largest side of the part of a window whose round trip is measured."""
GATE_SIDE = 32
"""Side of the crop on which the gate of reversible memory compares gradients."""


@dataclass(frozen=True)
class Players:
    """What is trained, and by what. There is a critic of maps, of images, of both or none."""

    generator: Generator
    average: Ema
    updater: Updater
    critics: Mapping[str, Critic]
    updater_critics: Updater | None
    gate: MemoryGate
    donors: Donors | None

    @property
    def averaged(self) -> Generator:
        """The generator that is used after training."""
        return cast(Generator, self.average.module)


@final
class Ostrich(Method, Translator, Adapter):
    """Translates between images and masks by one bijection G: image <-> (map, embedding).

    Source: Mahapatra & Maji, arXiv 2506.07023, of which neither text nor code was at hand: the
    embedding, the invertible generator without cycle loss, the spatially-constrained squeeze and
    optimal transport are the paper's ideas; every number and the form of each are ours, after
    Kwon & Ye (2021) and Ardizzone et al. (2019). See README.

    It hands its segmenter out, as an Adapter does, and is none itself: in direction mask2he
    `translate` takes masks of one channel while the segmenter goes on taking RGB images.

    In each step the critics learn first, then the generator; the averaged generator is the one
    that is used afterwards. A loss that is not finite ends training (specification: five in a row).
    """

    def __init__(
        self, config: OstrichConfig, players: Players, plan_: Plan, judge: Judge | None
    ) -> None:
        self._config = config
        self._players = players
        self._plan = plan_
        self._judge = judge
        self._segmenter = MapSegmenter(players.averaged)

    @classmethod
    def build(cls, config: OstrichConfig, context: Context) -> Self:
        """The untrained generator, which is the identity. Raises UsageError where classes are
        asked for: it tells nuclei from background only.
        """
        if context.classes:
            raise UsageError(
                "ostrich does not tell classes of nuclei apart",
                expected="nuclei against background",
                found="the classes " + ", ".join(context.classes),
                hint="leave out --types, or train another method",
            )
        generator = Generator(_shape(config)).to(context.device)
        mode = plan(config.mode, config.steps, config.warmup)
        updater = context.updater(
            [generator], config.lr or mode.rate, betas=mode.betas, clip=mode.clip,
            schedule=mode.factor,
        )  # fmt: skip
        critics = {
            name: Critic(channels, config.critic_width, config.critic_layers).to(context.device)
            for name, channels in _judged(config, generator).items()
        }
        judges = [*critics.values()]
        players = Players(
            generator,
            Ema(generator, config.ema_decay),
            updater,
            critics,
            context.updater(judges, config.lr_critic, betas=CRITIC_BETAS) if judges else None,
            MemoryGate(generator.flow, wanted=config.memory == "reversible"),
            Donors(min(KEPT, config.batch), config.tile).to(context.device)
            if _donates(config)
            else None,
        )
        judge = Judge(partial(context.segmenter, config.judge)) if config.judge else None
        return cls(config, players, mode, judge)

    def stateful(self) -> Mapping[str, Stateful]:
        """Generator, its average, critics ``critic_map`` and ``critic_image``, optimisers, the
        gate of reversible memory and the donors of embeddings, as far as there are any.
        """
        own = self._players
        found: dict[str, Stateful | None] = {
            "generator": own.generator,
            "average": own.average,
            "updater": own.updater,
            **{f"critic_{name}": critic for name, critic in own.critics.items()},
            "updater_critics": own.updater_critics,
            "gate": own.gate,
            "donors": own.donors,
        }
        return {name: item for name, item in found.items() if item is not None}

    def phases(self) -> Sequence[Phase]:
        """One phase, ``train``, on labelled images; it begins by loading the judge, if any."""
        before = self._judge.open if self._judge else None
        return (Phase("train", self._config.steps, Feed.LABELLED, self._step, before),)

    def warnings(self, losses: Mapping[str, float], step: int) -> Sequence[str]:
        """The signs of failure in `histokit_ostrich.signs.SIGNS`."""
        return signs(losses, step)

    def measures(self, batch: Labelled) -> Mapping[str, Tensor]:
        """``round_trip_fp32``, ``_tf32`` and ``_bf16`` of the averaged generator, on the upper
        left of each window (see `histokit_ostrich.precision.round_trip`).
        """
        part = batch.images[..., :MEASURED, :MEASURED].float()
        errors = round_trip(self._players.averaged, part)
        return {f"round_trip_{precision}": error for precision, error in errors.items()}

    @property
    def sizes(self) -> Sizes:
        """Those of the generator."""
        return self._players.generator.sizes

    @property
    def channels(self) -> int:
        """3 for images, 1 for masks."""
        return 1 if self._config.direction == "mask2he" else 3

    def segmenter(self) -> Segmenter:
        """The averaged generator, forwards."""
        return self._segmenter

    def translate(self, images: Images) -> Images:
        """Images as grey maps, 0.5 at the edge of nuclei; or masks of 0 and 1 as images.

        Raises DataError for a mask with other values, and where weights cannot be inverted.
        """
        generator = self._players.averaged
        if self._config.direction == "he2mask":
            return (generator(images).cropped().clamp(-1, 1) + 1) / 2
        require_invertible(generator)
        maps = targets(padded(two_valued(images), generator.sizes), self._config.maps)
        embedding = self._embedding(generator, maps).expand(len(maps), -1, -1, -1)
        height, width = images.shape[-2:]
        return generator.inverse(Split(maps, embedding, (height, width))).clamp(0, 1)

    def _embedding(self, generator: Generator, maps: Tensor) -> Tensor:
        config, (height, width) = self._config, maps.shape[-2:]
        if self._players.donors is not None:
            return self._players.donors.embedding(generator, config.sample, height, width)
        return drawn(config.prior, config.sample, (config.embedding, height, width), maps)

    def _step(self, batch: Labelled) -> Losses:
        own, done = self._players, self._players.updater.count
        with exact(batch.images.device):
            if done == 0:
                self._begin(batch.images)
            if done % EVERY == 0:
                own.gate.test(own.generator.lifted(batch.images[:1, :, :GATE_SIDE, :GATE_SIDE]))
            sample = sampled(self._config, own.generator, batch)
            judged = self._train_critics(sample)
            terms = (
                generator_terms(self._config, own.generator, own.critics, sample) if sample else {}
            )
            factors = weights(self._config, self._plan.embedding, done)
            total = losses.sum_of(
                [*(factors[name] * term for name, term in terms.items()), _nothing(own.generator)]
            )
            own.updater.update(total)
            own.average.update(own.generator)
            log = {name: term.detach() for name, term in terms.items()} | judged
            if sample and own.updater.count % CHECK_EVERY == 0:
                log |= self._look(sample)
        return {"generator": total.detach(), **log}

    @torch.no_grad()
    def _begin(self, images: Tensor) -> None:
        """Fits the lift to the first batch (the mean of those of all processes), keeps donors."""
        own = self._players
        own.generator.lift.fit(images.float())
        if own.updater.reduce is not None:
            for weight in own.generator.lift.norm.parameters():
                weight.copy_(own.updater.reduce(weight.detach().clone()))
        own.average.module.load_state_dict(own.generator.state_dict())
        if own.donors is not None:
            own.donors.keep(images)

    def _train_critics(self, sample: Sample | None) -> dict[str, Tensor]:
        """Some updates of all critics at once; the estimate of W1 by each and its penalty."""
        own, log = self._players, dict[str, Tensor]()
        if own.updater_critics is None:
            return log
        pairs = self._shown(sample) if sample else {}
        for _ in range(self._config.critic_steps):
            total = losses.sum_of(_nothing(critic) for critic in own.critics.values())
            for name, (fake, real) in pairs.items():
                gap, penalty = critic_terms(own.critics[name], fake, real)
                total = total + gap + penalty
                log |= {f"w1_{name}": -gap.detach(), f"penalty_{name}": penalty.detach()}
            own.updater_critics.update(total)
        return log

    @torch.no_grad()
    def _shown(self, sample: Sample) -> dict[str, tuple[Tensor, Tensor]]:
        """What each critic is to tell apart: fake and real."""
        shown = {}
        if "map" in self._players.critics and sample.matched:
            shown["map"] = (losses.bounded(sample.free), losses.bounded(sample.maps))
        if "image" in self._players.critics and len(sample.maps):
            shown["image"] = (drawn_images(self._players.generator, sample), sample.lifted)
        return shown

    def _look(self, sample: Sample) -> dict[str, Tensor]:
        own = self._players
        found = checkup(own.generator, sample)
        if self._config.direction == "mask2he":
            found |= check_drawing(own.generator, sample, self._judge)
        return found | {"memory_off": torch.tensor(float(own.gate.failed))}


def _shape(config: OstrichConfig) -> Shape:
    return Shape(
        config.embedding,
        config.tiles,
        config.order,
        config.depth,
        config.width,
        config.coupling,
        config.mix,
        config.lattice,
        config.clamp,
        config.lift,
    )


def _judged(config: OstrichConfig, generator: Generator) -> dict[str, int]:
    """The channels that each critic looks at."""
    found = {}
    if config.mode != "paired" and config.critic_weight:
        found["map"] = MAPS
    if config.drawn_weight:
        found["image"] = generator.lift.channels + generator.noise
    return found


def _donates(config: OstrichConfig) -> bool:
    return config.direction == "mask2he" and config.prior == "donor"


def _nothing(module: nn.Module) -> Tensor:
    """0, of which every weight has a gradient of 0: with several processes all must take a step,
    also one whose batch gave no term.
    """
    return 0 * losses.sum_of(weight.sum() for weight in module.parameters())
