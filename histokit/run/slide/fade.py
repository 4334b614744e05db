"""How what was made of the tissue fades into white around it."""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from histokit.postprocess.tissue import Tissue
from histokit.run.slide.plan import Span

Pixels = NDArray[np.uint8]
WHITE = 255


@final
class Fade:
    """The weight of each pixel: 1 on tissue, from there down to 0 over some pixels.

    Distances are those on the grid of the tissue, interpolated; they count from a place of that
    grid on, so that tissue itself is never thinned.

    Args:
        tissue: of a slide.
        over: pixels of the image of the slide.
        size: rows and columns of that image.
    """

    def __init__(self, tissue: Tissue, over: int, size: tuple[int, int]) -> None:
        self._tissue = tissue
        self._over = max(over, 1)
        self._size = size
        cells = tissue.mask.shape
        self._cell = size[0] / cells[0], size[1] / cells[1]
        self._free = max(*self._cell, 1.0)

    @cached_property
    def _distance(self) -> NDArray[np.float32]:
        """From each place of the grid to the nearest tissue, in pixels."""
        if not self._tissue.mask.any():
            return np.full(self._tissue.mask.shape, np.inf, np.float32)
        far = ndimage.distance_transform_edt(~self._tissue.mask, sampling=self._cell)
        return np.asarray(far, np.float32)

    @property
    def reach(self) -> Tissue:
        """All places with a pixel of some weight."""
        return Tissue(self._distance <= self._over + 3 * self._free)

    def on_white(self, pixels: Pixels, rows: Span, cols: Span) -> Pixels:
        """A part of the image, [h w 1] or [h w 3], laid over white by its weights, [h w 3]."""
        weight = self._weights(rows, cols)[..., None]
        laid = np.rint(WHITE - weight * (WHITE - pixels)).astype(np.uint8)
        return laid.repeat(3 // pixels.shape[2], axis=2)

    def _weights(self, rows: Span, cols: Span) -> NDArray[np.float32]:
        down, across = self._cell
        box = (cols[0] / across, rows[0] / down, cols[1] / across, rows[1] / down)
        shape = cols[1] - cols[0], rows[1] - rows[0]
        grid = Image.fromarray(self._distance)
        far = np.asarray(grid.resize(shape, Image.Resampling.BILINEAR, box))
        return np.clip((self._over + self._free - far) / self._over, 0, 1)
