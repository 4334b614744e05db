"""Operations, time and memory of work whose cost is known by hand."""

from __future__ import annotations

import torch
from torch import nn

from histokit.run.costs import gauges
from histokit.run.costs.gauges import count_flops, peak_memory, release, time_calls

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


def test_quartiles_lie_around_the_median(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(gauges.time, "perf_counter", lambda: now[0])
    waits = iter([30.0, 30.0, 2.0, 4.0, 6.0, 8.0, 10.0])

    def call():
        now[0] += next(waits)

    found = time_calls(call, CPU, warmup=2, repeats=5)
    assert (found.lower, found.median, found.upper) == (4.0, 6.0, 8.0)
    once = time_calls(lambda: None, CPU, warmup=0, repeats=1)
    assert once.lower == once.median == once.upper


def test_waiting_is_its_share_of_all_time_and_no_part_of_a_call(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(gauges.time, "perf_counter", lambda: now[0])

    def passes(seconds):
        def pass_():
            now[0] += seconds

        return pass_

    found = time_calls(passes(3.0), CPU, warmup=1, repeats=4, draw=passes(1.0))
    assert (found.lower, found.median, found.upper) == (3.0, 3.0, 3.0)
    assert found.waited == 0.25
