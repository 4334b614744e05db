"""Windows around objects: which places of a batch, of which class, and without moving the rest."""

from __future__ import annotations

import numpy as np
import pytest

from histokit.data.draws import FeedSettings
from histokit.data.pool import Pool
from histokit.data.windows import object_pixel
from histokit.interfaces import Labels, Record

SIDE = 16


def pool(ids, classes=None, labelled=True):
    image = np.zeros((*ids.shape, 3), np.uint8)
    labels = (lambda record: Labels(ids, classes or {})) if labelled else None
    return Pool("toy", [Record("a", "a")], lambda record: image, labels)


def far_object():
    """One pixel in 200 x 200: a random window of 16 pixels nearly never holds it."""
    ids = np.zeros((200, 200), np.int32)
    ids[3, 190] = 1
    return ids


def test_windows_hold_the_object_they_lie_around():
    toy = pool(far_object())
    around = [toy.draw(n, SIDE, 0, around_object=True).truth[0].any() for n in range(20)]
    anywhere = [toy.draw(n, SIDE, 0).truth[0].any() for n in range(20)]
    assert all(around)
    assert not all(anywhere)


def test_classes_are_drawn_alike_however_rare():
    ids = np.ones((50, 50), np.int32)
    ids[0, 0] = 2
    toy = pool(ids, {1: 1, 2: 2}).whole(0)
    rng = np.random.default_rng(0)
    rare = sum(object_pixel(toy, rng) == (0, 0) for _ in range(400))
    assert 150 < rare < 250


def test_images_without_objects_or_labels_give_any_window():
    for toy in (pool(np.zeros((40, 40), np.int32)), pool(far_object(), labelled=False)):
        drawn = toy.draw(5, SIDE, 0, around_object=True)
        assert drawn.image.shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize(("batch", "share", "count"), [(12, 0.33, 4), (2, 0.33, 1), (4, 0.0, 0)])
def test_the_last_places_of_a_batch_are_around_objects(batch, share, count):
    how = FeedSettings(batch, SIDE, "none", 0, oversample=share)
    places = [how.around_object(k) for k in range(batch)]
    assert places == [False] * (batch - count) + [True] * count
