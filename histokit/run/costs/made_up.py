"""Training data of made-up tissue for every feed, where only its shape matters."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from histokit.data.draws import FeedSettings
from histokit.data.feeds import Feeds
from histokit.data.pool import Pool, ReadImage
from histokit.data.synth_he import SynthHE
from histokit.interfaces import Record

SMALLEST = 32
"""Side of the smallest image that `SynthHE` makes."""


def made_up_feeds(
    device: torch.device, settings: FeedSettings, *, channels: int = 3, workers: int = 0
) -> Feeds:
    """All feeds on two domains of `SynthHE` that hold nuclei without classes; images are as large
    as windows and stay decoded. In a pair of the same place the second image is the first again.

    Args:
        device: where batches go.
        settings: of the batches.
        channels: 3 for RGB, 1 for grey.
        workers: loading processes.
    """
    side = max(settings.side, SMALLEST)
    source = SynthHE("breast", n_patients=1, images_per_patient=2, side=side)
    target = SynthHE("kidney", n_patients=1, images_per_patient=2, side=side)
    of_source, of_target = (
        partial(_grey, made.image) if channels == 1 else made.image for made in (source, target)
    )
    return Feeds(
        settings,
        device,
        source=Pool("source", source.records(), of_source, labels=source.labels),
        target=Pool("target", target.records(), of_target),
        pairs=Pool("pairs", source.records(), of_source, counterpart=of_source),
        workers=workers,
    )


def _grey(read: ReadImage, record: Record) -> NDArray[np.uint8]:
    """The mean of the channels as the only one."""
    return np.rint(read(record).mean(axis=2, keepdims=True)).astype(np.uint8)
