"""The score that chooses the weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from histokit.interfaces import Record, Segmenter
from histokit.run.domains import Domain
from histokit.run.infer import Windows, foreground, segment_image
from histokit.run.machine import Machine


def mean_dice(
    segmenter: Segmenter, domain: Domain, records: Sequence[Record], machine: Machine
) -> float:
    """Mean over images of the foreground's Dice at threshold 0.5; an image that is empty in truth
    and prediction counts 1 (Sharma et al. 2022, released code: smooth 1).
    """
    windows = Windows(batch=8 if machine.on_gpu else 1)
    scores = []
    for record in records:
        found = foreground(segment_image(segmenter, domain.image(record), machine, windows)) > 0.5
        truth = domain.labels(record).ids > 0
        both = np.count_nonzero(found & truth)
        scores.append((2 * both + 1) / (np.count_nonzero(found) + np.count_nonzero(truth) + 1))
    return float(np.mean(scores))
