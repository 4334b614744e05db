"""How sure a mean over images is, by drawing the patients again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4_000_000
"""Draws held in memory at once."""


def mean_interval(
    values: Sequence[float],
    groups: Sequence[str],
    *,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """The percentile bootstrap interval of the mean of `values`; None with fewer than two groups.

    Whole groups are drawn with replacement, since images of one patient resemble each other; each
    draw's value is the mean over all its images. Where every image is its own group this is the
    plain bootstrap over images (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
    """
    _, index = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    sizes = np.bincount(index)
    if sizes.size < 2:
        return None
    sums = np.bincount(index, weights=np.asarray(values, np.float64)).astype(np.float64)
    means = _drawn_means(sums, sizes, resamples, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _drawn_means(
    sums: NDArray[np.float64], sizes: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """[resamples], the mean over images of as many groups as there are, drawn anew each time."""
    count = sums.size
    step = max(1, _BLOCK // count)
    means = []
    for start in range(0, resamples, step):
        drawn = rng.integers(0, count, size=(min(step, resamples - start), count))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)
