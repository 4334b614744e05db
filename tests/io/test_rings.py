from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from shapely.geometry import MultiPolygon, Polygon

from histokit.io.rings import rasterise, shoelace, trace

quiet = settings(deadline=None)
tenths = st.integers(-30, 150).map(lambda count: count / 10)
maps = arrays(
    np.int32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 3)
)


def rings_of(outlines):
    return [(key, [ring for part in parts for ring in part]) for key, parts in outlines.items()]


@quiet
@given(maps)
def test_outlines_are_valid_and_hold_exactly_the_pixels(ids):
    outlines = trace(ids)
    assert list(outlines) == [key for key in np.unique(ids) if key]
    for key, parts in outlines.items():
        shape = MultiPolygon([Polygon(part[0], part[1:]) for part in parts])
        assert shape.is_valid
        assert shape.area == np.sum(ids == key)
        assert all(shoelace(part[0]) > 0 for part in parts)
        assert all(shoelace(hole) < 0 for part in parts for hole in part[1:])


@quiet
@given(maps)
def test_every_point_is_a_corner(ids):
    for _, rings in rings_of(trace(ids)):
        for ring in rings:
            closed = np.array([*ring, *ring[:2]])
            steps = np.diff(closed, axis=0)
            assert (np.count_nonzero(steps, axis=1) == 1).all()
            assert (steps[:-1] * steps[1:] == 0).all()


@quiet
@given(maps)
def test_tracing_and_rasterising_is_the_identity(ids):
    np.testing.assert_array_equal(rasterise(rings_of(trace(ids)), ids.shape), ids)


def test_a_square_is_its_four_corners_in_x_y():
    ids = np.zeros((120, 160), np.int32)
    ids[7:17, 3:13] = 70_000
    assert trace(ids) == {70_000: [[[(13, 7), (13, 17), (3, 17), (3, 7)]]]}


def test_a_hole_that_touches_the_outside_by_a_corner_stays_a_hole():
    ids = np.ones((4, 4), np.int32)
    ids[0, 0] = ids[1, 1] = 0
    ((outer, hole),) = trace(ids)[1]
    assert (shoelace(outer), shoelace(hole)) == (15, -1)
    assert (1, 1) in outer
    assert (1, 1) in hole


def test_pixels_that_share_only_a_corner_are_two_parts():
    parts = trace(np.eye(2, dtype=np.int32))[1]
    assert [shoelace(part[0]) for part in parts] == [1, 1]


def test_an_island_in_a_lake_is_a_part_of_its_own():
    ids = np.ones((5, 5), np.int32)
    ids[1:4, 1:4] = 0
    ids[2, 2] = 1
    first, second = trace(ids)[1]
    assert [shoelace(ring) for ring in first] == [25, -9]
    assert [shoelace(ring) for ring in second] == [1]


@pytest.mark.parametrize("shape", [(1, 1), (3, 7)])
def test_nothing_has_no_outline(shape):
    assert trace(np.zeros(shape, np.int32)) == {}
    assert not rasterise([], shape).any()


@quiet
@given(st.lists(st.tuples(tenths, tenths), min_size=3, max_size=3, unique=True))
def test_a_triangle_takes_the_centres_that_shapely_finds_inside(corners):
    ids = rasterise([(1, [corners])], (9, 12))
    rows, cols = np.mgrid[:9, :12]
    centres = shapely.points(cols + 0.5, rows + 0.5)
    triangle = Polygon(corners)
    far = shapely.distance(triangle.boundary, centres) > 1e-9
    inside = shapely.contains(triangle, centres)
    np.testing.assert_array_equal((ids == 1)[far], inside[far])


def test_the_first_object_keeps_what_two_share_and_the_rest_is_cut_off():
    square = [(0, 0), (4, 0), (4, 4), (0, 4)]
    other = [(2, -5), (99, -5), (99, 2), (2, 2)]
    ids = rasterise([(5, [square]), (6, [other])], (4, 6))
    wanted = np.array([[5, 5, 5, 5, 6, 6]] * 2 + [[5, 5, 5, 5, 0, 0]] * 2)
    np.testing.assert_array_equal(ids, wanted)


def test_neighbours_along_a_line_through_centres_share_no_pixel_and_leave_none():
    left = [(0, 0), (2.5, 0), (2.5, 3), (0, 3)]
    right = [(2.5, 0), (5, 0), (5, 3), (2.5, 3)]
    np.testing.assert_array_equal(
        rasterise([(1, [left]), (2, [right])], (3, 5)), [[1, 1, 2, 2, 2]] * 3
    )
