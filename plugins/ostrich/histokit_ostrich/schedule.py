"""How training runs in each mode: learning rates, momenta, clipping, the fading cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Mode = Literal["paired", "unpaired", "semi"]
FIRST_RATE, LAST_RATE = 5e-4, 1e-5
"""Learning rates of paired training."""
UNPAIRED_RATE = 4e-4
"""First learning rate where a critic judges maps."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What differs between training on pairs alone and training with critics.

    Attributes:
        rate: first learning rate of the generator.
        betas: of its Adam.
        clip: largest norm of its gradient.
        embedding: weight of the terms of the embedding.
        factor: on the learning rate, by the updates done.
    """

    rate: float
    betas: tuple[float, float]
    clip: float
    embedding: float
    factor: Callable[[int], float]


def plan(mode: Mode, steps: int, warmup: int) -> Plan:
    """Paired: warm-up, then a cosine from 5e-4 to 1e-5. Else 4e-4, half of it from the middle."""
    if mode == "paired":
        return Plan(FIRST_RATE, (0.5, 0.999), 5.0, 0.5, warm_cosine(steps, warmup))
    return Plan(UNPAIRED_RATE, (0.5, 0.9), 1.0, 2.0, lambda done: 1.0 if 2 * done < steps else 0.5)


def warm_cosine(steps: int, warmup: int) -> Callable[[int], float]:
    """From near 0 to 1 in `warmup` updates, then along a cosine to `LAST_RATE` / `FIRST_RATE`."""
    last = LAST_RATE / FIRST_RATE

    def factor(done: int) -> float:
        if done < warmup:
            return (done + 1) / warmup
        along = min(1.0, (done - warmup) / max(steps - warmup, 1))
        return last + (1 - last) * (1 + math.cos(math.pi * along)) / 2

    return factor


def faded(done: int, steps: int, first: float = 1.0, last: float = 0.2) -> float:
    """From `first` in a straight line to `last`: the transport cost leads at the start."""
    return first + (last - first) * min(1.0, done / max(steps, 1))
