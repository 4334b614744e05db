"""Correlations are those of scipy, on the images that have both numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from histokit.metrics.correlation import both_of, correlate
from histokit.metrics.table import ImageScore

NUMBERS = st.lists(
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=30
).filter(lambda pairs: all(len(set(one)) > 1 for one in zip(*pairs, strict=True)))


def rows_of(pairs):
    return [ImageScore(f"i{n}", "", {"fd": a, "dice": b}) for n, (a, b) in enumerate(pairs)]


@given(NUMBERS)
@settings(max_examples=25, deadline=None)
def test_as_scipy_computes_them(pairs):
    found = correlate(rows_of(pairs), "fd", "dice")
    first, second = np.asarray(pairs, float).T
    assert found.n == len(pairs)
    assert found.pearson == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-9)
    assert found.spearman == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-9)
    fit = stats.linregress(first, second)
    assert found.line == pytest.approx((fit.slope, fit.intercept), abs=1e-9)


def test_only_images_with_both_count():
    rows = rows_of([(1, 0.1), (2, 0.3), (3, 0.2)])
    rows += [
        ImageScore("a", "", {"fd": None, "dice": 0.9}),
        ImageScore("b", "", {"fd": 9.0, "dice": None}),
        ImageScore("c", "", {"fd": 9.0, "dice": 0.9}, "failed after all"),
        ImageScore("d", "", {"dice": 0.9}),
    ]
    found = correlate(rows, "fd", "dice")
    assert (found.n, found.pearson) == (3, pytest.approx(0.5))
    assert both_of(rows, "fd", "dice").shape == (3, 2)


@pytest.mark.parametrize("pairs", [[], [(1, 2), (2, 3)], [(1, 2), (1, 3), (1, 4)]])
def test_nothing_is_said_of_too_little(pairs):
    found = correlate(rows_of(pairs), "fd", "dice")
    assert (found.n, found.pearson, found.spearman, found.line) == (len(pairs), None, None, None)
