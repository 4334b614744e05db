"""Tissue is found on thumbnails of any fullness, and asked about in pixels of any size."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.postprocess.tissue import Tissue, find_tissue


def glass(height=120, width=160, level=243):
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(level, 1.5, (height, width, 3)), 0, 255).astype(np.uint8)


def test_tissue_is_found_and_glass_is_not():
    picture = glass()
    picture[30:80, 40:110] = (230, 170, 200)
    picture[45:55, 60:70] = (90, 60, 130)
    mask = find_tissue(picture).mask
    truth = np.zeros_like(mask)
    truth[30:80, 40:110] = True
    assert mask[truth].all()
    assert mask.sum() < 1.2 * truth.sum()


@pytest.mark.parametrize("level", [255, 243, 225])
def test_an_empty_slide_has_none(level):
    assert not find_tissue(glass(level=level)).mask.any()
    assert not find_tissue(np.full((90, 60, 3), level, np.uint8)).mask.any()


def test_a_full_slide_is_tissue_everywhere():
    picture = glass()
    picture[:] = (225, 175, 205)
    picture[::3, ::4] = (90, 60, 140)
    assert find_tissue(picture).share == 1.0


def test_dust_is_dropped_and_small_holes_are_filled():
    picture = glass()
    picture[5, 5] = 30
    picture[50:100, 50:100] = (200, 120, 180)
    picture[70:75, 70:75] = 245
    mask = find_tissue(picture).mask
    assert not mask[:20, :20].any()
    assert mask[60:90, 60:90].all()


def test_places_are_asked_in_pixels_of_an_image():
    mask = np.zeros((10, 20), bool)
    mask[2, 3] = True
    tissue = Tissue(mask)
    size = (1000, 2000)  # the cell covers rows 200 to 299 and columns 300 to 399
    assert tissue.touches((299, 500), (0, 301), size)
    assert not tissue.touches((300, 500), (0, 301), size)
    assert not tissue.touches((0, 1000), (400, 2000), size)
    assert not tissue.touches((-50, 0), (0, 2000), size)
    points = tissue.at(np.array([200.0, 299.9, 300.0]), np.array([399.0, 300.0, 300.0]), size)
    assert points.tolist() == [True, True, False]
    assert tissue.share == 1 / 200
