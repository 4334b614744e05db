"""Which windows cover an image, and how each is cut out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histokit.errors import ConfigError, ContractError, DataError
from histokit.interfaces.spec import Sizes


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a grid. All ranges count pixels.

    Attributes:
        rows, cols: the input, in pixels of the image; what lies outside of the image is mirrored.
        place: rows and columns of the image that the output says something of.
        inner: the same rows and columns in the output, which is `Sizes.shrink` smaller than the
            input.
    """

    rows: range
    cols: range
    place: tuple[slice, slice]
    inner: tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Grid:
    """The windows of one image, row by row.

    Attributes:
        height, width: of the image.
        side: of the input of each window.
        shrink: how many pixels smaller each output is.
        tops, lefts: where the outputs start, in pixels of the image; negative where a window is
            larger than the image.
    """

    height: int
    width: int
    side: int
    shrink: int
    tops: tuple[int, ...] = field(repr=False)
    lefts: tuple[int, ...] = field(repr=False)

    @property
    def output(self) -> int:
        """Side of the output of each window."""
        return self.side - self.shrink

    @property
    def mirrors(self) -> bool:
        """Whether the image is smaller than an output, so that its mirror image fills the rest."""
        return self.output > min(self.height, self.width)

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    def __iter__(self) -> Iterator[Window]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Window:
        """The window of a place in the grid. Raises IndexError beyond the last."""
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of a grid of {len(self)}")
        row, col = divmod(index, len(self.lefts))
        rows, place_rows, inner_rows = self._axis(self.tops[row], self.height)
        cols, place_cols, inner_cols = self._axis(self.lefts[col], self.width)
        return Window(rows, cols, (place_rows, place_cols), (inner_rows, inner_cols))

    def _axis(self, start: int, size: int) -> tuple[range, slice, slice]:
        """Input, place and inner part along one axis of an output that starts at `start`."""
        first = start - self.shrink // 2
        place = slice(max(start, 0), min(start + self.output, size))
        return (
            range(first, first + self.side),
            place,
            slice(place.start - start, place.stop - start),
        )


def grid(height: int, width: int, window: int, overlap: int, sizes: Sizes | None = None) -> Grid:
    """The windows that cover an image, of legal size and evenly spaced.

    Args:
        height: of the image, from 1.
        width: of the image, from 1.
        window: wanted side of the input. It is raised to a legal one, and lowered where a smaller
            legal one holds the whole image.
        overlap: least overlap of neighbouring outputs, in pixels; less than an output.
        sizes: the legal input sides; any without.

    The outputs lie inside the image unless they are larger than it; then the image is centred in
    them. Raises DataError for an empty image and ConfigError for an overlap that does not fit.
    """
    if height < 1 or width < 1:
        raise DataError(
            "the image is empty", expected="at least 1 x 1 pixels", found=f"{height} x {width}"
        )
    sizes = sizes or Sizes()
    whole = sizes.fit(max(height, width) + sizes.shrink)
    side = min(sizes.fit(max(window, sizes.shrink + 1)), whole)
    output = side - sizes.shrink
    if overlap < 0 or (overlap >= output and side < whole):
        raise ConfigError(
            [f"overlap: {overlap} px does not fit outputs of {output} px (windows of {side} px)"],
            hint=f"give an overlap from 0 to {output - 1}, or larger windows",
        )
    tops, lefts = _starts(height, output, overlap), _starts(width, output, overlap)
    return Grid(height, width, side, sizes.shrink, tops, lefts)


def _starts(size: int, output: int, overlap: int) -> tuple[int, ...]:
    """Starts of the outputs along one axis: as few as reach both ends, evenly spread."""
    if output >= size:
        return (-((output - size) // 2),)
    steps = -(-(size - output) // (output - overlap))
    return tuple((size - output) * step // steps for step in range(steps + 1))


def cut(
    image: NDArray, layout: Grid, index: int, *, channels: Literal["first", "last"] = "last"
) -> NDArray:
    """The input of one window, mirrored where it leaves the image; a copy of the image's dtype.

    Args:
        image: [H W C], [C H W] or [H W].
        layout: the grid of an image of this size.
        index: of the window.
        channels: where the channels of a three-dimensional image stand.

    Raises ContractError where the image is not of the grid's size.
    """
    row_axis = 1 if channels == "first" and image.ndim == 3 else 0
    if image.shape[row_axis : row_axis + 2] != (layout.height, layout.width):
        raise ContractError(
            "the image does not belong to the grid",
            expected=f"{layout.height} x {layout.width} pixels, channels {channels}",
            found=f"shape {list(image.shape)}",
        )
    window = layout[index]
    part = _along(image, window.rows, row_axis)
    return np.ascontiguousarray(_along(part, window.cols, row_axis + 1))


def _along(image: NDArray, wanted: range, axis: int) -> NDArray:
    """The rows or columns `wanted`, mirrored about the outermost pixels as often as needed."""
    size = image.shape[axis]
    if wanted.start >= 0 and wanted.stop <= size:
        return image[(slice(None),) * axis + (slice(wanted.start, wanted.stop),)]
    return image.take(mirrored(wanted, size), axis)


def mirrored(wanted: range, size: int) -> NDArray[np.intp]:
    """The pixels 0..size - 1 that stand for `wanted` ones, mirrored about the outermost."""
    period = max(2 * (size - 1), 1)
    folded = np.arange(wanted.start, wanted.stop) % period
    return np.minimum(folded, period - folded) if size > 1 else folded
