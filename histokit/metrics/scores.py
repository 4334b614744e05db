"""The scores of one image's objects, all from one table of overlaps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from histokit.metrics.contingency import Contingency, contingency
from histokit.metrics.matching import EPS, favourite, one_to_one, over_half

Direction: TypeAlias = Literal["higher", "lower", "none"]


@dataclass(frozen=True, slots=True)
class Metric:
    """What a score is, for whoever prints it.

    Attributes:
        name: short lower-case name.
        variant: how exactly it is computed, in words.
        direction: which way is better; ``none`` for what is measured without a better or worse.
        unit: ``fraction`` for values in 0..1.
    """

    name: str
    variant: str
    direction: Direction = "higher"
    unit: str = "fraction"


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("dice", "pixels of all nuclei pooled: 2 |T∩P| / (|T| + |P|), one image"),
        Metric("iou", "pixels of all nuclei pooled: |T∩P| / |T∪P|, one image"),
        Metric("aji", "each true nucleus takes its prediction of highest IoU, reuse allowed"),
        Metric("aji_plus", "as AJI, paired one-to-one with the highest total IoU (Hungarian)"),
        Metric("dq", "TP / (TP + FP/2 + FN/2); a match has IoU above 0.5, strictly"),
        Metric("sq", "sum of matched IoU / (TP + 1e-6)"),
        Metric("pq", "dq × sq of one image"),
    )
}
"""The scores of `Scores`, in the order of tables."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one image; all None where truth and prediction are both empty.

    Where exactly one is empty all are 0. `METRICS` says how each is computed. Counts are of
    objects; `sum_iou` adds the IoU of the `tp` matched pairs. `dice2` is the ensemble Dice, over
    all pairs that overlap: 2 Σ|T∩P| / Σ(|T| + |P|), None where none do (Vu et al. 2019).
    """

    dice: float | None
    iou: float | None
    aji: float | None
    aji_plus: float | None
    dq: float | None
    sq: float | None
    pq: float | None
    n_true: int
    n_pred: int
    tp: int
    fp: int
    fn: int
    sum_iou: float
    dice2: float | None = None

    def values(self) -> dict[str, float | None]:
        """The values by name of `METRICS`, in its order."""
        return {name: getattr(self, name) for name in METRICS}


def score(truth: NDArray[np.integer], prediction: NDArray[np.integer]) -> Scores:
    """The scores of a predicted id map against a true one, both [H W] with 0 = background.

    Ids may have gaps and any order: relabelling changes nothing, to the last bit. An id in several
    pieces is one object. Raises DataError where the maps do not fit together.
    """
    return score_table(contingency(truth, prediction))


def score_table(table: Contingency) -> Scores:
    """The scores of two maps whose table is at hand."""
    n_true, n_pred = len(table.true), len(table.pred)
    matched = over_half(table)
    sum_iou = math.fsum(table.overlap[matched] / table.union[matched])
    tp = int(matched.size)
    counts = (n_true, n_pred, tp, n_pred - tp, n_true - tp, sum_iou)
    if n_true + n_pred == 0:
        return Scores(None, None, None, None, None, None, None, *counts)
    shared = int(table.overlap.sum())
    pixels = int(table.true.areas.sum()) + int(table.pred.areas.sum())
    dq = 2 * tp / (n_true + n_pred)
    sq = sum_iou / (tp + EPS)
    return Scores(
        dice=2 * shared / pixels,
        iou=shared / (pixels - shared),
        aji=_jaccard(table, favourite(table)),
        aji_plus=_jaccard(table, one_to_one(table)),
        dq=dq,
        sq=sq,
        pq=dq * sq,
        n_true=n_true,
        n_pred=n_pred,
        tp=tp,
        fp=n_pred - tp,
        fn=n_true - tp,
        sum_iou=sum_iou,
        dice2=2 * shared / int((table.union + table.overlap).sum()) if shared else None,
    )


def _jaccard(table: Contingency, pairs: NDArray[np.int64]) -> float:
    """Shared pixels of the pairs over their unions plus the areas of all objects left out.

    Kumar et al., A Dataset and a Technique for Generalized Nuclear Segmentation, 2017.
    """
    left_true = np.ones(len(table.true), bool)
    left_pred = np.ones(len(table.pred), bool)
    left_true[table.rows[pairs]] = False
    left_pred[table.cols[pairs]] = False
    whole = int(table.union[pairs].sum())
    whole += int(table.true.areas[left_true].sum()) + int(table.pred.areas[left_pred].sum())
    return int(table.overlap[pairs].sum()) / whole
