"""The files of HoVer-Net: what is read, how outlines are filled, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import io

from histokit.errors import DataError
from histokit.io.hovernet_files import fill, read_hovernet_json, read_hovernet_mat

SQUARE = np.array([[3, 7], [3, 16], [12, 16], [12, 7]])


def test_a_square_of_ten_pixels_gives_a_hundred():
    ids = fill([(5, SQUARE)], (120, 160))
    assert (ids == 5).sum() == 100
    rows, columns = np.nonzero(ids)
    assert (columns.mean(), rows.mean()) == (7.5, 11.5)


@pytest.mark.parametrize(
    ("ring", "pixels"),
    [([[4, 2]], 1), ([[4, 2], [6, 2]], 3), ([[0, 0], [3, 3]], 4), ([[2, 2], [4, 4], [6, 2]], 9)],
)
def test_thin_outlines(ring, pixels):
    assert (fill([(1, np.array(ring))], (8, 8)) > 0).sum() == pixels


@settings(max_examples=50, deadline=None)
@given(*[st.integers(2, 6)] * 4, *[st.integers(0, 9)] * 2)
def test_pixels_within_and_upon_an_outline_belong_to_it(a, b, c, d, x, y):
    """Octagons with steps in the eight directions, as outlines of pixels have."""
    ring = np.cumsum(
        [[x, y], [a, 0], [b, b], [0, c], [-d, d], [-a, 0], [-b, -b], [0, -c], [d, -d]], axis=0
    )[:-1]
    ring = ring - ring.min(axis=0)
    shape = (int(ring[:, 1].max()) + 2, int(ring[:, 0].max()) + 2)
    columns, rows = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    wanted = shapely.intersects_xy(shapely.Polygon(ring), columns.ravel(), rows.ravel())
    np.testing.assert_array_equal(fill([(1, ring)], shape).ravel() > 0, wanted)


def test_neighbours_keep_their_own_pixels_and_what_is_outside_is_cut():
    beside = SQUARE + np.array([10, 0])
    ids = fill([(1, SQUARE), (2, beside), (3, SQUARE - np.array([8, 0]))], (20, 30))
    assert [(ids == n).sum() for n in (1, 2)] == [100, 100]
    assert (ids == 3).sum() == 3 * 10


def test_nuclei_and_their_types_are_read(tmp_path):
    path = tmp_path / "a.json"
    nucleus = {"bbox": [[7, 3], [17, 13]], "centroid": [7.5, 11.5], "contour": SQUARE.tolist()}
    path.write_text(
        json.dumps(
            {"mag": None, "nuc": {"3": {**nucleus, "type": 2}, "9": {**nucleus, "type": None}}}
        )
    )
    found = read_hovernet_json(path)
    assert list(found.rings) == [3, 9]
    assert found.types == {3: 2}
    np.testing.assert_array_equal(found.rings[3], SQUARE)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], 'a member "nuc"'),
        ({"nuc": {"x": {"contour": [[1, 2]]}}}, "nucleus x"),
        ({"nuc": {"0": {"contour": [[1, 2]]}}}, "nucleus 0"),
        ({"nuc": {"1": {"contour": []}}}, "nucleus 1"),
        ({"nuc": {"1": {"centroid": [1, 2]}}}, "nucleus 1"),
        ({"nuc": {"1": [1, 2]}}, "nucleus 1"),
        ({"nuc": {"1": {"contour": [[1, 2]], "type": "b"}}}, "nucleus 1"),
    ],
)
def test_broken_outlines_are_told(tmp_path, value, said):
    (tmp_path / "a.json").write_text(json.dumps(value))
    with pytest.raises(DataError, match=said) as error:
        read_hovernet_json(tmp_path / "a.json")
    assert "a.json" in str(error.value)


def save(path, **variables):
    io.savemat(path, variables)
    return path


MAP = np.array([[0, 2, 2], [7, 0, 4]], float)


def test_types_follow_the_uids_or_the_sorted_ids(tmp_path):
    kinds = np.array([[1.0], [2.0], [3.0]])
    path = save(tmp_path / "a.mat", inst_map=MAP, inst_type=kinds)
    ids, types = read_hovernet_mat(path)
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, MAP)
    assert types == {2: 1, 4: 2, 7: 3}
    path = save(tmp_path / "b.mat", inst_map=MAP, inst_type=kinds, inst_uid=[[7], [4], [2]])
    assert read_hovernet_mat(path)[1] == {7: 1, 4: 2, 2: 3}
    assert read_hovernet_mat(save(tmp_path / "c.mat", inst_map=MAP))[1] == {}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"type_map": MAP}, "inst_map"),
        ({"inst_map": MAP / 2}, "fractions"),
        ({"inst_map": -MAP}, "values from -7"),
        ({"inst_map": np.full((2, 2), np.nan)}, "nan"),
        ({"inst_map": np.zeros((2, 2, 2))}, "shape"),
        ({"inst_map": np.array(["a"])}, "numbers"),
        ({"inst_map": MAP, "inst_type": [[1], [2]]}, "2 types"),
    ],
)
def test_broken_maps_are_told(tmp_path, variables, said):
    with pytest.raises(DataError, match=said):
        read_hovernet_mat(save(tmp_path / "a.mat", **variables))


def test_a_damaged_file_is_told(tmp_path):
    path = save(tmp_path / "a.mat", inst_map=MAP)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(DataError, match=r"a\.mat"):
        read_hovernet_mat(path)
