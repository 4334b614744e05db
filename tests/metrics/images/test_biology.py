"""Stains, nuclei and perceptual hashes."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb_from_hed

from histokit.metrics.images import (
    block_correlation,
    correlation,
    count_error,
    dab_correlation,
    densities,
    haematoxylin_ssim,
    kept_nuclei,
    perceptual_hash_value,
    phv_by_layer,
    positive_fraction,
    positive_fraction_error,
)


def stained(haematoxylin, dab):
    """An IHC image of given optical densities, by Beer and Lambert."""
    vectors = rgb_from_hed[[0, 2]]
    density = np.stack([haematoxylin, dab], -1) @ vectors
    return (255 * 10**-density).round().clip(0, 255).astype(np.uint8)


def blobs(seed):
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(48, 48)), 3)
    return (noise > 0) * 0.6


def test_densities_are_optical_densities_to_base_ten():
    h, dab = np.full((4, 4), 0.5), np.full((4, 4), 0.3)
    found = densities(stained(h, dab), "IHC")
    assert np.allclose(found.haematoxylin, 0.5, atol=0.02)
    assert np.allclose(found.other, 0.3, atol=0.02)
    white = densities(np.full((4, 4, 3), 255, np.uint8), "IHC")
    assert np.abs(white.other).max() < 1e-6


def test_positive_area():
    dab = np.zeros((10, 10))
    dab[:3] = 0.4
    image = densities(stained(np.full((10, 10), 0.1), dab), "IHC")
    none = densities(stained(np.full((10, 10), 0.1), dab * 0), "IHC")
    assert positive_fraction(image) == pytest.approx(0.3)
    assert positive_fraction_error(image, none) == pytest.approx(0.3)
    assert positive_fraction_error(none, image) == pytest.approx(0.3)
    assert positive_fraction_error(image, image) == 0


def test_dab_correlation():
    base = np.full((48, 48), 0.2)
    a = densities(stained(base, blobs(0)), "IHC")
    half = densities(stained(base, blobs(0) / 2), "IHC")
    other = densities(stained(base, blobs(1)), "IHC")
    turned = densities(stained(base, 0.6 - blobs(0)), "IHC")
    assert dab_correlation(half, a) == pytest.approx(1, abs=0.01)
    assert abs(dab_correlation(other, a)) < 0.4
    assert dab_correlation(turned, a) < -0.98
    flat = densities(np.full((48, 48, 3), 255, np.uint8), "IHC")
    assert dab_correlation(flat, a) is None
    assert correlation(np.ones(1), np.ones(1)) is None


def test_haematoxylin_is_kept_or_not():
    nuclei, dab = blobs(0), np.full((48, 48), 0.3)
    source = densities(stained(nuclei, dab * 0), "IHC")
    kept = densities(stained(nuclei, dab), "IHC")
    lost = densities(stained(nuclei * 0 + 0.1, dab), "IHC")
    assert haematoxylin_ssim(kept, source) > 0.9
    assert haematoxylin_ssim(lost, source) < 0.5
    small = densities(np.zeros((8, 8, 3), np.uint8), "IHC")
    assert haematoxylin_ssim(small, small) is None


def test_counts():
    two, three = np.array([[1, 1, 0, 7]]), np.array([[1, 2, 0, 9]])
    assert count_error(two, three) == pytest.approx(1 / 3)
    assert count_error(three, two) == pytest.approx(0.5)
    assert count_error(two, two * 0) is None


def test_nuclei_are_kept_lost_or_invented():
    source, output = np.zeros((20, 20), np.int32), np.zeros((20, 20), np.int32)
    source[2:6, 2:6], source[10:14, 2:6] = 1, 2
    output[2:6, 2:7], output[2:6, 12:16], output[10:14, 12:16] = 5, 6, 7
    assert kept_nuclei(output, source) == pytest.approx(2 / (2 + 2 + 1))
    assert kept_nuclei(source, source) == 1
    assert kept_nuclei(source * 0, source * 0) is None


def test_blocks_forgive_what_pixels_do_not():
    """Brown spots in the right half, a few pixels off: no pixel agrees, the region does."""
    place = np.zeros((128, 128))
    place[::8, 64::8] = 0.8
    base = np.full(place.shape, 0.1)
    here, there = (densities(stained(base, np.roll(place, n, 0)), "IHC") for n in (0, 3))
    other = densities(stained(base, place[:, ::-1]), "IHC")
    assert dab_correlation(there, here) < 0.1
    assert block_correlation(there, here) > 0.99
    assert block_correlation(other, here) < -0.99
    small = densities(stained(base[:40, :40], place[:40, :40]), "IHC")
    assert block_correlation(small, small) is None


def test_the_hash_value_of_the_vector(vectors):
    case = vectors("mdcl")["phv"]
    fake, real = (np.array(case[f"{name}_channel_means"]) for name in ("fake", "real"))
    assert perceptual_hash_value(fake, real, case["T"]) == case["expected"]
    assert phv_by_layer({"layer1": fake}, {"layer1": real}) == {"layer1": case["expected"]}
