"""The pictures show what was found, missed and invented, and fit their limits."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from histokit.report import Panel
from histokit.report.pictures import FOUND, INVENTED, MISSED, PREDICTION, TRUTH, views


def decode(address: str) -> np.ndarray:
    head, _, data = address.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def near(picture: np.ndarray, colour: str) -> np.ndarray:
    """Where a picture has about this colour."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return np.abs(picture.astype(int) - rgb).max(axis=2) < 48


def panel(truth, prediction, image=None):
    shape = truth.shape
    image = np.full((*shape, 3), 200, np.uint8) if image is None else image
    return Panel("worst", "slide", 0.1, image, truth.astype(np.int32), prediction.astype(np.int32))


def box(shape, *corners):
    ids = np.zeros(shape, np.int32)
    for number, (y, x, size) in enumerate(corners, start=1):
        ids[y : y + size, x : x + size] = number
    return ids


@pytest.fixture
def three():
    """One object found, one missed on the left below, one invented on the right below."""
    truth = box((64, 64), (8, 8, 16), (40, 8, 16))
    prediction = box((64, 64), (9, 8, 16), (40, 40, 16))
    return views(panel(truth, prediction))


def test_each_kind_is_counted(three):
    assert (three.found, three.missed, three.invented) == (1, 1, 1)


def test_errors_are_coloured_where_they_are(three):
    errors = decode(three.errors)
    top, bottom, half = slice(0, 320), slice(320, 640), errors.shape[1] // 2
    assert errors.shape == (640, 640, 3)
    assert near(errors[top], FOUND).sum() > 500
    assert near(errors[bottom, :half], MISSED).sum() > 500
    assert near(errors[bottom, half:], INVENTED).sum() > 500
    assert not near(errors[top], MISSED).any()
    assert not near(errors[top], INVENTED).any()
    assert not near(errors[bottom], FOUND).any()


def test_outlines_lie_on_the_photo_and_the_photo_has_none(three):
    assert near(decode(three.truth)[320:, :320], TRUTH).sum() > 500
    assert near(decode(three.prediction)[320:, 320:], PREDICTION).sum() > 500
    assert not near(decode(three.truth)[320:, 320:], TRUTH).any()
    photo = decode(three.image)
    assert np.abs(photo.astype(int) - 200).max() < 4


def test_a_large_image_is_cut_to_where_the_nuclei_are():
    truth = box((1000, 1400), (800, 1100, 40), (900, 1200, 40))
    image = np.where((truth > 0)[..., None], 0, 255).repeat(3, 2).astype(np.uint8)
    found = views(panel(truth, np.zeros_like(truth), image))
    assert found.where == "320 × 320 of 1400 × 1000 px"
    shown = decode(found.image)
    assert shown.shape == (640, 640, 3)
    assert (shown < 64).all(axis=2).sum() == pytest.approx(4 * (truth > 0).sum(), rel=0.05)
    assert found.missed == 2


def test_the_nuclei_stand_in_the_middle_of_the_window():
    truth = box((1000, 1400), (480, 680, 40))
    image = np.where((truth > 0)[..., None], 0, 255).repeat(3, 2).astype(np.uint8)
    rows, cols = np.nonzero((decode(views(panel(truth, truth, image)).image) < 64).all(axis=2))
    for places in (rows, cols):
        assert (places.min() + places.max()) / 2 == pytest.approx(320, abs=12)


def test_a_nucleus_at_the_very_edge_is_shown():
    truth = box((700, 700), (680, 0, 20))
    image = np.where((truth > 0)[..., None], 0, 255).repeat(3, 2).astype(np.uint8)
    assert (decode(views(panel(truth, truth, image)).image) < 64).any()


@pytest.mark.parametrize("shape", [(1, 1), (5, 900), (900, 5), (321, 320), (2, 3)])
def test_any_shape_can_be_shown(shape):
    truth = np.ones(shape, np.int32)
    found = views(panel(truth, np.zeros_like(truth)))
    assert max(decode(found.image).shape) <= 660
    assert found.missed == 1


def test_noise_is_squeezed_towards_the_limit():
    noise = np.random.default_rng(0).integers(0, 255, (320, 320, 3)).astype(np.uint8)
    ids = np.zeros((320, 320), np.int32)
    loose, tight = (views(panel(ids, ids, noise), limit=limit) for limit in (10**9, 200_000))
    assert len(tight.image) < len(loose.image)
    assert len(tight.image) < 1.4 * 200_000


def test_a_read_only_image_is_left_as_it_is():
    image = np.full((40, 40, 3), 128, np.uint8)
    image.setflags(write=False)
    ids = box((40, 40), (5, 5, 10))
    views(panel(ids, ids, image))
    assert (image == 128).all()
