"""Panoptic counts by class of one image or of many, and how often each class occurs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from histokit.errors import DataError
from histokit.metrics.contingency import Contingency, Indices, Objects
from histokit.metrics.matching import EPS, over_half

PATCH, BORDER = (256, 256), 16
"""Size of CoNIC's patches, and the pixels at their edges in which nuclei are not counted."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassCounts:
    """What panoptic quality counts, for the classes 1..K in order; images add up.

    Attributes:
        n_true, n_pred: [K], objects of each class.
        tp: [K], pairs of one class whose IoU is above one half.
        sum_iou: [K], the IoU of these pairs added up.
    """

    n_true: Indices
    n_pred: Indices
    tp: Indices
    sum_iou: NDArray[np.float64]

    @classmethod
    def total(cls, parts: Iterable[Self], n_classes: int) -> Self:
        """The sum over images."""
        whole = np.zeros((3, n_classes), np.int64)
        sum_iou = np.zeros(n_classes)
        for part in parts:
            whole += np.stack([part.n_true, part.n_pred, part.tp])
            sum_iou += part.sum_iou
        return cls(whole[0], whole[1], whole[2], sum_iou)


def classes_of(objects: Objects, classes: Mapping[int, int], n_classes: int) -> Indices:
    """[N], the class of each object, 0 where it has none.

    Raises DataError for a class outside 0..`n_classes`.
    """
    kinds = np.array([classes.get(int(key), 0) for key in objects.ids], np.int64)
    if kinds.size and not 0 <= kinds.min() <= kinds.max() <= n_classes:
        raise DataError(
            "an object is of a class that the data set does not have",
            expected=f"classes 0 (none) to {n_classes}",
            found=f"classes from {kinds.min()} to {kinds.max()}",
            hint="predict the classes of this data set, in its order",
        )
    return kinds


def class_counts(table: Contingency, true: Indices, pred: Indices, n_classes: int) -> ClassCounts:
    """The counts of one image, from the table of its two maps and the class of each object.

    Objects of another class do not change an IoU, so one table serves all classes.
    """
    matched = over_half(table)
    kinds = true[table.rows[matched]]
    same = kinds == pred[table.cols[matched]]
    iou = (table.overlap / table.union)[matched][same]
    side = n_classes + 1
    n_true, n_pred, tp = (
        np.bincount(found, minlength=side)[1:].astype(np.int64)
        for found in (true, pred, kinds[same])
    )
    sum_iou = np.bincount(kinds[same], weights=iou, minlength=side)[1:].astype(np.float64)
    return ClassCounts(n_true, n_pred, tp, sum_iou)


def class_dice(
    table: Contingency, true: Indices, pred: Indices, n_classes: int
) -> list[float | None]:
    """Dice of the pixels of each class, 2 |A ∩ B| / (|A| + |B|), whatever object they belong to;
    None where the class occurs neither in truth nor in prediction.
    """
    kinds = true[table.rows]
    same = kinds == pred[table.cols]
    side = n_classes + 1
    shared = np.bincount(kinds[same], weights=table.overlap[same], minlength=side)[1:]
    here = np.bincount(true, weights=table.true.areas, minlength=side)[1:]
    there = np.bincount(pred, weights=table.pred.areas, minlength=side)[1:]
    return [float(2 * s / a) if a else None for s, a in zip(shared, here + there, strict=True)]


def panoptic(n_true: int, n_pred: int, tp: int, sum_iou: float, eps: float = 0.0) -> float | None:
    """PQ = DQ × SQ of counts; None where there are no objects.

    DQ = TP / (TP + FP/2 + FN/2 + `eps`), SQ = sum of IoU / (TP + 1e-6). CoNIC's script sets `eps`
    to 1e-6, all others to 0.
    """
    if n_true + n_pred == 0:
        return None
    return float(tp / ((n_true + n_pred) / 2 + eps) * sum_iou / (tp + EPS))


def class_pq(counts: ClassCounts, eps: float = 0.0) -> list[float | None]:
    """PQ of each class; None where it occurs neither in truth nor in prediction."""
    rows = zip(counts.n_true, counts.n_pred, counts.tp, counts.sum_iou, strict=True)
    return [panoptic(int(t), int(p), int(tp), float(iou), eps) for t, p, tp, iou in rows]


def middle_counts(
    ids: NDArray[np.integer], objects: Objects, kinds: Indices, n_classes: int
) -> Indices:
    """[K], how many objects of each class touch the image without its outer 16 pixels.

    So CoNIC's ``counts.csv`` counts its patches of 256 pixels; images of other sizes are counted
    whole. `kinds` holds the class of each of `objects`.
    """
    if ids.shape == PATCH:
        ids = ids[BORDER:-BORDER, BORDER:-BORDER]
        kinds = kinds[np.isin(objects.ids, ids)]
    return np.bincount(kinds, minlength=n_classes + 1)[1:].astype(np.int64)


def r_squared(true: NDArray[np.integer], pred: NDArray[np.integer]) -> tuple[float, bool] | None:
    """The coefficient of determination of counts over images, and whether the true ones vary.

    Where they do not, it is 1 for an exact prediction and 0 otherwise, as scikit-learn has it.
    None for fewer than two images.
    """
    if true.size < 2:
        return None
    missed = float(np.square(true - pred).sum())
    spread = float(np.square(true - true.mean()).sum())
    if spread == 0:
        return (1.0 if missed == 0 else 0.0), False
    return 1 - missed / spread, True


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is defined; None where nothing is."""
    known: Sequence[float] = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
