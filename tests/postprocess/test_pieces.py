"""Pieces of classes: touching classes are parted, touching objects of one class are not."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.errors import DataError
from histokit.interfaces.segmenter import Instances
from histokit.postprocess.pieces import class_pieces, keep_confident


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


def scored():
    ids = np.array([[1, 1, 0, 2], [0, 3, 3, 0]], np.int32)
    return Instances(ids, {1: 2, 2: 1}, {1: 0.9, 2: 0.2, 3: 0.5})


def test_objects_of_too_little_confidence_go():
    found = keep_confident(scored(), 0.5)
    assert found.ids.tolist() == [[1, 1, 0, 0], [0, 2, 2, 0]]
    assert found.ids.dtype == np.int32
    assert found.classes == {1: 2}
    assert found.scores == {1: 0.9, 2: 0.5}
    assert not keep_confident(scored(), 1.0).ids.any()


def test_all_objects_stay_unless_asked():
    every, bare = scored(), Instances(scored().ids)
    assert keep_confident(every, 0.0) is every
    assert keep_confident(bare, 0.0) is bare
    with pytest.raises(DataError, match="no confidence"):
        keep_confident(bare, 0.1)
