"""The game of CycleGAN: two generators that undo each other, and two critics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from torch import Tensor
from torch.nn import functional

from histokit.interfaces import Context, Stateful
from histokit.losses.segmentation import full_precision
from histokit.training.schedule import linear_decay
from histokit_baselines.cyclegan_config import CycleConfig
from histokit_baselines.cyclegan_networks import Generator, ImagePool, PatchCritic

BETAS = (0.5, 0.999)


@final
class Cycle:
    """Two sides, A and B, whose values are in -1..1, and all players between them.

    Zhu et al., ICCV 2017, with the settings of its section 4 and the authors' code. Each step
    updates both generators on

        L = L_GAN(G, D_B) + L_GAN(F, D_A) + cycle_weight (|F(G(a)) - a|_1 + |G(F(b)) - b|_1)
            + cycle_weight identity_weight (|G(b) - b|_1 + |F(a) - a|_1)

    (eq. 3 and section 5.2) with G from A to B and F back, and least squares as the adversarial
    loss; then both critics on real images and on generated ones out of their pools.

    Args:
        config: the settings.
        context: device and optimisers.
        a, b: channels of each side.
        identity_weight: 0 for none; else both sides have as many channels.
    """

    def __init__(
        self, config: CycleConfig, context: Context, a: int, b: int, identity_weight: float = 0.0
    ) -> None:
        shape = config.width, config.depth
        self.config = config
        self.identity_weight = identity_weight
        self.to_b = Generator(a, b, *shape).to(context.device)
        self.to_a = Generator(b, a, *shape).to(context.device)
        self.critic_a = PatchCritic(a, config.critic_width).to(context.device)
        self.critic_b = PatchCritic(b, config.critic_width).to(context.device)
        self.pool_a, self.pool_b = ImagePool(config.pool), ImagePool(config.pool)
        rate = linear_decay(config.steps, config.steps + config.decay_steps)
        self.updater, self.opponent = (
            context.updater(players, config.lr, betas=BETAS, schedule=rate)
            for players in ([self.to_b, self.to_a], [self.critic_a, self.critic_b])
        )

    @property
    def steps(self) -> int:
        """Those of the whole training."""
        return self.config.steps + self.config.decay_steps

    def stateful(self) -> Mapping[str, Stateful]:
        """All players, their optimisers and the pools."""
        return {
            "to_b": self.to_b,
            "to_a": self.to_a,
            "critic_a": self.critic_a,
            "critic_b": self.critic_b,
            "updater": self.updater,
            "opponent": self.opponent,
            "pool_a": self.pool_a,
            "pool_b": self.pool_b,
        }

    def step(self, a: Tensor, b: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """One update of the generators, then one of the critics; G(a) and the terms for the log."""
        fake_b, fake_a = self.to_b(a), self.to_a(b)
        terms = {
            "gan_b": squares(self.critic_b(fake_b), 1.0),
            "gan_a": squares(self.critic_a(fake_a), 1.0),
            "cycle_a": distance(self.to_a(fake_b), a),
            "cycle_b": distance(self.to_b(fake_a), b),
        }
        if self.identity_weight:
            terms["identity_b"] = distance(self.to_b(b), b)
            terms["identity_a"] = distance(self.to_a(a), a)
        self.updater.update(self.total(terms))
        critics = self._oppose(a, b, fake_a, fake_b)
        return fake_b.detach(), {name: term.detach() for name, term in terms.items()} | critics

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The loss of the generators."""
        cycle = self.config.cycle_weight
        weights = {"gan": 1.0, "cycle": cycle, "identity": cycle * self.identity_weight}
        weighted = [weights[name.partition("_")[0]] * term for name, term in terms.items()]
        return sum(weighted[1:], start=weighted[0])

    def _oppose(self, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> dict[str, Tensor]:
        """One update of both critics, on half the sum of their two errors each."""
        losses = {}
        sides = (
            ("critic_a", self.critic_a, a, self.pool_a.swap(fake_a)),
            ("critic_b", self.critic_b, b, self.pool_b.swap(fake_b)),
        )
        for name, critic, real, fake in sides:
            losses[name] = (squares(critic(real), 1.0) + squares(critic(fake), 0.0)) / 2
        self.opponent.update(losses["critic_a"] + losses["critic_b"])
        return {name: loss.detach() for name, loss in losses.items()}


def squares(scores: Tensor, wanted: float) -> Tensor:
    """Mean squared distance of scores from 1 (real) or 0 (generated), in float32."""
    return (full_precision(scores) - wanted).square().mean()


def distance(left: Tensor, right: Tensor) -> Tensor:
    """Mean absolute difference, in float32."""
    return functional.l1_loss(full_precision(left), full_precision(right))


def signed(values: Tensor) -> Tensor:
    """Values of 0..1 in -1..1."""
    return values * 2 - 1


def unsigned(values: Tensor) -> Tensor:
    """Values of -1..1 as float32 in 0..1."""
    return (values.float().clamp(-1, 1) + 1) / 2
