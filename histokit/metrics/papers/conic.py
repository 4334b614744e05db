"""The tables of the CoNIC challenge (Graham et al. 2021): PQ, mPQ+ and R2 of class counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histokit.metrics.classes import ClassCounts, class_pq, mean, panoptic, r_squared
from histokit.metrics.matching import EPS
from histokit.metrics.papers.row import OUR_MEAN, Means, PaperRow
from histokit.metrics.scores import Scores
from histokit.metrics.tally import Tally

POOLED = "TP, FP, FN and IoU added up over all images"
R2 = "1 - squared errors / squared deviations of the nuclei counted in each image"


def table(tallies: Sequence[Tally], names: tuple[str, ...], ours: Means) -> list[PaperRow]:
    """Binary PQ, and with classes mPQ+ and R2, each also by class.

    R2 is of the nuclei that touch the middle 224 of 256 pixels, as in ``counts.csv``; ours, and
    images of other sizes, count all.
    """
    formula = "DQ with 1e-6 in its divisor; 0 for an image without nuclei; mean over images"
    paper = mean(image_pq(t.scores) for t in tallies)
    rows = [PaperRow("pq", paper, formula, ours["pq"], OUR_MEAN, len(tallies))]
    return [*rows, *_pooled(tallies, names), *_counts(tallies, names)] if names else rows


def image_pq(scores: Scores) -> float:
    """PQ of one image by CoNIC's formula."""
    value = panoptic(scores.n_true, scores.n_pred, scores.tp, scores.sum_iou, EPS)
    return 0.0 if value is None else value


def _pooled(tallies: Sequence[Tally], names: tuple[str, ...]) -> list[PaperRow]:
    """mPQ+ and its terms."""
    total = ClassCounts.total((t.classes for t in tallies), len(names))
    paper = [value or 0.0 for value in class_pq(total, EPS)]
    ours = class_pq(total)
    n = len(tallies)
    rows = [
        PaperRow(
            "mpq_plus",
            mean(paper),
            f"{POOLED}, PQ by class with 1e-6 in DQ's divisor; mean over classes, absent ones 0",
            mean(ours),
            f"{POOLED}, PQ by class; mean over the classes in truth or prediction",
            n,
        )
    ]
    formulas = (
        f"{POOLED}; 1e-6 in DQ's divisor, 0 where absent",
        f"{POOLED}; undefined where absent",
    )
    for name, theirs, own in zip(names, paper, ours, strict=True):
        rows.append(PaperRow(f"pq_plus:{name}", theirs, formulas[0], own, formulas[1], n))
    return rows


def _counts(tallies: Sequence[Tally], names: tuple[str, ...]) -> list[PaperRow]:
    """R2 and its terms."""
    n = len(tallies)
    middle = np.array([t.middle for t in tallies]).reshape(n, 2, len(names))
    whole = np.array([(t.classes.n_true, t.classes.n_pred) for t in tallies])
    whole = whole.reshape(n, 2, len(names))
    by_paper = [r_squared(middle[:, 0, k], middle[:, 1, k]) for k in range(len(names))]
    by_us = [r_squared(whole[:, 0, k], whole[:, 1, k]) for k in range(len(names))]
    paper = [None if one is None else one[0] for one in by_paper]
    ours = [one[0] if one is not None and one[1] else None for one in by_us]
    formulas = (
        f"{R2}, in the middle 224 of 256 pixels; constant counts: 1 if predicted exactly, else 0",
        f"{R2}; undefined for constant counts",
    )
    rows = [
        PaperRow(
            "r2",
            mean(paper),
            f"{formulas[0]}; mean over classes",
            mean(ours),
            f"{formulas[1]}; mean over the others",
            n,
            unit="",
        )
    ]
    for name, theirs, own in zip(names, paper, ours, strict=True):
        rows.append(PaperRow(f"r2:{name}", theirs, formulas[0], own, formulas[1], n, unit=""))
    return rows
