"""The table of overlaps against a plain count, and its memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from histokit.errors import DataError
from histokit.metrics.contingency import contingency

IDS = st.sampled_from([0, 0, 1, 2, 3, 9, 70_001, 2_000_000_000])


@st.composite
def map_pairs(draw):
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
    draw_map = hnp.arrays(np.int32, shape, elements=IDS)
    return draw(draw_map), draw(draw_map)


@given(map_pairs())
def test_the_table_counts_pixels(pair):
    truth, prediction = pair
    table = contingency(truth, prediction)
    for objects, ids in ((table.true, truth), (table.pred, prediction)):
        known = np.unique(ids[ids > 0])
        np.testing.assert_array_equal(objects.ids, known)
        np.testing.assert_array_equal(objects.areas, [(ids == i).sum() for i in known])
        flat = ids.ravel()
        np.testing.assert_array_equal(objects.first, [np.argmax(flat == i) for i in known])
    expected = {
        (t, p): int(((truth == t) & (prediction == p)).sum())
        for t in table.true.ids
        for p in table.pred.ids
        if ((truth == t) & (prediction == p)).any()
    }
    pairs = zip(table.true.ids[table.rows], table.pred.ids[table.cols], strict=True)
    assert dict(zip(pairs, table.overlap, strict=True)) == expected


def test_ids_may_be_of_any_integer_type():
    ids = np.array([[0, 3, 3], [7, 7, 0]])
    for kind in (np.uint8, np.uint16, np.int32, np.int64, np.uint64):
        table = contingency(ids.astype(kind), ids.astype(np.int32))
        assert table.true.ids.tolist() == [3, 7]
        assert table.overlap.tolist() == [2, 2]


def test_a_map_without_pixels_has_no_objects():
    empty = np.zeros((0, 5), np.int32)
    table = contingency(empty, empty)
    assert len(table.true) == len(table.pred) == table.overlap.size == 0


@pytest.mark.parametrize(
    ("truth", "prediction", "words"),
    [
        (np.zeros((4, 5), int), np.zeros((5, 4), int), "4 x 5"),
        (np.zeros((4, 5), int), np.zeros((4, 5), float), "float64"),
        (np.zeros((4, 5), bool), np.zeros((4, 5), int), "bool"),
        (np.zeros((1, 4, 5), int), np.zeros((1, 4, 5), int), "[1, 4, 5]"),
        (np.zeros((4, 5), int), np.full((4, 5), -1), "negative"),
    ],
)
def test_maps_that_do_not_fit_are_told(truth, prediction, words):
    with pytest.raises(DataError) as caught:
        contingency(truth, prediction)
    assert words in str(caught.value)


def grid(side: int, cell: int) -> np.ndarray:
    """A map of square objects, two thirds of a cell wide."""
    line = np.arange(side) // cell + 1
    inside = np.arange(side) % cell < 2 * cell // 3
    ids = line[:, None] * (line[-1] + 1) + line
    return np.where(inside[:, None] & inside, ids, 0).astype(np.int32)


def peak_bytes(side: int, cell: int) -> int:
    truth = grid(side, cell)
    prediction = np.roll(truth, (2, 1), (0, 1))
    tracemalloc.start()
    contingency(truth, prediction)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_is_linear_in_pixels_whatever_the_number_of_objects():
    small, large = peak_bytes(400, 10), peak_bytes(1600, 10)
    assert large < 1.2 * 16 * small  # 16 times the pixels and 16 times the objects
    assert large < 40 * 1600**2  # a table of 25 600 objects squared would take 5 GB
