"""How visible the borders of windows are in a stitched image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np
from numpy.typing import NDArray

from histokit.tiling.grid import Grid

NEAR = 16
"""How many lines on either side a border is compared with: the same tissue, and not bare glass."""


def seam_index(image: NDArray[np.uint8], layout: Grid) -> float | None:
    """Gradient energy across the borders of windows over that of the lines near them.

    The energy of the line between two rows (columns) is the mean squared difference of the pixels
    on its two sides; a border is a line where some window's output begins or ends inside the
    image. 1 means that borders look like the lines around them, more that they show. A slow drift
    of colour from window to window, spread by blending over the whole overlap, does not show here.

    Args:
        image: [H W C] or [H W].
        layout: the windows that it was stitched from.

    None where there is a single window, or no line but borders. An image without any gradient
    near them has 1 where its borders have none either, and infinity where they have.
    """
    lines = list(_lines(image, layout))
    if not lines:
        return None
    at, off, _ = np.mean(lines, axis=0)
    return _over(at, off)


@final
class SeamTally:
    """The seam index of an image that comes in parts: as `seam_index`, longer borders counting
    more, and borders between the parts left out.
    """

    def __init__(self) -> None:
        self._at = self._off = 0.0
        self._any = False

    def add(self, image: NDArray[np.uint8], layout: Grid) -> None:
        """Takes a part, and the windows that reach into it."""
        for at, off, length in _lines(image, layout):
            self._at += at * length
            self._off += off * length
            self._any = True

    @property
    def index(self) -> float | None:
        """See `seam_index`."""
        return _over(self._at, self._off) if self._any else None


def _over(at: float, off: float) -> float:
    """The ratio of two energies."""
    if off == 0:
        return 1.0 if at == 0 else float("inf")
    return float(at / off)


def _lines(image: NDArray[np.uint8], layout: Grid) -> Iterator[tuple[float, float, int]]:
    """Of each border its energy, the mean energy of the lines near it, and its length."""
    if len(layout) == 1:
        return
    values = np.atleast_3d(image).astype(np.float32)
    for axis, starts in ((0, layout.tops), (1, layout.lefts)):
        energy = np.square(np.diff(values, axis=axis)).mean(axis=(1 - axis, 2))
        seams = _borders(starts, layout.output, values.shape[axis])
        others = np.setdiff1d(np.arange(len(energy)), seams)
        for seam in seams:
            around = energy[others[np.abs(others - seam) <= NEAR]]
            if around.size:
                yield float(energy[seam]), float(around.mean()), values.shape[1 - axis]


def _borders(starts: tuple[int, ...], output: int, size: int) -> NDArray[np.intp]:
    """Numbers of the lines, line k lying between pixels k and k + 1, at which outputs start or
    end inside the image.
    """
    edges = {edge for start in starts for edge in (start, start + output)}
    return np.array(sorted(edge - 1 for edge in edges if 0 < edge < size), np.intp)
