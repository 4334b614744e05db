"""Learning rates that fall once an epoch along a cosine."""

from __future__ import annotations

import math
from collections.abc import Callable


def cosine(lr: float, least: float, steps: int, epoch_steps: int) -> Callable[[int], float]:
    """Factors on `lr` by the number of steps done: from 1 in the first epoch to ``least / lr`` in
    the last, and that from then on.

    Args:
        lr: the rate of the first epoch.
        least: the rate of the last.
        steps: of the whole training.
        epoch_steps: steps between two changes.
    """
    last = max(math.ceil(steps / epoch_steps) - 1, 1)
    floor = least / lr

    def factor(step: int) -> float:
        share = min(step // epoch_steps / last, 1.0)
        return floor + (1 - floor) * (1 + math.cos(math.pi * share)) / 2

    return factor
