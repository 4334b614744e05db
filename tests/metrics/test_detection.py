"""Pairs of centroids against every possible pairing, and the scores of HoVer-Net."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histokit.metrics.contingency import contingency
from histokit.metrics.detection import (
    RADIUS,
    Detection,
    accuracy,
    centroids,
    detection,
    f_class,
    f_detection,
    pair_most,
    pair_nearest,
)

POINTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5)


def points(*pairs):
    return np.array(pairs, float).reshape(-1, 2)


def best(true, pred):
    """The most pairs and then the least distance of all pairings, tried one by one."""
    if len(true) > len(pred):
        true, pred = pred, true
    found = (0, 0.0)
    for chosen in permutations(range(len(pred)), len(true)):
        far = np.linalg.norm(true - pred[list(chosen)], axis=1)
        near = far[far <= RADIUS]
        found = max(found, (len(near), -near.sum()))
    return found


@settings(max_examples=60, deadline=None)
@given(POINTS, POINTS)
def test_as_many_pairs_as_can_be_and_of_these_the_nearest(true, pred):
    true, pred = points(*true), points(*pred)
    rows, cols = pair_most(true, pred)
    far = np.linalg.norm(true[rows] - pred[cols], axis=1)
    assert (far <= RADIUS).all()
    assert len(set(rows)) == len(set(cols)) == len(rows)
    count, distance = best(true, pred)
    assert len(rows) == count
    assert far.sum() == pytest.approx(-distance, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(POINTS, POINTS)
def test_the_script_never_finds_more(true, pred):
    true, pred = points(*true), points(*pred)
    assert len(pair_nearest(true, pred)[0]) <= len(pair_most(true, pred)[0])


def test_a_far_object_takes_a_partner_away_in_the_script_only():
    true, pred = points((0, 0), (0, 13)), points((0, 12), (0, 25))
    assert len(pair_most(true, pred)[0]) == 2
    true, pred = points((0, 0), (0, 30)), points((0, 10), (0, -40))
    assert [a.tolist() for a in pair_most(true, pred)] == [[0], [0]]
    assert pair_nearest(true, pred)[0].size == 0


@pytest.mark.parametrize("pair", [pair_most, pair_nearest])
def test_twelve_pixels_are_near_and_more_are_not(pair):
    assert pair(points((0, 0)), points((12, 0)))[0].size == 1
    assert pair(points((0, 0)), points((12, 0.1)))[0].size == 0
    assert pair(points((3, 3)), points((3, 3)))[0].size == 1
    assert pair(points(), points((1, 1)))[0].size == 0


def test_centroids_are_means_of_pixel_centres_in_order_of_the_ids():
    ids = np.zeros((20, 30), np.int32)
    ids[7:17, 3:13] = 9
    ids[0:1, 20:24] = 4
    found = centroids(ids, contingency(ids, ids).true)
    assert found.tolist() == [[0.0, 21.5], [11.5, 7.5]]


def test_scores_by_hand():
    """Four pairs: 1-1, 1-2, 2-2, 2-0; a missed 1, two invented 2."""
    pairs = (np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3]))
    counts = detection(pairs, np.array([1, 1, 2, 2, 1]), np.array([1, 2, 2, 0, 2, 2]), 2)
    assert f_detection(counts) == pytest.approx(8 / (8 + 1 + 2))
    assert accuracy(counts) == 0.5
    assert f_class(counts, 1) == pytest.approx(2 / (2 + 2 * 1 + 1))
    assert f_class(counts, 2) == pytest.approx(2 / (2 + 2 * 2 + 2))
    twice = Detection.total([counts, counts], 2)
    assert f_class(twice, 2) == f_class(counts, 2)
    assert f_detection(twice) == f_detection(counts)


def test_nothing_has_no_score():
    nothing = Detection.total([], 1)
    assert (f_detection(nothing), accuracy(nothing), f_class(nothing, 1)) == (None, None, None)
