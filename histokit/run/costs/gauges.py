"""What a piece of work costs: floating-point operations, time and memory."""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch.autograd.profiler import profile
from torch.utils.flop_counter import FlopCounterMode

Made = TypeVar("Made")

ON_GPU = "torch.cuda.max_memory_allocated"
ON_CPU = "torch's CPU allocations, by its profiler"
"""What `peak_memory` reads on each kind of device."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of one call over repeats: the median and the quartiles around it, and the share of
    all time that went into waiting for what the calls take, in 0..1.
    """

    median: float
    lower: float
    upper: float
    waited: float = 0.0


def count_flops(call: Callable[[], object]) -> int:
    """Floating-point operations of one call, its backward passes included.

    Convolutions, matrix products and attention count, a multiplication and an addition as two;
    all else counts nothing, as `torch.utils.flop_counter` has it.
    """
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def time_calls(
    call: Callable[[], object],
    device: torch.device,
    *,
    warmup: int,
    repeats: int,
    draw: Callable[[], object] | None = None,
) -> Latency:
    """The time of a call, after `warmup` calls that do not count; a GPU is waited for.

    With `draw` something is drawn before each call, once more for the first, whose processes may
    have to start. The time of a call is without it.
    """
    drawn = draw or _nothing
    drawn()
    for _ in range(warmup):
        drawn()
        call()
    seconds, waits = [], []
    for _ in range(repeats):
        _wait(device)
        began = time.perf_counter()
        drawn()
        ready = time.perf_counter()
        call()
        _wait(device)
        waits.append(ready - began)
        seconds.append(time.perf_counter() - ready)
    waited = sum(waits) / max(sum(waits) + sum(seconds), 1e-12) if draw else 0.0
    if repeats < 2:
        return Latency(seconds[0], seconds[0], seconds[0], waited)
    lower, median, upper = statistics.quantiles(seconds, n=4, method="inclusive")
    return Latency(median, lower, upper, waited)


def peak_memory(work: Callable[[], Made], device: torch.device) -> tuple[Made, int]:
    """What `work` gives, and the most bytes that tensors it made on `device` held at one time.

    Both kinds of device count what torch's allocator gave out: weights, activations, gradients and
    states of optimisers, but neither what the allocator keeps in reserve nor what libraries
    allocate past it. See `ON_GPU` and `ON_CPU`.
    """
    gc.collect()  # what is freed meanwhile must not have been there before
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        made = work()
        _wait(device)
        return made, torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler talks on stderr
    with profile(profile_memory=True) as record:
        made = work()
    return made, _highest(record)


def release(device: torch.device) -> None:
    """Gives back the memory of what is no longer used, compiled code included."""
    if "torch._dynamo" in sys.modules:  # else nothing was compiled, and it takes long to import
        torch.compiler.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _highest(record: profile) -> int:
    """The highest sum of the bytes allocated (above 0) and freed (below 0), in order of time."""
    if record.kineto_results is None:
        return 0
    events: list[Any] = list(record.kineto_results.events())  # torch types them without nbytes
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    held = highest = 0
    for _, change in changes:
        held += change
        highest = max(highest, held)
    return highest


def _nothing() -> None:
    """Draws nothing."""


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
