"""The training targets of HoVer-Net: how far each pixel lies from the centre of its nucleus."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from histokit.errors import ContractError
from histokit.postprocess.clean import Ids

Border = Literal["clamp", "reference"]
Distances = NDArray[np.float32]
Numbers = NDArray[np.int64]
IdMap = NDArray[np.integer[Any]]

BORDER = 2
"""Rows and columns at the top and left in which the release loses a nucleus."""


def hv_maps(
    ids: IdMap,
    *,
    output: tuple[int, int] | None = None,
    min_area: int = 30,
    border: Border = "clamp",
) -> Distances:
    """Signed horizontal and vertical distances to the centre, float32 [2 h w] in -1..1.

    Channel 0 grows to the right, channel 1 downwards. In each object the distances left of (above)
    the centre are divided by the largest of them, and those on the other side by theirs. The
    background is 0. As in the release (Graham et al. 2019), the centre of mass is rounded and lies
    one pixel up and left of the true one; checkpoints rely on it.

    Args:
        ids: [H W], 0 = background; need not be without gaps.
        output: height and width of the centre that is given back; by default the whole map.
        min_area: objects with fewer pixels in that centre are 0 all over.
        border: ``reference`` also leaves objects at 0 that begin in the two outermost rows at the
            top or columns at the left, as the release does by mistake.

    Raises ContractError where `ids` is not two-dimensional or smaller than `output`.
    """
    middle = _middle(ids, output)
    whole = np.ascontiguousarray(ids, np.int32)
    found = np.zeros((2, whole.size), np.float32)
    inside = np.flatnonzero(whole > 0)
    if inside.size:
        numbers = whole.ravel()[inside].astype(np.int64)
        areas = np.bincount(numbers)
        first, last = _ends(ndimage.find_objects(whole), areas.size)
        shown = np.bincount(whole[middle].ravel(), minlength=areas.size) if output else areas
        keep = shown >= max(min_area, 1)
        if border == "reference":
            keep &= (first >= BORDER).all(0)
        rows = inside.astype(np.int32) // np.int32(whole.shape[1])
        columns = inside.astype(np.int32) - rows * np.int32(whole.shape[1])
        for axis, places in enumerate((rows, columns)):
            means = np.bincount(numbers, weights=places) / np.maximum(areas, 1)
            found[1 - axis, inside] = _scaled(places, numbers, means, first[axis], last[axis], keep)
    return found.reshape(2, *whole.shape)[:, *middle]


def _scaled(
    places: Ids,
    numbers: Numbers,
    means: NDArray[np.float64],
    first: Numbers,
    last: Numbers,
    keep: NDArray[np.bool_],
) -> Distances:
    """The distances along one axis of all object pixels, by their places and object numbers."""
    zero = np.floor(means + 0.5).astype(np.int32) - 1
    before, after = np.maximum(zero - first, 1), np.maximum(last - zero, 1)
    scale = np.where(keep, 1.0 / np.stack((before, after)), 0).astype(np.float32)
    distance = (places - zero.take(numbers)).astype(np.float32)
    distance *= scale.ravel().take(numbers + keep.size * (distance > 0))
    return distance


def _ends(boxes: list[tuple[slice, slice] | None], count: int) -> tuple[Numbers, Numbers]:
    """First and last row and column of each object, [2 count] each, at the place of its number."""
    first, last = np.zeros((2, count), np.int64), np.zeros((2, count), np.int64)
    for number, box in enumerate(boxes, start=1):
        if box is not None:
            first[0, number], first[1, number] = box[0].start, box[1].start
            last[0, number], last[1, number] = box[0].stop - 1, box[1].stop - 1
    return first, last


def _middle(ids: IdMap, output: tuple[int, int] | None) -> tuple[slice, slice]:
    """The rows and columns of the centre."""
    if ids.ndim != 2 or (output and (output[0] > ids.shape[0] or output[1] > ids.shape[1])):
        raise ContractError(
            "distance maps cannot be made",
            expected=f"ids [H W] of at least {output or (1, 1)} pixels",
            found=f"shape {list(ids.shape)}",
        )
    height, width = output or (ids.shape[0], ids.shape[1])
    top, left = (ids.shape[0] - height) // 2, (ids.shape[1] - width) // 2
    return slice(top, top + height), slice(left, left + width)


def fix_mirror_padding(ids: IdMap) -> Ids:
    """The id map, int32 [H W], in which objects that fell into pieces are objects of their own.

    Mirroring at a border makes such pieces. Pieces are connected by edges. The first one in raster
    order keeps its id; the k-th takes the largest id so far plus k, objects in ascending order.
    """
    whole = np.asarray(ids, np.int32)
    pieces = measure.label(whole, connectivity=1)
    count = int(pieces.max(initial=0))
    owner = np.zeros(count + 1, np.int32)
    owner[pieces.ravel()] = whole.ravel()
    total = np.bincount(owner[1:], minlength=1)
    if not (total[1:] > 1).any():
        return whole.copy()
    order = np.argsort(owner[1:], kind="stable") + 1
    owners = owner[order]
    rank = np.arange(count) - np.searchsorted(owners, owners)
    grown = np.where(total > 1, total, 0)
    base = int(whole.max()) + np.cumsum(grown) - grown
    new = owner.copy()
    new[order] = np.where(rank > 0, base[owners] + rank + 1, owners)
    return new[pieces].astype(np.int32)
