"""Fréchet and kernel distances equal their formulas, however fast they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from histokit.errors import DataError
from histokit.metrics.images import frechet_distance, kernel_distance, mmd2_unbiased
from histokit.metrics.images.distances import WHOLE


def features(n, d, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + shift


def test_the_vectors(vectors):
    case = vectors("mdcl")["kid_unbiased"]
    x, y = np.array(case["X"]), np.array(case["Y"])
    assert frechet_distance(x, y) == pytest.approx(vectors("mdcl")["fid"]["expected"], abs=1e-9)
    assert mmd2_unbiased(x, y) == pytest.approx(case["expected"], abs=1e-12)


@pytest.mark.parametrize("counts", [(200, 300), (200, 12), (9, 14)])
def test_frechet_is_the_formula_with_a_matrix_root(counts):
    x, y = features(counts[0], 16, 0), features(counts[1], 16, 1, 0.5)
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    eps = 1e-12 * np.eye(16)  # sqrtm needs it where a covariance is singular
    root = sqrtm((s1 + eps) @ (s2 + eps)).real
    gap = np.square(x.mean(0) - y.mean(0)).sum()
    expected = gap + np.trace(s1 + s2 - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), rel=1e-9)


def test_frechet_of_a_shift_is_its_square_and_of_itself_is_zero():
    x = features(50, 8, 0)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(x, x + 2) == pytest.approx(8 * 4)


def test_subsets_by_products_are_subsets_one_by_one(monkeypatch):
    x, y = features(60, 8, 0), features(50, 8, 1)
    fast = kernel_distance(x, y, subsets=7, size=20)
    rng = np.random.RandomState(2020)
    values = []
    for _ in range(7):
        first = x[rng.choice(60, 20, replace=False)]
        values.append(mmd2_unbiased(first, y[rng.choice(50, 20, replace=False)]))
    assert fast.mean == pytest.approx(np.mean(values), rel=1e-9)
    assert fast.std == pytest.approx(np.std(values), rel=1e-9)
    monkeypatch.setattr("histokit.metrics.images.distances.WHOLE", 10)
    slow = kernel_distance(x, y, subsets=7, size=20)
    assert slow.mean == pytest.approx(fast.mean, rel=1e-9)
    assert WHOLE > 10


def test_few_images_make_subsets_of_all_of_the_smaller_set():
    x, y = features(12, 4, 0), features(12, 4, 1)
    found = kernel_distance(x, y)
    assert found.size == 12
    assert found.mean == pytest.approx(mmd2_unbiased(x, y))
    assert found.std == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((1, 4)), "at least 2 images"),
        (np.full((3, 4), np.nan), "finite"),
        (np.ones((3, 5)), "different encoders"),
    ],
)
def test_what_cannot_be_compared(x, words):
    with pytest.raises(DataError, match=words):
        frechet_distance(features(3, 4, 0), x)


@pytest.mark.parametrize(("counts", "width"), [((300, 260), 64), ((40, 50), 128)])
def test_both_distances_are_those_of_torch_fidelity(counts, width):
    pytest.importorskip("torch_fidelity", reason="pip install 'histokit-core[fid]'")
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    rng = np.random.default_rng(5)
    first, second = (rng.gamma(2.0, 1.0 + 0.1 * k, (n, width)) for k, n in enumerate(counts))
    tensors = [torch.from_numpy(features) for features in (first, second)]
    theirs = fid_statistics_to_metric(*map(fid_features_to_statistics, tensors), verbose=False)
    (fid,) = theirs.values()
    assert frechet_distance(first, second) == pytest.approx(fid, rel=1e-6)
    kid = kid_features_to_metric(*tensors, kid_subset_size=30, rng_seed=2020, verbose=False)
    ours = kernel_distance(first, second, size=30)
    mean, std = kid.values()
    assert ours.mean == pytest.approx(mean, rel=1e-6, abs=1e-9)
    assert ours.std == pytest.approx(std, rel=1e-6)
