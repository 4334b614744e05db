"""Training batches of made-up tissue for every feed, where only their shape matters."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from histokit.data.feeds import Feeds, FeedSettings, Pool, ReadImage
from histokit.data.synth_he import SynthHE
from histokit.interfaces import Batch, Feed, Record

SMALLEST = 32
"""Side of the smallest image that `SynthHE` makes."""


def made_up_batch(
    feed: Feed, device: torch.device, *, batch: int, side: int, channels: int = 3, seed: int = 0
) -> Batch:
    """The first batch of a feed on two domains of `SynthHE`; it holds nuclei without classes.

    In a pair of the same place the second image is the first one again.

    Args:
        feed: which kind of batch.
        device: where it goes.
        batch: windows, of each domain.
        side: of a window in pixels.
        channels: 3 for RGB, 1 for grey.
        seed: of the places of the windows.
    """
    source = SynthHE("breast", n_patients=1, images_per_patient=2, side=max(side, SMALLEST))
    target = SynthHE("kidney", n_patients=1, images_per_patient=2, side=max(side, SMALLEST))
    of_source, of_target = (
        _grey(made.image) if channels == 1 else made.image for made in (source, target)
    )
    feeds = Feeds(
        FeedSettings(batch=batch, side=side, augment="none", seed=seed),
        device,
        source=Pool("source", source.records(), of_source, labels=source.labels),
        target=Pool("target", target.records(), of_target),
        pairs=Pool("pairs", source.records(), of_source, counterpart=of_source),
    )
    return next(feeds.open(feed, 0))


def _grey(read: ReadImage) -> ReadImage:
    """The mean of the channels as the only one."""

    def grey(record: Record) -> NDArray[np.uint8]:
        return np.rint(read(record).mean(axis=2, keepdims=True)).astype(np.uint8)

    return grey
