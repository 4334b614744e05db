"""Feeds: batches depend on seed and step alone, and target labels are out of reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from histokit.data.colour import grey_reader
from histokit.data.draws import FeedSettings
from histokit.data.feeds import Feeds
from histokit.data.pool import Pool
from histokit.errors import DataError
from histokit.interfaces import Feed, Labelled, Labels, Record, SourceTarget, Unlabelled

SETTINGS = FeedSettings(batch=3, side=16, augment="flip+rotate", seed=5)
CPU = torch.device("cpu")


def _pool(name, labelled=True, sizes=((20, 30), (16, 16), (10, 40))):
    records = [Record(f"{i}", f"{i}") for i in range(len(sizes))]

    def image(record):
        height, width = sizes[int(record.key)]
        rows, columns = np.mgrid[:height, :width]
        grey = (rows * 7 + columns * 3 + int(record.key) * 50) % 256
        return np.repeat(grey[..., None], 3, 2).astype(np.uint8)

    def labels(record):
        ids = (image(record)[..., 0] > 100).astype(np.int32)
        ids[image(record)[..., 0] > 200] = 2
        return Labels(ids, {1: 7, 2: 3})

    return Pool(name, records, image, labels if labelled else None)


def _pairs(change=lambda image: 255 - image):
    """Pairs whose second image is `change` of the first."""
    pool = _pool("pairs", labelled=False)
    image = pool._read_image
    return Pool("pairs", pool.records, image, counterpart=lambda record: change(image(record)))


def _feeds(settings=SETTINGS, workers=0):
    shut = _pool("target", labelled=False)
    return Feeds(
        settings, CPU, source=_pool("source"), target=shut, pairs=_pairs(), workers=workers
    )


def _take(feeds, feed, start, number):
    batches = feeds.open(feed, start)
    return [next(batches) for _ in range(number)]


def _images(batch):
    return torch.cat([batch.source.images, batch.target.images])


def test_a_feed_opened_later_gives_the_same_batches():
    whole = _take(_feeds(), Feed.SOURCE_TARGET, 0, 6)
    late = _take(_feeds(), Feed.SOURCE_TARGET, 4, 2)
    for a, b in zip(whole[4:], late, strict=True):
        assert torch.equal(_images(a), _images(b))
        assert torch.equal(a.source.ids, b.source.ids)
        assert a.target.keys == b.target.keys


def test_workers_change_nothing():
    none = _take(_feeds(), Feed.SOURCE_TARGET, 0, 3)
    two = _take(_feeds(workers=2), Feed.SOURCE_TARGET, 0, 3)
    assert all(torch.equal(_images(a), _images(b)) for a, b in zip(none, two, strict=True))


def test_shapes_ranges_and_alignment():
    batch = _take(_feeds(replace(SETTINGS, augment="dihedral")), Feed.LABELLED, 0, 1)[0]
    assert isinstance(batch, Labelled)
    assert batch.images.shape == (3, 3, 16, 16)
    assert batch.images.dtype == torch.float32
    assert 0 <= batch.images.min() <= batch.images.max() <= 1
    assert batch.ids.dtype == torch.int32
    assert torch.equal(batch.ids > 0, batch.images[:, 0] * 255 > 100.5)
    assert batch.classes.dtype == torch.int64
    assert torch.equal(batch.classes, torch.tensor([0, 7, 3])[batch.ids.long()])


def test_every_image_comes_once_a_round():
    feeds = _feeds()
    for batch in _take(feeds, Feed.LABELLED, 0, 4):
        assert sorted(batch.keys) == ["source/0", "source/1", "source/2"]


def test_target_batches_have_no_labels():
    batch = _take(_feeds(), Feed.SOURCE_TARGET, 0, 1)[0]
    assert isinstance(batch, SourceTarget)
    assert isinstance(batch.target, Unlabelled)
    assert not hasattr(batch.target, "ids")


def test_labels_of_a_shut_pool_cannot_be_drawn():
    feeds = Feeds(SETTINGS, CPU, source=_pool("target", labelled=False))
    with pytest.raises(DataError, match="shut"):
        _take(feeds, Feed.LABELLED, 0, 1)


def test_source_and_target_are_drawn_independently():
    batches = _take(_feeds(replace(SETTINGS, batch=1)), Feed.SOURCE_TARGET, 0, 30)
    pairs = {(b.source.keys[0][-1], b.target.keys[0][-1]) for b in batches}
    assert len(pairs) > 3


def test_processes_share_the_draws_without_repeats():
    def keys(rank, world, number):
        feeds = _feeds(replace(SETTINGS, rank=rank, world=world, batch=1))
        return [b.keys[0] for b in _take(feeds, Feed.LABELLED, 0, number)]

    alone = keys(0, 1, 6)
    together = [key for pair in zip(keys(0, 2, 3), keys(1, 2, 3), strict=True) for key in pair]
    assert alone == together


def test_an_empty_pool_and_a_missing_one_are_told():
    with pytest.raises(DataError, match="no training images"):
        Pool("x", [], lambda record: None, None)
    with pytest.raises(DataError, match="--target"):
        _take(Feeds(SETTINGS, CPU, source=_pool("source")), Feed.SOURCE_TARGET, 0, 1)
    with pytest.raises(DataError, match="--pairs"):
        _take(Feeds(SETTINGS, CPU, source=_pool("source")), Feed.PAIRED, 0, 1)
    with pytest.raises(DataError, match="single images"):
        _take(Feeds(SETTINGS, CPU, pairs=_pool("source")), Feed.PAIRED, 0, 1)


@pytest.mark.parametrize("kind", ["flip+rotate", "mirror"])
def test_both_images_of_a_pair_show_the_same_place(kind):
    """Cut, mirrored at small images and turned alike."""
    for batch in _take(_feeds(replace(SETTINGS, augment=kind)), Feed.PAIRED, 0, 4):
        assert batch.source.keys == batch.target.keys
        assert torch.allclose(batch.source.images, 1 - batch.target.images, atol=1e-6)


def test_pairs_of_two_sizes_are_told():
    pool = _pairs(lambda image: image[:-1])
    with pytest.raises(DataError, match="differ in size") as told:
        _take(Feeds(SETTINGS, CPU, pairs=pool), Feed.PAIRED, 0, 1)
    assert "pairs/" in str(told.value)


def test_grey_images_keep_one_channel_and_colours_are_refused():
    pool = _pool("source")
    grey = Pool("grey", pool.records, grey_reader(pool._read_image))
    batch = _take(Feeds(SETTINGS, CPU, target=grey), Feed.UNLABELLED, 0, 1)[0]
    assert batch.images.shape == (3, 1, 16, 16)

    def red(record):
        return pool._read_image(record) * np.array([1, 0, 0], np.uint8)

    with pytest.raises(DataError, match="colour image"):
        Pool("red", pool.records, grey_reader(red)).whole(0)
