"""Objects are measured as scikit-image measures them one by one."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import ellipse
from skimage.measure import regionprops

from histokit.metrics.shapes import means, shapes


def test_measures_are_those_of_scikit_image():
    ids = np.zeros((120, 160), np.int32)
    for key, (row, col, a, b, turn) in enumerate(
        [(20, 30, 12, 5, 0.4), (60, 80, 8, 8, 0), (95, 30, 6, 15, -0.9), (100, 140, 3, 11, 1.2)], 1
    ):
        ids[ellipse(row, col, a, b, ids.shape, turn)] = key
    ids[0, 0] = 5
    found = shapes(ids)
    for place, region in enumerate(regionprops(ids)):
        top, left, bottom, right = region.bbox
        assert (found.left[place], found.top[place]) == (left, top)
        assert (found.right[place], found.bottom[place]) == (right, bottom)
        assert found.area[place] == region.area
        assert (found.y[place] - 0.5, found.x[place] - 0.5) == pytest.approx(region.centroid)
        # scikit-image takes pixels for points, which have no second moment of their own
        major, minor = np.hypot([region.axis_major_length, region.axis_minor_length], 4 / 12**0.5)
        assert (found.major[place], found.minor[place]) == pytest.approx((major, minor))
        flat = np.sqrt(1 - (minor / major) ** 2)
        assert found.eccentricity[place] == pytest.approx(flat, abs=1e-6)
    long = [0, 2, 3]
    angles = np.array([region.orientation for region in regionprops(ids)])[long]
    # scikit-image turns from the rows' axis
    assert np.allclose(np.sin(2 * (np.pi / 2 - angles)), np.sin(2 * found.orientation[long]))


@pytest.mark.parametrize("radius", [6, 15, 40])
def test_the_perimeter_of_a_disc(radius):
    rows, cols = np.mgrid[-50:51, -50:51]
    found = shapes((np.hypot(rows, cols) <= radius).astype(np.int32))
    assert found.perimeter[0] == pytest.approx(2 * np.pi * radius, rel=0.1)


def test_a_square_in_corner_convention():
    ids = np.zeros((120, 160), np.int32)
    ids[7:17, 3:13] = 1
    found = shapes(ids)
    assert (found.x[0], found.y[0], found.area[0]) == (8.0, 12.0, 100.0)
    assert found.perimeter[0] == pytest.approx(10 * np.pi)


def test_no_objects_have_no_rows():
    assert shapes(np.zeros((5, 6), np.int32)).area.shape == (0,)


def test_means_of_pixels():
    ids = np.array([[1, 0, 2], [1, 2, 2]], np.int32)
    assert means(ids, np.array([1.0, 4.0, 3.0, 5.0, 6.0])).tolist() == [2.0, 5.0]
