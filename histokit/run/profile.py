"""`histokit profile`: parameters, operations, time and memory under the same conditions."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from histokit.errors import DataError, HistokitError, PartialFailure
from histokit.io.files import atomic, require_folder
from histokit.run.costs.gauges import ON_CPU, ON_GPU, count_flops, release
from histokit.run.costs.measure import measured, told_why
from histokit.run.costs.tasks import Conditions, Task, tasks_of
from histokit.run.events import Event, ItemFailed, Noted
from histokit.run.machine import Machine, open_machine


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """What `profile` is asked to do.

    Attributes:
        refs: methods, presets and networks.
        size: side of a window in pixels.
        batch: windows at once.
        train: whether training steps are measured, too.
        warmup: calls before those that are timed.
        repeats: calls that are timed.
        seed: of weights and made-up images.
        out: a CSV file of the table, or None.
        device: where to compute.
        precision: number format.
    """

    refs: Sequence[str]
    size: int = 256
    batch: int = 1
    train: bool = True
    warmup: int = 3
    repeats: int = 10
    seed: int = 0
    out: Path | None = None
    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one task costs.

    Attributes:
        subject: the method or network, as typed.
        task: ``forward``, ``segment``, ``translate`` or ``train PHASE``.
        side: of a window in pixels, which may be more than was asked for.
        batch: windows at once; of source and target each where a step takes both.
        parameters: weights of all its networks, those that only train it too.
        flops: floating-point operations of one call; see `gauges.count_flops`.
        median_ms: milliseconds of one call.
        lower_ms, upper_ms: its quartiles.
        windows_per_s: batch over median.
        memory_bytes: most bytes of tensors at one time, from building on; see
            `gauges.peak_memory`.
        error: why it could not be measured; empty where it was.
    """

    subject: str
    task: str
    side: int
    batch: int
    parameters: int | None = None
    flops: int | None = None
    median_ms: float | None = None
    lower_ms: float | None = None
    upper_ms: float | None = None
    windows_per_s: float | None = None
    memory_bytes: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Profiled:
    """Profiling is over: what was measured, where, and how memory was read."""

    costs: Sequence[Cost]
    device: str
    precision: str
    memory: str
    options: ProfileOptions

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values."""
        how = self.options
        return {
            "device": self.device,
            "precision": self.precision,
            "memory": self.memory,
            "size": how.size,
            "batch": how.batch,
            "warmup": how.warmup,
            "repeats": how.repeats,
            "costs": [asdict(cost) for cost in self.costs],
        }


def profile(options: ProfileOptions) -> Iterator[Event | Profiled]:
    """Measures every task of every method and network; ends with `Profiled`.

    All run on one machine, with windows, batch and number format that are the same; weights are
    fresh and images made up. Raises PartialFailure at the end where tasks failed, DataError where
    all did; the table names their reasons.
    """
    if options.out is not None:
        require_folder(options.out.parent)
    machine = open_machine(options.device, options.precision)
    how = Conditions(machine, options.size, options.batch, options.train, options.seed)
    tasks: list[Task] = []
    for ref in options.refs:
        tasks += tasks_of(ref, how)
        if tasks[-1].side != options.size:
            yield Noted(f"{ref} takes no windows of {options.size} px; it gets {tasks[-1].side} px")
    costs: list[Cost] = []
    for number, task in enumerate(tasks, 1):
        cost = _cost(task, options, machine)
        release(machine.device)
        costs.append(cost)
        key = f"{task.subject} {task.name}"
        if cost.error:
            yield ItemFailed(key, number, len(tasks), cost.error)
        else:
            yield Noted(f"{number}/{len(tasks)} {key}  {cost.median_ms:.4g} ms")
    if options.out is not None:
        _write(options.out, costs, machine)
    memory = ON_GPU if machine.on_gpu else ON_CPU
    yield Profiled(costs, machine.describe(), machine.precision, memory, options)
    _tell_failures(costs)


def _cost(task: Task, options: ProfileOptions, machine: Machine) -> Cost:
    """What a task costs, or why it could not be measured."""
    device = machine.device
    try:
        with told_why(device):
            found = measured(task, device, warmup=options.warmup, repeats=options.repeats)
            flops = count_flops(found.job.call)
    except HistokitError as error:
        return Cost(task.subject, task.name, task.side, options.batch, error=error.what)
    return Cost(
        task.subject,
        task.name,
        task.side,
        options.batch,
        parameters=found.job.parameters,
        flops=flops,
        median_ms=1000 * found.took.median,
        lower_ms=1000 * found.took.lower,
        upper_ms=1000 * found.took.upper,
        windows_per_s=options.batch / found.took.median,
        memory_bytes=found.memory,
    )


def _write(path: Path, costs: Sequence[Cost], machine: Machine) -> None:
    """The table as CSV, with device and number format in every line."""
    columns = [field.name for field in fields(Cost)]
    where = {"device": machine.describe(), "precision": machine.precision}
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, [*columns, *where])
        writer.writeheader()
        writer.writerows(asdict(cost) | where for cost in costs)


def _tell_failures(costs: Sequence[Cost]) -> None:
    failed = [cost for cost in costs if cost.error]
    if failed:
        kind = DataError if len(failed) == len(costs) else PartialFailure
        first = failed[0]
        raise kind(
            f"{len(failed)} of {len(costs)} tasks could not be measured",
            found=f"{first.subject} {first.task}: {first.error}",
        )
