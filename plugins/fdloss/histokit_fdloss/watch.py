"""Signs of trouble: activations that inflate, alphas that run away or cannot start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from histokit_fdloss.config import FdLossConfig

STUCK_STEPS = 100
"""Penalised steps after which an alpha that still is 0 is told."""
INFLATED = 2.0
"""Growth of mean activations since the penalised steps began that is told."""
TINY = 1e-12
"""A mean activation below this counts as this."""
FEW = 0.5
"""Share of skipped samples above which it is told."""


@final
class Growth(nn.Module):
    """How much the mean activations of the layers have grown since it was first asked.

    Args:
        count: how many layers.
    """

    first: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("first", torch.zeros(count))

    @torch.no_grad()
    def forward(self, means: Tensor) -> Tensor:
        """The largest factor over the layers, a scalar; `means` [layers] of absolute values."""
        self.first.copy_(torch.where(self.first == 0, means, self.first))
        return (means / self.first.clamp(min=TINY)).amax()


def troubles(
    losses: Mapping[str, float], names: Sequence[str], config: FdLossConfig, steps: int
) -> list[str]:
    """What is wrong by the logged losses after so many penalised steps.

    The texts hold no numbers that change from step to step, so that each is told once.
    """
    alphas = [losses[f"alpha_{name}"] for name in names]
    distances = [losses[f"fd_{name}"] for name in names]
    return [
        *_free(alphas, config),
        *_stuck(alphas, distances, config, steps),
        *_outweighed(losses),
        *_inflated(losses),
        *_skipped(losses),
    ]


def _free(alphas: Sequence[float], config: FdLossConfig) -> list[str]:
    if not config.alpha_free or not any(alphas):
        return []
    signs = " Some are below 0 by now, which rewards small distances." if min(alphas) < 0 else ""
    return [
        f"nothing limits alpha (alpha_free): it moves by about {config.alpha_lr:g} a step however "
        f"large the distances are, so its size counts steps, not importance.{signs}"
    ]


def _stuck(
    alphas: Sequence[float], distances: Sequence[float], config: FdLossConfig, steps: int
) -> list[str]:
    pairs = zip(alphas, distances, strict=True)
    stuck = sum(alpha <= 0 < distance for alpha, distance in pairs)
    descending = config.alpha_mode in ("descent", "descent_reg") and not config.alpha_free
    if not descending or steps < STUCK_STEPS or 2 * stuck <= len(alphas):
        return []
    return [
        f"alpha cannot leave 0 in more than half of the layers: alpha_mode {config.alpha_mode} "
        "lowers it wherever the feature-distance loss is above 0; try alpha_mode ascent"
    ]


def _outweighed(losses: Mapping[str, float]) -> list[str]:
    if abs(losses["penalty"]) <= abs(losses["seg"]):
        return []
    return [
        "the feature-distance penalty outweighs the segmentation loss; "
        "try a lower alpha_max or alpha_lr"
    ]


def _inflated(losses: Mapping[str, float]) -> list[str]:
    if losses["growth"] <= INFLATED:
        return []
    return [
        "activations have more than doubled since the penalty began: a distance that scales with "
        "the features is lowered by inflating them; try form unit or a lower alpha_max"
    ]


def _skipped(losses: Mapping[str, float]) -> list[str]:
    if losses["skipped"] <= FEW:
        return []
    return [
        "more than half of the samples lack a foreground or a background in the layers of the "
        "loss; try mask area, a larger tile, or only shallow layers"
    ]
