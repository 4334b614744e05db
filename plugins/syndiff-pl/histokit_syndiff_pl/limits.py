"""What the networks demand of images and batches; no torch is needed to know it."""

from __future__ import annotations

CRITIC_HALVINGS = 6
"""How often the critic of the diffusion halves the sides of an image."""
SMALLEST_TILE = 2**CRITIC_HALVINGS
"""Side of the smallest image of which these leave a pixel."""
GROUP = 4
"""Most images that this critic compares with each other."""
TRANSLATOR_MULTIPLE = 4
"""The one-shot translator halves and doubles the sides twice."""


def legal_batch(size: int) -> bool:
    """Whether a batch can be divided into groups of equal size, at most `GROUP`."""
    return size <= GROUP or size % GROUP == 0


def side_multiple(levels: int) -> int:
    """What the sides of an image are multiples of, for a denoiser of that many levels."""
    return max(TRANSLATOR_MULTIPLE, 2 ** (levels - 1))
