"""Gradient reversal, and how its strength grows over a training."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def reverse_gradient(values: Tensor, strength: float) -> Tensor:
    """The values as they are; their gradient comes back multiplied by ``-strength``.

    Source: Ganin and Lempitsky, ICML 2015, equation 8.
    """
    return _Reversal.apply(values, strength)


def dann_ramp(progress: float) -> float:
    """2 / (1 + exp(-10 p)) - 1: from 0 at p = 0 to almost 1 at p = 1; p is cut to 0..1.

    Source: Ganin et al., JMLR 2016, section 5.2.2.
    """
    progress = min(1.0, max(0.0, progress))
    return 2 / (1 + math.exp(-10 * progress)) - 1


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None
