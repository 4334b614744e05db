"""Whether two methods differ on the same images: tests, their correction, and an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from histokit.errors import DataError
from histokit.metrics.bootstrap import mean_interval
from histokit.metrics.table import ImageScore

EXACT_UNITS = 13
"""Up to so many units all sign patterns are tried; beyond it they are drawn."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Paired:
    """How the scores of a second method differ from those of a first on the same images.

    Attributes:
        difference: mean over images of second less first.
        low, high: bootstrap interval of `difference`; None with fewer than two units.
        p_permutation: of the paired permutation test; None with fewer than two units.
        p_wilcoxon: of Wilcoxon's signed-rank test; None with fewer than two units.
        n: images.
        n_units: groups (patients) that the images are of; an image without one stands alone.
        exact: whether the permutation test tried every pattern of signs.
        level: of the interval.
    """

    difference: float
    low: float | None
    high: float | None
    p_permutation: float | None
    p_wilcoxon: float | None
    n: int
    n_units: int
    exact: bool
    level: float = 0.95

    @property
    def least_p(self) -> float:
        """The smallest p that the permutation test can give with so few units."""
        return min(1.0, 2.0 ** (1 - self.n_units))


def unit_of(row: ImageScore) -> str:
    """What is drawn or flipped as a whole: the group of an image, or the image itself."""
    return f"group {row.group}" if row.group else f"image {row.key}"


def paired(
    first: Sequence[float],
    second: Sequence[float],
    units: Sequence[str],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Paired:
    """Compares two scores of the same images, given in the same order.

    Images of one unit resemble each other, so both tests and the interval take a unit as a whole.

    Raises DataError where there is no image or the three differ in length.
    """
    if not len(first) == len(second) == len(units) or not len(units):
        raise DataError(
            "these scores cannot be compared in pairs",
            expected="two scores and a group for each of at least one image",
            found=f"{len(first)} and {len(second)} scores of {len(units)} images",
        )
    differences = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    _, index = np.unique(np.asarray(units, dtype=object), return_inverse=True)
    sums = np.bincount(index, weights=differences).astype(np.float64)
    interval = mean_interval(differences.tolist(), units, seed=seed, level=level)
    low, high = interval or (None, None)
    testable = sums.size > 1
    return Paired(
        difference=float(differences.mean()),
        low=low,
        high=high,
        p_permutation=sign_flip_p(sums, resamples=resamples, seed=seed) if testable else None,
        p_wilcoxon=wilcoxon_p(sums / np.bincount(index)) if testable else None,
        n=differences.size,
        n_units=sums.size,
        exact=sums.size <= EXACT_UNITS,
        level=level,
    )


def sign_flip_p(sums: Values, *, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of the paired permutation test on the sums of differences of each unit.

    Where nothing distinguishes the methods, swapping them in a unit, which turns the sign of its
    sum, changes nothing; p is the share of sign patterns whose total is at least as far from 0.
    Up to 13 units every pattern counts; beyond it `resamples` are drawn and the one observed is
    added (Phipson and Smyth 2010), so p is never 0.
    """
    observed = abs(float(sums.sum()))
    reach = observed - 1e-12 * float(np.abs(sums).sum())
    if sums.size <= EXACT_UNITS:
        bits = np.arange(2**sums.size)[:, None] >> np.arange(sums.size) & 1
        return float(np.mean(np.abs((2 * bits - 1) @ sums) >= reach))
    rng = np.random.default_rng(seed)
    block = max(1, 1_000_000 // sums.size)
    hits = 0
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        signs = 2 * rng.integers(0, 2, size=(count, sums.size)) - 1
        hits += int(np.count_nonzero(np.abs(signs @ sums) >= reach))
    return (hits + 1) / (resamples + 1)


def wilcoxon_p(differences: Values) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, zeros dropped; 1 where all are 0."""
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences).pvalue)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Each p corrected for the number of tests by Holm's step-down rule (Holm 1979).

    None stands for a test that could not be made; it counts as no test.
    """
    made = sorted((p, place) for place, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (p, place) in enumerate(made):
        highest = max(highest, min(1.0, (len(made) - rank) * p))
        corrected[place] = highest
    return corrected
