"""The critics of the dual Wasserstein problem, and their gradient penalty."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

PENALTY = 10.0
"""Weight of the gradient penalty (Gulrajani et al., 2017)."""


@final
class Critic(nn.Module):
    """Halving 4x4 convolutions, then a 3x3 one averaged over positions; no norms, for WGAN-GP.

    Args:
        channels: of what it judges.
        width: channels of the first layer; they double with each halving, up to 8 times as many.
        layers: halvings.
    """

    def __init__(self, channels: int, width: int = 64, layers: int = 4) -> None:
        super().__init__()
        widths = [channels, *(width * min(2**n, 8) for n in range(layers))]
        body: list[nn.Module] = []
        for inside, outside in pairwise(widths):
            body += [nn.Conv2d(inside, outside, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*body, nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, values: Tensor) -> Tensor:
        """A score for each sample, [B]."""
        return self.body(values).mean((1, 2, 3))


def critic_terms(critic: nn.Module, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """E D(fake) - E D(real), which a critic minimises and whose negative estimates W1, and the
    gradient penalty; of as many samples as the smaller of both has.
    """
    count = min(len(fake), len(real))
    fake, real = fake[:count].detach(), real[:count].detach()
    return critic(fake).mean() - critic(real).mean(), gradient_penalty(critic, fake, real)


def gradient_penalty(critic: Callable[[Tensor], Tensor], fake: Tensor, real: Tensor) -> Tensor:
    """10 E(|grad D(u)| - 1)² at a random point u of each segment between fake and real."""
    along = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = torch.lerp(real, fake, along).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm = (slope.flatten(1).square().sum(1) + 1e-12).sqrt()
    return PENALTY * (norm - 1).square().mean()
