"""How the objects of two id maps overlap, as one sparse table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of one id map, in ascending order of their ids; background is not one.

    Attributes:
        ids: [N], as they stand in the map.
        areas: [N], pixels.
        first: [N], flat position of the first pixel in raster order. It names an object whatever
            its id is, so that ties can be settled without looking at ids.
    """

    ids: Indices
    areas: Indices
    first: Indices

    def __len__(self) -> int:
        return int(self.ids.size)


@dataclass(frozen=True, slots=True)
class Contingency:
    """Two id maps boiled down to areas and overlaps; memory grows with objects, not pixels.

    Attributes:
        true, pred: the objects of each map.
        rows, cols: [M], positions in `true` and `pred` of each pair that shares a pixel, in
            ascending order of (row, col).
        overlap: [M], pixels that the pair shares, at least 1.
    """

    true: Objects
    pred: Objects
    rows: Indices
    cols: Indices
    overlap: Indices

    @property
    def union(self) -> Indices:
        """[M], pixels covered by either object of each pair."""
        return self.true.areas[self.rows] + self.pred.areas[self.cols] - self.overlap


def contingency(truth: NDArray[np.integer], prediction: NDArray[np.integer]) -> Contingency:
    """The table of two id maps [H W], 0 = background; ids may have gaps and any size.

    Both maps are cut into runs along the rows in which neither changes. Time and memory are linear
    in pixels, whatever the number of objects. Raises DataError where the maps differ in shape,
    are not two-dimensional, or hold fractions or negative ids.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    _check(truth, prediction)
    starts, lengths = _runs(truth, prediction)
    true, true_index = _objects(truth.ravel()[starts], starts, lengths, "truth")
    pred, pred_index = _objects(prediction.ravel()[starts], starts, lengths, "prediction")
    both = np.flatnonzero((true_index >= 0) & (pred_index >= 0))
    codes = true_index[both] * len(pred) + pred_index[both]
    pairs, overlap = _totals(codes, lengths[both])
    rows, cols = np.divmod(pairs, max(len(pred), 1))
    return Contingency(true, pred, rows, cols, overlap)


def _check(truth: NDArray, prediction: NDArray) -> None:
    """Raises DataError unless both are integer maps of one height and width."""
    for name, ids in (("truth", truth), ("prediction", prediction)):
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise DataError(
                f"the {name} cannot be scored",
                expected="a map of whole-number ids [H W], 0 = background",
                found=f"{ids.dtype} of shape {list(ids.shape)}",
                hint="convert the map to int32; label a binary mask by connected components first",
            )
    if truth.shape != prediction.shape:
        raise DataError(
            "truth and prediction differ in size",
            expected=f"a prediction of {truth.shape[0]} x {truth.shape[1]} pixels",
            found=f"{prediction.shape[0]} x {prediction.shape[1]} pixels",
            hint="predict at the pixel size and crop of the truth",
        )


def _runs(truth: NDArray, prediction: NDArray) -> tuple[Indices, Indices]:
    """Start and length of each stretch of flat pixels in which neither map changes."""
    size = truth.size
    if size == 0:
        empty = np.zeros(0, np.int64)
        return empty, empty
    a, b = truth.ravel(), prediction.ravel()
    change = np.empty(size, bool)
    change[0] = True
    np.not_equal(a[1:], a[:-1], out=change[1:])
    change[1:] |= b[1:] != b[:-1]
    starts = np.flatnonzero(change)
    return starts, np.diff(starts, append=size)


def _objects(ids: NDArray, starts: Indices, lengths: Indices, name: str) -> tuple[Objects, Indices]:
    """The objects of the runs' ids, and for each run its object's position or -1."""
    known, index = _ascending(ids, name)
    if known.size and known[0] == 0:
        known, index = known[1:], index - 1
    inside = np.flatnonzero(index >= 0)[::-1]
    owner = index[inside]
    areas = np.bincount(owner, weights=lengths[inside], minlength=known.size).astype(np.int64)
    first = np.empty(known.size, np.int64)
    first[owner] = starts[inside]  # backwards: the last assignment, the earliest run, stays
    return Objects(known, areas, first), index


def _ascending(ids: NDArray, name: str) -> tuple[Indices, Indices]:
    """The distinct ids in ascending order and each run's position among them."""
    if ids.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if ids.min() < 0:
        raise DataError(
            f"the {name} holds negative ids",
            expected="0 for background and positive ids for objects",
            found=f"an id of {ids.min()}",
        )
    top = int(ids.max())
    if top > 4 * ids.size + 65_536:  # a lookup table would cost more than sorting
        known, index = np.unique(ids, return_inverse=True)
        return known.astype(np.int64), index.astype(np.int64)
    present = np.zeros(top + 1, bool)
    present[ids] = True
    lookup = np.cumsum(present) - 1
    return np.flatnonzero(present), lookup[ids]


def _totals(codes: Indices, lengths: Indices) -> tuple[Indices, Indices]:
    """The distinct codes in ascending order and the sum of the lengths of each."""
    if codes.size == 0:
        empty = np.zeros(0, np.int64)
        return empty, empty
    order = np.argsort(codes)
    ordered = codes[order]
    heads = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    return ordered[heads], np.add.reduceat(lengths[order], heads)
