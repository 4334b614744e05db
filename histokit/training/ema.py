"""A network's exponential moving average."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


class Ema(nn.Module):
    """A frozen copy of a network that follows it: ``ema = decay * ema + (1 - decay) * weight``.

    Buffers (such as BatchNorm statistics) are copied as they are.

    Args:
        module: the network to follow.
        decay: share of the old average that is kept, in 0..1.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.module = deepcopy(module).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Moves the average one step towards `module`."""
        averages: list[Tensor] = list(self.module.parameters())
        weights: list[Tensor] = [p.detach() for p in module.parameters()]
        torch._foreach_lerp_(averages, weights, 1.0 - self.decay)
        for average, buffer in zip(self.module.buffers(), module.buffers(), strict=True):
            average.copy_(buffer)

    def forward(self, *inputs: Any) -> Any:
        """The averaged network's output."""
        return self.module(*inputs)

    def train(self, mode: bool = True) -> Ema:
        """Stays in evaluation mode whatever is asked: an average is never trained."""
        del mode
        return self
