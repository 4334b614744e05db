"""Statistics of FID and KID beside the packages for them, from 2048 features."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from histokit.metrics.images.distances import frechet_distance, kernel_distance

WIDTH = 2048


@cache
def features(count):
    draws = np.random.default_rng(0)
    mix = draws.normal(0, 0.02, (WIDTH, WIDTH)) + np.eye(WIDTH)
    one, other = draws.random((2, count, WIDTH))
    return one @ mix, 1.05 * other @ mix + 0.1


def statistics(samples):
    return samples.mean(0), np.cov(samples, rowvar=False)


@pytest.mark.parametrize(("count", "goal"), [(500, 95), (2000, 7)])
def test_fid_beside_pytorch_fid(beside, count, goal):
    theirs = pytest.importorskip("pytorch_fid.fid_score").calculate_frechet_distance
    first, second = features(count)

    def whole():
        return theirs(*statistics(first), *statistics(second))

    # a covariance of fewer images than features is singular, and its root no longer exact
    assert frechet_distance(first, second) == pytest.approx(whole(), rel=1e-4)
    beside(lambda: frechet_distance(first, second), whole, name="pytorch-fid", goal=goal, rounds=3)


@pytest.mark.parametrize(("count", "goal"), [(500, 29), (2000, 2.3)])
def test_fid_beside_torchmetrics(beside, count, goal):
    theirs = pytest.importorskip("torchmetrics.image.fid")._compute_fid
    first, second = features(count)

    def whole():
        both = [[torch.from_numpy(part) for part in statistics(s)] for s in (first, second)]
        return theirs(*both[0], *both[1])

    assert frechet_distance(first, second) == pytest.approx(float(whole()), rel=1e-4)
    beside(lambda: frechet_distance(first, second), whole, name="torchmetrics", goal=goal, rounds=3)


def test_kid_of_2000_beside_torch_fidelity(beside):
    theirs = pytest.importorskip("torch_fidelity.metric_kid")
    first, second = features(2000)
    how = {"kid_subsets": 100, "kid_subset_size": 1000, "verbose": False, "rng_seed": 2020}
    both = [torch.from_numpy(samples) for samples in (first, second)]

    def whole():
        return theirs.kid_features_to_metric(*both, **how)

    found = kernel_distance(first, second, subsets=100, size=1000, seed=2020)
    key = "kernel_inception_distance_mean"
    assert found.mean == pytest.approx(whole()[key], rel=1e-5)
    beside(lambda: kernel_distance(first, second), whole, name="torch-fidelity", goal=20, rounds=3)
