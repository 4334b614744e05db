"""Training on two toy domains: discs that are brighter, and darker, than their ground."""

from __future__ import annotations

import pytest
import torch

SMOKE = {
    "width": 8,
    "factors": (1, 2, 2),
    "latent": 8,
    "latent_width": 16,
    "critic_width": 2,
    "critic_embedding": 16,
    "translator_width": 8,
    "translator_blocks": 2,
    "patch_width": 8,
}


def drops(method, batch, steps, window):
    """How far the cycle's and the denoiser's difference fall, mean of first to last steps."""
    phase = method.phases()[0]
    losses = [phase.step(batch(seed)) for seed in range(steps)]
    found = []
    for name in ("cycle", "recover"):
        values = torch.stack([one[name] for one in losses])
        found.append(float(values[:window].mean() - values[-window:].mean()))
    return found


def test_a_short_training_learns_to_translate_and_to_denoise(build, batch):
    cycle, recover = drops(build(lr=5e-3), batch, steps=8, window=2)
    assert cycle > 0.3
    assert recover > 0.2


@pytest.mark.slow
def test_smoke_acceptance(build, batch):
    """Half of the drop that the authors' networks showed: 1.31 to 0.24, and 1.18 to 0.43."""
    cycle, recover = drops(build(**SMOKE), batch, steps=100, window=10)
    assert cycle > (1.31 - 0.24) / 2
    assert recover > (1.18 - 0.43) / 2
