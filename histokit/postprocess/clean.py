"""Cleaning of binary masks and id maps, each in a few passes over the whole image."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Connectivity = Literal[4, 8]
"""Which neighbours belong together: 4 shares an edge, 8 also a corner."""

Mask = NDArray[np.bool_]
Ids = NDArray[np.int32]


def structure(connectivity: Connectivity) -> Mask:
    """The neighbourhood [3 3] of a pixel."""
    return ndimage.generate_binary_structure(2, 1 if connectivity == 4 else 2)


def components(mask: Mask, connectivity: Connectivity = 4) -> Ids:
    """The connected components of a mask, numbered 1..N in raster order of their first pixels."""
    ids = np.empty(mask.shape, np.int32)
    ndimage.label(mask, structure(connectivity), output=ids)
    return ids


def fill_holes(mask: Mask, max_area: int | None = None, connectivity: Connectivity = 4) -> Mask:
    """The mask with its holes filled.

    Args:
        mask: [H W].
        max_area: larger holes, in pixels, stay open; None fills every hole.
        connectivity: of the mask; a hole is connected the other way, so that a diagonal line of
            pixels closes a hole exactly where it counts as one object.

    A hole is background that does not reach the border of the image.
    """
    background = components(~mask, 8 if connectivity == 4 else 4)
    areas = np.bincount(background.ravel())
    fill = np.ones(areas.size, bool) if max_area is None else areas <= max_area
    fill[_on_border(background)] = False
    fill[0] = True  # the mask itself
    return fill[background]


def _on_border(ids: Ids) -> Ids:
    """The ids found in the outermost pixels, with repetitions."""
    return np.concatenate(
        [ids[:1].ravel(), ids[-1:].ravel(), ids[:, :1].ravel(), ids[:, -1:].ravel()]
    )


def remove_small(ids: NDArray[np.integer[Any]], min_area: int) -> Ids:
    """The id map without objects of fewer than `min_area` pixels, renumbered by `relabel`."""
    areas = np.bincount(ids.ravel(), minlength=1)
    return _renumber(ids, areas >= max(min_area, 1))


def relabel(ids: NDArray[np.integer[Any]]) -> Ids:
    """The id map renumbered 1..N without gaps; the order of the ids stays. 0 is background."""
    return _renumber(ids, np.bincount(ids.ravel(), minlength=1) > 0)


def _renumber(ids: NDArray[np.integer[Any]], keep: Mask) -> Ids:
    """The map with the ids of `keep` numbered 1..N and the others turned into background."""
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[ids]
