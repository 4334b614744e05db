"""Scores of a pair of id maps beside packages that give some of them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from histokit.metrics.scores import score

FIELDS = {256: 30, 1000: 1500, 4000: 20_000}
"""Nuclei by the side of the image."""


@pytest.fixture
def maps(field, mistaken):
    def pair(side):
        truth = field(side, FIELDS[side])
        return truth, mistaken(truth)

    return pair


@pytest.mark.parametrize(("side", "goal"), [(256, 2.4), (1000, 4)])
def test_all_scores_beside_pq_alone_of_stardist(beside, maps, side, goal):
    matching = pytest.importorskip("stardist.matching").matching
    truth, prediction = maps(side)
    theirs = matching(truth, prediction, thresh=0.5).panoptic_quality
    assert score(truth, prediction).pq == pytest.approx(theirs, abs=1e-5)
    beside(
        lambda: score(truth, prediction),
        lambda: matching(truth, prediction, thresh=0.5),
        name="stardist, PQ alone",
        goal=goal,
        number=20 if side == 256 else 1,
    )


@pytest.mark.parametrize(("side", "goal"), [(256, 35), (1000, 250)])
def test_all_scores_beside_pq_alone_of_torchmetrics(beside, maps, side, goal):
    functional = pytest.importorskip("torchmetrics.functional.detection")
    truth, prediction = maps(side)
    both = [
        torch.from_numpy(np.stack([ids > 0, ids], -1).astype(np.int64))[None]
        for ids in (prediction, truth)
    ]

    def theirs():
        return functional.panoptic_quality(*both, things={1}, stuffs={0}, return_per_class=True)

    assert score(truth, prediction).pq == pytest.approx(float(theirs()[0, 0]), abs=1e-5)
    beside(
        lambda: score(truth, prediction),
        theirs,
        name="torchmetrics, PQ alone",
        goal=goal,
        missed="torchmetrics has become faster since the goal was set" if side == 1000 else "",
        rounds=3,
    )


def test_all_scores_beside_pq_alone_of_monai_256(beside, maps):
    metrics = pytest.importorskip("monai.metrics.panoptic_quality")
    truth, prediction = maps(256)
    both = [torch.from_numpy(ids) for ids in (prediction, truth)]

    def theirs():
        return metrics.compute_panoptic_quality(*both, metric_name="pq", smooth_numerator=1e-6)

    assert score(truth, prediction).pq == pytest.approx(float(theirs()), abs=1e-5)
    beside(lambda: score(truth, prediction), theirs, name="MONAI, PQ alone", goal=35, number=10)


@pytest.mark.parametrize("side", FIELDS)
def test_all_scores_beside_one_look_at_every_pixel(beside, maps, side):
    truth, prediction = maps(side)
    beside(
        lambda: score(truth, prediction),
        lambda: (truth.sum(dtype=np.int64), prediction.sum(dtype=np.int64)),
        name="NumPy, two sums",
        goal=1 / 50,
        number=20 if side == 256 else 1,
    )


def test_memory_of_a_large_field(maps):
    truth, prediction = maps(4000)
    tracemalloc.start()
    score(truth, prediction)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6
