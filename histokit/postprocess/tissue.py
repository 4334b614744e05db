"""Where the tissue of a slide is, told from the bare glass on a thumbnail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

from histokit.postprocess.clean import Mask, components, fill_holes, remove_small

FAINTEST, PLAINEST = 12, 40
"""How much darker than glass, out of 255, the faintest tissue is, and what surely is tissue."""
DULLEST = 215
"""The darkest that bare glass can be; a thumbnail without a pixel as bright shows no glass."""
SMOOTH = 1.0
"""Standard deviation in pixels of the thumbnail of the Gaussian that takes out dust."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """The tissue of a slide, on a grid that covers the whole of it.

    Attributes:
        mask: [h w]; row r covers the part r/h to (r + 1)/h of the slide's height, columns alike.
    """

    mask: Mask

    @property
    def share(self) -> float:
        """The part of the slide that is tissue, in 0..1."""
        return float(self.mask.mean())

    def touches(self, rows: tuple[int, int], cols: tuple[int, int], size: tuple[int, int]) -> bool:
        """Whether there is tissue in the half-open `rows` and `cols` of an image of the slide
        that is `size` (height, width); what lies outside of it has none.
        """
        return bool(self.within(rows, cols, size).any())

    def within(
        self, rows: tuple[int, int], cols: tuple[int, int], size: tuple[int, int]
    ) -> NDArray[np.bool_]:
        """The part of the mask that meets a part of an image of the slide; see `touches`."""
        parts = []
        for (start, stop), pixels, cells in zip((rows, cols), size, self.mask.shape, strict=True):
            start, stop = max(start, 0), min(stop, pixels)
            parts.append(slice(start * cells // pixels, max(-(-stop * cells // pixels), 0)))
        return self.mask[parts[0], parts[1]]

    def at(
        self, rows: NDArray[np.floating], cols: NDArray[np.floating], size: tuple[int, int]
    ) -> Mask:
        """Whether points, in pixels of an image of the slide that is `size`, lie on tissue."""
        height, width = self.mask.shape
        r = np.clip((rows * height / size[0]).astype(np.intp), 0, height - 1)
        c = np.clip((cols * width / size[1]).astype(np.intp), 0, width - 1)
        return self.mask[r, c]


def find_tissue(thumbnail: NDArray[np.uint8], *, smallest: int = 16, hole: int = 256) -> Tissue:
    """The tissue of a thumbnail, uint8 [H W 3].

    A pixel is as bright as its darkest channel: haematoxylin, eosin and DAB all take most from
    one. How much darker it is than the glass, which is where the brightest hundredth begins, is
    held against the threshold of Otsu (1979), kept between `FAINTEST` and `PLAINEST`: of a slide
    that is full of tissue his would take half, of an empty one half of its dust.

    Args:
        thumbnail: of the whole slide.
        smallest: pieces of fewer pixels are dropped.
        hole: larger holes, in pixels, stay open.

    The tissue is widened by a pixel. Nothing in an empty slide.
    """
    bright = thumbnail.min(axis=2).astype(np.float32)
    brightest = float(np.percentile(bright, 99))
    glass = brightest if brightest >= DULLEST else 255.0
    dark = ndimage.gaussian_filter(glass - bright, SMOOTH)
    flat = float(dark.max()) == float(dark.min())
    threshold = FAINTEST if flat else float(np.clip(threshold_otsu(dark), FAINTEST, PLAINEST))
    pieces = remove_small(components(dark > threshold, 8), smallest)
    mask = fill_holes(pieces > 0, hole, 8)
    return Tissue(ndimage.binary_dilation(mask, iterations=1) if mask.any() else mask)
