"""Images that look the same although their files differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import sparse

SIDE = 16
MOST_BITS = 8
"""In how many of the 256 bits of their fingerprints two images that look the same may differ."""


def fingerprint(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """256 bits, bool [256], that outlast resizing, recompression and a change of brightness.

    The grey image is averaged to 16 x 17 fields; a bit says whether a field is brighter than its
    left neighbour ("difference hash").

    Args:
        image: uint8 [H W 3].
    """
    grey = Image.fromarray(image).convert("L")
    small = np.asarray(grey.resize((SIDE + 1, SIDE), Image.Resampling.BOX), np.int16)
    return (np.diff(small, axis=1) > 0).ravel()


def alike(prints: Sequence[NDArray[np.bool_] | None]) -> list[int]:
    """For each fingerprint the place of the first that it looks like, directly or by way of
    others; its own place where there is none, or where it is None.
    """
    known = {place: bits for place, bits in enumerate(prints) if bits is not None}
    first = list(range(len(prints)))
    if not known:
        return first
    signs = np.stack(list(known.values())).astype(np.float32) * 2 - 1
    differing = (signs.shape[1] - signs @ signs.T) / 2
    _, cluster = sparse.csgraph.connected_components(differing <= MOST_BITS, directed=False)
    heads: dict[int, int] = {}
    for place, number in zip(known, cluster.tolist(), strict=True):
        first[place] = heads.setdefault(number, place)
    return first
