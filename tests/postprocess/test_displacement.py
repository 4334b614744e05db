"""Displacements that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from histokit.postprocess.displacement import displacement


@pytest.fixture(scope="module")
def image():
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(96, 96)), 2, mode="wrap")
    return (noise - noise.min()) / np.ptp(noise)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (3, 0), (-3, 4), (12, 5)])
def test_it_finds_the_displacement_whatever_the_contrast(image, rows, columns, dark):
    moved = np.roll(image, (rows, columns), (0, 1))
    other = 1 - 0.5 * moved if dark else 0.2 + 0.5 * moved
    assert displacement(image, other) == pytest.approx(np.hypot(rows, columns))


def test_an_image_without_structure_is_displaced_from_none(image):
    assert displacement(np.full((96, 96), 0.5), image) == 0
