"""Counts by class against one pair of maps a class, and the reference values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from histokit.errors import DataError
from histokit.metrics.classes import (
    ClassCounts,
    class_counts,
    class_pq,
    classes_of,
    mean,
    middle_counts,
    panoptic,
    r_squared,
)
from histokit.metrics.contingency import contingency
from histokit.metrics.scores import score

MAPS = hnp.arrays(np.int32, (2, 5, 6), elements=st.integers(0, 4))
KINDS = st.lists(st.integers(0, 3), min_size=4, max_size=4)


@given(MAPS, KINDS, KINDS)
def test_one_table_gives_what_a_map_for_each_class_gives(maps, true_kinds, pred_kinds):
    truth, prediction = maps
    true_kinds, pred_kinds = np.array([0, *true_kinds]), np.array([0, *pred_kinds])
    table = contingency(truth, prediction)
    true = classes_of(table.true, dict(enumerate(true_kinds)), 3)
    pred = classes_of(table.pred, dict(enumerate(pred_kinds)), 3)
    counts = class_counts(table, true, pred, 3)
    for kind in (1, 2, 3):
        alone = score(
            np.where(true_kinds[truth] == kind, truth, 0),
            np.where(pred_kinds[prediction] == kind, prediction, 0),
        )
        of_kind = [a[kind - 1] for a in (counts.n_true, counts.n_pred, counts.tp, counts.sum_iou)]
        assert of_kind == pytest.approx([alone.n_true, alone.n_pred, alone.tp, alone.sum_iou])
        assert class_pq(counts)[kind - 1] == (
            None if alone.pq is None else pytest.approx(alone.pq, abs=1e-12)
        )


def test_reference_conic_pq_of_one_image(vectors):
    for pair in vectors("metrics")["pairs"]:
        found = score(np.array(pair["true"], np.int32), np.array(pair["pred"], np.int32))
        value = panoptic(found.n_true, found.n_pred, found.tp, found.sum_iou, eps=1e-6) or 0.0
        assert value == pytest.approx(pair["expected_conic_dq_sq_pq"][2], abs=1e-9), pair["name"]


def test_reference_r_squared(vectors):
    data = vectors("metrics")["r2_example"]
    found = {}
    for name, true in data["true_counts"].items():
        found[name], varies = r_squared(np.array(true), np.array(data["pred_counts"][name]))
        assert varies
        assert found[name] == pytest.approx(data["r2"][name], abs=1e-12)
    assert mean(found.values()) == pytest.approx(data["mean"], abs=1e-12)


def test_counts_that_do_not_vary():
    assert r_squared(np.array([2, 2]), np.array([2, 2])) == (1.0, False)
    assert r_squared(np.array([2, 2]), np.array([2, 3])) == (0.0, False)
    assert r_squared(np.array([2]), np.array([2])) is None


def test_images_add_up():
    parts = [
        ClassCounts(*(np.array(a) for a in ([1, 0], [2, 1], [1, 0], [0.75, 0.0]))),
        ClassCounts(*(np.array(a) for a in ([0, 3], [1, 1], [0, 1], [0.0, 0.6]))),
    ]
    total = ClassCounts.total(parts, 2)
    assert total.n_true.tolist() == [1, 3]
    assert total.n_pred.tolist() == [3, 2]
    assert total.sum_iou.tolist() == [0.75, 0.6]
    assert class_pq(ClassCounts.total([], 2)) == [None, None]


def test_conic_counts_what_touches_the_middle_of_its_patches():
    ids = np.zeros((256, 256), np.int32)
    ids[0:16, 0:200] = 3  # ends at the border
    ids[100:110, 230:241] = 5  # reaches in by two columns
    ids[239:250, 20:30] = 8
    table = contingency(ids, ids)
    kinds = np.array([1, 2, 2])
    assert middle_counts(ids, table.true, kinds, 2).tolist() == [0, 2]
    smaller = ids[:, :255]
    assert middle_counts(smaller, contingency(smaller, smaller).true, kinds, 2).tolist() == [1, 2]


def test_a_class_that_the_data_set_lacks_is_told():
    ids = np.array([[1, 2]])
    with pytest.raises(DataError, match="classes 0 \\(none\\) to 4"):
        classes_of(contingency(ids, ids).true, {1: 5}, 4)
