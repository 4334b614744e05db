"""Short trainings on toy tissue with the small generator of preset cpu."""

from __future__ import annotations

import pytest
import torch

from histokit_ostrich import SPEC

CPU = {**SPEC.presets["cpu"].overrides, "batch": 8}


@pytest.mark.slow
def test_fifteen_steps_on_pairs_are_enough(build, toy):
    """The prototype reached a Dice of 0.857."""
    method = build(**{**CPU, "ema_decay": 0.0, "depth": 2, "width": 32})
    (phase,) = method.phases()
    for seed in range(15):
        phase.step(toy(seed, count=8, side=64))
    test = toy(100, count=8, side=64)
    with torch.no_grad():
        found = method.segmenter().segment(test.images).logits > 0
    truth = test.ids[:, None] > 0
    assert float(2 * (found & truth).sum() / (found.sum() + truth.sum())) > 0.8
