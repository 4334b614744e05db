"""Made-up batches have the shapes that each feed promises."""

from __future__ import annotations

import pytest
import torch

from histokit.data.draws import FeedSettings
from histokit.interfaces import Feed
from histokit.run.costs.made_up import made_up_feeds
from toys import KIND_OF_BATCH


def batch(feed, side=40, **how):
    settings = FeedSettings(batch=2, side=side, augment="none", seed=0)
    return next(made_up_feeds(torch.device("cpu"), settings, **how).open(feed, 0))


@pytest.mark.parametrize("feed", Feed)
def test_every_feed_has_a_batch(feed):
    found = batch(feed)
    assert type(found) is KIND_OF_BATCH[feed]
    for part in (found,) if hasattr(found, "images") else (found.source, found.target):
        assert part.images.shape == (2, 3, 40, 40)
        assert 0 <= float(part.images.min()) < float(part.images.max()) <= 1


def test_the_labels_hold_nuclei():
    assert (batch(Feed.LABELLED, side=128).ids.amax((1, 2)) > 0).all()


def test_grey_small_and_repeatable():
    grey = batch(Feed.UNLABELLED, channels=1)
    assert grey.images.shape == (2, 1, 40, 40)
    assert torch.equal(grey.images, batch(Feed.UNLABELLED, channels=1).images)
    assert batch(Feed.LABELLED, side=8).ids.shape == (2, 8, 8)


def test_a_pair_is_one_place_and_an_unpaired_batch_two():
    paired, free = batch(Feed.PAIRED), batch(Feed.UNPAIRED)
    assert torch.equal(paired.source.images, paired.target.images)
    assert not torch.equal(free.source.images, free.target.images)
