"""Objects found and classified, paired by their centroids: the F scores of HoVer-Net."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from histokit.metrics.contingency import Indices, Objects
from histokit.metrics.matching import assign

RADIUS = 12.0
"""Pixels that two centroids of one nucleus may lie apart: 3 µm at 0.25 µm a pixel."""
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Paired and unpaired objects by class; images add up. Class 0 is "no class".

    Attributes:
        paired: [K+1 K+1], pairs by the true and the predicted class.
        missed: [K+1], true objects without a partner by their class.
        invented: [K+1], predicted objects without a partner by their class.
    """

    paired: Indices
    missed: Indices
    invented: Indices

    @classmethod
    def total(cls, parts: Iterable[Self], n_classes: int) -> Self:
        """The sum over images."""
        counts = [np.zeros(n_classes + 1, np.int64) for _ in range(2)]
        paired = np.zeros((n_classes + 1, n_classes + 1), np.int64)
        for part in parts:
            paired += part.paired
            counts[0] += part.missed
            counts[1] += part.invented
        return cls(paired, counts[0], counts[1])


def centroids(ids: NDArray[np.integer], objects: Objects) -> Points:
    """[N 2], the mean (row, column) of the pixels of each object, in the order of `objects`.

    HoVer-Net takes the centre of the area within the outline through the outermost pixel centres,
    which differs by a fraction of a pixel.
    """
    rows, columns = np.nonzero(ids)
    place = np.searchsorted(objects.ids, ids[rows, columns])
    sums = [np.bincount(place, weights=axis, minlength=len(objects)) for axis in (rows, columns)]
    return np.stack(sums, axis=1) / np.maximum(objects.areas, 1)[:, None]


def pair_most(true: Points, pred: Points, radius: float = RADIUS) -> tuple[Indices, Indices]:
    """Positions of the partners: as many pairs within `radius` as can be, and among these choices
    the one of least total distance.
    """
    if not len(true) or not len(pred):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    near = KDTree(true).sparse_distance_matrix(KDTree(pred), radius, output_type="coo_matrix")
    rows, cols = near.row.astype(np.int64), near.col.astype(np.int64)
    own, row_index = np.unique(rows, return_inverse=True)
    other, col_index = np.unique(cols, return_inverse=True)
    # All distances together weigh less than one pair, so a pair more always wins.
    gain = 1.0 - near.data / (radius * (own.size + 1))
    taken = assign(row_index.astype(np.int64), col_index.astype(np.int64), gain)
    return own[row_index[taken]], other[col_index[taken]]


def pair_nearest(true: Points, pred: Points, radius: float = RADIUS) -> tuple[Indices, Indices]:
    """Positions of the partners as HoVer-Net's script finds them: everything is paired at the
    least total distance, then pairs beyond `radius` are dropped, so that a far object can take a
    partner away from a near one. Memory grows with the product of the counts.
    """
    distance = cdist(true, pred)
    rows, cols = linear_sum_assignment(distance)
    near = distance[rows, cols] <= radius
    return rows[near].astype(np.int64), cols[near].astype(np.int64)


def detection(
    pairs: tuple[Indices, Indices], true: Indices, pred: Indices, n_classes: int
) -> Detection:
    """The counts of one image.

    Args:
        pairs: positions of the partners in `true` and in `pred`.
        true: the class of each true object, 0..`n_classes`.
        pred: the class of each predicted object.
        n_classes: K.
    """
    rows, cols = pairs
    side = n_classes + 1
    paired = np.bincount(true[rows] * side + pred[cols], minlength=side * side)
    return Detection(
        paired.reshape(side, side).astype(np.int64),
        np.bincount(np.delete(true, rows), minlength=side).astype(np.int64),
        np.bincount(np.delete(pred, cols), minlength=side).astype(np.int64),
    )


def f_detection(counts: Detection) -> float | None:
    """F_d = 2 TP / (2 TP + FP + FN); None without any object."""
    found = 2 * int(counts.paired.sum())
    whole = found + int(counts.missed.sum()) + int(counts.invented.sum())
    return found / whole if whole else None


def accuracy(counts: Detection) -> float | None:
    """The share of pairs whose classes agree; None without pairs."""
    pairs = int(counts.paired.sum())
    return int(np.trace(counts.paired)) / pairs if pairs else None


def f_class(counts: Detection, kind: int) -> float | None:
    """F_c of class `kind`; None where neither truth nor prediction has it.

    F_c = 2 (TP_c + TN_c) / (2 (TP_c + TN_c) + 2 FP_c + 2 FN_c + FP_d + FN_d) (Graham et al. 2019,
    section 4.2) over the pairs in which either object is of the class, as the authors' script
    does; so TN_c is 0.
    """
    tp = int(counts.paired[kind, kind])
    confused = int(counts.paired[kind].sum()) + int(counts.paired[:, kind].sum()) - 2 * tp
    alone = int(counts.missed[kind]) + int(counts.invented[kind])
    whole = 2 * tp + 2 * confused + alone
    return 2 * tp / whole if whole else None
