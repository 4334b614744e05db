"""Averages, schedules and seeds."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from histokit.training.ema import Ema
from histokit.training.schedule import linear_decay, linear_ramp, step_decay
from histokit.training.seed import generator_state, restore_generators, seed_everything


def test_ema_is_the_weighted_mean_and_copies_buffers():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = Ema(network, 0.9)
    old = network[0].weight.clone()
    with torch.no_grad():
        network[0].weight.add_(1.0)
    network(torch.randn(8, 2))
    ema.update(network)
    assert torch.allclose(ema.module[0].weight, 0.9 * old + 0.1 * (old + 1))
    assert torch.equal(ema.module[1].running_mean, network[1].running_mean)
    ema.train()
    assert not ema.module.training
    assert not any(p.requires_grad for p in ema.parameters())


def test_schedules():
    assert [step_decay(25, 0.1)(n) for n in (0, 24, 25, 50)] == pytest.approx([1, 1, 0.1, 0.01])
    assert [linear_decay(10, 20)(n) for n in (0, 10, 15, 20, 30)] == [1, 1, 0.5, 0, 0]
    assert [linear_ramp(4)(n) for n in (0, 1, 4, 9)] == [0, 0.25, 1, 1]


def test_generators_go_on_where_they_were():
    seed_everything(3)
    random.random(), np.random.random(), torch.rand(1)
    state = generator_state()
    expected = random.random(), np.random.random(), torch.rand(1).item()
    seed_everything(9)
    restore_generators(state)
    assert (random.random(), np.random.random(), torch.rand(1).item()) == expected
