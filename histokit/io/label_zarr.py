"""Label images of any size as OME-Zarr, written part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histokit.io.files import atomic_folder
from histokit.io.ngff import label_metadata, require_zarr

CHUNK = 1024
"""Side of a chunk in pixels."""
Ids = NDArray[np.integer]
Put = Callable[[int, int, Ids], None]
"""Takes a part of the image: its first row and column, and its ids [h w]; what is 0 stays as it
was."""


@contextmanager
def label_zarr(
    path: Path,
    size: tuple[int, int],
    *,
    mpp: tuple[float, float] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Iterator[Put]:
    """A function that takes the parts of a label image; the folder is there when the block ends
    well.

    A group of OME-NGFF 0.5 whose arrays 0, 1, … are uint32 [H W], 0 = background, in chunks that
    are written only where there is something. Each smaller level has every second pixel of the
    one before; the last one fits a chunk. Memory is that of a part and a few chunks.

    Args:
        path: of the folder, which takes the place of an older one.
        size: rows and columns.
        mpp: micrometres a pixel along (x, y).
        provenance: what made the image.

    Raises PluginError where zarr is missing.
    """
    zarr = require_zarr()
    sizes = [size]
    while max(sizes[-1]) > CHUNK:
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    with atomic_folder(path) as temporary:
        attributes = label_metadata(path.name, len(sizes), mpp, provenance or {})
        group = zarr.create_group(store=temporary, zarr_format=3, attributes=attributes)
        arrays = [_array(group, str(level), one) for level, one in enumerate(sizes)]

        def put(top: int, left: int, ids: Ids) -> None:
            rows, cols = slice(top, top + ids.shape[0]), slice(left, left + ids.shape[1])
            if ids.any():
                arrays[0][rows, cols] = np.where(ids > 0, ids, arrays[0][rows, cols])

        yield put
        for large, small in pairwise(arrays):
            _shrink(large, small)


def _array(group: Any, name: str, size: tuple[int, int]) -> Any:
    return group.create_array(
        name,
        shape=size,
        chunks=(CHUNK, CHUNK),
        dtype="uint32",
        fill_value=0,
        dimension_names=["y", "x"],
    )


def _shrink(large: Any, small: Any) -> None:
    """Fills a level with every second pixel of the one before, chunk by chunk."""
    height, width = small.shape
    for top in range(0, height, CHUNK):
        for left in range(0, width, CHUNK):
            part = large[2 * top : 2 * (top + CHUNK), 2 * left : 2 * (left + CHUNK)][::2, ::2]
            if part.any():
                small[top : top + CHUNK, left : left + CHUNK] = part
