"""The score that chooses the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from histokit.interfaces import Access, Adapter, Method, Record, Segmenter
from histokit.run.domains import Domain
from histokit.run.infer import Windows, foreground, segment_image
from histokit.run.machine import Machine
from histokit.run.plan import RunPlan

LOWER = "give a smaller --network, or no validation images: --split 0.9,0,0.1"
"""What `train` can be told when memory runs out in validation."""


def to_validate(
    plan: RunPlan, method: Method, domains: Mapping[str, Domain]
) -> tuple[Segmenter, Domain, str] | None:
    """What is measured, on whose validation images, and the name of the score, by the selection
    rule of a run; None where there are no such images, or nothing to measure.
    """
    role = "target" if plan.run.selection == "target-val-oracle" else "source"
    if plan.spec.access is Access.TARGET_LABELS:
        role = "target"
    shut = plan.spec.access in (Access.IMAGES, Access.PAIRS)
    domain = None if shut and role == "source" else domains.get(role)
    segmenter = _validated_by(method, role)
    if domain is None or not isinstance(segmenter, Segmenter) or not domain.part("val"):
        return None
    return segmenter, domain, f"{role} validation dice"


def _validated_by(method: Method, role: str) -> object:
    """What is validated on the images of a role; None where there is nothing yet."""
    if not isinstance(method, Adapter):
        return method
    rehearsal = method.rehearsal()
    return rehearsal if role == "source" or rehearsal is None else method.segmenter()


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
