"""From mask values to numbered objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import measure

label: Any = measure.label  # scikit-image declares no types


def levels(mask: NDArray[np.int32]) -> NDArray[Any]:
    """The values that occur in a mask of values from 0, in rising order."""
    if mask.max(initial=0) < mask.size:
        return np.flatnonzero(np.bincount(mask.ravel()))
    return np.unique(mask)


def is_noisy_binary(values: NDArray[Any]) -> bool:
    """Whether 8-bit values gather at 0 and at the top, as those of a once lossy mask do."""
    top = int(values[-1])
    middle = (values > top // 4) & (values < top - top // 4)
    return 128 <= top <= 255 and values[0] == 0 and not middle.any()


def foreground(mask: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Where a mask says "object".

    Two values, or noise around two, are cut at half the maximum (so 0/1, 0/254 and 0/255 all
    work); a mask of ids or classes is cut above 0.
    """
    values = levels(mask)
    if len(values) <= 2 or is_noisy_binary(values):
        return mask * 2 > int(values[-1]) if values[-1] < 2**30 else mask > 0
    return mask > 0


def components(foreground: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The 8-connected objects of a binary mask, int32 [H W], numbered 1..N."""
    return label(foreground, connectivity=2).astype(np.int32)


def without_pinholes(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """The objects with every background pixel filled whose four neighbours are one object."""
    inner = ids[1:-1, 1:-1]
    up, down, left, right = ids[:-2, 1:-1], ids[2:, 1:-1], ids[1:-1, :-2], ids[1:-1, 2:]
    hole = (inner == 0) & (up > 0) & (up == down) & (up == left) & (up == right)
    filled = ids.copy()
    filled[1:-1, 1:-1][hole] = up[hole]
    return filled


def renumbered(mask: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same objects numbered 1..N without gaps, in the order of their ids."""
    values = levels(mask)
    values = values[values > 0]
    if len(values) == 0 or values[-1] == len(values):
        return mask
    if values[-1] < mask.size:
        table = np.zeros(int(values[-1]) + 1, np.int32)
        table[values] = np.arange(1, len(values) + 1)
        return table[mask]
    places = np.searchsorted(values, mask) + 1
    return np.where(mask > 0, places, 0).astype(np.int32)
