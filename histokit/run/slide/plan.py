"""What will run on a slide: the windows over its tissue, and the blocks they are decoded in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.interfaces import Instances, Sizes
from histokit.io.slides import View
from histokit.postprocess.tissue import Tissue
from histokit.run.infer import Windows
from histokit.tiling.grid import Grid, grid

Write = Callable[["Block", Instances, int], None]
"""Writes the objects of a block; the number counts those of the slide that came before."""
Span = tuple[int, int]
"""Half-open range of rows or columns of a view."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a view that is decoded at once.

    Attributes:
        number: place in the rows of blocks, those without tissue counted.
        core: rows and columns of the part that is the block's own.
        region: the same with the margin, as far as the slide goes.
    """

    number: int
    core: tuple[Span, Span]
    region: tuple[Span, Span]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the region."""
        (top, bottom), (left, right) = self.region
        return bottom - top, right - left

    def overlaps(self, rows: Span, cols: Span) -> bool:
        """Whether the region has a pixel in some rows and columns."""
        spans = zip((rows, cols), self.region, strict=True)
        return all(start < high and low < stop for (start, stop), (low, high) in spans)


@dataclass(frozen=True)
class SlidePlan:
    """The windows and blocks of a slide.

    Attributes:
        view: the slide at the pixel size of the weights.
        windows: every window of the whole view, as if it were one image.
        tissue: where results are wanted.
        core: side of a block's own area in pixels of the view.
        margin: how far a block looks beyond it; an object that reaches no farther from its
            middle is seen whole.
    """

    view: View
    windows: Grid
    tissue: Tissue
    core: int
    margin: int

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the view."""
        return self.view.height, self.view.width

    @property
    def across(self) -> int:
        """Blocks in a row."""
        return -(-self.view.width // self.core)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks whose own area has tissue, row by row."""
        down = -(-self.view.height // self.core)
        every = (self.block(number) for number in range(down * self.across))
        return tuple(block for block in every if self.tissue.touches(*block.core, self.size))

    def block(self, number: int) -> Block:
        """The block of a number, with tissue or without."""
        row, col = divmod(number, self.across)
        core = self._span(row, self.view.height, 0), self._span(col, self.view.width, 0)
        region = (
            self._span(row, self.view.height, self.margin),
            self._span(col, self.view.width, self.margin),
        )
        return Block(number, core, region)

    def _span(self, place: int, size: int, margin: int) -> Span:
        start = place * self.core
        return max(0, start - margin), min(size, start + self.core + margin)

    def later_neighbours(self, block: Block) -> Iterator[Block]:
        """The blocks after this one that may meet its region."""
        row, col = divmod(block.number, self.across)
        down = -(-self.view.height // self.core)
        for r, c in ((row, col + 1), (row + 1, col - 1), (row + 1, col), (row + 1, col + 1)):
            if r < down and 0 <= c < self.across:
                yield self.block(r * self.across + c)

    def owner(self, rows: NDArray[np.floating], cols: NDArray[np.floating]) -> NDArray[np.intp]:
        """The number of the block in whose own area each point of the view lies."""
        return (rows // self.core * self.across + cols // self.core).astype(np.intp)

    def layout(self, block: Block) -> tuple[Grid, list[int]]:
        """The windows that reach into the region of a block: as a grid of the region, and their
        numbers in `windows`.
        """
        whole = self.windows
        axes = []
        for starts, (low, high) in zip((whole.tops, whole.lefts), block.region, strict=True):
            axes.append([n for n, s in enumerate(starts) if s < high and s + whole.output > low])
        (top, _), (left, _) = block.region
        tops = tuple(whole.tops[n] - top for n in axes[0])
        lefts = tuple(whole.lefts[n] - left for n in axes[1])
        numbers = [row * len(whole.lefts) + col for row in axes[0] for col in axes[1]]
        return Grid(*block.shape, whole.side, whole.shrink, tops, lefts), numbers

    def runs(self, window: int) -> bool:
        """Whether a window says anything of tissue, or of objects that begin there."""
        rows, cols = self.windows[window].place
        wide = [(s.start - self.margin, s.stop + self.margin) for s in (rows, cols)]
        return self.tissue.touches(wide[0], wide[1], self.size)

    @cached_property
    def live(self) -> frozenset[int]:
        """The windows that go through the network."""
        reached = {number for block in self.blocks for number in self.layout(block)[1]}
        return frozenset(number for number in reached if self.runs(number))


def make_plan(
    view: View, sizes: Sizes, windows: Windows, tissue: Tissue, *, core: int, margin: int
) -> SlidePlan:
    """The plan of a slide.

    Args:
        view: the slide at the pixel size of the weights.
        sizes: what the network takes.
        windows: how the view is cut, as an image would be.
        tissue: where results are wanted.
        core: side of a block's own area.
        margin: see `SlidePlan`.

    Raises DataError where there is no tissue.
    """
    if not tissue.mask.any():
        raise DataError(
            f"there is no tissue on {view.slide.path}",
            expected="something darker than the glass",
            hint="look at it with --preview; --mask FILE says where the tissue is, --mask none "
            "takes all of the slide",
        )
    side = min(windows.side, max(view.height, view.width) + sizes.shrink)
    cuts = grid(view.height, view.width, side, windows.overlap, sizes)
    return SlidePlan(view, cuts, tissue, core, margin)


def in_words(plan: SlidePlan, tissue: Tissue) -> str:
    """What will run, in a line; `tissue` is that of the slide."""
    return (
        f"{plan.view.width} x {plan.view.height} pixels, {tissue.share:.1%} tissue, "
        f"{len(plan.live)} of {len(plan.windows)} windows in {len(plan.blocks)} blocks"
    )
