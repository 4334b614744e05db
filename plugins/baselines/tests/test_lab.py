"""Lab against scikit-image's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab

from histokit_baselines.lab import lab_of_rgb, rgb_of_lab

RNG = np.random.default_rng(3)


def colours(dtype):
    """Of all kinds, with dark ones and the ends of the scale among them; [3 n]."""
    found = RNG.random((3, 4000))
    found[:, :1000] *= 0.06
    found[:, 0], found[:, 1] = 0, 1
    return found.astype(dtype)


@pytest.mark.parametrize(("dtype", "near"), [(np.float64, 1e-10), (np.float32, 1e-3)])
def test_lab_is_that_of_scikit_image(dtype, near):
    rgb = colours(dtype)
    found = lab_of_rgb(rgb)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.T, rgb2lab(rgb.T), atol=near)
    np.testing.assert_allclose(rgb_of_lab(found), rgb, atol=near / 10)


@pytest.mark.parametrize(("dtype", "near"), [(np.float64, 1e-10), (np.float32, 1e-4)])
def test_colours_are_those_of_scikit_image_and_cut(dtype, near):
    lab = (RNG.random((3, 4000)) * [[140], [200], [200]] - [[20], [100], [100]]).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of Z below 0, which both make 0
        expected = lab2rgb(lab.T).T
    found = rgb_of_lab(lab)
    assert found.dtype == dtype
    assert found.min() >= 0
    assert found.max() <= 1
    np.testing.assert_allclose(found, expected, atol=near)
