"""Operations, time and memory of work whose cost is known by hand."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from histokit.run.gauges import count_flops, peak_memory, release, time_calls

CPU = torch.device("cpu")


def test_a_convolution_costs_two_operations_a_weight_and_pixel():
    layer, images = nn.Conv2d(3, 5, 3, padding=1), torch.zeros(2, 3, 8, 8)
    forward = 2 * (2 * 8 * 8) * (3 * 5 * 9)
    with torch.inference_mode():
        assert count_flops(lambda: layer(images)) == forward
    # the images want no gradient, so the backward pass is that of the weights alone
    assert count_flops(lambda: layer(images).sum().backward()) == 2 * forward


def test_peak_memory_is_what_tensors_hold_at_one_time():
    kept = torch.zeros(10_000)

    def work():
        first = torch.zeros(1000)
        del first
        second = torch.zeros(2000)
        return second + kept[:2000]

    made, peak = peak_memory(work, CPU)
    assert made.shape == (2000,)
    assert peak == 4 * (2000 + 2000)


def test_weights_and_gradients_count():
    def work():
        layer = nn.Linear(100, 100, bias=False)
        layer(torch.zeros(1, 100)).sum().backward()
        return layer

    layer, peak = peak_memory(work, CPU)
    least = 2 * 4 * sum(p.numel() for p in layer.parameters())
    assert least <= peak < least + 4000
    release(CPU)


def test_quartiles_lie_around_the_median():
    waits = iter([0.03, 0.03, 0.002, 0.004, 0.006, 0.008, 0.01])
    found = time_calls(lambda: time.sleep(next(waits)), CPU, warmup=2, repeats=5)
    assert found.lower < found.median < found.upper
    assert found.median == pytest.approx(0.006, abs=0.0015)
    once = time_calls(lambda: None, CPU, warmup=0, repeats=1)
    assert once.lower == once.median == once.upper
