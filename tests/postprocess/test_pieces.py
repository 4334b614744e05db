"""Pieces of classes: touching classes are parted, touching objects of one class are not."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.postprocess.pieces import class_pieces


def test_pieces_are_numbered_class_by_class():
    kinds = np.array([[2, 2, 1, 1], [0, 0, 0, 0], [1, 0, 2, 0]])
    found = class_pieces(kinds)
    assert found.ids.dtype == np.int32
    assert found.ids.tolist() == [[3, 3, 1, 1], [0, 0, 0, 0], [2, 0, 4, 0]]
    assert found.classes == {1: 1, 2: 1, 3: 2, 4: 2}


@pytest.mark.parametrize(("connectivity", "count"), [(4, 2), (8, 1)])
def test_corners_join_where_they_are_asked_to(connectivity, count):
    assert class_pieces(np.eye(2, dtype=int), connectivity=connectivity).ids.max() == count


def test_small_pieces_are_dropped():
    found = class_pieces(np.array([[1, 0, 2, 2]]), min_area=2)
    assert found.ids.tolist() == [[0, 0, 1, 1]]
    assert found.classes == {1: 2}


def test_nothing_is_no_object():
    found = class_pieces(np.zeros((3, 3), np.int32))
    assert not found.ids.any()
    assert found.classes == {}
