"""The distance targets of HoVer-Net: the release's numbers, and what holds for any id map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from histokit.errors import ContractError
from histokit.postprocess.hv_maps import fix_mirror_padding, hv_maps


def vector(vectors, name):
    return next(entry for entry in vectors("mani")["vectors"] if entry["name"] == name)


def boxes(instances, side=24):
    ids = np.zeros((side, side), np.int32)
    for number, top, bottom, left, right in instances:
        ids[top:bottom, left:right] = number
    return ids


def test_rectangles(vectors):
    entry = vector(vectors, "hv_map_24")
    expected = entry["expected"]
    ids = boxes(entry["input"]["instances"])
    x, y = hv_maps(ids)
    found = {
        "x_row_of_instance1_y5": x[5, 4:11],
        "y_col_of_instance1_x6": y[3:9, 6],
        "y_col_of_instance2_x6": y[9:14, 6],
        "x_row_of_instance3_y10": x[10, 14:21],
        "y_col_of_instance3_x17": y[4:20, 17],
        "x_row_of_instance5_y18": x[18, 2:7],
        "sum_abs_x": np.abs(x).sum(),
        "sum_abs_y": np.abs(y).sum(),
        "sum_x": x.sum(),
        "sum_y": y.sum(),
    }
    assert expected.pop("hv_at_small_object_all_zero")
    assert not x[ids == 7].any()
    assert not y[ids == 7].any()
    assert found.keys() == expected.keys()
    for key, value in found.items():
        assert value == pytest.approx(np.array(expected[key]), abs=entry["abs_tol"]), key


def test_the_border_mistake_only_on_request(vectors):
    entry = vector(vectors, "hv_map_border")
    ids = boxes(entry["input"]["instances"])
    reference = hv_maps(ids, border="reference")
    sums = [[float(np.abs(m[ids == number]).sum()) for m in reference] for number in (1, 2, 3)]
    assert np.allclose(sums, entry["expected"]["reference_sum_abs_per_instance"], atol=1e-4)
    x, y = hv_maps(ids)
    expected = entry["expected"]
    assert x[4, 10:17] == pytest.approx(expected["recommended_x_row_instance1"], abs=1e-5)
    assert y[1:9, 12] == pytest.approx(expected["recommended_y_col_instance1"], abs=1e-5)
    assert np.abs(x[ids == 2]).sum() > 0


def test_a_shape_that_bends(vectors):
    entry = vector(vectors, "hv_map_L_shape")
    ids = np.zeros((24, 24), np.int32)
    ids[3:15, 3:7] = 1
    ids[11:15, 3:16] = 1
    x, y = hv_maps(ids)
    expected = entry["expected"]
    assert x[12, 3:16] == pytest.approx(expected["x_row_12"], abs=entry["abs_tol"])
    column = y[3 : 3 + len(expected["y_col_4"]), 4]
    assert column[: len(expected["y_col_4"])] == pytest.approx(expected["y_col_4"], abs=1e-5)
    assert float(x.sum()) == pytest.approx(expected["sum_x"], abs=1e-4)
    assert float(y.sum()) == pytest.approx(expected["sum_y"], abs=1e-4)


def test_pieces_become_objects(vectors):
    entry = vector(vectors, "fix_mirror_padding")
    fixed = fix_mirror_padding(np.array(entry["input"]["map"]))
    assert fixed.dtype == np.int32
    assert fixed.tolist() == entry["expected"]["map"]


def plain_fix(ids):
    """The rule of the release, object by object."""
    fixed = ids.copy()
    for number in np.unique(ids[ids > 0]):
        pieces, count = ndimage.label(ids == number)
        largest = fixed.max()
        for piece in range(2, count + 1):
            fixed[pieces == piece] = largest + piece
    return fixed


def plain_maps(ids, min_area):
    """The definition of the release, object by object, without its border mistake."""
    found = np.zeros((2, *ids.shape), np.float32)
    for number in np.unique(ids[ids > 0]):
        mask = ids == number
        if mask.sum() < min_area:
            continue
        rows, columns = np.nonzero(mask)
        for channel, places in enumerate((columns, rows)):
            distance = (places + 1 - int(places.mean() + 0.5)).astype(np.float32)
            for side in (distance < 0, distance > 0):
                if side.any():
                    distance[side] /= np.abs(distance[side]).max()
            found[channel, rows, columns] = distance
    return found


id_maps = st.builds(
    lambda seed, high, cell: np.kron(
        np.random.default_rng(seed).integers(0, high, (8, 9)), np.ones((cell, cell), int)
    ).astype(np.int32),
    st.integers(0, 10_000),
    st.integers(1, 12),
    st.integers(1, 5),
)


@settings(max_examples=60, deadline=None)
@given(ids=id_maps, min_area=st.integers(0, 40))
def test_any_map_equals_the_definition(ids, min_area):
    fixed = fix_mirror_padding(ids)
    assert np.array_equal(fixed, plain_fix(ids))
    assert np.allclose(hv_maps(fixed, min_area=min_area), plain_maps(fixed, min_area), atol=1e-6)


def test_the_output_decides_which_objects_count():
    ids = boxes([(1, 4, 12, 0, 10), (2, 14, 20, 12, 20)])
    whole, middle = hv_maps(ids), hv_maps(ids, output=(12, 12))
    assert middle.shape == (2, 12, 12)
    first = ids[6:18, 6:18] == 1  # 24 pixels of it are left: fewer than 30
    assert whole[:, 6:18, 6:18][:, first].any()
    assert not middle[:, first].any()
    kept = hv_maps(ids, output=(12, 12), min_area=24)
    assert np.array_equal(kept, whole[:, 6:18, 6:18])


def test_nothing_gives_nothing():
    assert hv_maps(np.zeros((5, 7), np.int32)).shape == (2, 5, 7)
    assert not hv_maps(np.zeros((5, 7), np.int32)).any()
    assert not fix_mirror_padding(np.zeros((5, 7), np.int32)).any()


@pytest.mark.parametrize(("shape", "output"), [((1, 4, 4), None), ((4, 4), (5, 4))])
def test_maps_that_do_not_fit_are_refused(shape, output):
    with pytest.raises(ContractError, match="distance maps"):
        hv_maps(np.zeros(shape, np.int32), output=output)
