"""The score that chooses the weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histokit.interfaces import Record, Segmenter
from histokit.run.domains import Domain
from histokit.run.infer import Windows, foreground, segment_image
from histokit.run.machine import Machine

LOWER = "give a smaller --network, or no validation images: --split 0.9,0,0.1"
"""What `train` can be told when memory runs out in validation."""


def mean_dice(
    segmenter: Segmenter, domain: Domain, records: Sequence[Record], machine: Machine
) -> float:
    """Mean over images of the foreground's Dice at threshold 0.5; an image that is empty in truth
    and prediction counts 1 (Sharma et al. 2022, released code: smooth 1).
    """
    windows = Windows(batch=8 if machine.on_gpu else 1)
    scores = []
    for record in records:
        maps = segment_image(segmenter, domain.image(record), machine, windows, LOWER)
        found = foreground(maps) > 0.5
        truth = domain.labels(record).ids > 0
        both = np.count_nonzero(found & truth)
        scores.append((2 * both + 1) / (np.count_nonzero(found) + np.count_nonzero(truth) + 1))
    return float(np.mean(scores))
