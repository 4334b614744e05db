"""Statistics of FID and KID beside the packages for them, from 2048 features."""

from __future__ import annotations

from functools import cache, partial

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


@pytest.fixture
def same_and_faster(beside):
    """Compares a distance with a peer's, which takes so long that it is called once: the value, to
    `near`, and the time.
    """

    def compare(ours, theirs, near, **how):
        found = []
        value = ours()
        beside(ours, lambda: found.append(float(theirs())), rounds=1, warm=False, **how)
        assert value == pytest.approx(found[0], rel=near)

    return compare


NEAR = 1e-4
"""Of Fréchet distances: a covariance of fewer images than features is singular, and the root that
the packages take of it no longer exact."""


@pytest.mark.parametrize(("count", "goal"), [(500, 95), (2000, 7)])
def test_fid_beside_pytorch_fid(same_and_faster, count, goal):
    theirs = pytest.importorskip("pytorch_fid.fid_score").calculate_frechet_distance
    first, second = features(count)
    same_and_faster(
        partial(frechet_distance, first, second),
        lambda: theirs(*statistics(first), *statistics(second)),
        NEAR,
        name="pytorch-fid",
        goal=goal,
    )


def test_fid_of_500_beside_torch_fidelity(same_and_faster):
    theirs = pytest.importorskip("torch_fidelity.metric_fid")
    first, second = features(500)
    both = [torch.from_numpy(samples) for samples in (first, second)]

    def whole():
        found = [theirs.fid_features_to_statistics(samples) for samples in both]
        return theirs.fid_statistics_to_metric(*found, verbose=False)[theirs.KEY_METRIC_FID]

    ours = partial(frechet_distance, first, second)
    same_and_faster(ours, whole, NEAR, name="torch-fidelity", goal=29)


@pytest.mark.parametrize(("count", "goal"), [(500, 29), (2000, 2.3)])
def test_fid_beside_torchmetrics(same_and_faster, count, goal):
    theirs = pytest.importorskip("torchmetrics.image.fid")._compute_fid
    first, second = features(count)

    def whole():
        both = [[torch.from_numpy(part) for part in statistics(s)] for s in (first, second)]
        return theirs(*both[0], *both[1])

    ours = partial(frechet_distance, first, second)
    same_and_faster(ours, whole, NEAR, name="torchmetrics", goal=goal)


@pytest.mark.parametrize(("count", "size"), [(500, 500), (2000, 1000)])
def test_kid_beside_torch_fidelity(same_and_faster, count, size):
    theirs = pytest.importorskip("torch_fidelity.metric_kid")
    first, second = features(count)
    how = {"kid_subsets": 100, "kid_subset_size": size, "verbose": False, "rng_seed": 2020}
    both = [torch.from_numpy(samples) for samples in (first, second)]
    same_and_faster(
        lambda: kernel_distance(first, second, subsets=100, size=size, seed=2020).mean,
        lambda: theirs.kid_features_to_metric(*both, **how)["kernel_inception_distance_mean"],
        1e-5,
        name="torch-fidelity",
        goal=20,
    )
