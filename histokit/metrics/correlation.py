"""How two numbers of the same images go together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from histokit.metrics.table import ImageScore

FEWEST = 3
"""Images below which nothing is said: any two points lie on a line."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """How a number of each image goes together with a score.

    Attributes:
        measure, score: what goes together.
        n: images that have both.
        pearson: of the values; None with fewer than three images or where one never varies.
        spearman: of the ranks, equal values sharing theirs; None likewise.
        line: slope and intercept of the score over the measure by least squares; None likewise.
    """

    measure: str
    score: str
    n: int
    pearson: float | None
    spearman: float | None
    line: tuple[float, float] | None


def correlate(rows: Sequence[ImageScore], measure: str, score: str) -> Correlation:
    """Over the images that have both; failed and undefined ones are left out."""
    points = both_of(rows, measure, score)
    first, second = points.T
    pearson = _pearson(first, second)
    if pearson is None:
        return Correlation(measure, score, len(points), None, None, None)
    spearman = _pearson(rankdata(first), rankdata(second))
    slope = pearson * float(second.std() / first.std())
    line = slope, float(second.mean()) - slope * float(first.mean())
    return Correlation(measure, score, len(points), pearson, spearman, line)


def both_of(rows: Sequence[ImageScore], measure: str, score: str) -> NDArray[np.float64]:
    """Measure and score of the images that have both, float64 [n 2]."""
    pairs = [(row.values.get(measure), row.values.get(score)) for row in rows if not row.error]
    found = [(a, b) for a, b in pairs if a is not None and b is not None]
    return np.asarray(found, np.float64).reshape(-1, 2)


def _pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Pearson's coefficient; None where it is undefined."""
    if len(first) < FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    a, b = first - first.mean(), second - second.mean()
    found = float(a @ b / math.sqrt(float(a @ a) * float(b @ b)))
    return max(-1.0, min(1.0, found))
