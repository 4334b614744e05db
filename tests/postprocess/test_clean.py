from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from skimage import measure, segmentation

from histokit.postprocess.clean import components, fill_holes, relabel, remove_small

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))
maps = arrays(
    np.int32, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 9)
)


@settings(deadline=None)
@given(masks, st.sampled_from([4, 8]))
def test_components_are_those_of_scikit_image(mask, connectivity):
    wanted = measure.label(mask, connectivity=1 if connectivity == 4 else 2)
    found = components(mask, connectivity)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, wanted)


@settings(deadline=None)
@given(masks)
def test_all_holes_are_those_of_scipy(mask):
    # SciPy lets the background out through edges only, as holes of an 8-connected mask
    np.testing.assert_array_equal(fill_holes(mask, connectivity=8), ndimage.binary_fill_holes(mask))
    corners = np.ones((3, 3))
    np.testing.assert_array_equal(
        fill_holes(mask, connectivity=4), ndimage.binary_fill_holes(mask, corners)
    )


def test_large_holes_stay_open_and_bays_are_no_holes():
    mask = np.ones((12, 20), bool)
    mask[2:4, 2:4] = False
    mask[2:5, 8:11] = False
    mask[6:, 15] = False
    filled = fill_holes(mask, 4)
    assert filled[2:4, 2:4].all()
    assert not filled[2:5, 8:11].any()
    assert not filled[6:, 15].any()


def test_an_image_without_background_or_without_foreground():
    assert fill_holes(np.ones((3, 3), bool)).all()
    assert not fill_holes(np.zeros((3, 3), bool)).any()


@settings(deadline=None)
@given(maps)
def test_relabel_is_that_of_scikit_image(ids):
    np.testing.assert_array_equal(relabel(ids), segmentation.relabel_sequential(ids)[0])


@settings(deadline=None)
@given(maps, st.integers(0, 8))
def test_only_small_objects_go(ids, least):
    found = remove_small(ids, least)
    kept = [key for key in np.unique(ids) if key and np.sum(ids == key) >= least]
    assert found.max(initial=0) == len(kept)
    for number, key in enumerate(kept, start=1):
        np.testing.assert_array_equal(found == number, ids == key)
