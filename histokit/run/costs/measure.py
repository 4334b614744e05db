"""Measuring a task: its time, its memory, and plain words where it cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from histokit.errors import HistokitError, PluginError
from histokit.run.costs.bounds import bounded_memory
from histokit.run.costs.gauges import Latency, peak_memory, time_calls
from histokit.run.costs.tasks import Job, Task
from histokit.run.machine import told_out_of_memory

LOWER = "lower --size or --batch, or use --precision bf16"
"""What can be told when memory runs out."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What was measured of a task: the job itself, its time, and the most bytes of tensors at one
    time, from building on; see `gauges.peak_memory`.
    """

    job: Job
    took: Latency
    memory: int


def measured(
    task: Task, device: torch.device, *, warmup: int, repeats: int, draw: bool = False
) -> Measure:
    """Builds a task, calls it and times it, with the drawing of batches where `draw` says so.

    Call it within `told_why`.
    """

    def begun() -> Job:
        job = task.open()
        job.call()
        job.call()  # an optimiser has its state from the first step on
        return job

    job, memory = peak_memory(begun, device)
    drawn = job.draw if draw else None
    took = time_calls(job.call, device, warmup=warmup, repeats=repeats, draw=drawn)
    return Measure(job, took, memory)


@contextmanager
def told_why(device: torch.device) -> Iterator[None]:
    """Keeps work to the memory that is free, and turns whatever a method or network raises into a
    HistokitError: what is measured is the code of others, at sizes that they may never have seen.
    """
    try:
        with bounded_memory(device), told_out_of_memory(LOWER):
            yield
    except HistokitError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise PluginError(f"{type(error).__name__}: {lines[0]}".rstrip(": ")) from error
