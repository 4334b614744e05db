"""How much memory a slide may take, and how large its blocks can be then."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import final

from histokit.errors import DataError
from histokit.interfaces import Sizes
from histokit.run.infer import Windows

GIB = 2**30
KEPT = 0.25
"""Part of the memory that outputs of windows may take which a later block needs too."""
SMALLEST_CORE, LARGEST_CORE = 512, 4096
"""Sides in pixels of the view that a block's own area can have."""
STEP = 256


def core_side(
    max_memory: float, used: int, windows: Windows, pixel_bytes: int, sizes: Sizes, margin: int
) -> int:
    """The side of a block's own area that some memory allows, a multiple of 256 pixels.

    Args:
        max_memory: bytes that the process may take.
        used: bytes that it takes already, the network in them.
        windows: how a view is cut.
        pixel_bytes: what a pixel of a block's region costs, its image apart.
        sizes: what the network takes.
        margin: see `SlidePlan`.

    The image of a block and its windows is there three times. Raises DataError where not even the
    smallest block fits.
    """

    def cost(core: int) -> int:
        around = 2 * (margin + sizes.fit(windows.side))
        return (core + 2 * margin) ** 2 * pixel_bytes + (core + around) ** 2 * 9

    for core in range(LARGEST_CORE, SMALLEST_CORE - 1, -STEP):
        if used + cost(core) <= max_memory:
            return core
    least = used + cost(SMALLEST_CORE)
    raise DataError(
        f"--max-memory: {max_memory / GIB:.2g} GiB do not hold a block of the slide",
        hint=f"give at least {least / GIB + 0.05:.1f} GiB, or a smaller --window",
    )


@final
class Footprint:
    """What a command takes of memory beside the blocks of slides: the most at the first look, as
    each later one would count earlier blocks, and blocks would get smaller from slide to slide.
    """

    @cached_property
    def size(self) -> int:
        """In bytes; run a batch of windows before."""
        return peak_memory()


def affordable_core(
    max_gib: float,
    windows: Windows,
    pixel_bytes: int,
    sizes: Sizes,
    margin: int,
    footprint: Footprint,
) -> int:
    """As `core_side`, where outputs of windows are kept beside the footprint."""
    limit = max_gib * GIB
    used = round(footprint.size + KEPT * limit)
    return core_side(limit, used, windows, pixel_bytes, sizes, margin)


def kept_bytes(max_gib: float) -> int:
    """Bytes of outputs of windows that may be kept for later blocks."""
    return round(KEPT * max_gib * GIB)


def peak_memory() -> int:
    """The most bytes that this process has taken so far; a guess on Windows, which has no word
    for it in the standard library.
    """
    if sys.platform == "win32":
        return GIB
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
