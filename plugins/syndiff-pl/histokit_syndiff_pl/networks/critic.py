"""The critic of the diffusive generator: was the less noisy of two images made or real?"""

from __future__ import annotations

from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from histokit.losses.segmentation import full_precision
from histokit_syndiff_pl.limits import CRITIC_HALVINGS, GROUP
from histokit_syndiff_pl.networks.layers import (
    HALF,
    NEARLY_ZERO,
    Fir,
    outgoing_fan,
    run,
    timestep_embedding,
)

SLOPE = 0.2
WIDTHS = (2, 4, *[8] * (CRITIC_HALVINGS - 1))
"""Channels before, between and after the halvings, in units of the critic's width."""


@final
class CriticBlock(nn.Module):
    """A residual block that halves the sides and knows the step.

    Args:
        inside: channels of the input.
        outside: channels of the output.
        embedding: length of the step's embedding.
    """

    def __init__(self, inside: int, outside: int, embedding: int) -> None:
        super().__init__()
        self.conv_in = outgoing_fan(nn.Conv2d(inside, outside, 3, padding=1))
        self.conv_out = outgoing_fan(nn.Conv2d(outside, outside, 3, padding=1), NEARLY_ZERO)
        self.time = outgoing_fan(nn.Linear(embedding, outside))
        self.shortcut = outgoing_fan(nn.Conv2d(inside, outside, 1, bias=False))
        self.halve = Fir("down")

    def forward(self, features: Tensor, time: Tensor) -> Tensor:
        """Features [B outside H/2 W/2] of features [B inside H W] and embedded step."""
        h = self.conv_in(functional.leaky_relu(features, SLOPE))
        h = functional.leaky_relu(h + self.time(time)[..., None, None], SLOPE)
        h = self.conv_out(self.halve(h))
        return (h + self.shortcut(self.halve(features))) * HALF


@final
class TimeCritic(nn.Module):
    """D_theta: one logit for an image that follows a noisier one at a known step.

    No norms. Departure: sides need not be multiples of 64; each halving rounds down.

    Args:
        channels: of an image.
        width: see `WIDTHS`.
        embedding: length of the step's embedding.
        checkpointing: saves memory at the cost of time; see `run`.
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        width: int = 64,
        embedding: int = 256,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.checkpointing = checkpointing
        self.time = nn.Sequential(
            outgoing_fan(nn.Linear(embedding, embedding)),
            nn.LeakyReLU(SLOPE),
            outgoing_fan(nn.Linear(embedding, embedding)),
            nn.LeakyReLU(SLOPE),
        )
        widths = [factor * width for factor in WIDTHS]
        self.enter = outgoing_fan(nn.Conv2d(2 * channels, widths[0], 1))
        self.blocks = nn.ModuleList(
            CriticBlock(inside, outside, embedding) for inside, outside in pairwise(widths)
        )
        self.mix = outgoing_fan(nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1))
        self.judge = outgoing_fan(nn.Linear(widths[-1], 1))

    def forward(self, now: Tensor, later: Tensor, steps: Tensor) -> Tensor:
        """Logits, float32 [B]; above 0 means real.

        Args:
            now: x at `steps`, [B C H W], sides of at least `SMALLEST_TILE`.
            later: x at `steps` + 1, the noisier.
            steps: int64 [B].
        """
        time = self.time(timestep_embedding(steps, self.embedding))
        h = self.enter(torch.cat((now, later), dim=1))
        for block in self.blocks:
            h = run(block, h, time, checkpointing=self.checkpointing)
        h = torch.cat((h, batch_deviation(h)), dim=1)
        h = full_precision(functional.leaky_relu(self.mix(h), SLOPE))
        return full_precision(self.judge(h.sum((2, 3))))[:, 0]


def batch_deviation(features: Tensor) -> Tensor:
    """How much the images of a group differ, one number an image as a map, float32 [B 1 H W].

    Groups have as many images as the batch, at most `GROUP`; the deviation is the biased one, so
    that of a single image is the constant 1e-4 (the root of 1e-8). Batches are legal by
    `legal_batch`.
    """
    batch, _, height, width = features.shape
    group = min(batch, GROUP)
    grouped = full_precision(features).unflatten(0, (group, batch // group))
    spread = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    return spread.repeat(group)[:, None, None, None].expand(batch, 1, height, width)
