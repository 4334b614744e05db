"""Image filters against their definitions by plain sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from histokit.postprocess.filters import blur3, derivative, disc, opened, sobel_kernels


def test_the_small_kernels_are_sobel():
    smooth, differ = sobel_kernels(3)
    assert smooth.tolist() == [0.25, 0.5, 0.25]
    assert differ.tolist() == [-0.5, 0.0, 0.5]


def test_kernels_smooth_to_one_and_give_slopes():
    smooth, differ = sobel_kernels(21)
    assert smooth.sum() == pytest.approx(1)
    assert (differ * np.arange(-10, 11)).sum() == pytest.approx(1)
    assert np.allclose(differ, -differ[::-1])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(40, 48), (64, 65), (130, 200)])
def test_derivative_is_a_correlation_with_a_mirrored_border(axis, shape):
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    smooth, differ = sobel_kernels(21)
    expected = ndimage.correlate1d(values.astype(float), differ, axis, mode="mirror")
    expected = ndimage.correlate1d(expected, smooth, 1 - axis, mode="mirror")
    assert np.allclose(derivative(values, 21, axis=axis), expected, atol=1e-6)


def test_derivative_of_an_image_smaller_than_the_kernel():
    assert np.allclose(derivative(np.full((3, 5), 2.0, np.float32), 21, axis=1), 0, atol=1e-6)


def test_blur():
    values = np.random.default_rng(1).random((9, 12)).astype(np.float32)
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    assert np.allclose(blur3(values), ndimage.correlate(values, kernel, mode="mirror"), atol=1e-6)


def test_disc_is_the_ellipse_of_opencv():
    assert disc(2) == [0, 2, 2, 2, 0]
    assert disc(1) == [0, 1, 0]


@pytest.mark.parametrize("radius", [0, 1, 2, 3])
def test_opening(radius):
    mask = np.random.default_rng(2).random((60, 70)) < 0.93
    widths = np.array(disc(radius))
    shape = np.abs(np.arange(-radius, radius + 1)) <= widths[:, None]
    eroded = ndimage.binary_erosion(mask, shape, border_value=1)
    expected = ndimage.binary_dilation(eroded, shape)
    assert np.array_equal(opened(mask, radius), expected)
    assert 0 < expected.sum() <= mask.sum()
