"""PSNR and SSIM by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from histokit.errors import DataError
from histokit.metrics.images import psnr, ssim


def picture(seed, side=32):
    noise = np.random.default_rng(seed).normal(0, 1, (side, side, 3))
    smooth = gaussian_filter(noise, (2, 2, 0))
    return (128 + 300 * smooth).clip(0, 255).astype(np.uint8)


def test_psnr_of_the_vector(vectors):
    case = vectors("mdcl")["psnr_uint8"]
    x, y = (np.array(case[name], np.uint8) for name in "xy")
    assert psnr(x, y) == pytest.approx(case["expected"], abs=1e-9)
    assert psnr(x, x) == np.inf


def test_ssim_of_equal_images_is_one_and_falls_with_noise():
    a = picture(0)
    noisy = (a + np.random.default_rng(1).normal(0, 20, a.shape)).clip(0, 255).astype(np.uint8)
    for variant in ("gaussian", "uniform"):
        assert ssim(a, a, variant) == pytest.approx(1)
        assert ssim(noisy, a, variant) < 0.95
    assert ssim(noisy, a, "gaussian") != pytest.approx(ssim(noisy, a, "uniform"), abs=1e-4)


def test_the_gaussian_variant_is_the_definition():
    """Wang et al. 2004, equation 13, written out; borders of 5 px are left out of the mean."""
    a, b = picture(0)[..., 0].astype(float), picture(1)[..., 0].astype(float)

    def mean(values):
        return gaussian_filter(values, 1.5, truncate=3.5)

    mu_a, mu_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mu_a**2, mean(b * b) - mu_b**2
    both = mean(a * b) - mu_a * mu_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    index = (2 * mu_a * mu_b + c1) * (2 * both + c2)
    index /= (mu_a**2 + mu_b**2 + c1) * (var_a + var_b + c2)
    found = ssim(picture(0)[..., 0], picture(1)[..., 0])
    assert found == pytest.approx(index[5:-5, 5:-5].mean(), abs=1e-6)


def test_sizes_must_agree_and_suffice():
    with pytest.raises(DataError, match="differ in size"):
        psnr(picture(0), picture(0)[:-1])
    small = picture(0)[:8, :8]
    assert ssim(small, small, "gaussian") is None
    assert ssim(small, small, "uniform") == pytest.approx(1)
