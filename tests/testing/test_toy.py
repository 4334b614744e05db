"""Made-up data serve every feed, with labels only where the access grants them."""

from __future__ import annotations

import pytest
import torch

from histokit.config.base import TrainingWindows
from histokit.errors import DataError
from histokit.interfaces import Access, Feed
from histokit.testing import ToyTissue, toy_feeds, toy_images
from histokit.testing.training_checks import GRANTED
from toys import KIND_OF_BATCH

WINDOWS = TrainingWindows(batch=2, tile=32)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("access", Access)
def test_every_granted_feed_opens_and_no_other(access, channels):
    feeds = toy_feeds(access, TrainingWindows(batch=2, tile=32, channels=channels))
    for feed, kind in KIND_OF_BATCH.items():
        if feed not in GRANTED[access]:
            with pytest.raises(DataError):
                next(feeds.open(feed, 0))
            continue
        batch = next(feeds.open(feed, 0))
        assert isinstance(batch, kind)
        images = batch.images if hasattr(batch, "images") else batch.source.images
        assert images.shape == (2, channels, 32, 32)


def test_a_batch_depends_on_its_step_alone():
    feeds = toy_feeds(Access.SOURCE, WINDOWS)
    batches = feeds.open(Feed.LABELLED, 0)
    second = [next(batches), next(batches)][1]
    again = next(feeds.open(Feed.LABELLED, 1))
    assert torch.equal(second.images, again.images)
    assert torch.equal(second.ids, again.ids)


def test_the_two_stains_show_the_same_discs_in_other_colours():
    tissue = ToyTissue()
    record = tissue.records()[0]
    nuclei = tissue.labels(record).ids > 0
    one, other = tissue.image(record), tissue.counterpart(record)
    for image in (one, other):
        assert image[nuclei].mean() < image[~nuclei].mean() - 50
    assert abs(one[nuclei].mean(0) - other[nuclei].mean(0)).max() > 20


def test_toy_images_differ_and_are_in_range():
    images = toy_images(3, 40, channels=1)
    assert images.shape == (3, 1, 40, 40)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    assert not torch.equal(images[0], images[1])
