"""Factors on a learning rate or a loss weight by the number of steps done."""

from __future__ import annotations

from collections.abc import Callable


def step_decay(every: int, factor: float) -> Callable[[int], float]:
    """``factor`` to the power of the number of full `every` steps done."""
    return lambda step: factor ** (step // every)


def tenfold_drops(every: int) -> Callable[[int], float] | None:
    """A tenth of it after each full `every` steps done; None, for no change, where it is 0."""
    return step_decay(every, 0.1) if every else None


def linear_decay(start: int, end: int) -> Callable[[int], float]:
    """1 until step `start`, then in a straight line to 0 at step `end`, and 0 after it."""
    span = max(end - start, 1)
    return lambda step: min(1.0, max(0.0, (end - step) / span))


def linear_ramp(steps: int) -> Callable[[int], float]:
    """From 0 at step 0 in a straight line to 1 at step `steps`, and 1 after it."""
    return lambda step: min(1.0, step / max(steps, 1))


def polynomial(steps: int, power: float = 0.9) -> Callable[[int], float]:
    """``(1 - step / steps)`` to the power of `power`, and 0 after step `steps`."""
    return lambda step: max(0.0, 1 - step / max(steps, 1)) ** power
