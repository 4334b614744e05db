"""All that is counted of one image, from which the scores of every community follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histokit.metrics.classes import (
    ClassCounts,
    class_counts,
    class_dice,
    class_pq,
    classes_of,
    mean,
    middle_counts,
)
from histokit.metrics.contingency import Indices, contingency
from histokit.metrics.detection import (
    Detection,
    centroids,
    detection,
    f_class,
    f_detection,
    pair_most,
    pair_nearest,
)
from histokit.metrics.images import IMAGE_METRICS
from histokit.metrics.scores import METRICS, Metric, Scores, score_table

F_D = Metric("f_d", "2 TP / (2 TP + FP + FN); most pairs of centroids within 12 px, one image")
MPQ = Metric("mpq", "mean of pq over the classes in truth or prediction, one image")
_NO_CLASSES: Mapping[int, int] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """The counts of one image.

    Attributes:
        scores: of its objects, whatever their class.
        classes: panoptic counts by class; of length 0 where there are none.
        class_dice: Dice of the pixels of each class; likewise.
        middle: [2 K], true and predicted objects of each class as CoNIC counts them.
        pairs: centroids paired by `pair_most`.
        nearest: centroids paired by `pair_nearest`; None where nobody asked.
        stratum: what means are taken by first, such as the tissue; empty for nothing.
        fold: the part of a cross-validation; empty for nothing.
    """

    scores: Scores
    classes: ClassCounts
    class_dice: Sequence[float | None]
    middle: Indices
    pairs: Detection
    nearest: Detection | None = None
    stratum: str = ""
    fold: str = ""

    def values(self, names: tuple[str, ...] = ()) -> dict[str, float | None]:
        """The scores of the image by name, those of `described` for the same classes."""
        values = {**self.scores.values(), F_D.name: f_detection(self.pairs)}
        if names:
            by_class = class_pq(self.classes)
            values[MPQ.name] = mean(by_class)
            values |= {f"dice:{n}": d for n, d in zip(names, self.class_dice, strict=True)}
            values |= {f"pq:{n}": value for n, value in zip(names, by_class, strict=True)}
            values |= {f"f_c:{n}": f_class(self.pairs, k) for k, n in enumerate(names, start=1)}
        return values


def described(names: tuple[str, ...] = ()) -> dict[str, Metric]:
    """What `Tally.values` holds for objects of the classes `names`, in the order of tables."""
    metrics = [*METRICS.values(), F_D]
    if names:
        metrics.append(MPQ)
        area = "2 |A ∩ B| / (|A| + |B|)"
        metrics += [Metric(f"dice:{n}", f"pixels of class {n}: {area}, one image") for n in names]
        metrics += [Metric(f"pq:{n}", f"pq of the objects of class {n}, one image") for n in names]
        weighted = "2 TP / (2 TP + 2 confused + missed + invented), most pairs within 12 px"
        metrics += [Metric(f"f_c:{n}", f"class {n}: {weighted}, one image") for n in names]
    return {metric.name: metric for metric in metrics}


def describe(names: Iterable[str]) -> dict[str, Metric]:
    """What the metrics of a table read back are; of unknown ones only that the table has them,
    and neither way is better.
    """
    names = list(names)
    heads = ("dice:", "pq:", "f_c:")
    classes = dict.fromkeys(n.partition(":")[2] for n in names if n.startswith(heads))
    known = {**IMAGE_METRICS, MPQ.name: MPQ, **described(tuple(classes))}
    return {n: known.get(n, Metric(n, "as its table holds it", "none", "")) for n in names}


def tally(
    truth: NDArray[np.integer],
    prediction: NDArray[np.integer],
    true_classes: Mapping[int, int] = _NO_CLASSES,
    pred_classes: Mapping[int, int] = _NO_CLASSES,
    *,
    n_classes: int = 0,
    nearest: bool = False,
    stratum: str = "",
    fold: str = "",
) -> Tally:
    """The counts of a predicted id map against a true one, both [H W] with 0 = background.

    Args:
        truth: ids may have gaps.
        prediction: likewise.
        true_classes: class of each true object by its id; not looked at where `n_classes` is 0.
        pred_classes: class of each predicted object by its id.
        n_classes: K; 0 where objects have no classes.
        nearest: also pair as HoVer-Net's script does.
        stratum: see `Tally`.
        fold: see `Tally`.

    Raises DataError where the maps do not fit together or a class is not in 0..K.
    """
    table = contingency(truth, prediction)
    true = classes_of(table.true, true_classes if n_classes else {}, n_classes)
    pred = classes_of(table.pred, pred_classes if n_classes else {}, n_classes)
    here, there = centroids(truth, table.true), centroids(prediction, table.pred)
    pairs = detection(pair_most(here, there), true, pred, n_classes)
    return Tally(
        scores=score_table(table),
        classes=class_counts(table, true, pred, n_classes),
        class_dice=class_dice(table, true, pred, n_classes),
        middle=np.stack(
            [
                middle_counts(truth, table.true, true, n_classes),
                middle_counts(prediction, table.pred, pred, n_classes),
            ]
        ),
        pairs=pairs,
        nearest=detection(pair_nearest(here, there), true, pred, n_classes) if nearest else None,
        stratum=stratum,
        fold=fold,
    )
