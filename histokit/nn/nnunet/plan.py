"""Depth, window and batch of a 2D U-Net from the size of the images, by nnU-Net's rules."""

from __future__ import annotations

from dataclasses import dataclass

from histokit.errors import ConfigError
from histokit.interfaces.spec import Sizes

WIDTH = 32
"""Features at full resolution; they double with each level up to `WIDEST`."""
WIDEST = 512
SMALLEST_MAP = 4
"""The deepest maps have at least this side."""
LARGEST_WINDOW = 2048
SMALLEST_BATCH = 2
SHARE = 0.05
"""Largest share of all pixels of the training images that one batch may show."""
REFERENCE_VALUES = 85_000_000
REFERENCE_BATCH = 12
REFERENCE_GIGABYTES = 8
"""On 8 GB a batch of 12 fits whose images make 85 M values each; the planner scales from there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What `plan` decided: side of a training window in pixels, images a step, and levels."""

    side: int
    batch: int
    levels: int

    @property
    def sizes(self) -> Sizes:
        """The input sizes that the planned network takes."""
        return sizes_of(self.levels)


def levels_of(side: int) -> int:
    """How many levels a network for windows of `side` pixels has.

    Each halves the one above while it leaves a side of at least 4 pixels. 256 gives 7 levels.
    """
    levels = 1
    while side >= 2 * SMALLEST_MAP:
        side = -(-side // 2)
        levels += 1
    return levels


def features_of(levels: int, width: int = WIDTH) -> tuple[int, ...]:
    """Features of each level from full resolution down: doubling, at most 16 times `width`."""
    return tuple(width * min(2**level, WIDEST // WIDTH) for level in range(levels))


def sizes_of(levels: int) -> Sizes:
    """The input sizes that so many levels take: the deepest maps keep at least 2 x 2 pixels,
    because the variance of a single one, by which instance norm divides, is 0.
    """
    step = 2 ** (levels - 1)
    return Sizes(min=2 * step, multiple_of=step)


def require_fit(tile: int) -> int:
    """The levels of a network for training windows of `tile` pixels.

    Raises ConfigError, naming the next side that works, where its halvings would not be even.
    """
    levels = levels_of(tile)
    sizes = sizes_of(levels)
    if levels < 2 or not sizes.allows(tile):
        works = next(side for side in range(max(tile, 8), 2 * tile + 9) if _even(side))
        raise ConfigError(
            [f"tile: {tile} px cannot be halved {max(levels - 1, 1)} times without remainder"],
            hint=f"--tile {works}",
        )
    return levels


def _even(side: int) -> bool:
    return sizes_of(levels_of(side)).allows(side)


def plan(height: int, width: int, images: int, *, outputs: int = 2, gigabytes: float = 8.0) -> Plan:
    """The plan for a data set.

    The window starts at the shorter side of the median image, at most 2048, and shrinks until a
    batch of 2 fits in the memory; what memory is left then goes into the batch, which shows at
    most 5 % of all pixels and at least 2 images.

    Source: Isensee et al., Nature Methods 2021, doi 10.1038/s41592-020-01008-z, with the numbers
    of nnU-Net v2 for its 2D U-Net. There a window may be oblong; ours are square, as all windows
    of histokit are.

    Args:
        height: median of the training images, in pixels.
        width: likewise.
        images: how many there are.
        outputs: maps that the network gives, background included.
        gigabytes: memory of the GPU.
    """
    side = _rounded(min(height, width, LARGEST_WINDOW))
    budget = REFERENCE_VALUES * gigabytes / REFERENCE_GIGABYTES
    while side > 2 * SMALLEST_MAP and values_of(side, outputs) / REFERENCE_BATCH * 2 > budget:
        step = 2 ** (levels_of(side) - 1)
        side = _rounded(side - 2 ** (levels_of(side - step) - 1))
    fits = round(budget / values_of(side, outputs) * REFERENCE_BATCH)
    covers = round(height * width * images * SHARE / side**2)
    return Plan(side, max(min(fits, covers), SMALLEST_BATCH), levels_of(side))


def values_of(side: int, outputs: int = 2) -> int:
    """How many values the layers make of one window: the measure of memory of the planner.

    Counted are the two convolutions of each level on the way down and again on the way up, the
    learned upsamplings and the maps of deep supervision at each level but the deepest.
    """
    levels = levels_of(side)
    features = features_of(levels)
    pixels = [(side // 2**level) ** 2 for level in range(levels)]
    down = sum(2 * f * p for f, p in zip(features, pixels, strict=True))
    up = sum((3 * f + outputs) * p for f, p in zip(features[:-1], pixels[:-1], strict=True))
    return down + up


def _rounded(side: int) -> int:
    """`side` raised to what its own halvings need, and at least one halving."""
    side = max(side, 2 * SMALLEST_MAP)
    step = 2 ** (levels_of(side) - 1)
    return -(-side // step) * step
